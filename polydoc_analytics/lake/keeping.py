"""Keeping a lake: many small files into few, an account erased everywhere."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from polydoc_analytics import __version__
from polydoc_analytics.counting import counted
from polydoc_analytics.errors import LakeError, UsageError, first_line
from polydoc_analytics.lake import health
from polydoc_analytics.lake.changes import connection, scan
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.places import ACCOUNTS, SOURCES, Place, json_of, json_text
from polydoc_analytics.lake.schemas import FORMAT_VERSION, LedgerRow
from polydoc_analytics.lake.tables import DataFile, Table, base_name
from polydoc_analytics.lake.taking import committed_after
from polydoc_analytics.lake.writing import write_table
from polydoc_analytics.sql import quoted
from polydoc_analytics.store import FILE_ROWS

LEAST_RETENTION_DAYS = 7
MANY_FILES = 50
_ORDER = {"runs": "created_at, id", "history": "created_at, id", "quarantine": "load, source, line"}


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a compaction does, or would do: by table the small files that become few, and the files to be removed."""

    small: dict[str, list[str]]
    left_over: list[str]

    @property
    def is_needed(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.left_over) or any(self.small.values())


def upkeep(place: Place, retention_days: int) -> Upkeep:
    """Return what :func:`compact` would do; raises UsageError for a retention of less than seven days.

    A reader that has pinned an older snapshot still needs its files, so they are kept for the retention.
    """
    if retention_days < LEAST_RETENTION_DAYS:
        raise UsageError(
            f"retention of {retention_days} days: readers may still use files of the last days; "
            f"give at least {LEAST_RETENTION_DAYS}"
        )
    small, left_over = {}, []
    for name in health.PINNED:
        table = Table(place, name).open()
        small[name] = [file.name for file in small_files(table)]
        left_over += [f"{name}/{file}" for file in _vacuum(table, retention_days * 24, dry_run=True)]
    return Upkeep(small, sorted(left_over))


def small_files(table: Table) -> list[DataFile]:
    """Return the files of a table that are worth putting together; none where there is only one."""
    small = [file for file in table.files() if file.rows < FILE_ROWS // 2]
    return small if len(small) > 1 else []


def compact(place: Place, folder: Path, load: str, retention_days: int | None) -> LedgerRow | None:
    """Put small files together, sorted by created_at, and remove what no snapshot of the retention needs.

    ``retention_days`` None removes nothing. To be called under the lock; returns the new row of the ledger, or None
    where nothing was put together. The figures as of every load stay what they were.
    """
    ledger = Ledger(place)
    last = ledger.last
    if last is None:
        return None
    versions, rewritten = {}, 0
    for name in health.PINNED:
        table = Table(place, name).open()
        small = small_files(table)
        if small:
            rewritten += len(small)
            _rewrite(table, [file.name for file in small], "true", folder, load)
        versions[f"{name}_version"] = table.version
        if retention_days is not None:
            _vacuum(table, retention_days * 24)
    if retention_days is not None:
        _vacuum(ledger.table, retention_days * 24)
    if not rewritten:
        return None
    row = entry(last, load, "compact", f"{counted(rewritten, 'file')} put together")
    ledger.append(replace(row, **versions), folder)  # type: ignore[arg-type] # versions are numbers
    return ledger.last


def erase(place: Place, account: str, folder: Path, load: str) -> LedgerRow | None:
    """Remove an account from runs, history and quarantine, old files included, and record that it was done.

    To be called under the lock. The ledger keeps the SHA-256 of the account's id, not the id. Returns the new row of
    the ledger, or None where nothing of the account was found. Snapshots of earlier loads lose the account too.
    """
    ledger = Ledger(place)
    last = ledger.last
    if last is None:
        return None
    _forget(place, account)
    of_account = {
        "runs": f"account_id = {quoted(account)}",
        "history": f"account_id = {quoted(account)}",
        "quarantine": " or ".join(_mentions(account, column) for column in ("raw", "reason", "source")),
    }
    erased = _states_by_load(place, of_account["runs"])
    versions, removed = {}, {}
    for name, condition in of_account.items():
        table = Table(place, name).open()
        files, removed[name] = _files_with(table, condition)
        if files:
            _rewrite(table, files, f"not coalesce({condition}, false)", folder, load)
        versions[f"{name}_version"] = table.version
    if not any(removed.values()):
        if any(one.kind == "erase" for one in ledger.rows):  # an erasure that was killed may have left old files
            _remove_old_files(place)
        return None
    names = {"runs": "run", "history": "superseded state", "quarantine": "quarantined row"}
    said = f"erased {', '.join(counted(removed[name], one) for name, one in names.items())}"
    digest = hashlib.sha256(account.encode()).hexdigest()
    row = replace(
        entry(last, load, "erase", said),
        source=f"account with SHA-256 {digest}",
        **versions,  # type: ignore[arg-type]
    )
    languages = _languages_left(place)
    number = {one.load: one.number for one in ledger.rows}
    rows = []
    for one in (*ledger.rows, row):
        gone = sum(
            runs
            for brought, until, runs in erased
            if number[brought] <= one.number and (until is None or one.number < number[until])
        )
        left = [text for text in one.languages if text in languages]
        named = one.source if one is row else _without(account, one.source)
        rows.append(replace(one, runs=one.runs - gone, languages=left, source=named))
    row = rows[-1]
    ledger.rewrite(rows, folder, load)
    _remove_old_files(place)
    return row


def _forget(place: Place, account: str) -> None:
    """Remove an account's name, and what is remembered of source files that are named after it."""
    names = json_of(place, ACCOUNTS)
    if names.pop(account, None) is not None:
        place.write(ACCOUNTS, json_text(names))
    for file in list(place.files(SOURCES)):
        state = json_of(place, f"{SOURCES}/{file.name}")
        cursor = state.get("cursor")
        if not isinstance(cursor, dict):
            continue
        files = cursor.get("files")
        left = {name: value for name, value in (files or {}).items() if _without(account, name) == name}
        if files and len(left) < len(files):
            place.write(f"{SOURCES}/{file.name}", json_text({**state, "cursor": {**cursor, "files": left}}))


def _remove_old_files(place: Place) -> None:
    for name in (*health.PINNED, "loads"):
        _vacuum(Table(place, name).open(), 0)


def entry(last: LedgerRow, load: str, kind: str, detail: str) -> LedgerRow:
    """Return a row of the ledger for what brings no runs."""
    now = datetime.now(UTC)
    return replace(
        last,
        number=last.number + 1,
        load=load,
        kind=kind,
        source="",
        content_hash=None,
        content_bytes=None,
        is_authority=False,
        started_at=now,
        committed_at=committed_after(last),
        read=0,
        inserted=0,
        updated=0,
        unchanged=0,
        duplicates=0,
        quarantined=0,
        new_quarantined=0,
        conflicts=0,
        detail=detail,
        tool_version=__version__,
        format_version=FORMAT_VERSION,
    )


def new_load() -> str:
    """Return a name for a load: when it began (UTC), and what makes it unique."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _rewrite(table: Table, names: list[str], condition: str, folder: Path, load: str) -> None:
    """Replace files of a table by files of their rows that meet a condition."""
    place = table.place
    paths = [place.path(f"{table.name}/{name}") for name in names]
    work = folder / f"rewritten-{table.name}"
    work.mkdir()
    with connection(folder) as con:
        place.prepare(con)
        sql = f"select * from {scan(paths, table.name)} where {condition} order by {_ORDER[table.name]}"
        written = write_table(con.sql(sql), table.name, work, load)
    table.add(load, written, names, is_rewrite=condition == "true")


_WORD = "0-9A-Za-z_-"


def _mentions(account: str, column: str) -> str:
    """Return SQL for whether a text names an account as a whole word, as it is or as JSON escapes it."""
    if not account.strip():
        return "false"
    forms = sorted({account, json.dumps(account)[1:-1], json.dumps(account, ensure_ascii=False)[1:-1]})
    escaped = " || '|' || ".join(f"regexp_escape({quoted(form)})" for form in forms)
    return f"regexp_matches({column}, '(^|[^{_WORD}])(' || {escaped} || ')([^{_WORD}]|$)')"


def _without(account: str, name: str) -> str:
    """Return the name of a source without the account that it may be named after."""
    if not account.strip():
        return name
    return re.sub(f"(?<![{_WORD}]){re.escape(account)}(?![{_WORD}])", "(erased)", name)


def _states_by_load(place: Place, condition: str) -> list[tuple[str, str | None, int]]:
    """Return how many states that meet a condition came with which load and were superseded by which."""
    runs, history = (scan(Table(place, name).open().paths(), name) for name in ("runs", "history"))
    with connection(Path()) as con:
        place.prepare(con)
        return con.sql(f"""
            select load, null, count(*) from {runs} where {condition} group by all
            union all
            select load, superseded_by, count(*) from {history} where {condition} group by all""").fetchall()


def _files_with(table: Table, condition: str) -> tuple[list[str], int]:
    """Return the files with rows that meet a condition, and how many rows those are."""
    paths = table.paths()
    with connection(Path()) as con:
        table.place.prepare(con)
        found = con.sql(
            f"select filename, count(*) from {scan(paths, table.name, with_file=True)} where {condition} group by all"
        ).fetchall()
    return [base_name(path) for path, _ in found], sum(count for _, count in found)


def _languages_left(place: Place) -> set[str]:
    left: set[str] = set()
    with connection(Path()) as con:
        place.prepare(con)
        for name in ("runs", "history"):
            rows = scan(Table(place, name).open().paths(), name)
            left.update(row[0] for row in con.sql(f"select distinct target_language from {rows}").fetchall())
    return left


def _vacuum(table: Table, hours: int, *, dry_run: bool = False) -> list[str]:
    """Remove the files that the newest version does not use, once they are older than ``hours``; return their names."""
    before = table.version
    try:
        removed: list[str] = table.delta.vacuum(
            retention_hours=hours, dry_run=dry_run, enforce_retention_duration=False, full=True
        )
    except Exception as error:
        raise LakeError(f"{table.place.shown}/{table.name}: cannot be tidied: {first_line(error, 200)}") from None
    for version in range(before + 1, table.open().version + 1):
        table.settle(version)
    return [name for name in removed if name.endswith(".parquet")]

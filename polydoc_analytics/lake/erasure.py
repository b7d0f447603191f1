"""An account erased from a lake: its rows, and its id in every file that the lake's folder holds."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.lake.changes import reading, scan
from polydoc_analytics.lake.delta_table import LOG, LakeTable, base_name
from polydoc_analytics.lake.erased_accounts import RefusedAccounts, key_checksum, new_name
from polydoc_analytics.lake.id_spellings import Spelling
from polydoc_analytics.lake.integrity import Whole
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.maintenance import entry, new_load, rewrite, vacuum
from polydoc_analytics.lake.schemas import LedgerRow
from polydoc_analytics.lake.source_memory import forget_cursors
from polydoc_analytics.lake.states import bounds_of, languages_of, states_by_load
from polydoc_analytics.lake.storage.interface import (
    ACCOUNTS,
    ALERTS,
    DAMAGED,
    SCHEDULE,
    SOURCES,
    Storage,
    json_of,
    json_text,
)
from polydoc_analytics.lake.storage.object_store import storage_of
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.model.sql_names import quoted

if TYPE_CHECKING:
    import duckdb

_QUARANTINE_TEXTS = ("raw", "reason", "source", "header")
_EDITIONS = "editions/"
_FIGURES = ".figures.json"


def erase(place: Storage, account: str, folder: Path, load: str, whole: Whole) -> LedgerRow | None:
    """Remove an account from the tables, the ledger, the logs and the memory of sources, for good; under the lock.

    Returns the row that the ledger gets, whose ``source`` is the account's keyed hash; None where the lake holds
    nothing of the account. From then on its rows are refused.
    """
    with reading(place, folder) as con:
        return _erased(con, place, account, folder, load, whole)


def _erased(
    con: duckdb.DuckDBPyConnection, place: Storage, account: str, folder: Path, load: str, whole: Whole
) -> LedgerRow | None:
    ledger, last = whole.ledger, whole.ledger.last
    if last is None:
        return None
    RefusedAccounts(place, ledger.rows)  # raises before anything is written where the lake's key is damaged
    spelling = Spelling(account)
    _forget(place, spelling)
    of_account = {
        "runs": spelling.is_account_sql("account_id"),
        "history": spelling.is_account_sql("account_id"),
        "quarantine": " or ".join(spelling.is_named_sql(column) for column in _QUARANTINE_TEXTS),
    }
    erased = states_by_load(con, *_paths(whole), of_account["runs"])
    renamed = _renamed_sources(con, whole, spelling)
    versions, removed = {}, {}
    for name, condition in of_account.items():
        table = whole.tables[name]
        columns, touched = "*", condition
        if name == "quarantine" and renamed:
            cases = " ".join(f"when {quoted(old)} then {quoted(new)}" for old, new in renamed.items())
            columns = f"* replace (case source {cases} else source end as source)"
            touched = f"({condition}) or source in ({', '.join(map(quoted, renamed))})"
        files, removed[name] = _files_with(con, table, condition)
        if touched != condition:
            files, _ = _files_with(con, table, touched)
        if files:
            rewrite(con, table, files, f"not coalesce({condition}, false)", folder, load, columns)
        versions[f"{name}_version"] = table.version
    rows = [_struck(one, spelling) for one in ledger.rows]
    if not any(removed.values()) and not renamed and rows == list(ledger.rows):
        if any(one.kind == "erase" for one in ledger.rows):  # an erasure that was killed may have left old files
            _remove_old_files(place, whole, spelling, last)
        return None
    names = {"runs": "run", "history": "superseded state", "quarantine": "quarantined row"}
    said = f"erased {', '.join(counted(removed[name], one) for name, one in names.items())}"
    row = replace(
        entry(last, load, "erase", said),
        source=new_name(place, account),
        content_hash=key_checksum(place),
        **versions,  # type: ignore[arg-type]
    )
    languages, states = languages_of(con, *_paths(whole)), states_by_load(con, *_paths(whole))
    numbers = {one.load: one.number for one in ledger.rows}
    left = []
    for one in (*rows, row):
        gone = sum(some.count for some in erased if some.were_there(one.number, numbers))
        texts = [text for text in one.languages if text in languages]
        bounds = bounds_of(some for some in states if some.were_there(one.number, numbers))
        left.append(replace(one, runs=one.runs - gone, languages=texts, **bounds))
    row = left[-1]
    ledger.rewrite(left, folder, load)
    _remove_old_files(place, whole, spelling, row)
    return row


def readmit(place: Storage, account: str, folder: Path, load: str, ledger: Ledger) -> LedgerRow | None:
    """Let an erased account in again; returns the row that the ledger gets, None where it was not refused.

    The next sync of each source reads everything, for its rows were refused when it did.
    """
    found: LedgerRow | None = None
    names = RefusedAccounts(place, ledger.rows).recorded_as(account)
    if names:
        forget_cursors(place)
    for number, name in enumerate(names):
        last = ledger.last
        assert last is not None
        # An account that was erased by an older version too stands there twice; each row is a load of its own name.
        row = entry(last, load if not number else new_load(), "readmit", "an erased account is let in again")
        found = replace(row, source=name)
        ledger.append(found, folder)
    return found


def _struck(row: LedgerRow, spelling: Spelling) -> LedgerRow:
    detail = None if row.detail is None else spelling.strike(row.detail)
    return replace(row, source=spelling.strike(row.source), detail=detail)


def _forget(place: Storage, spelling: Spelling) -> None:
    """Remove an account's name, the memory of files named after it, and damaged files put aside that hold it."""
    names = json_of(place, ACCOUNTS)
    left = {account: name for account, name in names.items() if not spelling.is_in(account)}
    if left != names:
        place.write(ACCOUNTS, json_text(left))
    for file in list(place.files(SOURCES)):
        state = json_of(place, f"{SOURCES}/{file.name}")
        now, cursor = dict(state), state.get("cursor")
        if isinstance(cursor, dict) and isinstance(cursor.get("files"), dict):
            files = {name: value for name, value in cursor["files"].items() if not spelling.is_in(name)}
            now["cursor"] = {**cursor, "files": files}
        now = spelling.strike_all(now)
        if now != state:
            place.write(f"{SOURCES}/{file.name}", json_text(now))
    for file in list(place.files(DAMAGED)):
        content = place.read(f"{DAMAGED}/{file.name}") or b""
        if file.name.endswith(".parquet") or spelling.is_in(content.decode("utf-8", "replace")):
            place.remove(f"{DAMAGED}/{file.name}")


def erase_from_schedule(place: Storage, account: str, *, keep_documents: bool) -> list[str]:
    """Remove an account from the state of schedules and alerts; returns the names of its documents.

    The documents made for it alone are removed, or with ``keep_documents`` kept with the jobs that name them. What was
    not delivered yet of them is not sent any more. To be called without the lake's lock, for a scheduler may hold its
    own while it waits for that.
    """
    schedule = storage_of(place.path(SCHEDULE), place.storage_options)
    names = [name for name in schedule.walk() if name.endswith(".json")]
    if not names:
        return []
    spelling, documents = Spelling(account), []
    with schedule.lock():
        for name in names:
            is_document = name.startswith(_EDITIONS) and not name.endswith((".letter.json", _FIGURES))
            content = None if is_document else schedule.read(name)
            if content is None:
                continue
            with suppress(ValueError):
                before = json.loads(content)
                files = _documents(before, account)
                documents += [f"{SCHEDULE}/{file}" for file, is_letter in files.items() if not is_letter]
                if keep_documents and (files or name.startswith(_EDITIONS)):
                    continue
                if name.endswith(_FIGURES):
                    before = [row for row in before if not any(map(spelling.is_in, row[1]))]
                if name == ALERTS:
                    before = _without_alerts(before, spelling)
                now = spelling.strike_all(before if not files else _without_documents(before, account))
                if now != json.loads(content):
                    schedule.write(name, json.dumps(now, ensure_ascii=False, indent=1).encode("utf-8", "replace"))
                for file in files:
                    schedule.remove(file)
    return documents


def _without_alerts(state: dict[str, Any], spelling: Spelling) -> dict[str, Any]:
    """Return the state of the alerts without those of an account, which nothing would ever end."""
    kept = {
        name: {identity: one for identity, one in state.get(name, {}).items() if not spelling.is_in(one.get("key", ""))}
        for name in ("firing", "no_data")
    }
    return {**state, **kept}


def _editions(content: Any) -> list[dict[str, Any]]:
    found = content.get("editions") if isinstance(content, dict) else None
    return [one for one in found or () if isinstance(one, dict) and "documents" in one]


def _documents(job: Any, account: str) -> dict[str, bool]:
    """Return the files that a job made for one account, and whether each goes with the document, but is none."""
    found: dict[str, bool] = {}
    for edition in _editions(job):
        for document in edition["documents"]:
            if document["account"] == account:
                found |= {f"{edition['folder']}/{name}": False for name in document["files"]}
                beside = [document["letter"], document.get("figures", ""), *document["charts"].values()]
                found |= dict.fromkeys(beside, True)
    return {name: is_letter for name, is_letter in found.items() if name}


def _without_documents(job: dict[str, Any], account: str) -> dict[str, Any]:
    """Return a job whose documents for one account have no files, and whose open deliveries to it are dropped."""
    for edition in _editions(job):
        edition["documents"] = [
            {**one, "letter": "", "files": {}, "charts": {}, "figures": ""} if one["account"] == account else one
            for one in edition["documents"]
        ]
        edition["deliveries"] = [
            one
            for one in edition.get("deliveries", ())
            if one["account"] != account or (one["state"] not in ("due", "sending") and not one.get("next_try_at"))
        ]
    return job


def _remove_old_files(place: Storage, whole: Whole, spelling: Spelling, last: LedgerRow) -> None:
    """Remove the data files that the newest versions do not use, and the part of a log that names the account."""
    for table in (*whole.tables.values(), whole.ledger.table):
        vacuum(table, 0)
        version = table.version if table is whole.ledger.table else last.version_of(table.name)
        is_open = version == table.version
        _shorten_log(place, table if is_open else LakeTable(place, table.name).open(version), spelling)


def _shorten_log(place: Storage, table: LakeTable, spelling: Spelling) -> None:
    """Let a log begin with a checkpoint where an older entry holds the id, as the statistics of other writers may."""
    older = [
        f"{table.name}/{LOG}/{file.name}"
        for file in place.files(f"{table.name}/{LOG}")
        if file.name[:20].isdigit() and int(file.name[:20]) < table.version
    ]
    if any(_log_names(place, name, spelling) for name in older):
        table.delta.create_checkpoint()
        table.fsync(table.version)
        for name in sorted(older):
            place.remove(name)


def _log_names(place: Storage, name: str, spelling: Spelling) -> bool:
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        with pq.ParquetFile(place.open_file(name)) as checkpoint:
            return spelling.is_in(json.dumps(checkpoint.read().to_pylist(), default=str, ensure_ascii=False))
    return name.endswith(".json") and spelling.is_in((place.read(name) or b"").decode("utf-8", "replace"))


def _renamed_sources(con: duckdb.DuckDBPyConnection, whole: Whole, spelling: Spelling) -> dict[str, str]:
    """Return the sources of quarantined rows whose names hold the id, with the names that they are to have."""
    rows = scan(whole.tables["quarantine"].paths(), "quarantine")
    names = [row[0] for row in con.sql(f"select distinct source from {rows}").fetchall()]
    return {name: spelling.strike(name) for name in names if spelling.is_in(name)}


def _paths(whole: Whole) -> tuple[list[str], list[str]]:
    return whole.tables["runs"].paths(), whole.tables["history"].paths()


def _files_with(con: duckdb.DuckDBPyConnection, table: LakeTable, condition: str) -> tuple[list[str], int]:
    """Return the files with rows that meet a condition, and how many rows those are."""
    rows = scan(table.paths(), table.name, with_file=True)
    found = con.sql(f"select filename, count(*) from {rows} where {condition} group by all").fetchall()
    return [base_name(path) for path, _ in found], sum(count for _, count in found)

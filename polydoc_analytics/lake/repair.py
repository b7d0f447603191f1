"""The way back from damage: what is lost, what can be saved, and the lake made whole again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake import integrity
from polydoc_analytics.lake.changes import reading, scan
from polydoc_analytics.lake.data_file import DataFile
from polydoc_analytics.lake.delta_table import LOG, FormatError, LakeTable
from polydoc_analytics.lake.erased_accounts import RefusedAccounts
from polydoc_analytics.lake.id_spellings import canonical_sql
from polydoc_analytics.lake.ledger import Ledger, rows_of_ledger
from polydoc_analytics.lake.lost_rows import is_ledger_file, rebuilt_rows
from polydoc_analytics.lake.maintenance import entry
from polydoc_analytics.lake.parquet import write_table
from polydoc_analytics.lake.schemas import TABLES, LedgerRow, table_schema
from polydoc_analytics.lake.source_memory import forget_cursors
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.lake.storage.local import LocalStorage
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.model.sql_names import quoted

_KEYS = {"runs": ["id"], "history": ["id", "load", "superseded_by"], "quarantine": ["load", "source", "line", "reason"]}


@dataclass(frozen=True, slots=True)
class Repair:
    """Damage found in a lake, and the plan of its repair.

    ``entries`` are parts of logs, ``files`` data files. The lake goes back to the load ``good`` (None: to the empty
    lake), and ``lost`` are the loads after it; ``gone`` counts by table the rows of damaged files that are lost,
    ``taken`` those that were found in files of another writer, which has put them together. ``forgotten`` are the names
    of loads whose rows in the ledger are lost; their runs stay.
    """

    entries: list[str]
    files: list[str]
    good: LedgerRow | None
    lost: list[LedgerRow]
    gone: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)

    @property
    def is_needed(self) -> bool:
        """Check whether anything is damaged."""
        return bool(self.entries or self.files or self.lost or self.gone)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A repair, with all that is needed to do it: what each log loses, the rows that stay, the files of each table."""

    repair: Repair
    logs: dict[str, tuple[list[str], int | None]]
    rows: list[LedgerRow]
    last_number: int
    files: dict[str, list[DataFile]]
    foreign: dict[str, list[DataFile]]


def damage(place: Storage) -> Repair:
    """Find damage, and plan a :func:`repair`."""
    return _plan(place).repair


def repair(place: Storage, folder: Path, load: str) -> Repair:
    """Make the lake whole again, and record it; to be called under the lock. Parts of logs are put aside, not deleted.

    It goes back to the newest load that is whole. Where that would lose loads that are not damaged themselves, the
    damaged files are taken out of the newest state instead, and their rows are lost. Where anything is lost, the next
    sync of each source reads everything. Raises LakeError where neither can be done.
    """
    plan = _plan(place)
    done = plan.repair
    if not done.is_needed:
        return done
    if done.lost or done.gone or any(name.startswith("loads/") for name in done.files):
        forget_cursors(place)
    for name, (names, since) in plan.logs.items():
        integrity.put_aside(place, name, names, since)
    for name, files in plan.foreign.items():
        plan.files[name] += _taken_in(place, name, plan, folder, load) if files else []
    versions = {f"{name}_version": _set(place, name, load, files) for name, files in plan.files.items()}
    rows = plan.rows
    if done.good or done.lost:
        row = _row(done, plan, load)
        rows = [*rows, replace(row, runs=sum(one.rows for one in plan.files["runs"]), **versions)]  # type: ignore[arg-type]
    Ledger(place, rows=()).rewrite(rows, folder, load)
    integrity.undo_unfinished(place)
    return done


def _row(done: Repair, plan: _Plan, load: str) -> LedgerRow:
    """Return the repair's own row of the ledger; its number comes after those of the loads that are lost."""
    last = done.good
    if last is None:
        empty = {"runs": 0, "languages": [], "created_low": None, "created_high": None}
        last = replace(done.lost[-1], finished_low=None, finished_high=None, **empty)  # type: ignore[arg-type]
    said = [f"{counted(rows, 'row')} of {name} lost with damaged files" for name, rows in done.gone.items()]
    said += [f"{counted(rows, 'row')} of {name} taken in from another writer" for name, rows in done.taken.items()]
    said += [f"load {row.number} was lost ({row.source or row.kind})" for row in reversed(done.lost)]
    said += [f"what load {name} did was lost with the ledger's file" for name in done.forgotten]
    row = entry(last, load, "repair", "; ".join(said) or "parts of logs were put aside")
    return replace(row, number=plan.last_number + 1)


def _rows_of_foreign(
    place: Storage, name: str, rows: list[LedgerRow], kept: list[DataFile], files: list[DataFile]
) -> str:
    """Return SQL for the rows of another writer's files that are of known loads, and not in files that are kept."""
    columns, keys = ", ".join(table_schema(name).names), ", ".join(_KEYS[name])
    theirs, ours = (scan([place.path(f"{name}/{file.name}") for file in some], name) for some in (files, kept))
    loads = ", ".join(quoted(row.load) for row in rows)
    account = RefusedAccounts(place, rows).refuse_sql(canonical_sql("account_id"), "account_id")
    admitted = "true" if name == "quarantine" else f"not ({account})"
    return f"""
        select {columns} from {theirs} as theirs
        anti join (select {keys} from {ours}) as ours using ({keys})
        where load in ({loads}) and {admitted}
        qualify row_number() over (partition by {keys}) = 1"""


def _taken_in(place: Storage, name: str, plan: _Plan, folder: Path, load: str) -> list[DataFile]:
    """Write rows of another writer's files as files of the lake."""
    work = folder / f"taken-{name}"
    work.mkdir()
    with reading(place, folder) as con:
        sql = _rows_of_foreign(place, name, plan.rows, plan.files[name], plan.foreign[name])
        return LakeTable(place, name).publish(write_table(con.sql(sql), name, work, load))


def _set(place: Storage, name: str, load: str, files: list[DataFile]) -> int:
    table = LakeTable(place, name).open()
    table.set_files(load, files)
    return table.version


@contextmanager
def _readable(place: Storage, logs: dict[str, tuple[list[str], int | None]]) -> Iterator[Storage]:
    """Yield a place with the lake's logs as they are once what is damaged has been put aside."""
    if not any(names for names, _ in logs.values()):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="polydoc-logs-") as folder:
        copy = LocalStorage(Path(folder))
        for name, (names, since) in logs.items():
            (copy.folder / name / LOG).mkdir(parents=True)
            for file in place.files(f"{name}/{LOG}"):
                is_later = since is not None and file.name[:20].isdigit() and int(file.name[:20]) >= since
                path = f"{name}/{LOG}/{file.name}"
                if path not in names and not is_later and file.name != "_last_checkpoint":
                    (copy.folder / path).write_bytes(place.read(path) or b"")
        yield copy


def _plan(place: Storage) -> _Plan:
    logs = {name: integrity.damaged_log(place, name) for name in TABLES}
    entries = [name for names, _ in logs.values() for name in names]
    if any(since == 0 for _, since in logs.values()):
        raise LakeError(f"{place.shown}: the log of a table is damaged from its start; ingest into a new lake")
    with _readable(place, logs) as readable:
        ledger = LakeTable(readable, "loads").open()
        bad = {*integrity.damaged_files(place, ledger), *integrity.changed_files(place, ledger)}
        used = {file.name for file in ledger.files()}
        rows = list(rows_of_ledger(place, sorted(used - bad)))
        last_number = max((row.number for row in rows), default=0)
        since = logs["loads"][1]
        if since is not None:
            saved, unreadable = _saved(place, used, last_number)
            rows += saved
            bad |= unreadable
            used |= unreadable
            missed = max(integrity.entry_sizes(place, "loads"), default=since) - since + 1
            last_number = max(rows[-1].number if rows else 0, last_number + missed)
        rebuilt = rebuilt_rows(place, readable, used & bad, rows)
        rows = sorted([*rows, *rebuilt], key=lambda row: row.number)
        last_number = max([last_number, *(row.number for row in rebuilt)])
        state = _State(place, readable, rows)
        good, lost, files = state.to_go_back_to()
        gone = {
            name: sum(file.rows for file in state.damaged(good, name)) for name in integrity.PINNED if good is not None
        }
        keep = {
            name: [file for file in state.files(good, name) or () if file not in state.damaged(good, name)]
            for name in integrity.PINNED
        }
        foreign = {name: state.foreign(good, name) if gone.get(name) else [] for name in integrity.PINNED}
        kept = [row for row in rows if row not in lost]
        taken = {name: _count(place, name, kept, keep[name], files) for name, files in foreign.items() if files}
        taken = {name: count for name, count in taken.items() if count}
        gone = {name: count - taken.get(name, 0) for name, count in gone.items() if count > taken.get(name, 0)}
    damaged = sorted({*files, *(f"loads/{name}" for name in bad)})
    repair = Repair(entries, damaged, good, lost, gone, taken, [row.load for row in rebuilt if row not in lost])
    return _Plan(repair, logs, kept, last_number, keep, foreign)


def _count(place: Storage, name: str, rows: list[LedgerRow], kept: list[DataFile], files: list[DataFile]) -> int:
    with reading(place, Path()) as con:
        [(found,)] = con.sql(f"select count(*) from ({_rows_of_foreign(place, name, rows, kept, files)})").fetchall()
    return int(found)


def _saved(place: Storage, used: set[str], after: int) -> tuple[list[LedgerRow], set[str]]:
    """Return the rows of loads whose entry in the ledger's log is damaged: their files were on the disk before it.

    Those of these files that are not as they were written come too, by name.
    """
    found: dict[int, LedgerRow] = {}
    unreadable: set[str] = set()
    table = LakeTable(place, "loads")
    for file in place.files("loads"):
        if is_ledger_file(file.name) and file.name not in used:
            try:
                rows = rows_of_ledger(place, [file.name]) if table.is_as_written(file.name) else None
            except LakeError:
                rows = None
            if rows is None:
                unreadable.add(file.name)
            else:
                found.update({row.number: row for row in rows if row.number > after})
    return [found[number] for number in sorted(found)], unreadable


class _State:
    """The files of each load's state, as far as the logs can be read."""

    def __init__(self, place: Storage, readable: Storage, rows: list[LedgerRow]) -> None:
        self._place = place
        self._readable = readable
        self._rows = rows
        self._sizes = {name: {file.name: file.size for file in place.files(name)} for name in integrity.PINNED}
        self._known: dict[tuple[str, int], list[DataFile] | None] = {}
        self._is_changed: dict[str, bool] = {}

    def files(self, row: LedgerRow | None, name: str) -> list[DataFile] | None:
        """Return the files of a table that a row pins; None where its log does not reach so far."""
        if row is None:
            return []
        key = name, row.version_of(name)
        if key not in self._known:
            try:
                self._known[key] = LakeTable(self._readable, name).open(key[1]).files()
            except FormatError:  # another format is no damage
                raise
            except LakeError:
                self._known[key] = None
        return self._known[key]

    def damaged(self, row: LedgerRow | None, name: str) -> list[DataFile]:
        """Return those of them that are missing, have another size, or other bytes than were written."""
        return [file for file in self.files(row, name) or () if not self._is_whole(name, file)]

    def _is_whole(self, name: str, file: DataFile) -> bool:
        if self._sizes[name].get(file.name) != file.size:
            return False
        path = f"{name}/{file.name}"
        if path not in self._is_changed:
            self._is_changed[path] = not LakeTable(self._place, name).is_as_written(file.name)
        return not self._is_changed[path]

    def foreign(self, row: LedgerRow | None, name: str) -> list[DataFile]:
        """Return whole files that another writer has committed to a table after what a row pins, of its columns."""
        pinned = {file.name for file in self.files(row, name) or ()}
        try:
            newest = LakeTable(self._readable, name).open().files()
        except LakeError:
            return []
        theirs = [file for file in newest if file.name not in pinned and not integrity.is_ours(file.name)]
        return [file for file in theirs if self._is_whole(name, file) and self._has_columns(name, file)]

    def _has_columns(self, name: str, file: DataFile) -> bool:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._place.open_file(f"{name}/{file.name}")) as parquet:
            return set(table_schema(name).names) <= set(parquet.schema_arrow.names)

    def to_go_back_to(self) -> tuple[LedgerRow | None, list[LedgerRow], set[str]]:
        """Return the load to go back to, the loads after it, newest first, and the names of all damaged files."""
        lost = []
        rows = list(reversed(self._rows))
        while rows and any(self.files(rows[0], name) is None for name in integrity.PINNED):
            lost.append(rows.pop(0))
        newest = rows[0] if rows else None
        files: set[str] = set()
        of_newest: set[str] = set()
        later: list[LedgerRow] = []
        for row in rows:
            if any(self.files(row, name) is None for name in integrity.PINNED):  # its log begins later
                break
            found = {f"{name}/{file.name}" for name in integrity.PINNED for file in self.damaged(row, name)}
            if not found:
                return row, [*lost, *later], files
            files |= found
            if row is newest:
                of_newest = found
                if any(self.damaged(row, name) and self.foreign(row, name) for name in integrity.PINNED):
                    return newest, lost, files
            if not any(row.load in file for file in found):  # it was whole by itself, and would be lost for another's
                return newest, lost, files
            later.append(row)
        if newest and len(self.damaged(newest, "runs")) < len(self.files(newest, "runs") or ()):
            return newest, lost, of_newest  # no state is whole, as after an erasure; what is left of the newest stays
        return None, [*lost, *rows], files

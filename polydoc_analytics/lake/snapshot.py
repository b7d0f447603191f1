"""A lake as of a load: the ledger's row, and the files that hold its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import LakeError
from polydoc_analytics.ingest.manifest import ROW_GROUP_ROWS, Scan
from polydoc_analytics.lake import integrity
from polydoc_analytics.lake.changes import connection, scan
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.ledger import Ledger, snapshot_text
from polydoc_analytics.lake.schemas import RUN_COLUMNS, LedgerRow
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.model.sql_names import quoted


@dataclass(frozen=True)
class Snapshot:
    """The state of a lake after one load: SQL and files for DuckDB, and the ledger's row.

    ``scans`` say for other engines which rows of which files these are.
    ``text`` names the snapshot, ``row`` is its row in the ledger; None before the first load.
    """

    text: str
    row: LedgerRow | None
    relation: str
    columns: str
    files: tuple[str, ...]
    place: Storage
    scans: tuple[Scan, ...] = ()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the runs as a stream of Arrow batches, so that a snapshot is a table to whatever reads one."""
        con = connection(Path())
        self.place.prepare(con)
        reader = con.sql(f"select {self.columns} from {self.relation}").to_arrow_reader(ROW_GROUP_ROWS)
        return reader.__arrow_c_stream__(requested_schema)


def open_snapshot(place: Storage, as_of: int | str | date | datetime | None, timezone: str) -> Snapshot:
    """Open the snapshot of now, or as of a load or an instant (a day: its end in ``timezone``)."""
    ledger, runs = newest(place)
    last = ledger.last
    if last is None:
        if as_of is not None:
            ledger.as_of(as_of, timezone)
        return Snapshot("no load", None, scan([], "runs"), RUN_COLUMNS, (), place)
    files = runs.paths()
    if as_of is None:
        return _whole(place, last, files)
    row = ledger.as_of(as_of, timezone)
    hidden = ledger.hidden(row)
    if not hidden:
        return _whole(place, last, files)
    history = LakeTable(place, "history").open(last.history_version)
    integrity.raise_if_files_damaged(place, history)
    past = history.paths()
    later = ", ".join(quoted(load) for load in hidden)
    was_there = f"load not in ({later})"
    was_current = f"{was_there} and superseded_by in ({later})"
    relation = f"""(
        select {RUN_COLUMNS} from {scan(files, "runs")} where {was_there}
        union all
        select {RUN_COLUMNS} from {scan(past, "history")} where {was_current}
    )"""
    scans = [Scan(tuple(files), was_there), Scan(tuple(past), was_current)]
    return Snapshot(
        snapshot_text(row),
        row,
        relation,
        RUN_COLUMNS,
        (*files, *past),
        place,
        tuple(one for one in scans if one.files),
    )


def _whole(place: Storage, last: LedgerRow, files: Sequence[str]) -> Snapshot:
    """Return the snapshot of all that is stored now."""
    scans = (Scan(tuple(files)),) if files else ()
    return Snapshot(snapshot_text(last), last, scan(files, "runs"), RUN_COLUMNS, tuple(files), place, scans)


def newest(place: Storage) -> tuple[Ledger, LakeTable]:
    """Return the ledger and the runs that it pins, both whole; raises LakeError where they are damaged."""
    try:
        return _newest(place)
    except LakeError:
        return _newest(place)  # an erasure may have removed files meanwhile


def _newest(place: Storage) -> tuple[Ledger, LakeTable]:
    ledger = integrity.whole_ledger(place)
    last = ledger.last
    runs = LakeTable(place, "runs").open(last.runs_version if last else 0)
    integrity.raise_if_files_damaged(place, runs, last.runs if last else 0)
    return ledger, runs

"""Keeping a lake: many small files into few, and what no snapshot needs removed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics._version import __version__
from polydoc_analytics.errors import LakeError, UsageError, first_line
from polydoc_analytics.ingest.manifest import FILE_ROWS
from polydoc_analytics.lake import integrity
from polydoc_analytics.lake.changes import reading, scan
from polydoc_analytics.lake.data_file import DataFile
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.ledger import committed_after
from polydoc_analytics.lake.parquet import write_table
from polydoc_analytics.lake.schemas import FORMAT_VERSION, LedgerRow
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    import duckdb

LEAST_RETENTION_DAYS = 7
MANY_FILES = 50
_ORDER = {"runs": "created_at, id", "history": "created_at, id", "quarantine": "load, source, line"}


@dataclass(frozen=True, slots=True)
class Compaction:
    """The plan of a compaction: by table the small files to merge, and the files to remove."""

    small: dict[str, list[str]]
    left_over: list[str]

    @property
    def is_needed(self) -> bool:
        """Check whether there is anything to do."""
        return bool(self.left_over) or any(self.small.values())


def plan_compaction(place: Storage, retention_days: int) -> Compaction:
    """Plan a compaction; raises UsageError for a retention of less than seven days.

    A reader that has pinned an older snapshot still needs its files, so they are kept for the retention.
    """
    if retention_days < LEAST_RETENTION_DAYS:
        raise UsageError(
            f"retention of {retention_days} days: readers may still use files of the last days; "
            f"give at least {LEAST_RETENTION_DAYS}"
        )
    small, left_over = {}, []
    for name in integrity.PINNED:
        table = LakeTable(place, name).open()
        small[name] = [file.name for file in small_files(table)]
        left_over += [f"{name}/{file}" for file in vacuum(table, retention_days * 24, dry_run=True)]
    return Compaction(small, sorted(left_over))


def small_files(table: LakeTable) -> list[DataFile]:
    """Return the files of a table that are worth putting together; none where there is only one."""
    small = [file for file in table.files() if file.rows < FILE_ROWS // 2]
    return small if len(small) > 1 else []


def compact(whole: integrity.Whole, folder: Path, load: str, retention_days: int | None) -> LedgerRow | None:
    """Put small files together, sorted by created_at, and remove what no snapshot of the retention needs.

    ``retention_days`` None removes nothing. To be called under the lock; returns the new row of the ledger, or None
    where nothing was put together. The figures as of every load stay what they were.
    """
    ledger, last = whole.ledger, whole.ledger.last
    if last is None:
        return None
    small = {name: [file.name for file in small_files(table)] for name, table in whole.tables.items()}
    if any(small.values()):
        with reading(ledger.table.place, folder) as con:
            for name, names in small.items():
                if names:
                    rewrite(con, whole.tables[name], names, "true", folder, load)
    versions = {f"{name}_version": table.version for name, table in whole.tables.items()}
    if retention_days is not None:
        for table in (*whole.tables.values(), ledger.table):
            vacuum(table, retention_days * 24)
    if not any(small.values()):
        return None
    row = entry(last, load, "compact", f"{counted(sum(map(len, small.values())), 'file')} put together")
    ledger.append(replace(row, **versions), folder)  # type: ignore[arg-type] # versions are numbers
    return ledger.last


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


def rewrite(
    con: duckdb.DuckDBPyConnection,
    table: LakeTable,
    names: list[str],
    condition: str,
    folder: Path,
    load: str,
    columns: str = "*",
) -> None:
    """Replace files of a table by files of their rows that meet a condition."""
    place = table.place
    table.raise_if_not_as_written(names)
    paths = [place.path(f"{table.name}/{name}") for name in names]
    work = folder / f"rewritten-{table.name}"
    work.mkdir()
    sql = f"select {columns} from {scan(paths, table.name)} where {condition} order by {_ORDER[table.name]}"
    written = write_table(con.sql(sql), table.name, work, load)
    table.add(load, written, names, is_rewrite=condition == "true")


def vacuum(table: LakeTable, hours: int, *, dry_run: bool = False) -> list[str]:
    """Remove the files that the newest version does not use, once they are older than ``hours``; return their names."""
    before = table.version
    try:
        removed: list[str] = table.delta.vacuum(
            retention_hours=hours, dry_run=dry_run, enforce_retention_duration=False, full=True
        )
    except Exception as error:
        raise LakeError(f"{table.place.shown}/{table.name}: cannot be tidied: {first_line(error, 200)}") from None
    for version in range(before + 1, table.open().version + 1):
        table.fsync(version)
    return [name for name in removed if name.endswith(".parquet")]

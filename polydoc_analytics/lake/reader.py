"""``LakeReader``: a lake as it is read, now or as of an earlier load; nothing here writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import LakeError, require_extra, translating
from polydoc_analytics.lake import integrity
from polydoc_analytics.lake.changes import reading
from polydoc_analytics.lake.delta_table import LakeTable, rows_of_files
from polydoc_analytics.lake.ledger import Ledger, frame_of_ledger, snapshot_text
from polydoc_analytics.lake.location import is_lake, raise_if_file
from polydoc_analytics.lake.snapshot import Snapshot, newest, open_snapshot
from polydoc_analytics.lake.source_memory import source_names
from polydoc_analytics.lake.storage.interface import ACCOUNTS, NOT_IN_A_PREFIX, SOURCES, json_of
from polydoc_analytics.lake.storage.local import LocalStorage
from polydoc_analytics.lake.storage.object_store import storage_of
from polydoc_analytics.model.summary import summary_html

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.lake.diff import LakeDiff


@translating(LakeError, "the lake cannot be read or written")
class LakeReader:
    """A lake in a folder or under a URI, for reading alone; :class:`polydoc_analytics.Lake` writes it too."""

    def __init__(self, uri: str | os.PathLike[str], *, storage_options: Mapping[str, str] | None = None) -> None:
        require_extra("lake", "a lake")
        self.place = storage_of(os.fspath(uri), storage_options)
        if not self.place.is_local and any(mark in self.place.path("") for mark in NOT_IN_A_PREFIX):
            raise LakeError(f"{self.place.shown}: the prefix of a lake may not hold %, * or [; choose another")

    @property
    def exists(self) -> bool:
        """Check whether there is a lake, whole or not."""
        return is_lake(self.place)

    @property
    def id(self) -> str:
        """The lake's own id, a UUID: made with the lake and kept, whatever is loaded, compacted, erased or repaired.

        Raises LakeError where there is no lake.
        """
        self.raise_if_none()
        return str(LakeTable(self.place, "loads").open().delta.metadata().id)

    def __repr__(self) -> str:
        """Name the lake."""
        return f"Lake({self.place.shown!r})"

    def _repr_html_(self) -> str:
        """Summarise the lake in a notebook: its runs and its newest load."""
        last = Ledger(self.place).last if is_lake(self.place) else None
        newest = {"newest load": snapshot_text(last)} if last else {}
        return summary_html("Lake", {"place": self.place.shown, "runs": f"{last.runs:,}" if last else "none", **newest})

    def raise_if_none(self) -> None:
        """Raise LakeError where there is no lake; for what must never make one. Nothing is written."""
        if self.exists:
            return
        if isinstance(self.place, LocalStorage):
            raise_if_file(Path(self.place.shown))
        raise LakeError(f"no lake at {self.place.shown}; `polydoc-analytics ingest` or `sync` makes one")

    def snapshot(self, as_of: int | str | date | datetime | None = None, timezone: str = "UTC") -> Snapshot:
        """Open the snapshot of now, or as of a load or an instant (a day: its end in ``timezone``).

        Nothing is copied: the snapshot names the files that hold its rows. Raises LakeError where there is no lake or
        it is damaged, UsageError where ``as_of`` means nothing.
        """
        self.raise_if_none()
        return open_snapshot(self.place, as_of, timezone)

    def diff(
        self,
        before: int | str | date | datetime,
        after: int | str | date | datetime | None = None,
        timezone: str = "UTC",
    ) -> LakeDiff:
        """Return the changes from ``before`` to ``after``: figures by account and language, and the runs behind them.

        Both are loads (number or name) or instants (a day: its end in ``timezone``), as ``snapshot`` takes them;
        ``after`` is by default the newest load. Raises LakeError where there is no lake or it is damaged, UsageError
        where one means nothing.
        """
        from polydoc_analytics.lake.diff import compare

        return compare(self.snapshot(before, timezone), self.snapshot(after, timezone))

    def running(self, before: datetime | None = None) -> list[dict[str, Any]]:
        """Return id, account_id and created_at of the runs that are Running, the oldest first.

        Only those created ``before`` an instant, where it is given.
        """
        snapshot = self.snapshot()
        when = "" if before is None else f"and created_at < timestamptz '{before.astimezone(UTC).isoformat(sep=' ')}'"
        sql = f"""
            select id, account_id, created_at from {snapshot.relation}
            where status = 'Running' {when} order by created_at, id"""
        with reading(self.place, Path()) as con:
            rows: list[dict[str, Any]] = con.sql(sql).to_arrow_table().to_pylist()
        return rows

    def accounts(self) -> list[str]:
        """Return the ids of the accounts that have runs in the lake, in order."""
        snapshot = self.snapshot()
        with reading(self.place, Path()) as con:
            rows = con.sql(f"select distinct account_id from {snapshot.relation} order by account_id").fetchall()
        return [row[0] for row in rows]

    def source_names(self) -> list[str]:
        """Return the names of the sources that were synced into the lake."""
        return source_names(self.place)

    def source_state(self, name: str) -> dict[str, Any]:
        """Load the stored state of a source: kind, last_success_at, last_error, cursor; empty before a sync."""
        return json_of(self.place, f"{SOURCES}/{name}.json")

    def account_names(self) -> dict[str, str]:
        """Return the names of accounts that sources have brought, by account id."""
        return json_of(self.place, ACCOUNTS)

    def loads(self) -> pl.DataFrame:
        """Return the ledger as a frame, one row a load in the order of their numbers; times are UTC.

        What it did: number, load (its name), kind (ingest, sync, compact, erase, readmit, repair), source, content_hash
        and content_bytes (of a file, else null; an erasure has the hash of the lake's key), is_authority, started_at,
        committed_at, detail, tool_version, format_version. How rows are accounted for: read, inserted, updated,
        unchanged, duplicates, quarantined (of these new_quarantined were new), erased, conflicts. What the lake holds
        since: runs, created_low to created_high and finished_low to finished_high (µs since 1970 UTC), languages as
        sent, and the versions of its tables, runs_version, history_version and quarantine_version.
        """
        import polars as pl

        ledger = self._ledger()
        integrity.raise_if_files_damaged(self.place, ledger.table)
        frame = frame_of_ledger(ledger.rows)
        erased = pl.col("read") - pl.sum_horizontal("inserted", "updated", "unchanged", "duplicates", "quarantined")
        return frame.insert_column(frame.get_column_index("conflicts"), frame.select(erased=erased).to_series())

    def history(self) -> pl.DataFrame:
        """Return the states that were superseded: the Run's columns, load, superseded_by and is_corrected."""
        return self._frame("history", "id", "load")

    def quarantine(self) -> pl.DataFrame:
        """Return the quarantined rows: load, source, line, reason, raw and, for CSV, header."""
        return self._frame("quarantine", "load", "source", "line")

    def _ledger(self) -> Ledger:
        """Return the ledger of a lake that is whole; raises LakeError where there is none or it is damaged."""
        self.raise_if_none()
        return newest(self.place)[0]

    def _frame(self, name: str, *order: str) -> pl.DataFrame:
        import polars as pl

        last = self._ledger().last
        table = LakeTable(self.place, name).open(last.version_of(name) if last else 0)
        integrity.raise_if_files_damaged(self.place, table)
        frame = pl.from_arrow(rows_of_files(self.place, name, [file.name for file in table.files()]))
        assert isinstance(frame, pl.DataFrame)
        return frame.sort(order, nulls_last=True, maintain_order=True)

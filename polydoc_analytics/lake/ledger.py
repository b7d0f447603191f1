"""The ledger of a lake: one row a load, the last of which says what the lake is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import UsageError
from polydoc_analytics.lake.delta_table import LakeTable, decoded_file, rows_of_content
from polydoc_analytics.lake.schemas import LedgerRow, table_schema
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.model.epoch import from_us
from polydoc_analytics.model.timezones import start_of_day, zone

if TYPE_CHECKING:
    import polars as pl

_MAX_FILES = 50


class Ledger:
    """The rows of ``loads`` at one version of the table, in the order of their numbers."""

    def __init__(self, place: Storage, rows: tuple[LedgerRow, ...] | None = None) -> None:
        self.table = LakeTable(place, "loads").open()
        self.rows = rows_of_ledger(place, [one.name for one in self.table.files()]) if rows is None else rows

    @property
    def last(self) -> LedgerRow | None:
        """The newest row, which pins what the lake is now; None where nothing was loaded yet."""
        return self.rows[-1] if self.rows else None

    def as_of(self, moment: int | str | date | datetime, timezone: str = "UTC") -> LedgerRow | None:
        """Return the newest row that was there as of a load (its number or name) or an instant.

        A day means its end in ``timezone``, an instant without an offset is local to it. None is before the first load.
        Raises UsageError for a load that there is not, and for what is neither.
        """
        text = str(moment)
        if isinstance(moment, bool) or not (isinstance(moment, int | str | date) or text.isdecimal()):
            kind = type(moment).__name__
            raise UsageError(f"as of: expected a load's number or name, a day or an instant, not {kind}")
        if isinstance(moment, int) or text.isdecimal():
            for row in self.rows:
                if row.number == int(text):
                    return row
            loads = f"the loads are 1 to {self.rows[-1].number}" if self.rows else "nothing was loaded yet"
            raise UsageError(f"there is no load {text}; {loads}")
        for row in self.rows:
            if row.load == text:
                return row
        instant = _instant(moment, timezone)
        return next((row for row in reversed(self.rows) if row.committed_at <= instant), None)

    def hidden(self, row: LedgerRow | None) -> list[str]:
        """Return the names of the loads that came after a row."""
        return [later.load for later in self.rows if row is None or later.number > row.number]

    def append(self, row: LedgerRow, folder: Path) -> None:
        """Commit a row: from then on it is what the lake is. A file of it is made in ``folder``, of this machine."""
        if len(self.table.files()) >= _MAX_FILES:
            self.rewrite([*self.rows, row], folder, row.load)
        else:
            self._commit([row], [], folder, row.load)
            self.rows = (*self.rows, row)

    def rewrite(self, rows: Sequence[LedgerRow], folder: Path, load: str) -> None:
        """Commit rows in the place of all that there are."""
        self._commit(rows, [file.name for file in self.table.files()], folder, load)
        self.rows = tuple(rows)

    def _commit(self, rows: Sequence[LedgerRow], remove: Sequence[str], folder: Path, load: str) -> None:
        path = folder / f"part-{load}-ledger.parquet"
        write_rows([asdict(one) for one in rows], path, "loads")
        self.table.add(load, [path], remove)


def _instant(moment: str | date | datetime, timezone: str) -> datetime:
    tz = zone(timezone)
    try:
        if isinstance(moment, str):
            is_day = len(moment) == 10
            moment = date.fromisoformat(moment) if is_day else datetime.fromisoformat(moment)
    except ValueError:
        raise UsageError(
            f"as of '{moment}' is neither a load nor a time; expected a load's number or name, a day (2026-10-31) or "
            "an instant (2026-10-31T12:00Z)"
        ) from None
    try:
        if isinstance(moment, datetime):
            return (moment if moment.utcoffset() is not None else moment.replace(tzinfo=tz)).astimezone(UTC)
        next_day = start_of_day(date.fromordinal(moment.toordinal() + 1), tz)
        return from_us(next_day - 1)
    except (ValueError, OverflowError):  # at the ends of time
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def rows_of_ledger(place: Storage, names: Iterable[str]) -> tuple[LedgerRow, ...]:
    """Read the rows of files of the ledger, in the order of their numbers."""
    rows = (row for name in names for row in decoded_file(place, "loads", name, _ledger_rows))
    return tuple(sorted(rows, key=lambda row: row.number))


@lru_cache(maxsize=2 * _MAX_FILES)
def _ledger_rows(content: bytes, table: str) -> tuple[LedgerRow, ...]:
    """Decode a file of the ledger: once, for a load reads the ledger before it has the lock and again under it."""
    return tuple(LedgerRow(**row) for row in rows_of_content(content, table).to_pylist())


def frame_of_ledger(rows: Sequence[LedgerRow]) -> pl.DataFrame:
    """Return rows of the ledger as a frame."""
    import polars as pl
    import pyarrow as pa

    schema = table_schema("loads")
    columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
    frame = pl.from_arrow(pa.table(columns, schema=schema))
    assert isinstance(frame, pl.DataFrame)
    return frame


def write_rows(rows: Sequence[dict[str, Any]], path: Path, table: str) -> None:
    """Write rows of a table to a Parquet file of this machine."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows), schema=table_schema(table)), path, compression="zstd")


def committed_after(last: LedgerRow | None) -> datetime:
    """Return the present, later than the last load's even where the clock was set back."""
    now = datetime.now(UTC)
    return now if last is None else max(now, last.committed_at + timedelta(microseconds=1))


def snapshot_text(row: LedgerRow | None) -> str:
    """Name a snapshot: its load's number and name, and when that was committed (UTC)."""
    if row is None:
        return "no load"
    return f"load {row.number} ({row.load}), {row.committed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

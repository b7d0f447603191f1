"""Checked runs as Parquet files, by month of creation or of a load, and the folder of an export."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polydoc_analytics.errors import FULL_OR_FAILED, UsageError, refuse_address, unwritable
from polydoc_analytics.ingest.manifest import FILE_ROWS, ROW_GROUP_ROWS, Manifest, Part
from polydoc_analytics.ingest.masks import Mask, chosen, distinct
from polydoc_analytics.loaders.input_file import MANIFEST
from polydoc_analytics.model.schema import COLUMNS, INSTANTS, INTEGERS, NAMES, arrow_schema, described_schema

Divided = list[tuple[str, pa.Table]]
"""Runs by the month of their files, YYYY-MM, or _ANY_MONTH."""

LOAD_FIELD = pa.field("load", pa.string(), nullable=False)
_MOST_OPEN_FILES = 48
_ANY_MONTH = ""
_WORTH_WRITING = ROW_GROUP_ROWS // 8
"""Rows of a month that are written before its row group is full, once rows of other months alone come."""

WRITE_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    # Measured on a million runs: a tenth smaller and twice as fast to scan as plain encoding.
    "use_dictionary": ["account_id", "status", "target_language", "load", "superseded_by"],
    # None for optional texts: where they show one value, DuckDB 2.0.0 finds every row when it is asked for the nulls.
    "write_statistics": [column.name for column in COLUMNS if column.required or column.kind != "text"],
    "column_encoding": dict.fromkeys((*INSTANTS, *INTEGERS), "DELTA_BINARY_PACKED")
    | dict.fromkeys(("id", "input_file_id", "output_file_id"), "DELTA_LENGTH_BYTE_ARRAY"),
}


class PartWriter:
    """Writes runs as Parquet files below a folder, a row group at a time.

    The files are ``created_month=YYYY-MM/part-N.parquet``; or, where ``load`` is given, ``part-LOAD-N.parquet`` of at
    most FILE_ROWS rows each, in which a further column names the load that brought each run. With ``joins_few``, for
    files that nobody else sees, as many runs as a row group has are written to one file, whatever their months.
    """

    def __init__(self, folder: Path, *, load: str | None = None, joins_few: bool = False) -> None:
        self._folder = folder
        self._load = load
        self._joins_few = joins_few
        self._schema = described_schema() if load is None else arrow_schema().append(LOAD_FIELD)
        self._held: dict[str, list[pa.Table]] = {}
        self._held_rows: dict[str, int] = {}
        self._open: OrderedDict[str, tuple[str, pq.ParquetWriter]] = OrderedDict()
        self._rows: dict[str, int] = {}
        self._parts = 0
        self.languages: set[str] = set()
        self.created_us: tuple[int, int] | None = None
        self.finished_us: tuple[int, int] | None = None

    def write(self, runs: pa.Table) -> None:
        """Take runs in; see ``write_divided``."""
        self.write_divided(self.divide(runs))

    def divide(self, runs: pa.Table, which: Mask | None = None) -> Divided:
        """Divide runs, all or some of them, by what goes into files of its own; another thread may write meanwhile."""
        if which is None:
            which = np.ones(runs.num_rows, bool)
        if self._load is not None and runs.num_columns < len(self._schema):
            runs = runs.append_column(LOAD_FIELD, pa.repeat(pa.scalar(self._load), runs.num_rows))
        if self._load is not None or self._joins_few:
            return [(_ANY_MONTH, _only(runs, which))]
        return list(_by_month(runs, which))

    def write_divided(self, divided: Divided) -> None:
        """Take divided runs in; a month's rows are written when they fill a row group.

        Raises OSError, with the folder as its file name, where there is no space.
        """
        with self._named():
            self._write(divided)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the folder in an error that pyarrow raises without a name, for it may be on a disk of its own."""
        try:
            yield
        except OSError as error:
            if error.errno not in FULL_OR_FAILED:
                raise
            raise OSError(error.errno, os.strerror(error.errno), str(self._folder)) from None

    def _write(self, divided: Divided) -> None:
        present = set()
        for month, rows in self._parted(divided):
            if not rows.num_rows:
                continue
            present.add(month)
            self.languages.update(pc.unique(rows["target_language"]).to_pylist())
            self.created_us = _wider(self.created_us, rows["created_at"])
            self.finished_us = _wider(self.finished_us, rows["finished_at"])
            self._held.setdefault(month, []).append(rows)
            self._held_rows[month] = self._held_rows.get(month, 0) + rows.num_rows
            if self._held_rows[month] >= ROW_GROUP_ROWS:
                self._flush(month)
        while sum(self._held_rows.values()) > 8 * ROW_GROUP_ROWS:
            self._flush(max(self._held_rows, key=lambda month: self._held_rows[month]))
        if not self.are_all_held:
            self._write_months_gone_by(present)

    def _write_months_gone_by(self, present: set[str]) -> None:
        """Write what is held of months whose rows seem to be over, so that less is left for the end."""
        for month in [month for month, rows in self._held_rows.items() if rows >= _WORTH_WRITING]:
            if month not in present:
                self._flush(month)

    def _parted(self, divided: Divided) -> Iterator[tuple[str, pa.Table]]:
        """Part by month what was to be joined, once there is more than that."""
        for month, rows in divided:
            if month != _ANY_MONTH or self._load is not None:
                yield month, rows
                continue
            if self._joins_few and self.held_rows + rows.num_rows > ROW_GROUP_ROWS:
                self._joins_few = False
                self._held_rows.pop(_ANY_MONTH, None)
                for table in self._held.pop(_ANY_MONTH, []):
                    yield from _by_month(table)
            if self._joins_few:
                yield _ANY_MONTH, rows
            else:
                yield from _by_month(rows)

    @property
    def are_all_held(self) -> bool:
        """Whether no run is in a file yet."""
        return not self._rows

    @property
    def held_rows(self) -> int:
        """How many runs are held that are in no file yet."""
        return sum(self._held_rows.values())

    def held_of(self, ids: pa.Array) -> pa.Table:
        """Return the runs of some ids that are in no file yet."""
        tables = [table for tables in self._held.values() for table in tables]
        some = [table.filter(pc.is_in(table["id"], value_set=ids)).select(NAMES) for table in tables]
        return pa.concat_tables(some) if some else arrow_schema().empty_table()

    def drop(self, ids: pa.Array) -> None:
        """Let go of the runs of some ids that are in no file yet."""
        for month, tables in list(self._held.items()) if len(ids) else ():
            kept = [table.filter(pc.invert(pc.is_in(table["id"], value_set=ids))) for table in tables]
            self._held[month] = kept
            self._held_rows[month] = sum(table.num_rows for table in kept)
            if not self._held_rows[month]:
                del self._held[month], self._held_rows[month]

    def _flush(self, month: str) -> None:
        self._open_file(month)
        self._write_held(month)

    def _write_held(self, month: str) -> None:
        """Write the rows held of a month, whose file is open."""
        path, writer = self._open[month]
        self._rows[path] += self._held_rows.pop(month)
        writer.write_table(pa.concat_tables(self._held.pop(month)), row_group_size=ROW_GROUP_ROWS * 2)
        if self._load is not None and self._rows[path] + ROW_GROUP_ROWS > FILE_ROWS:
            _close(self._open.pop(month)[1])

    def _open_file(self, month: str) -> None:
        if month in self._open:
            self._open.move_to_end(month)
            return
        if len(self._open) >= _MOST_OPEN_FILES:
            _close(self._open.popitem(last=False)[1][1])
        path = self._new_path(month)
        self._open[month] = (path, pq.ParquetWriter(self._folder / path, self._schema, **WRITE_OPTIONS))
        self._rows[path] = 0

    def _new_path(self, month: str) -> str:
        # Counted up for good: the number of a file that was removed must not name another one that is there.
        number = self._parts
        self._parts += 1
        if self._load is not None:
            return f"part-{self._load}-{number}.parquet"
        if month == _ANY_MONTH:
            return f"part-{number}.parquet"
        folder = f"created_month={month}"
        (self._folder / folder).mkdir(exist_ok=True)
        return f"{folder}/part-{number}.parquet"

    def flush(self) -> list[str]:
        """Write all that is held, close every file, and return their paths."""
        with self._named():
            self._flush_all()
        return [str(self._folder / path) for path in self._rows]

    def _flush_all(self) -> None:
        months = list(self._held)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="polydoc-write") as pool:
            for at in range(0, len(months), _MOST_OPEN_FILES):
                some = months[at : at + _MOST_OPEN_FILES]
                for month in some:
                    self._open_file(month)
                list(pool.map(self._write_held, some))  # each to a file of its own
        while self._open:
            _close(self._open.popitem()[1][1])

    def abandon(self) -> None:
        """Let go of files that could not be written to their end; they are of no use."""
        while self._open:
            with suppress(OSError):
                _close(self._open.popitem()[1][1])

    def remove(self, path: str, ids: pa.Array) -> None:
        """Write a closed file again without the runs of some ids."""
        name = str(Path(path).relative_to(self._folder)).replace(os.sep, "/")
        kept = 0
        with (
            self._named(),
            pq.ParquetFile(path) as old,
            pq.ParquetWriter(f"{path}.new", self._schema, **WRITE_OPTIONS) as new,
        ):
            for batch in old.iter_batches(ROW_GROUP_ROWS):
                table = pa.Table.from_batches([batch])
                table = table.filter(pc.invert(pc.is_in(table["id"], value_set=ids))).cast(self._schema)
                new.write_table(table)
                kept += table.num_rows
        os.replace(f"{path}.new", path)
        self._rows[name] = kept
        if not kept:
            os.unlink(path)
            del self._rows[name]

    @property
    def rows(self) -> int:
        """How many runs are in the files that are closed."""
        return sum(self._rows.values())

    def manifest(self, counts: dict[str, int]) -> Manifest:
        """Close the files and return what was written."""
        self.flush()
        parts = tuple(
            Part(path, rows, (self._folder / path).stat().st_size) for path, rows in sorted(self._rows.items())
        )
        return Manifest(parts, counts, self.created_us, self.finished_us, tuple(sorted(self.languages)))


def _close(writer: pq.ParquetWriter) -> None:
    try:
        writer.close()
    finally:
        writer.is_open = False  # or it would try, and complain, once more when it is collected


def _wider(seen: tuple[int, int] | None, instants: pa.ChunkedArray) -> tuple[int, int] | None:
    low, high = (bound.value for bound in pc.min_max(instants).values())
    if low is None:
        return seen
    return (low, high) if seen is None else (min(low, seen[0]), max(high, seen[1]))


def _by_month(runs: pa.Table, which: Mask | None = None) -> Iterator[tuple[str, pa.Table]]:
    """Part runs, all or some of them, by the UTC month of created_at, named YYYY-MM."""
    if which is None:
        which = np.ones(runs.num_rows, bool)
    created = runs["created_at"].cast(pa.int64()).to_numpy().view("datetime64[us]")
    months = created.astype("datetime64[M]").astype(np.int64)
    for month in distinct(months[which]):
        yield _month_name(month), _only(runs, which & (months == month))


def _only(runs: pa.Table, which: Mask) -> pa.Table:
    """Return some of the runs; a few of them do not keep all in memory."""
    places = np.flatnonzero(which)
    if not len(places):
        return runs.slice(0, 0)
    start, end = int(places[0]), int(places[-1]) + 1
    part = runs.slice(start, end - start)
    is_most = 2 * len(places) > runs.num_rows
    return part if is_most and len(places) == len(part) else chosen(part, which[start:end])


def _month_name(month: int) -> str:
    year, index = divmod(month, 12)
    return f"{1970 + year:04}-{index + 1:02}"


class NewFolder:
    """A folder that appears under its name only when it is whole: written beside it, renamed at the end."""

    def __init__(self, destination: Path, *, overwrite: bool = False) -> None:
        refuse_address(destination)
        self._shown, self._destination = destination, Path(os.path.realpath(destination))  # where a link leads
        if destination.exists() and not destination.is_dir():
            raise UsageError(f"{destination}: is a file; an export is a folder")
        if destination.is_dir() and any(destination.iterdir()):
            if not overwrite:
                raise UsageError(f"{destination}: is not empty; pass --overwrite to replace an export there")
            if not (destination / MANIFEST).is_file():
                raise UsageError(f"{destination}: is not an export, so it is not replaced; choose another folder")

    def __enter__(self) -> Path:
        """Return the folder to write into."""
        try:
            self._destination.parent.mkdir(parents=True, exist_ok=True)
            half = tempfile.mkdtemp(prefix=f".{self._destination.name}-", dir=self._destination.parent)
            self._half = Path(half).absolute()  # Arrow takes a relative path with a colon in it for an address
        except OSError as error:
            raise unwritable(self._shown, error) from None
        return self._half

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Put the folder in its place, or remove it where something went wrong."""
        if kind is not None:
            shutil.rmtree(self._half, ignore_errors=True)
            if isinstance(error, OSError) and str(error.filename or "").startswith(str(self._half)):
                raise unwritable(self._shown, error) from None
            return
        os.chmod(self._half, 0o755)
        try:
            self._put_in_place()
        except OSError as failed:
            shutil.rmtree(self._half, ignore_errors=True)
            raise unwritable(self._shown, failed) from None

    def _put_in_place(self) -> None:
        if not self._destination.exists():
            os.replace(self._half, self._destination)
            return
        aside = Path(tempfile.mkdtemp(prefix=f".{self._destination.name}-", dir=self._destination.parent))
        os.replace(self._destination, aside / "old")
        try:
            os.replace(self._half, self._destination)
        except OSError:
            os.replace(aside / "old", self._destination)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

"""Parquet, Arrow IPC and tables in memory: columns written by others, brought to the Run's types or refused."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from polydoc_analytics.errors import SourceError, translated
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats.arrow_columns import US_PER_UNIT, columns_of, to_run_column
from polydoc_analytics.loaders.formats.arrow_memory import validated
from polydoc_analytics.loaders.formats.concatenation import is_concatenated, is_concatenated_file
from polydoc_analytics.loaders.remote import RangeFile
from polydoc_analytics.loaders.run_parser import LONE_SURROGATE, NOT_UTF8, Refusal, instant
from polydoc_analytics.loaders.streams import archive_of
from polydoc_analytics.loaders.validation import Batch, RowLocator, loose_schema
from polydoc_analytics.model.schema import BY_KEY, COLUMNS, MAX_INSTANT_US, MIN_INSTANT_US

BATCH_ROWS = 65_536
_SEVERAL = "several files were put together; give each in a file of its own"
_END_MARK = b"\xff\xff\xff\xff\0\0\0\0"
_MAX_PADDING = 1 << 16
_MAX_SMALL_BYTES = 1024 * 1024
# Arrow raises what Python has for it: a name that is not UTF-8, a file that ends too early, a size beyond all memory.
_FAULTS = (OSError, ValueError, LookupError, ArithmeticError)


def read_parquet(path: str | RangeFile, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of rows of a Parquet file; raises SourceError where it cannot be read."""
    reading = partial(translated, SourceError, f"{source}: cannot be read as Parquet", _FAULTS)
    with reading(), _parquet_file(path) as file:
        if isinstance(path, str) and is_concatenated_file(path):
            raise ValueError(_SEVERAL)
        columns = columns_of(file.schema_arrow, source, assume_utc=assume_utc)
        batches = file.iter_batches(BATCH_ROWS, columns=list(columns.values()))
        yield from _work(batches, columns, source, assume_utc, reading)


def _parquet_file(source: str | bytes | RangeFile) -> pq.ParquetFile:
    """Open a Parquet file at a path, one whose content is given, or one that is read by ranges."""

    def opened(metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
        return pq.ParquetFile(
            pa.BufferReader(source) if isinstance(source, bytes) else source,
            metadata=metadata,
            # INT96, the old form of Spark and Hive, holds any year; in nanoseconds those outside of 1677 to 2262 wrap.
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
            # Older releases than 25 would ask a server for each column by itself, and for more than that has.
            pre_buffer=True,
        )

    file = opened()
    if not any(pa.types.is_dictionary(field.type) for field in file.schema_arrow):
        return file
    # Texts that were dictionaries in Arrow are made ones again, which fails where one is not UTF-8; as texts they are
    # read. So the Arrow schema that the file's footer carries gets another name, by which Arrow does not know it.
    file.close()
    with ExitStack() as stack:
        if isinstance(source, RangeFile):
            raw: Any = source
        else:
            raw = stack.enter_context(io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb"))  # noqa: SIM115
        raw.seek(-8, os.SEEK_END)
        end = raw.read()
        raw.seek(-8 - int.from_bytes(end[:4], "little"), os.SEEK_END)
        footer = raw.read().replace(b"ARROW:schema", b"ARROW:unused")
    return opened(pq.read_metadata(pa.BufferReader(b"PAR1" + footer)))


def read_ipc(path: str, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of an Arrow IPC file (Feather) or stream."""
    reading = partial(translated, SourceError, f"{source}: cannot be read as Arrow IPC", _FAULTS)
    with reading(), pa.memory_map(path) as mapped:
        head = mapped.read(6)
        is_file = head == b"ARROW1"
        if is_file and is_concatenated_file(path):
            raise ValueError(_SEVERAL)
        if head.startswith(b"FEA1"):
            raise SourceError(f"{source}: is {archive_of(head)}")
        opened = pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream
        mapped.seek(0)
        schema = opened(mapped).schema
        columns = columns_of(schema, source, assume_utc=assume_utc)
        mapped.seek(0)
        used = sorted(schema.get_field_index(name) for name in columns.values())
        file = opened(mapped, options=pyarrow.ipc.IpcReadOptions(included_fields=used))
        batches = (
            (file.get_batch(at) for at in range(file.num_record_batches)) if is_file else _whole_stream(file, mapped)
        )
        yield from _work(batches, columns, source, assume_utc, reading)


def _whole_stream(reader: pa.RecordBatchReader, raw: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow stream; raises ValueError where it lacks its end mark, or more stands behind it."""
    read = raw.tell()
    for batch in reader:
        yield batch
        read = raw.tell()
    end = raw.tell()
    raw.seek(max(read, end - len(_END_MARK)))
    # Streams of versions before 0.15 end with four zeros alone.
    if not raw.read(end - raw.tell()).endswith(_END_MARK[4:]):
        raise ValueError("the stream is cut off: its end mark is missing")
    if raw.read(_MAX_PADDING).strip(b"\0"):
        raise ValueError("more stands behind the stream's end mark; give each stream in a file of its own")


def read_table(table: Any, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of a table: Polars, pandas, Arrow or anything with an Arrow stream.

    Raises SourceError where it is no table, or where its own code fails while it is read.
    """
    reading = partial(translated, SourceError, f"{source}: cannot be read as a table", (Exception,))
    with reading():
        reader = _stream_of(table)
        columns = columns_of(reader.schema, source, assume_utc=assume_utc)
        yield from _work(iter(reader), columns, source, assume_utc, reading)


def read_record_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, source: str, *, assume_utc: bool = False
) -> Iterator[Work]:
    """Yield the work of checking each of some record batches of one schema, as they come."""
    columns = columns_of(schema, source, assume_utc=assume_utc)
    reading = partial(translated, SourceError, f"{source}: holds what cannot be read", _FAULTS)
    yield from _work(iter(batches), columns, source, assume_utc, reading)


class SmallTables:
    """Small files of Parquet and Arrow IPC as tables that can be checked together."""

    def __init__(self, assume_utc: bool) -> None:
        self._assume_utc = assume_utc
        self._schema: pa.Schema | None = None
        self._columns: dict[str, str] = {}

    def table(self, content: bytes, source: str, *, is_parquet: bool) -> pa.Table | None:
        """Read a file's columns of runs; None where it is damaged, lacks one, or is large once it is unpacked."""
        try:
            if is_concatenated(content):
                return None
            table = self._parquet(content, source) if is_parquet else self._ipc(content, source)
            # Also that texts are UTF-8, for what is wrong in one file must not be looked for in all of them.
            table.validate(full=True)
        except Exception:  # the reading of the file by itself says what is wrong
            return None
        # What dictionaries stand for can be much larger than they are.
        if any(pa.types.is_dictionary(field.type) for field in table.schema) or table.nbytes > _MAX_SMALL_BYTES:
            return None
        return table.replace_schema_metadata()

    def _parquet(self, content: bytes, source: str) -> pa.Table:
        with _parquet_file(content) as file:
            columns = self._used(file.schema_arrow, source)
            metadata = file.metadata
            unpacked = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
            # A text can stand once in the file for all rows.
            if metadata.num_rows * unpacked > 16 * _MAX_SMALL_BYTES:
                raise ValueError("can be large once it is unpacked")
            return file.read(list(columns.values()), use_threads=False)

    def _ipc(self, content: bytes, source: str) -> pa.Table:
        is_file = content.startswith(b"ARROW1")
        opened = pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream
        with opened(content) as file:
            schema = file.schema
        used = sorted(schema.get_field_index(name) for name in self._used(schema, source).values())
        raw = pa.BufferReader(content)
        with opened(raw, options=pyarrow.ipc.IpcReadOptions(included_fields=used)) as file:
            if is_file:
                return file.read_all()
            return pa.Table.from_batches(_whole_stream(file, raw), file.schema)

    def _used(self, schema: pa.Schema, source: str) -> dict[str, str]:
        if self._schema is None or not schema.equals(self._schema):
            self._columns = columns_of(schema, source, assume_utc=self._assume_utc)
            self._schema = schema
        return self._columns


def read_together(tables: Sequence[pa.Table], assume_utc: bool) -> list[Batch]:
    """Check the rows of several small tables of one schema, counted through."""
    columns = columns_of(tables[0].schema, "tables", assume_utc=assume_utc)
    reading = partial(translated, SourceError, "tables: hold what cannot be read", _FAULTS)
    together = pa.concat_tables(tables).combine_chunks().to_batches()
    return [one for batch in together for one in _read_batch(batch, columns, "", 1, assume_utc, reading)]


def _stream_of(table: Any) -> pa.RecordBatchReader:
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, pl.DataFrame):
        # Arrow has no integers of 128 bits; read as texts, those that do not fit 64 bits are refused row by row.
        texts = {name for name, column in BY_KEY.items() if column.kind != "integer"}
        wide = [name for name, kind in table.schema.items() if kind in (pl.Int128, pl.UInt128) and name not in texts]
        table = table.with_columns(pl.col(wide).cast(pl.String))
    try:
        return pa.RecordBatchReader.from_stream(table)
    except UnicodeEncodeError:  # a lone surrogate in a frame of pandas, whose texts may be any that Python has
        return _with_any_text(table).to_reader()


def _with_any_text(frame: Any) -> pa.Table:
    """Return a frame of pandas as an Arrow table, a byte that is not UTF-8 in place of each lone surrogate."""
    columns = {}
    for name in frame.columns:
        try:
            columns[name] = pa.array(frame[name], from_pandas=True)
        except UnicodeEncodeError:
            octets = [_octets(value) if isinstance(value, str) else value for value in frame[name]]
            columns[name] = pa.array(octets, pa.binary(), from_pandas=True).view(pa.string())
    return pa.table(columns)


def _octets(text: str) -> bytes:
    return LONE_SURROGATE.sub("\udcff", text).encode("utf-8", "surrogateescape")


def _work(
    batches: Iterator[pa.RecordBatch],
    columns: Mapping[str, str],
    source: str,
    assume_utc: bool,
    reading: Callable[[], AbstractContextManager[None]],
) -> Iterator[Work]:
    record = 1
    for batch in batches:
        # Of the buffers, for the bytes that offsets point to are known only when those have been validated.
        size = batch.get_total_buffer_size()
        for at in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(at, BATCH_ROWS)
            work = partial(_read_batch, part, columns, source, record, assume_utc, reading)
            yield Work(work, size * part.num_rows // batch.num_rows)
            record += part.num_rows


def _read_batch(
    batch: pa.RecordBatch,
    columns: Mapping[str, str],
    source: str,
    record: int,
    assume_utc: bool,
    reading: Callable[[], AbstractContextManager[None]],
) -> list[Batch]:
    errors: dict[int, dict[str, str]] = {}
    given: dict[str, pa.Array] = {}
    arrays = []
    with reading():
        for column in COLUMNS:
            target = loose_schema().field(column.name).type
            if column.name not in columns:
                arrays.append(pa.nulls(batch.num_rows, target))
                continue
            name = columns[column.name]
            given[name], replaced = validated(batch.column(name))
            if column.name == "id":
                errors.update({row: {"id": NOT_UTF8} for row in replaced})
            values, reasons = to_run_column(column, given[name], assume_utc)
            arrays.append(pc.cast(values, target))
            for row, reason in reasons.items():
                errors.setdefault(row, {})[column.name] = reason
        table = pa.table(arrays, schema=loose_schema())

    def raw(row: int) -> str:
        values = {}
        for column, name in columns.items():
            key = name if name in BY_KEY else column
            values[key] = _wire_value(_json_value(given[name][row]), table[column][row])
        return json.dumps(values, ensure_ascii=False)

    return [Batch(table, RowLocator(source, lambda row: record + row, raw), errors)]


def _json_value(value: pa.Scalar) -> Any:
    """Return a value as it stands in the raw text of a row."""
    if pa.types.is_timestamp(value.type) and value.is_valid:
        return _instant_text(value.value, value.type)
    found = value.as_py()
    if isinstance(found, float) and not math.isfinite(found):
        return None if math.isnan(found) else str(found)
    return found if isinstance(found, str | int | float | None) else str(found)


def _wire_value(given: Any, read: pa.Scalar) -> Any:
    """Return a value in wire form: numbers and times that tables write otherwise would be refused when read again."""
    if not isinstance(given, str) or not read.is_valid:
        return given
    if pa.types.is_integer(read.type):
        return read.as_py()
    if pa.types.is_timestamp(read.type):
        try:
            instant(given)
        except Refusal:
            return _instant_text(read.value, read.type)
    return given


def _instant_text(count: int, kind: pa.TimestampType) -> str:
    us = count * US_PER_UNIT[kind.unit] if kind.unit in US_PER_UNIT else count // 1_000
    if not MIN_INSTANT_US <= us <= MAX_INSTANT_US:
        return f"{count} {kind.unit} since 1970"
    text = (datetime(1970, 1, 1) + timedelta(microseconds=us)).isoformat()
    return text if kind.tz is None else f"{text}+00:00"

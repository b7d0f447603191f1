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
from polydoc_analytics.loaders.formats.arrow_memory import is_text, validated
from polydoc_analytics.loaders.integers import integers
from polydoc_analytics.loaders.remote import RangeFile
from polydoc_analytics.loaders.run_parser import LONE_SURROGATE, NOT_UTF8, show
from polydoc_analytics.loaders.streams import archive_of
from polydoc_analytics.loaders.timestamps import instants
from polydoc_analytics.loaders.validation import Batch, RowLocator, loose_schema
from polydoc_analytics.model.schema import BY_KEY, COLUMNS, MAX_INSTANT_US, MIN_INSTANT_US, Column

BATCH_ROWS = 65_536
_END_MARK = b"\xff\xff\xff\xff\0\0\0\0"
_MOST_PADDING = 1 << 16
_MOST_SMALL_BYTES = 1024 * 1024
_US_PER = {"s": 1_000_000, "ms": 1_000, "us": 1}
# Arrow raises what Python has for it: a name that is not UTF-8, a file that ends too early, a size beyond all memory.
_FAULTS = (OSError, ValueError, LookupError, ArithmeticError)

Refusals = dict[int, str]


def read_parquet(path: str | RangeFile, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of rows of a Parquet file; raises SourceError where it cannot be read."""
    reading = partial(translated, SourceError, f"{source}: cannot be read as Parquet", _FAULTS)
    with reading(), _parquet_file(path) as file:
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
    if raw.read(_MOST_PADDING).strip(b"\0"):
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
            table = self._parquet(content, source) if is_parquet else self._ipc(content, source)
            # Also that texts are UTF-8, for what is wrong in one file must not be looked for in all of them.
            table.validate(full=True)
        except Exception:  # the reading of the file by itself says what is wrong
            return None
        # What dictionaries stand for can be much larger than they are.
        if any(pa.types.is_dictionary(field.type) for field in table.schema) or table.nbytes > _MOST_SMALL_BYTES:
            return None
        return table.replace_schema_metadata()

    def _parquet(self, content: bytes, source: str) -> pa.Table:
        with _parquet_file(content) as file:
            columns = self._used(file.schema_arrow, source)
            metadata = file.metadata
            unpacked = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
            # A text can stand once in the file for all rows.
            if metadata.num_rows * unpacked > 16 * _MOST_SMALL_BYTES:
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


def columns_of(schema: pa.Schema, source: str, *, assume_utc: bool) -> dict[str, str]:
    """Return for each of the Run's columns the name it has in a schema; snake_case wins over camelCase.

    Raises SourceError where a required column is missing or a column's type cannot hold what it should.
    """
    found: dict[str, str] = {}
    for column in COLUMNS:
        name = next((name for name in (column.name, column.camel) if name in schema.names), None)
        if name is None:
            if column.required:
                raise SourceError(f"{source}: has no column {column.name}; it has {show(', '.join(schema.names))}")
            continue
        if schema.names.count(name) > 1:
            raise SourceError(f"{source}: names the column {name} twice; rename one of them")
        _check_type(column, schema.field(name).type, source, assume_utc)
        found[column.name] = name
    return found


def _check_type(column: Column, kind: pa.DataType, source: str, assume_utc: bool) -> None:
    kind = _plain_type(kind)
    if pa.types.is_null(kind):
        return
    if column.kind == "text" and (is_text(kind) or _is_uuid(kind)):
        return
    if column.kind == "integer" and (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or is_text(kind)
    ):
        return
    if column.kind == "instant" and is_text(kind):
        return
    if column.kind == "instant" and pa.types.is_timestamp(kind):
        if kind.tz is None and not assume_utc:
            raise SourceError(
                f"{source}: the times in {column.name} have no time zone; pass --assume-utc if they are UTC"
            )
        return
    expected = {"text": "text", "integer": "integers", "instant": "timestamps"}[column.kind]
    raise SourceError(f"{source}: the column {column.name} holds {kind}, expected {expected}")


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.UuidType)


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
    refused: dict[int, dict[str, str]] = {}
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
                refused.update({row: {"id": NOT_UTF8} for row in replaced})
            values, refusals = _column(column, given[name], assume_utc)
            arrays.append(pc.cast(values, target))
            for row, reason in refusals.items():
                refused.setdefault(row, {})[column.name] = reason
        table = pa.table(arrays, schema=loose_schema())

    def raw(row: int) -> str:
        return json.dumps({name: _json_value(values[row]) for name, values in given.items()}, ensure_ascii=False)

    return [Batch(table, RowLocator(source, lambda row: record + row, raw), refused)]


def _column(column: Column, values: pa.Array, assume_utc: bool) -> tuple[pa.Array | pa.ChunkedArray, Refusals]:
    kind = values.type
    if pa.types.is_null(kind):
        return values, {}
    if _is_uuid(kind):
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string()), {}
    if column.kind == "text":
        return values, {}
    if column.kind == "instant":
        if is_text(kind):
            return instants(pl.Series(values), assume_utc=assume_utc, table=True)
        return _timestamps(values)
    if is_text(kind):
        return integers(pl.Series(values))
    if pa.types.is_floating(kind):
        return _whole_floats(values)
    return _whole_numbers(values)


def _timestamps(values: pa.Array) -> tuple[pa.Array, Refusals]:
    """Bring timestamps of any unit to µs, finer digits cut off towards the past; years outside 1-9999 are refused."""
    whole = pl.Series(values.cast(pa.int64()))
    unit = values.type.unit
    factor = _US_PER.get(unit, 1)
    low, high = -(-MIN_INSTANT_US // factor), MAX_INSTANT_US // factor
    if unit == "ns":
        whole = whole // 1_000
    outside = ((whole < low) | (whole > high)).fill_null(False)
    refused = dict.fromkeys(outside.arg_true().to_list(), "lies outside the years 0001 to 9999 in UTC")
    nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(whole))
    return pc.cast((whole.zip_with(~outside, nothing) * factor).to_arrow(), pa.timestamp("us", "UTC")), refused


def _whole_numbers(values: pa.Array) -> tuple[pa.Array, Refusals]:
    """Turn integers and decimals of any width into integers of 64 bits; those that are none are refused."""
    try:
        return pc.cast(values, pa.int64()), {}
    except pa.ArrowInvalid:
        whole, refused = [], {}
        for row, value in enumerate(values.to_pylist()):
            fits = value is None or (value == int(value) and -(2**63) <= value < 2**63)
            whole.append(int(value) if fits and value is not None else None)
            if not fits:
                refused[row] = f"{show(value)} is not a 64-bit integer"
        return pa.array(whole, pa.int64()), refused


def _whole_floats(values: pa.Array) -> tuple[pa.Array, Refusals]:
    """Turn floats that hold integers into integers; NaN, as pandas writes it, is null."""
    if pa.types.is_float16(values.type):
        values = pc.cast(values, pa.float32())
    numbers = pl.Series(values).fill_nan(None)
    whole = numbers.cast(pl.Int64, strict=False)
    exact = (whole.cast(numbers.dtype) == numbers) & (numbers.abs() < 2.0**63)
    bad = (numbers.is_not_null() & ~exact.fill_null(False)).arg_true()
    refused = {row: f"{show(numbers[row])} is not a 64-bit integer" for row in bad.to_list()}
    return whole.to_arrow(), refused


def _json_value(value: pa.Scalar) -> Any:
    """Return a value as it stands in the raw text of a row, which can be mended and loaded again."""
    if pa.types.is_timestamp(value.type) and value.is_valid:
        return _instant_text(value.value, value.type)
    found = value.as_py()
    if isinstance(found, float) and not math.isfinite(found):
        return None if math.isnan(found) else str(found)
    return found if isinstance(found, str | int | float | None) else str(found)


def _instant_text(count: int, kind: pa.TimestampType) -> str:
    us = count * _US_PER[kind.unit] if kind.unit in _US_PER else count // 1_000
    if not MIN_INSTANT_US <= us <= MAX_INSTANT_US:
        return f"{count} {kind.unit} since 1970"
    text = (datetime(1970, 1, 1) + timedelta(microseconds=us)).isoformat()
    return text if kind.tz is None else f"{text}+00:00"

"""Parquet, Arrow IPC and tables in memory: columns written by others, brought to the Run's types or refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from polydoc_analytics.errors import SourceError, first_line
from polydoc_analytics.loaders import csv
from polydoc_analytics.loaders.batches import Batch, Place, loose_schema
from polydoc_analytics.loaders.instants import instants
from polydoc_analytics.loaders.wire import show
from polydoc_analytics.loaders.work import Work
from polydoc_analytics.schema import COLUMNS, MAX_INSTANT_US, MIN_INSTANT_US, Column

BATCH_ROWS = 65_536
_US_PER = {"s": 1_000_000, "ms": 1_000, "us": 1}

Refusals = dict[int, str]


def read_parquet(path: str, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of rows of a Parquet file; raises SourceError where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            columns = columns_of(file.schema_arrow, source, assume_utc=assume_utc)
            batches = file.iter_batches(BATCH_ROWS, columns=list(columns.values()))
            yield from _work(batches, columns, source, assume_utc)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{source}: cannot be read as Parquet: {first_line(error)}") from None


def read_ipc(path: str, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of an Arrow IPC file (Feather) or stream."""
    try:
        with pa.memory_map(path) as mapped:
            is_file = mapped.read(6) == b"ARROW1"
            mapped.seek(0)
            if is_file:
                file = pyarrow.ipc.open_file(mapped)
                schema, batches = file.schema, (file.get_batch(at) for at in range(file.num_record_batches))
            else:
                stream = pyarrow.ipc.open_stream(mapped)
                schema, batches = stream.schema, iter(stream)
            columns = columns_of(schema, source, assume_utc=assume_utc)
            yield from _work(batches, columns, source, assume_utc)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{source}: cannot be read as Arrow IPC: {first_line(error)}") from None


def read_table(table: Any, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking each batch of a table: Polars, pandas, Arrow or anything with an Arrow stream."""
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    reader = pa.RecordBatchReader.from_stream(table)
    yield from read_record_batches(reader, reader.schema, source, assume_utc=assume_utc)


def read_record_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, source: str, *, assume_utc: bool = False
) -> Iterator[Work]:
    """Yield the work of checking each of some record batches of one schema, as they come."""
    columns = columns_of(schema, source, assume_utc=assume_utc)
    yield from _work(iter(batches), columns, source, assume_utc)


def columns_of(schema: pa.Schema, source: str, *, assume_utc: bool) -> dict[str, str]:
    """Return for each of the Run's columns the name it has in a schema; snake_case wins over camelCase.

    Raises SourceError where a required column is missing or a column's type cannot hold what it should.
    """
    found: dict[str, str] = {}
    for column in COLUMNS:
        name = next((name for name in (column.name, column.camel) if schema.get_field_index(name) >= 0), None)
        if name is None:
            if schema.names.count(column.name) > 1:
                raise SourceError(f"{source}: names the column {column.name} twice")
            if column.required:
                raise SourceError(f"{source}: has no column {column.name}; it has {show(', '.join(schema.names))}")
            continue
        _check_type(column, schema.field(name).type, source, assume_utc)
        found[column.name] = name
    return found


def _check_type(column: Column, kind: pa.DataType, source: str, assume_utc: bool) -> None:
    kind = _plain_type(kind)
    if pa.types.is_null(kind):
        return
    if column.kind == "text" and (_is_text(kind) or _is_uuid(kind)):
        return
    if column.kind == "integer" and (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_text(kind)
    ):
        return
    if column.kind == "instant" and _is_text(kind):
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


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.UuidType)


def _work(
    batches: Iterator[pa.RecordBatch], columns: Mapping[str, str], source: str, assume_utc: bool
) -> Iterator[Work]:
    record = 1
    for batch in batches:
        for at in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(at, BATCH_ROWS)
            yield Work(partial(_read_batch, part, columns, source, record, assume_utc), part.nbytes)
            record += part.num_rows


def _read_batch(
    batch: pa.RecordBatch, columns: Mapping[str, str], source: str, record: int, assume_utc: bool
) -> list[Batch]:
    refused: dict[int, dict[str, str]] = {}
    arrays = []
    for column in COLUMNS:
        target = loose_schema().field(column.name).type
        if column.name not in columns:
            arrays.append(pa.nulls(batch.num_rows, target))
            continue
        values, refusals = _column(column, batch.column(columns[column.name]), assume_utc)
        arrays.append(pc.cast(values, target))
        for row, reason in refusals.items():
            refused.setdefault(row, {})[column.name] = reason

    def raw(row: int) -> str:
        values = {name: _python_value(batch.column(name)[row]) for name in batch.schema.names}
        return json.dumps(values, default=_json_text, ensure_ascii=False)

    return [Batch(pa.table(arrays, schema=loose_schema()), Place(source, lambda row: record + row, raw), refused)]


def _column(column: Column, values: pa.Array, assume_utc: bool) -> tuple[pa.Array | pa.ChunkedArray, Refusals]:
    if pa.types.is_dictionary(values.type):
        values = pl.Series(values).cast(pl.String).to_arrow(compat_level=pl.CompatLevel.oldest())
    kind = values.type
    if pa.types.is_null(kind):
        return values, {}
    if _is_uuid(kind):
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string()), {}
    if column.kind == "text":
        return values, {}
    if column.kind == "instant":
        if _is_text(kind):
            return instants(pl.Series(values), assume_utc=assume_utc, table=True)
        return _timestamps(values)
    if _is_text(kind):
        return csv.integers(pl.Series(values))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _whole_numbers(values)
    if pa.types.is_uint64(kind):
        return _whole_numbers(values.cast(pa.decimal128(20)))
    return pc.cast(values, pa.int64()), {}


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
    """Turn decimals and floats that hold integers into integers; NaN, as pandas writes it, is null."""
    numbers = pl.Series(values)
    if numbers.dtype.is_float():
        numbers = numbers.fill_nan(None)
    whole = numbers.cast(pl.Int64, strict=False)
    if numbers.dtype.is_float():
        exact = (whole.cast(numbers.dtype) == numbers) & (numbers.abs() < 2.0**63)
    else:
        exact = whole.cast(numbers.dtype, strict=False) == numbers
    bad = (numbers.is_not_null() & ~exact.fill_null(False)).arg_true()
    refused = {row: f"{show(numbers[row])} is not a 64-bit integer" for row in bad.to_list()}
    return whole.to_arrow(), refused


def _python_value(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):  # Python has no years outside of 1 to 9999, and no nanoseconds
        return f"{value.cast(pa.int64())} {value.type.unit} since 1970"


def _json_text(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)

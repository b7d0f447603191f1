"""Columns of Arrow tables that others wrote: which one is which of a run's, and their values as the Run's types."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.formats.arrow_memory import is_text
from polydoc_analytics.loaders.integers import integers
from polydoc_analytics.loaders.run_parser import show
from polydoc_analytics.loaders.timestamps import instants
from polydoc_analytics.model.schema import COLUMNS, MAX_INSTANT_US, MIN_INSTANT_US, Column

US_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}

Reasons = dict[int, str]
"""By row, why a value is refused."""


def columns_of(schema: pa.Schema, source: str, *, assume_utc: bool) -> dict[str, str]:
    """Return for each of the Run's columns the name it has in a schema: snake_case, else camelCase, else upper case.

    Raises SourceError where a required column is missing or a column's type cannot hold what it should.
    """
    found: dict[str, str] = {}
    for column in COLUMNS:
        spellings = (column.name, column.camel, column.name.upper())
        name = next((name for name in spellings if name in schema.names), None)
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


def to_run_column(column: Column, values: pa.Array, assume_utc: bool) -> tuple[pa.Array | pa.ChunkedArray, Reasons]:
    """Convert an array to the type of a run's column; values that do not fit are null, with the reason by row."""
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


def _timestamps(values: pa.Array) -> tuple[pa.Array, Reasons]:
    """Bring timestamps of any unit to µs, finer digits cut off towards the past; years outside 1-9999 are refused."""
    whole = pl.Series(values.cast(pa.int64()))
    unit = values.type.unit
    factor = US_PER_UNIT.get(unit, 1)
    low, high = -(-MIN_INSTANT_US // factor), MAX_INSTANT_US // factor
    if unit == "ns":
        whole = whole // 1_000
    outside = ((whole < low) | (whole > high)).fill_null(False)
    reasons = dict.fromkeys(outside.arg_true().to_list(), "lies outside the years 0001 to 9999 in UTC")
    nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(whole))
    return pc.cast((whole.zip_with(~outside, nothing) * factor).to_arrow(), pa.timestamp("us", "UTC")), reasons


def _whole_numbers(values: pa.Array) -> tuple[pa.Array, Reasons]:
    """Turn integers and decimals of any width into integers of 64 bits; those that are none are refused."""
    try:
        return pc.cast(values, pa.int64()), {}
    except pa.ArrowInvalid:
        whole, reasons = [], {}
        for row, value in enumerate(values.to_pylist()):
            fits = value is None or (value == int(value) and -(2**63) <= value < 2**63)
            whole.append(int(value) if fits and value is not None else None)
            if not fits:
                reasons[row] = f"{show(value)} is not a 64-bit integer"
        return pa.array(whole, pa.int64()), reasons


def _whole_floats(values: pa.Array) -> tuple[pa.Array, Reasons]:
    """Turn floats that hold integers into integers; NaN, as pandas writes it, is null."""
    if pa.types.is_float16(values.type):
        values = pc.cast(values, pa.float32())
    numbers = pl.Series(values).fill_nan(None)
    whole = numbers.cast(pl.Int64, strict=False)
    exact = (whole.cast(numbers.dtype) == numbers) & (numbers >= -(2.0**63)) & (numbers < 2.0**63)
    bad = (numbers.is_not_null() & ~exact.fill_null(False)).arg_true()
    reasons = {row: f"{show(numbers[row])} is not a 64-bit integer" for row in bad.to_list()}
    return whole.to_arrow(), reasons

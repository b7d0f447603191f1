"""Rows in memory, a mapping each: read in wire form, so that the rules of NDJSON judge them too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import ndjson
from polydoc_analytics.model.schema import BY_KEY

_ROWS_AT_ONCE = 10_000


def read(rows: Sequence[Mapping[str, Any]], source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of checking some rows at a time; a row's line is its number, counted from 1."""
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        block = b"".join(_line(row) for row in rows[at : at + _ROWS_AT_ONCE])
        yield Work(partial(ndjson.read_block, block, source, at + 1, assume_utc), len(block), takes_turns=True)


def _line(row: Mapping[str, Any]) -> bytes:
    fields = {key: _wire_value(row[key]) for key in BY_KEY if key in row}
    return json.dumps(fields).encode() + b"\n"


def _wire_value(value: Any) -> Any:
    """Return a value as JSON has it; an empty object stands for one that JSON does not have, and is refused."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of NumPy
        value = value.item()
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float) and value.is_integer():  # its digits as text are often those of another number
        value = int(value)
    if isinstance(value, int):  # Python does not write integers of any length
        return int(value) if value.bit_length() <= 64 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas has no value there
        return None
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value.adjusted() < 20 and value == int(value)
        return int(value) if is_whole else None if value.is_nan() else str(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        with suppress(OverflowError):  # the first and last day that there are
            value = value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    return [] if isinstance(value, list | tuple) else {}

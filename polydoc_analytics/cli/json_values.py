"""Values as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polydoc_analytics.query.row_table import RowTable

if TYPE_CHECKING:
    import polars as pl


def json_rows(frame: RowTable | pl.DataFrame) -> list[dict[str, Any]]:
    """Convert a frame's rows to JSON values: dates and instants as ISO 8601 texts, instants in UTC with Z."""
    return [{name: json_value(value) for name, value in row.items()} for row in RowTable.of(frame).named()]


def json_value(value: Any) -> Any:
    """Convert a value to one that JSON has; NaN and infinity are null."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)  # an engine's sum of whole numbers
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(json_value(key)): json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(part) for part in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return bytes_text(value) if isinstance(value, bytes) else str(value)


def instant_text(instant: datetime) -> str:
    """Format an instant as RFC 3339 text in UTC with Z."""
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC)
    return instant.replace(tzinfo=None).isoformat() + "Z"


def bytes_text(value: bytes) -> str:
    r"""Format bytes as DuckDB does: printable ASCII as it is, any other byte as \xFF."""
    return "".join(chr(one) if 32 <= one < 127 and one not in b"\\\"'" else f"\\x{one:02X}" for one in value)

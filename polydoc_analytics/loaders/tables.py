"""Tables in memory as sources: Polars, pandas, Arrow, rows, or anything with an Arrow stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in memory, each a mapping by column."""

    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """Tables in memory, read in order; among several of them there may be ``Files``. ``name`` is for the ledger."""

    parts: tuple[Any, ...]
    name: str = "table"


def is_table(source: object) -> bool:
    """Check whether a source is a table in memory: Polars, pandas, Arrow, rows, or anything with an Arrow stream."""
    return isinstance(source, Rows) or hasattr(source, "__arrow_c_stream__") or type(source).__name__ == "LazyFrame"


def with_stream(source: Any) -> Any:
    """Give an Arrow struct array, which has no stream of its own, one; return anything else as it is."""
    if not hasattr(source, "__arrow_c_array__") or is_table(source):
        return source
    import pyarrow as pa

    return pa.chunked_array([pa.array(source)])

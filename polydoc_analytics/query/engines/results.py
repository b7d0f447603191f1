"""A query's result as a Polars frame: fetched in batches up to a number of bytes, every value one that Python has.

What neither Polars nor Python holds as it is becomes the text that DuckDB writes of it: intervals, BIT, UNION, times
with an offset, and a whole column of dates or instants where one is infinite or outside the years 1 to 9999.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import QueryError, first_line
from polydoc_analytics.model.epoch import DAY_US
from polydoc_analytics.model.schema import MAX_INSTANT_US, MIN_INSTANT_US
from polydoc_analytics.model.sql_names import identifier
from polydoc_analytics.query.row_table import Kind, RowTable

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

GB = 1_000_000_000
_BATCH_ROWS, _FEW_ROWS = 10_240, 400
_PLAIN = {
    *("null", "boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger"),
    *("ubigint", "float", "double", "decimal", "varchar", "enum", "uuid", "blob", "date", "time", "time_ns"),
    *("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone"),
}
_SIMPLE = {
    "boolean": "Boolean",
    "tinyint": "Int8",
    "smallint": "Int16",
    "integer": "Int32",
    "bigint": "Int64",
    "utinyint": "UInt8",
    "usmallint": "UInt16",
    "uinteger": "UInt32",
    "ubigint": "UInt64",
    "float": "Float32",
    "double": "Float64",
    "varchar": "String",
    "date": "Date",
}
"""Types whose values need no conversion, and what Polars calls each."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MOST_INT64 = 2**63 - 1
_EPOCH = date(1970, 1, 1).toordinal()


def table_of(relation: duckdb.DuckDBPyRelation, max_bytes: int | None = None) -> pa.Table:
    """Run a query and return its rows, all of types and values that :func:`frame_of` takes.

    Raises QueryError where they take more than ``max_bytes``.
    """
    texts = {at for at, kind in enumerate(relation.types) if not _is_plain(kind)}
    while True:
        table = _fetched(_with_texts(relation, texts), max_bytes)
        odd = {at for at, column in enumerate(table.columns) if not all(map(_is_held, column.chunks))}
        if not odd:
            return table
        texts |= odd


def frame_of(table: pa.Table) -> pl.DataFrame:
    """Return a table as a Polars frame; raises QueryError where it cannot be one, as with two columns of one name."""
    import polars as pl

    try:
        frame = pl.from_arrow(table)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise QueryError(
            f"the result makes no table, give its columns names and plain types: {first_line(error)}"
        ) from None
    assert isinstance(frame, pl.DataFrame)
    return frame


def own_frame_of(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Run a query of the package's own and return its rows, without PyArrow where all types are simple."""
    import polars as pl

    if any(kind.id not in _SIMPLE for kind in relation.types):
        return frame_of(table_of(relation))
    frame = pl.DataFrame(relation.materialize())
    days = frame.select(pl.col(pl.Date).to_physical())
    bounds = (date.min.toordinal() - _EPOCH, date.max.toordinal() - _EPOCH)
    if any(not column.drop_nulls().is_between(*bounds).all() for column in days.iter_columns()):
        return frame_of(table_of(relation))
    return frame


def few_rows_of(con: duckdb.DuckDBPyConnection) -> pl.DataFrame | None:
    """Fetch what a connection has executed of the package's own; None where rows are many, or a value is not simple.

    What is executed is planned once, a relation twice.
    """
    import polars as pl

    columns = [(name, kind.id) for name, kind, *_ in con.description or ()]
    is_simple = len(dict(columns)) == len(columns) and all(kind in _SIMPLE for _, kind in columns)
    rows = con.fetchmany(_FEW_ROWS + 1) if is_simple else []
    con.abort()  # what is left would be in the way of the next query
    days = [at for at, (_, kind) in enumerate(columns) if kind == "date"]
    if not is_simple or len(rows) > _FEW_ROWS or _has_odd_days(rows, days):
        return None
    return pl.DataFrame(rows, {name: getattr(pl, _SIMPLE[kind]) for name, kind in columns}, orient="row")


_KINDS: dict[str, Kind] = {
    "varchar": "text",
    "boolean": "truth",
    "double": "float",
    "date": "date",
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger"), "integer"),
}


def own_rows_of(con: duckdb.DuckDBPyConnection) -> RowTable | None:
    """Fetch what a connection has executed of the package's own as Python's values; None where some may be none."""
    kinds = {name: _KINDS.get(kind.id) for name, kind, *_ in con.description or ()}
    if None in kinds.values():
        con.abort()  # what is left would be in the way of the next query
        return None
    rows = con.fetchall()
    days = [at for at, kind in enumerate(kinds.values()) if kind == "date"]
    if _has_odd_days(rows, days):
        return None
    return RowTable({name: kind for name, kind in kinds.items() if kind is not None}, rows)


def _has_odd_days(rows: Sequence[tuple[Any, ...]], days: Sequence[int]) -> bool:
    """Check for days that Python may not have: such a one comes as a text, infinity as the last or the first day."""
    return any(isinstance(row[at], str) or row[at] in (date.min, date.max) for row in rows for at in days)


def _fetched(relation: duckdb.DuckDBPyRelation, max_bytes: int | None) -> pa.Table:
    import pyarrow as pa

    if max_bytes is None:
        return relation.to_arrow_table()
    held, batches = 0, []
    with relation.to_arrow_reader(_BATCH_ROWS) as reader:
        for batch in reader:
            held += batch.nbytes
            if held > max_bytes:
                raise QueryError(
                    f"the result is larger than {max_bytes / GB:g} GB, the most that is held in memory; "
                    "select fewer rows or columns, or aggregate them"
                )
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)


def _with_texts(relation: duckdb.DuckDBPyRelation, texts: set[int]) -> duckdb.DuckDBPyRelation:
    """Return a query with some of its columns, by their places, as texts; two columns may have one name."""
    if not texts:
        return relation
    names = [identifier(name) for name in relation.columns]
    columns = [
        f"cast(c{at} as varchar) as {name}" if at in texts else f"c{at} as {name}" for at, name in enumerate(names)
    ]
    places = ", ".join(f"c{at}" for at in range(len(names)))
    sql = f"select {', '.join(columns)} from query_result as result({places})"
    asked = relation.query("query_result", sql)
    assert asked is not None
    return asked


def _is_plain(kind: Any) -> bool:
    """Check whether Polars and Python hold a type of DuckDB's as what it is."""
    if kind.id in _PLAIN:
        return True
    if kind.id == "map":
        (_, key), (_, value) = kind.children
        return key.id in _PLAIN and _is_plain(value)
    if kind.id in ("list", "array", "struct", "tuple"):
        return all(_is_plain(child) for name, child in kind.children if name != "size" or kind.id != "array")
    return False


def _is_held(values: pa.Array) -> bool:
    """Check whether Python has all values of an array; it has no infinite date, none BC, and no time 24:00."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_map(kind):
        return _is_held(values.keys) and _is_held(values.items)
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_held(values.flatten())
    if pa.types.is_struct(kind):
        return all(map(_is_held, values.flatten()))
    if pa.types.is_decimal(kind):
        # A HUGEINT comes as a decimal of 38 digits, and may have 39.
        return kind.precision < 38 or _is_between(values, -(10**38) + 1, 10**38 - 1)
    if pa.types.is_date32(kind):
        return _is_between(values.view(pa.int32()), date.min.toordinal() - _EPOCH, date.max.toordinal() - _EPOCH)
    if pa.types.is_time64(kind):
        return _is_between(values.view(pa.int64()), 0, DAY_US * _PER_SECOND[kind.unit] // 1_000_000 - 1)
    if pa.types.is_timestamp(kind):
        low, high = (us * _PER_SECOND[kind.unit] // 1_000_000 for us in (MIN_INSTANT_US, MAX_INSTANT_US))
        return _is_between(values.view(pa.int64()), max(low, 1 - _MOST_INT64), min(high, _MOST_INT64 - 1))
    return True


def _is_between(values: pa.Array, low: int, high: int) -> bool:
    import pyarrow.compute as pc

    least, most = (value.as_py() for value in pc.min_max(values).values())
    return least is None or (least >= low and most <= high)


_limits = threading.Lock()
_limited = 0
_limit_before = (0, 0)


@contextmanager
def bounded_memory(growth: int | None) -> Iterator[None]:
    """Let this process take no more than ``growth`` bytes beyond what it has: a single value may ask for any number.

    DuckDB's own limit does not count values and results. Only Linux keeps to such a bound; elsewhere this does nothing.
    """
    global _limited, _limit_before
    if growth is None or sys.platform != "linux":
        yield
        return
    import resource

    with _limits:
        if not _limited:
            _limit_before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
            bound = _data_bytes() + growth
            resource.setrlimit(resource.RLIMIT_DATA, (bound if soft < 0 else min(soft, bound), hard))
        _limited += 1
    try:
        yield
    finally:
        with _limits:
            _limited -= 1
            if not _limited:
                resource.setrlimit(resource.RLIMIT_DATA, _limit_before)


def _data_bytes() -> int:
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"VmData:"):
                return int(line.split()[1]) * 1024
    return 0

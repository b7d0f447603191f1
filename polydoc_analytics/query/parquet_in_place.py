"""Parquet files that are queried where they are, once a pass has proven that they hold checked runs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from polydoc_analytics.errors import SourceError, translated
from polydoc_analytics.ingest.results import Counts
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.input_file import Input
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.model.schema import COLUMNS, INSTANTS, INTEGERS, REQUIRED, STATUSES, TEXTS, Column
from polydoc_analytics.model.sql_names import SQL_TYPES, identifier, path_literal
from polydoc_analytics.query.run_relation import RunRelation, scan_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_MANY_FILES = 200
_SMALL_BYTES = 256 * 1024
_FOUR_NUMBERS = re.compile(rb"(?:\x15[\x80-\xff]*[\0-\x7f]){3}\x15")
"""In Thrift's compact protocol, 0x15 is the next field and that it is a number, which ends at a byte below 0x80."""
_IN_PLACE_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


def proven(files: Files, options: ReadOptions) -> RunRelation | None:
    """Open local Parquet files where they are, if one pass proves types, hard rules and unique ids; else None."""
    if not files or not all(_is_plain_parquet(one) for one in files) or _are_many_small_ones(files):
        return None
    layout = _common_layout(files, options.assume_utc or files.assume_utc)
    return None if layout is None else _proven(files, layout)


_Layout = dict[str, tuple[str, "pa.DataType"]]
"""The name and type of each of the Run's columns in files that are alike."""


def _are_many_small_ones(files: Files) -> bool:
    """Check for files that are read together once in less time than every view opens all of them."""
    return len(files) > _MANY_FILES and sum(os.path.getsize(one.path) for one in files) < _SMALL_BYTES * len(files)


def _is_plain_parquet(candidate: Input) -> bool:
    if candidate.format != "parquet" or not candidate.is_local:
        return False
    with open(candidate.path, "rb") as file:
        return file.read(4) == b"PAR1"


def _common_layout(files: Files, assume_utc: bool) -> _Layout | None:
    """Return the layout of the Run's columns where all files agree and DuckDB can read them as they are."""
    import pyarrow.parquet as pq

    from polydoc_analytics.loaders.formats.arrow_columns import columns_of

    common: _Layout = {}
    spellings: dict[str, str] = {}
    for one in files:
        with translated(SourceError, f"{one.name}: cannot be read as Parquet", (Exception,)):
            with pq.ParquetFile(one.path) as file:  # of its metadata alone a UUID would be 16 bytes of no kind
                found, schema = file.schema, file.schema_arrow
            old = {leaf.path for leaf in map(found.column, range(len(found.names))) if leaf.physical_type == "INT96"}
        is_once = len({name.lower() for name in schema.names}) == len(schema.names)
        if not is_once or any(spellings.setdefault(name.lower(), name) != name for name in schema.names):
            return None  # DuckDB, to which names that differ in case alone are one, would give either column
        for name, own in columns_of(schema, one.name, assume_utc=assume_utc).items():
            column = next(c for c in COLUMNS if c.name == name)
            kind = schema.field(own).type
            if common.setdefault(name, (own, kind)) != (own, kind) or not _can_stay(column, kind):
                return None
            if own in old:
                return None  # Arrow takes it for nanoseconds, DuckDB for microseconds, and both wrap in far years
    return common


def _texts_to_guard(con: duckdb.DuckDBPyConnection, paths: Sequence[str], layout: _Layout) -> frozenset[str]:
    """Find the optional texts of which some row group's statistics show one value and do not rule out nulls.

    DuckDB is asked, for it is its reading of them that counts, and Arrow ends the process where they are damaged.
    """
    texts = {layout[name][0]: name for name in TEXTS if name in layout and name not in REQUIRED}
    found = con.execute(f"""
        select distinct path_in_schema
        from {_metadata(paths)}
        where coalesce(stats_min_value, stats_min) = coalesce(stats_max_value, stats_max)
            and stats_null_count is distinct from 0""").fetchall()
    return frozenset(texts[path] for (path,) in found if path in texts)


def _are_pages_whole(con: duckdb.DuckDBPyConnection, paths: Sequence[str], layout: _Layout) -> bool:
    """Check that no file is several concatenated, and the pages against checksums, at neither of which DuckDB looks.

    Spark, for one, writes checksums of pages.
    """
    from polydoc_analytics.lake.data_file import is_readable
    from polydoc_analytics.loaders.formats.concatenation import is_concatenated_file

    begin = "coalesce(nullif(dictionary_page_offset, 0), data_page_offset)"
    chunks = con.execute(f"""
        select
            file_name,
            min({begin}) filter (where row_group_id = 0 and column_id = 0),
            max({begin} + total_compressed_size)
        from {_metadata(paths)}
        group by file_name""").fetchall()
    names = [name for name, _ in layout.values()]
    # What stands between the pages and the footer is an index of them, or as long as the files before the last.
    without_rows = set(paths).difference(path for path, _, _ in chunks)
    return not any(map(is_concatenated_file, without_rows)) and not any(
        is_concatenated_file(path, os.path.getsize(path) - end)
        or (_has_checksum(path, at) and not is_readable(path, names))
        for path, at, end in chunks
    )


def _has_checksum(path: str, at: int) -> bool:
    """Check whether the header of a page has a checksum: a fourth number behind its kind and its two sizes."""
    with open(path, "rb") as file:
        file.seek(max(at, 0))
        return _FOUR_NUMBERS.match(file.read(32)) is not None


def _metadata(paths: Sequence[str]) -> str:
    return f"parquet_metadata([{', '.join(map(path_literal, paths))}])"


def _can_stay(column: Column, kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column.kind == "text":
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind)) or isinstance(kind, pa.UuidType)
    if column.kind == "integer":
        return str(kind) in _IN_PLACE_INTEGERS
    return bool(pa.types.is_timestamp(kind))


def _proven(files: Files, layout: _Layout) -> RunRelation | None:
    """Prove in one pass that rows are Runs and ids unique; None where they are not, or where not all can be read.

    No nulls stand where none may be, texts are UTF-8, there are three statuses, and years are 1 to 9999.
    """
    import duckdb

    from polydoc_analytics.model.schema import MAX_INSTANT_US, MIN_INSTANT_US

    paths = tuple(one.path for one in files)
    relation = scan_of(paths)
    # DuckDB takes the greatest and least of what a timestamp can be for infinities, which have no µs since 1970.
    instants = [name for name in INSTANTS if name in layout]
    as_given = "".join(f", {identifier(layout[name][0])} as given_{name}" for name in instants)
    infinite = " + ".join(f"count(given_{name}) - count(epoch_us({name}))" for name in instants)
    required = ", ".join(f"count({name})" for name in REQUIRED)
    # To hash a text, DuckDB reads it, and raises where it is not UTF-8. Of their lengths and counts it would say
    # something without that, and of the greatest what the file's statistics say.
    # Numbers are read so that a page that cannot be is found here, where its file can be named.
    others = [name for name in (*TEXTS, *INTEGERS) if name not in ("id", "status", "target_language")]
    hashes = ", ".join(f"max(hash({name}))" for name in others)
    with duckdb.connect(":memory:") as con:
        con.execute("set timezone = 'UTC'")
        try:
            if not _are_pages_whole(con, paths, layout):
                return None
            guarded = _texts_to_guard(con, paths, layout)
            columns = ", ".join(_column(c, layout, is_guarded=c.name in guarded) for c in COLUMNS)
            runs = f"(select {columns}{as_given} from {relation})"
            [(rows, infinities, low, high, first, last, *counts)] = con.execute(
                f"""select count(*), {infinite},
                    min(epoch_us(created_at)), max(epoch_us(created_at)),
                    min(epoch_us(finished_at)), max(epoch_us(finished_at)),
                    {required}, {hashes}
                from {runs}"""
            ).fetchall()
            statuses = {row[0] for row in con.execute(f"select distinct status from {runs}").fetchall()}
            languages = {row[0] for row in con.execute(f"select distinct target_language from {runs}").fetchall()}
            ids = con.execute(f"select hash(id) as id from {runs}").fetchnumpy()["id"]
        except duckdb.Error:
            return None  # such as text that is not UTF-8; the loader says what is wrong, and where
    if infinities or any(count != rows for count in counts[: len(REQUIRED)]) or not statuses <= set(STATUSES):
        return None
    if not all(MIN_INSTANT_US <= us <= MAX_INSTANT_US for us in (low, high, first, last) if us is not None):
        return None
    ids.sort()
    if (ids[1:] == ids[:-1]).any():
        return None
    created = (low, high) if low is not None else None
    finished = (first, last) if first is not None else None
    return RunRelation(
        paths,
        columns,
        relation,
        created,
        finished,
        tuple(sorted(languages)),
        Counts(rows, rows, 0, 0, 0),
        None,
        passed_over=files.passed_over,
    )


def _column(column: Column, layout: _Layout, *, is_guarded: bool) -> str:
    """Return SQL for one of the Run's columns, brought to its type; nothing is done to what has it already."""
    types = SQL_TYPES["duckdb"]
    if column.name not in layout:
        return f"cast(null as {types[column.kind]}) as {column.name}"
    own, kind = layout[column.name]
    name = identifier(own)
    if column.kind == "instant":
        if kind.unit == "ns":  # a cast would round, and a run would begin up to half a microsecond late
            ns = f"epoch_ns({name})"
            return f"make_timestamptz(({ns} - ({ns} % 1000 + 1000) % 1000) // 1000) as {column.name}"
        return f"{name} as {column.name}" if kind.tz else f"make_timestamptz(epoch_us({name})) as {column.name}"
    value = f"cast({name} as {types[column.kind]})"
    if is_guarded:
        # DuckDB 2.0.0 takes a text column whose statistics show one value for constant, and then finds every row where
        # it is asked for nulls. A function around the column keeps that question away from the file's statistics. It
        # also has every text read where only nulls are counted, and so stands nowhere else.
        value = f"substr({value}, 1)"
    return f"{value} as {column.name}"

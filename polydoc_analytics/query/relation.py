"""Opening a source for reading: in place where that is proven right, from temporary Parquet otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import SnapshotGoneError, SourceError, UsageError, refuse_blank, translated
from polydoc_analytics.ingest.connectors import source_named
from polydoc_analytics.ingest.parquet import Scan
from polydoc_analytics.ingest.pipeline import Counts, scratch, stage
from polydoc_analytics.loaders import Progress, as_source, is_table
from polydoc_analytics.model.schema import COLUMNS, NAMES, REQUIRED, STATUSES, TEXTS, Column
from polydoc_analytics.model.sql_names import quoted

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

    from polydoc_analytics.ingest.parquet import Manifest
    from polydoc_analytics.lake.lake import Lake, Snapshot
    from polydoc_analytics.loaders.files import PassedOver
    from polydoc_analytics.loaders.input_file import Input

_IN_PLACE_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


@dataclass(frozen=True)
class RunRelation:
    """Checked, merged runs that can be scanned: ``columns`` and ``relation`` are SQL for DuckDB, ``files`` its files.

    ``created_us`` and ``finished_us`` are the least and greatest instants in µs since 1970 UTC, ``languages`` the
    distinct values of target_language (all of them are among these). ``prepare`` lets a connection read the files,
    ``account_names`` are those that the lake knows, ``load_number`` is that of the snapshot, ``passed_over`` are the
    files of a folder that are not read. ``scans`` say for a cluster what to read; it cannot where there are none.
    """

    files: tuple[str, ...]
    columns: str
    relation: str
    created_us: tuple[int, int] | None
    finished_us: tuple[int, int] | None
    languages: tuple[str, ...]
    counts: Counts
    quarantine: pl.DataFrame
    conflicts: tuple[str, ...] = ()
    snapshot: str | None = None
    rejection: str = ""
    passed_over: tuple[PassedOver, ...] = ()
    prepare: Callable[[duckdb.DuckDBPyConnection], None] = lambda con: None
    account_names: Mapping[str, str] = field(default_factory=dict)
    lake: Lake | None = None
    load_number: int = 0
    scans: tuple[Scan, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine."""
        return self.lake is None or self.lake.place.is_local

    def raise_if_gone(self) -> None:
        """Raise SnapshotGoneError where the files are a lake's and not all there any more."""
        if self.lake is None:
            return
        place = self.lake.place
        if not all(place.exists(file.removeprefix(place.path("")).lstrip("/\\")) for file in self.files):
            raise SnapshotGoneError(
                f"{place.shown}: an erasure or a compaction has removed files of this snapshot; connect again"
            )


@contextmanager
def opened_runs(
    source: Any,
    *,
    input_format: str | None = None,
    assume_utc: bool = False,
    partial: bool = False,
    strict: bool = False,
    quarantine_to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    as_of: int | str | date | datetime | None = None,
    timezone: str = "UTC",
) -> Iterator[RunRelation]:
    """Open a source; what had to be loaded is removed at the end. The arguments are those of ``load``.

    ``as_of`` is for a lake: see :meth:`polydoc_analytics.Lake.snapshot`.
    """
    from polydoc_analytics.ingest.quarantine import Quarantine

    found = None
    lake = lake_of(source)
    if lake is not None:
        snapshot = lake.snapshot(as_of, timezone)
        found = replace(_of_snapshot(snapshot), account_names=lake.account_names(), lake=lake)
    elif as_of is not None:
        raise UsageError("as of needs a lake; this source knows the present alone")
    else:
        source = as_source(source)
        if not is_table(source) and input_format in (None, "parquet") and source_named(source) is None:
            found = _export(source) or _in_place(source, assume_utc)
    if found is not None:
        if quarantine_to is not None:
            Quarantine(Path()).write(os.fspath(quarantine_to))
        yield found
        return
    with scratch() as work:
        folder = work / "runs"
        folder.mkdir()
        staged = stage(
            source,
            folder,
            work,
            input_format=input_format,
            assume_utc=assume_utc,
            partial=partial,
            strict=strict,
            quarantine_to=quarantine_to,
            progress=progress,
        )
        found = _of_manifest(folder, staged.manifest, staged.counts, staged.quarantine.frame(), staged.conflicts)
        yield replace(found, rejection=staged.rejection, passed_over=staged.passed_over)


@contextmanager
def opened_for_cluster(
    source: Any, *, as_of: int | str | date | datetime | None = None, timezone: str = "UTC"
) -> Iterator[RunRelation]:
    """Open a lake, or a folder that ``export`` has written, for an engine on other machines, which read it there.

    Raises UsageError for any other source, which would have to be loaded here.
    """
    lake = lake_of(source)
    if lake is not None:
        snapshot = lake.snapshot(as_of, timezone)
        yield replace(_of_snapshot(snapshot), account_names=lake.account_names(), lake=lake)
        return
    if as_of is not None:
        raise UsageError("as of needs a lake; this source knows the present alone")
    found = None if is_table(source) or source_named(source) is not None else _export(source)
    if found is None:
        raise UsageError(
            f"{'this table' if is_table(source) else source}: engine spark reads a lake or an export that the cluster "
            "sees too; `polydoc-analytics ingest` or `export` it first"
        )
    yield found


def lake_of(source: Any) -> Lake | None:
    """Return the lake that a source is or names, else None; for a lake alone its modules are imported."""
    from polydoc_analytics.lake.detect import may_be_lake

    refuse_blank(source, "the source")
    if not may_be_lake(source):
        return None
    from polydoc_analytics.lake import lake

    return lake.lake_of(source)


def _of_snapshot(snapshot: Snapshot) -> RunRelation:
    row = snapshot.row
    rows = row.runs if row else 0
    created = (row.created_low, row.created_high) if row else (None, None)
    finished = (row.finished_low, row.finished_high) if row else (None, None)
    return RunRelation(
        snapshot.files,
        snapshot.columns,
        snapshot.relation,
        None if created[0] is None or created[1] is None else (created[0], created[1]),
        None if finished[0] is None or finished[1] is None else (finished[0], finished[1]),
        tuple(row.languages) if row else (),
        Counts(rows, rows, 0, 0, 0),
        _no_quarantine(),
        snapshot=snapshot.text,
        prepare=snapshot.place.prepare,
        load_number=row.number if row else 0,
        scans=snapshot.scans,
    )


def _no_quarantine() -> pl.DataFrame:
    import polars as pl

    from polydoc_analytics.ingest.quarantine import SCHEMA

    return pl.DataFrame(schema=SCHEMA)


def _export(source: Any) -> RunRelation | None:
    """Open a folder that ``export`` has written, whose manifest vouches for it; None where more has been put there."""
    from polydoc_analytics.ingest.parquet import read_manifest
    from polydoc_analytics.loaders.files import files_in

    if not isinstance(source, str | os.PathLike) or not os.path.isdir(source):
        return None
    folder = Path(source)
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    files = files_in(folder)
    if manifest.parts and len(files) > len(manifest.parts):
        return None
    rows = manifest.rows
    found = _of_manifest(folder, manifest, Counts(rows, rows, 0, 0, 0), _no_quarantine(), ())
    return replace(found, passed_over=tuple(files.passed_over))


def _of_manifest(
    folder: Path, manifest: Manifest, counts: Counts, quarantine: pl.DataFrame, conflicts: tuple[str, ...]
) -> RunRelation:
    files = tuple(str(folder / part.path) for part in manifest.parts)
    return RunRelation(
        files,
        ", ".join(NAMES),
        _relation(files),
        manifest.created_us,
        manifest.finished_us,
        manifest.languages,
        counts,
        quarantine,
        conflicts,
        scans=(Scan(files),) if files else (),
    )


def no_runs() -> str:
    """Return SQL for the columns of runs, and no run."""
    types = {"text": "varchar", "instant": "timestamptz", "integer": "bigint"}
    return f"select {', '.join(f'cast(null as {types[c.kind]}) as {c.name}' for c in COLUMNS)} where false"


def _relation(files: tuple[str, ...]) -> str:
    if not files:
        return f"({no_runs()})"
    return f"read_parquet([{', '.join(map(quoted, files))}], union_by_name = true, hive_partitioning = false)"


def _in_place(source: Any, assume_utc: bool) -> RunRelation | None:
    """Open local Parquet files where they are, if one pass proves types, hard rules and unique ids; else None."""
    from polydoc_analytics.loaders.files import inputs

    try:
        files = inputs(source)
    except SourceError as error:
        if "no such" in str(error) or "no file" in str(error) or "Delta" in str(error):
            raise
        return None
    if not files or not all(_is_plain_parquet(one) for one in files):
        return None
    schema = _common_schema(files, assume_utc)
    found = None if schema is None else _proven(tuple(one.path for one in files), schema)
    return found and replace(found, passed_over=tuple(files.passed_over))


def _is_plain_parquet(one: Input) -> bool:
    if one.format != "parquet" or not one.is_local:
        return False
    with open(one.path, "rb") as file:
        return file.read(4) == b"PAR1"


def _common_schema(files: list[Input], assume_utc: bool) -> dict[str, tuple[str, pa.DataType]] | None:
    """Return name and type of each of the Run's columns where all files agree and DuckDB can read them as they are."""
    import pyarrow.parquet as pq

    from polydoc_analytics.loaders.formats.arrow import columns_of

    common: dict[str, tuple[str, pa.DataType]] = {}
    for one in files:
        with translated(SourceError, f"{one.name}: cannot be read as Parquet", (Exception,)):
            found = pq.read_metadata(one.path).schema
            schema = found.to_arrow_schema()
            old = {leaf.path for leaf in map(found.column, range(len(found.names))) if leaf.physical_type == "INT96"}
        if len({name.lower() for name in schema.names}) < len(schema.names):
            return None  # DuckDB, to which they are one name, would give either column
        for name, own in columns_of(schema, one.name, assume_utc=assume_utc).items():
            column = next(c for c in COLUMNS if c.name == name)
            kind = schema.field(own).type
            if common.setdefault(name, (own, kind)) != (own, kind) or not _can_stay(column, kind):
                return None
            if own in old:
                return None  # Arrow takes it for nanoseconds, DuckDB for microseconds, and both wrap in far years
    return common


def _can_stay(column: Column, kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column.kind == "text":
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if column.kind == "integer":
        return str(kind) in _IN_PLACE_INTEGERS
    return bool(pa.types.is_timestamp(kind))


def _proven(files: tuple[str, ...], schema: dict[str, tuple[str, pa.DataType]]) -> RunRelation | None:
    """Prove in one pass that rows are Runs and ids unique; None where they are not, or where not all can be read.

    No nulls stand where none may be, texts are UTF-8, there are three statuses, and years are 1 to 9999.
    """
    import duckdb

    from polydoc_analytics.model.schema import MAX_INSTANT_US, MIN_INSTANT_US

    relation = _relation(files)
    columns = ", ".join(_column(c, schema) for c in COLUMNS)
    runs = f"(select {columns} from {relation})"
    required = ", ".join(f"count({name})" for name in REQUIRED)
    # To hash a text, DuckDB reads it, and raises where it is not UTF-8. Of their lengths and counts it would say
    # something without that, and of the greatest what the file's statistics say.
    others = [name for name in TEXTS if name not in ("id", "status", "target_language")]
    hashes = ", ".join(f"max(hash({name}))" for name in others)
    with duckdb.connect(":memory:") as con:
        con.execute("set timezone = 'UTC'")
        try:
            [(rows, low, high, first, last, *counts)] = con.execute(
                f"""select count(*),
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
    instants = [instant for instant in (low, high, first, last) if instant is not None]
    if any(count != rows for count in counts[: len(REQUIRED)]) or not statuses <= set(STATUSES):
        return None
    if not all(MIN_INSTANT_US <= instant <= MAX_INSTANT_US for instant in instants):
        return None
    ids.sort()
    if (ids[1:] == ids[:-1]).any():
        return None
    created = (low, high) if low is not None else None
    finished = (first, last) if first is not None else None
    return RunRelation(
        files,
        columns,
        relation,
        created,
        finished,
        tuple(sorted(languages)),
        Counts(rows, rows, 0, 0, 0),
        _no_quarantine(),
    )


def _column(column: Column, schema: dict[str, tuple[str, pa.DataType]]) -> str:
    """Return SQL for one of the Run's columns, brought to its type; nothing is done to what has it already."""
    types = {"text": "varchar", "instant": "timestamptz", "integer": "bigint"}
    if column.name not in schema:
        return f"cast(null as {types[column.kind]}) as {column.name}"
    own, kind = schema[column.name]
    name = '"' + own.replace('"', '""') + '"'
    if column.kind == "instant":
        if kind.unit == "ns":  # a cast would round, and a run would begin up to half a microsecond late
            ns = f"epoch_ns({name})"
            return f"make_timestamptz(({ns} - ({ns} % 1000 + 1000) % 1000) // 1000) as {column.name}"
        return f"{name} as {column.name}" if kind.tz else f"make_timestamptz(epoch_us({name})) as {column.name}"
    value = f"cast({name} as {types[column.kind]})"
    if column.kind == "text" and not column.required:
        # DuckDB 2.0.0 takes a text column whose statistics show one value for constant, and then finds every row where
        # it is asked for nulls. A function around the column keeps that question away from the file's statistics.
        value = f"substr({value}, 1)"
    return f"{value} as {column.name}"

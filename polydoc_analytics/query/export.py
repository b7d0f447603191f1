"""``load()`` and ``export()``: a whole source as runs in memory, or as a folder of Parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import UsageError, refuse_blank, translated
from polydoc_analytics.ingest.pipeline import scratch, stage
from polydoc_analytics.ingest.results import Counts, Loaded, Staged
from polydoc_analytics.lake.resolve import LakeRef, Source, resolve
from polydoc_analytics.loaders.options import Progress, ReadOptions
from polydoc_analytics.query.duckdb_file import DatabaseFile, is_database_name
from polydoc_analytics.query.relation import AsOf, open_relation, raise_if_as_of


@translated()
def load(
    source: Any,
    *,
    input_format: str | None = None,
    assume_utc: bool = False,
    partial: bool = False,
    strict: bool = False,
    quarantine_to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    as_of: AsOf = None,
    timezone: str = "UTC",
) -> Loaded:
    """Return runs in memory, from a path, glob, folder, list, URI, table or lake, with every row accounted for.

    The result has ``runs`` (a Polars frame, one row a run, ordered by created_at and id), ``quarantine`` (source, line,
    reason, raw) and ``counts`` (read = runs + duplicates + quarantined).

    ``input_format`` is one of ndjson, json, csv, parquet, arrow, and found by itself where it is not given.
    ``assume_utc`` takes times without an offset for UTC, ``partial`` a page of several for all of them. ``strict``
    raises RejectedRowsError where a row is rejected.
    ``quarantine_to`` is a file for rejected rows, to be mended and loaded; ``progress`` is called with the bytes read
    so far and those there are in all (0 where unknown). ``as_of`` gives a lake's runs as of a load or an instant (a
    day: its end in ``timezone``). Raises SourceError where the source is missing, empty, unreadable or cut off.
    """
    import polars as pl

    from polydoc_analytics.model.schema import polars_schema

    options = ReadOptions(input_format, assume_utc, partial, strict, quarantine_to, progress)
    resolved = resolve(source, options)
    with scratch() as work:
        folder = work / "runs"
        folder.mkdir()
        staged = _staged(resolved, folder, work, options, as_of, timezone)
        files = [str(folder / part.path) for part in staged.manifest.parts]
        frames = [pl.read_parquet(file, hive_partitioning=False, glob=False) for file in files]
        runs = pl.concat(frames) if frames else polars_schema().to_frame()
        return Loaded(
            runs.sort("created_at", "id"),
            staged.quarantine.frame(),
            staged.counts,
            staged.conflicts,
            staged.passed_over,
        )


@translated()
def export(
    source: Any,
    destination: str | os.PathLike[str],
    *,
    input_format: str | None = None,
    assume_utc: bool = False,
    partial: bool = False,
    strict: bool = False,
    overwrite: bool = False,
    quarantine_to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    as_of: AsOf = None,
    timezone: str = "UTC",
    contract: bool = False,
    **choices: Any,
) -> Staged | DatabaseFile:
    """Write checked, merged runs as zstd Parquet in ``created_month=YYYY-MM/`` (UTC) with a manifest.

    Returns the ``folder``, its ``manifest``, the ``counts``, the ``quarantine`` and the ids in ``conflicts``. The other
    arguments are those of :func:`polydoc_analytics.load`. The folder ``destination`` appears when it is whole.
    ``as_of`` writes a lake's runs as of a load or an instant (a day: its end in ``timezone``). Raises UsageError where
    the folder exists and is not empty, unless ``overwrite`` is given and it is an earlier export.

    A ``destination`` that ends in ``.duckdb`` becomes a database file for BI tools: see
    :meth:`polydoc_analytics.Database.export`, whose result is returned. ``choices`` are for it alone: those of
    ``connect``, such as period, account, date_basis, accounts. With ``contract`` a data contract is written beside
    either, in the Open Data Contract Standard, as ``DESTINATION.odcs.yaml``.
    """
    from polydoc_analytics.ingest.manifest import write_manifest
    from polydoc_analytics.ingest.parquet import NewFolder

    refuse_blank(destination, "the destination")
    if is_database_name(destination):
        from polydoc_analytics.query.connect import connect

        with connect(
            source,
            input_format=input_format,
            assume_utc=assume_utc,
            partial=partial,
            strict=strict,
            quarantine_to=quarantine_to,
            progress=progress,
            as_of=as_of,
            timezone=timezone,
            **choices,
        ) as db:
            return db.export(destination, overwrite=overwrite, contract=contract)
    if choices:
        raise UsageError(f"{', '.join(choices)}: for a file that ends in .duckdb alone; Parquet has every run")
    options = ReadOptions(input_format, assume_utc, partial, strict, quarantine_to, progress)
    resolved = resolve(source, options)
    with NewFolder(Path(destination), overwrite=overwrite) as half, scratch() as work:
        staged = _staged(resolved, half, work, options, as_of, timezone)
        write_manifest(half, staged.manifest)
    if contract:
        from polydoc_analytics.query.data_contract import run_table, write_contract

        write_contract(destination, [run_table()], {})
    return staged


def _staged(source: Source, folder: Path, work: Path, options: ReadOptions, as_of: AsOf, timezone: str) -> Staged:
    """Put a source's runs into Parquet files by month below a folder; those of a lake are checked and merged."""
    if isinstance(source, LakeRef):
        return _of_lake(source, folder, work, options, as_of, timezone)
    raise_if_as_of(as_of)
    return stage(source, folder, work, options)


def _of_lake(source: LakeRef, folder: Path, work: Path, options: ReadOptions, as_of: AsOf, timezone: str) -> Staged:
    import pyarrow as pa

    from polydoc_analytics.ingest.manifest import ROW_GROUP_ROWS
    from polydoc_analytics.ingest.parquet import PartWriter
    from polydoc_analytics.ingest.quarantine import Quarantine
    from polydoc_analytics.lake.changes import connection
    from polydoc_analytics.model.schema import arrow_schema

    parts = PartWriter(folder)
    with (
        open_relation(source, options, as_of, timezone) as runs,
        connection(work) as con,
    ):
        runs.prepare(con)
        # In any order: to keep that of the files, DuckDB would hold back what it reads ahead.
        con.execute("set preserve_insertion_order = false")
        for batch in con.sql(f"select {runs.columns} from {runs.relation}").to_arrow_reader(ROW_GROUP_ROWS):
            parts.write(pa.Table.from_batches([batch]).cast(arrow_schema()))
        parts.flush()
        counts = Counts(parts.rows, parts.rows, 0, 0, 0)
        return Staged(folder, parts.manifest(dict(counts)), counts, Quarantine(work), (), runs.snapshot)

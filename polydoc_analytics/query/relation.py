"""Opening a source for reading: in place where that is proven right, from temporary Parquet otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.errors import UsageError
from polydoc_analytics.ingest.manifest import Export, Manifest, Scan
from polydoc_analytics.ingest.results import Counts
from polydoc_analytics.lake.resolve import LakeRef, Source
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.tables import Table
from polydoc_analytics.model.schema import NAMES
from polydoc_analytics.query.parquet_in_place import proven
from polydoc_analytics.query.run_relation import RunRelation, scan_of

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.lake.reader import LakeReader
    from polydoc_analytics.lake.snapshot import Snapshot

AsOf = int | str | date | datetime | None


@contextmanager
def open_relation(
    source: Source, options: ReadOptions, as_of: AsOf = None, timezone: str = "UTC"
) -> Iterator[RunRelation]:
    """Open a source; what had to be loaded is removed at the end.

    ``as_of`` is for a lake: see :meth:`polydoc_analytics.Lake.snapshot`.
    """
    from polydoc_analytics.ingest.pipeline import scratch, stage

    found = _as_it_is(source, options, as_of, timezone)
    if found is not None:
        if options.quarantine_to is not None:
            from polydoc_analytics.ingest.quarantine import Quarantine

            Quarantine(Path()).write(os.fspath(options.quarantine_to))
        yield found
        return
    assert not isinstance(source, LakeRef)
    with scratch() as work:
        folder = work / "runs"
        folder.mkdir()
        staged = stage(source, folder, work, options, joins_few=True, also_import=("duckdb",))
        found = _of_manifest(folder, staged.manifest, staged.counts, staged.quarantine.frame(), staged.conflicts)
        yield replace(found, rejection=staged.rejection, passed_over=staged.passed_over)


def _as_it_is(source: Source, options: ReadOptions, as_of: AsOf, timezone: str) -> RunRelation | None:
    """Open a lake, an export, or Parquet that is proven right, where it is; None for what has to be loaded."""
    if isinstance(source, LakeRef):
        return _of_lake(source.lake, as_of, timezone)
    raise_if_as_of(as_of)
    if options.input_format not in (None, "parquet"):
        return None
    if isinstance(source, Export):
        return _of_export(source)
    if isinstance(source, Files):
        return proven(source, options)
    return None


def open_for_cluster(source: Source, as_of: AsOf = None, timezone: str = "UTC") -> RunRelation:
    """Open a lake, or a folder that ``export`` has written, for an engine on other machines, which read it there.

    Raises UsageError for any other source, which would have to be loaded here.
    """
    if isinstance(source, LakeRef):
        return _of_lake(source.lake, as_of, timezone)
    raise_if_as_of(as_of)
    if isinstance(source, Export):
        return _of_export(source)
    raise UsageError(
        f"{'this table' if isinstance(source, Table) else source.name}: engine spark reads a lake or an export that "
        "the cluster sees too; `polydoc-analytics ingest` or `export` it first"
    )


def raise_if_as_of(as_of: AsOf) -> None:
    """Raise UsageError where figures as of a load are asked of a source that is no lake."""
    if as_of is not None:
        raise UsageError("as of needs a lake; this source knows the present alone")


def _of_lake(lake: LakeReader, as_of: AsOf, timezone: str) -> RunRelation:
    return replace(_of_snapshot(lake.snapshot(as_of, timezone)), account_names=lake.account_names(), lake=lake)


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
        None,
        snapshot=snapshot.text,
        prepare=snapshot.place.prepare,
        load_number=row.number if row else 0,
        scans=snapshot.scans,
    )


def _of_export(export: Export) -> RunRelation:
    rows = export.manifest.rows
    found = _of_manifest(export.folder, export.manifest, Counts(rows, rows, 0, 0, 0), None, ())
    return replace(found, passed_over=export.files.passed_over)


def _of_manifest(
    folder: Path, manifest: Manifest, counts: Counts, quarantine: pl.DataFrame | None, conflicts: tuple[str, ...]
) -> RunRelation:
    files = tuple(str(folder / part.path) for part in manifest.parts)
    return RunRelation(
        files,
        ", ".join(NAMES),
        scan_of(files),
        manifest.created_us,
        manifest.finished_us,
        manifest.languages,
        counts,
        quarantine,
        conflicts,
        scans=(Scan(files),) if files else (),
    )

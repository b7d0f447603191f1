"""Loading: from a source to checked, merged runs as Parquet, with every row accounted for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from polydoc_analytics.errors import RejectedRowsError, SourceError
from polydoc_analytics.ingest.manifest import Export
from polydoc_analytics.ingest.results import Counts, Staged, rejection
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.services import Service
from polydoc_analytics.loaders.tables import Table
from polydoc_analytics.model.collection_pause import without_collection

if TYPE_CHECKING:
    import pyarrow as pa

    from polydoc_analytics.ingest.dedup import Merge, Resolved
    from polydoc_analytics.loaders.validation import Rejected


class Refusing(Protocol):
    """Says which rows are not to be let in, whatever they hold."""

    def runs(self, table: pa.Table) -> pa.Table:
        """Return runs without those that are refused."""

    def rejected(self, rows: Sequence[Rejected]) -> list[Rejected]:
        """Return rejected rows without those that are refused."""


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="polydoc-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def stage(
    source: Table | Files | Export | Service,
    folder: Path,
    work: Path,
    options: ReadOptions | None = None,
    *,
    load: str | None = None,
    refusing: Refusing | None = None,
    joins_few: bool = False,
    also_import: Sequence[str] = (),
) -> Staged:
    """Read, check and merge a source into Parquet files below ``folder``; scratch files go to ``work``.

    The files are by month, or with ``load`` those of a lake; with ``joins_few`` few runs are in one file (see
    PartWriter). ``refusing`` keeps rows out. ``also_import`` names modules to import beside the reading.

    With ``strict`` any rejected row raises RejectedRowsError, after ``quarantine_to`` has been written.
    Raises SourceError where a source cannot be read to its end.
    """
    with without_collection("polydoc_analytics.ingest.parquet", "polydoc_analytics.loaders.validation"):
        from polydoc_analytics.ingest.dedup import Merge
        from polydoc_analytics.ingest.parquet import PartWriter
        from polydoc_analytics.ingest.quarantine import Quarantine
        from polydoc_analytics.loaders.executor import in_background
        from polydoc_analytics.loaders.read import read_batches
        from polydoc_analytics.loaders.validation import validate_batches

    options = options or ReadOptions()
    readable = source.files if isinstance(source, Export) else source
    quarantine = Quarantine(work)
    merge = Merge(work)
    parts = PartWriter(folder, load=load, joins_few=joins_few)
    read = refused = 0
    try:
        # Merging and writing have a thread each, so that reading waits for neither.
        with (
            in_background(parts.write_divided) as write,
            in_background(lambda runs: write(parts.divide(runs, merge.add(runs))), max_waiting=0) as merge_and_write,
        ):
            for group in validate_batches(read_batches(readable, options, work, also_import=also_import)):
                read += group.read
                runs, rejected = group.runs, group.rejected
                if refusing is not None:
                    runs, rejected = refusing.runs(runs), refusing.rejected(rejected)
                    refused += group.read - runs.num_rows - len(rejected)
                quarantine.add(rejected)
                merge_and_write(runs)
    except BaseException:
        parts.abandon()
        raise
    if options.quarantine_to is not None:
        quarantine.write(os.fspath(options.quarantine_to))
    if options.strict and quarantine.rows:
        raise RejectedRowsError(rejection(quarantine, read))
    merge.end()
    if merge.has_few and (parts.are_all_held or not merge.may_be_written):
        resolved = merge.resolve_few(parts.held_of)
        expected = parts.rows + parts.held_rows - sum(resolved.files.values()) + resolved.late.num_rows
        if resolved.files:
            parts.drop(resolved.late["id"].combine_chunks())
    else:
        written = parts.flush()
        resolved = _resolved(merge, written, work)
        expected = parts.rows - sum(resolved.files.values()) + resolved.late.num_rows
        for path in sorted(resolved.files):
            parts.remove(path, resolved.late["id"].combine_chunks())
    parts.write(resolved.late)
    parts.flush()
    kept = parts.rows
    if kept != expected:  # the duplicates below are what is left over, so a lost run would count as one of them
        raise AssertionError(f"{expected:,} runs were to be written, {kept:,} were")
    duplicates = read - kept - quarantine.rows - refused
    counts = Counts(read, kept, duplicates, quarantine.rows, len(resolved.conflicts))
    manifest = parts.manifest(dict(counts))
    quarantine.close()
    return Staged(
        folder,
        manifest,
        counts,
        quarantine,
        tuple(resolved.conflicts),
        passed_over=readable.passed_over if isinstance(readable, Files) else (),
        refused=refused,
    )


def _resolved(merge: Merge, written: list[str], work: Path) -> Resolved:
    """Decide between the rows held back and those in files, in a database of its own."""
    import duckdb

    with duckdb.connect(config={"memory_limit": "500MB", "temp_directory": str(work)}) as con:
        con.execute("set enable_external_file_cache = false")  # each file is read once
        try:
            return merge.resolve_conflicts(con, written)
        except duckdb.OutOfMemoryException:  # texts of tens of MB; of others any number of rows is merged
            raise SourceError(
                "the source holds runs with texts too long to be merged in memory; lower longest_row in the settings, "
                "so that such rows are quarantined"
            ) from None

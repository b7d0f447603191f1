"""Loading: from a source to checked, merged runs as Parquet, with every row accounted for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from polydoc_analytics.errors import RejectedRowsError, SourceError
from polydoc_analytics.ingest.connectors import opened
from polydoc_analytics.loaders import Progress, as_source, read_batches
from polydoc_analytics.loaders.executor import in_background
from polydoc_analytics.loaders.files import PassedOver, files_of
from polydoc_analytics.model.plurals import counted, noun

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from polydoc_analytics.ingest.parquet import Manifest
    from polydoc_analytics.ingest.quarantine import Quarantine
    from polydoc_analytics.loaders.validation import Rejected


class Refusing(Protocol):
    """Says which rows are not to be let in, whatever they hold."""

    def runs(self, table: pa.Table) -> pa.Table:
        """Return runs without those that are refused."""

    def rejected(self, rows: Sequence[Rejected]) -> list[Rejected]:
        """Return rejected rows without those that are refused."""


class CountsByName(Mapping[str, int]):
    """A dataclass whose whole numbers without a default are counts, to be read by name as well."""

    def __getitem__(self, name: str) -> int:
        """Return a count by its name."""
        if name not in iter(self):
            raise KeyError(name)
        return int(getattr(self, name))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the counts."""
        return (field.name for field in fields(self) if field.default is MISSING)  # type: ignore[arg-type]

    def __len__(self) -> int:
        """Return how many counts there are."""
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Counts(CountsByName):
    """How a load accounts for its rows: read = runs + duplicates + quarantined.

    ``conflicts`` are the runs that were seen finished in more than one way; their losing rows are among the duplicates.
    """

    read: int
    runs: int
    duplicates: int
    quarantined: int
    conflicts: int


@dataclass(frozen=True)
class Loaded:
    """Runs in memory (Polars, sorted by created_at and id), the quarantined rows, and the counts.

    ``quarantine`` has the columns source, line (1-based), reason and raw; ``conflicts`` lists the ids of runs that were
    seen finished in more than one way; ``passed_over`` names the files of a folder that hold no runs, and says why.
    """

    runs: pl.DataFrame
    quarantine: pl.DataFrame
    counts: Counts
    conflicts: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class Staged:
    """Runs in a folder of Parquet: the manifest, the counts, the quarantine and the ids in conflict.

    ``snapshot`` names the snapshot of the lake that they are of, ``passed_over`` the files that were not read.
    ``refused`` counts rows that were not let in, which are among those read and nowhere else.
    """

    folder: Path
    manifest: Manifest
    counts: Counts
    quarantine: Quarantine
    conflicts: tuple[str, ...]
    snapshot: str | None = None
    passed_over: tuple[PassedOver, ...] = ()
    refused: int = 0

    @property
    def rejection(self) -> str:
        """Summary of the rejected rows; empty where there are none."""
        return rejection(self.quarantine, self.counts.read) if self.quarantine.rows else ""


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="polydoc-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def stage(
    source: Any,
    folder: Path,
    work: Path,
    *,
    input_format: str | None = None,
    assume_utc: bool = False,
    partial: bool = False,
    strict: bool = False,
    quarantine_to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    load: str | None = None,
    refusing: Refusing | None = None,
) -> Staged:
    """Read, check and merge a source into Parquet files below ``folder``; scratch files go to ``work``.

    The files are by month, or with ``load`` those of a lake (see PartWriter). ``refusing`` keeps rows out.

    With ``strict`` any rejected row raises RejectedRowsError, after ``quarantine_to`` has been written.
    Raises SourceError where a source cannot be read to its end.
    """
    from polydoc_analytics.ingest.dedup import Merge
    from polydoc_analytics.ingest.parquet import PartWriter, read_manifest
    from polydoc_analytics.ingest.quarantine import Quarantine
    from polydoc_analytics.loaders.validation import judged

    source, known_format, is_utc = opened(as_source(source), work, progress, partial=partial)
    input_format, assume_utc = input_format or known_format, assume_utc or is_utc
    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        read_manifest(Path(source))  # an export of which a part is missing is refused
    files = files_of(source, input_format)
    quarantine = Quarantine(work)
    merge = Merge(work)
    parts = PartWriter(folder, load=load)
    read = refused = 0
    try:
        with in_background(parts.write) as write:
            batches = read_batches(
                files or source, input_format=input_format, assume_utc=assume_utc, partial=partial, progress=progress
            )
            for group in judged(batches):
                read += group.read
                runs, rejected = group.runs, group.rejected
                if refusing is not None:
                    runs, rejected = refusing.runs(runs), refusing.rejected(rejected)
                    refused += group.read - runs.num_rows - len(rejected)
                quarantine.add(rejected)
                write(runs, merge.add(runs))
        written = parts.flush()
    except BaseException:
        parts.abandon()
        raise
    if quarantine_to is not None:
        quarantine.write(os.fspath(quarantine_to))
    if strict and quarantine.rows:
        raise RejectedRowsError(rejection(quarantine, read))
    import duckdb  # by now another thread has done it

    with duckdb.connect(config={"memory_limit": "500MB", "temp_directory": str(work)}) as con:
        con.execute("set enable_external_file_cache = false")  # each file is read once
        try:
            settled = merge.settle(con, written)
        except duckdb.OutOfMemoryException:  # texts of tens of MB; of others any number of rows is merged
            raise SourceError(
                "the source holds runs with texts too long to be merged in memory; lower longest_row in the settings, "
                "so that such rows are quarantined"
            ) from None
    expected = parts.rows - sum(settled.files.values()) + settled.late.num_rows
    for path in sorted(settled.files):
        parts.remove(path, settled.late["id"].combine_chunks())
    parts.write(settled.late)
    parts.flush()
    kept = parts.rows
    if kept != expected:  # the duplicates below are what is left over, so a lost run would count as one of them
        raise AssertionError(f"{expected:,} runs were to be written, {kept:,} were")
    duplicates = read - kept - quarantine.rows - refused
    counts = Counts(read, kept, duplicates, quarantine.rows, len(settled.conflicts))
    manifest = parts.manifest(dict(counts))
    quarantine.close()
    return Staged(
        folder,
        manifest,
        counts,
        quarantine,
        tuple(settled.conflicts),
        passed_over=tuple(files.passed_over if files else ()),
        refused=refused,
    )


def rejection(quarantine: Quarantine, read: int) -> str:
    """Summarise rejected rows: how many, by reason, and the first few."""
    lines = [f"{quarantine.rows:,} of {counted(read, 'row')} {noun(quarantine.rows, 'was', 'were')} quarantined:"]
    lines += [f"  {count:,} × {kind}" for kind, count in quarantine.kinds.most_common(5)]
    if len(quarantine.kinds) > 5:
        lines.append(f"  and {counted(len(quarantine.kinds) - 5, 'more reason')}")
    lines += [f"  {row.source}:{row.line}: {row.reason}" for row in quarantine.first[:3]]
    return "\n".join(lines)

"""Checked, merged runs that can be scanned, wherever they lie, and the SQL that scans them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polydoc_analytics.errors import SnapshotGoneError
from polydoc_analytics.ingest.manifest import Scan
from polydoc_analytics.ingest.results import Counts
from polydoc_analytics.loaders.recognition import PassedOver
from polydoc_analytics.model.schema import COLUMNS
from polydoc_analytics.model.sql_names import SQL_TYPES, path_literal

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from polydoc_analytics.lake.reader import LakeReader


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
    quarantine: pl.DataFrame | None
    conflicts: tuple[str, ...] = ()
    snapshot: str | None = None
    rejection: str = ""
    passed_over: tuple[PassedOver, ...] = ()
    prepare: Callable[[duckdb.DuckDBPyConnection], None] = lambda con: None
    account_names: Mapping[str, str] = field(default_factory=dict)
    lake: LakeReader | None = None
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


def no_runs() -> str:
    """Return SQL for the columns of runs, and no run."""
    types = SQL_TYPES["duckdb"]
    return f"select {', '.join(f'cast(null as {types[c.kind]}) as {c.name}' for c in COLUMNS)} where false"


def scan_of(files: tuple[str, ...]) -> str:
    """Build SQL for the rows of Parquet files of runs."""
    if not files:
        return f"({no_runs()})"
    return f"read_parquet([{', '.join(map(path_literal, files))}], union_by_name = true, hive_partitioning = false)"

"""The lake: every run for good, with what was known when, in four Delta tables of a folder or an object store."""

from polydoc_analytics.lake.lake import Lake, Snapshot, is_lake, lake_of
from polydoc_analytics.lake.taking import LoadResult

__all__ = ["Lake", "LoadResult", "Snapshot", "is_lake", "lake_of"]

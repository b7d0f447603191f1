"""The results of a load: how every row is accounted for, and where the runs are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.ingest.manifest import Manifest
from polydoc_analytics.loaders.recognition import PassedOver
from polydoc_analytics.model.plurals import counted, noun
from polydoc_analytics.model.summary import Summarised

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.ingest.quarantine import Quarantine


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


@dataclass(frozen=True, repr=False)
class Loaded(Summarised):
    """Runs in memory (Polars, sorted by created_at and id), the quarantined rows, and the counts.

    ``quarantine`` has the columns source, line (1-based), reason and raw; ``conflicts`` lists the ids of runs that were
    seen finished in more than one way; ``passed_over`` names the files of a folder that hold no runs, and says why.
    """

    runs: pl.DataFrame
    quarantine: pl.DataFrame
    counts: Counts
    conflicts: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()

    def _summary(self) -> dict[str, str]:
        counts = self.counts
        rows = f"{counted(counts.duplicates, 'duplicate')}, {counts.quarantined:,} quarantined"
        found = {"runs": f"{counts.runs:,}", "rows read": f"{counts.read:,}, {rows}"}
        found |= {"in conflict": f"{len(self.conflicts):,}"} if self.conflicts else {}
        return found | ({"passed over": counted(len(self.passed_over), "file")} if self.passed_over else {})


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


def rejection(quarantine: Quarantine, read: int) -> str:
    """Summarise rejected rows: how many, by reason, and the first few."""
    lines = [f"{quarantine.rows:,} of {counted(read, 'row')} {noun(quarantine.rows, 'was', 'were')} quarantined:"]
    lines += [f"  {count:,} × {kind}" for kind, count in quarantine.kinds.most_common(5)]
    if len(quarantine.kinds) > 5:
        lines.append(f"  and {counted(len(quarantine.kinds) - 5, 'more reason')}")
    lines += [f"  {row.source}:{row.line}: {row.reason}" for row in quarantine.first[:3]]
    return "\n".join(lines)

"""The contract of the lake as a model in dictionaries, and a lake's state to hold it against."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from support.repetitions import examples
from support.run_laws import merged_by_hand

import polydoc_analytics as pda
from polydoc_analytics.lake.delta_table import LakeTable

VIEWS = ("runs", "usage", "usage_by_account")
thorough = examples(30, 3)


@contextmanager
def new_lake() -> Iterator[tuple[pda.Lake, Path]]:
    """A lake, and a folder for the files that are loaded into it."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        files.mkdir()
        yield pda.Lake(Path(folder) / "lake"), files


def frames(source: Any, **arguments: Any) -> dict[str, pl.DataFrame]:
    with pda.connect(source, timezone="America/New_York", **arguments) as db:
        found = {name: db.view(name) for name in VIEWS}
    return found | {"runs": found["runs"].sort("id")}


def versions(lake: pda.Lake) -> dict[str, int]:
    return {name: LakeTable(lake.place, name).open().version for name in ("runs", "history", "quarantine", "loads")}


def state(row: dict[str, Any]) -> tuple[Any, ...]:
    """A run as a value: its instants are instants, whatever their text."""
    instants = {name: row[name] and datetime.fromisoformat(str(row[name])) for name in ("created_at", "finished_at")}
    return tuple(sorted((row | instants).items()))


@dataclass
class Model:
    """The contract of the lake in dictionaries: runs by id, and the states that were superseded."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    past: list[tuple[Any, ...]] = field(default_factory=list)

    def take(self, rows: list[Any], *, is_authority: bool) -> dict[str, int]:
        """Take a load in; return its counts."""
        good = [row for row in rows if isinstance(row, dict)]
        winners = merged_by_hand(rows)
        counts = {"inserted": 0, "updated": 0, "unchanged": 0}
        for id, new in winners.items():
            old = self.runs.get(id)
            if old is None:
                counts["inserted"] += 1
            elif self._replaces(old, new, is_authority):
                counts["updated"] += 1
                self.past.append((state(old), is_authority))
            else:
                counts["unchanged"] += 1
                continue
            self.runs[id] = new
        counts |= {"read": len(rows), "duplicates": len(good) - len(winners), "quarantined": len(rows) - len(good)}
        return counts

    def _replaces(self, old: dict[str, Any], new: dict[str, Any], is_authority: bool) -> bool:
        if state(old) == state(new):
            return False
        if is_authority:
            return True
        return merged_by_hand([old, new])[old["id"]] is new and (state(new), True) not in self.past


def states_of(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return [state(row) for row in frame.iter_rows(named=True)]


def as_known(lake: pda.Lake, known: dict[int, dict[str, pl.DataFrame]]) -> bool:
    """Tell whether the figures as of each load are those that were taken then."""
    now = {number: frames(lake, as_of=number) for number in known}
    return all(now[number][name].equals(frame) for number, was in known.items() for name, frame in was.items())

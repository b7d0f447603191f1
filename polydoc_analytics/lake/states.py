"""The states of runs in a lake by the loads that brought and superseded them: how many, and when they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polydoc_analytics.lake.changes import scan

if TYPE_CHECKING:
    import duckdb

_INSTANTS = ("created_at", "finished_at")


@dataclass(frozen=True, slots=True)
class States:
    """States of one load: how many, the load that superseded them (None: they are current), and their instants.

    ``bounds`` are the least and the greatest created_at, then finished_at, in µs since 1970 UTC.
    """

    load: str
    superseded_by: str | None
    count: int
    bounds: tuple[int | None, ...]

    def were_there(self, number: int, numbers: Mapping[str, int]) -> bool:
        """Check whether they were current after the load of a number; ``numbers`` are those of the loads by name.

        As for a snapshot, a load that is not in the ledger came before all others.
        """
        until = self.superseded_by
        return numbers.get(self.load, 0) <= number and (until is None or number < numbers.get(until, 0))


def states_by_load(
    con: duckdb.DuckDBPyConnection, runs: list[str], history: list[str], condition: str = "true"
) -> list[States]:
    """Count the states that meet a condition, in files of runs and of the history."""
    instants = ", ".join(f"epoch_us({side}({column}))" for column in _INSTANTS for side in ("min", "max"))
    rows = con.sql(f"""
        select load, null, count(*), {instants} from {scan(runs, "runs")} where {condition} group by all
        union all
        select load, superseded_by, count(*), {instants} from {scan(history, "history")} where {condition}
        group by all""").fetchall()
    return [States(load, until, count, tuple(bounds)) for load, until, count, *bounds in rows]


def bounds_of(states: Iterable[States]) -> dict[str, Any]:
    """Return the bounds of the instants of some states, as a row of the ledger has them."""
    bounds = [one.bounds for one in states]
    found: dict[str, Any] = {}
    for place, name in enumerate(("created_low", "created_high", "finished_low", "finished_high")):
        known = [value for one in bounds if (value := one[place]) is not None]
        found[name] = (min if name.endswith("low") else max)(known, default=None)
    return found


def languages_of(con: duckdb.DuckDBPyConnection, runs: list[str], history: list[str]) -> set[str]:
    """Return the target languages of all states, as sent."""
    sql = " union ".join(
        f"select target_language from {scan(files, name)}" for name, files in (("runs", runs), ("history", history))
    )
    return {row[0] for row in con.sql(sql).fetchall()}

"""Look-ups in results.json for the page, by size and contestant or by name; medians; and the format of figures."""

from __future__ import annotations

import statistics
from typing import Any

Parts = dict[str, Any]
Row = dict[str, Any]


def sizes(parts: Parts, kind: str = "compare") -> dict[int, Parts]:
    """The parts of a kind by their number of runs."""
    by_runs = {int(name.split("-")[1]): part for name, part in parts.items() if name.startswith(f"{kind}-")}
    return dict(sorted(by_runs.items()))


def of_size(parts: Parts, runs: int, name: str) -> Row | None:
    """A contestant's row at a size; None where it has no figures there."""
    rows = sizes(parts).get(runs, {"rows": []})["rows"]
    return next((row for row in rows if row["name"] == name and row["whole_s"]), None)


def median(row: Row, key: str) -> float:
    return statistics.median(row[key])


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: float) -> str:
    """Three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def short(runs: int) -> str:
    return f"{runs // 10**6} M" if runs >= 10**6 else f"{runs // 1000} k"


def growth(parts: Parts, least: int, most: int, name: str) -> float | None:
    """By how many bytes a run a contestant's peak memory grows between two sizes; None where one is unknown."""
    small, large = of_size(parts, least, name), of_size(parts, most, name)
    if not small or not large:
        return None
    return float(large["peak_mib"] - small["peak_mib"]) * 2**20 / (most - least)


def named(parts: Parts, part: str, beginning: str) -> Row | None:
    """The row of a part whose name begins so; None where it was not measured."""
    rows = parts.get(part, {"rows": []})["rows"]
    return next((row for row in rows if row["name"].startswith(beginning)), None)

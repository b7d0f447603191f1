"""The texts of an alert that fires: its figures, its headline, its days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polydoc_analytics.automation.alerts.thresholds import counted_by
from polydoc_analytics.config import tables
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.query.outlook import Ending

_DAY = timedelta(days=1)


def headline(plan: tables.Limit, who: str, every: str | None, window: Interval, value: float) -> str:
    """Word a finding for a subject: ``French fails: 37.5 % in the week of 12 October, limit 10 %``."""
    limit = plan.above if plan.above is not None else plan.below
    assert limit is not None
    is_rate = plan.measure.endswith("_rate")
    figure, bound = (percent(value), f"{written(limit, 2)} %") if is_rate else (number(value), written(limit))
    if plan.measure == "failure_rate" and plan.above is not None:
        what = f"{who} fails:" if who else "All runs fail:"
    else:
        what = f"{who or 'All runs'}: {words(plan.measure)}"
    return f"{what} {figure} {_when(every, window)}, limit {bound}"


def percent(share: float) -> str:
    """Format a share as a percentage: whole, or with one digit that is not 0; 100 % is all and no less."""
    figure = 100 * share
    digits = next((digits for digits in (1, 2, 3) if round(figure, digits) != 100), 1 if figure == 100 else 4)
    return f"{round(figure, digits):g} %" if abs(figure) >= 0.1 else f"{figure:.1g} %"


def _when(every: str | None, window: Interval) -> str:
    first, end = window.first_whole_day, window.end_of_whole_days
    assert first is not None
    assert end is not None
    last = end - _DAY
    if every == "month":
        return f"in {first:%B}"
    day = f"{first.day} {first:%B}"
    if every == "week":
        return f"in the week of {day}"
    return f"on {day}" if first == last else f"from {day} to {last.day} {last:%B}"


def expectation(measure: str, ending: Ending) -> tuple[tuple[str, str], ...]:
    """List what is expected of a month, for the figures of a notice."""
    if ending.so_far is None or ending.expected is None:
        return ()
    figures = [(f"{measure} so far", number(ending.so_far)), ("expected by its end", number(round(ending.expected)))]
    if ending.low is not None and ending.high is not None:
        figures.append(("80 % interval", f"{number(round(ending.low))} to {number(round(ending.high))}"))
    return tuple(figures)


def words(measure: str) -> str:
    """Name a measure as people say it: ``failure rate``."""
    return measure.replace("_", " ")


def number(value: float) -> str:
    """Format a figure: whole, or with four digits, and one after the point at least."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:,.4g}"
    return f"{value:,.0f}"


def written(value: float, places: int = 0) -> str:
    """Format a number of the settings as it stands there; its point moved by so many places, 2 for a percentage."""
    return f"{Decimal(repr(value)).scaleb(places).normalize():,f}"


def evidence(measure: str, row: Mapping[str, Any]) -> str:
    """Word a measure with what it is over, and a rate with its interval."""
    if measure == "success_rate":
        finished = row["failed_requests"] + row["succeeded_requests"]
        return f"{row['succeeded_requests']:,} of {counted(finished, 'request')} succeeded: {_rate(measure, row)}"
    if measure != "failure_rate":
        unit = counted_by(row)
        return f"{number(row[measure])} over {counted(row[unit], unit.removesuffix('s'))}"
    finished = row["failed_runs"] + row["succeeded_runs"]
    return f"{row['failed_runs']:,} of {finished:,} failed: {_rate(measure, row)}"


def _rate(measure: str, row: Mapping[str, Any]) -> str:
    rate, low, high = (percent(row[f"{measure}{end}"]) for end in ("", "_low", "_high"))
    return f"{rate}, 95 % interval {low} to {high}"


def window_text(window: Interval) -> str:
    """Name the first and the last day of a window."""
    first, end = window.first_whole_day, window.end_of_whole_days
    assert first is not None
    assert end is not None
    last = end - _DAY
    return str(first) if first == last else f"{first} to {last}"

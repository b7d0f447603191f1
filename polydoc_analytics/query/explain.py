"""``Database.explain``: what moved a figure between two periods, account by account and language by language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.comparison import Comparison, comparison
from polydoc_analytics.model.periods import Interval, interval
from polydoc_analytics.query.decomposition import (
    MEASURES,
    NOTHING,
    Amounts,
    Cell,
    decompose,
)
from polydoc_analytics.query.explanation import Explanation, Side
from polydoc_analytics.query.period_views import PeriodViews

_PRICED = {
    "credits": "credits is not null and input_tokens is not null and output_tokens is not null",
    "total_tokens": "total_tokens is not null",
    "runs": "true",
}


def check_measure(measure: str) -> str:
    """Return a measure that can be explained; raises UsageError with the nearest for another."""
    if measure not in MEASURES:
        raise UsageError(f"unknown measure '{measure}'{nearest(measure, MEASURES)}; expected {', '.join(MEASURES)}")
    return measure


def explain(db: PeriodViews, *, measure: str = "credits", against: str | None = None) -> Explanation:
    """Explain the difference of a measure between the period of ``db`` and the one before, or ``against``."""
    check_measure(measure)
    compared = _compared(db, against)
    with db.over(compared.before) as before, db.over(compared.now) as now:
        return explain_pair(before, now, measure)


def explain_pair(before: PeriodViews, now: PeriodViews, measure: str) -> Explanation:
    """Explain the difference of a measure between two databases over the same runs."""
    rows = {
        name: list(db.fetch(_sql(measure)).iter_rows(named=True)) for name, db in (("before", before), ("now", now))
    }
    amounts: dict[str, dict[tuple[str, str], Amounts]] = {
        name: {(row["account_id"], row["language"]): _amounts(row) for row in rows[name]} for name in rows
    }
    earlier, later = amounts["before"], amounts["now"]
    cells = [Cell(*key, earlier.get(key, NOTHING), later.get(key, NOTHING)) for key in earlier.keys() | later.keys()]
    unknown = frozenset(
        (name, row["account_id"], row["language"]) for name in rows for row in rows[name] if not row["known_runs"]
    )
    side_before, side_now = _side(before.interval, rows["before"]), _side(now.interval, rows["now"])
    return Explanation(measure, side_before, side_now, tuple(decompose(cells, measure)), unknown)


def _compared(db: PeriodViews, against: str | None) -> Comparison:
    other = None if against is None else interval(period=against, timezone=db.timezone, now=db.now)
    if db.interval.since is None:
        raise UsageError("the period has no beginning, so none precedes it; give a period such as last-month")
    found = comparison(db.interval, db.now, other)
    if found is None:
        raise UsageError("the period has not begun yet; give one that has")
    return found


def _sql(measure: str) -> str:
    value, priced = "1" if measure == "runs" else measure, _PRICED[measure]
    return f"""
        select
            account_id,
            language,
            count(*) as runs,
            count({value}) as known_runs,
            count(*) filter (where {priced}) as priced_runs,
            coalesce(cast(sum(total_tokens) filter (where {priced}) as bigint), 0) as tokens,
            coalesce(cast(sum({value}) filter (where {priced}) as bigint), 0) as value,
            coalesce(cast(sum({value}) filter (where not ({priced})) as bigint), 0) as unpriced,
            count(*) filter (where status <> 'Running' and {value} is null) as unknown_runs
        from run_facts_with_language
        group by account_id, language"""


def _side(over: Interval, rows: Iterable[dict[str, Any]]) -> Side:
    rows = list(rows)
    runs = sum(row["runs"] for row in rows)
    known = sum(row["known_runs"] for row in rows)
    total = sum(row["value"] + row["unpriced"] for row in rows) if known or not runs else None
    return Side(over, total, runs, sum(row["unknown_runs"] for row in rows))


def _amounts(row: dict[str, Any]) -> Amounts:
    return Amounts(row["runs"], row["priced_runs"], row["tokens"], row["value"], row["unpriced"])

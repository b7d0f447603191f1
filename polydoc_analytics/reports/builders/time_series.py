"""Usage by day, week or month: which of them suits a span of time, and rows for charts and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.builders.tables import ADDITIVE, measures, with_sums
from polydoc_analytics.reports.charts import vega_lite
from polydoc_analytics.reports.messages import N_
from polydoc_analytics.reports.model import Chart, Column, SheetChart, Table

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

_MAX_DAYS, _MAX_WEEKS = 62, 27
_INSTANT = timedelta(microseconds=1)
_RATE = ("failure_rate", "failure_rate_low", "failure_rate_high", "is_small_sample")
_COLUMN = {"day": "day", "week": "week from", "month": "month"}
_LY = {"day": "daily", "week": "weekly", "month": "monthly"}


def suitable(first: date, last: date) -> str:
    """Return day, week or month: the finest unit that gives a readable number of bars."""
    days = (last - first).days + 1
    return "day" if days <= _MAX_DAYS else "week" if days <= 7 * _MAX_WEEKS else "month"


def span(db: Database) -> tuple[date, date] | None:
    """Return the first and last local day that has runs; None where there is none."""
    [(first, last)] = db.fetch("select min(day), max(day) from run_facts").rows()
    return None if first is None else (first, last)


def by_period(db: Database, every: str, *, by: str = "", sums: Sequence[str] = ADDITIVE) -> list[dict[str, Any]]:
    """Return some sums and the failure rate of each period that has runs, with ``end``, the first day after it."""
    key = f", {by}" if by else ""
    rates = ", failure_rate, failure_rate_low, failure_rate_high"
    name = f"usage_{_LY[every]}" + (f"_by_{by.removesuffix('_id')}" if by else "")
    sql = f"select period, is_partial{key}, {', '.join(sums)}{rates} from {name} order by period{key}"
    return [{**row, "end": after(row["period"], every)} for row in records(db.fetch(sql))]


def runs_by_language(db: Database, every: str) -> list[dict[str, Any]]:
    """Return the runs of each period and language that has some, and how many of them succeeded and failed."""
    return by_period(db, every, by="language", sums=("runs", "succeeded_runs", "failed_runs"))


def after(period: date, every: str) -> date:
    """First day of the next period; ``date.max`` where there is none."""
    try:
        if every == "month":
            return date(period.year + period.month // 12, period.month % 12 + 1, 1)
        return period + timedelta(days=7 if every == "week" else 1)
    except (OverflowError, ValueError):
        return date.max


def chart_rows(rows: Sequence[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Rows for a chart, with dates in ISO form."""
    return [
        {"period": str(row["period"]), "end": str(row["end"]), **{name: row[name] for name in names}} for row in rows
    ]


def period_table(
    context: Context, rows: Sequence[dict[str, Any]], every: str, usage: Mapping[str, Any], *, shown: int = 62
) -> Table:
    """Return a table with one row a period, marked where the interval cuts it, and the total."""
    columns = (
        Column("period", _COLUMN[every], "month" if every == "month" else "day"),
        Column("is_partial", "cut", "yes", only_data=True),
        *measures(context, "runs", "failed_runs", "credits", "cost", "input_tokens", "output_tokens"),
        *(replace(column, only_data=True) for column in measures(context, *_RATE)),
        *measures(context, "runs_without_credits", "runs_without_tokens"),
    )
    return with_sums(context, columns, rows, usage, shown=shown, noun=f"{every}s")


def time_charts(context: Context, rows: Sequence[dict[str, Any]], every: str) -> tuple[Chart, Chart]:
    """Return the charts of runs and of credits over time."""
    marks = ("is_partial",) if every != "day" else ()
    drawn = chart_rows(rows, "runs", "failed_runs", *marks)
    runs = vega_lite.usage_over_time(drawn, every=every, brush=True)
    drawn = chart_rows(rows, "credits", *marks)
    charged = vega_lite.usage_over_time(drawn, every=every, measure="credits", label="credits")
    foot = " Failed runs are the orange foot of each bar."
    cut, which = _cut(rows, every), "" if _is_gapless(context, rows, every) else " with runs"
    return (
        Chart(
            "runs_over_time",
            f"Runs by {every}",
            peak(context, rows, "runs", every, which) + (foot if any(row["failed_runs"] for row in rows) else "") + cut,
            runs,
            live="time",
            sheet=SheetChart("column", "period", ("runs", "failed_runs")),
        ),
        Chart(
            "credits_over_time",
            f"Credits by {every}",
            peak(context, rows, "credits", every, which) + cut,
            charged,
            live="time",
        ),
    )


def _is_gapless(context: Context, rows: Sequence[dict[str, Any]], every: str) -> bool:
    """Check whether each period up to now has a row, so that what is said of the rows is said of all periods."""
    interval = context.db.interval
    tz = zone(interval.timezone)
    if not rows or any(row["end"] != following["period"] for row, following in pairwise(rows)):
        return False
    if interval.since is not None and local(interval.since, tz).date() < rows[0]["period"]:
        return False
    if interval.until is None:
        return True
    return bool(local(min(interval.until - _INSTANT, context.made_at), tz).date() < rows[-1]["end"])


def _cut(rows: Sequence[dict[str, Any]], every: str) -> str:
    """Sentence on the bars of weeks and months that the period cuts; empty where it cuts none."""
    count = 0 if every == "day" else sum(bool(row["is_partial"]) for row in rows)
    if not count:
        return ""
    return (
        f" The paler bar is a {every} that the period cuts."
        if count == 1
        else f" Paler bars are {every}s that the period cuts."
    )


def cumulative_rows(rows: Sequence[dict[str, Any]], measure: str = "credits") -> list[dict[str, Any]]:
    """Return the running total of a measure's known values, for a chart: period and value."""
    total, totals = 0, []
    for row in rows:
        total += row[measure] or 0
        totals.append({"period": str(row["period"]), "value": total})
    return totals


_OF_CREDITS = (
    N_("No credits are known."),
    N_("All known credits are 0."),
    N_("The one credit is of {when}."),
    N_("All {amount} are of {when}."),
)
"""Sentences of :func:`peak` on credits, listed for the catalogs of messages."""
_BUSIEST = {
    "day": N_("The busiest day was {when}, with {amount}; the mean of {periods} is {mean}."),
    "week": N_("The busiest week was {when}, with {amount}; the mean of {periods} is {mean}."),
    "month": N_("The busiest month was {when}, with {amount}; the mean of {periods} is {mean}."),
}


def peak(context: Context, rows: Sequence[dict[str, Any]], measure: str, every: str, which: str = "") -> str:
    """Sentence on the period with most of a measure, and on the mean; ``which`` says which periods the rows are."""
    say = context.say
    known = [row for row in rows if row[measure] is not None]
    if not known:
        return say(f"No {measure} are known.") if rows else f"There are no {measure}."
    most, least = (most_of(row[measure] for row in known) for most_of in (max, min))
    whole = sum(row[measure] for row in known)
    if most == least == 0:
        return say(f"All known {measure} are 0.")
    top = max(known, key=lambda row: (row[measure], row["period"]))
    when = _when(context, top["period"], every)
    if len(known) == 1 and whole == 1:
        return say(f"The one {measure.removesuffix('s')} is of {{when}}.", when=when)
    if len(known) == 1:
        return say("All {amount} are of {when}.", amount=_amount(context, whole, measure), when=when)
    periods, amount = _periods(context, len(known), every) + which, _amount(context, most, measure)
    if most == least:
        return say("Each of the {periods} has {amount}.", periods=periods, amount=amount)
    mean = whole / len(known)
    return say(
        _BUSIEST[every],
        when=when,
        amount=amount,
        periods=periods,
        mean=context.text(mean, "ratio" if abs(mean) < 1 else "count"),
    )


def _amount(context: Context, count: int, measure: str) -> str:
    if measure == "credits":
        return context.words.ngettext("{count} credit", "{count} credits", count)
    return context.counted(count, measure.removesuffix("s"))


def _periods(context: Context, count: int, every: str) -> str:
    words = context.words
    if every == "day":
        return words.ngettext("{count} day", "{count} days", count)
    if every == "week":
        return words.ngettext("{count} week", "{count} weeks", count)
    return words.ngettext("{count} month", "{count} months", count)


def _when(context: Context, period: date, every: str) -> str:
    day = context.words.day(period)
    if every == "day":
        return day
    return context.say("the week of {day}", day=day) if every == "week" else context.words.month(period)

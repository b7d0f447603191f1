"""Charts of a connected source as Altair charts, for notebooks: the same specifications that reports draw.

Each function takes a ``Database``, and ``chart`` any Polars frame, and returns an Altair chart. Altair comes with the
extra ``[notebook]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import PolydocError, UsageError, nearest, require_extra
from polydoc_analytics.reports.builders.context import records, texts
from polydoc_analytics.reports.builders.durations import duration_chart
from polydoc_analytics.reports.builders.explanation import explanation_chart
from polydoc_analytics.reports.builders.failures import failure_chart
from polydoc_analytics.reports.builders.heatmap import heat_charts
from polydoc_analytics.reports.builders.time_series import by_period, chart_rows, cumulative_rows, span, suitable
from polydoc_analytics.reports.charts import frame_chart, vega_lite
from polydoc_analytics.reports.charts.notebook_look import PERIODS, for_notebook
from polydoc_analytics.reports.write import context

if TYPE_CHECKING:
    import altair
    import polars as pl

    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.explanation import Explanation

_MEASURES = ("runs", "credits", "input_tokens", "output_tokens")
_EVERY = ("day", "week", "month")
FORMS = frame_chart.FORMS


def chart(
    frame: pl.DataFrame,
    form: str = "bar",
    *,
    x: str | None = None,
    y: str | None = None,
    color: str | None = None,
) -> altair.TopLevelMixin:
    """Return a chart of a frame's columns, whose ``form`` is bar, line, area or point.

    Where they are not given, ``x`` is the first column of dates, else of text, else of numbers; ``y`` is the first
    column of numbers beside it; ``color`` is a column of text that tells rows with one ``x`` apart. Bars over texts
    lie, in the order of the rows. Raises UsageError where there is no such column, or more rows than a chart can show.
    """
    return _chart(frame_chart.of_frame(frame, form, x=x, y=y, color=color), "")


def usage_over_time(db: Database, *, every: str | None = None, measure: str = "runs") -> altair.TopLevelMixin:
    """Return bars of a measure by local period; failed runs stand at the foot of runs, periods that are cut are paler.

    ``measure`` is runs, credits, input_tokens or output_tokens; ``every`` is day, week or month, and by default what
    suits the interval. Raises UsageError for others.
    """
    if measure not in _MEASURES:
        raise UsageError(f"unknown measure '{measure}'{nearest(measure, _MEASURES)}; expected {', '.join(_MEASURES)}")
    unit = _every(db, every)
    names = (measure, "failed_runs") if measure == "runs" else (measure,)
    label = measure.replace("_", " ")
    rows = chart_rows(by_period(db, unit, sums=names), *names, *(("is_partial",) if unit != "day" else ()))
    spec = vega_lite.usage_over_time(rows, every=unit, measure=measure, label=label)
    notes = ["orange: failed runs"] if measure == "runs" and any(row["failed_runs"] for row in rows) else []
    notes += [f"paler: a {unit} that the interval cuts"] if any(row.get("is_partial") for row in rows) else []
    return _chart(spec, f"{label.capitalize()} by {unit}, {db.timezone}", PERIODS[unit], "; ".join(notes))


def failure_rates(db: Database) -> altair.TopLevelMixin:
    """Return the failure rate of each language with its 95% interval; hollow dots are small samples."""
    rows = records(db.view("usage_by_language").sort("runs", "language", descending=[True, False]))
    note = "hollow: a small sample; dotted: all runs"
    return _chart(failure_chart(context(db), rows).spec, "Failure rate by language, with its 95% interval", note=note)


def durations(db: Database) -> altair.TopLevelMixin:
    """Return a histogram of the seconds that succeeded runs took, on a logarithmic scale, with p50 and p95."""
    return _chart(duration_chart(context(db)).spec, "Seconds that succeeded runs took")


def languages_by_account(db: Database, *, top: int = 8) -> altair.TopLevelMixin:
    """Return the runs of the ``top`` accounts and languages as a heat map.

    Raises PolydocError where there are fewer than two of either.
    """
    names = (("usage_by_account", "account_id"), ("usage_by_language", "language"))
    accounts, languages = (
        db.fetch(f"select {key} from {view} order by runs desc, {key} limit {top}")[key].to_list()
        for view, key in names
    )
    pairs = db.fetch(
        "select account_id, language, runs from usage_by_account_language "
        f"where account_id in ({texts(accounts)}) and language in ({texts(languages)})"
    )
    runs = {(account, language): count for account, language, count in pairs.rows()}
    charts = heat_charts(context(db), runs, accounts, languages)
    if not charts:
        raise PolydocError("a heat map needs two accounts and two languages; there are fewer in this period")
    return _chart(charts[0].spec, "Runs by account and language")


def cumulative_credits(db: Database, *, every: str | None = None) -> altair.TopLevelMixin:
    """Return the running total of known credits; ``every`` is day, week or month, by default what suits."""
    unit = _every(db, every)
    spec = vega_lite.cumulative(cumulative_rows(by_period(db, unit, sums=("credits",))), every=unit)
    return _chart(spec, f"Credits so far, by {unit}, {db.timezone}", PERIODS[unit])


def waterfall(explanation: Explanation) -> altair.TopLevelMixin:
    """Return the effects of an explanation, from the sum of the period before to that of this one, as a waterfall.

    Raises PolydocError where either sum is unknown.
    """
    if explanation.difference is None:
        raise PolydocError("there is no chart, for what is to be explained is unknown in one of the periods")
    measure = explanation.measure.replace("_", " ")
    return _chart(explanation_chart(explanation), f"What moved {measure}", measure)


def _every(db: Database, every: str | None) -> str:
    if every is not None and every not in _EVERY:
        raise UsageError(f"unknown period '{every}'{nearest(every, _EVERY)}; expected {', '.join(_EVERY)}")
    days = span(db)
    return every or (suitable(*days) if days else "day")


def _chart(spec: Any, title: str, across: str = "", note: str = "") -> altair.TopLevelMixin:
    require_extra("notebook", "a chart")
    import altair

    made: altair.TopLevelMixin = altair.Chart.from_dict(for_notebook(spec, title=title, across=across, note=note))
    return made

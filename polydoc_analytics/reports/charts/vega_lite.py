"""Vega-Lite specifications as plain dicts, each built once for every format: rows in, specification out.

The data are inline, in one dataset named ``t``. Times are UTC, so that no machine's zone moves a date. Colours
are those of the palette, which the page replaces by CSS variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from polydoc_analytics.reports.charts import localization
from polydoc_analytics.reports.charts.palette import ACCENT, GRID, INK, MUTED, PAPER, WARM

if TYPE_CHECKING:
    from polydoc_analytics.reports.formatting import Formatter

FONT = "Source Sans Pro, Segoe UI, Helvetica Neue, Arial, sans-serif"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH = 640

Spec = dict[str, Any]
ONE_ROW: Spec = {"values": [{}]}
"""Data of marks that are drawn once, however many rows the chart has."""
_WHOLE: Spec = {"labelLimit": 0}
"""For labels that are never long: saves measuring them twice."""
Rows = Sequence[Mapping[str, Any]]
_MAX_LABELS = 7
_HALF_MS = {"day": 43_200_000, "week": 302_400_000, "month": 1_296_000_000}
_BETWEEN = 22


def specification(rows: Rows, height: Any, body: Spec, width: Any = WIDTH) -> Spec:
    """Return a specification with the data, the size and the shared configuration, and its own body."""
    return {
        "$schema": SCHEMA,
        "data": {"name": "t", "values": [dict(row) for row in rows]},
        "width": width,
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 2,
        "background": "transparent",
        **body,
        "config": _config(),
    }


def _config() -> Spec:
    axis = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": 400, "labelColor": MUTED, "titleColor": MUTED}
    return {
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**axis, "gridColor": GRID, "domain": False, "ticks": False, "labelPadding": 6, "titlePadding": 8},
        "axisX": {"grid": False},
        "text": {"font": FONT, "fontSize": 11, "fill": INK},
        "header": {"labelColor": INK, "labelFontSize": 11, "labelFontWeight": 600, "labelAnchor": "start"},
        "legend": {"labelColor": MUTED, "labelFontSize": 11, "titleColor": MUTED},
    }


def _time(
    rows: Rows, every: str, *, are_bars: bool = False, is_small: bool = False, words: Formatter | None = None
) -> Spec:
    form = localization.date_format(words, "yMMM" if every == "month" else "MMMd")
    axis: Spec = {"format": form, "labelOverlap": True, "labelSeparation": 8, "title": None, "tickCount": 6, **_WHOLE}
    periods = sorted({str(row["period"]) for row in rows})
    if is_small:
        axis |= {"labelFontSize": 10, "labelFlush": True}
        periods = [periods[0], periods[-1]] if periods else []
    if periods:
        # Labels at the given periods: Vega repeats days on a short axis, puts weeks on Sundays, goes beyond the last.
        step = -(-len(periods) // _MAX_LABELS)
        half = _HALF_MS[every] if are_bars and len(periods) <= _MAX_LABELS else 0
        axis["values"] = [_utc(period, half) for period in periods[::step]]
        axis["labelExpr"] = f"utcFormat(datum.value - {half}, '{form}')"
    scale: Spec = {"type": "utc"}
    if are_bars and rows:
        # Charts of the same periods have the same axis, whichever rows know the measure.
        scale["domain"] = [_utc(str(of(row[key] for row in rows)), 0) for key, of in (("period", min), ("end", max))]
    return {"field": "period", "type": "temporal", "scale": scale, "axis": axis}


def _date_of(every: str, words: Formatter | None = None) -> Spec:
    """Field of a tooltip: the day, the Monday of the week or the month that a mark is of."""
    form = localization.date_format(words, "yMMMM" if every == "month" else "yMMMd")
    title = words.gettext(every) if words else every
    return {"field": "period", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": title, "format": form}


def _utc(period: str, later_ms: int) -> Spec:
    """Instant as its parts: Vega's expression interpreter reads a single number as a year."""
    at = datetime.combine(date.fromisoformat(period), time()) + timedelta(milliseconds=later_ms)
    return {"year": at.year, "month": at.month, "date": at.day, "hours": at.hour, "utc": True}


def _counts(rows: Rows, *measures: str, max_ticks: int = 4) -> Spec:
    """Axis of counts: ticks at whole numbers only, written as 12k and 1.5M where the greatest is 10,000 or more."""
    greatest = max((row[name] or 0 for row in rows for name in measures), default=0)
    text = "format(datum.value, ',')" if greatest < 10_000 else "datum.value ? format(datum.value, '.3~s') : '0'"
    return {
        "tickCount": min(max_ticks, max(greatest, 1)),
        "tickMinStep": 1,
        "labelExpr": f"datum.value % 1 ? '' : {text}",
    }


def usage_over_time(
    rows: Rows,
    *,
    every: str,
    measure: str = "runs",
    label: str = "runs",
    brush: bool = False,
    words: Formatter | None = None,
) -> Spec:
    """Return bars of a measure by period; rows have period, end (of the bar), the measure and, of runs, failed_runs.

    Failed runs stand at the foot of the bars of runs. Bars of rows with is_partial, which the interval cuts, are paler.
    Dates, numbers and the word for the period are of ``words``.
    """
    ticks = _counts(rows, measure)
    y: Spec = {
        "type": "quantitative",
        "axis": {"title": label, **ticks, **_WHOLE},
        "scale": {"nice": ticks["tickCount"], "zero": True},
    }
    x, end = _time(rows, every, are_bars=True, words=words), {"field": "end"}
    tooltip: list[Spec] = [
        _date_of(every, words),
        {"field": measure, "type": "quantitative", "title": label, "format": ","},
    ]
    pale = {"condition": {"test": "datum.dim || datum.is_partial", "value": 0.45}, "value": 1}
    rest: Spec = {"x2": end, "y2": {"datum": 0}, "fillOpacity": pale, "tooltip": tooltip}
    mark: Spec = {"type": "rect", "stroke": PAPER, "strokeWidth": 1}
    whole: Spec = {
        "mark": {**mark, "fill": ACCENT},
        "encoding": {"x": x, "y": {**y, "field": measure}, **rest},
    }
    if brush:
        whole["params"] = [
            {
                "name": "brush",
                "select": {"type": "interval", "encodings": ["x"], "mark": {"fill": MUTED, "fillOpacity": 0.15}},
            }
        ]
    layers = [whole]
    if measure == "runs":
        tooltip.append({"field": "failed_runs", "type": "quantitative", "title": "failed runs", "format": ","})
        failed = {"x": x, "y": {**y, "field": "failed_runs"}, **rest}
        layers.append({"mark": {**mark, "fill": WARM}, "encoding": failed})
    spec = specification(rows, 150, {"layer": layers})
    spec["config"] |= localization.config(words)
    return spec


def small_multiples(rows: Rows, *, every: str, order: Sequence[str], measure: str = "runs") -> Spec:
    """Return one small area chart for each label, all on one scale; rows have label, period and the measure."""
    across = max(1, min(4, len(order)))
    inner = {
        "mark": {"type": "area", "fill": ACCENT, "fillOpacity": 0.25, "line": {"stroke": ACCENT, "strokeWidth": 1.5}},
        "encoding": {
            "x": _time(rows, every, is_small=True),
            "y": {
                "field": measure,
                "type": "quantitative",
                "axis": {"title": None, **_counts(rows, measure, max_ticks=2), "labelFontSize": 10},
            },
            "tooltip": [
                {"field": "label", "type": "nominal", "title": "language"},
                _date_of(every),
                {"field": measure, "type": "quantitative", "title": measure, "format": ","},
            ],
        },
        # Always as wide as four charts: in print the whole is scaled to the page.
        "width": (4 * 118 + 3 * _BETWEEN - (across - 1) * _BETWEEN) // across,
        "height": 56,
    }
    spec = specification(rows, 0, {})
    for key in ("width", "height", "autosize"):
        del spec[key]
    return spec | {
        "columns": 4,
        "spacing": {"row": 14, "column": _BETWEEN},
        "facet": {
            "field": "label",
            "type": "nominal",
            "sort": list(order),
            "header": {"title": None, "labelLimit": 130},
        },
        "spec": inner,
        "resolve": {"axis": {"x": "independent"}},
    }


def duration_histogram(rows: Rows, *, marks: Sequence[Mapping[str, Any]] = ()) -> Spec:
    """Return bars of runs by duration on a logarithmic scale; rows have low, high (seconds) and runs.

    ``marks`` are vertical lines: value (seconds) and text, such as the median.
    """
    x: Spec = {
        "field": "low",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False},
        "axis": {
            "title": "seconds from creation to finish, logarithmic",
            # Not "~s", which writes 0.1 s as 100m.
            "format": ",.12~g",
            "tickCount": 8,
            "grid": False,
        },
    }
    tooltip = [
        {"field": "low", "type": "quantitative", "title": "from, s", "format": ",.3~r"},
        {"field": "high", "type": "quantitative", "title": "to, s", "format": ",.3~r"},
        {"field": "runs", "type": "quantitative", "title": "runs", "format": ","},
    ]
    bar = {
        "mark": {"type": "rect", "fill": ACCENT, "stroke": PAPER, "strokeWidth": 1},
        "encoding": {
            "x": x,
            "x2": {"field": "high"},
            "y": {"field": "runs", "type": "quantitative", "axis": {"title": "runs", **_counts(rows, "runs")}},
            "y2": {"datum": 0},
            "tooltip": tooltip,
        },
    }
    layers: list[Spec] = [bar]
    for place, mark in enumerate(marks):
        at = {"datum": mark["value"], "type": "quantitative"}
        rule = {"type": "rule", "stroke": INK, "strokeDash": [3, 3], "aria": False}
        layers.append({"data": ONE_ROW, "mark": rule, "encoding": {"x": at}})
        text = {"type": "text", "align": "left", "dx": 4, "y": 6 + 14 * place, "text": mark["text"], "aria": False}
        # A halo, because a bar may be behind it.
        halo = {**text, "fill": PAPER, "stroke": PAPER, "strokeWidth": 4, "strokeJoin": "round"}
        layers += [{"data": ONE_ROW, "mark": one, "encoding": {"x": at}} for one in (halo, {**text, "fill": INK})]
    return specification(rows, 150, {"layer": layers})


def cumulative(rows: Rows, *, every: str, label: str = "credits so far") -> Spec:
    """Return a stepped line of a running total; rows have period and value."""
    y = {"field": "value", "type": "quantitative", "axis": {"title": label, **_counts(rows, "value")}}
    tooltip = [
        _date_of(every),
        {"field": "value", "type": "quantitative", "title": label, "format": ","},
    ]
    mark = {
        "type": "area",
        "interpolate": "step-after",
        "fill": ACCENT,
        "fillOpacity": 0.12,
        "line": {"stroke": ACCENT, "strokeWidth": 2},
    }
    return specification(rows, 130, {"mark": mark, "encoding": {"x": _time(rows, every), "y": y, "tooltip": tooltip}})

"""Charts over categories: accounts, languages, causes. Specifications as :mod:`.vega_lite` has them."""

from __future__ import annotations

from collections.abc import Sequence

from polydoc_analytics.reports.charts.palette import ACCENT, INK, MUTED, PAPER, WARM
from polydoc_analytics.reports.charts.vega_lite import ONE_ROW, Rows, Spec, specification

_RATE: Spec = {"tickMinStep": 0.01, "format": ".0%"}
_NARROW, _LETTER, _BEFORE = 180, 6.5, 8
"""Pixels: the bars of a chart on a phone, a letter of the text behind one, and the gap before it."""
_LABEL_WIDTH = 240


def bars(rows: Rows, *, key: str, measure: str, label: str) -> Spec:
    """Return horizontal bars with their figure written at the end; rows have label, the measure and its text.

    The order is that of the rows.
    """
    y = {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": _LABEL_WIDTH}}
    tooltip = [
        {"field": "label", "type": "nominal", "title": key},
        {"field": "text", "type": "nominal", "title": label},
    ]
    x: Spec = {
        "field": measure,
        "type": "quantitative",
        "axis": None,
        "scale": {"domainMin": 0, "nice": False},
    }
    # An invisible mark beyond the longest bar leaves room for its figure.
    room = {
        "transform": [
            {"aggregate": [{"op": "max", "field": measure, "as": "most"}]},
            {"calculate": "1.12 * datum.most", "as": "room"},
        ],
        "mark": {"type": "tick", "opacity": 0, "aria": False},
        "encoding": {"x": {**x, "field": "room"}},
    }
    bar = {"mark": {"type": "bar", "fill": ACCENT, "height": {"band": 0.62}}}
    text = {"mark": {"type": "text", "align": "left", "dx": 5, "fill": INK}}
    dimmed = {"condition": {"test": "datum.dim", "value": 0.25}, "value": 1}
    encoding = {"y": y, "x": x, "tooltip": tooltip, "fillOpacity": dimmed}
    return specification(
        rows,
        {"step": 22},
        {
            "layer": [
                {**bar, "encoding": encoding},
                {**text, "encoding": {"y": y, "x": x, "text": {"field": "text", "type": "nominal"}}},
                room,
            ]
        },
    )


def failure_rates(rows: Rows, *, overall: float | None, label: str = "failed of finished runs") -> Spec:
    """Return a point and its 95% interval for each row: label, rate, low, high, the texts of these, text, small.

    The texts are rate_text, low_text and high_text, as a tooltip has them; a ``small`` sample is hollow.
    A line marks the overall rate.
    """
    y = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "axis": {"title": None, "labelLimit": _LABEL_WIDTH, "offset": 8},
    }
    x = {
        "field": "low",
        "type": "quantitative",
        "axis": {**_RATE, "title": label, "grid": True, "tickCount": 5},
        "scale": {"domainMin": 0},
    }
    tooltip = [
        {"field": "label", "type": "nominal", "title": "language"},
        {"field": "rate_text", "type": "nominal", "title": "failure rate"},
        {"field": "low_text", "type": "nominal", "title": "95% from"},
        {"field": "high_text", "type": "nominal", "title": "to"},
        {"field": "text", "type": "nominal", "title": "runs"},
    ]
    hollow = {"condition": {"test": "datum.small", "value": PAPER}, "value": WARM}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "stroke": WARM, "strokeWidth": 2, "strokeOpacity": 0.55},
            "encoding": {"y": y, "x": x, "x2": {"field": "high"}, "tooltip": tooltip},
        },
        {
            "mark": {"type": "point", "size": 55, "stroke": WARM, "strokeWidth": 1.5, "opacity": 1},
            "encoding": {"y": y, "x": {"field": "rate", "type": "quantitative"}, "fill": hollow, "tooltip": tooltip},
        },
    ]
    if overall is not None:
        line = {"type": "rule", "stroke": MUTED, "strokeDash": [3, 3], "aria": False}
        layers.insert(0, {"data": ONE_ROW, "mark": line, "encoding": {"x": {"datum": overall}}})
    return specification(rows, {"step": 22}, {"layer": layers})


def duration_ranges(rows: Rows) -> Spec:
    """Return a line from the median to the 95th percentile for each row: label, p50, p95, text."""
    y = {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": _LABEL_WIDTH}}
    x: Spec = {
        "field": "p50",
        "type": "quantitative",
        "axis": {"title": "seconds from the median (dot) to the 95th percentile", "grid": True},
        "scale": {"domainMin": 0},
    }
    tooltip = [
        {"field": "label", "type": "nominal", "title": "language"},
        {"field": "p50", "type": "quantitative", "title": "median, s", "format": ".2f"},
        {"field": "p95", "type": "quantitative", "title": "95th percentile, s", "format": ".2f"},
        {"field": "text", "type": "nominal", "title": "succeeded runs"},
    ]
    line = {"type": "rule", "stroke": ACCENT, "strokeWidth": 3, "strokeOpacity": 0.35, "strokeCap": "round"}
    return specification(
        rows,
        {"step": 22},
        {
            "layer": [
                {"mark": line, "encoding": {"y": y, "x": x, "x2": {"field": "p95"}, "tooltip": tooltip}},
                {
                    "mark": {"type": "point", "fill": ACCENT, "stroke": ACCENT, "size": 55, "opacity": 1},
                    "encoding": {"y": y, "x": x, "tooltip": tooltip},
                },
            ]
        },
    )


def heat_map(rows: Rows, *, columns: Sequence[str], lines: Sequence[str], label: str) -> Spec:
    """Return a grid whose cells are the darker the greater their value; rows have column, line, value and text."""
    x = {
        "field": "column",
        "type": "nominal",
        "sort": list(columns),
        "axis": {"title": None, "orient": "top", "labelAngle": -35, "labelLimit": 150, "labelAlign": "left"},
    }
    y = {"field": "line", "type": "nominal", "sort": list(lines), "axis": {"title": None, "labelLimit": _LABEL_WIDTH}}
    top = max((row["value"] or 0 for row in rows), default=0) or 1
    tooltip = [
        {"field": "line", "type": "nominal", "title": "account"},
        {"field": "column", "type": "nominal", "title": "language"},
        {"field": "text", "type": "nominal", "title": label},
    ]
    shade = {
        "field": "value",
        "type": "quantitative",
        "legend": None,
        "scale": {"domain": [0, top], "range": [0.04, 1]},
    }
    on_dark = {"condition": {"test": f"datum.value > {top} * 0.55", "value": PAPER}, "value": INK}
    return specification(
        rows,
        {"step": 24},
        {
            "layer": [
                {
                    "mark": {"type": "rect", "fill": ACCENT, "stroke": PAPER, "strokeWidth": 2},
                    "encoding": {"x": x, "y": y, "fillOpacity": shade, "tooltip": tooltip},
                },
                {
                    "mark": {"type": "text", "fontSize": 10},
                    "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}, "fill": on_dark},
                },
            ]
        },
    )


def _stretch(share: float, text: str) -> float:
    """How much longer than its bars an axis is, at least, for a text behind a bar to fit on a narrow screen."""
    beside = min(_LETTER * len(text) + _BEFORE, _NARROW * 2 / 3)
    return max(1.05, share * _NARROW / (_NARROW - beside))


def waterfall(rows: Rows) -> Spec:
    """Return lying bars that begin where the one before ends; rows have label, start, end, text and kind.

    The kind is total, up or down; the text is written at the right end of a bar.
    """
    y = {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": _LABEL_WIDTH}}
    ends = [row[name] for row in rows for name in ("start", "end")]
    low, high = min(0, *ends), max(0, *ends)
    length = (high - low) or 1
    room = length * (max(_stretch((max(row["start"], row["end"]) - low) / length, row["text"]) for row in rows) - 1)
    x: Spec = {
        "field": "start",
        "type": "quantitative",
        "axis": {"title": None, "grid": True, "tickCount": 5, "format": ",.12~g"},
        "scale": {"domain": [low, high + room], "nice": False},
    }
    fills = {"total": MUTED, "up": ACCENT, "down": WARM}
    fill = {
        "condition": [{"test": f"datum.kind == '{kind}'", "value": fills[kind]} for kind in ("up", "down")],
        "value": fills["total"],
    }
    tooltip = [
        {"field": "label", "type": "nominal", "title": "cause"},
        {"field": "text", "type": "nominal", "title": "difference"},
    ]
    bar = {
        "mark": {"type": "bar", "height": {"band": 0.62}},
        "encoding": {"y": y, "x": x, "x2": {"field": "end"}, "fill": fill, "tooltip": tooltip},
    }
    text = {
        "transform": [{"calculate": "max(datum.start, datum.end)", "as": "right"}],
        "mark": {"type": "text", "align": "left", "dx": 5, "fill": INK},
        "encoding": {
            "y": y,
            "x": {"field": "right", "type": "quantitative"},
            "text": {"field": "text", "type": "nominal"},
        },
    }
    return specification(rows, {"step": 22}, {"layer": [bar, text]})

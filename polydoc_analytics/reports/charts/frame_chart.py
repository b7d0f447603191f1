"""Specifications of charts over any frame, with defaults for the columns to draw."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.charts.palette import ACCENT, PAPER, WARM
from polydoc_analytics.reports.charts.vega_lite import Spec, specification

if TYPE_CHECKING:
    import polars as pl

FORMS = ("bar", "line", "area", "point")
_HEIGHT = 220
_MAX_ROWS = 5_000
_MAX_LYING_BARS = 60
_MAX_LABELS = 7
_END = "end of the bar"
_COLOURS = [
    *(ACCENT, "#e69f00", "#009e73", WARM, "#8a5fbf"),
    *("#56b4e9", "#7a7f87", "#d17ca8", "#4d6b1f", "#b8a100"),
]
_MARKS: dict[str, Spec] = {
    "line": {"type": "line", "point": {"size": 25}, "strokeWidth": 2},
    "area": {"type": "area", "fillOpacity": 0.6, "line": True},
    "point": {"type": "point", "filled": True, "size": 50, "opacity": 0.75},
    "bar": {"type": "bar", "stroke": PAPER, "strokeWidth": 1},
}


def of_frame(
    frame: pl.DataFrame, form: str, *, x: str | None = None, y: str | None = None, color: str | None = None
) -> Spec:
    """Return a chart of a frame; see :func:`polydoc_analytics.charts.chart` for the defaults and what raises."""
    if form not in FORMS:
        raise UsageError(f"unknown chart '{form}'{nearest(form, FORMS)}; expected {', '.join(FORMS)}")
    x, y, color = _columns(frame, form, x, y, color)
    kind = _kind(frame, x)
    lies = form == "bar" and kind == "nominal"
    max_rows = _MAX_LYING_BARS if lies else _MAX_ROWS
    if frame.height > max_rows:
        raise UsageError(
            f"the result has {counted(frame.height, 'row')} and such a chart shows {max_rows:,}; aggregate it or limit"
        )
    if color and (colours := frame[color].n_unique()) > len(_COLOURS):
        raise UsageError(f"{colours:,} values of {color} are too many to tell apart by colour; keep {len(_COLOURS)}")

    value: Spec = {"field": y, "type": "quantitative", "axis": {"title": y, "tickCount": 5, "format": _format(y)}}
    shared: Spec = {"tooltip": [_tooltip(frame, name) for name in frame.columns[:10]]}
    mark = _MARKS[form]
    if color:
        scale = {"range": _COLOURS}
        shared["color"] = {"field": color, "type": "nominal", "sort": None, "scale": scale}
    else:
        mark = {**mark, "color": ACCENT}
    if lies:
        value["axis"]["grid"] = True
        names = {"field": x, "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": 270}}
        mark = {**mark, "height": {"band": 0.75}}
        return specification(_rows(frame), {"step": 22}, {"mark": mark, "encoding": {"y": names, "x": value, **shared}})
    place: Spec = {"field": x, "type": kind}
    if kind == "temporal":
        place |= {"axis": _time_axis(frame[x].to_list()), "scale": {"type": "utc"}}
    else:
        place |= {"axis": {"title": x, "labelAngle": 0, "labelOverlap": True}}
        if form == "bar":
            place["type"] = "ordinal"  # so that a bar is as wide as there is room
    if form == "bar" and kind == "temporal":
        place["bin"] = "binned"
        shared["x2"] = {"field": _END}
    rows = _rows(frame, x if "x2" in shared else None)
    return specification(rows, _HEIGHT, {"mark": mark, "encoding": {"x": place, "y": value, **shared}})


def _columns(
    frame: pl.DataFrame, form: str, x: str | None, y: str | None, color: str | None
) -> tuple[str, str, str | None]:
    for name in (x, y, color):
        if name is not None and name not in frame.columns:
            hint = nearest(name, frame.columns)
            raise UsageError(f"the result has no column '{name}'{hint}; it has {', '.join(frame.columns)}")
    kinds = {name: _kind(frame, name) for name in frame.columns}
    times, texts, numbers = (
        [name for name, kind in kinds.items() if kind == wanted] for wanted in ("temporal", "nominal", "quantitative")
    )
    if y is not None and y not in numbers:
        raise UsageError(f"y must be a column of numbers, which '{y}' is not; there are {', '.join(numbers) or 'none'}")
    order = (*times, *numbers, *texts) if form == "point" else (*times, *texts, *numbers)
    x = x or next((name for name in order if name not in (y, color)), None)
    y = y or next((name for name in numbers if name not in (x, color)), None)
    if x is None or y is None:
        raise UsageError("a chart needs a column of numbers and one to set them against; select both")
    if color is None and frame[x].n_unique() < frame.height:
        color = next((name for name in texts if name != x), None)
    return x, y, color


def _kind(frame: pl.DataFrame, name: str) -> str:
    dtype = frame[name].dtype
    return "temporal" if dtype.is_temporal() else "quantitative" if dtype.is_numeric() else "nominal"


def _rows(frame: pl.DataFrame, period: str | None = None) -> list[dict[str, Any]]:
    """Rows as JSON values; those of bars over periods have their ends as well."""
    rows = [{name: _plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]
    if period is not None:
        starts = frame[period].to_list()
        end = _end_of_bars(_distinct(starts))
        for row, start in zip(rows, starts, strict=True):
            row[_END] = None if start is None else _plain(end(start))
    return rows


def _end_of_bars(starts: list[Any]) -> Callable[[Any], Any]:
    """Return a function from the start of a bar to its end: a month later, or by the least distance of two."""
    if _is_monthly(starts):
        return lambda start: (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    gap = min((later - earlier for earlier, later in pairwise(starts)), default=timedelta(days=1))
    return lambda start: start + gap


def _time_axis(starts: list[Any]) -> Spec:
    """Axis with labels at some of the given instants, in UTC."""
    days = _distinct(starts)
    is_long = len(days) > 1 and days[-1] - days[0] > timedelta(days=200)
    form = "%b %Y" if is_long or _is_monthly(days) else "%-d %b"
    places = [calendar.timegm(day.timetuple()) * 1000 for day in days[:: max(1, -(-len(days) // _MAX_LABELS))]]
    # The words are said outright, since an axis of bars with two ends takes its places for numbers.
    return {"title": None, "labelOverlap": True, "values": places, "labelExpr": f"utcFormat(datum.value, '{form}')"}


def _is_monthly(starts: list[Any]) -> bool:
    return len(starts) > 1 and all(start.day == 1 for start in starts)


def _distinct(values: list[Any]) -> list[Any]:
    return sorted({value for value in values if value is not None})


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _tooltip(frame: pl.DataFrame, name: str) -> Spec:
    kind = _kind(frame, name)
    tooltip: Spec = {"field": name, "type": kind, "title": name}
    if kind == "temporal":
        return tooltip | {"timeUnit": "utcyearmonthdate", "format": "%-d %b %Y"}
    if kind == "quantitative":
        return tooltip | {"format": "," if frame[name].dtype.is_integer() else ".1%" if _is_share(name) else ",.2f"}
    return tooltip


def _format(name: str) -> str:
    # Not "~s", which writes 0k, nor ",", which writes 1.5e+2.
    return ".0%" if _is_share(name) else ",.12~g"


def _is_share(name: str) -> bool:
    return name.endswith(("_rate", "_rate_low", "_rate_high", "_share"))

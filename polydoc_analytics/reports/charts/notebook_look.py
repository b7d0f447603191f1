"""The look of charts in a notebook: a title, axes named in words, and colours for light and dark themes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polydoc_analytics.reports.charts.palette import ACCENT, GRID, INK, MUTED, PAPER, WARM, replaced
from polydoc_analytics.reports.charts.vega_lite import FONT, Spec

_ON_BOTH = {
    INK: "#767c82",
    MUTED: "#767c82",
    GRID: "rgba(127, 127, 127, 0.25)",
    ACCENT: "#3b7dc0",
    WARM: "#d1551f",
    FONT: "Liberation Sans, Arial, Helvetica, sans-serif",
}
"""Colours of enough contrast on white and on the dark of JupyterLab; a font of one width on every machine."""
PERIODS = {"day": "local day", "week": "week, by its Monday", "month": "month"}


def for_notebook(spec: Mapping[str, Any], *, title: str, across: str = "", note: str = "") -> Spec:
    """Put a title over a specification, name its axis of time or categories, and let the page shine through.

    ``note`` says below the title what its colours and signs mean.
    """
    plain = _without_paper(_with_opaque_cells(replaced(spec, _ON_BOTH)))
    named = _named(plain, across) if across else plain
    colour = _ON_BOTH[INK]
    head = {"text": title, "anchor": "start", "color": colour, "fontSize": 13, "fontWeight": 600, "offset": 10}
    if note:
        head |= {"subtitle": note, "subtitleColor": colour, "subtitleFontSize": 11, "subtitlePadding": 5}
    return {**named, **({"title": head} if title else {}), "background": "transparent", "padding": 10}


def _with_opaque_cells(spec: Spec) -> Spec:
    """Put paper beneath the cells of a heat map, so that their numbers, in ink, are legible on any page."""
    if [layer["mark"]["type"] for layer in spec.get("layer", ())] != ["rect", "text"]:
        return spec
    cells, numbers = spec["layer"]
    paper = {"mark": {"type": "rect", "color": PAPER}, "encoding": {name: cells["encoding"][name] for name in "xy"}}
    numbers = {**numbers, "encoding": {**numbers["encoding"], "fill": {"value": INK}}}
    return {**spec, "layer": [paper, cells, numbers]}


def _without_paper(part: Any) -> Any:
    """Drop the white between marks, behind texts and in hollow points, which a dark page does not have."""
    if isinstance(part, Mapping):
        if isinstance(part.get("mark"), Mapping) and part["mark"].get("type") == "point":
            part = replaced(part, {PAPER: "transparent"})
        return {
            key: None if key in ("stroke", "fill") and value == PAPER else _without_paper(value)
            for key, value in part.items()
            if key != "values"
        } | {key: part[key] for key in ("values",) if key in part}
    return [_without_paper(value) for value in part] if isinstance(part, list | tuple) else part


def _named(part: Any, across: str) -> Any:
    """Name the horizontal axis wherever it has no name."""
    if isinstance(part, Mapping):
        return {key: value if key == "values" else _axis_named(key, value, across) for key, value in part.items()}
    return [_named(value, across) for value in part] if isinstance(part, list | tuple) else part


def _axis_named(key: str, value: Any, across: str) -> Any:
    axis = value.get("axis") if key == "x" and isinstance(value, Mapping) else None
    if isinstance(axis, Mapping) and not axis.get("title"):
        return {**value, "axis": {**axis, "title": across}}
    return _named(value, across)

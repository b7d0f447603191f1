"""Display of frames and charts in a notebook: in the theme's colours, without a network, and on GitHub as well."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.formatting import UNKNOWN, display_text, plain

if TYPE_CHECKING:
    import polars as pl

VEGA_LITE = "application/vnd.vegalite.v5+json"
"""The Vega-Lite version that JupyterLab draws by itself; nothing in these charts is newer."""
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

_FRAME = ("polars.dataframe.frame", "DataFrame")
_CHARTS = tuple((f"altair.vegalite.v{major}.api", "TopLevelMixin") for major in (6, 7))
_MAX_ROWS = 25
_MAX_COLUMNS = 30
_MAX_SVG = 100_000
_CELL = "text-align:{side};padding:.2em .75em;white-space:nowrap"


def add(shell: Any) -> None:
    """Register the display of Polars frames as tables, and of Altair charts as Vega-Lite with a picture beside it."""
    formatters = shell.display_formatter
    formatters.formatters["text/html"].for_type_by_name(*_FRAME, html_table)
    for module, name in _CHARTS:
        formatters.mimebundle_formatter.for_type_by_name(module, name, chart_bundle)


def remove(shell: Any) -> None:
    """Restore the display of frames and charts that their own packages have."""
    formatters = shell.display_formatter
    for formatter, names in (
        (formatters.formatters["text/html"], [_FRAME]),
        (formatters.mimebundle_formatter, _CHARTS),
    ):
        for module, name in names:
            formatter.deferred_printers.pop((module, name), None)
            for known in list(formatter.type_printers):
                if (known.__module__, known.__name__) == (module, name):
                    formatter.pop(known)


def html_table(frame: pl.DataFrame) -> str:
    """Format a frame as an HTML table: numbers to the right, unknown as a dash, no colours but those of the theme."""
    rows, columns = frame.shape
    part = frame[: _MAX_ROWS if rows > _MAX_ROWS + 1 else rows, :_MAX_COLUMNS]
    sides = ["right" if dtype.is_numeric() else "left" for dtype in part.dtypes]
    heads = "".join(
        f'<th title="{escape(str(dtype))}" style="{_CELL.format(side=side)}">{escape(name)}</th>'
        for name, dtype, side in zip(part.columns, part.dtypes, sides, strict=True)
    )
    texts = [_texts(column) for column in part.get_columns()]
    lines = "\n".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL.format(side=side)}">{escape(text)}</td>' for text, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in zip(*texts, strict=True)
    )
    left = [counted(rows - part.height, "more row")] if rows > part.height else []
    left += [counted(columns - part.width, "more column")] if columns > part.width else []
    note = f'<p style="opacity:.75;margin:.3em .75em">{" and ".join(left)}</p>' if left else ""
    empty = '<p style="opacity:.75;margin:.3em .75em">no rows</p>' if not rows else ""
    return f'<table style="font-variant-numeric:tabular-nums">\n<tr>{heads}</tr>\n{lines}\n</table>{note}{empty}'


def _texts(column: pl.Series) -> list[str]:
    if not column.dtype.is_float():
        return [_text(value) for value in column.to_list()]
    known = [abs(value) for value in column.drop_nulls() if value == value]
    digits = 3 if max(known, default=0) < 10 else 2
    return [UNKNOWN if value is None else f"{value:,.{digits}f}" for value in column.to_list()]


def _text(value: Any) -> str:
    in_short = plain(value)
    if in_short is not None:
        return in_short
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        value = timedelta(days=value.days, seconds=value.seconds)
    return display_text(str(value)) if value != "" else ""


def chart_bundle(chart: Any, include: Any = None, exclude: Any = None) -> Any:
    """Bundle an Altair chart as Vega-Lite and as a picture; Altair's own bundle where another renderer is chosen.

    The picture is SVG, which is a quarter of PNG, unless so many marks make it large.
    """
    import altair

    if altair.renderers.active != "default":
        return chart._repr_mimebundle_(include, exclude)
    from polydoc_analytics.reports.charts import export

    spec = chart.to_dict()
    picture: dict[str, str] = {"image/svg+xml": export.as_svg(spec)}
    if len(picture["image/svg+xml"]) > _MAX_SVG:
        picture = {"image/png": base64.b64encode(export.as_png(spec, 1.5)).decode()}
    return {VEGA_LITE: {**spec, "$schema": _SCHEMA}, **picture, "text/plain": "a chart"}

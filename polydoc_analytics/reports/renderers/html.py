"""A report as one HTML page that needs no network: filters, charts with tooltips, tables that sort."""

from __future__ import annotations

import base64
import hashlib
import re
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from polydoc_analytics.reports.charts import export as vega
from polydoc_analytics.reports.charts import palette
from polydoc_analytics.reports.formatting import Formatter, ShortId, display_text
from polydoc_analytics.reports.messages import ENGLISH
from polydoc_analytics.reports.model import Chart, Kind, Report, Scalar, Section, Table
from polydoc_analytics.reports.money import Money, decimals
from polydoc_analytics.reports.renderers import fonts
from polydoc_analytics.reports.renderers.kept import kept
from polydoc_analytics.reports.renderers.table_rows import Lines, figure_lines, is_number, lines, small_sample_note

_MAX_ROWS = 500
_MANY_ROWS = 8
_FIRST_ROWS = 31
"""Rows of a table that are seen at once where nothing sums up the others."""
_MAX_SORTED = 200
_IDS = ("account_id", "language")
_AROUND = re.compile(r"\d(?:.*\d)?")
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


def render(report: Report) -> bytes:
    """Write the page as UTF-8; scripts are allowed by hash, and all data is escaped."""
    charts = {chart.name: _chart(chart) for section in report.sections for chart in section.charts}
    scripts = [_bundle(), _file("page.js")] if charts or any(s.table for s in report.sections) else []
    if not charts and scripts:
        scripts = scripts[1:]
    say = report.words.gettext
    data = {
        "charts": charts,
        "cube": _cube(report),
        "locale": report.words.locale.replace("_", "-"),
        "numbers": _numbers(report.words),
        "dates": report.words.dates.replace("_", "-"),
        "slug": f"{report.kind}_{report.slug}",
        "reload_s": report.reload_s,
        "words": {"all": say("Show all {count} rows", count="{count}"), "fewer": say("Show fewer rows")},
    }
    text = _template().render(
        report=report,
        language=report.words.language.replace("_", "-"),
        say=say,
        logo=_logo(report),
        css=_file("page.css"),
        fonts=fonts.for_pages(),
        dark={name: palette.for_the_dark(getattr(report.look, name)) for name in ("accent", "warm")},
        policy=_policy(scripts),
        scripts=scripts,
        data=data,
        sections=[(one, figure_lines(report, one), _table(report, one)) for one in report.sections],
        first_rows=_first_rows,
        row_ids=_row_ids,
        show_all=lambda count, noun: _show_all(report, count, noun),
        small_sample_note=small_sample_note,
        is_number=is_number,
        sort_key=_sort_key,
        hover=_hover,
        most=_MANY_ROWS,
    )
    return str(text).encode("utf-8", "replace")


def _table(report: Report, section: Section) -> Lines | None:
    return None if section.table is None else lines(report, section.table, _max_rows(report, section.table))


def _max_rows(report: Report, table: Table) -> int:
    """Limit the rows of a table on a page; a document that is signed off has as many as in print."""
    return table.shown if report.head is not None else _MAX_ROWS


def _show_all(report: Report, count: int, noun: str) -> str:
    if report.words.language == ENGLISH:
        return f"Show all {count} {noun}"
    return report.words.gettext("Show all {count} rows", count=report.words.text(count, "count"))


def _first_rows(table: Table) -> int:
    return table.shown if table.others else min(_FIRST_ROWS, table.shown)


def _row_ids(table: Table) -> list[str]:
    """Ids (or tags) behind the names in a table's first column, in the order of its rows; empty where it has none."""
    at = [place for place, column in enumerate(table.columns) if column.only_data and column.name in _IDS]
    return [_sort_key(str(row[at[0]])) for row in table.rows[:_MAX_ROWS]] if at else []


def _hover(value: Scalar, row_id: str) -> dict[str, str]:
    """Title of a cell: the whole id of which it shows the beginning, or the id behind its name."""
    whole = str(value) if isinstance(value, ShortId) else row_id
    return {"title": whole} if whole else {}


def _chart(chart: Chart) -> dict[str, Any]:
    spec = palette.replaced(chart.spec, palette.VARIABLES)
    spec["description"] = f"{chart.title}. {chart.sentence}"
    if chart.is_fluid:
        spec["width"] = "container"
    made = vega.as_vega(spec)
    _quiet_brush(made)
    return {"spec": made, "live": chart.live, "fluid": chart.is_fluid}


def _quiet_brush(vega: dict[str, Any]) -> None:
    """Hide a brush's own marks from screen readers."""
    for mark in vega.get("marks", ()):
        if str(mark.get("name", "")).startswith("brush"):
            mark["aria"] = False
        _quiet_brush(mark)


def _cube(report: Report) -> dict[str, Any] | None:
    cube = report.cube
    if cube is None:
        return None
    price = None if cube.price is None else f"{cube.price:f}"
    currency = report.words.currency
    return {
        "every": cube.every,
        "first": cube.first.isoformat(),
        "last": cube.last.isoformat(),
        "others": cube.has_others,
        "money": None if price is None else {"price": price, "currency": currency, "digits": decimals(currency)},
        "periods": [period.isoformat() for period in cube.periods],
        "accounts": cube.accounts,
        "languages": cube.languages,
        "columns": cube.columns,
    }


def _numbers(words: Formatter) -> dict[str, Any]:
    """Signs and groups of numbers, and what stands around them, positive and negative ones."""
    kinds: dict[Kind, tuple[Scalar, Scalar]] = {"count": (1, -1), "rate": (0.01, -0.01)}
    if words.currency:
        kinds["money"] = (Decimal(1), Decimal(-1))
    return {
        **words.signs,
        "around": {
            kind: [_AROUND.split(words.text(number, kind), maxsplit=1) for number in numbers]
            for kind, numbers in kinds.items()
        },
    }


def _policy(scripts: list[str]) -> str:
    hashes = [base64.b64encode(hashlib.sha256(one.encode("utf-8")).digest()).decode() for one in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _logo(report: Report) -> str:
    look = report.look
    return f"data:{look.logo_type};base64,{base64.b64encode(look.logo).decode()}" if look.logo else ""


def _sort_key(value: Scalar) -> str:
    if isinstance(value, Money):
        value = value.shown
    if isinstance(value, str):
        return display_text(value, _MAX_SORTED) if value else ""
    return "" if value is None else str(value)


@cache
def _bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    return kept("vega", ("vl-convert-python",), _SNIPPET, lambda: vega.bundle(_SNIPPET))


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8").strip()


@cache
def _template() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "sort_keys": True, "default": list}
    return environment.get_template("page.html.j2")

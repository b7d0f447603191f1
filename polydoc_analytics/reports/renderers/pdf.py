"""A report as PDF by Typst: the same sections, vector charts, page numbers, tagged for accessibility."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from polydoc_analytics.errors import PolydocError
from polydoc_analytics.reports.charts import export, palette
from polydoc_analytics.reports.formatting import code_point
from polydoc_analytics.reports.model import Report, Section
from polydoc_analytics.reports.renderers import fonts
from polydoc_analytics.reports.renderers.pdf_columns import grid
from polydoc_analytics.reports.renderers.table_rows import is_number, lines, small_sample_note

_NO_TEXTS = ("name", "family", "accent", "ink", "muted", "grid", "language")
_BREAK = "\u200b"
_LONG_WORD = re.compile(r"[^\s\-\u200b-\u200d]{17,}")
"""Such as an id of 64 digits: Typst breaks lines at blanks and hyphens alone."""
_MARK = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
"""Combining marks. In a picture Typst sets one that is not part of a composed character as a glyph without a code
point, which makes the whole PDF an error."""


def render(report: Report) -> bytes:
    """Return the PDF; the same report and the same fonts give the same bytes."""
    import typst

    drawn = _Drawn(report.look.fonts)
    content = _breakable(drawn.all(_content(report)))
    logo = report.look.logo
    try:
        made = typst.compile(
            _template(),
            font_paths=_fonts(report.look.fonts),
            ignore_system_fonts=True,
            format="pdf",
            timestamp=int(report.made_at.timestamp()),
            sys_inputs={
                "data": json.dumps(content, ensure_ascii=False),
                "charts": json.dumps(_charts(report)),
                "logo": logo.hex() if logo else "",
            },
            # An archival standard with tags; it also makes a character that no font has an error, not a blank box.
            pdf_standards="a-2a",
        )
    except typst.TypstError as error:
        raise PolydocError(f"the PDF of '{report.title}' cannot be set: {error.message}") from None
    assert isinstance(made, bytes)
    return made


def _breakable(part: Any) -> Any:
    """Return nested values with possible line breaks in every long word."""
    if isinstance(part, str):
        return _LONG_WORD.sub(lambda word: _BREAK.join(re.findall(".{1,4}", word.group(), re.DOTALL)), part)
    if isinstance(part, Mapping):
        return {key: value if key in _NO_TEXTS else _breakable(value) for key, value in part.items()}
    return [_breakable(value) for value in part] if isinstance(part, list | tuple) else part


class _Drawn:
    """Replacement of characters that no font has by U+XXXX."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self._known = _characters(folders)

    def text(self, text: str) -> str:
        """Return a text without characters that no font has."""
        if text.isascii():
            return text
        return "".join(c if ord(c) in self._known or c in "\n" else code_point(c) for c in text)

    def all(self, part: Any) -> Any:
        """Return nested values with the replacement in every text."""
        if isinstance(part, str):
            return self.text(part)
        if isinstance(part, Mapping):
            return {key: self.all(value) for key, value in part.items()}
        return [self.all(value) for value in part] if isinstance(part, list | tuple) else part


class _DrawnInCharts(_Drawn):
    """The same in pictures, where combining marks are composed with their letters, or written as U+XXXX too."""

    def text(self, text: str) -> str:
        """Return a text that can stand in a picture."""
        if text.isascii():
            return text
        return _MARK.sub(lambda mark: code_point(mark.group()), super().text(unicodedata.normalize("NFC", text)))


def _content(report: Report) -> dict[str, Any]:
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "period": report.period,
        "timezone": report.timezone,
        "language": report.words.locale.split("_")[0],
        "accent": report.look.accent,
        "ink": palette.INK,
        "muted": palette.MUTED,
        "grid": palette.GRID,
        "version": report.version,
        "family": [fonts.FAMILY, *fonts.families(report.look.fonts)],
        "facts": [{"label": label, "text": text} for label, text in report.facts],
        "sections": [_section(report, section) for section in report.sections],
    }


def _section(report: Report, section: Section) -> dict[str, Any]:
    table, notes = None, list(section.notes)
    if section.table is not None:
        shown = lines(report, section.table)
        notes += [shown.note, small_sample_note(shown.columns)]
        labels = [column.label for column in shown.columns]
        numbers = [is_number(column) for column in shown.columns]
        table = {
            **grid(labels, shown.rows, numbers, shown.sums),
            "labels": labels,
            "numbers": numbers,
            "rows": shown.rows,
            "sums": shown.sums,
        }
    return {
        "title": section.title,
        "text": section.text,
        "figures": [
            {
                "label": figure.label,
                "value": figure.value.text,
                "unit": figure.unit,
                "before": figure.before.text if figure.before else "",
                "change": figure.change.text if figure.change else "",
                "note": figure.note,
            }
            for figure in section.figures
        ],
        "charts": [{"name": chart.name, "title": chart.title, "text": chart.sentence} for chart in section.charts],
        "table": table,
        "notes": [note for note in notes if note],
    }


def _charts(report: Report) -> dict[str, str]:
    drawn = _DrawnInCharts(report.look.fonts)
    made = {}
    for chart in (chart for section in report.sections for chart in section.charts):
        spec = drawn.all(palette.branded(chart.spec, report.look.accent, report.look.warm))
        spec.pop("autosize", None)  # fitting measures every text twice, and Typst scales the picture anyway
        made[chart.name] = export.as_svg(spec)
    return made


@cache
def _template() -> bytes:
    return resources.files(__package__).joinpath("report.typ").read_bytes()


@cache
def _fonts(folders: tuple[str, ...]) -> Any:
    import typst

    # Typst looks into folders, and says nothing where it finds no font: then it sets no text at all.
    paths = list(dict.fromkeys(str(file.parent) for file in fonts.print_files(folders)))
    known = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=paths)
    assert fonts.FAMILY in known.families()
    return known


@cache
def _characters(folders: tuple[str, ...]) -> frozenset[int]:
    return frozenset().union(*(fonts.characters(file) for file in fonts.print_files(folders)))

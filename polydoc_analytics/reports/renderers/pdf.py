"""A report as PDF by Typst: the same sections, vector charts, page numbers, tagged for accessibility."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any

from polydoc_analytics.errors import PolydocError
from polydoc_analytics.reports.charts import export, palette
from polydoc_analytics.reports.formatting import followed
from polydoc_analytics.reports.model import SVG, Chart, Report, Section, Theme
from polydoc_analytics.reports.renderers import fonts
from polydoc_analytics.reports.renderers.drawn import Drawn
from polydoc_analytics.reports.renderers.outlines import has_other_letters, outlined
from polydoc_analytics.reports.renderers.pdf_columns import MAX_GAP, ROOM, grid, points
from polydoc_analytics.reports.renderers.table_rows import (
    Lines,
    figure_lines,
    is_number,
    lines,
    small_sample_note,
    without_empty_marks,
)
from polydoc_analytics.reports.renderers.typesetting import Typesetter, typeset
from polydoc_analytics.reports.renderers.typesetting import drawn as drawn_page

_NO_CODE_POINTS = "missing codepoints"
"""Part of Typst's error for glyphs without code points, which PDF/A does not allow."""
_NO_TEXTS = ("author", "name", "family", "accent", "ink", "muted", "grid", "language", "rows")
_SCALE = 0.77
"""Points that a pixel of a chart takes: of the 640 of a chart that is as wide as the page."""
_PACKED = 0.8
"""Rows of charts are closer in print than on a screen, in the proportion of its tables' rows."""
_BESIDE = 340.0
"""Points that the table beside a chart is wide at most."""
_BETWEEN = 16.0
_MIN_GAP = 6.0
"""Points between the columns of a table that is to stand beside a chart, at least."""
_AXIS = 50
"""Pixels beside a narrow chart's bars, for its labels."""
_MIN_BESIDE, _MAX_BESIDE = 14, 45
"""Rows of a table that are about as high as the charts beside it, and fit on a page."""
_DIGITS = 4
"""Decimals of lengths in points."""
_ROOMS = {
    ("title",): (ROOM, 21.0, True),
    ("subtitle",): (354.0, 9.5, False),
    ("head", "issuer"): (354.0, 11.0, True),
    ("head", "notice"): (ROOM, 9.5, True),
    ("head", "receiver"): (201.0, 9.5, True),
    ("sections", "text"): (ROOM, 9.5, False),
    ("sections", "notes"): (ROOM, 8.0, False),
}
"""Width of the lines of some texts, in points, the size of their letters, and whether they are bold: see report.typ."""
_BREAK = "\u200b"
_MAX_WORD = 16
_UNBROKEN = (
    r"[^\s\-/\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u200b-\u200d\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"
)
_LONG_WORD, _PIECE = re.compile(rf"{_UNBROKEN}{{{_MAX_WORD + 1},}}"), re.compile(rf"{_UNBROKEN}+")
"""Such as an id of 64 digits: Typst breaks lines at blanks, hyphens and slashes, between the characters of East Asia,
and between the words of Thai, Lao, Burmese and Khmer alone."""
_PART = 4
_VIRAMA = 9
"""The class of Indic signs that join two letters."""
_UNJOINED = frozenset("اأإآٱدذرزژڈڑوؤةىءۃے")
"""Letters of Arabic that do not join the next one."""
_WORD, _ANY_WORD = re.compile(rf"\S{{{_MAX_WORD + 1},}}"), re.compile(r"\S+")
_HYPHEN = re.compile(r"[-/](?=\d)")
"""A hyphen before a digit, as most ids have, is none of those hyphens (rule LB25 of Unicode's line breaking)."""


def render(report: Report, missing: set[str], set_type: Typesetter | None = None) -> bytes:
    """Return the PDF; the same report and the same fonts give the same bytes.

    ``missing`` takes the characters that no font has, and that the PDF writes as U+XXXX; ``set_type`` is what sets it,
    if not this process.
    """
    drawn = Drawn(report.look.fonts)
    content = _breakable(_content(report, drawn))
    missing |= drawn.missing
    logo, charts = report.look.logo, _charts(report, content)
    inputs = {
        "data": _packed(content),
        "charts": _packed(charts),
        "footer": f"{followed(content['title'])}, {content['period']}",
        "logo": _packed(list(logo)) if logo else "",
    }
    set_type, made_at = set_type or typeset, int(report.made_at.timestamp())
    try:
        try:
            return set_type(report.look.fonts, made_at, inputs)
        except PolydocError as error:
            if _NO_CODE_POINTS not in str(error):
                raise
            # Some letters of other scripts, which Typst sets in drawings as signs without code points.
            charts = {name: outlined(svg, report.look.fonts, has_other_letters) for name, svg in charts.items()}
            if report.look.logo_type == SVG:
                inputs["logo"] = _packed(list(_as_picture(logo, report.look.fonts)))
            return set_type(report.look.fonts, made_at, {**inputs, "charts": _packed(charts)})
    except PolydocError as error:
        raise PolydocError(f"the PDF of '{report.title}' cannot be set: {error}") from None


def _as_picture(logo: bytes, folders: tuple[str, ...]) -> bytes:
    page = b'#set page(width: auto, height: auto, margin: 0pt, fill: none)\n#image("logo.svg")'
    return drawn_page(folders, {"main.typ": page, "logo.svg": logo}, "png")


def _packed(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _breakable(part: Any, place: tuple[str, ...] = ()) -> Any:
    """Return nested values with possible line breaks in every long word; rows of tables have theirs.

    A word that fits on a line of its ``place`` stays whole there.
    """
    if isinstance(part, str):
        if len(part) <= _MAX_WORD:
            return part
        if (room := _ROOMS.get(place)) is not None:
            return _within(part, *room)
        return _LONG_WORD.sub(_broken, _WORD.sub(_before_digits, part))
    if isinstance(part, dict):
        return {key: value if key in _NO_TEXTS else _breakable(value, (*place, key)) for key, value in part.items()}
    return [_breakable(value, place) for value in part] if isinstance(part, list | tuple) else part


def _within(cell: str, room: float, size: float, is_bold: bool) -> str:
    """Return a text with possible line breaks in every word that is wider than the room of its column."""
    if room == inf:
        return str(_breakable(cell))

    def divided(pattern: re.Pattern[str], divide: Callable[[re.Match[str]], str], text: str) -> str:
        return pattern.sub(lambda word: word[0] if _length(word[0], size, is_bold) <= room else divide(word), text)

    return divided(_PIECE, _broken, divided(_ANY_WORD, _before_digits, cell))


def _length(word: str, size: float, is_bold: bool) -> float:
    """Width of a word; where that is not known, one that it hardly has."""
    width = points(word, size, is_bold)
    return width if width < inf else size * len(word)


def _broken(word: re.Match[str]) -> str:
    text = word.group()
    if text.isascii():
        return _BREAK.join(re.findall(".{1,4}", text, re.DOTALL))
    parts = [text[0]]
    for before, after in pairwise(text):
        if len(parts[-1]) >= _PART and _can_part(before, after):
            parts.append("")
        parts[-1] += after
    return _BREAK.join(parts)


def _can_part(before: str, after: str) -> bool:
    """Check whether a line may end between two letters: not where they make one sign, or join."""
    if unicodedata.category(after)[0] == "M" or unicodedata.combining(before) == _VIRAMA:
        return False
    return before in _UNJOINED or "AL" not in (unicodedata.bidirectional(before), unicodedata.bidirectional(after))


def _before_digits(word: re.Match[str]) -> str:
    return _HYPHEN.sub(rf"\g<0>{_BREAK}", word.group())


def _content(report: Report, drawn: Drawn) -> Any:
    """Return all texts and measures of a report; tables are measured as they are drawn."""
    say = report.words.gettext
    content = {
        "title": report.title,
        "subtitle": report.sender,
        "period": report.period,
        "timezone": report.timezone,
        "language": report.words.language.split("_")[0],
        "author": report.head.issuer[0]
        if report.head and report.head.issuer
        else f"Polydoc Analytics {report.version}",
        "head": _head(report),
        "basis": say("What the figures rest on"),
        "made": f"{say('Made by Polydoc Analytics {version}.', version=report.version)} "
        f"{say('An en dash is an unknown figure.')}",
        "accent": report.look.accent,
        "ink": palette.INK,
        "muted": palette.MUTED,
        "grid": palette.GRID,
        "version": report.version,
        "family": [fonts.FAMILY, *fonts.families(report.look.fonts)],
        "facts": [{"label": report.words.labelled(label), "text": text} for label, text in report.facts],
    }
    return drawn.all(content) | {"sections": [_section(report, section, drawn) for section in report.sections]}


def _section(report: Report, section: Section, drawn: Drawn) -> dict[str, Any]:
    table, notes = None, list(section.notes)
    if section.table is not None:
        shown = without_empty_marks(lines(report, section.table))
        notes += [shown.note, small_sample_note(shown.columns)]
        table = _table(shown, drawn)
        if _is_over_time(section) and table["width"] > _BESIDE and _is_as_high(table):
            closer = _table(shown, drawn, _MIN_GAP)
            table = closer if 0 < closer["width"] <= _BESIDE else table
    figures = figure_lines(report, section)
    content = {
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
            for figure in (() if figures or section.is_empty else section.figures)
        ],
        "charts": [{"name": chart.name, "title": chart.title, "text": chart.sentence} for chart in section.charts],
        "notes": [note for note in notes if note],
    }
    return {
        **drawn.all(content),
        **_arranged(section, table),
        "lines": None if figures is None else _table(figures, drawn),
        "table": table,
    }


def _arranged(section: Section, table: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arrange a section's charts: ``beside`` its table, as ``pairs`` above it, or each as wide as the page.

    ``room`` is the width of a chart, in points.
    """
    if not _is_over_time(section):
        return {"layout": "", "room": ROOM}
    if table and 0 < table["width"] <= _BESIDE and _is_as_high(table):
        return {"layout": "beside", "room": ROOM - table["width"] - _BETWEEN}
    if len(section.charts) == 2:
        return {"layout": "pairs", "room": (ROOM - _BETWEEN) / 2}
    return {"layout": "", "room": ROOM}


def _is_over_time(section: Section) -> bool:
    """Check whether a section has one or two charts over time, and no other."""
    return 0 < len(section.charts) <= 2 and all(chart.name.endswith("_over_time") for chart in section.charts)


def _is_as_high(table: Mapping[str, Any]) -> bool:
    return _MIN_BESIDE <= len(table["rows"]) <= _MAX_BESIDE


def author(report: Report) -> str:
    """Return who a document is from, for its metadata: the issuer, else the program."""
    return report.head.issuer[0] if report.head and report.head.issuer else f"Polydoc Analytics {report.version}"


def _head(report: Report) -> dict[str, Any] | None:
    head = report.head
    if head is None:
        return None
    (label, text), *others = head.facts or (("", ""),)
    return {
        "issuer": head.issuer,
        "label": label,
        "receiver": text.splitlines(),
        "facts": [{"label": label, "lines": text.splitlines()} for label, text in others],
        "notice": head.notice,
    }


def _table(shown: Lines, drawn: Drawn, max_gap: float = MAX_GAP) -> dict[str, Any]:
    labels, rows = drawn.all([column.label for column in shown.columns]), drawn.rows(shown.rows)
    numbers = [is_number(column) for column in shown.columns]
    measures = grid(labels, rows, numbers, shown.sums, max_gap)
    fitting, rooms, size = measures.pop("fitting"), measures.pop("rooms"), measures["size"]
    heights = measures["heights"]
    line = round(heights[0], _DIGITS) if len(set(heights)) == 1 else 0.0
    return {
        **measures,
        # The height of every row, or else that of each.
        "line": line,
        "heights": [] if line else _rounded(heights),
        "widths": _rounded(measures["widths"]),
        "insets": [_rounded(inset) for inset in measures["insets"]],
        "labels": labels,
        "numbers": numbers,
        # A text that is known to fit stays as it is, to be found and copied; a figure stays whole.
        "rows": [
            [
                cell if fits or is_a_number else _within(cell, room, size, at >= len(rows) - shown.sums)
                for cell, fits, is_a_number, room in zip(row, of_row, numbers, rooms, strict=True)
            ]
            for at, (row, of_row) in enumerate(zip(rows, fitting, strict=True))
        ],
        "sums": shown.sums,
    }


def _rounded(lengths: Sequence[float]) -> list[float]:
    return [round(length, _DIGITS) for length in lengths]


def _charts(report: Report, content: Mapping[str, Any]) -> dict[str, str]:
    drawn = Drawn(report.look.fonts)
    rooms = [section["room"] for section in content["sections"]]
    export.measure_with(report.look.fonts)
    return {
        chart.name: outlined(export.as_svg(drawn.all(_printed(chart, report.look, room))), report.look.fonts)
        for section, room in zip(report.sections, rooms, strict=True)
        for chart in section.charts
    }


def _printed(chart: Chart, look: Theme, room: float) -> dict[str, Any]:
    """Specification of a chart that is ``room`` points wide, with rows as close as those of printed tables."""
    spec: dict[str, Any] = palette.branded(chart.spec, look.accent, look.warm)
    spec.pop("autosize", None)  # fitting measures every text twice, and Typst scales the picture anyway
    if chart.is_fluid and room < ROOM:
        spec["width"] = round(room / _SCALE) - _AXIS
    height = spec.get("height")
    if isinstance(height, Mapping):
        spec["height"] = {**height, "step": round(_PACKED * height["step"])}
    return spec

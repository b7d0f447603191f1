"""A report as Markdown: its sentences, figures and tables; charts as their captions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from polydoc_analytics.reports.model import Figure, Head, Report, Section
from polydoc_analytics.reports.renderers.table_rows import (
    Lines,
    figure_lines,
    is_number,
    lines,
    small_sample_note,
    without_empty_marks,
)

_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~])")
_BEGINNING = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))(.)")
"""Marks at the beginning of a line that Markdown takes for a list or the underline of a heading."""
_URL = re.compile(r"(?i)((?:https?|ftp|mailto|xmpp):|www\.|@)")


def render(report: Report) -> bytes:
    """Return the report as UTF-8 Markdown; text of the data is escaped."""
    parts = [f"# {_escaped(report.title)}", _line(" · ".join(filter(None, (report.sender, report.period))))]
    say = report.words.gettext
    if report.head is not None:
        parts += _head(report, report.head)
    for section in report.sections:
        parts += _section(report, section)
    parts += [f"## {say('What the figures rest on')}", _list(report, report.facts)]
    parts.append(say("Made by Polydoc Analytics {version}.", version=report.version))
    return ("\n\n".join(parts) + "\n").encode("utf-8", "replace")


def _head(report: Report, head: Head) -> list[str]:
    issuer = "  \n".join(map(_line, head.issuer))
    facts = _list(report, [(label, ", ".join(text.splitlines())) for label, text in head.facts])
    return [part for part in (issuer, facts, f"**{_escaped(head.notice)}**" if head.notice else "") if part]


def _section(report: Report, section: Section) -> list[str]:
    parts = [f"## {_escaped(section.title)}", *map(_line, section.text)]
    if (figures := figure_lines(report, section)) is not None:
        parts.append(_table(figures))
    elif section.figures and not section.is_empty:
        parts.append(_figures(section.figures))
    parts += [f"**{_escaped(chart.title)}.** {_escaped(chart.sentence)}" for chart in section.charts]
    notes = [*section.notes]
    if section.table is not None:
        shown = without_empty_marks(lines(report, section.table, with_whole_ids=True))
        parts.append(_table(shown))
        notes += [shown.note, small_sample_note(shown.columns)]
    parts += [f"*{_escaped(note)}*" for note in notes if note]
    return parts


def _table(shown: Lines) -> str:
    head = [_escaped(column.label) for column in shown.columns]
    rule = ["---:" if is_number(column) else "---" for column in shown.columns]
    rows = [[_escaped(cell) for cell in row] for row in shown.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def _figures(figures: Sequence[Figure]) -> str:
    rows = [["figure", "value", "before", "change", "note"], ["---", "---:", "---:", "---:", "---"]]
    for figure in figures:
        rows.append(
            [
                _escaped(figure.label),
                _escaped(f"{figure.value.text} {figure.unit}".strip()),
                _escaped(figure.before.text) if figure.before else "",
                _escaped(figure.change.text) if figure.change else "",
                _escaped(figure.note),
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _list(report: Report, facts: Sequence[tuple[str, str]]) -> str:
    labelled = ((report.words.labelled(label).strip(), text) for label, text in facts)
    return "\n".join(f"- **{_escaped(label)}** {_escaped(text)}" for label, text in labelled)


def _line(text: str) -> str:
    """Escape a text that stands at the beginning of a line, too."""
    return _BEGINNING.sub(r"\1\\\2", _escaped(text.strip()))


def _escaped(text: str) -> str:
    """Escape a text for Markdown, links included."""
    plain = _SPECIAL.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    if text.count("$") > 1:  # a formula between them
        plain = plain.replace("$", r"\$")
    return _URL.sub(lambda match: re.sub(r"([:.@])", r"\\\1", match.group()), plain)

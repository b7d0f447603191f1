"""Rows of tables as text, for all formats that people read, and the note on rows left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from polydoc_analytics.reports.formatting import ShortId, display_text
from polydoc_analytics.reports.model import NUMBERS, Column, Report, Scalar, Section, Table, Value


@dataclass(frozen=True, slots=True)
class Lines:
    """A table as text: its drawn columns, rows of cells, the number of sums at the end, and a note on rows left out."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[tuple[Scalar, ...], ...]
    sums: int
    note: str


def lines(report: Report, table: Table, max_rows: int | None = None, *, with_whole_ids: bool = False) -> Lines:
    """Pick the lines that a drawn format shows of a table: as many as the table says, or ``max_rows``, and its sums.

    Ids are as short as tells them apart, or whole.
    """
    table = without_columns(table, lambda column, is_empty: column.only_data or (is_empty and report.head is not None))
    shown = table.shown if max_rows is None else max_rows
    last = [row for row in (table.others, table.total) if row is not None]
    raw = (*table.rows[:shown], *last)
    first_sum, text = len(raw) - len(last), report.words.text
    kinds = [column.kind for column in table.columns]
    values = [tuple(map(_whole, row)) for row in raw] if with_whole_ids else raw
    rows = (
        *(tuple(map(text, row, kinds)) for row in values[:first_sum]),
        *(
            tuple(
                text(value, column.kind) if is_summed(value, column) else ""
                for value, column in zip(row, table.columns, strict=True)
            )
            for row in values[first_sum:]
        ),
    )
    note = ""
    if len(table.rows) > shown:
        count = report.words.text(len(table.rows), "count")
        note = table.rest or (
            f"The first {shown} of {count} {table.noun}; all of them are in the XLSX and JSON forms of this report."
        )
    return Lines(table.columns, rows, raw, len(last), note)


def _whole(value: Scalar) -> Scalar:
    return str(value) if isinstance(value, ShortId) and value.startswith(value.shown) else value


def is_summed(value: Scalar, column: Column) -> bool:
    """Check whether a cell of a sum is one: a text or day that it lacks is not unknown, there is none to know."""
    return value is not None or is_number(column)


def without_empty_marks(shown: Lines) -> Lines:
    """Leave out columns of marks that mark no row."""
    at = [
        place
        for place, column in enumerate(shown.columns)
        if column.kind != "mark" or any(row[place] for row in shown.rows)
    ]

    def cut(row: tuple[Any, ...]) -> Any:
        return tuple(row[place] for place in at)

    return replace(shown, columns=cut(shown.columns), rows=tuple(map(cut, shown.rows)), raw=tuple(map(cut, shown.raw)))


def without_columns(table: Table, is_left_out: Callable[[Column, bool], bool]) -> Table:
    """Leave columns out of a table; the second argument of ``is_left_out`` says that a column has no value."""
    every = [*table.rows, *(row for row in (table.others, table.total) if row is not None)]
    at = [
        place
        for place, column in enumerate(table.columns)
        if not is_left_out(column, all(row[place] is None for row in every))
    ]

    def cut(row: tuple[Any, ...] | None) -> Any:
        return None if row is None else tuple(row[place] for place in at)

    return replace(
        table,
        columns=cut(table.columns),
        rows=tuple(map(cut, table.rows)),
        others=cut(table.others),
        total=cut(table.total),
    )


def figure_lines(report: Report, section: Section) -> Lines | None:
    """Return the figures of a section as lines of a table; None where they are not drawn as such."""
    if not section.is_list:
        return None
    say = report.words.gettext
    values = [(figure.value, figure.before, figure.change, figure.year) for figure in section.figures]
    labels = (say("this period"), say("previous period"), say("change"), say("year to date"))
    used = [at for at in range(len(labels)) if any(row[at] is not None for row in values)]
    columns = (Column("figure", say("figure"), "text"), *(Column("", labels[at], "count") for at in used))
    rows = tuple(
        (display_text(figure.label), *(_text(row[at]) for at in used))
        for figure, row in zip(section.figures, values, strict=True)
    )
    raw = tuple(
        (figure.label, *(_number(row[at]) for at in used)) for figure, row in zip(section.figures, values, strict=True)
    )
    return Lines(columns, rows, raw, 0, "")


def _text(value: Value | None) -> str:
    return "" if value is None else value.text


def _number(value: Value | None) -> Scalar:
    return None if value is None else value.number


def is_number(column: Column) -> bool:
    """Check whether a column is right-aligned."""
    return column.kind in NUMBERS


def small_sample_note(columns: Sequence[Column]) -> str:
    """Note on the marks of a table; empty where it has none."""
    if not any(column.kind == "mark" for column in columns):
        return ""
    return "Small sample: the 95% interval (Wilson) is wider than 20 points."

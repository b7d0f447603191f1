"""Rows of tables as text, for all formats that people read, and the note on rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polydoc_analytics.reports.model import NUMBERS, Column, Report, Scalar, Table


@dataclass(frozen=True, slots=True)
class Lines:
    """A table as text: its drawn columns, rows of cells, the number of sums at the end, and a note on rows left out."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[tuple[Scalar, ...], ...]
    sums: int
    note: str


def lines(report: Report, table: Table, max_rows: int | None = None) -> Lines:
    """Pick the lines that a drawn format shows of a table: as many as the table says, or ``max_rows``, and its sums."""
    shown = table.shown if max_rows is None else max_rows
    at = [place for place, column in enumerate(table.columns) if not column.only_data]
    columns = tuple(table.columns[place] for place in at)
    last = [one for one in (table.others, table.total) if one is not None]
    raw = tuple(tuple(row[place] for place in at) for row in (*table.rows[:shown], *last))
    rows = tuple(tuple(report.words.text(v, c.kind) for v, c in zip(row, columns, strict=True)) for row in raw)
    note = ""
    if len(table.rows) > shown:
        count = report.words.text(len(table.rows), "count")
        note = f"The first {shown} of {count} {table.noun}; all of them are in the XLSX and JSON forms of this report."
    return Lines(columns, rows, raw, len(last), note)


def is_number(column: Column) -> bool:
    """Check whether a column is right-aligned."""
    return column.kind in NUMBERS


def small_sample_note(columns: Sequence[Column]) -> str:
    """Note on the marks of a table; empty where it has none."""
    if not any(column.kind == "mark" for column in columns):
        return ""
    return "Small sample: the 95% interval (Wilson) is wider than 20 points."

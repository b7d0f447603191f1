"""Rows of tables as text, for all drawn formats, and the line about rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polydoc_analytics.reports.model import NUMBERS, Column, Report, Scalar, Table


@dataclass(frozen=True, slots=True)
class Lines:
    """A table as text: its drawn columns, rows of cells, and of the rows how many at the end are sums."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[tuple[Scalar, ...], ...]
    sums: int
    note: str


def lines(report: Report, table: Table, most: int | None = None) -> Lines:
    """Pick the lines that a drawn format shows of a table.

    A page shows at most ``most`` rows where nothing sums up the others, and paper as many as the table says.
    """
    shown, others = table.shown, table.others
    if most is not None and table.on_pages is not None:
        shown, others = table.on_pages
    elif most is not None and others is None:
        shown = most
    at = [place for place, column in enumerate(table.columns) if not column.only_data]
    columns = tuple(table.columns[place] for place in at)
    last = [one for one in (others, table.total) if one is not None]
    raw = tuple(tuple(row[place] for place in at) for row in (*table.rows[:shown], *last))
    rows = tuple(tuple(report.words.text(v, c.kind) for v, c in zip(row, columns, strict=True)) for row in raw)
    note = ""
    if len(table.rows) > shown:
        count = report.words.text(len(table.rows), "count")
        note = f"The first {shown} of {count} {table.noun}; all of them are in the XLSX and JSON forms of this report."
    return Lines(columns, rows, raw, len(last), note)


def is_number(column: Column) -> bool:
    """Check whether a column's cells stand on the right, aligned on the decimal."""
    return column.kind in NUMBERS


def small_sample_note(columns: Sequence[Column]) -> str:
    """Explain the marks of a table; empty where it has none."""
    if not any(column.kind == "mark" for column in columns):
        return ""
    return "Small sample: the 95% interval (Wilson) is wider than 20 points."

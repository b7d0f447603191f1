"""The figures of a document as they were made, kept with its edition, so that a later one is held against them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import SumError
from polydoc_analytics.reports.model import Report, Table

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

HEADLINE = ("runs", "succeeded_runs", "failed_runs", "credits", "total_tokens")
"""Measures of the whole and of each account, of which every document keeps its own."""

WHOLE, BY_ACCOUNT = "", "by account"
"""The tables that the headline measures stand in."""

_NOT_FIGURES = ("account_name", "language_name", "name", "meaning", "example_id", "file")
"""Columns that word what others say, and change without any figure."""


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one row of a table: where it stands, what it is of, and its values by name."""

    table: str
    key: tuple[str, ...]
    values: Mapping[str, Any]


def figures_of(report: Report, headlines: Iterable[Row]) -> tuple[Row, ...]:
    """Return every figure and table row of a report, after its headline figures."""
    return (*headlines, *_rows(report))


def headlines(db: Database) -> dict[str, Row]:
    """Return the headline measures of the whole (key empty) and of each account, by account id.

    Accounts with numbers that no sum holds are left out.
    """
    try:
        return _headlines(db)
    except SumError as error:
        with db.without(error.accounts) as rest:
            return _headlines(rest)


def _headlines(db: Database) -> dict[str, Row]:
    names = ", ".join(HEADLINE)
    whole = db.fetch(f"select '' as account_id, {names} from usage").rows(named=True)
    parts = db.fetch(f"select account_id, {names} from usage_by_account order by account_id").rows(named=True)
    return {
        row["account_id"]: Row(
            BY_ACCOUNT if row["account_id"] else WHOLE,
            (row["account_id"],) if row["account_id"] else (),
            {name: row[name] for name in HEADLINE},
        )
        for row in (*whole, *parts)
    }


def stored(rows: Iterable[Row]) -> bytes:
    """Return rows as JSON, the same for the same figures."""
    content = [[row.table, list(row.key), dict(row.values)] for row in rows]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def loaded(content: bytes) -> tuple[Row, ...]:
    """Return the rows that :func:`stored` wrote."""
    return tuple(Row(table, tuple(key), values) for table, key, values in json.loads(content))


def _rows(report: Report) -> Iterator[Row]:
    for section in report.sections:
        title = section.title.lower()
        if section.figures:
            yield Row(title, (), {figure.label.lower(): _value(figure.value.number) for figure in section.figures})
        if section.table:
            yield from _table(title, section.table)


def _table(title: str, table: Table) -> Iterator[Row]:
    names = [column.name for column in table.columns]
    keys = ["id"] if "id" in names else [c.name for c in table.columns if c.kind in ("text", "day", "month")]
    keys = [name for name in keys if name not in _NOT_FIGURES] or keys
    seen: dict[tuple[str, ...], int] = {}
    for cells in (*table.rows, *([table.total] if table.total else [])):
        row = dict(zip(names, cells, strict=True))
        key = ("total",) if cells is table.total else tuple(str(row[name]) for name in keys)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key = (*key, str(seen[key]))
        yield Row(title, key, {n: _value(row[n]) for n in names if n not in keys and n not in _NOT_FIGURES})


def _value(value: Any) -> Any:
    return str(value) if isinstance(value, date | Decimal) else value

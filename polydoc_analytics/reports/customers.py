"""The customers of statements: what ``accounts.csv`` says of an account beside its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from polydoc_analytics.config.csv_file import csv_rows
from polydoc_analytics.errors import UsageError
from polydoc_analytics.reports.formatting import checked_locale

_LINE = re.compile(r"line(?:_([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class Customer:
    """A receiver of statements: further lines of its address, and its locale where it has one."""

    lines: tuple[str, ...] = ()
    locale: str = ""


def customers(path: str) -> dict[str, Customer]:
    """Read customers by account id from a CSV: the columns ``language``, and ``line``, ``line_1`` to ``line_99``.

    Raises SourceError where the file cannot be read, UsageError for a language that is none.
    """
    with csv_rows(path) as rows:
        numbered = ((column, _LINE.fullmatch(column)) for column in rows.fieldnames or ())
        columns = sorted((int(match.group(1) or 0), column) for column, match in numbered if match)
        return {row["account_id"]: _customer(path, row, [column for _, column in columns]) for row in rows}


def _customer(path: str, row: dict[str, str | None], columns: list[str]) -> Customer:
    language = (row.get("language") or "").strip()
    lines = tuple(line for column in columns if (line := (row[column] or "").strip()))
    try:
        return Customer(lines, checked_locale(language) if language else "")
    except UsageError as error:
        raise UsageError(f"{path}: account {row['account_id']}: {error}") from None

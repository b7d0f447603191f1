"""The customers of statements: what ``accounts.csv`` says of an account beside its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polydoc_analytics.config.csv_file import rows_by_account
from polydoc_analytics.errors import UsageError
from polydoc_analytics.reports.formatting import checked_locale, one_line

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
    names, rows = rows_by_account(path)
    numbered = ((column, _LINE.fullmatch(column)) for column in names)
    columns = sorted((int(match.group(1) or 0), column) for column, match in numbered if match)
    ordered = [column for _, column in columns]
    return {account: _customer(path, account, row.cells, ordered) for account, row in rows.items()}


def _customer(path: str, account: str, cells: Mapping[str, str], columns: Sequence[str]) -> Customer:
    language = cells.get("language", "").strip()
    lines = tuple(line for column in columns for part in cells[column].splitlines() if (line := one_line(part)))
    try:
        return Customer(lines, checked_locale(language) if language else "")
    except UsageError as error:
        raise UsageError(f"{path}: account {account}: {error}") from None

"""CSV files that the settings name."""

from __future__ import annotations

from typing import NamedTuple

from polydoc_analytics.errors import SourceError, not_utf8
from polydoc_analytics.safe_text import on_one_line

_DELIMITERS = (",", ";", "\t")


class CsvRow(NamedTuple):
    """A row of a CSV: ``path:line`` where it begins, its cells by column, and those that no column is named for."""

    where: str
    cells: dict[str, str]
    further: tuple[str, ...]

    def raise_if_broken(self, *columns: str) -> None:
        """Raise SourceError where a cell has a line break: its quotation mark may be closed some rows too late."""
        texts = "".join((*map(self.cells.__getitem__, columns), *self.further))
        if "\n" in texts or "\r" in texts:
            raise SourceError(f"{self.where}: goes on to another line within quotes; close them where the cell ends")


def csv_rows(path: str) -> tuple[list[str], list[CsvRow]]:
    """Return the columns of a CSV, in lower case, and its rows; commas, semicolons or tabs part the cells.

    Rows without any text are left out, and a cell that a row lacks is empty. Raises SourceError where the file cannot
    be read, is not UTF-8, names a column twice, or has a quotation mark that is not closed where its cell ends.
    """
    import csv
    import io

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    head = text.lstrip("\r\n").splitlines()[:1] or [""]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=head[0].count), strict=True)
    columns: list[str] = []
    rows: list[CsvRow] = []
    line = 1
    try:
        for cells in reader:
            where, line = f"{path}:{line}", reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns:
                missing = [""] * (len(columns) - len(cells))
                further = tuple(cell for cell in cells[len(columns) :] if cell.strip())
                rows.append(CsvRow(where, dict(zip(columns, [*cells, *missing], strict=False)), further))
                continue
            columns = [on_one_line(name.strip().lower()) for name in cells]
            while not columns[-1]:  # spreadsheets write empty columns behind the last
                columns.pop()
            if twice := next((name for name in columns if name and columns.count(name) > 1), None):
                raise SourceError(f"{path}: its header names the column {twice} twice")
    except csv.Error as error:
        reason = "a quotation mark opens a cell and does not close it" if "end of data" in str(error) else error
        raise SourceError(f"{path}:{line}: cannot be read as CSV: {reason}") from None
    return columns, rows


def rows_by_account(path: str) -> tuple[list[str], dict[str, CsvRow]]:
    """Return the columns of a CSV, and its rows by account; no rows where it lacks the column account_id.

    Raises SourceError where it cannot be read as CSV, where a row has no account, or more cells than there are
    columns, and where two rows of an account differ.
    """
    columns, rows = csv_rows(path)
    found: dict[str, CsvRow] = {}
    for row in rows if "account_id" in columns else ():
        account = row.cells["account_id"].strip()
        if not account:
            raise SourceError(f"{row.where}: has no account_id")
        if row.further:
            raise SourceError(f"{row.where}: has more cells than there are columns; put a text with a comma in quotes")
        if row.cells != found.setdefault(account, row).cells:
            first = found[account].where
            raise SourceError(f"{row.where}: account {on_one_line(account)} stands in {first} with something else")
    return columns, found

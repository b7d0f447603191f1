"""The header of a CSV file: its delimiter, and which field fills which column of a run."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.formats import csv_records
from polydoc_analytics.loaders.formats.csv_records import without_bom
from polydoc_analytics.model.schema import BY_KEY, NAMES, REQUIRED

_DELIMITERS = (",", ";", "\t", "|")
_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n|\r|\n|\Z)")
_MAX_BYTES = 1024 * 1024
_SPELLINGS = (
    {column.name.upper(): column for key, column in BY_KEY.items() if key == column.name},
    {key: column for key, column in BY_KEY.items() if key == column.camel},
    {name: BY_KEY[name] for name in NAMES},
)
"""Upper case, camelCase and snake_case; where a header has several of them, the later ones win."""
_COLUMNS = {key: column.name for spelling in _SPELLINGS for key, column in spelling.items()}
_NAMED = re.compile(rb"(?i)account_?id|created_?at|target_?language|input_?file_?id")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^,;|\s]*")
_MAX_BY_CHANCE = 3
"""Fields of a row of data that may be called like a column by chance."""


class Header(NamedTuple):
    """The first record of a CSV file: its text, delimiter, field names, and which field fills which column.

    ``literal_nulls`` are the columns in which an unquoted word for null is a text.
    """

    text: str
    delimiter: str
    names: tuple[str, ...]
    fields: dict[str, int]
    literal_nulls: frozenset[str] = frozenset()

    @property
    def mark(self) -> bytes:
        """The delimiter as bytes."""
        return self.delimiter.encode()


def split_header(block: bytearray, source: str, line: int) -> tuple[Header | None, bytearray, int]:
    """Parse the first line that is not blank as the header; return it, the bytes behind it, and the line they begin on.

    Raises SourceError where it is no header of runs.
    """
    at = 0
    while at < len(block):
        match = _LINE.match(block, at)
        assert match is not None
        at = match.end()
        line += 1
        text = without_bom(match.group(1))
        if text.strip(b" ,;\t|"):
            if len(text) > _MAX_BYTES:
                raise SourceError(f"{source}:{line - 1}: its header is {len(text):,} bytes long")
            return parse_header(text.decode("utf-8", "replace"), source), block[at:], line
    return None, block[:0], line


@lru_cache(maxsize=8)  # each mended or rejected row brings the text of its header
def parse_header(text: str, source: str) -> Header:
    """Parse a header of one line.

    Raises SourceError where it lacks a required column, names one twice, has one that goes on to the next line, or
    holds a time, as where lines end at something else than LF, CR and CRLF: then the first row would be lost.
    """
    header = max((_split(text, delimiter, source) for delimiter in _DELIMITERS), key=lambda split: len(split.fields))
    if csv_records.is_open(text.encode("utf-8", "replace"), header.mark):
        raise SourceError(
            f"{source}: its header {run_parser.show(text)} opens a quotation mark that is not closed on the line; "
            f"write the names of all columns on one line"
        )
    missing = [name for name in REQUIRED if name not in header.fields]
    if missing:
        raise SourceError(
            f"{source}: has no column {', '.join(missing)}; its header is {run_parser.show(text)}, "
            f"a run needs {', '.join(REQUIRED)}"
        )
    if time := _TIME.search(text):
        raise SourceError(
            f"{source}: its header {run_parser.show(text)} holds the time {run_parser.show(time[0])}, so a row stands "
            "on the same line; end each line with LF, CR or CRLF"
        )
    return header


def may_hold_header(rows: bytes | bytearray) -> bool:
    """Check whether rows may contain a second header, as where files were concatenated."""
    return _NAMED.search(rows) is not None


def names_a_column(text: str | None) -> bool:
    """Check whether a field is the name of a column, as the fields of a header are."""
    return text is not None and text.strip() in _COLUMNS


def raise_if_other_header(row: Mapping[str, str | None], where: str) -> None:
    """Raise SourceError where a row, given by column, is a second header with its columns in another order."""
    named = {name: _COLUMNS.get(value.strip()) for name, value in row.items() if value}
    if sum(map(bool, named.values())) > _MAX_BY_CHANCE and any(name != at for name, at in named.items()):
        raise SourceError(
            f"{where}: is another header, with its columns in another order than the first; give the files that were "
            "put together one by one"
        )


def _split(text: str, delimiter: str, source: str) -> Header:
    try:
        names = tuple(name.strip() for name in next(csv.reader([text], delimiter=delimiter)))
    except csv.Error as error:
        raise SourceError(f"{source}: its header cannot be read: {error}") from None
    fields: dict[str, int] = {}
    for spelling in _SPELLINGS:
        for name in spelling:
            if names.count(name) > 1:
                raise SourceError(f"{source}: its header names the column {name} twice")
            if name in names:
                fields[spelling[name].name] = names.index(name)
    return Header(text, delimiter, names, fields)

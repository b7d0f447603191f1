"""Small files, read many at a time, so that ten thousand of one row cost little more than one of ten thousand."""

from __future__ import annotations

import io
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import json_recognition, ndjson, quarantine_file
from polydoc_analytics.loaders.input_file import Input, open_input
from polydoc_analytics.loaders.lines import BLOCK_BYTES
from polydoc_analytics.loaders.streams import archive_of, encoding_of
from polydoc_analytics.loaders.validation import Batch

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 64 * 1024
"""A file of so many bytes is small."""
_MAX_UNPACKED = 16 * MAX_BYTES
_MAX_FILES = 2_000
"""Small tables take several times their bytes in memory."""
_TABLES = ("parquet", "arrow")
_SPACE = " \t\r\n"
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=run_parser.refuse_constant)


class Small(NamedTuple):
    """A small file that can be read together with others of its kind.

    ``rows`` is what is to be read, of ``nbytes``, and ``before`` how many lines stand before that; ``kind`` is what
    files must have in common: the format, a header, a schema. ``size`` is what the file takes where it is stored.
    """

    name: str
    size: int
    kind: Any
    rows: Any
    nbytes: int
    read: Callable[[Sequence[Small], bool], list[Batch]]
    before: int = 0


class Group:
    """Small files that follow each other and are of one kind, until they are as large as a block."""

    def __init__(self, assume_utc: bool) -> None:
        self._assume_utc = assume_utc
        self._files: list[Small] = []
        self._nbytes = 0

    def takes(self, file: Small) -> bool:
        """Check whether a file belongs to the group."""
        if not self._files:
            return True
        is_full = self._nbytes >= BLOCK_BYTES or len(self._files) >= _MAX_FILES
        return not is_full and bool(self._files[0].kind == file.kind)

    def add(self, file: Small) -> None:
        """Take a file in."""
        self._files.append(file)
        self._nbytes += file.nbytes

    def work(self) -> list[Work]:
        """Return the work of reading the files, if there are any; the group is empty then."""
        files, self._files, self._nbytes = self._files, [], 0
        if not files:
            return []
        return [Work(partial(files[0].read, tuple(files), self._assume_utc), sum(file.size for file in files))]


def content_of(file: Input) -> bytes | None:
    """Read a small local file as a whole, unpacked if it is compressed; None where it is not small."""
    if not file.is_local or file.size > MAX_BYTES:
        return None
    with open_input(file) as stream:
        content = _read(stream)
    return content if len(content) <= _MAX_UNPACKED else None


def _read(stream: BinaryIO) -> bytes:
    pieces = io.BytesIO()
    while pieces.tell() <= _MAX_UNPACKED and (piece := stream.read(_MAX_UNPACKED + 1)):
        pieces.write(piece)
    return pieces.getvalue()


class Finder:
    """Finds the files that can be read together with others."""

    def __init__(self, assume_utc: bool) -> None:
        self._assume_utc = assume_utc
        self._tables: Any = None

    def small(self, file: Input, content: bytes) -> Small | None:
        """Return a file as a small one; None where it is to be read by itself, also to say what is wrong with it."""
        if file.format == "ndjson" and _is_lines(content):
            at_returns = ndjson.ends_at_returns(content)
            lines = _ended(ndjson.with_line_feeds(content.removeprefix(BOM_UTF8), at_returns=at_returns))
            return Small(file.name, file.size, "ndjson", lines, len(lines), _read_lines)
        if file.format == "json" and (lines := _runs_as_lines(content)):
            return Small(file.name, file.size, "ndjson", lines, len(lines), _read_lines)
        if file.format == "csv" and not encoding_of(content) and not archive_of(content):
            return _small_csv(file, content)
        if file.format in _TABLES:
            return self._small_table(file, content)
        return None

    def _small_table(self, file: Input, content: bytes) -> Small | None:
        from polydoc_analytics.loaders.formats import arrow

        if self._tables is None:
            self._tables = arrow.SmallTables(self._assume_utc)
        table: pa.Table | None = self._tables.table(content, file.name, is_parquet=file.format == "parquet")
        if table is None:
            return None
        return Small(file.name, file.size, table.schema, table, table.nbytes, _read_tables)


def _is_lines(content: bytes) -> bool:
    """Recognise NDJSON beyond doubt."""
    return (
        content.removeprefix(BOM_UTF8).startswith(b"{")
        and not encoding_of(content)
        and not json_recognition.is_document(content)
        and not quarantine_file.is_quarantine_file(content)
    )


def _runs_as_lines(content: bytes) -> bytes:
    """Bring a JSON document that is a run, or an array of runs, to one line a run; empty where it is anything else."""
    try:
        text = content.removeprefix(BOM_UTF8).decode().strip(_SPACE)
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return b""
    if quarantine_file.is_quarantine_file(content):
        return b""
    if isinstance(value, dict):
        return _on_a_line(text) if _is_flat_run(value) else b""
    if not isinstance(value, list) or not all(map(_is_flat_run, value)):
        return b""
    lines = []
    at = 1
    for _ in value:
        at = len(text) - len(text[at:].lstrip(_SPACE + ","))
        _, end = _DECODER.raw_decode(text, at)
        lines.append(_on_a_line(text[at:end]))
        at = end
    return b"".join(lines)


def _on_a_line(element: str) -> bytes:
    return element.encode().translate(_LINE_ENDS) + b"\n"


def _is_flat_run(value: Any) -> bool:
    """Check whether an element is a run, perhaps not a valid one, beyond doubt: no page, error or table of columns."""
    return (
        isinstance(value, dict)
        and json_recognition.has_keys_of_a_run(value)
        and not any(isinstance(member, dict | list) for member in value.values())
    )


def _ended(content: bytes) -> bytes:
    return content if content.endswith(b"\n") or not content else content + b"\n"


def _read_lines(files: Sequence[Small], assume_utc: bool) -> list[Batch]:
    batches = ndjson.read_block(b"".join([file.rows for file in files]), "", 1, assume_utc)
    _divide(batches, files, [file.rows.count(b"\n") for file in files])
    return batches


def _small_csv(file: Input, content: bytes) -> Small | None:
    from polydoc_analytics.loaders.formats.csv_header import may_hold_header, split_header
    from polydoc_analytics.loaders.formats.csv_parts import Part, columns_with_empty_fields, has_null_word

    try:
        header, rest, line = split_header(bytearray(content), file.name, 1)
    except SourceError:
        return None
    if header is None or may_hold_header(rest):
        return None
    if has_null_word(rest):
        header = header._replace(literal_nulls=columns_with_empty_fields([Part(header, line, rest)]))
    rows = _ended(bytes(rest))
    return Small(file.name, file.size, header, rows, len(rows), _read_csv, line - 1)


def _read_csv(files: Sequence[Small], assume_utc: bool) -> list[Batch]:
    from polydoc_analytics.loaders.formats import csv
    from polydoc_analytics.loaders.formats.csv_records import line_ends

    batches = csv.read_together([file.rows for file in files], files[0].kind, assume_utc)
    _divide(batches, files, [line_ends(file.rows) for file in files])
    return batches


def _read_tables(files: Sequence[Small], assume_utc: bool) -> list[Batch]:
    from polydoc_analytics.loaders.formats import arrow

    batches = arrow.read_together([file.rows for file in files], assume_utc)
    _divide(batches, files, [file.rows.num_rows for file in files])
    return batches


def _divide(batches: Sequence[Batch], files: Sequence[Small], lines: Sequence[int]) -> None:
    names, before = [file.name for file in files], [file.before for file in files]
    for batch in batches:
        batch.divide(names, lines, before)

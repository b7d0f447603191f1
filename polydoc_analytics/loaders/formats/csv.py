"""CSV with a header in snake_case, camelCase or upper case: blocks at once where each record is a good line of its own.

Where a block holds anything else, its records are found first (``csv_records``), and the good ones are read together.
An unquoted empty field is null and ``""`` is an empty text, so that unknown and empty stay apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from polydoc_analytics.loaders import limits, run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import csv_records
from polydoc_analytics.loaders.formats.csv_header import Header, names_a_column, parse_header, raise_if_other_header
from polydoc_analytics.loaders.formats.csv_parts import (
    EMPTY_ALONE,
    Part,
    columns_with_empty_fields,
    count_lines,
    find_records,
    has_null_word,
    is_plain,
    parse_texts,
    parts,
    whole_records,
)
from polydoc_analytics.loaders.formats.csv_records import line_ends
from polydoc_analytics.loaders.integers import integers
from polydoc_analytics.loaders.lines import BLOCK_BYTES, LongLine
from polydoc_analytics.loaders.validation import (
    MAX_RAW_BYTES,
    Batch,
    Rejected,
    RowLocator,
    empty_batch,
    loose_schema,
    truncate,
    with_instants,
)
from polydoc_analytics.model.schema import INTEGERS, NAMES

_MAX_LINES_AT_ONCE = 400_000
"""Usual blocks have a tenth of that; of lines with hardly anything in them, what is known of each would fill memory."""

Reopen = Callable[[], AbstractContextManager[BinaryIO]]


def read(
    stream: BinaryIO,
    source: str,
    *,
    assume_utc: bool = False,
    block_bytes: int = BLOCK_BYTES,
    reopen: Reopen | None = None,
) -> Iterator[Work]:
    """Yield the work of reading each block of records.

    ``reopen`` opens the file again from its beginning: at the first word for null all of it is searched for empty
    fields. A stream that cannot be opened again is judged by its first part, the one with the word and the next.
    Raises SourceError where the header lacks a required column, names one twice or holds a line break.
    """
    file = parts(stream, source, block_bytes)
    waiting: deque[Part] = deque()
    first: Part | None = None
    literal_nulls: frozenset[str] | None = None
    while (part := waiting.popleft() if waiting else next(file, None)) is not None:
        if isinstance(part.block, LongLine):
            yield Work(partial(part.block.batches, source, part.line, part.header.text), len(part.block))
            continue
        first = first or part
        if literal_nulls is None and has_null_word(part.block):
            if reopen is None:
                waiting.extend(islice(file, 1))
                literal_nulls = columns_with_empty_fields([first, part, *waiting])
            else:
                with reopen() as again:
                    literal_nulls = columns_with_empty_fields(parts(again, source, block_bytes))
        header = part.header._replace(literal_nulls=literal_nulls or frozenset())
        reader = Reader(header, source, part.line, assume_utc)
        size = len(part.block) if part.records is None else int(part.records.ends[-1] - part.records.starts[0])
        yield Work(partial(reader.read_part, part), size)


def read_together(blocks: Sequence[bytes], header: Header, assume_utc: bool) -> list[Batch]:
    """Read the rows behind one and the same header in several files, whose lines are counted through.

    Each block must end in a line end; no field goes on from one to the next.
    """
    whole = b"".join(blocks)
    if not whole:
        return []
    part = Part(header, 1, whole)
    if not csv_records.is_line_by_line(whole, header.mark):
        found = [find_records(Part(header, 1, block)) for block in _without_open_fields(blocks, header)]
        part = part._replace(records=csv_records.joined(found))
    return Reader(header, "", 1, assume_utc).read_part(part)


def _without_open_fields(blocks: Sequence[bytes], header: Header) -> Iterator[bytes]:
    """Yield a block alone where a quotation mark may be open at its end, and those between such together."""
    plain: list[bytes] = []
    for block in filter(None, blocks):
        if csv_records.is_line_by_line(block, header.mark):
            plain.append(block)
            continue
        if plain:
            yield b"".join(plain)
            plain = []
        yield block
    if plain:
        yield b"".join(plain)


class Reader:
    """Reads the records of one file under its header, with lines counted from ``first_line``."""

    def __init__(self, header: Header, source: str, first_line: int, assume_utc: bool) -> None:
        self.header = header
        self.source = source
        self.first_line = first_line
        self.assume_utc = assume_utc

    def read_part(self, part: Part) -> list[Batch]:
        """Read the records of a part."""
        if part.records is None and line_ends(part.block) > _MAX_LINES_AT_ONCE:
            middle = len(part.block) // 2
            at = max(part.block.rfind(b"\n", 0, middle), part.block.rfind(b"\r", 0, middle)) + 1
            at += part.block[at - 1 : at + 1] == b"\r\n"
            if at:
                first, second = part.block[:at], part.block[at:]
                behind = Reader(self.header, self.source, self.first_line + line_ends(first), self.assume_utc)
                return [
                    *self.read_part(part._replace(block=first)),
                    *behind.read_part(part._replace(block=second)),
                ]
        return self._read_lines(part) or self._read_records(part)

    def _read_lines(self, part: Part) -> list[Batch]:
        """Read a block at once; nothing where some line is no good record of its own."""
        block = part.block
        texts = self._parse(block, pa.string()) if part.records is None and is_plain(part) else None
        if texts is None or texts.num_rows != count_lines(block) or texts["id"].null_count:
            return []
        raws: list[bytes] = []

        def raw(row: int) -> bytes:
            if not raws:  # few blocks have a row that is asked for
                raws.extend(bytes(block).split(b"\n"))
            return raws[row].rstrip(b"\r")

        place = RowLocator(self.source, lambda row: self.first_line + row, raw, self.header.text)
        return [_batch(texts, place, {}, self.assume_utc)]

    def _read_records(self, part: Part) -> list[Batch]:
        block, found = part.block, find_records(part)
        raws = whole_records(block, found, self.header)
        texts, refused = self._texts(raws)
        is_whole = found.fields == len(self.header.names)
        rejected = [
            Rejected(
                self.source,
                self.first_line + int(found.at_line[row]),
                self._reason(int(found.fields[row]), part),
                truncate(bytes(block[found.starts[row] : min(found.ends[row], found.starts[row] + MAX_RAW_BYTES)])),
                self.header.text,
            )
            for row in np.flatnonzero(~is_whole).tolist()
        ]
        lines = found.at_line[is_whole]
        place = RowLocator(
            self.source,
            lambda row: self.first_line + int(lines[row]),
            lambda row: raws[row],
            self.header.text,
        )
        return [_batch(texts, place, refused, self.assume_utc, rejected)]

    def _reason(self, fields: int, part: Part) -> str:
        if fields == csv_records.TOO_LONG:
            return limits.too_long(part.max_bytes)
        if fields == csv_records.NEVER_CLOSED:
            return "a quotation mark opens a field and does not close it before other rows begin"
        return f"has {fields} fields where the header has {len(self.header.names)}"

    def _texts(self, raws: list[bytes]) -> tuple[pa.Table, dict[int, dict[str, str]]]:
        """Parse good records together; invalid UTF-8 becomes U+FFFD, and an id that holds it is refused."""
        if not raws:
            return pa.table({name: pa.nulls(0, pa.string()) for name in NAMES}), {}
        joined = b"\n".join([*raws, b""])
        texts = self._parse(joined, pa.string())
        if texts is not None and texts.num_rows == len(raws):
            return texts, {}
        octets = self._parse(joined, pa.binary())
        if octets is None or octets.num_rows != len(raws):
            raise AssertionError(f"{len(raws):,} CSV records were found, but not read as such")
        refused: dict[int, dict[str, str]] = {}
        columns = {}
        for name in NAMES:
            values = octets[name].to_pylist()
            decoded = [None if value is None else value.decode("utf-8", "replace") for value in values]
            columns[name] = pa.array(decoded, pa.string())
            if name == "id":
                for row, (value, text) in enumerate(zip(values, decoded, strict=True)):
                    if value is not None and text is not None and text.encode() != value:
                        refused[row] = {name: run_parser.NOT_UTF8}
        return pa.table(columns), refused

    def _parse(self, block: bytes | bytearray, kind: pa.DataType) -> pa.Table | None:
        """Parse a block of good records into texts; words for null are texts in the columns that have empty fields."""
        table = parse_texts(block, self.header, kind)
        if table is None or not self.header.literal_nulls or not has_null_word(block):
            return table
        texts = parse_texts(block, self.header, kind, EMPTY_ALONE)
        assert texts is not None
        return pa.table({name: (texts if name in self.header.literal_nulls else table)[name] for name in NAMES})


def _batch(
    texts: pa.Table,
    place: RowLocator,
    refused: dict[int, dict[str, str]],
    assume_utc: bool,
    rejected: Sequence[Rejected] = (),
) -> Batch:
    """Convert texts to instants and integers."""
    table, bad_instants = with_instants(texts, assume_utc=assume_utc, forms_of_tables=True)
    created = texts["created_at"]
    for row, reasons in bad_instants.items():
        if names_a_column(created[row].as_py()):
            raise_if_other_header(texts.slice(row, 1).to_pylist()[0], f"{place.source}:{place.line(row)}")
        refused.setdefault(row, {}).update(reasons)
    for name in INTEGERS:
        at = NAMES.index(name)
        values, bad_integers = integers(pl.Series(table.column(at)))
        table = table.set_column(at, loose_schema().field(name), values)
        for row, reason in bad_integers.items():
            refused.setdefault(row, {})[name] = reason
    return Batch(table.cast(loose_schema()), place, refused, rejected)


def read_mended(raw: bytes, header_text: str, source: str, line: int, *, assume_utc: bool) -> list[Batch]:
    """Read one record from a quarantine file under the header that it came with."""
    header = parse_header(header_text, source)
    batches = Reader(header, source, line, assume_utc).read_part(Part(header, line, raw))
    if not any(batch.read for batch in batches):  # it was a row once, so it must not vanish as a blank line
        return [empty_batch(Rejected(source, line, "is blank", truncate(raw), header.text))]
    return batches

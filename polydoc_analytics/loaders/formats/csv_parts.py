"""A CSV file in parts: blocks of lines that are records, or records found in a block; and how the file writes null."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import limits
from polydoc_analytics.loaders.formats import csv_records
from polydoc_analytics.loaders.formats.csv_header import Header, split_header
from polydoc_analytics.loaders.formats.csv_records import Records, line_ends, without_bom
from polydoc_analytics.loaders.lines import LongLine, blocks
from polydoc_analytics.model.schema import NAMES, REQUIRED, TEXTS

EMPTY_ALONE = ("",)
NULL_WORDS = ("", "NULL", "\\N")
"""Unquoted texts for null: as most programs write it, and as PostgreSQL and MySQL may."""
_NULL_FIELD = re.compile(rb"(?:\A|[,;\t|\r\n])(?:NULL|\\N)(?:[,;\t|\r\n]|\Z)")


class Part(NamedTuple):
    """Some rows of a file, the first on ``line``: all of a block, each line a record, or ``records`` of it.

    A line that is longer than the longest row is a part of its own.
    """

    header: Header
    line: int
    block: bytes | bytearray
    records: Records | None = None

    @property
    def max_bytes(self) -> int:
        """The size of the longest row that is read, without reading the settings where it cannot matter."""
        return limits.longest_row() if len(self.block) > limits.LEAST_ROW_BYTES else limits.LEAST_ROW_BYTES


def parts(stream: BinaryIO, source: str, block_bytes: int) -> Iterator[Part]:
    """Split a file into parts.

    Raises SourceError where the header lacks a required column, names one twice or holds a line break.
    """
    header: Header | None = None
    line = 1
    rest = bytearray()
    searched = 0
    for block in chain(blocks(stream, block_bytes, return_ends=True), [None]):
        if header is None:
            if isinstance(block, LongLine):
                raise SourceError(f"{source}:{line}: its header is {len(block):,} bytes long or longer")
            header, block, line = split_header(block or bytearray(), source, line)
            if header is None:
                continue
        is_last = block is None or isinstance(block, LongLine)
        if block is not None and not isinstance(block, LongLine):
            if not rest and csv_records.is_line_by_line(block, header.mark):
                if block:
                    yield Part(header, line, block)
                    line += line_ends(block)
                continue
            rest += block
        whole = Part(header, line, rest)
        if rest and (is_last or len(rest) >= 2 * searched or len(rest) > whole.max_bytes):
            found = csv_records.records(rest, header.mark, len(header.names), whole.max_bytes, is_last=is_last)
            for records in _grouped(found, block_bytes):
                yield whole._replace(records=records)
            line += found.lines
            rest = rest[found.size :]
            searched = len(rest)
        if isinstance(block, LongLine):
            yield Part(header, line, block)
            line += 1
    if header is None:
        raise SourceError(f"{source}: has no header; a run needs {', '.join(REQUIRED)}")


def _grouped(records: Records, block_bytes: int) -> Iterator[Records]:
    """Split records into groups of about ``block_bytes``."""
    begin = 0
    while begin < len(records.starts):
        end = max(begin + 1, int(np.searchsorted(records.ends, records.starts[begin] + block_bytes)))
        group = slice(begin, end)
        yield records._replace(
            starts=records.starts[group],
            ends=records.ends[group],
            at_line=records.at_line[group],
            fields=records.fields[group],
        )
        begin = end


def find_records(part: Part) -> Records:
    """Find the records of a part, if they are not known already."""
    header = part.header
    return part.records or csv_records.records(part.block, header.mark, len(header.names), part.max_bytes, is_last=True)


def whole_records(block: bytes | bytearray, records: Records, header: Header) -> list[bytes]:
    """Cut out the records that have as many fields as the header."""
    is_whole = records.fields == len(header.names)
    spans = zip(records.starts[is_whole].tolist(), records.ends[is_whole].tolist(), strict=True)
    texts = [bytes(block[start:end]) for start, end in spans]
    return [without_bom(text) for text in texts] if BOM_UTF8 in block else texts


def count_lines(block: bytes | bytearray) -> int:
    """Count lines that end at LF, a last one without an end too."""
    return block.count(b"\n") + (not block.endswith(b"\n"))


def is_plain(part: Part) -> bool:
    """Check whether pyarrow ends lines where they end: no BOM, no CR alone, no row that is too long."""
    block = part.block
    return len(block) <= part.max_bytes and BOM_UTF8 not in block and block.count(b"\r") == block.count(b"\r\n")


def parse_texts(
    block: bytes | bytearray, header: Header, kind: pa.DataType, nulls: Iterable[str] = NULL_WORDS
) -> pa.Table | None:
    """Parse a block of whole records into a table of texts, one column a column of the Run.

    None where some line is no such record, or where ``kind`` is string and a text is not UTF-8.
    """
    places = [str(place) for place in range(len(header.names))]
    known = {name: str(place) for name, place in header.fields.items()}
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(block),
            pyarrow.csv.ReadOptions(column_names=places, use_threads=False, block_size=len(block) + 1),
            pyarrow.csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(places, kind),
                include_columns=list(known.values()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=list(nulls),
            ),
        )
    except pa.ArrowInvalid:
        return None
    nothing = pa.nulls(table.num_rows, kind)
    return pa.table({name: table[known[name]] if name in known else nothing for name in NAMES})


def has_null_word(block: bytes | bytearray) -> bool:
    """Check whether a block may hold an unquoted word for null."""
    return (b"NULL" in block or b"\\N" in block) and _NULL_FIELD.search(block) is not None


def columns_with_empty_fields(file: Iterable[Part]) -> frozenset[str]:
    """Find the columns of text that have an unquoted empty field.

    A program writes null in one way: where it writes it as an empty field, a word for null in the column is a text.
    """
    columns: set[str] = set()
    for part in file:
        if isinstance(part.block, LongLine):
            continue
        table = parse_texts(part.block, part.header, pa.binary(), EMPTY_ALONE) if _is_simple(part) else None
        if table is None or table.num_rows != count_lines(part.block) or table["id"].null_count:
            texts = whole_records(part.block, find_records(part), part.header)
            table = parse_texts(b"\n".join([*texts, b""]), part.header, pa.binary(), EMPTY_ALONE) if texts else None
        if table is not None:
            columns.update(name for name in TEXTS if name in part.header.fields and table[name].null_count)
        if columns.issuperset(name for name in TEXTS if name in part.header.fields):
            break
    return frozenset(columns)


def _is_simple(part: Part) -> bool:
    return part.records is None and is_plain(part)

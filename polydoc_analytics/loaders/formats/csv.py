"""CSV with a header in snake_case, camelCase or upper case: blocks at once where each record is a good line of its own.

Where a block holds anything else, its records are found first (``csv_records``), and the good ones are read together.
An unquoted empty field is null and ``""`` is an empty text, so that unknown and empty stay apart.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import limits, run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import csv_records
from polydoc_analytics.loaders.formats.csv_records import BOM, Records, line_ends, without_bom
from polydoc_analytics.loaders.lines import BLOCK_BYTES, LongLine, blocks
from polydoc_analytics.loaders.validation import (
    MAX_RAW_BYTES,
    Batch,
    Rejected,
    RowLocator,
    cut,
    loose_schema,
    no_runs,
    with_instants,
)
from polydoc_analytics.model.schema import BY_KEY, COLUMNS, INTEGERS, NAMES, REQUIRED, Column

_DELIMITERS = (",", ";", "\t", "|")
_PLAIN_INTEGER = r"^-?(?:0|[1-9][0-9]{0,17})(?:\.0+)?$"
_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n|\r|\n|\Z)")
_EMPTY = [""]
_NULLS = ["", "NULL", "\\N"]
"""Unquoted texts for null: as most programs write it, and as PostgreSQL and MySQL may."""
_MOST_LINES_AT_ONCE = 400_000
"""Usual blocks have a tenth of that; of lines with hardly anything in them, what is known of each would fill memory."""
_LONGEST_HEADER = 1024 * 1024
_UPPER = {column.name.upper(): column for key, column in BY_KEY.items() if key == column.name}


class Header(NamedTuple):
    """The first record of a CSV file: its text, delimiter, field names, and which field fills which column.

    ``literal`` are the columns in which an unquoted word for null is a text.
    """

    text: str
    delimiter: str
    names: tuple[str, ...]
    fields: dict[str, int]
    literal: frozenset[str] = frozenset()

    @property
    def mark(self) -> bytes:
        """The delimiter as it stands in the file."""
        return self.delimiter.encode()


def read(stream: BinaryIO, source: str, *, assume_utc: bool = False, block_bytes: int = BLOCK_BYTES) -> Iterator[Work]:
    """Yield the work of reading each block of records.

    Raises SourceError where the header lacks a required column, names one twice or holds a line break.
    """
    header: Header | None = None
    line = 1
    rest = bytearray()
    looked_at = 0
    for block in chain(blocks(stream, block_bytes, return_ends=True), [None]):
        if header is None:
            if isinstance(block, LongLine):
                raise SourceError(f"{source}:{line}: its header is {len(block):,} bytes long or longer")
            header, block, line = begun(block or bytearray(), source, line)
            if header is None:
                continue
        is_last = block is None or isinstance(block, LongLine)
        if block is not None and not isinstance(block, LongLine):
            if not rest and csv_records.is_line_by_line(block, header.mark):
                if block:
                    reader = Reader(header, source, line, assume_utc, _longest(block))
                    yield Work(partial(reader.read_block, block), len(block))
                    line += line_ends(block)
                continue
            rest += block
        if rest and (is_last or len(rest) >= 2 * looked_at or len(rest) > _longest(rest)):
            longest = _longest(rest)
            found = csv_records.records(rest, header.mark, len(header.names), longest, is_last=is_last)
            reader = Reader(header, source, line, assume_utc, longest)
            for piece in _pieces(found, block_bytes):
                size = int(piece.ends[-1] - piece.starts[0])
                yield Work(partial(reader.read_records, rest, piece), size)
            line += found.lines
            rest = rest[found.size :]
            looked_at = len(rest)
        if isinstance(block, LongLine):
            yield Work(partial(block.batches, source, line, header.text), len(block))
            line += 1
    if header is None:
        raise SourceError(f"{source}: has no header; a run needs {', '.join(REQUIRED)}")


def read_together(blocks: Sequence[bytes], header: Header, assume_utc: bool) -> list[Batch]:
    """Read the rows behind one and the same header in several files, whose lines are counted through.

    Each block must end in a line end; no field goes on from one to the next.
    """
    whole = b"".join(blocks)
    if not whole:
        return []
    reader = Reader(header, "", 1, assume_utc, _longest(whole))
    if csv_records.is_line_by_line(whole, header.mark):
        return reader.read_block(whole)
    found = [
        csv_records.records(part, header.mark, len(header.names), reader.longest, is_last=True)
        for part in _parted(blocks, header)
    ]
    return reader.read_records(whole, csv_records.joined(found))


def _parted(blocks: Sequence[bytes], header: Header) -> Iterator[bytes]:
    """Yield blocks by themselves where a mark may be open at their end, and together where none is."""
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


def _longest(block: bytes | bytearray) -> int:
    """Return the size of the longest row that is read, asking the settings only where it can matter."""
    return limits.longest_row() if len(block) > limits.LEAST_ROW_BYTES else limits.LEAST_ROW_BYTES


def _pieces(found: Records, block_bytes: int) -> Iterator[Records]:
    """Part records into groups of about ``block_bytes``."""
    begin = 0
    while begin < len(found.starts):
        end = max(begin + 1, int(np.searchsorted(found.ends, found.starts[begin] + block_bytes)))
        part = slice(begin, end)
        yield found._replace(
            starts=found.starts[part], ends=found.ends[part], at_line=found.at_line[part], fields=found.fields[part]
        )
        begin = end


def begun(block: bytearray, source: str, line: int) -> tuple[Header | None, bytearray, int]:
    """Read the header, the first line that is not blank; return it, what is behind it, and the line that this is.

    Raises SourceError where it is none of runs.
    """
    at = 0
    while at < len(block):
        found = _LINE.match(block, at)
        assert found is not None
        at = found.end()
        line += 1
        text = without_bom(found.group(1))
        if text.strip(b" ,;\t|"):
            if len(text) > _LONGEST_HEADER:
                raise SourceError(f"{source}:{line - 1}: its header is {len(text):,} bytes long")
            header, rest = parse_header(text.decode("utf-8", "replace"), source), block[at:]
            return header._replace(literal=_literal_nulls(rest, header, source)), rest, line
    return None, block[:0], line


def _literal_nulls(sample: bytearray, header: Header, source: str) -> frozenset[str]:
    """Return the columns of text in which a word for null stands beside empty fields, so that it is a text there.

    A program writes null in one way; the first MiB of a file shows in which.
    """
    if not _has_null_word(sample):
        return frozenset()
    reader = Reader(header, source, 1, False, _longest(sample))
    found = csv_records.records(sample, header.mark, len(header.names), reader.longest, is_last=True)
    raws = reader.good(sample, found)
    tables = [_parse_kind(b"\n".join([*raws, b""]), header, pa.binary(), nulls) for nulls in (_EMPTY, _NULLS)]
    if not raws or tables[0] is None or tables[1] is None:
        return frozenset()
    empty, all_nulls = ({name: table[name].null_count for name in NAMES} for table in tables if table is not None)
    texts = (column.name for column in COLUMNS if column.kind == "text")
    return frozenset(name for name in texts if 0 < empty[name] < all_nulls[name])


def _has_null_word(block: bytes | bytearray) -> bool:
    return b"NULL" in block or b"\\N" in block


def parse_header(text: str, source: str) -> Header:
    """Read a header of one line.

    Raises SourceError where it lacks a required column, names one twice, or has one that goes on to the next line.
    """
    header = max((_header(text, delimiter, source) for delimiter in _DELIMITERS), key=lambda one: len(one.fields))
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
    return header


def _header(text: str, delimiter: str, source: str) -> Header:
    try:
        names = tuple(name.strip() for name in next(csv.reader([text], delimiter=delimiter)))
    except csv.Error as error:
        raise SourceError(f"{source}: its header cannot be read: {error}") from None
    fields: dict[str, int] = {}
    # The later ones win: snake_case over camelCase, and that over upper case.
    for spelling in (_UPPER, _camel(), {name: BY_KEY[name] for name in NAMES}):
        for name in spelling:
            if names.count(name) > 1:
                raise SourceError(f"{source}: its header names the column {name} twice")
            if name in names:
                fields[spelling[name].name] = names.index(name)
    return Header(text, delimiter, names, fields)


def _camel() -> dict[str, Column]:
    return {key: column for key, column in BY_KEY.items() if key == column.camel}


class Reader:
    """The reading of records of one file, whose lines are counted from ``first_line``."""

    def __init__(self, header: Header, source: str, first_line: int, assume_utc: bool, longest: int) -> None:
        self.header = header
        self.source = source
        self.first_line = first_line
        self.assume_utc = assume_utc
        self.longest = longest

    def read_block(self, block: bytes | bytearray) -> list[Batch]:
        """Read a block of whole records."""
        if line_ends(block) > _MOST_LINES_AT_ONCE:
            at = max(block.rfind(b"\n", 0, len(block) // 2), block.rfind(b"\r", 0, len(block) // 2)) + 1
            at += block[at - 1 : at + 1] == b"\r\n"
            behind = Reader(
                self.header, self.source, self.first_line + line_ends(block[:at]), self.assume_utc, self.longest
            )
            return [*self.read_block(block[:at]), *behind.read_block(block[at:])] if at else self._read_lines(block)
        return self._read_lines(block)

    def _read_lines(self, block: bytes | bytearray) -> list[Batch]:
        texts = None
        if len(block) <= self.longest and BOM not in block and block.count(b"\r") == block.count(b"\r\n"):
            texts = _parse(block, self.header)
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if texts is None or texts.num_rows != lines or texts["id"].null_count:
            found = csv_records.records(block, self.header.mark, len(self.header.names), self.longest, is_last=True)
            return self.read_records(block, found)
        raws: list[bytes] = []

        def raw(row: int) -> bytes:
            if not raws:  # few blocks have a row that is asked for
                raws.extend(bytes(block).split(b"\n"))
            return raws[row].rstrip(b"\r")

        place = RowLocator(self.source, lambda row: self.first_line + row, raw, self.header.text)
        return [_batch(texts, place, {}, self.assume_utc)]

    def read_records(self, block: bytes | bytearray, found: Records) -> list[Batch]:
        """Read records of a block."""
        raws = self.good(block, found)
        texts, refused = self._texts(raws)
        bad = np.flatnonzero(found.fields != len(self.header.names))
        rejected = [
            Rejected(
                self.source,
                self.first_line + int(found.at_line[row]),
                self._reason(int(found.fields[row])),
                cut(bytes(block[found.starts[row] : min(found.ends[row], found.starts[row] + MAX_RAW_BYTES)])),
                self.header.text,
            )
            for row in bad.tolist()
        ]
        lines = found.at_line[found.fields == len(self.header.names)]
        place = RowLocator(
            self.source,
            lambda row: self.first_line + int(lines[row]),
            lambda row: raws[row],
            self.header.text,
        )
        return [_batch(texts, place, refused, self.assume_utc, rejected)]

    def good(self, block: bytes | bytearray, found: Records) -> list[bytes]:
        """Return the records that have as many fields as the header."""
        good = found.fields == len(self.header.names)
        spans = zip(found.starts[good].tolist(), found.ends[good].tolist(), strict=True)
        raws = [bytes(block[a:b]) for a, b in spans]
        return [without_bom(raw) for raw in raws] if BOM in block else raws

    def _reason(self, fields: int) -> str:
        if fields == csv_records.TOO_LONG:
            return limits.too_long(self.longest)
        if fields == csv_records.NEVER_CLOSED:
            return "a quotation mark opens a field and does not close it before other rows begin"
        return f"has {fields} fields where the header has {len(self.header.names)}"

    def _texts(self, raws: list[bytes]) -> tuple[pa.Table, dict[int, dict[str, str]]]:
        """Read good records together; bytes that are not UTF-8 become U+FFFD, and an id that holds them is refused."""
        if not raws:
            return pa.table({name: pa.nulls(0, pa.string()) for name in NAMES}), {}
        joined = b"\n".join([*raws, b""])
        texts = _parse(joined, self.header)
        if texts is not None and texts.num_rows == len(raws):
            return texts, {}
        found = _parse(joined, self.header, pa.binary())
        if found is None or found.num_rows != len(raws):
            raise AssertionError(f"{len(raws):,} CSV records were found, but not read as such")
        refused: dict[int, dict[str, str]] = {}
        columns = {}
        for name in NAMES:
            values = found[name].to_pylist()
            mended = [None if value is None else value.decode("utf-8", "replace") for value in values]
            columns[name] = pa.array(mended, pa.string())
            if name == "id":
                for row, (value, text) in enumerate(zip(values, mended, strict=True)):
                    if value is not None and text is not None and text.encode() != value:
                        refused[row] = {name: run_parser.NOT_UTF8}
        return pa.table(columns), refused


def _parse(block: bytes | bytearray, header: Header, kind: pa.DataType | None = None) -> pa.Table | None:
    """Return the known fields of a block of good records as texts; None where it is none, or not UTF-8."""
    kind = kind or pa.string()
    table = _parse_kind(block, header, kind, _NULLS)
    if table is not None and header.literal and _has_null_word(block):
        texts = _parse_kind(block, header, kind, _EMPTY)
        assert texts is not None
        table = pa.table({name: (texts if name in header.literal else table)[name] for name in NAMES})
    return table


def _parse_kind(block: bytes | bytearray, header: Header, kind: pa.DataType, nulls: list[str]) -> pa.Table | None:
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
                null_values=nulls,
            ),
        )
    except pa.ArrowInvalid:
        return None
    nothing = pa.nulls(table.num_rows, kind)
    return pa.table({name: table[known[name]] if name in known else nothing for name in NAMES})


def _batch(
    texts: pa.Table,
    place: RowLocator,
    refused: dict[int, dict[str, str]],
    assume_utc: bool,
    rejected: Sequence[Rejected] = (),
) -> Batch:
    """Turn texts into instants and integers."""
    table, bad_instants = with_instants(texts, assume_utc=assume_utc, forms_of_tables=True)
    for row, reasons in bad_instants.items():
        refused.setdefault(row, {}).update(reasons)
    for name in INTEGERS:
        at = NAMES.index(name)
        values, bad_integers = integers(pl.Series(table.column(at)))
        table = table.set_column(at, loose_schema().field(name), values)
        for row, reason in bad_integers.items():
            refused.setdefault(row, {})[name] = reason
    return Batch(table.cast(loose_schema()), place, refused, rejected)


def integers(texts: pl.Series) -> tuple[pa.Array | pa.ChunkedArray, dict[int, str]]:
    """Return an int64 array of number texts, and by row why one is refused (its integer is null)."""
    plain = texts.str.contains(_PLAIN_INTEGER)
    values = pl.select(pl.when(plain).then(texts.str.replace(r"\.0+$", ""))).to_series().cast(pl.Int64, strict=False)
    left = (texts.is_not_null() & values.is_null()).arg_true()
    refused: dict[int, str] = {}
    judged: list[int | None] = []
    for row, text in zip(left.to_list(), texts.gather(left).to_list(), strict=True):
        try:
            judged.append(run_parser.integer(text))
        except run_parser.Refusal as refusal:
            judged.append(None)
            refused[row] = str(refusal)
    return values.scatter(left, pl.Series(judged, dtype=pl.Int64)).to_arrow(), refused


def read_mended(raw: bytes, header_text: str, source: str, line: int, *, assume_utc: bool) -> list[Batch]:
    """Read one record from a quarantine file under the header that it came with."""
    header = parse_header(header_text, source)
    batches = Reader(header, source, line, assume_utc, _longest(raw)).read_block(raw)
    if not any(batch.read for batch in batches):  # it was a row once, so it must not vanish as a blank line
        return [no_runs(Rejected(source, line, "is blank", cut(raw), header.text))]
    return batches

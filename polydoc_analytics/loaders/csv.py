"""CSV with a header in snake_case or camelCase: blocks at once where a record is a line, else record by record.

An unquoted empty field is null and ``""`` is an empty text, so that unknown and empty stay apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.csv

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import wire
from polydoc_analytics.loaders.batches import Batch, Place, Rejected, cut, loose_schema, with_instants
from polydoc_analytics.loaders.ndjson import BLOCK_BYTES
from polydoc_analytics.loaders.work import Work
from polydoc_analytics.schema import BY_KEY, INTEGERS, NAMES, REQUIRED

_DELIMITERS = (",", ";", "\t", "|")
_PLAIN_INTEGER = r"^-?(?:0|[1-9][0-9]{0,17})(?:\.0+)?$"
_MOST_RECORD_BYTES = 64 * 1024 * 1024


class Header(NamedTuple):
    """The first record of a CSV file: its text, delimiter, field names, and which field fills which column."""

    text: str
    delimiter: str
    names: tuple[str, ...]
    fields: dict[str, int]


def read(stream: BinaryIO, source: str, *, assume_utc: bool = False, block_bytes: int = BLOCK_BYTES) -> Iterator[Work]:
    """Yield the work of reading each block of records.

    Raises SourceError where the header lacks a required column or names one twice.
    """
    header: Header | None = None
    line = 1
    for block in _blocks(stream, block_bytes):
        if header is None:
            first, block = _first_record(block.removeprefix(b"\xef\xbb\xbf"))
            header = parse_header(first.decode("utf-8", "replace").rstrip("\r\n"), source)
            line += first.count(b"\n")
        if block:
            yield Work(partial(_read_block, block, header, source, line, assume_utc), len(block))
        line += block.count(b"\n")


def parse_header(text: str, source: str) -> Header:
    """Read a header; raises SourceError where it lacks a required column or names one twice."""
    best: Header | None = None
    for delimiter in _DELIMITERS:
        names = tuple((name or "").strip() for name in _fields(text, delimiter))
        known = [name for name in names if name in BY_KEY]
        twice = next((name for name in known if known.count(name) > 1), None)
        if twice:
            raise SourceError(f"{source}: its header names the column {twice} twice")
        fields = {BY_KEY[name].name: names.index(name) for name in sorted(known, key=lambda n: n in NAMES)}
        if best is None or len(fields) > len(best.fields):
            best = Header(text, delimiter, names, fields)
    assert best is not None
    missing = [name for name in REQUIRED if name not in best.fields]
    if missing:
        raise SourceError(
            f"{source}: has no column {', '.join(missing)}; its header is {wire.show(text)}, "
            f"a run needs {', '.join(REQUIRED)}"
        )
    return best


def _blocks(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """Yield the stream in blocks that end where a record does: at a line's end outside quotation marks."""
    rest = b""
    while chunk := stream.read(block_bytes):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        open_marks = rest.count(b'"', 0, end) % 2
        while end and open_marks:
            before = rest.rfind(b"\n", 0, end - 1) + 1
            open_marks ^= rest.count(b'"', before, end) % 2
            end = before
        if not end and len(rest) > _MOST_RECORD_BYTES:  # a stray quotation mark, not a record of this size
            end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _records(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each record with the number of its first line within the block."""
    held = b""
    start = 0
    for number, line in enumerate(block.splitlines(keepends=True) if b"\r" not in block else _lines(block)):
        if not held:
            start = number
        held += line
        if held.count(b'"') % 2 == 0:
            yield start, held
            held = b""
    if held:
        yield start, held


def _lines(block: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in block.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _first_record(block: bytes) -> tuple[bytes, bytes]:
    _, first = next(_records(block), (0, b""))
    return first, block[len(first) :]


def _fields(text: str, delimiter: str) -> list[str | None]:
    """Part a record into its fields; an unquoted empty field is None."""
    fields: list[str | None] = []
    pattern = _field_pattern(delimiter)
    at = 0
    while True:
        match = pattern.match(text, at)
        if match is None:  # pragma: no cover - the pattern admits any text
            raise ValueError(text)
        quoted, more, bare = match.groups()
        fields.append(quoted.replace('""', '"') + more if quoted is not None else bare or None)
        at = match.end() + 1
        if at > len(text):
            return fields


def _field_pattern(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    return re.compile(rf'"((?:[^"]|"")*)"([^{mark}]*)|([^{mark}]*)', re.DOTALL)


def _read_block(block: bytes, header: Header, source: str, first_line: int, assume_utc: bool) -> list[Batch]:
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    texts = _parse(block, header)
    if texts is not None and texts.num_rows == lines:
        raws = block.split(b"\n")
        place = Place(source, lambda row: first_line + row, lambda row: cut(raws[row].rstrip(b"\r")), header.text)
        return [_batch(texts, place, {}, assume_utc)]
    return _one_by_one(block, header, source, first_line, assume_utc)


def _parse(block: bytes, header: Header) -> pa.Table | None:
    """Return the block's known fields as texts; None where a record is not a plain line."""
    if block.startswith((b"\n", b"\r")) or b"\n\n" in block or b"\n\r" in block:
        return None
    try:
        places = [str(place) for place in range(len(header.names))]
        known = {name: str(place) for name, place in header.fields.items()}
        table = pyarrow.csv.read_csv(
            pa.py_buffer(block),
            pyarrow.csv.ReadOptions(column_names=places, use_threads=False, block_size=len(block) + 1),
            pyarrow.csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()),
                include_columns=list(known.values()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid:
        return None
    nothing = pa.nulls(table.num_rows, pa.string())
    return pa.table({name: table[known[name]] if name in known else nothing for name in NAMES})


def _one_by_one(block: bytes, header: Header, source: str, first_line: int, assume_utc: bool) -> list[Batch]:
    rows: list[list[str | None]] = []
    places: list[tuple[int, bytes]] = []
    refused: dict[int, dict[str, str]] = {}
    rejected: list[Rejected] = []
    for number, record in _records(block):
        raw = record.rstrip(b"\r\n")
        if not raw:
            continue
        values = _fields(raw.decode("utf-8", "replace"), header.delimiter)
        if len(values) != len(header.names):
            reason = f"has {len(values)} fields where the header has {len(header.names)}"
            rejected.append(Rejected(source, first_line + number, reason, cut(raw), header.text))
            continue
        if "\ufffd" in (values[header.fields["id"]] or "") and _has_invalid_id(raw, header):
            refused[len(rows)] = {"id": "holds bytes that are not UTF-8, so two ids could become one"}
        rows.append([values[header.fields[name]] if name in header.fields else None for name in NAMES])
        places.append((first_line + number, raw))
    columns = zip(*rows, strict=True) if rows else [()] * len(NAMES)
    texts = pa.table([pa.array(column, pa.string()) for column in columns], names=list(NAMES))
    place = Place(source, lambda row: places[row][0], lambda row: cut(places[row][1]), header.text)
    return [_batch(texts, place, refused, assume_utc, rejected)]


def _has_invalid_id(raw: bytes, header: Header) -> bool:
    value = _fields(raw.decode("utf-8", "surrogateescape"), header.delimiter)[header.fields["id"]] or ""
    return any("\udc80" <= character <= "\udcff" for character in value)


def _batch(
    texts: pa.Table,
    place: Place,
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
            judged.append(wire.integer(text))
        except wire.Refusal as refusal:
            judged.append(None)
            refused[row] = str(refusal)
    return values.scatter(left, pl.Series(judged, dtype=pl.Int64)).to_arrow(), refused


def read_mended(raw: bytes, header_text: str, source: str, line: int, *, assume_utc: bool) -> list[Batch]:
    """Read one record from a quarantine file under the header that it came with."""
    header = parse_header(header_text, source)
    return _read_block(raw, header, source, line, assume_utc)

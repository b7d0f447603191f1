"""Newline-delimited JSON: blocks of lines through ever slower and more general readers, all of them strict.

First comes the reader of one layout (``layout``), which takes nearly every line that a program has written. What it
leaves goes to pyarrow's reader with an explicit schema. Where that stops, a pattern sorts the lines into those of the
plain form, which are parsed together again, and the others, which are judged one by one. What pyarrow is too lenient
about is guarded here: two objects on a line, an object over two lines, invalid UTF-8, NaN under keys that are not read.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa

from polydoc_analytics.loaders import limits, run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats.ndjson_vectorized import fixed_width, layout
from polydoc_analytics.loaders.lines import BLOCK_BYTES as BLOCK_BYTES
from polydoc_analytics.loaders.lines import LongLine, blocks
from polydoc_analytics.loaders.streams import peek
from polydoc_analytics.loaders.validation import (
    MAX_RAW_BYTES,
    Batch,
    Rejected,
    RowLocator,
    reason_of_row,
    table_of,
    truncate,
    with_instants,
)
from polydoc_analytics.model.schema import COLUMNS, NAMES

if TYPE_CHECKING:
    from pyarrow import json as arrow_json

_JOINT_OF_RETURN = re.compile(rb"(\}[ \t]*)\r(?!\n)(?=[ \t\r]*\{)")
"""The end of a line between two objects in a file whose lines end at CR alone."""
_RETURN_ALONE = re.compile(rb"\r(?!\n)")
_NEWLINE, _RETURN = 10, 13
_FEW_LINES = 16
"""So few lines are judged one by one rather than parsed together."""
_MAX_PARSES = 500
"""How often a block may be parsed again around lines that only look plain before the rest goes line by line."""
_MAX_LINES_AT_ONCE = 20_000
_SHORT_LINE = 100
_LOOKED_AT = 64 * 1024
"""Counting all lines of a block takes up to a tenth of its reading; its beginning shows how long they are."""

_Octets = TypeVar("_Octets", bytes, bytearray)
Offsets = np.ndarray[tuple[int], np.dtype[np.int64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def read(stream: BinaryIO, source: str, *, assume_utc: bool = False, block_bytes: int = BLOCK_BYTES) -> Iterator[Work]:
    """Yield the work of reading each block of lines; blank lines and a BOM at the start count as nothing.

    Lines end at LF or CRLF, and at CR alone where an object ends before it and another begins behind it.
    """
    is_first = True
    head, stream = peek(stream)
    at_returns = ends_at_returns(head)
    for block in blocks(stream, block_bytes, return_ends=at_returns):
        if isinstance(block, LongLine):
            is_first = False
            yield Work(partial(block.batches, source, 1), len(block), is_counted_from_1=True)
            continue
        if is_first and block.startswith(BOM_UTF8):
            del block[: len(BOM_UTF8)]
        is_first = False
        for part in _of_few_lines(with_line_feeds(block, at_returns=at_returns)):
            run = partial(read_block, part, source, 1, assume_utc)
            yield Work(run, len(part), is_counted_from_1=True, takes_turns=True)


def ends_at_returns(head: bytes) -> bool:
    """Recognise lines that end at CR alone, by the beginning of a file."""
    return b"\n" not in head and _JOINT_OF_RETURN.search(head) is not None


def with_line_feeds(block: _Octets, *, at_returns: bool) -> _Octets:
    """End lines at a line feed that end at CR alone: all of them, or where one object ends and another begins."""
    if b"\r" not in block or block.count(b"\r") == block.count(b"\r\n"):
        return block
    pattern, end = (_RETURN_ALONE, b"\n") if at_returns else (_JOINT_OF_RETURN, rb"\1\n")
    return type(block)(pattern.sub(end, block))


def _of_few_lines(block: bytearray) -> Iterator[bytearray]:
    """Part a block of very many lines, for each may be refused and then take much more memory."""
    start = 0
    if block.count(b"\n", 0, _LOOKED_AT) * _SHORT_LINE > min(len(block), _LOOKED_AT):
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE) + 1
        for end in ends[_MAX_LINES_AT_ONCE - 1 :: _MAX_LINES_AT_ONCE].tolist():
            yield block[start:end]
            start = end
    if start < len(block):
        yield block[start:] if start else block


def read_block(block: bytes | bytearray, source: str, first_line: int, assume_utc: bool) -> list[Batch]:
    """Read one block of lines, the first of which is line ``first_line`` of the source."""
    return _Block(block, source, first_line, assume_utc).read()


class _Block:
    """One block of lines: read at once where all of it is plain, else by pieces around the lines that are not."""

    def __init__(self, block: bytes | bytearray, source: str, first_line: int, assume_utc: bool) -> None:
        self.block = block
        self.source = source
        self.first_line = first_line
        self.assume_utc = assume_utc
        self.octets = np.frombuffer(block, np.uint8)
        self.ends: Offsets = np.empty(0, np.int64)

    def read(self) -> list[Batch]:
        """Return the block's rows; their order is not that of the lines where some lines were judged alone."""
        ends = np.flatnonzero(self.octets == _NEWLINE) + 1
        self.ends = ends if self.block.endswith(b"\n") else np.append(ends, len(self.block))
        starts, last, is_plain = self._shape_of_lines()
        too_long = self._too_long(last - starts)
        is_plain[too_long] = False
        tables, numbers = self._by_shape_and_layout(starts, last, is_plain)
        left = np.ones(len(self.ends), bool)
        left[numbers] = False
        left[too_long] = False
        refused: dict[int, dict[str, str]] = {}
        alone = np.flatnonzero(left).tolist()
        if len(alone) > _FEW_LINES:
            together, others, alone = self._by_pieces(np.flatnonzero(left & is_plain))
            alone += np.flatnonzero(left & ~is_plain).tolist()
            together, bad_instants = with_instants(together, assume_utc=self.assume_utc)
            refused = {len(numbers) + row: reasons for row, reasons in bad_instants.items()}
            tables.append(together)
            numbers = np.concatenate((numbers, others))
        return [self._checked(tables, numbers, refused, alone, too_long.tolist())]

    def _too_long(self, lengths: Offsets) -> Offsets:
        """Return the numbers of the lines that are longer than the longest row."""
        if lengths.max(initial=0) <= limits.LEAST_ROW_BYTES:
            return self.ends[:0]
        return np.flatnonzero(lengths > limits.longest_row())

    def line(self, number: int) -> bytes:
        """Return the bytes of a line of this block, counted from 0, without its end."""
        return bytes(self.block[self._start(number) : int(self.ends[number])]).rstrip(b"\r\n")

    def _raw(self, number: int) -> bytes:
        start, end = self._start(number), int(self.ends[number])
        return bytes(self.block[start : min(end, start + MAX_RAW_BYTES)]).rstrip(b"\r\n")

    def _start(self, number: int) -> int:
        return int(self.ends[number - 1]) if number else 0

    def _shape_of_lines(self) -> tuple[Offsets, Offsets, Mask]:
        """Return where each line starts and ends, its line end left out, and whether it is {…} in valid UTF-8.

        Between such lines no object can reach from one line to the next: a row is a line.
        """
        ends, octets = self.ends, self.octets
        starts = np.concatenate((ends[:0], [0], ends[:-1]))
        last = ends - (octets[ends - 1] == _NEWLINE)
        last -= (last > starts) & (octets[last - 1] == _RETURN)
        is_plain = (octets[starts] == ord("{")) & (octets[last - 1] == ord("}")) & (last - starts > 1)
        if not _is_utf8(self.block):
            for number in np.flatnonzero(np.maximum.reduceat(octets, starts) >= 0x80).tolist():
                is_plain[number] &= _is_utf8(self.line(number))
        return starts, last, is_plain

    def _by_shape_and_layout(self, starts: Offsets, last: Offsets, is_plain: Mask) -> tuple[list[pa.Table], Offsets]:
        """Decode the lines that array arithmetic can read; return their rows and numbers."""
        usual, numbers = fixed_width.decode(self.block, starts, last, is_plain)
        if usual is None:
            block, others = self.block, np.arange(len(starts))
        else:
            is_other = np.ones(len(starts), bool)
            is_other[numbers] = False
            others = np.flatnonzero(is_other)
            if not len(others):
                return [usual], numbers
            lengths = self.ends[others] - starts[others]
            block = self._joined(others) + b" " * layout.MARGIN
            is_plain = is_plain[others]
            last = np.cumsum(lengths) - (self.ends - last)[others]
            starts = np.cumsum(lengths) - lengths
        table, found = layout.decode(block, starts, last, is_plain)
        tables = [one for one in (usual, table) if one is not None]
        return tables, np.concatenate((numbers, others[found]))

    def _by_pieces(self, even: Offsets) -> tuple[pa.Table, Offsets, list[int]]:
        """Parse plain lines together; return their rows (instants as text), their numbers, and lines left alone.

        Where some line stops the parser, those of the plain form are sorted out and parsed again.
        """
        tables = [_wire_schema().empty_table()]
        numbers: list[Offsets] = [even[:0]]
        alone: list[int] = []
        stack = [even] if len(even) else []
        parses = 0
        while stack:
            part = stack.pop()
            parsed = _parse(self._joined(part), len(part))
            parses += 1
            if isinstance(parsed, pa.Table):
                tables.append(parsed)
                numbers.append(part)
            elif len(part) <= _FEW_LINES or parses > _MAX_PARSES:
                alone.extend(part.tolist())
            elif parses == 1:
                has_form = _has_plain_form(self._joined(part))
                alone.extend(part[~has_form].tolist())
                stack.append(part[has_form])
            else:
                stack += np.array_split(part, 2)
        table, mixed = _one_spelling(pa.concat_tables(tables), self.block)
        parsed_numbers = np.concatenate(numbers)
        if len(mixed):
            alone += parsed_numbers[mixed].tolist()
            keep = np.delete(np.arange(len(parsed_numbers)), mixed)
            table, parsed_numbers = table.take(keep), parsed_numbers[keep]
        return table, parsed_numbers, alone

    def _joined(self, numbers: Offsets) -> bytes:
        """Return lines, given in order, as one block."""
        starts = np.where(numbers > 0, self.ends[numbers - 1], 0)
        with memoryview(self.block) as block:
            return b"".join([block[a:b] for a, b in zip(starts.tolist(), self.ends[numbers].tolist(), strict=True)])

    def _checked(
        self,
        tables: list[pa.Table],
        numbers: Offsets,
        refused: dict[int, dict[str, str]],
        alone: list[int],
        too_long: list[int],
    ) -> Batch:
        """Check the rows that were read together and those of the lines left, which are judged one by one."""
        fields: list[dict[str, Any]] = []
        lines: list[int] = []
        reason = limits.too_long(limits.longest_row()) if too_long else ""
        rejected = [
            Rejected(self.source, self.first_line + number, reason, truncate(self._raw(number))) for number in too_long
        ]
        for number in sorted(alone):
            raw = self.line(number)
            if not raw.strip(b" \t\r"):
                continue
            try:
                values, reasons = run_parser.run_fields(raw, assume_utc=self.assume_utc)
                reason = reason_of_row(reasons)
            except run_parser.Refusal as refusal:
                reason = str(refusal)
            if reason:
                rejected.append(Rejected(self.source, self.first_line + number, reason, truncate(raw)))
            else:
                fields.append(values)
                lines.append(number)
        table = pa.concat_tables([*tables, table_of(fields)])
        numbers = np.append(numbers, lines).astype(np.int64)
        place = RowLocator(
            self.source,
            lambda row: self.first_line + int(numbers[row]),
            lambda row: self._raw(int(numbers[row])),
        )
        return Batch(table, place, refused, rejected, lines=len(self.ends))


def _is_utf8(block: bytes | bytearray) -> bool:
    bounds = pa.py_buffer(np.array([0, len(block)], np.int64))
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(block)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


@cache
def _wire_schema() -> pa.Schema:
    """Every accepted key: the Run's columns, and behind them the camelCase spellings that differ."""
    keys = {c.name: c.kind for c in COLUMNS} | {c.camel: c.kind for c in COLUMNS}
    return pa.schema([(key, pa.int64() if kind == "integer" else pa.string()) for key, kind in keys.items()])


@cache
def _plain_form() -> str:
    """Return a pattern for lines with nothing but accepted keys, texts without escapes, and plain integers."""
    texts = "|".join({key for c in COLUMNS if c.kind != "integer" for key in (c.name, c.camel)})
    integers = "|".join({key for c in COLUMNS if c.kind == "integer" for key in (c.name, c.camel)})
    text = r'"[^"\\\x00-\x1f]*"'
    pair = rf'"(?:(?:{texts})": ?(?:{text}|null)|(?:{integers})": ?(?:-?(?:0|[1-9][0-9]{{0,17}})|null))'
    return rf"^\{{{pair}(?:, ?{pair})*\}}\r?\n?$"


def _has_plain_form(block: bytes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Match each line of a block of UTF-8 against the plain form."""
    import polars as pl

    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE) + 1
    bounds = np.concatenate(([0], ends, [len(block)] if block and not block.endswith(b"\n") else [])).astype(np.int64)
    lines = pa.Array.from_buffers(pa.large_string(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(block)])
    return pl.Series(lines).str.contains(_plain_form()).to_numpy()


@cache
def _options(unknown_keys: str) -> arrow_json.ParseOptions:
    from pyarrow import json as arrow_json

    return arrow_json.ParseOptions(explicit_schema=_wire_schema(), unexpected_field_behavior=unknown_keys)


def _parse(block: bytes, lines: int) -> pa.Table | str:
    """Return ``lines`` rows of all accepted keys (instants as text), or why the block is not all plain rows."""
    from pyarrow import json as arrow_json

    options = arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1)
    try:
        table = arrow_json.read_json(pa.py_buffer(block), options, _options("error"))
    except pa.ArrowInvalid as error:
        if "unexpected field" not in str(error):
            return str(error)
        if b"NaN" in block or b"Inf" in block:
            return "perhaps a NaN or Infinity under a key that is not read"
        try:
            table = arrow_json.read_json(pa.py_buffer(block), options, _options("ignore"))
        except pa.ArrowInvalid as error:
            return str(error)
    return table if table.num_rows == lines else "rows are not lines"


def _one_spelling(table: pa.Table, block: bytes | bytearray) -> tuple[pa.Table, Offsets]:
    """Return the Run's columns, and the rows that must be judged alone because both spellings may stand in them."""
    twins = [(c.name, c.camel) for c in COLUMNS if c.camel != c.name]
    camel = [name for name in (camel for _, camel in twins) if table[name].null_count < table.num_rows]
    if not camel:
        return table.select(NAMES), np.empty(0, np.int64)
    if not any(f'"{name}"'.encode() in block for name, _ in twins):
        return table.select([c.camel for c in COLUMNS]).rename_columns(list(NAMES)), np.empty(0, np.int64)
    mixed = np.zeros(table.num_rows, bool)
    for name in camel:
        mixed |= table[name].is_valid().to_numpy()
    return table.select(NAMES), np.flatnonzero(mixed)

"""Where the records of a CSV file begin and end: RFC 4180, and what pyarrow does where that is silent.

A quotation mark opens a field only at its start; inside it a doubled mark is one mark, line ends are text, and any
other mark closes it; what follows up to the next delimiter is text. Outside a line ends at CR, LF or CRLF.

A mark that opens a field and never closes would swallow the rest of the file. Then the line in which it stands is
rejected alone, and the next line is read as a record of its own. So it is where the mark closes only after more than
the longest row, or by a mark in a later row: the record has a wrong number of fields or text behind the closing mark,
and a whole record begins on one of its other lines.

Each line is looked at twice, as one that begins outside a field and as one that begins inside, and what follows from
that is put together by array arithmetic. So the time is linear in the bytes, wherever marks stand.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from codecs import BOM_UTF8
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_MAX_LINES = 100_000
"""A field of more lines than this was opened by a stray mark."""
NEVER_CLOSED, TOO_LONG = -1, -2
_CLOSE = re.compile(rb'(?:[^"]++|"")*+"')


class Records(NamedTuple):
    """Records of a block: where they begin and end, line ends left out, on which line, and their number of fields.

    Lines are counted from 0. Instead of the number of fields NEVER_CLOSED or TOO_LONG can stand. ``size`` is how many
    bytes of the block they take with the blank lines between them, ``lines`` how many lines.
    """

    starts: Numbers
    ends: Numbers
    at_line: Numbers
    fields: Numbers
    size: int
    lines: int


class _Lines:
    """The lines of a block, each read as one that begins outside a field and as one that begins inside of one."""

    def __init__(self, block: bytes | bytearray, delimiter: bytes, longest: int) -> None:
        octets = np.frombuffer(block, np.uint8)
        is_end = octets == _NEWLINE
        if _RETURN in block:
            is_return = octets == _RETURN
            is_return[:-1] &= ~is_end[1:]  # CRLF is one line end
            is_end |= is_return
        self.bounds: Numbers = np.flatnonzero(is_end) + 1
        if not len(self.bounds) or self.bounds[-1] != len(block):
            self.bounds = np.append(self.bounds, len(block))
        self.starts: Numbers = np.concatenate((self.bounds[:0], [0], self.bounds[:-1]))
        last = octets[self.bounds - 1]
        self.ends: Numbers = self.bounds - ((last == _NEWLINE) | (last == _RETURN))
        before = octets[np.maximum(self.ends - 1, 0)]
        self.ends -= (last == _NEWLINE) & (self.ends > self.starts) & (before == _RETURN)
        self.block = block
        self.delimiter = delimiter
        self.delimiters = _per_line(octets == delimiter[0], self.starts)
        self.is_too_long: Mask = self.ends - self.starts > longest
        count = len(self.starts)
        self.opens = np.zeros(count, bool)
        self.closes = np.zeros(count, bool)
        self.inside_delimiters = np.zeros(count, np.int64)
        self.has_tail = np.zeros(count, bool)
        self.is_strict = ~self.is_too_long
        self._read_marks(np.unique(np.searchsorted(self.bounds, np.flatnonzero(octets == _QUOTE), side="right")))

    def text(self, line: int) -> bytes:
        """Return a line without its end and a BOM before it."""
        return without_bom(bytes(self.block[self.starts[line] : self.ends[line]]))

    def are_blank(self, is_right: Mask) -> Mask:
        """Mask of the blank lines: nothing, spaces, or delimiters alone, as Excel writes an empty row."""
        is_blank: Mask = self.delimiters == self.ends - self.starts
        for line in np.flatnonzero(~is_right & ~self.is_too_long & ~is_blank).tolist():
            text = self.text(line)
            is_blank[line] = not text.strip(b" \t") or not text.strip(self.delimiter)
        return is_blank

    def _read_marks(self, marked: Numbers) -> None:
        """Read the lines that hold quotation marks."""
        delimiter = self.delimiter
        closed, opening = _patterns(delimiter)
        for line in marked[~self.is_too_long[marked]].tolist():
            text = self.text(line)
            rest = closed.sub(b"", text)
            found = opening.search(rest)
            self.opens[line] = found is not None
            self.delimiters[line] = rest.count(delimiter, 0, found.start() if found else len(rest))
            self.is_strict[line] = b'"' not in rest
            if close := _CLOSE.match(text):
                rest = closed.sub(b"", b"x" + text[close.end() :])
                found = opening.search(rest)
                self.closes[line] = found is None
                self.inside_delimiters[line] = rest.count(delimiter, 0, found.start() if found else len(rest))
                self.has_tail[line] = rest[1:2] not in (b"", delimiter)


def records(block: bytes | bytearray, delimiter: bytes, fields: int, longest: int, *, is_last: bool) -> Records:
    """Find the records of a block that begins where one does; a record has ``fields`` fields if it is right.

    Unless the block ``is_last``, a record at its end whose field is still open is left to the next call, and what comes
    behind it. A line longer than ``longest`` is a record of its own.
    """
    lines = _Lines(block, delimiter, longest)
    count = len(lines.starts)
    field_counts = lines.delimiters + 1
    field_counts[lines.is_too_long] = TOO_LONG
    ends = lines.ends.copy()
    is_record = ~lines.are_blank(field_counts == fields)
    is_whole = lines.is_strict & ~lines.opens & (field_counts == fields)
    whole_before = _sums(is_whole)
    delimiters_before = _sums(lines.inside_delimiters)
    tails_before = _sums(lines.has_tail)
    closing = np.flatnonzero(lines.closes).tolist()
    decided = count
    done = 0
    for line in np.flatnonzero(lines.opens).tolist():
        if line < done:
            continue
        at = bisect_left(closing, line + 1)
        is_closed = at < len(closing)
        stop = closing[at] + 1 if is_closed else count
        if stop - line > _MAX_LINES or lines.ends[stop - 1] - lines.starts[line] > longest:
            is_closed = False
        elif not is_closed and not is_last:
            decided = line
            break
        if is_closed:
            found = int(lines.delimiters[line] + delimiters_before[stop] - delimiters_before[line + 1]) + 1
            holds_record = whole_before[stop] > whole_before[line + 1]
            has_tail = tails_before[stop] > tails_before[line + 1]
            if not (holds_record and (has_tail or found != fields)):
                field_counts[line] = found
                ends[line] = lines.ends[stop - 1]
                is_record[line] = True
                is_record[line + 1 : stop] = False
                done = stop
                continue
        field_counts[line] = NEVER_CLOSED
        is_record[line] = True
        done = line + 1
    chosen = np.flatnonzero(is_record[:decided])
    size = int(lines.starts[decided]) if decided < count else len(block)
    return Records(lines.starts[chosen], ends[chosen], chosen, field_counts[chosen], size, decided)


def joined(parts: Sequence[Records]) -> Records:
    """Put together the records of blocks that follow each other."""
    offsets = np.cumsum([0, *(part.size for part in parts)])
    lines = np.cumsum([0, *(part.lines for part in parts)])
    return Records(
        np.concatenate([part.starts + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate([part.ends + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate([part.at_line + line for part, line in zip(parts, lines[:-1], strict=True)]),
        np.concatenate([part.fields for part in parts]),
        int(offsets[-1]),
        int(lines[-1]),
    )


def is_line_by_line(block: bytes | bytearray, delimiter: bytes) -> bool:
    """Check whether it is plain at a glance that no field of a block holds a line end."""
    if b'"' not in block:
        return True
    octets = np.frombuffer(block, np.uint8)
    marks = np.flatnonzero(octets == _QUOTE)
    if len(marks) % 2:
        return False
    opening, closing = marks[::2], marks[1::2]
    before = octets[np.maximum(opening - 1, 0)]
    is_start = (before == delimiter[0]) | (before == _NEWLINE) | (before == _RETURN) | (opening == 0)
    is_start[1:] |= opening[1:] == closing[:-1] + 1
    if not is_start.all():
        return False
    line_ends = np.flatnonzero((octets == _NEWLINE) | (octets == _RETURN))
    return bool((np.searchsorted(line_ends, opening) == np.searchsorted(line_ends, closing)).all())


def is_open(line: bytes, delimiter: bytes) -> bool:
    """Check whether a field is still open at the end of a line."""
    closed, opening = _patterns(delimiter)
    return opening.search(closed.sub(b"", line)) is not None


def line_ends(block: bytes | bytearray) -> int:
    """Return how many line ends there are: CR, LF or CRLF."""
    returns = block.count(b"\r")
    return block.count(b"\n") + returns - (block.count(b"\r\n") if returns else 0)


def without_bom(text: bytes) -> bytes:
    """Return a line without the BOM before it, which stands in the middle where files were put together."""
    while text.startswith(BOM_UTF8):
        text = text.removeprefix(BOM_UTF8)
    return text


@cache
def _patterns(delimiter: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return the patterns of a quoted field that closes, and of what opens one, within a line."""
    start = rb"(?:\A|(?<=%b))" % re.escape(delimiter)
    return re.compile(start + rb'"(?:[^"]++|"")*+"'), re.compile(start + rb'"')


def _per_line(marks: np.ndarray, starts: Numbers) -> Numbers:
    """Count the marked bytes of each line."""
    places = np.flatnonzero(marks)
    found: Numbers = np.diff(np.append(np.searchsorted(places, starts), len(places)))
    return found


def _sums(values: np.ndarray) -> Numbers:
    """Return the sum of the values before each place, and of all."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)))

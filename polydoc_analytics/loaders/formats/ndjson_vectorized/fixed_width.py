"""Lines of one shape, decoded by array arithmetic: the fast way for nearly every line that a program has written.

A shape is a layout (see ``layout``) narrowed to its usual lines: every value is known, and most texts (ids, instants, a
status) are of one length. So a line is a few stretches of bytes at known distances, with a number or a text of any
length between them. Each stretch is fetched once, compared with its fixed bytes, and its texts are cut out of it.

What is accepted is proven to be plain JSON: every fixed byte is right, and no text holds a quotation mark, a backslash
or a control character. Valid UTF-8 is the caller's to see to. Any other line is left to readers that can judge it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from polydoc_analytics.loaders.formats.ndjson_vectorized.layout import (
    BACKSLASH,
    MARGIN,
    QUOTE,
    SPACE,
    Field,
    Ints,
    Mask,
    Octets,
    Pattern,
    eight_digits,
    gathered,
    learn,
    lengths_like,
    windows,
)
from polydoc_analytics.loaders.formats.ndjson_vectorized.timestamps import WIDTH
from polydoc_analytics.loaders.validation import loose_schema

_LINES_AT_ONCE = 32_768
"""Lines that are read together, usually all of a block: threads hand Python's lock over the less (a tenth faster)."""
SAMPLED = 32
_WIDEST = 128 - 8
"""Bytes of a stretch; what is fetched is at most 128, up to which size NumPy fetches fast."""
_LONGEST_WORDS = 8
_ZEROS, _SIX, _HIGH = np.uint64(0x3030303030303030), np.uint64(0x0606060606060606), np.uint64(0xF0F0F0F0F0F0F0F0)
_QUOTES, _ONES, _TOPS = np.uint64(0x2222222222222222), np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_ONE = np.uint64(1)

Formatter = np.ndarray[Any, np.dtype[np.uint64]]


class Stretch:
    """A stretch of the line: fixed bytes, texts of a known length, and at its end perhaps a value of any length."""

    def __init__(self, pieces: list[bytes | int], texts: list[tuple[Field, int]], end: Field | None) -> None:
        self.pattern = Pattern(*pieces)
        self.length = self.pattern.length
        self.texts = texts
        self.end = end
        instants = [at + WIDTH for field, at in texts if field.form is not None]
        width = max([self.pattern.width, self.length + 8, *instants])
        self.width = width + -width % 8


def decode(block: bytes | bytearray, starts: Ints, ends: Ints, usable: Mask) -> tuple[pa.Table | None, Ints]:
    """Decode the lines of a block that are of the shape of its first ones.

    ``starts`` and ``ends`` bound the lines, line ends left out; lines that are not ``usable``, which are {…} in valid
    UTF-8, are passed over. Returns a table with the Run's columns and the numbers of its lines; None and no numbers
    where the lines have no shape.
    """
    lines = int(np.searchsorted(ends, len(block) - MARGIN, side="right"))
    starts, ends, usable = starts[:lines], ends[:lines], usable[:lines]
    sampled = np.flatnonzero(usable[:SAMPLED]).tolist()
    stretches = _learn([bytes(block[starts[line] : ends[line]]) for line in sampled])
    if stretches is None:
        return None, np.empty(0, np.int64)
    fields = [field for stretch in stretches for field in _fields(stretch)]
    columns = {field.column.name: _Column(field, lines) for field in fields}
    taken = []
    for at in range(0, lines, _LINES_AT_ONCE):
        some = slice(at, at + _LINES_AT_ONCE)
        taken.append(at + _read(block, starts[some], ends[some], usable[some].copy(), stretches, columns))
    numbers = np.concatenate(taken)
    if not len(numbers):
        return None, numbers
    arrays = [
        columns[field.name].array(field.type) if field.name in columns else pa.nulls(len(numbers), field.type)
        for field in loose_schema()
    ]
    return pa.table(arrays, schema=loose_schema()), numbers


def _fields(stretch: Stretch) -> list[Field]:
    return [field for field, _ in stretch.texts] + ([stretch.end] if stretch.end else [])


def _learn(sample: list[bytes]) -> list[Stretch] | None:
    """Return the stretches of a line, by those of some lines that know every value."""
    sample = [line for line in sample if b"null" not in line]
    fields = learn(sample[0]) if sample else None
    if not fields:
        return None
    seen = [lengths for line in sample if (lengths := lengths_like(line, fields))]
    stretches: list[Stretch] = []
    pieces: list[bytes | int] = []
    texts: list[tuple[Field, int]] = []
    length = 0

    def add(piece: bytes | int) -> None:
        nonlocal length
        pieces.append(piece)
        length += piece if isinstance(piece, int) else len(piece)

    def close(end: Field | None) -> None:
        nonlocal length
        stretches.append(Stretch(list(pieces), list(texts), end))
        pieces.clear()
        texts.clear()
        length = 0

    for field, *lengths in zip(fields, *seen, strict=True):
        is_integer = field.column.kind == "integer"
        is_fixed = not is_integer and len(set(lengths)) == 1
        if field.form is not None and not is_fixed:
            return None
        if pieces and length + len(field.literal) + 2 + is_fixed * max(field.guess, WIDTH) > _WIDEST:
            close(None)
        add(field.literal + (b"" if is_integer else b'"'))
        if is_fixed:
            texts.append((field, length))
            add(field.guess)
        else:
            close(field)
        if not is_integer:
            add(b'"')
    add(b"}")
    close(None)
    return stretches if all(stretch.width <= MARGIN for stretch in stretches) else None


class _Column:
    """The values of one field, gathered piece by piece."""

    def __init__(self, field: Field, max_rows: int) -> None:
        self.is_text = field.column.kind == "text"
        self.width = field.guess
        self.fixed: np.ndarray[Any, np.dtype[np.uint8]] | None = None
        self.max_rows = max_rows
        self.rows = 0
        self.values: list[Ints] = []
        self.contents: list[Octets] = []

    def cut(self, rows: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Take texts of one length in; return them, at the place where they stay."""
        if self.fixed is None:
            self.fixed = np.empty((self.max_rows, self.width), np.uint8)
        there = self.fixed[self.rows : self.rows + len(rows)]
        there[:] = rows
        return there

    def array(self, kind: pa.DataType) -> pa.Array:
        """Return the column."""
        if not self.is_text:
            values = np.concatenate(self.values, dtype=np.int64)
            # By its buffer, for Arrow looks at an array of NumPy's with numpy.ma, which takes long to import.
            return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
        if self.fixed is not None:
            offsets = np.arange(self.rows + 1, dtype=np.int32) * np.int32(self.width)
            data: Octets = self.fixed[: self.rows].reshape(-1)
        else:
            offsets = np.zeros(self.rows + 1, np.int32)
            np.cumsum(np.concatenate(self.values), out=offsets[1:])
            data = np.concatenate(self.contents)
        return pa.StringArray.from_buffers(self.rows, pa.py_buffer(offsets), pa.py_buffer(data))


def _read(
    block: bytes | bytearray,
    starts: Ints,
    ends: Ints,
    fits: Mask,
    stretches: list[Stretch],
    columns: dict[str, _Column],
) -> Ints:
    """Read some lines, those that may fit, into the columns; return the numbers of those that were taken."""
    last = len(block) - MARGIN
    at = starts
    fetched = []
    ending: dict[str, tuple[Ints, Ints]] = {}
    for stretch in stretches:
        rows = windows(block, stretch.width)[at]
        fetched.append(rows)
        fits &= stretch.pattern.fits(rows.view(np.uint8).reshape(-1, stretch.width))
        at = at + stretch.length
        if stretch.end is not None and stretch.end.column.kind == "integer":
            values, lengths = _integers(_words(rows, stretch.width, stretch.length, 1)[0])
            fits &= lengths > 0
            ending[stretch.end.column.name] = values, lengths
            at = at + lengths
        elif stretch.end is not None:
            np.minimum(at, last, out=at)
            lengths = _to_the_quote(block, at)
            fits &= lengths >= 0
            ending[stretch.end.column.name] = at, lengths
            at = at + np.maximum(lengths, 0)
        # A line that does not fit must not be read on behind the block's end.
        np.minimum(at, last, out=at)
    fits &= at == ends
    while True:
        which = np.flatnonzero(fits)
        is_odd = _cut(block, fetched, which, stretches, columns, ending)
        if not is_odd.any():
            break
        fits[which[is_odd]] = False
    return which


def _cut(
    block: bytes | bytearray,
    fetched: list[Any],
    which: Ints,
    stretches: list[Stretch],
    columns: dict[str, _Column],
    ending: dict[str, tuple[Ints, Ints]],
) -> Mask:
    """Put the values of some lines into the columns; tell which lines are none of the shape, and then do nothing."""
    is_odd = np.zeros(len(which), bool)
    if not len(which):
        return is_odd
    are_all = len(which) == len(fetched[0])
    values: list[tuple[_Column, Ints, Octets | None]] = []
    for stretch, rows in zip(stretches, fetched, strict=True):
        if stretch.texts and not are_all:
            rows = rows[which]
        for field, at in stretch.texts:
            column = columns[field.column.name]
            if field.form is not None:
                found, is_right = field.form.instants(_words(rows, stretch.width, at, WIDTH // 8))
                is_odd |= ~is_right
                values.append((column, found, None))
            else:
                octets = rows.view(np.uint8).reshape(-1, stretch.width)
                odd = _odd(column.cut(octets[:, at : at + field.guess]))
                if odd.any():
                    is_odd |= odd.any(axis=1)
        if stretch.end is not None:
            column = columns[stretch.end.column.name]
            first, second = (one if are_all else one[which] for one in ending[stretch.end.column.name])
            if not column.is_text:
                values.append((column, first, None))
                continue
            data = gathered(block, first, second)
            odd = _odd(data)
            if odd.any():
                is_odd[np.searchsorted(np.cumsum(second), np.flatnonzero(odd), side="right")] = True
            values.append((column, second, data))
    if not is_odd.any():
        for column, found, content in values:
            column.values.append(found)
            if content is not None:
                column.contents.append(content)
        for column in columns.values():
            column.rows += len(which)
    return is_odd


def _odd(content: Octets) -> Any:
    """Mask of the bytes that cannot stand in a plain text."""
    odd = content == QUOTE
    odd |= content == BACKSLASH
    odd |= content < SPACE
    return odd


def _words(rows: np.ndarray[Any, Any], width: int, at: int, count: int) -> Formatter:
    """Return ``count`` words of eight bytes from offset ``at`` of each row, those of one place behind each other."""
    unaligned: Formatter = np.ndarray((len(rows), count), "<u8", buffer=rows, offset=at, strides=(width, 8))
    return unaligned.T.copy()


def _first_set(flags: Formatter) -> Ints:
    """Return at which byte the first flag is set; 8 where none is."""
    found: Ints = (np.bitwise_count((flags & (~flags + _ONE)) - _ONE) >> 3).astype(np.int64)
    return found


def _integers(words: Formatter) -> tuple[Ints, Ints]:
    """Read integers of at most seven digits; return them and how many digits they have, 0 where there is none."""
    digits = words ^ _ZEROS
    lengths = _first_set((digits | (digits + _SIX)) & _HIGH)
    is_right = (lengths < 8) & (((digits & np.uint64(0xFF)) > 0) | (lengths == 1))
    lengths *= is_right
    return eight_digits(words << (np.uint64(8) * (8 - lengths).view(np.uint64) & np.uint64(63)), lengths), lengths


def _to_the_quote(block: bytes | bytearray, at: Ints) -> Ints:
    """Return how many bytes it is to the next quotation mark, -1 where it is far."""
    lengths = np.full(len(at), -1, np.int64)
    left = np.arange(len(at))
    for word in range(_LONGEST_WORDS):
        differ = windows(block, 8)[at[left] + 8 * word].view("<u8") ^ _QUOTES
        place = _first_set((differ - _ONES) & ~differ & _TOPS)
        is_here = place < 8
        lengths[left[is_here]] = 8 * word + place[is_here]
        left = left[~is_here]
        if not len(left):
            break
    return lengths

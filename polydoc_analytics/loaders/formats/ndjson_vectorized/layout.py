"""Lines of one layout, decoded column by column with array arithmetic instead of a parser.

A program that exports runs writes the same keys in the same order on every line. So the text between the values is
known from one line, and a cursor per line can walk over all lines at once: compare the literal text, read the value,
step on. A line on which any comparison fails is left to the readers that can judge it. What is accepted is proven to
be plain JSON: every literal matched, no backslash, no control character, valid UTF-8, and exactly as many quotation
marks as its keys and values need, so none hides inside a text.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from polydoc_analytics.loaders.formats.ndjson_vectorized.timestamps import WIDTH, MomentForm
from polydoc_analytics.loaders.validation import loose_schema
from polydoc_analytics.model.schema import BY_KEY, COLUMNS, Column

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
Octets = np.ndarray[tuple[int], np.dtype[np.uint8]]

_PAIR = re.compile(rb'(?:^\{ ?|, ?)"([A-Za-z_]+)": ?("[^"\\\x00-\x1f]*"|null|[0-9]+)')
_INSTANT = re.compile(rb'"(?:created_at|createdAt)": ?("[^"]*")')
_LINES_AT_ONCE = 16_384
"""Lines that are walked together: their bytes and the cursors stay in the processor's cache."""
MARGIN = 256
"""Bytes that may be looked at behind a cursor; lines nearer to the block's end are left to other readers."""
_SEARCHED = 64
_MOST_LAYOUTS = 4
_DIGITS = 16
_LONGEST = 128
QUOTE, BACKSLASH, SPACE, _BRACE = b'"\\ }'
_NULL = np.frombuffer(b"null", np.uint8)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Pattern:
    """Bytes to compare at many places at once, a word of eight at a time; a number stands for so many of any kind."""

    def __init__(self, *pieces: bytes | int) -> None:
        bytes_of = [bytes(piece) for piece in pieces]  # of a number: so many zeros
        masks_of = [bytes(piece) if isinstance(piece, int) else b"\xff" * len(piece) for piece in pieces]
        self.length = sum(map(len, bytes_of))
        self.width = self.length + -self.length % 8
        content = np.frombuffer(b"".join(bytes_of).ljust(self.width, b"\0"), "<u8")
        masks = np.frombuffer(b"".join(masks_of).ljust(self.width, b"\0"), "<u8")
        self._words = [(at, mask, word) for at, (mask, word) in enumerate(zip(masks, content, strict=True)) if mask]

    def fits(self, rows: np.ndarray[Any, Any]) -> Mask:
        """Mask of the rows of ``width`` bytes that fit."""
        words = rows.view("<u8")
        fits = np.ones(len(rows), bool)
        for at, mask, word in self._words:
            fits &= (words[:, at] if mask == _ALL else words[:, at] & mask) == word
        return fits


class Field:
    """A value of the layout: the text before it, its column, and how a text of the usual length looks there.

    ``form`` is that of an instant.
    """

    def __init__(self, literal: bytes, column: Column, value: bytes, following: bytes) -> None:
        self.literal = literal
        self.column = column
        self.guess = max(len(value) - 2, 0)
        if column.kind == "integer":
            self.pattern = Pattern(literal)
            self.width = len(literal) + _DIGITS
        else:
            self.pattern = Pattern(literal + b'"', self.guess, b'"' + following)
            self.width = self.pattern.width
        self.opening = Pattern(literal)
        self.form = MomentForm(value[1:-1]) if column.kind == "instant" else None


class Texts(NamedTuple):
    """The texts of a column: where they stand in the block, how long they are (-1 is null).

    ``content`` has the bytes of those that are not null, where all are of one length.
    """

    starts: Ints
    lengths: Ints
    content: np.ndarray[Any, Any] | None

    def only(self, which: Mask) -> Texts:
        """Return some of the texts."""
        content = None if self.content is None else self.content[which[self.lengths >= 0]]
        return Texts(self.starts[which], self.lengths[which], content)


class Numbers(NamedTuple):
    """The integers of a column, and which are known."""

    values: Ints
    known: Mask

    def only(self, which: Mask) -> Numbers:
        """Return some of the integers."""
        return Numbers(self.values[which], self.known[which])


def decode(block: bytes | bytearray, starts: Ints, ends: Ints, usable: Mask) -> tuple[pa.Table | None, Ints]:
    """Decode the lines that share a layout with an early line of the block.

    ``starts`` and ``ends`` bound the lines, line ends left out; lines that are not ``usable`` (not UTF-8, say) are
    passed over. Returns a table with the Run's columns and the numbers of its lines.
    """
    octets = np.frombuffer(block, np.uint8)
    left = usable & (ends + MARGIN <= len(block))
    left &= ~_lines_with(octets == BACKSLASH, starts, len(octets))
    if np.count_nonzero(octets < SPACE) != len(block) - int((ends - starts).sum()):
        is_inside = octets < SPACE
        is_inside[_between(starts, ends, len(block))] = False
        left &= ~_lines_with(is_inside, starts, len(octets))
    tables, numbers = [], []
    for _ in range(_MOST_LAYOUTS):
        candidates = np.flatnonzero(left)
        if not len(candidates):
            break
        first = candidates[0]
        fields = learn(bytes(block[starts[first] : ends[first]]))
        left[first] = False
        if fields is None:
            continue
        table, taken = _decode_layout(block, octets, starts, ends, candidates, fields)
        left[taken] = False
        tables.append(table)
        numbers.append(taken)
    if not numbers:
        return None, np.empty(0, np.int64)
    return pa.concat_tables(tables), np.concatenate(numbers)


def _between(starts: Ints, ends: Ints, size: int) -> Ints:
    """Return the offsets of line ends: one byte or two behind each line."""
    after = np.append(starts[1:], size)
    one = ends[after > ends]
    two = ends[after > ends + 1] + 1
    return np.concatenate((one, two))


def _lines_with(marks: Mask, starts: Ints, size: int) -> Mask:
    """Mask of the lines that hold a marked byte."""
    found = np.zeros(len(starts), bool)
    if marks.any():
        found[np.searchsorted(starts, np.flatnonzero(marks), side="right") - 1] = True
    return found


def learn(line: bytes) -> list[Field] | None:
    """Return the layout of a line; None where it has one that array arithmetic cannot follow."""
    fields: list[Field] = []
    end = 0
    # Where an instant is null on this line, it will look like the other one where it is known.
    like_this = next((found.group(1) for found in _INSTANT.finditer(line)), b"")
    for pair in _PAIR.finditer(line):
        if pair.start() != end or pair.group(1).decode() not in BY_KEY:
            return None
        column = BY_KEY[pair.group(1).decode()]
        value = pair.group(2)
        if column.kind == "integer" and value.startswith(b'"'):
            return None
        if (column.kind != "integer" and value[:1].isdigit()) or len(value) > _LONGEST:
            return None
        if column.kind == "instant" and value == b"null":
            value = like_this
        if column.kind == "instant" and not MomentForm.fits(value[1:-1]):
            return None
        fields.append(Field(line[end : pair.start(2)], column, value, line[pair.end() : pair.end() + 1]))
        end = pair.end()
    names = [field.column.name for field in fields]
    spelled = {key for key in (b'"%s"' % c.camel.encode() for c in COLUMNS if c.camel != c.name) if key in line}
    is_mixed = bool(spelled) and any(f'"{c.name}"'.encode() in line for c in COLUMNS if c.camel != c.name)
    if line[end:] != b"}" or len(set(names)) != len(names) or is_mixed:
        return None
    return fields


def lengths_like(line: bytes, fields: list[Field]) -> list[int] | None:
    """Return how long the values of a line are; None where it has not the layout of these fields."""
    pairs = list(_PAIR.finditer(line))
    literals = [line[end : pair.start(2)] for end, pair in zip([0, *(p.end() for p in pairs)], pairs, strict=False)]
    return [len(pair.group(2)) for pair in pairs] if literals == [field.literal for field in fields] else None


class _Cursor:
    """A cursor on each of many lines, walking over one field after another."""

    def __init__(self, block: bytes | bytearray, positions: Ints) -> None:
        self.block = block
        self.at = positions
        self.fits = np.ones(len(positions), bool)
        self._last = len(block) - MARGIN

    def _rows(self, at: Ints, width: int) -> np.ndarray[Any, Any]:
        return windows(self.block, width)[at].view(np.uint8).reshape(-1, width)

    def _step(self, length: Ints | int) -> None:
        # A cursor that has lost its way must not run over the block's end.
        np.minimum(self.at + length, self._last, out=self.at)

    def texts(self, field: Field) -> Texts:
        """Read a text or null at every cursor."""
        rows = self._rows(self.at, field.width)
        is_usual = field.pattern.fits(rows)
        before = len(field.literal) + 1
        starts = self.at + before
        lengths = np.full(len(starts), field.guess)
        usual = rows[:, before : before + field.guess]
        if is_usual.all():
            self._step(before + field.guess + 1)
            return Texts(starts, lengths, usual)
        others = np.flatnonzero(~is_usual)
        self.fits[others] &= field.opening.fits(np.ascontiguousarray(rows[others, : field.opening.width]))
        rows = self._rows(starts[others] - 1, _SEARCHED)
        is_null = (rows[:, :4] == _NULL).all(axis=1)
        is_quote = rows == QUOTE
        self.fits[others] &= is_null | is_quote[:, 0]
        is_quote[:, 0] = False
        self.fits[others] &= is_null | is_quote.any(axis=1)
        lengths[others] = np.where(is_null, -1, is_quote.argmax(axis=1) - 1)
        self._step(np.where(lengths < 0, before + 3, before + lengths + 1))
        if (lengths[others] < 0).all():
            return Texts(starts, lengths, usual[is_usual])
        return Texts(starts, lengths, None)

    def instants(self, texts: Texts, form: MomentForm) -> Numbers:
        """Turn texts of one form into instants; a line with one of another form does not fit."""
        known = texts.lengths >= 0
        values = np.zeros(len(known), np.int64)
        rows = self._rows(np.minimum(texts.starts[known], self._last), WIDTH)
        values[known], is_right = form.instants(rows.view("<u8").reshape(-1, WIDTH // 8).T.copy())
        self.fits[known] &= is_right & (texts.lengths[known] == form.length)
        return Numbers(values, known)

    def numbers(self, field: Field) -> Numbers:
        """Read an integer of at most 15 digits, or null, at every cursor."""
        before = len(field.literal)
        rows = self._rows(self.at, field.width)
        self.fits &= field.opening.fits(rows[:, : field.opening.width].copy())
        digits = rows[:, before:] - np.uint8(ord("0"))
        lengths = (digits < 10).argmin(axis=1)
        known = lengths > 0
        if not known.all():
            self.fits &= known | (rows[:, before : before + 4] == _NULL).all(axis=1)
        self.fits &= (digits[:, 0] > 0) | (lengths == 1) | ~known
        longest = int(lengths.max(initial=0))
        if longest <= 8:
            values = eight_digits(windows(self.block, 8)[self.at + (before - 8) + lengths].view("<u8"), lengths)
        else:
            values = np.zeros(len(lengths), np.int64)
            for place in range(longest):
                values = np.where(place < lengths, values * 10 + digits[:, place], values)
        self._step(np.where(known, before + lengths, before + 4))
        return Numbers(values, known)


def eight_digits(words: np.ndarray[Any, Any], lengths: Ints) -> Ints:
    """Return the integers whose ``lengths`` digits end eight bytes each; what stands before them is not read.

    Two digits become one number in each pair of bytes, then four, then eight (Lemire and others, 2021).
    """
    everything = np.uint64(0xFFFFFFFFFFFFFFFF)
    keep = np.where(lengths > 0, everything << (8 * (8 - np.maximum(lengths, 1))).astype(np.uint64), np.uint64(0))
    # Masked before the zeros are taken off, or a byte below "0" would borrow from the digit behind it.
    words = (words & keep) - (np.uint64(0x3030303030303030) & keep)
    words = words * np.uint64(10) + (words >> np.uint64(8))
    pairs = np.uint64(0x000000FF000000FF)
    high = (words & pairs) * np.uint64(0x000F424000000064)
    low = ((words >> np.uint64(16)) & pairs) * np.uint64(0x0000271000000001)
    return ((high + low) >> np.uint64(32)).astype(np.int64)


def windows(block: bytes | bytearray, width: int) -> np.ndarray[Any, Any]:
    """Return a view of a block: at each offset the ``width`` bytes that begin there."""
    return np.ndarray((len(block) - width + 1,), dtype=f"V{width}", buffer=block, strides=(1,))


def _decode_layout(
    block: bytes | bytearray, octets: Octets, starts: Ints, ends: Ints, candidates: Ints, fields: list[Field]
) -> tuple[pa.Table, Ints]:
    read: list[list[Texts | Numbers]] = [[] for _ in fields]
    taken: list[Ints] = []
    for at in range(0, len(candidates), _LINES_AT_ONCE):
        lines = candidates[at : at + _LINES_AT_ONCE]
        cursor = _Cursor(block, starts[lines])
        values: list[Texts | Numbers] = []
        quotes = np.zeros(len(lines), np.int64)
        for field in fields:
            if field.column.kind == "integer":
                values.append(cursor.numbers(field))
                quotes += 2
            else:
                texts = cursor.texts(field)
                quotes += np.where(texts.lengths >= 0, 4, 2)
                values.append(texts if field.form is None else cursor.instants(texts, field.form))
        fits = cursor.fits & (octets[cursor.at] == _BRACE) & (cursor.at + 1 == ends[lines])
        fits &= _quotes_pair_up(octets, starts[lines], ends[lines], quotes, fits)
        taken.append(lines[fits])
        for column, value in zip(read, values, strict=True):
            column.append(value if fits.all() else value.only(fits))
    numbers = np.concatenate(taken)
    columns = {
        field.column.name: _array(block, field.column, values) for field, values in zip(fields, read, strict=True)
    }
    for missing in loose_schema():
        if missing.name not in columns:
            columns[missing.name] = pa.nulls(len(numbers), missing.type)
    return pa.table(columns).select(loose_schema().names), numbers


def _quotes_pair_up(octets: Octets, starts: Ints, ends: Ints, needed: Ints, fits: Mask) -> Mask:
    """Mask of the lines with exactly the quotation marks that they need; one count serves where all is well."""
    is_quote = octets[starts[0] : ends[-1]] == QUOTE
    are_neighbours = int((ends - starts).sum()) + len(starts) * 2 >= len(is_quote)
    # Between lines that stand one behind the other there is no quotation mark.
    if fits.all() and are_neighbours and np.count_nonzero(is_quote) == int(needed.sum()):
        return fits
    within = np.add.reduceat(is_quote, np.column_stack((starts, ends)).ravel()[:-1] - starts[0], dtype=np.int64)[::2]
    pairs: Mask = within == needed
    return pairs


def _array(block: bytes | bytearray, column: Column, parts: list[Any]) -> pa.Array:
    if column.kind != "text":
        known = np.concatenate([part.known for part in parts])
        values = np.concatenate([part.values for part in parts], dtype=np.int64)
        bitmap = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
        # By its buffers, for Arrow looks at an array of NumPy's with numpy.ma, which takes long to import.
        return pa.Array.from_buffers(
            loose_schema().field(column.name).type, len(values), [bitmap, pa.py_buffer(values)]
        )
    lengths = np.concatenate([part.lengths for part in parts])
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    is_known = lengths >= 0
    bitmap = None if is_known.all() else pa.py_buffer(np.packbits(is_known, bitorder="little"))
    contents = [part.content if part.content is not None else _bytes_of(block, part) for part in parts]
    data = np.concatenate([np.ascontiguousarray(content).reshape(-1) for content in contents])
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(data), bitmap)


def _bytes_of(block: bytes | bytearray, texts: Texts) -> Octets:
    is_known = texts.lengths >= 0
    return gathered(block, texts.starts[is_known], texts.lengths[is_known])


def gathered(block: bytes | bytearray, starts: Ints, lengths: Ints) -> Octets:
    """Return the bytes of texts, one behind the other."""
    total, width = int(lengths.sum()), int(lengths.max(initial=0))
    if total == 0:
        return np.empty(0, np.uint8)
    if width * len(starts) <= 2 * total:
        rows = windows(block, width)[starts].view(np.uint8).reshape(-1, width)
        return rows.reshape(-1) if width * len(starts) == total else rows[np.arange(width) < lengths[:, None]]
    # A few long ones among short: byte by byte.
    ends = np.cumsum(lengths)
    return np.frombuffer(block, np.uint8)[np.arange(total) + np.repeat(starts - ends + lengths, lengths)]

"""Elements of JSON arrays, cut off a text in pieces of any size and handed to the reader of lines.

Most arrays hold flat objects that are all joined alike (``},{``): there the joints become line ends, once it is proven
that none of them stands in a text or in a nested array. Others are walked through byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple, NoReturn

import numpy as np

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import limits
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import ndjson
from polydoc_analytics.loaders.formats.json_text import SPACE, Offsets, Text, Walk
from polydoc_analytics.loaders.validation import MAX_RAW_BYTES, Batch, Rejected, empty_batch, truncate

_JOINT = re.compile(rb"\}(\s*,\s*)\{")
_JOINT_WITHOUT_COMMA = re.compile(rb"\}(\s*)\{")
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_MAX_ELEMENTS = 20_000


class Piece(NamedTuple):
    """Some elements, the first of which is number ``first``: lines already, or to be cut at ``ends``."""

    content: bytes
    first: int
    rows: int
    ends: Offsets | None = None
    separator: int = 0

    def elements(self) -> Iterator[bytes]:
        """Yield the bytes of each element, on one line."""
        if self.ends is None:
            yield from self.content.split(b"\n")
            return
        start = 0
        content = self.content
        if b"\n" in content or b"\r" in content:
            content = content.translate(_LINE_ENDS)
        for end in self.ends.tolist():
            yield content[start:end].strip(SPACE)
            start = end + self.separator


class Elements:
    """The elements of arrays, taken off a text in pieces; they are numbered through all arrays of a document."""

    def __init__(self, text: Text, *, assume_utc: bool) -> None:
        self.text = text
        self.record = 1
        self._assume_utc = assume_utc
        self._joint = b""

    def pieces(self, *, is_array: bool = True) -> Iterator[Piece | Work]:
        """Take the elements up to the ] of an array, or values one behind another up to the end of the text.

        An element that is too long comes as the work that rejects it.
        """
        text, walk, walked, is_due = self.text, Walk(), 0, False
        self._joint = b""
        while True:
            if not walked and (piece := self._flat(is_array)):
                yield from _few_at_once(piece)
                is_due = is_array
                if text.more():
                    continue
            start = text.at
            ends, closed = walk.ends(np.frombuffer(text.held, np.uint8)[start + walked :], is_array)
            ends += walked
            if walk.breaks_a_text:
                raise SourceError(f"{text.source}: record {self.record + len(ends)} is not JSON: a text is broken off")
            if closed is not None:
                ends = self._with_last(ends, walked + closed, is_array, is_due)
            yield from self._cut(ends, int(is_array))
            if closed is not None:
                text.at = start + walked + closed + 1
                return
            walked = len(text.held) - start
            if len(ends):
                text.at = start + int(ends[-1]) + is_array
                walk, walked, is_due = Walk(), 0, is_array
            elif walked > limits.LEAST_ROW_BYTES and walked > limits.longest_row():
                yield self.too_long(text.held[start : start + MAX_RAW_BYTES])
                is_due = self._pass_over(walk, is_array)
                walk, walked = Walk(), 0
                continue
            if not text.more():
                break
        if is_array or text.mark():
            what = "array of runs" if is_array else "last object"
            raise SourceError(f"{text.source}: the file is cut off: its {what} does not end")

    def work(self, piece: Piece | Work) -> Work:
        """Return the work of reading a piece."""
        return (
            piece if isinstance(piece, Work) else Work(partial(self._read, piece), len(piece.content), takes_turns=True)
        )

    def too_long(self, beginning: bytes) -> Work:
        """Count an element that is too long, and return the work that rejects it."""
        row = Rejected(self.text.source, self.record, limits.too_long(limits.longest_row()), truncate(beginning))
        self.record += 1
        return Work(lambda: [empty_batch(row)], len(beginning))

    def _flat(self, is_array: bool) -> Piece | None:
        """Take all whole elements at hand at once, if they are objects without others in them, all joined alike."""
        text = self.text
        if len(text.held) - text.at <= text.block_bytes // 8:
            return None
        if not self._joint:
            first = (_JOINT if is_array else _JOINT_WITHOUT_COMMA).search(text.held, text.at)
            self._joint = first.group() if first else b""
        joint = self._joint
        end = text.held.rfind(joint, text.at) + 1 if joint else 0
        if end <= text.at:
            return None
        piece = text.held[text.at : end]
        if not _is_flat(piece, joint):
            return None
        content = piece.replace(joint, b"}\n{")
        lines = content.split(b"\n")
        count = piece.count(joint) + 1
        if len(lines) != count or b"\r" in content or _cuts_a_text(content):
            return None
        longest = max(map(len, lines))
        if longest > limits.LEAST_ROW_BYTES and longest > limits.longest_row():
            return None
        text.at = end + len(joint) - 2
        self.record += count
        return Piece(content, self.record - count, count)

    def _with_last(self, ends: Offsets, closed: int, is_array: bool, is_due: bool) -> Offsets:
        """Return where elements end with the last one, behind which the array is closed."""
        text = self.text
        if not is_array:
            raise SourceError(f"{text.source}: not JSON: a bracket closes what was not opened")
        if text.held[text.at + closed : text.at + closed + 1] != b"]":
            raise SourceError(f"{text.source}: not JSON: the array ends in }} instead of ]")
        start = int(ends[-1]) + 1 if len(ends) else 0
        if text.held[text.at + start : text.at + closed].strip(SPACE):
            return np.append(ends, closed)
        if len(ends) or is_due:
            self._fail_at_comma()
        return ends

    def _cut(self, ends: Offsets, separator: int) -> Iterator[Piece | Work]:
        """Yield the elements that end at some offsets from where the text stands, not too many at once."""
        text, base, start, done = self.text, self.text.at, 0, 0
        long: list[int] = []
        lengths = np.diff(np.append(-separator, ends)) - separator
        if len(ends) and lengths.max() > limits.LEAST_ROW_BYTES:
            long = np.flatnonzero(lengths > limits.longest_row()).tolist()
        while done < len(ends):
            if long and long[0] == done:
                beginning = text.held[base + start : base + int(ends[done])].lstrip(SPACE)
                yield self.too_long(beginning[:MAX_RAW_BYTES])
                some = 1
                long.pop(0)
            else:
                some = min([len(ends) - done, _MAX_ELEMENTS, *(at - done for at in long[:1])])
                content = text.held[base + start : base + int(ends[done + some - 1])]
                self.record += some
                yield Piece(content, self.record - some, some, ends[done : done + some] - start, separator)
            done += some
            start = int(ends[done - 1]) + separator

    def _pass_over(self, walk: Walk, is_array: bool) -> bool:
        """Take the rest of an element that is too long; return whether another one must follow."""
        text = self.text
        while True:
            text.at = len(text.held)
            if not text.more():
                raise SourceError(f"{text.source}: the file is cut off: its last element does not end")
            ends, closed = walk.ends(np.frombuffer(text.held, np.uint8), is_array)
            if len(ends):
                text.at = int(ends[0]) + is_array
                return is_array
            if closed is not None:
                text.at = closed
                return False

    def _read(self, piece: Piece) -> list[Batch]:
        source = self.text.source
        lines = piece.content
        if piece.ends is not None:
            elements = list(piece.elements())
            if not all(elements):
                self._fail_at_comma()
            lines = b"\n".join(elements)
        batches = ndjson.read_block(lines, source, piece.first, self._assume_utc)
        broken = [row for batch in batches for row in batch.unreadable if row.reason.startswith("not JSON")]
        if broken:
            raise SourceError(f"{source}: record {broken[0].line} is {broken[0].reason}")
        return batches

    def _fail_at_comma(self) -> NoReturn:
        raise SourceError(f"{self.text.source}: not JSON: a comma in the array has nothing before or behind it")


def _few_at_once(piece: Piece) -> Iterator[Piece]:
    """Part lines into pieces of not too many rows, for each may be refused and then take much more memory."""
    if piece.rows <= _MAX_ELEMENTS:
        yield piece
        return
    lines = piece.content.split(b"\n")
    for at in range(0, piece.rows, _MAX_ELEMENTS):
        some = lines[at : at + _MAX_ELEMENTS]
        yield Piece(b"\n".join(some), piece.first + at, len(some))


def _is_flat(piece: bytes, joint: bytes) -> bool:
    """Check whether a piece begins with { and ends with } and has no braces but those around its elements."""
    elements = piece.count(joint) + 1
    return (
        piece.startswith(b"{")
        and piece.endswith(b"}")
        and piece.count(b"{") == elements
        and piece.count(b"}") == elements
    )


def _cuts_a_text(lines: bytes) -> bool:
    """Check whether a text that holds the joint was parted: a line with an odd number of quotation marks."""
    if b"\\" in lines:
        lines = lines.replace(b"\\\\", b"").replace(b'\\"', b"")
    return any(line.count(b'"') % 2 for line in lines.split(b"\n"))

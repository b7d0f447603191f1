"""A JSON text as it comes off a stream: the part at hand, and steps through it that never go back."""

from __future__ import annotations

import re
from typing import Any, BinaryIO, NoReturn

import numpy as np

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.validation import MAX_RAW_BYTES

SPACE = b" \t\r\n"

_SPACES = re.compile(rb"[ \t\r\n]*+")
_PART_OF_TEXT = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+')
_PART_OF_SCALAR = re.compile(rb'[^ \t\r\n,:"\[\]{}]*+')
_SLICE_BYTES = 1024 * 1024

Offsets = np.ndarray[tuple[int], np.dtype[np.int64]]
Octets = np.ndarray[tuple[int], np.dtype[np.uint8]]

_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_IS_MARK = np.zeros(256, bool)
_IS_MARK[list(b'",[]{}\r\n')] = True
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


class Text:
    """The part of a stream that is at hand (``held``), and how far it has been taken (``at``)."""

    def __init__(self, stream: BinaryIO, source: str, block_bytes: int) -> None:
        self.source = source
        self.block_bytes = block_bytes
        self.held = b""
        self.at = 0
        self._stream = stream
        self._kept: bytearray | None = None
        self._max_kept = 0

    def more(self) -> bool:
        """Read on, and drop what has been taken; False at the end of the stream."""
        piece = self._stream.read(self.block_bytes)
        self._keep()
        self.held = self.held[self.at :] + piece
        self.at = 0
        return bool(piece)

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes, as a stream does."""
        if self.at < len(self.held):
            piece = self.held[self.at : self.at + size]
            self.at += len(piece)
            return piece
        return self._stream.read(size)

    def remember(self, max_bytes: int) -> None:
        """Keep what is taken from here on, up to ``max_bytes``."""
        self._keep()
        self.held, self.at = self.held[self.at :], 0
        self._kept, self._max_kept = bytearray(), max_bytes

    def forget(self) -> None:
        """Remember no longer."""
        self._kept = None

    @property
    def is_beyond_memory(self) -> bool:
        """Check whether more was taken than was to be remembered."""
        self._keep()
        self.held, self.at = self.held[self.at :], 0
        return self._kept is not None and len(self._kept) > self._max_kept

    def put_back(self) -> bytes | None:
        """Go back to where remembering began; where that was too much to remember, stay, and return its beginning."""
        self._keep()
        kept, self._kept = bytes(self._kept or b""), None
        self.held, self.at = self.held[self.at :], 0
        if len(kept) > self._max_kept:
            return kept[:MAX_RAW_BYTES]
        self.held = kept + self.held
        return None

    def _keep(self) -> None:
        if self._kept is not None and len(self._kept) <= self._max_kept:
            self._kept += memoryview(self.held)[: self.at]

    def mark(self) -> bytes:
        """Step over white space and return the byte behind it, which is not taken; nothing at the end."""
        while True:
            match = _SPACES.match(self.held, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.held):
                return self.held[self.at : self.at + 1]
            if not self.more():
                return b""

    def take(self, mark: bytes, where: str) -> None:
        """Take a mark; raises SourceError where another one stands."""
        found = self.mark()
        if found != mark:
            self.fail(f"expected {mark.decode()} {where}, found {run_parser.show(found.decode('latin-1'))}")
        self.at += 1

    def text(self) -> str:
        """Take a text in quotation marks; of a long one the beginning is returned."""
        self.take(b'"', "where a text begins")
        raw = self._run_of(_PART_OF_TEXT)
        if self.held[self.at : self.at + 1] != b'"':
            self.fail("a text does not end, or holds a line break or a control character")
        self.at += 1
        parsed = self._parsed(b'"' + raw + b'"')
        return str(parsed)

    def scalar(self) -> Any:
        """Take a text, a number, true, false or null, and return it as :func:`wire.parse` does."""
        if self.mark() == b'"':
            return self.text()
        return self._parsed(self._run_of(_PART_OF_SCALAR))

    def _run_of(self, pattern: re.Pattern[bytes]) -> bytes:
        """Take all that a pattern matches, however long it is, and return its beginning."""
        beginning = b""
        while True:
            match = pattern.match(self.held, self.at)
            end = match.end() if match else self.at
            if len(beginning) < MAX_RAW_BYTES:
                beginning += self.held[self.at : min(end, self.at + MAX_RAW_BYTES)]
            self.at = end
            # An escape may be parted by the end of what is at hand.
            if end < len(self.held) - 1 or (end < len(self.held) and self.held[end] != _BACKSLASH):
                return beginning
            if not self.more():
                return beginning

    def _parsed(self, raw: bytes) -> Any:
        if len(raw) > MAX_RAW_BYTES:
            return raw[:MAX_RAW_BYTES].decode("utf-8", "ignore")
        try:
            return run_parser.parse(raw)
        except run_parser.Refusal as refusal:
            self.fail(str(refusal).removeprefix("not JSON: "))

    def fail(self, what: str) -> NoReturn:
        """Raise the SourceError of a text that is no JSON, or is cut off where it has no more."""
        if self.at >= len(self.held) and not self.more():
            raise SourceError(f"{self.source}: the file is cut off: its JSON does not end")
        raise SourceError(f"{self.source}: not JSON: {what}")


class Walk:
    """A walk through JSON that knows whether it stands in a text, and how deep in arrays and objects.

    Its steps are of array arithmetic, so that it takes the same time for every byte, whatever it is.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.in_text = False
        self.breaks_a_text = False
        self._is_escaped = False

    def ends(self, octets: Octets, is_array: bool) -> tuple[Offsets, int | None]:
        """Walk on, and return where elements end, and where the array itself does, if it does.

        The elements of an array end at a comma, values one behind another with their own last bracket.
        """
        found: list[Offsets] = []
        for start in range(0, len(octets), _SLICE_BYTES):
            ends, closed = self._ends_in_slice(octets[start : start + _SLICE_BYTES], is_array)
            found.append(ends + start)
            if closed is not None:
                return np.concatenate(found), closed + start
        return np.concatenate([*found, np.empty(0, np.int64)]), None

    def _ends_in_slice(self, octets: Octets, is_array: bool) -> tuple[Offsets, int | None]:
        escaped = self._escaped(octets)
        at = np.flatnonzero(_IS_MARK[octets])
        marks = octets[at]
        is_quote = marks == _QUOTE
        opens_or_closes = is_quote & ~escaped[at] if escaped is not None else is_quote
        # Counted modulo 256, which keeps what is asked for: odd or even.
        in_text = ((np.cumsum(opens_or_closes, dtype=np.uint8) + self.in_text) & 1).astype(bool)
        is_break = (marks == 10) | (marks == 13)
        is_outside = ~(in_text | is_quote | is_break)
        at_outside, marks_outside = at[is_outside], marks[is_outside]
        depths = self.depth + np.cumsum(_STEP[marks_outside], dtype=np.int64)
        closed = np.flatnonzero(depths < 0)[:1]
        end = int(at_outside[closed[0]]) if len(closed) else None
        broken = at[is_break & in_text]
        self.breaks_a_text |= bool(len(broken)) and (end is None or int(broken[0]) < end)
        if len(in_text):
            self.in_text = bool(in_text[-1])
        if len(depths):
            self.depth = int(depths[-1])
        if is_array:
            ends = at_outside[(depths == 0) & (marks_outside == _COMMA)]
        else:
            ends = at_outside[(depths == 0) & (_STEP[marks_outside] < 0)] + 1
        return (ends if end is None else ends[ends <= end]), end

    def _escaped(self, octets: Octets) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
        """Return which bytes a backslash takes, or nothing where there is none."""
        slashes = np.flatnonzero(octets == _BACKSLASH)
        if not len(slashes) and not self._is_escaped:
            return None
        escaped = np.zeros(len(octets) + 1, bool)
        escaped[0] = self._is_escaped
        if len(slashes):
            order = np.arange(len(slashes))
            begins = np.append(True, np.diff(slashes) != 1)
            in_run = order - np.maximum.accumulate(np.where(begins, order, 0))
            if self._is_escaped and slashes[0] == 0:
                in_run[np.cumsum(begins) == 1] += 1
            escaped[slashes[in_run % 2 == 0] + 1] = True
        self._is_escaped = bool(escaped[-1])
        return escaped

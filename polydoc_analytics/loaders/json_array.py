"""JSON documents: an array of runs, an object that holds one, or a single run; read in pieces, of any size.

A document is cut where one object ends and the next begins (``},{``), and the pieces go to the reader of lines. A cut
inside a text or a nested array would leave a piece that is not JSON; then the piece is tokenised and cut exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, cast

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import ndjson, wire
from polydoc_analytics.loaders.batches import Batch
from polydoc_analytics.loaders.work import Work

_TOKEN = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*"|["\[\]{},]')
_JOINT = re.compile(rb"\}(\s*,\s*)\{")
_SPACE = b" \t\r\n"
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_MOST_HEAD_BYTES = 1024 * 1024


def read(
    stream: BinaryIO, source: str, *, assume_utc: bool = False, block_bytes: int = ndjson.BLOCK_BYTES
) -> Iterator[Work]:
    """Yield the work of reading each piece of a JSON document; a row's line is its number among the runs.

    Raises SourceError where the document is not JSON or cut off, or where it is unclear which array holds the runs.
    """
    head = stream.read(block_bytes)
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    if head.startswith(b"["):
        yield from _Array(stream, source, assume_utc, block_bytes, wrapped=False).read(head[1:])
    elif head.startswith(b"{"):
        if _looks_like_lines(head):
            yield from ndjson.read(
                cast("BinaryIO", _Rejoined(head, stream)), source, assume_utc=assume_utc, block_bytes=block_bytes
            )
            return
        start = _start_of_array(head, source)
        if start is not None:
            yield from _Array(stream, source, assume_utc, block_bytes, wrapped=True).read(head[start:])
            return
        whole = head + stream.read()
        if not isinstance(_parsed(whole, source), dict):  # pragma: no cover - it began with {
            raise SourceError(f"{source}: holds no run")
        yield Work(partial(_read_lines, whole.translate(_LINE_ENDS), source, 1, assume_utc), len(whole))
    elif head:
        raise SourceError(f"{source}: not JSON: it begins with {wire.show(head[:20].decode('utf-8', 'replace'))}")


class _Rejoined:
    """A stream with bytes put back in front of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self.head = head
        self.rest = rest

    def read(self, size: int) -> bytes:
        if self.head:
            head, self.head = self.head, b""
            return head
        return self.rest.read(size)


def _looks_like_lines(head: bytes) -> bool:
    """Tell whether a first line is an object of its own with another one behind it: NDJSON under another name."""
    first, end, rest = head.partition(b"\n")
    if not end or not rest.lstrip(_SPACE).startswith(b"{"):
        return False
    try:
        return isinstance(wire.parse(first), dict)
    except wire.Refusal:
        return False


def _start_of_array(head: bytes, source: str) -> int | None:
    """Return the offset behind the [ of the first array that an object holds as a value; None where it holds none."""
    depth = 0
    for token in _TOKEN.finditer(head, 0, _MOST_HEAD_BYTES):
        mark = token.group()
        if mark == b"[" and depth == 1:
            return token.end()
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(mark, 0)
        if mark == b'"':
            break
        if depth == 0:
            return None
    raise SourceError(f"{source}: not a JSON object that holds an array of runs")


def _parsed(text: bytes, source: str) -> object:
    try:
        return wire.parse(text)
    except wire.Refusal as refusal:
        raise SourceError(f"{source}: {refusal}") from None


class _Array:
    """The body of an array, read on from behind its [."""

    def __init__(self, stream: BinaryIO, source: str, assume_utc: bool, block_bytes: int, *, wrapped: bool) -> None:
        self.stream = stream
        self.source = source
        self.assume_utc = assume_utc
        self.block_bytes = block_bytes
        self.wrapped = wrapped
        self.record = 1
        self.joint: bytes | None = None

    def read(self, rest: bytes) -> Iterator[Work]:
        """Yield the work of each piece, then see that the document ends as it should."""
        while True:
            chunk = self.stream.read(self.block_bytes)
            if not chunk:
                break
            if self.joint is None and (first := _JOINT.search(rest)):
                self.joint = first.group()
            end = self._last_joint(rest)
            if end:
                yield self._work(rest[:end])
                rest = rest[end:].lstrip(_SPACE)[1:].lstrip(_SPACE)
            rest += chunk
        if self.joint is None and (first := _JOINT.search(rest)):
            self.joint = first.group()
        end = self._end(rest)
        self._check_tail(rest[end + 1 :])
        if body := rest[:end].strip(_SPACE):
            yield self._work(body)

    def _work(self, piece: bytes) -> Work:
        first, elements, lines = self.record, None, b""
        if self.joint is not None and not (b"\n" in self.joint or b"\n" in piece) and _is_flat(piece, self.joint):
            lines = piece.replace(self.joint, b"}\n{")
        if lines and not _cuts_a_text(lines):
            self.record += lines.count(b"\n") + 1
        else:
            spans, _ = _elements(piece)
            elements = [piece[a:b].translate(_LINE_ENDS) for a, b in spans]
            if not all(elements):
                raise SourceError(f"{self.source}: not JSON: a comma in the array has nothing before or behind it")
            lines = b"\n".join(elements)
            self.record += len(elements)
        return Work(partial(self._read_piece, lines, piece, first, elements is not None), len(piece))

    def _read_piece(self, lines: bytes, piece: bytes, first: int, exact: bool) -> list[Batch]:
        batches = _read_lines(lines, self.source, first, self.assume_utc)
        broken = [r for b in batches for r in b.unreadable if r.reason.startswith("not JSON")]
        if broken and not exact:
            spans, _ = _elements(piece)
            lines = b"\n".join(piece[a:b].translate(_LINE_ENDS) for a, b in spans)
            return self._read_piece(lines, piece, first, True)
        if broken:
            raise SourceError(f"{self.source}: record {broken[0].line} is {broken[0].reason}")
        return batches

    def _last_joint(self, text: bytes) -> int:
        """Return the end of the last element that is surely followed by another one, or 0."""
        if self.joint is not None:
            at = text.rfind(self.joint) + 1
            if at and _is_flat(text[:at], self.joint) and _is_outside_texts(text[:at]):
                return at
        spans, closed = _elements(text)
        return 0 if closed is not None or len(spans) < 2 else spans[-2][1]

    def _end(self, text: bytes) -> int:
        """Return the offset of the ] that ends the array."""
        at = text.rfind(b"]")
        body = text[:at].rstrip(_SPACE)
        if at >= 0 and not self.wrapped and self.joint and _is_flat(body, self.joint) and _is_outside_texts(body):
            return at
        _, closed = _elements(text)
        if closed is None:
            raise SourceError(f"{self.source}: the file is cut off: its array of runs does not end")
        return closed

    def _check_tail(self, tail: bytes) -> None:
        if not self.wrapped:
            if tail.strip(_SPACE):
                raise SourceError(f"{self.source}: not JSON: there is more behind the end of the array")
            return
        tail = tail.strip(_SPACE)
        rest = _parsed(b"{" + tail.removeprefix(b","), self.source)
        if isinstance(rest, dict) and any(isinstance(value, list) and value for value in rest.values()):
            raise SourceError(f"{self.source}: holds more than one array; save the array of runs as a file of its own")


def _is_flat(piece: bytes, joint: bytes) -> bool:
    """Tell whether a piece begins with { and ends with } and has no braces but those around its elements."""
    elements = piece.count(joint) + 1
    return (
        piece.startswith(b"{")
        and piece.endswith(b"}")
        and piece.count(b"{") == elements
        and piece.count(b"}") == elements
    )


def _is_outside_texts(piece: bytes) -> bool:
    """Tell whether the end of a piece stands outside of any text: its quotation marks pair up."""
    return _without_escapes(piece).count(b'"') % 2 == 0


def _cuts_a_text(lines: bytes) -> bool:
    """Tell whether a text that holds the joint was parted: a line with an odd number of quotation marks."""
    return any(line.count(b'"') % 2 for line in _without_escapes(lines).split(b"\n"))


def _without_escapes(piece: bytes) -> bytes:
    return piece.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in piece else piece


def _elements(text: bytes) -> tuple[list[tuple[int, int]], int | None]:
    """Return where each element of an array's body begins and ends, and the offset of its ], if it is there.

    The last element is as long as the text where the array goes on.
    """
    spans: list[tuple[int, int]] = []
    depth = start = 0
    end = len(text)
    closed = None
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]") and depth:
            depth -= 1
        elif mark == b"]":
            end = closed = token.start()
            break
        elif mark == b"," and not depth:
            spans.append((start, token.start()))
            start = token.end()
        elif mark == b'"':
            break
    if spans or text[start:end].strip(_SPACE):
        spans.append((start, end))
    trimmed = [(b - len(text[a:b].lstrip(_SPACE)), a + len(text[a:b].rstrip(_SPACE))) for a, b in spans]
    return trimmed, closed


def _read_lines(lines: bytes, source: str, first: int, assume_utc: bool) -> list[Batch]:
    return ndjson.read_block(lines, source, first, assume_utc)

"""A stream of text, cut into blocks at line ends, in bounded memory whatever the length of its lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from polydoc_analytics.loaders import limits
from polydoc_analytics.loaders.validation import MAX_RAW_BYTES, Batch, Rejected, empty_batch, truncate

BLOCK_BYTES = 7 * 1024 * 1024
_FIRST_BYTES = 1024 * 1024


class LongLine(bytes):
    """The beginning of a line that is longer than the longest row; its rest is passed over."""

    def batches(self, source: str, line: int, header: str | None = None) -> list[Batch]:
        """Reject the line as a row."""
        reason = limits.too_long(limits.longest_row())
        return [empty_batch(Rejected(source, line, reason, truncate(bytes(self)), header), lines=1)]


def blocks(stream: BinaryIO, block_bytes: int, *, return_ends: bool = False) -> Iterator[bytearray | LongLine]:
    """Yield the stream in blocks of about ``block_bytes`` that end where a line does; the first ones are smaller.

    A line ends at LF, with ``return_ends`` at CR as well. One that has grown beyond the longest row is yielded alone
    as a LongLine.
    """
    rest = bytearray()
    size = min(block_bytes, _FIRST_BYTES)
    longest = None
    searched = 0
    while True:
        block = bytearray(len(rest) + size)
        block[: len(rest)] = rest
        with memoryview(block) as view, view[len(rest) :] as free:
            filled = len(rest) + _read_into(stream, free)
        if filled == len(rest):
            break
        # Room is filled with zeros: a short stream needs no more of it, nor does one that comes in small pieces.
        size = min(block_bytes, size * 4 if filled == len(block) else size)
        end = _last_end(block, searched, filled, return_ends)
        rest = block[end:filled]
        searched = len(rest)
        if end:
            del block[end:]
            yield block
        if len(rest) > limits.LEAST_ROW_BYTES:
            longest = longest or limits.longest_row()
            if len(rest) > longest + 1:  # the last byte may be half of CRLF
                yield LongLine(rest[:MAX_RAW_BYTES])
                rest = _behind_the_line(stream, rest[-1:], block_bytes, return_ends)
                searched = 0
        if longest is not None:  # in ever larger pieces, or what has been read would be copied once for each of them
            size = max(size, min(len(rest), longest - len(rest)))
    if rest:
        yield rest


def _last_end(block: bytearray, since: int, filled: int, return_ends: bool) -> int:
    """Offset after the last line end; 0 where there is none after ``since``.

    A CR at the very end is not taken for one, for an LF may follow.
    """
    end = block.rfind(b"\n", since, filled) + 1
    if return_ends:
        end = max(end, block.rfind(b"\r", max(end, since - 1, 0), filled - 1) + 1)
    return end


def _behind_the_line(stream: BinaryIO, last: bytearray, block_bytes: int, return_ends: bool) -> bytearray:
    """Read to the end of a line whose last byte so far is given, and return what was read behind it."""
    chunk = bytearray(last) if return_ends else bytearray()
    while True:
        ends = [at for at in (chunk.find(b"\n"), chunk.find(b"\r") if return_ends else -1) if at >= 0]
        if ends:
            at = min(ends)
            if chunk[at:] == b"\r":
                chunk += stream.read(1)
            return chunk[at + (2 if chunk[at : at + 2] == b"\r\n" else 1) :]
        chunk = bytearray(stream.read(block_bytes))
        if not chunk:
            return chunk


def _read_into(stream: BinaryIO, free: memoryview) -> int:
    """Read bytes to where they will stay, if the stream can do that; return how many."""
    if hasattr(stream, "readinto"):
        return int(stream.readinto(free))
    content = stream.read(len(free))
    free[: len(content)] = content
    return len(content)

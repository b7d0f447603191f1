"""Zstandard data frame by frame (RFC 8878): what Arrow's decompressor cannot be shown, such as padding, is left out."""

from __future__ import annotations

from collections.abc import Iterator

from polydoc_analytics.loaders.compression import CutOffError, DamagedError

_MAGIC = 0xFD2FB528
_PASSED_OVER = range(0x184D2A50, 0x184D2A60)
_FIRST_BYTES = bytes((_MAGIC & 0xFF, *range(0x50, 0x60)))
_RUN_OF_A_BYTE, _RESERVED = 1, 3
_PIECE_BYTES = 64 * 1024


class _Bytes:
    """The bytes of a stream, taken as they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._at = 0

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._held = self._held[self._at :] + piece
        self._at = 0
        return bool(piece)

    def take(self, size: int) -> bytes:
        """Take so many bytes; raises CutOffError where there are fewer."""
        while len(self._held) - self._at < size:
            if not self._more():
                raise CutOffError("is cut off: the compressed data end too early")
        self._at += size
        return self._held[self._at - size : self._at]

    def pass_over(self, size: int) -> None:
        """Take so many bytes piece by piece, for they may be many."""
        while size:
            size -= len(self.take(min(size, _PIECE_BYTES)))

    def is_at_end(self) -> bool:
        """Pass over zeros, and check whether there is nothing behind them."""
        while not self._held[self._at : self._at + 1].strip(b"\0"):
            self._at = len(self._held) - len(self._held[self._at :].lstrip(b"\0"))
            if self._at == len(self._held) and not self._more():
                return True
        return False


def zstandard_frames(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the frames of Zstandard data, without the zeros behind each, as tapes and block devices pad them.

    Raises CutOffError where the data end too early, DamagedError where something else stands behind a frame.
    """
    source = _Bytes(pieces)
    is_first = True
    while is_first or not source.is_at_end():
        magic = source.take(1)
        magic += source.take(3) if magic in _FIRST_BYTES else b""
        kind = int.from_bytes(magic, "little")
        if kind in _PASSED_OVER:
            source.pass_over(int.from_bytes(source.take(4), "little"))
        elif kind == _MAGIC:
            yield magic
            yield from _frame(source)
        else:
            raise DamagedError("has something else than zstd behind its zstd data")
        is_first = False


def _frame(source: _Bytes) -> Iterator[bytes]:
    """Yield a frame's header, which tells its own size, its blocks, each behind its size, and its checksum if any."""
    descriptor = source.take(1)
    flags = descriptor[0]
    is_single = flags >> 5 & 1
    size_of_content = (is_single, 2, 4, 8)[flags >> 6]
    size_of_dictionary_id = (0, 1, 2, 4)[flags & 3]
    yield descriptor + source.take(1 - is_single + size_of_dictionary_id + size_of_content)
    is_last = False
    while not is_last:
        header = source.take(3)
        block = int.from_bytes(header, "little")
        is_last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == _RESERVED:
            raise DamagedError("is damaged: it cannot be unpacked as zstd")
        yield header + source.take(1 if kind == _RUN_OF_A_BYTE else size)
    if flags >> 2 & 1:
        yield source.take(4)

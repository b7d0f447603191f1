"""Compressed data, unpacked piece by piece in bounded memory, and seen to be whole."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

_GZIP = 31
_MAX_BYTES = 1024 * 1024


class CutOffError(Exception):
    """Data that end too early, or cannot be unpacked."""


class DamagedError(CutOffError):
    """Data that are not of the kind that their beginning tells."""


class _Unpacker(Protocol):
    """One member: what Python's own decompressors of bzip2 and xz can do."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """One member of gzip data, unpacked as Python's other decompressors do it."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full piece may have more behind it although all input is taken.
        self.needs_input = not self._inner.unconsumed_tail and len(content) < max_length
        return content


_UNPACKERS: dict[str, Callable[[], _Unpacker]] = {
    "gzip": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


def unpacked(pieces: Iterable[bytes], codec: str) -> Iterator[bytes]:
    """Yield gzip, bzip2 or xz data unpacked, in pieces of at most 1 MiB whatever they unpack to.

    Several members may stand one behind another, with zeros behind each, as tapes and block devices pad them.
    Raises CutOffError where the data end too early, DamagedError where something else stands in them or behind them.
    """
    unpacker: _Unpacker | None = None
    members = 0
    for piece in pieces:
        rest = piece
        while True:
            if unpacker is None:
                rest = rest.lstrip(b"\0") if members else rest
                if not rest:
                    break
                unpacker = _UNPACKERS[codec]()
                members += 1
            try:
                content = unpacker.decompress(rest, _MAX_BYTES)
            except (zlib.error, lzma.LZMAError, OSError, ValueError):
                raise DamagedError(
                    f"is damaged: it cannot be unpacked as {codec}"
                    if members == 1
                    else f"has something else than {codec} behind its {codec} data"
                ) from None
            if content:
                yield content
            rest = b""
            if unpacker.eof:
                rest, unpacker = unpacker.unused_data, None
            elif unpacker.needs_input:
                break
    if unpacker is not None:
        raise CutOffError("is cut off: the compressed data end too early")

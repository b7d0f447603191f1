"""Bodies of answers, piece by piece: unpacked in bounded memory, and seen to be whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

_GZIP = 31
_MOST_BYTES = 1024 * 1024
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


class CutOffError(Exception):
    """A body that ends too early, or cannot be unpacked."""


def gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield gzip data unpacked, of one member or several, in pieces of at most 1 MiB whatever they unpack to.

    Raises CutOffError where the data end too early or are not gzip.
    """
    unpacker = None
    for piece in pieces:
        rest, is_pending = piece, False
        while rest or is_pending:
            unpacker = unpacker or zlib.decompressobj(_GZIP)
            try:
                unpacked = unpacker.decompress(rest, _MOST_BYTES)
            except zlib.error:
                unpacked = None
            if unpacked is None:
                raise CutOffError("is damaged: it cannot be unpacked as gzip")
            if unpacked:
                yield unpacked
            if unpacker.eof:
                rest, is_pending = unpacker.unused_data.lstrip(b"\0"), False
                unpacker = None
            else:
                # A full piece may have more behind it although all input is taken.
                rest, is_pending = unpacker.unconsumed_tail, len(unpacked) == _MOST_BYTES
    if unpacker is not None:
        raise CutOffError("is cut off: the compressed data end too early")


def first_and_last(so_far: str, piece: bytes) -> str:
    """Return the first and the last character of a JSON text but for white space, given those of what came before."""
    if not so_far:
        piece = piece.lstrip(_BOM + _SPACE)
        first, last = piece[:1], piece[1:].rstrip(_SPACE)[-1:]
    else:
        first, last = so_far[:1].encode("latin-1"), piece.rstrip(_SPACE)[-1:]
    return (first + (last or so_far[1:].encode("latin-1"))).decode("latin-1")

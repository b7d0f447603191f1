"""Bodies of answers, piece by piece: seen to be whole."""

from __future__ import annotations

_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def first_and_last(so_far: str, piece: bytes) -> str:
    """Return the first and the last character of a JSON text but for white space, given those of what came before."""
    if not so_far:
        piece = piece.lstrip(_BOM + _SPACE)
        first, last = piece[:1], piece[1:].rstrip(_SPACE)[-1:]
    else:
        first, last = so_far[:1].encode("latin-1"), piece.rstrip(_SPACE)[-1:]
    return (first + (last or so_far[1:].encode("latin-1"))).decode("latin-1")

"""Streams cut into blocks: no line is lost, and little is made ready for little."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from polydoc_analytics.loaders.lines import BLOCK_BYTES, blocks

MIB = 1024 * 1024


class Pieces(io.BytesIO):
    """A stream that comes in pieces, and notes how much room there was for each."""

    def __init__(self, content: bytes, piece_bytes: int) -> None:
        super().__init__(content)
        self.piece_bytes = piece_bytes
        self.room: list[int] = []

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Take a piece."""
        self.room.append(len(buffer))
        return super().readinto(buffer[: self.piece_bytes])


@pytest.mark.parametrize(
    ("lines", "piece_bytes", "most_room"),
    [
        (0, MIB, MIB),
        (2_000, 100_000, MIB),
        (2_000, 16 * MIB, MIB),
        (100_000, 2 * MIB, 4 * MIB),
        (100_000, 16 * MIB, BLOCK_BYTES),
    ],
)
def test_the_room_grows_with_what_comes_and_no_line_is_lost(lines: int, piece_bytes: int, most_room: int) -> None:
    line = b"x" * 399 + b"\n"
    stream = Pieces(line * lines, piece_bytes)
    found = list(blocks(cast("BinaryIO", stream), BLOCK_BYTES))
    assert all(bytes(block) == line * (len(block) // 400) for block in found)
    assert sum(map(len, found)) == 400 * lines
    assert max(stream.room) <= most_room

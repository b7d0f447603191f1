"""Streams under the readers: what has been looked at is still there, however the rest is taken."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any, BinaryIO, cast

import pytest

from polydoc_analytics.loaders.compression import CutOffError, DamagedError
from polydoc_analytics.loaders.streams import Joined, decompressed, peek
from polydoc_analytics.loaders.zstandard_frames import zstandard_frames


def joined(*ends: int) -> Callable[[bytes], Joined]:
    """Make a stream of pieces that end there, the empty ones among them."""
    return lambda content: Joined(content[start:end] for start, end in pairwise((0, *ends, len(content))))


@pytest.mark.parametrize("opened", [io.BytesIO, joined(700), joined(0, 1, 65_000, 65_000, 70_000)])
@pytest.mark.parametrize("sizes", [[1], [3, 50_000], [65_536], [65_535, 2, 100_000], [100_000]])
def test_a_stream_that_was_looked_at_gives_each_byte_once(opened: Any, sizes: list[int]) -> None:
    content = bytes(range(256)) * 300
    head, stream = peek(opened(content))
    again, stream = peek(stream)
    assert head == again == content[: 64 * 1024]
    taken = bytearray()
    buffer = bytearray(100_000)
    while True:
        with memoryview(buffer) as view:
            room = view[: sizes.pop(0) if len(sizes) > 1 else sizes[0]]
            count = stream.readinto(room)  # type: ignore[attr-defined]
            assert count <= len(room)
            taken += room[:count]
        if not count:
            break
    assert bytes(taken) == content


def frame(*blocks: bytes, descriptor: int = 0x20, behind: bytes = b"") -> bytes:
    """A frame of Zstandard data by hand: magic, descriptor, size of the content or window, blocks, checksum."""
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + b"".join(blocks) + behind


def block(kind: int, size: int, content: bytes, *, is_last: bool = False) -> bytes:
    return (size << 3 | kind << 1 | is_last).to_bytes(3, "little") + content


RAW, RUN_OF_A_BYTE, RESERVED = 0, 1, 3
WINDOW = b"\x00"
FRAMES = {
    "of one segment": frame(b"\x03", block(RAW, 3, b"abc", is_last=True)),
    "with a window": frame(WINDOW, block(RAW, 3, b"abc", is_last=True), descriptor=0),
    "of blocks": frame(
        WINDOW, block(RAW, 2, b"ab"), block(RAW, 0, b""), block(RAW, 1, b"c", is_last=True), descriptor=0
    ),
    "of a run of bytes": frame(b"\x07", block(RUN_OF_A_BYTE, 4, b"a"), block(RAW, 3, b"abc", is_last=True)),
    "with a long size": frame((3).to_bytes(8, "little"), block(RAW, 3, b"abc", is_last=True), descriptor=0xE0),
    "with zeros at its end": frame(b"\x03", block(RAW, 3, b"a\0\0", is_last=True)),
    "of nothing": frame(b"\x00", block(RAW, 0, b"", is_last=True)),
}
PASSED_OVER = b"\x51\x2a\x4d\x18" + (70_000).to_bytes(4, "little") + bytes(70_000)


@pytest.mark.parametrize("size", [1, 3, 100_000])
@pytest.mark.parametrize("between", [b"", b"\0", bytes(9), PASSED_OVER, PASSED_OVER + bytes(4)])
def test_frames_of_zstandard_data_end_where_they_say(between: bytes, size: int) -> None:
    if size < 100 and len(between) > 100:
        size = 1000
    content = b"".join(one + between for one in FRAMES.values())
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    assert b"".join(zstandard_frames(pieces)) == b"".join(FRAMES.values())


@pytest.mark.parametrize("name", FRAMES)
def test_frames_by_hand_are_zstandard_data(name: str) -> None:
    unpacked = decompressed(cast("BinaryIO", io.BytesIO(FRAMES[name] + bytes(3)))).read(100)
    assert unpacked in (b"abc", b"aaaaabc", b"a\0\0", b"")


def test_frames_that_are_cut_off_or_of_a_kind_that_is_not_there_are_errors() -> None:
    whole = FRAMES["of blocks"] + PASSED_OVER
    for end in (1, 4, 6, 9, 20, len(whole) - 1):
        with pytest.raises(CutOffError, match="is cut off"):
            list(zstandard_frames(iter([FRAMES["of nothing"] + whole[:end]])))
    for content in (frame(b"\x03", block(RESERVED, 3, b"abc", is_last=True)), FRAMES["of nothing"] + b"\0more"):
        with pytest.raises(DamagedError):
            list(zstandard_frames(iter([content])))

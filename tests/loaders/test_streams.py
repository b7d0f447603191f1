"""Streams under the readers: what has been looked at is still there, however the rest is taken."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from polydoc_analytics.loaders.streams import Joined, peek


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

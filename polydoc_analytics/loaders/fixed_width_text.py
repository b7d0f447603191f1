"""Arrays of UUIDs, instants and integers as bytes of one width, for lines that are put together without a loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polydoc_analytics.model.epoch import DAY_US


def uuids(rng: np.random.Generator, count: int) -> NDArray[np.bytes_]:
    """Random UUIDs (version 4) as quoted texts."""
    pairs = np.frombuffer(bytes(range(256)).hex().encode(), "S2")
    digits = pairs[np.frombuffer(rng.bytes(16 * count), np.uint8)].view(np.uint8).reshape(count, 32)
    text = np.full((count, 38), ord("-"), np.uint8)
    for start, source, width in ((1, 0, 8), (10, 8, 4), (15, 12, 4), (20, 16, 4), (25, 20, 12)):
        text[:, start : start + width] = digits[:, source : source + width]
    text[:, (0, 15, 20, 37)] = np.frombuffer(b'"4a"', np.uint8)
    return text.view("S38").ravel()


def instants(us: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Instants, in µs since 1970 UTC, as quoted texts such as "2026-10-31T12:00:00.000000Z"."""
    text = np.tile(np.frombuffer(b'"0000-00-00T00:00:00.000000Z"', np.uint8), (len(us), 1))
    months = us.view("datetime64[us]").astype("datetime64[M]")
    day = us // DAY_US - months.astype("datetime64[D]").view(np.int64) + 1
    month, second, fraction = months.view(np.int64), us % DAY_US // 1_000_000, us % 1_000_000
    parts = (1970 + month // 12, month % 12 + 1, day, second // 3600, second // 60 % 60, second % 60, fraction)
    for start, width, value in zip((1, 6, 9, 12, 15, 18, 21), (4, 2, 2, 2, 2, 2, 6), parts, strict=True):
        for place in range(width):
            text[:, start + place] += (value // 10 ** (width - 1 - place) % 10).astype(np.uint8)
    return text.view("S29").ravel()


def integers(values: NDArray[np.int64], width: int) -> NDArray[np.bytes_]:
    """Integers from 0 as texts, filled up with NULs on the left."""
    text = np.empty((len(values), width), np.uint8)
    for place in range(width):
        unit = 10 ** (width - 1 - place)
        text[:, place] = np.where((values >= unit) | (unit == 1), ord("0") + values // unit % 10, 0)
    return text.view(f"S{width}").ravel()

"""Pieces of reading on threads: their order, and how many run at once."""

from __future__ import annotations

import os
import threading
import time
from functools import partial

import pytest

from polydoc_analytics.loaders.executor import Work, run_ordered
from polydoc_analytics.loaders.validation import Batch, empty_batch


class Pieces:
    """Pieces of reading, each of which lasts until so many of them run at once as are expected."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._lock = threading.Lock()
        self._running = self.at_once = 0

    def run(self) -> list[Batch]:
        with self._lock:
            self._running += 1
            self.at_once = max(self.at_once, self._running)
        until = time.monotonic() + 10
        while self.at_once < self._expected and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.01)
        with self._lock:
            self._running -= 1
        return [empty_batch()]


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
@pytest.mark.parametrize(("takes_turns", "at_once"), [(False, [1, 2, 4, 4]), (True, [1, 1, 3, 4])])
def test_pieces_that_take_turns_leave_a_core_to_merging(
    cores: int, takes_turns: bool, at_once: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", partial(int, cores))
    expected = dict(zip([1, 2, 4, 8], at_once, strict=True))[cores]
    pieces = Pieces(expected)
    assert len(list(run_ordered(Work(pieces.run, 1, takes_turns=takes_turns) for _ in range(12)))) == 12
    assert pieces.at_once == expected


def test_batches_come_in_the_order_of_their_pieces_whichever_threads_they_are_read_on() -> None:
    def run(size: int) -> list[Batch]:
        time.sleep(0.001 * (size % 3))
        return [empty_batch()]

    work = (Work(partial(run, size), size, takes_turns=size % 2 == 0) for size in range(30))
    assert [size for _, size in run_ordered(work)] == list(range(30))

"""Run pieces of reading on a thread pool and yield their results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, ParamSpec

from polydoc_analytics.loaders.validation import Batch

P = ParamSpec("P")
_EXTRA_AT_START = 3
_MAX_BYTES_IN_FLIGHT = 58 * 1024 * 1024
"""Pieces are of 7 MiB and fewer than nine, but one that holds a single long row can be much longer."""


class Work(NamedTuple):
    """A piece of reading: call ``run`` for its batches; ``size`` is its share of the source in bytes, or 0.

    Where the lines of its batches are counted from 1, what stands before them in the file is known once that has been
    read; ``is_first`` marks the first piece of a file. ``takes_turns`` marks short steps, for each of which a thread
    needs Python's lock; beside merging and writing, as many of these at once as there are cores are slower than fewer.
    """

    run: Callable[[], list[Batch]]
    size: int
    is_counted_from_1: bool = False
    is_first: bool = False
    takes_turns: bool = False


def run_ordered(work: Iterable[Work], is_ready: Callable[[], bool] = lambda: True) -> Iterator[tuple[list[Batch], int]]:
    """Run pieces of work on a few threads; yield their batches and sizes in the order of the pieces.

    A few pieces are under way at once, and of long ones fewer, so memory stays bounded whatever the size of the source;
    some more at the start, while ``is_ready`` says that batches could not be used yet. What goes wrong is raised in
    the same order.
    """
    cores = os.cpu_count() or 1
    threads, taking_turns = min(4, cores), min(4, max(1, cores - 1))
    in_flight: deque[tuple[Future[list[Batch]], Work]] = deque()
    lines = 0
    failure: Exception | None = None

    def until_failure() -> Iterator[Work]:
        nonlocal failure
        try:
            yield from work
        except Exception as error:
            failure = error

    def is_full() -> bool:
        if len(in_flight) > threads + (1 if is_ready() else 1 + _EXTRA_AT_START):
            return True
        return sum(piece.size for _, piece in in_flight) > _MAX_BYTES_IN_FLIGHT

    def first() -> tuple[list[Batch], int]:
        nonlocal lines
        future, piece = in_flight.popleft()
        batches = future.result()
        if piece.is_first:
            lines = 0
        if piece.is_counted_from_1:
            for batch in batches:
                batch.offset_lines(lines)
                lines += batch.lines
        return batches, piece.size

    with (
        ThreadPoolExecutor(threads, thread_name_prefix="polydoc-load") as pool,
        ThreadPoolExecutor(taking_turns, thread_name_prefix="polydoc-load") as fewer,
    ):
        try:
            for piece in until_failure():
                in_flight.append(((fewer if piece.takes_turns else pool).submit(piece.run), piece))
                while is_full():
                    yield first()
            while in_flight:
                yield first()
            if failure is not None:
                raise failure
        finally:
            for future, _ in in_flight:
                future.cancel()


@contextmanager
def in_background(do: Callable[P, object], *, max_waiting: int = 1) -> Iterator[Callable[P, None]]:
    """Yield a function that calls ``do`` on one background thread, in order; so many calls may wait behind another.

    What a call raises is raised by a later one, or at the end.
    """
    in_flight: deque[Future[object]] = deque()

    def later(*args: P.args, **kwargs: P.kwargs) -> None:
        while len(in_flight) > max_waiting:
            in_flight.popleft().result()
        in_flight.append(pool.submit(do, *args, **kwargs))

    with ThreadPoolExecutor(1, thread_name_prefix="polydoc-background") as pool:
        try:
            yield later
            while in_flight:
                in_flight.popleft().result()
        finally:
            for future in in_flight:
                future.cancel()

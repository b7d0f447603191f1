"""Counts and lengths of time in words: ``1 run``, ``1,204 runs``, ``a day``."""

from __future__ import annotations

from datetime import timedelta


def noun(count: int, singular: str, plural: str | None = None) -> str:
    """Return the word (or words, ``row is``) that goes with a count; ``plural`` is by default with an s."""
    return singular if count == 1 else plural or f"{singular}s"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Return a count and the word that goes with it, see :func:`noun`."""
    return f"{count:,} {noun(count, singular, plural)}"


def duration(length: timedelta) -> str:
    """Return a length of time in words, in the largest unit that it is whole in: ``a day``, ``90 minutes``."""
    minutes = length // timedelta(minutes=1)
    for size, one, many in ((1440, "a day", "days"), (60, "an hour", "hours"), (1, "a minute", "minutes")):
        if minutes >= size and minutes % size == 0:
            return one if minutes == size else f"{minutes // size:,} {many}"
    return f"{length.total_seconds():g} seconds"

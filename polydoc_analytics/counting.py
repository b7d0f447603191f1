"""Counts in words: ``1 run``, ``1,204 runs``."""

from __future__ import annotations


def noun(count: int, one: str, many: str | None = None) -> str:
    """Return the word (or words, ``row is``) that goes with a count; ``many`` is by default ``one`` with an s."""
    return one if count == 1 else many or f"{one}s"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count and the word that goes with it, see :func:`noun`."""
    return f"{count:,} {noun(count, one, many)}"

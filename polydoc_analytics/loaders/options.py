"""How a source is read: the arguments that ``load``, ``connect``, ``export`` and ``Lake.ingest`` have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes there are in all (0 where that is unknown)."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a source is read; see :func:`polydoc_analytics.load` for each."""

    input_format: str | None = None
    assume_utc: bool = False
    partial: bool = False
    strict: bool = False
    quarantine_to: str | os.PathLike[str] | None = None
    progress: Progress | None = None

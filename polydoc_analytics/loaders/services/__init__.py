"""Services that hold runs: the REST API and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polydoc_analytics.loaders.options import ReadOptions


@dataclass(frozen=True, slots=True)
class Service:
    """Runs that a service gives: the source's name, and how to fetch them, with a folder for files on the way."""

    name: str
    fetch: Callable[[Path, ReadOptions], Iterable[Any]]

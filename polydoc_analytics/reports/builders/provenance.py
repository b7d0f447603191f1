"""The files that a report was made from, with their SHA-256, so that its figures can be traced to them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any

from polydoc_analytics.errors import PolydocError
from polydoc_analytics.reports.model import SourceFile

_MOST_NAMED = 5


def source_files(source: Any, input_format: str | None = None, *, engine: str = "duckdb") -> tuple[SourceFile, ...]:
    """Return the files of a source with their SHA-256; a table in memory has none.

    Remote files, standard input and what a cluster reads in our place are named without one.
    """
    from polydoc_analytics.loaders import is_table
    from polydoc_analytics.loaders.files import inputs

    if is_table(source) or not _is_paths(source):
        return ()
    try:
        found = inputs(source, input_format)
    except PolydocError:
        return ()  # no files of runs, such as a lake, which has a snapshot instead
    return tuple(
        SourceFile(
            os.path.basename(one.name.rstrip("/")) or one.name if one.is_local else one.name,
            one.size,
            _sha256(one.path) if one.is_local and engine == "duckdb" else None,
        )
        for one in found
    )


def _is_paths(source: Any) -> bool:
    if isinstance(source, str | os.PathLike):
        return True
    return isinstance(source, Iterable) and all(isinstance(part, str | os.PathLike) for part in source)


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined(files: Iterable[SourceFile]) -> str:
    """Return one SHA-256 over all files' own, in their order."""
    return hashlib.sha256("\n".join(file.sha256 or file.name for file in files).encode()).hexdigest()


def file_lines(files: tuple[SourceFile, ...]) -> list[str]:
    """Return the files as lines: name and SHA-256; of many the first, and one SHA-256 over all."""
    lines = [f"{file.name} (SHA-256 {file.sha256 or 'not taken: not read here'})" for file in files[:_MOST_NAMED]]
    if len(files) > _MOST_NAMED:
        lines.append(f"and {len(files) - _MOST_NAMED:,} more; SHA-256 over the hashes of all: {combined(files)}")
    return lines

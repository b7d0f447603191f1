"""The files that a report was made from, with their SHA-256, so that its figures can be traced to them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

from polydoc_analytics.ingest.manifest import Export
from polydoc_analytics.lake.resolve import Source
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.reports.model import SourceFile

_MAX_NAMED = 5


def source_files(source: Source, *, engine: str = "duckdb") -> tuple[SourceFile, ...]:
    """List the files of a source with their SHA-256; a table, a service and a lake have none.

    Remote files, standard input and files that a cluster reads have none.
    """
    files = source.files if isinstance(source, Export) else source
    if not isinstance(files, Files):
        return ()
    return tuple(
        SourceFile(
            os.path.basename(file.name.rstrip("/")) or file.name if file.is_local else file.name,
            file.size,
            _sha256(file.path) if file.is_local and engine == "duckdb" else None,
        )
        for file in files
    )


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined(files: Iterable[SourceFile]) -> str:
    """Return one SHA-256 over all files' own, in their order."""
    return hashlib.sha256("\n".join(file.sha256 or file.name for file in files).encode()).hexdigest()


def file_lines(files: tuple[SourceFile, ...]) -> list[str]:
    """Return the files as lines: name and SHA-256; of many the first, and one SHA-256 over all."""
    lines = [f"{file.name} (SHA-256 {file.sha256 or 'not taken: not read here'})" for file in files[:_MAX_NAMED]]
    if len(files) > _MAX_NAMED:
        lines.append(f"and {len(files) - _MAX_NAMED:,} more; SHA-256 over the hashes of all: {combined(files)}")
    return lines

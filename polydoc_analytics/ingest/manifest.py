"""Folders that ``export`` has written: the manifest says what is in them and vouches for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from polydoc_analytics._version import __version__
from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.atomic_write import atomic_write
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.input_file import MANIFEST

FORMAT = "polydoc-runs"
FORMAT_VERSION = 1
ROW_GROUP_ROWS = 65_536
FILE_ROWS = 4 * ROW_GROUP_ROWS
"""A file of a lake is written again as a whole when one of its runs changes, so it is not large."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows of Parquet files of runs: all, or those for which the SQL condition ``where`` holds."""

    files: tuple[str, ...]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a folder: its path below it, its rows and bytes."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a folder of checked runs: files, counts of the load, range of instants.

    ``created_us`` and ``finished_us`` are the least and greatest created_at and finished_at, in µs since 1970 UTC;
    ``languages`` are the distinct values of target_language.
    """

    parts: tuple[Part, ...]
    counts: dict[str, int]
    created_us: tuple[int, int] | None
    finished_us: tuple[int, int] | None
    languages: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many runs the folder holds."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True, slots=True)
class Export:
    """A folder that ``export`` has written and nobody has added to: its manifest, and its files."""

    folder: Path
    manifest: Manifest
    files: Files

    @property
    def name(self) -> str:
        """The folder, for the ledger."""
        return self.files.name


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder; from then on it is a whole one."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"polydoc-analytics {__version__}",
    }
    text = json.dumps(content | {"runs": manifest.rows} | asdict(manifest), ensure_ascii=False, indent=1)
    with atomic_write(folder / MANIFEST, is_durable=True) as file:
        file.write(f"{text}\n".encode())


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, or None where it has none.

    Raises SourceError where the folder is not what its manifest says: a file is missing or has another size.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None
    manifest = manifest_of(text, str(path))
    for part in manifest.parts if manifest else ():
        file = folder / part.path
        if not file.is_file() or file.stat().st_size != part.bytes:
            raise not_as_exported(str(file), str(path))
    return manifest


def not_as_exported(file: str, manifest: str) -> SourceError:
    """Return the error for a file of an export that is not what the manifest says."""
    return SourceError(
        f"{file}: is missing or not as exported; export again, or delete {manifest} to read what is there"
    )


def manifest_of(text: bytes, path: str) -> Manifest | None:
    """Parse the text of a manifest; None where it is none of this program. ``path`` is for messages."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    if content.get("format_version") != FORMAT_VERSION:
        raise SourceError(
            f"{path}: format version {content.get('format_version')}, this program knows {FORMAT_VERSION}; "
            "update polydoc-analytics or export again"
        )
    try:
        return _manifest(content)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise SourceError(
            f"{path}: is not as `export` writes it; export again, or delete it to read what is there"
        ) from None


def _manifest(content: dict[str, Any]) -> Manifest:
    """Build a manifest from its content; raises the errors of values of another kind where that is damaged."""
    parts = tuple(Part(part["path"], part["rows"], part["bytes"]) for part in content["parts"])
    paths = [PurePosixPath(part.path) for part in parts]
    if len(set(paths)) < len(paths) or any(path.is_absolute() or ".." in path.parts for path in paths):
        raise ValueError("a part is named twice, or lies elsewhere")
    numbers = [*content["counts"].values(), *(number for part in parts for number in (part.rows, part.bytes))]
    bounds = {key: None if content[key] is None else tuple(content[key]) for key in ("created_us", "finished_us")}
    for bound in filter(None, bounds.values()):
        low, high = bound
        numbers += [high - low]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("a number is none")
    languages = tuple(content["languages"])
    if isinstance(content["languages"], str) or not all(isinstance(language, str) for language in languages):
        raise TypeError("a language is no text")
    return Manifest(parts, content["counts"], bounds["created_us"], bounds["finished_us"], languages)

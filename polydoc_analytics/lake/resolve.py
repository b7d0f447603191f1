"""A source is resolved once, where it comes in: from here on it is known what it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import PolydocError, SourceError, UsageError, refuse_blank
from polydoc_analytics.ingest.connectors import ApiSource, FilesSource, PostgresSource, source_named
from polydoc_analytics.ingest.manifest import Export, read_manifest
from polydoc_analytics.lake.storage.interface import NOT_IN_A_PREFIX
from polydoc_analytics.loaders.files import Files, files_at, files_in, name_of
from polydoc_analytics.loaders.input_file import format_of
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.services import Service
from polydoc_analytics.loaders.tables import Rows, Table, is_table, with_stream
from polydoc_analytics.safe_text import display_address

if TYPE_CHECKING:
    from polydoc_analytics.lake.reader import LakeReader

_LAKE_SCHEMES = ("s3://", "gs://", "gcs://", "az://", "abfs://", "abfss://", "file://")


@dataclass(frozen=True, slots=True)
class LakeRef:
    """A lake as a source."""

    lake: LakeReader

    @property
    def name(self) -> str:
        """The lake's folder or URI, for the ledger."""
        return self.lake.place.shown


Source = Table | Files | Export | LakeRef | Service


def resolve(
    source: Any, options: ReadOptions | None = None, *, check_paths: Callable[[Iterable[str]], None] | None = None
) -> Source:
    """Find out what a source is: a table, files, an export, a lake, or a service that the settings name.

    What has been resolved is returned as it is. Files are found but not read. ``check_paths`` is called with paths
    before they are looked into. Raises SourceError where a path names nothing, UsageError where it is no source, or
    rejected rows would be written into a file of it.
    """
    options = options or ReadOptions()
    found = _resolved(source, options, check_paths)
    if options.quarantine_to is not None:
        _refuse_replacing(found, os.fspath(options.quarantine_to))
    return found


def _refuse_replacing(source: Source, path: str) -> None:
    """Raise UsageError where a path is that of a file of the source, under whatever name."""
    if not os.path.exists(path):
        return
    parts = source.parts if isinstance(source, Table) else (source.files if isinstance(source, Export) else source,)
    there = os.stat(path)
    for file in (file for part in parts if isinstance(part, Files) for file in part if file.is_local):
        if os.path.exists(file.path) and os.path.samestat(os.stat(file.path), there):
            raise UsageError(f"{path}: is a file of the source, which rejected rows would replace; name another file")


def _resolved(source: Any, options: ReadOptions, check_paths: Callable[[Iterable[str]], None] | None) -> Source:
    if isinstance(source, Source):
        return source
    if isinstance(source, str | os.PathLike):
        return _at(os.fspath(source), options, check_paths)
    source = with_stream(source)
    if is_table(source):
        return Table((source,))
    if isinstance(source, IOBase):
        raise _no_source("an open file")
    if isinstance(source, Mapping | bytes | bytearray):
        raise _no_source(type(source).__name__)
    if isinstance(source, Iterable):
        return _list(source if isinstance(source, list) else _all(source), options, check_paths)
    from polydoc_analytics.lake.reader import LakeReader

    if not isinstance(source, LakeReader):
        raise _no_source(type(source).__name__)
    return LakeRef(source)


def _at(text: str, options: ReadOptions, check_paths: Callable[[Iterable[str]], None] | None) -> Source:
    """Resolve a path, a URI, or the name of a source of the settings."""
    refuse_blank(text, "the source")
    if may_be_lake(text) and (lake := _lake_at(text)):
        return lake
    named = source_named(text)
    if isinstance(named, ApiSource | PostgresSource):
        return named.service()
    paths = named.paths() if isinstance(named, FilesSource) else [text]
    if check_paths:
        check_paths(paths)
    if isinstance(named, FilesSource):
        files = files_at(paths, options.input_format or named.input_format)
        return replace(files, assume_utc=named.assume_utc, name=named.name)
    return (_export(text) if os.path.isdir(text) else None) or files_at(paths, options.input_format)


def _export(text: str) -> Export | None:
    """Open a folder whose manifest vouches for it; None where it has none, or more has been put there."""
    folder = Path(text)
    manifest = read_manifest(folder)  # an export of which a part is missing is refused
    if manifest is None:
        return None
    files = files_in(folder)
    is_added_to = len(files) > len(manifest.parts)
    return None if is_added_to else Export(folder, manifest, replace(files, name=display_address(text)))


def _list(parts: list[Any], options: ReadOptions, check_paths: Callable[[Iterable[str]], None] | None) -> Source:
    """Resolve a list: of rows, of paths, or of tables among which paths may be."""
    if parts and all(isinstance(part, Mapping) for part in parts):
        return Table((Rows(parts),))
    for part in parts:
        if not is_table(part) and not isinstance(part, str | os.PathLike):
            raise _no_source(f"a list of {type(part).__name__}")
    parts = [os.fspath(part) if isinstance(part, os.PathLike) else part for part in parts]
    paths = [part for part in parts if isinstance(part, str)]
    if check_paths:
        check_paths(paths)
    if len(paths) == len(parts):
        return files_at(paths, options.input_format)
    found = [files_at([part], options.input_format) if isinstance(part, str) else part for part in parts]
    return Table(tuple(found), name_of([part.name if isinstance(part, Files) else "table" for part in found]))


def paths_of(source: Any) -> list[str]:
    """List the paths and URIs of a source that is one or several; raises UsageError for any other."""
    parts = [source] if isinstance(source, str | os.PathLike) else source
    if not is_table(parts) and isinstance(parts, Iterable):
        parts = list(parts)
        if all(isinstance(part, str | os.PathLike) for part in parts):
            return [os.fspath(part) for part in parts]
    raise UsageError("engine spark takes folders that `export` wrote; load a table without --engine")


def _all(rows: Iterable[Any]) -> list[Any]:
    try:
        return list(rows)
    except PolydocError:
        raise
    except Exception as error:  # a generator runs the caller's own code, which may fail in any way
        said = str(error).strip().split("\n")[0]
        raise SourceError(f"rows: end with an error, {type(error).__name__}: {said}") from error


def _no_source(given: str) -> UsageError:
    return UsageError(f"a source is a path, a list of paths, a table or a list of dicts, not {given}")


def may_be_lake(text: str) -> bool:
    """Check whether a path has a lake's folder, or a URI may be that of a lake; nothing a lake needs is imported."""
    if text == "-":  # the standard input
        return False
    if "://" in text:
        text = text.lower()
        marks = "*" if text.startswith("file://") else NOT_IN_A_PREFIX
        return text.startswith(_LAKE_SCHEMES) and not format_of(text) and not any(mark in text for mark in marks)
    return os.path.isdir(os.path.join(text, "loads", "_delta_log"))


def _lake_at(text: str) -> LakeRef | None:
    from polydoc_analytics.lake.location import is_lake
    from polydoc_analytics.lake.reader import LakeReader
    from polydoc_analytics.lake.storage.object_store import storage_of

    return LakeRef(LakeReader(text)) if is_lake(storage_of(text, None)) else None

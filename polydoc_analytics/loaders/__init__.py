"""Loaders: every source as batches of checked runs and rejected rows, streamed in bounded memory."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from io import IOBase
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from polydoc_analytics.errors import PolydocError, SourceError, UsageError, translated
from polydoc_analytics.loaders.files import inputs
from polydoc_analytics.loaders.input_file import Input, as_local_file, columnar_format, opened, sniffed
from polydoc_analytics.loaders.streams import as_utf8, peek
from polydoc_analytics.model.pyspark_notice import hush
from polydoc_analytics.model.schema import pandera_schema

if TYPE_CHECKING:
    from polydoc_analytics.loaders.executor import Work

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes there are in all (0 where that is unknown)."""


@dataclass(frozen=True)
class Reading:
    """A source that is read as it is: its name, and the work of reading it, which can be done once."""

    name: str
    work: Iterable[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in memory, each a mapping by column."""

    rows: Sequence[Mapping[str, Any]]


def is_table(source: object) -> bool:
    """Check whether a source is a table in memory: Polars, pandas, Arrow, rows, or anything with an Arrow stream."""
    return isinstance(source, Rows) or hasattr(source, "__arrow_c_stream__") or type(source).__name__ == "LazyFrame"


def as_source(source: Any) -> Any:
    """Return a source that can be gone through twice: what is iterated over as a list, a list of mappings as Rows.

    Raises UsageError where it is none: a mapping, a list of numbers.
    """
    if is_table(source) or isinstance(source, str | os.PathLike | Reading | Input):
        return source
    if hasattr(source, "__arrow_c_array__"):  # a struct array of Arrow has no stream of its own
        import pyarrow as pa

        return pa.chunked_array([pa.array(source)])
    if isinstance(source, IOBase):
        raise _no_source("an open file")
    if isinstance(source, Mapping | bytes | bytearray) or not isinstance(source, Iterable):
        raise _no_source(type(source).__name__)
    parts = source if isinstance(source, list) else _gone_through(source)
    if parts and all(isinstance(part, Mapping) for part in parts):
        return Rows(parts)
    for part in parts:
        if not is_table(part) and not isinstance(part, str | os.PathLike | Input):
            raise _no_source(f"a list of {type(part).__name__}")
    return parts


def _gone_through(rows: Iterable[Any]) -> list[Any]:
    try:
        return list(rows)
    except PolydocError:
        raise
    except Exception as error:  # a generator runs the caller's own code, which may fail in any way
        said = str(error).strip().split("\n")[0]
        raise SourceError(f"rows: end with an error, {type(error).__name__}: {said}") from error


def _no_source(given: str) -> UsageError:
    return UsageError(f"a source is a path, a list of paths, a table or a list of dicts, not {given}")


def read_batches(
    source: Any,
    *,
    input_format: str | None = None,
    assume_utc: bool = False,
    partial: bool = False,
    progress: Progress | None = None,
) -> Iterator[Any]:
    """Yield batches of checked runs and rejected rows from any source, in the order of its files and rows.

    Raises SourceError where a file is missing, empty, unreadable or cut off; rows already yielded are then not to be
    kept.
    """
    from polydoc_analytics.loaders.executor import side_by_side

    if isinstance(source, Reading):
        with _importing_meanwhile() as is_ready:
            for batches, _ in side_by_side(source.work, is_ready):
                yield from batches
        return
    if is_table(source):
        for batches, _ in side_by_side(_work_of_table(source, assume_utc)):
            yield from batches
        return
    if isinstance(source, list) and any(is_table(part) for part in source):
        for part in source:
            yield from read_batches(part, input_format=input_format, assume_utc=assume_utc, partial=partial)
        return
    files = inputs(source, input_format)
    total = sum(one.size for one in files)
    if files and total == 0 and all(one.is_local for one in files):
        raise SourceError(f"{files[0].name}: is empty" + (f", and so are {len(files) - 1} more" if files[1:] else ""))
    done = 0
    with _importing_meanwhile() as is_ready:
        for batches, size in side_by_side(_work_of_files(files, assume_utc, partial), is_ready):
            yield from batches
            done += size
            if progress:
                progress(min(done, total), total)


@contextmanager
def _importing_meanwhile() -> Iterator[Callable[[], bool]]:
    """Import what is needed later beside the reading of the first blocks; yield what tells whether that is done.

    Python waits for the thread before it ends, for one that still imports then would abort the process; so what is not
    needed any more, for the reading has failed, is not begun.
    """
    is_over = Event()

    def load() -> None:
        hush()
        # duckdb is for the merging at the end; pandera takes a good part of a second.
        for name in ("duckdb", "polars", "pandera.polars"):
            if is_over.is_set():
                return
            # Whoever needs what cannot be imported here is told by importing it.
            with suppress(Exception):
                import_module(name)
        with suppress(Exception):
            pandera_schema()

    thread = Thread(target=load, name="polydoc-import")
    thread.start()
    try:
        yield lambda: not thread.is_alive()
    finally:
        is_over.set()


def _work_of_table(table: Any, assume_utc: bool) -> Iterable[Any]:
    if isinstance(table, Rows):
        from polydoc_analytics.loaders.formats import mappings

        return mappings.read(table.rows, "rows", assume_utc=assume_utc)
    from polydoc_analytics.loaders.formats import arrow

    return arrow.read_table(table, "table", assume_utc=assume_utc)


def _work_of_files(files: Iterable[Input], assume_utc: bool, partial: bool) -> Iterator[Work]:
    """Yield the work of reading files in their order; small ones of a kind are put together."""
    from polydoc_analytics.loaders.formats import small_files

    finder, group = small_files.Finder(assume_utc), small_files.Group(assume_utc)
    for one in files:
        if one.is_local and not one.size:
            continue
        try:
            content = small_files.content_of(one)
        except SourceError:
            yield from group.work()
            raise
        found = None if content is None else finder.small(one, content)
        if found is None or not group.takes(found):
            yield from group.work()
        if found is not None:
            group.add(found)
            continue
        reading = functools.partial(translated, SourceError, f"{one.name}: cannot be read")
        with reading():
            for at, piece in enumerate(_work(one, content, assume_utc, partial)):
                yield piece._replace(run=reading()(piece.run), is_first=not at)
    yield from group.work()


def _work(one: Input, content: bytes | None, assume_utc: bool, partial: bool) -> Iterator[Work]:
    kind = one.format
    if kind == "parquet" or (kind == "arrow" and one.path != "-"):
        from polydoc_analytics.loaders.formats import arrow

        read = arrow.read_parquet if kind == "parquet" else arrow.read_ipc
        with as_local_file(one) as path:
            yield from read(path, one.name, assume_utc=assume_utc)
        return
    with opened(one, content) as stream:
        if not kind:
            head, stream = peek(stream)
            kind = columnar_format(head)
        stream = stream if kind in ("parquet", "arrow") else as_utf8(stream, one.name)
        if not kind:
            kind, stream = sniffed(stream, one.name)
        yield from _work_of_stream(one, kind, stream, assume_utc, partial)


def _work_of_stream(one: Input, kind: str, stream: BinaryIO, assume_utc: bool, partial: bool) -> Iterator[Work]:
    from polydoc_analytics.loaders.formats import csv, json_envelope, ndjson, quarantine_file
    from polydoc_analytics.loaders.streams import begins_with_separator, without_separators

    if kind in ("parquet", "arrow"):
        from polydoc_analytics.loaders.formats import arrow

        read = arrow.read_parquet if kind == "parquet" else arrow.read_ipc
        with as_local_file(one, stream) as path:
            yield from read(path, one.name, assume_utc=assume_utc)
        return
    head, stream = peek(stream)
    if not head:
        raise SourceError(f"{one.name}: is empty")
    if kind == "ndjson" and json_envelope.is_document(head):
        kind = "json"
    if kind in ("ndjson", "json") and begins_with_separator(head):
        kind, stream = "json", without_separators(stream)
    if kind in ("ndjson", "json") and quarantine_file.begins(head):
        yield from quarantine_file.read(stream, one.name, assume_utc=assume_utc)
    elif kind == "ndjson":
        yield from ndjson.read(stream, one.name, assume_utc=assume_utc)
    elif kind == "json":
        from polydoc_analytics.loaders.formats import json

        yield from json.read(stream, one.name, assume_utc=assume_utc, is_partial=partial)
    else:
        yield from csv.read(stream, one.name, assume_utc=assume_utc)

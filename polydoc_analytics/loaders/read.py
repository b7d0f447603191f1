"""Read a source as batches of checked runs and rejected rows, streamed in bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from polydoc_analytics.errors import SourceError, translated
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.input_file import (
    EmptyError,
    Input,
    as_local_file,
    by_ranges,
    columnar_format,
    open_input,
    sniffed,
)
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.services import Service
from polydoc_analytics.loaders.streams import as_utf8, peek
from polydoc_analytics.loaders.tables import Rows, Table
from polydoc_analytics.model.collection_pause import without_collection
from polydoc_analytics.model.pyspark_notice import suppress_pyspark_notice

if TYPE_CHECKING:
    from polydoc_analytics.loaders.executor import Work


def read_batches(
    source: Table | Files | Service, options: ReadOptions, folder: Path, *, also_import: Sequence[str] = ()
) -> Iterator[Any]:
    """Yield batches of checked runs and rejected rows from any source, in the order of its files and rows.

    What a service gives may go through files in ``folder``. ``also_import`` names modules that the caller needs later,
    which are imported beside the reading of files and services. Raises SourceError where a file is missing, empty,
    unreadable or cut off; rows already yielded are then not to be kept.
    """
    from polydoc_analytics.loaders.executor import run_ordered

    if isinstance(source, Files):
        yield from _batches_of_files(source, options, also_import)
    elif isinstance(source, Service):
        work = source.fetch(folder, options)
        with _importing_meanwhile(also_import) as is_ready:
            for batches, _ in run_ordered(work, is_ready):
                yield from batches
    else:
        for part in source.parts:
            if isinstance(part, Files):
                yield from _batches_of_files(part, replace(options, progress=None), also_import)
                continue
            for batches, _ in run_ordered(_work_of_table(part, options.assume_utc)):
                yield from batches


def _batches_of_files(files: Files, options: ReadOptions, also_import: Sequence[str]) -> Iterator[Any]:
    from polydoc_analytics.loaders.executor import run_ordered

    total = sum(file.size for file in files)
    if files and all(file.is_empty for file in files):
        raise _all_empty(files)
    done = 0
    work = _work_of_files(files, options.assume_utc or files.assume_utc, options.partial)
    with _importing_meanwhile(also_import) as is_ready:
        for batches, size in run_ordered(work, is_ready):
            yield from batches
            done += size
            if options.progress:
                options.progress(min(done, total), total)


@contextmanager
def _importing_meanwhile(also_import: Sequence[str]) -> Iterator[Callable[[], bool]]:
    """Import what is needed later beside the reading of the first blocks; yield what tells if batches can be judged.

    Python waits for the thread before it ends, for one that still imports then would abort the process; so what is not
    needed any more, for the reading has failed, is not begun.
    """
    is_over, is_ready = Event(), Event()

    def load() -> None:
        suppress_pyspark_notice()
        from polydoc_analytics.loaders.validation import judge_nothing

        judging = ("polars", "pandera.polars")
        with without_collection(*judging, *also_import):
            for name in (*judging, "", *also_import):
                if is_over.is_set():
                    return
                # Whoever needs what cannot be imported here is told by importing it.
                with suppress(Exception):
                    import_module(name) if name else judge_nothing()
                if not name:
                    is_ready.set()

    thread = Thread(target=load, name="polydoc-import")
    thread.start()
    try:
        yield is_ready.is_set
    finally:
        is_over.set()


def _work_of_table(table: Any, assume_utc: bool) -> Iterable[Any]:
    if isinstance(table, Rows):
        from polydoc_analytics.loaders.formats import mappings

        return mappings.read(table.rows, "rows", assume_utc=assume_utc)
    from polydoc_analytics.loaders.formats import arrow

    return arrow.read_table(table, "table", assume_utc=assume_utc)


def _all_empty(files: Files) -> EmptyError:
    more = f", and so are {len(files) - 1} more" if len(files) > 1 else ""
    return EmptyError(f"{files.files[0].name}: is empty{more}")


def _work_of_files(files: Files, assume_utc: bool, partial: bool) -> Iterator[Work]:
    """Yield the work of reading files in their order; small ones of a kind are put together.

    Raises EmptyError where there are files, and nothing in any of them.
    """
    from polydoc_analytics.loaders.formats import small_files

    finder, group = small_files.Finder(assume_utc), small_files.Group(assume_utc)
    empty = 0
    for file in files:
        if file.is_empty:
            empty += 1
            continue
        try:
            content = small_files.content_of(file)
        except SourceError:
            yield from group.work()
            raise
        found = None if content is None else finder.small(file, content)
        if found is None or not group.takes(found):
            yield from group.work()
        if found is not None:
            group.add(found)
            continue
        reading = functools.partial(translated, SourceError, f"{file.name}: cannot be read")
        try:
            with reading():
                for at, piece in enumerate(_work(file, content, assume_utc, partial)):
                    yield piece._replace(run=reading()(piece.run), is_first=not at)
        except EmptyError:
            empty += 1
    yield from group.work()
    if empty and empty == len(files):
        raise _all_empty(files)


def _work(file: Input, content: bytes | None, assume_utc: bool, partial: bool) -> Iterator[Work]:
    kind = file.format
    if kind == "parquet" or (kind == "arrow" and file.path != "-"):
        from polydoc_analytics.loaders.formats import arrow

        if kind == "parquet":
            with by_ranges(file) as opened:
                yield from arrow.read_parquet(opened, file.name, assume_utc=assume_utc)
        else:
            with as_local_file(file) as path:
                yield from arrow.read_ipc(path, file.name, assume_utc=assume_utc)
        return
    with open_input(file, content) as stream:
        if not kind:
            head, stream = peek(stream)
            kind = columnar_format(head)
        stream = stream if kind in ("parquet", "arrow") else as_utf8(stream, file.name)
        if not kind:
            kind, stream = sniffed(stream, file.name)
        yield from _work_of_stream(file, kind, stream, assume_utc, partial)


def _work_of_stream(file: Input, kind: str, stream: BinaryIO, assume_utc: bool, partial: bool) -> Iterator[Work]:
    from polydoc_analytics.loaders.formats import json_recognition, quarantine_file
    from polydoc_analytics.loaders.streams import begins_with_separator, without_separators

    if kind in ("parquet", "arrow"):
        from polydoc_analytics.loaders.formats import arrow

        read = arrow.read_parquet if kind == "parquet" else arrow.read_ipc
        with as_local_file(file, stream) as path:
            yield from read(path, file.name, assume_utc=assume_utc)
        return
    head, stream = peek(stream)
    if not head:
        raise EmptyError(f"{file.name}: is empty")
    if kind == "ndjson" and json_recognition.is_document(head):
        kind = "json"
    if kind in ("ndjson", "json") and begins_with_separator(head):
        kind = "ndjson" if json_recognition.is_sequence_of_lines(head) else "json"
        stream = without_separators(stream)
    if kind in ("ndjson", "json") and quarantine_file.is_quarantine_file(head):
        yield from quarantine_file.read(stream, file.name, assume_utc=assume_utc)
    elif kind == "ndjson":
        from polydoc_analytics.loaders.formats import ndjson

        yield from ndjson.read(stream, file.name, assume_utc=assume_utc)
    elif kind == "json":
        from polydoc_analytics.loaders.formats import json

        signs = file.remote.signs if file.remote is not None else ()
        yield from json.read(stream, file.name, assume_utc=assume_utc, is_partial=partial, signs=signs)
    else:
        from polydoc_analytics.loaders.formats import csv

        reopen = functools.partial(_opened_as_utf8, file) if file.is_local else None
        yield from csv.read(stream, file.name, assume_utc=assume_utc, reopen=reopen)


@contextmanager
def _opened_as_utf8(file: Input) -> Iterator[BinaryIO]:
    with open_input(file) as stream:
        yield as_utf8(stream, file.name)

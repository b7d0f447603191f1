"""Syncing: a source of the configuration brought into the lake, with a memory of how far it was read."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from polydoc_analytics.errors import PolydocError, SourceError
from polydoc_analytics.ingest.connectors import ApiSource, FilesSource, Notify, PostgresSource, Source
from polydoc_analytics.ingest.pipeline import scratch
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.lake.load import LoadResult
from polydoc_analytics.lake.source_memory import cursor_of
from polydoc_analytics.loaders.files import files_at
from polydoc_analytics.loaders.input_file import Input, reason
from polydoc_analytics.loaders.options import Progress, ReadOptions
from polydoc_analytics.loaders.services import Service


def sync(
    lake: Lake,
    source: Source,
    *,
    full: bool = False,
    partial: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> LoadResult:
    """Bring a source's runs into the lake, and return how they are accounted for.

    The API is fetched whole. Of PostgreSQL the runs are read that were created or finished since the last sync, less
    ``look_back``, and those that the lake has as Running; of files those that are new or have changed; with ``full``
    everything, and so where the settings of the source have changed. The API and PostgreSQL are authorities on the
    present: what they say replaces what is stored, which moves to the history. What disappears there stays in the lake.
    The memory moves only once the load is on the disk. ``partial`` takes one page of several for all of them.

    Raises SourceError where the source cannot be read to its end; the lake and the memory then stay what they were.
    """
    state = lake.source_state(source.name)
    started = datetime.now(UTC)
    more: dict[str, str] = {}
    try:
        reads = _hash(source.reads())
        is_same = state.get("kind") == source.kind and state.get("reads", reads) == reads
        cursor = cursor_of(lake.place, source.name, state) if is_same and not full else {}
        if isinstance(source, FilesSource):
            result, cursor, changed_at = _files(lake, source, cursor, partial, progress)
            # A file that was cleared away has been brought all the same; a time to come is a wrong clock.
            if state.get("kind") == source.kind and state.get("newest_file_at"):
                changed_at.append(datetime.fromisoformat(state["newest_file_at"]))
            newest = max((at for at in changed_at if at <= started), default=None)
            more = {"newest_file_at": newest.isoformat()} if newest else {}
        else:
            # Of two clocks that differ, the one behind leaves nothing out.
            read_at = min(started, source.now()) if isinstance(source, PostgresSource) else started
            result = _service(lake, source, cursor, read_at, partial, progress, notify)
            cursor = {"synced_to": read_at.isoformat()}
            if isinstance(source, PostgresSource) and (names := source.names_of_accounts()):
                lake.name_accounts(names)
    except PolydocError as error:
        if lake.exists:
            failed = {"last_error": str(error), "last_error_at": datetime.now(UTC).isoformat()}
            lake.remember(source.name, {**state, "kind": source.kind, **failed})
        raise
    lake.remember(
        source.name,
        {
            "kind": source.kind,
            "reads": reads,
            "last_success_at": datetime.now(UTC).isoformat(),
            "last_load": result.load or state.get("last_load"),
            "last_counts": dict(result),
            "cursor": cursor,
            **more,
        },
    )
    return result


def _service(
    lake: Lake,
    source: ApiSource | PostgresSource,
    cursor: Mapping[str, Any],
    read_at: datetime,
    partial: bool,
    progress: Progress | None,
    notify: Notify | None,
) -> LoadResult:
    if isinstance(source, ApiSource):
        service = source.service(notify)
    elif lake.exists and (since := _since(cursor, source.overlap)) and since <= read_at:
        service = source.service(since, [run["id"] for run in lake.running()])
    else:
        service = source.service()
    with scratch() as folder:
        work = service.fetch(
            folder, ReadOptions(partial=partial, progress=progress)
        )  # what cannot be fetched makes no lake
        return lake.ingest(Service(source.name, lambda *_: work), correct=True, kind="sync")


def _since(cursor: Mapping[str, Any], overlap: timedelta) -> datetime | None:
    """Return the instant from which on rows are to be read; None for all. One to come was told by a wrong clock."""
    return datetime.fromisoformat(cursor["synced_to"]) - overlap if "synced_to" in cursor else None


def _hash(value: Any) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()


def _files(
    lake: Lake, source: FilesSource, cursor: Mapping[str, Any], partial: bool, progress: Progress | None
) -> tuple[LoadResult, dict[str, Any], list[datetime]]:
    known = cursor.get("files", {})
    lake.raise_if_among(source.paths())
    files = files_at(source.paths(), source.input_format)
    names = _numbered(lake.refused_accounts().strike_all([one.name for one in files]))
    seen = {name: _seen(one) for name, one in zip(names, files, strict=True)}
    states = {name: state for name, (state, _) in seen.items()}
    changed_at = [at for _, at in seen.values() if at]
    # A file whose state is not known is read every time.
    changed = replace(
        files,
        files=tuple(
            one
            for name, one in zip(names, files, strict=True)
            if states[name] is None or known.get(name) != states[name]
        ),
    )
    # An empty file among others is a quiet day, also where it alone is new.
    is_quiet = all(one.is_empty for one in changed) and not all(one.is_empty for one in files)
    if not changed or is_quiet:
        nothing = LoadResult(0, 0, 0, 0, 0, 0, 0, 0, snapshot=lake.snapshot().text, passed_over=files.passed_over)
        return nothing, {"files": states}, changed_at
    result = lake.ingest(
        changed,
        correct=source.correct,
        input_format=source.input_format,
        assume_utc=source.assume_utc,
        partial=partial,
        progress=progress,
        name=source.name,
        kind="sync",
    )
    return result, {"files": states}, changed_at


def _numbered(names: Iterable[str]) -> list[str]:
    """Tell files of one name apart: URLs that differ in their queries alone, or names in which an id was struck."""
    times: Counter[str] = Counter()
    numbered = []
    for name in names:
        times[name] += 1
        numbered.append(f"{name} ({times[name]})" if times[name] > 1 else name)
    return numbered


def _seen(file: Input) -> tuple[list[Any] | None, datetime | None]:
    """Fingerprint a file, and read its modification time; each None where unknown.

    What changes is its size and time, or its entity tag.
    """
    if file.is_local:
        status = os.stat(file.path)
        return [status.st_size, status.st_mtime_ns], datetime.fromtimestamp(status.st_mtime, UTC)
    try:
        tag, at = file.remote.state() if file.remote else (None, None)
    except OSError as error:
        raise SourceError(f"{file.name}: cannot be read: {reason(error, file.path)}") from None
    return None if tag is None else [file.size, tag], at

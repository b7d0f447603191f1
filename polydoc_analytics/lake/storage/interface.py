"""Where a lake is, as its parts see it: files by name, made durable, under one lock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from polydoc_analytics.errors import LakeError

if TYPE_CHECKING:
    import duckdb

Notify = Any
"""Called with a sentence for a person who waits."""
NOT_IN_A_PREFIX = "#?%*["
"""Characters that the parts of a lake in an object store would each take for something else."""
STAGING = "_staging"
SOURCES = "_sources"
ACCOUNTS = "_accounts.json"
DAMAGED = "_damaged"
SCHEDULE = "_schedule"
"""The folder of what schedules and alerts remember."""
ALERTS = "alerts.json"
"""The file in it of the alerts that fire."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file below a table: its name and its size in bytes."""

    name: str
    size: int


class Storage(Protocol):
    """The storage interface of a lake; names are relative to its root."""

    uri: str
    shown: str
    storage_options: dict[str, str] | None
    is_local: bool

    def path(self, name: str) -> str:
        """Return the path or URI at which DuckDB finds a file."""

    def exists(self, name: str) -> bool:
        """Check whether there is a file of this name."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole; it is durable when this returns."""

    def publish(self, staged: Path, name: str) -> None:
        """Move a file of this machine to its final name; it is durable once :meth:`fsync` has returned."""

    def move(self, name: str, new_name: str) -> None:
        """Give a file that another program has put into the lake its final name; durable as what is published."""

    def open_file(self, name: str) -> Any:
        """Open a file of the lake for pyarrow."""

    def open_bytes(self, name: str) -> Any:
        """Open a file of the lake to read its bytes from their start."""

    def fsync(self, names: Iterable[str]) -> None:
        """Make files, and the folders that list them, durable."""

    def fsync_folders(self, names: Iterable[str]) -> None:
        """Make new folders of the lake durable, and the lake's own."""

    def files(self, folder: str) -> Iterator[Stored]:
        """Yield the files of a folder, without those of folders in it."""

    def walk(self) -> Iterator[str]:
        """Yield the names of all files, those of folders below included."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def clear_staging(self, load: str | None = None) -> None:
        """Remove what other programs have put into the lake for a load; for any, which is only right under the lock."""

    def lock(self, notify: Notify = None) -> Any:
        """Return a context manager in which this process alone writes to the lake."""

    def staging(self, load: str) -> Any:
        """Return a context manager that yields a folder of this machine for the files of a load."""

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a connection read the lake's files."""


def way_back(place: Storage) -> str:
    """Advise how to repair a damaged lake."""
    return f"`polydoc-analytics lake repair --lake {place.shown}` says what can be saved"


def json_of(place: Storage, name: str) -> dict[str, Any]:
    """Return a small JSON file of the lake; empty where there is none."""
    content = place.read(name)
    if content is None:
        return {}
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LakeError(f"{place.shown}/{name}: is not JSON; remove it, and the source is read from its start")
    return found


def json_text(content: Mapping[str, Any]) -> bytes:
    """Serialise JSON for :func:`json_of`."""
    return json.dumps(dict(content), ensure_ascii=False, indent=1).encode("utf-8", "replace")

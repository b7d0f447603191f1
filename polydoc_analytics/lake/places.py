"""Where a lake is: a folder on this machine, whose writes are made durable, or a prefix of an object store."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from polydoc_analytics.errors import LakeError

if TYPE_CHECKING:
    import duckdb

Talk = Any
"""Called with a sentence for a person who waits."""
STAGING = "_staging"
SOURCES = "_sources"
ACCOUNTS = "_accounts.json"
DAMAGED = "_damaged"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file below a table: its name, its size in bytes, and how many seconds ago it was written."""

    name: str
    size: int
    age_s: float


class Place(Protocol):
    """What the lake needs of the place where it is; names are relative to the lake."""

    uri: str
    shown: str
    storage_options: dict[str, str] | None
    is_local: bool

    def path(self, name: str) -> str:
        """Return the path or URI at which DuckDB finds a file."""

    def exists(self, name: str) -> bool:
        """Tell whether there is a file of this name."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole; it is durable when this returns."""

    def adopt(self, staged: Path, name: str) -> None:
        """Move a file of this machine to its final name; it is durable once :meth:`settle` has returned."""

    def settle(self, names: Iterable[str]) -> None:
        """Make files, and the folders that list them, durable."""

    def files(self, folder: str) -> Iterator[Stored]:
        """Yield the files of a folder, without those of folders in it."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def lock(self, talk: Talk = None) -> Any:
        """Return a context manager in which this process alone writes to the lake."""

    def staging(self, load: str) -> Any:
        """Return a context manager that yields a folder of this machine for the files of a load."""

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a connection read the lake's files."""


class LocalPlace:
    """A folder. Files are written beside their final names and renamed, then synced to the disk with their folder."""

    is_local = True
    storage_options: dict[str, str] | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = folder.absolute().as_uri()
        self.shown = str(folder)
        if unquote(str(folder.absolute())) != str(folder.absolute()):
            raise LakeError(f"{folder}: a lake's path cannot hold escapes such as %20; choose another folder")

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.folder / name)

    def exists(self, name: str) -> bool:
        """Tell whether there is a file or folder of this name."""
        return (self.folder / name).exists()

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole, durably."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{os.getpid()}.half")
        with open(half, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
        _sync_folder(path.parent)

    def adopt(self, staged: Path, name: str) -> None:
        """Rename a file; staging is on the same disk."""
        os.replace(staged, self.folder / name)

    def settle(self, names: Iterable[str]) -> None:
        """Sync files and their folders."""
        folders = set()
        for name in names:
            path = self.folder / name
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            folders.add(path.parent)
        for folder in folders:
            _sync_folder(folder)

    def files(self, folder: str) -> Iterator[Stored]:
        """Yield the files of a folder."""
        now = time.time()
        try:
            entries = sorted(os.scandir(self.folder / folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_file():
                status = entry.stat()
                yield Stored(entry.name, status.st_size, now - status.st_mtime)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def lock(self, talk: Talk = None) -> Iterator[None]:
        """Hold the lake's lock file; the system lets go of it when the process ends, however it ends."""
        import filelock

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / "_lock", poll_interval=0.01)
        try:
            lock.acquire(timeout=1)
        except filelock.Timeout:
            if talk:
                talk(f"{self.shown}: another process is writing to this lake; waiting for it")
            lock.acquire()
        except OSError as error:
            raise LakeError(f"{self.shown}: cannot be written to: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def staging(self, load: str) -> Iterator[Path]:
        """Yield a folder inside the lake, on the same disk; those whose process has ended are removed first."""
        import filelock

        staging = self.folder / STAGING
        folder = staging / load
        try:
            staging.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(f"{folder}.lock"):
                folder.mkdir()
                _remove_left_overs(staging)
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise LakeError(f"{self.shown}: cannot be written to: {error.strerror or error}") from None
        finally:
            Path(f"{folder}.lock").unlink(missing_ok=True)

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: DuckDB reads local files by itself."""


def _remove_left_overs(staging: Path) -> None:
    """Remove staging folders whose process has ended: a folder is made after its lock is taken, which nobody holds."""
    import filelock

    for lock in staging.glob("*.lock"):
        with suppress(OSError, filelock.Timeout), filelock.FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there, and renames are durable by themselves
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_of(place: Place, name: str) -> dict[str, Any]:
    """Return a small JSON file of the lake; empty where there is none."""
    content = place.read(name)
    if content is None:
        return {}
    try:
        return dict(json.loads(content))
    except ValueError:
        raise LakeError(
            f"{place.shown}/{name}: is not JSON; remove it, and the source is read from its start"
        ) from None

"""A lake's folder on this machine, whose writes are made durable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from polydoc_analytics.errors import LakeError, first_line
from polydoc_analytics.lake.storage.interface import STAGING, Notify, Stored
from polydoc_analytics.loaders.atomic_write import atomic_write, fsync, fsync_folder

if TYPE_CHECKING:
    import duckdb


class LocalStorage:
    """A folder. Files are written beside their final names and renamed, then synced to the disk with their folder."""

    is_local = True
    storage_options: dict[str, str] | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()  # Arrow takes a relative path with a colon in it for an address
        self.uri = self.folder.as_uri()
        self.shown = str(folder)
        if unquote(str(self.folder)) != str(self.folder):
            raise LakeError(f"{folder}: a lake's path cannot hold escapes such as %20; choose another folder")

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.folder / name)

    def exists(self, name: str) -> bool:
        """Check whether there is a file or folder of this name."""
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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path, is_durable=True) as file:
                file.write(content)
            fsync_folder(self.folder)
        except OSError as error:
            raise LakeError(f"{self.shown}/{name}: cannot be written: {error.strerror or error}") from None

    def publish(self, staged: Path, name: str) -> None:
        """Give a file its final name; staging is on the same disk. It stays staged too, for a second try."""
        try:
            os.link(staged, self.folder / name)
        except OSError:  # a disk that knows no second names
            shutil.copyfile(staged, self.folder / name)

    def move(self, name: str, new_name: str) -> None:
        """Give a file its final name."""
        self.publish(self.folder / name, new_name)

    def open_file(self, name: str) -> str:
        """Return the path of a file."""
        return self.path(name)

    def open_bytes(self, name: str) -> Any:
        """Open a file."""
        return open(self.path(name), "rb")

    def fsync(self, names: Iterable[str]) -> None:
        """Sync files and their folders."""
        folders = set()
        for name in names:
            path = self.folder / name
            with open(path, "r+b" if os.name == "nt" else "rb") as file:  # what is only read cannot be synced there
                fsync(file.fileno())
            folders.add(path.parent)
        for folder in folders:
            fsync_folder(folder)

    def fsync_folders(self, names: Iterable[str]) -> None:
        """Sync folders of the lake, its own, and those above it, which may be as new."""
        for name in names:
            fsync_folder(self.folder / name)
        fsync_folder(self.folder)
        for folder in self.folder.absolute().parents:
            with suppress(OSError):  # one that may not be read was there before
                fsync_folder(folder)

    def files(self, folder: str) -> Iterator[Stored]:
        """Yield the files of a folder."""
        try:
            entries = sorted(os.scandir(self.folder / folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            try:
                size = entry.stat().st_size if entry.is_file() else None
            except FileNotFoundError:  # what another process writes has a passing name at first
                continue
            if size is not None:
                yield Stored(entry.name, size)

    def walk(self) -> Iterator[str]:
        """Yield the names of all files below the folder."""
        for root, folders, names in os.walk(self.folder):
            folders.sort()
            yield from (Path(root, name).relative_to(self.folder).as_posix() for name in sorted(names))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def clear_staging(self, load: str | None = None) -> None:
        """Do nothing: whoever begins a load removes what was staged by processes that have ended."""

    @contextmanager
    def lock(self, notify: Notify = None) -> Iterator[None]:
        """Hold the lake's lock file; the system lets go of it when the process ends, however it ends."""
        import filelock

        lock = filelock.FileLock(self.folder / "_lock", poll_interval=0.01)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=1)
            except filelock.Timeout:
                if notify:
                    notify(f"{self.shown}: another process is writing to this lake; waiting for it")
                lock.acquire()
        except OSError as error:
            raise LakeError(f"{self.shown}: cannot be written to: {error.strerror or error}") from None
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
        lock = filelock.FileLock(f"{folder}.lock")
        try:
            try:
                staging.mkdir(parents=True, exist_ok=True)
                with filelock.FileLock(self.folder / "_staging_lock"):
                    lock.acquire()
                    folder.mkdir()
                    _remove_left_overs(staging, folder)
            except OSError as error:
                raise LakeError(f"{self.shown}: cannot be written to: {error.strerror or error}") from None
            try:
                yield folder
            except OSError as error:
                raise LakeError(f"{self.shown}: {_told(error)}") from None
        finally:
            if lock.is_locked:
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
                with suppress(OSError):
                    Path(lock.lock_file).unlink(missing_ok=True)

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: DuckDB reads local files by itself."""


def _remove_left_overs(staging: Path, ours: Path) -> None:
    """Remove what loads have staged whose process has ended: nobody holds their lock.

    To be called while no other load begins, for a load's lock file is there before its lock is taken.
    """
    import filelock

    for entry in sorted(staging.iterdir()):
        folder = entry.with_suffix("") if entry.suffix == ".lock" else entry
        if folder == ours:
            continue
        lock = Path(f"{folder}.lock")
        with suppress(OSError, filelock.Timeout), filelock.FileLock(lock, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _told(error: OSError) -> str:
    """Return in words what could not be done, and with which file."""
    reason = error.strerror or first_line(error)
    return f"cannot be written to: {reason}" + (f": {error.filename}" if error.filename else "")

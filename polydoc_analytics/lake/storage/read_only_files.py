"""Files that DuckDB can read and has no way to write: a file system object that opens them for reading alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from fsspec import AbstractFileSystem

PROTOCOL = "polydoc"


class ReadOnly:
    """A mix-in for a file system of fsspec: files open for reading alone, and nothing changes them."""

    def open(self, path: str, mode: str = "rb", *args: Any, **options: Any) -> SharedFile:
        """Open a file for reading; raises PermissionError for any other mode."""
        if mode not in ("r", "rb"):
            self._refuse(path)
        file = super().open(path, "rb", *args, **options)  # type: ignore[misc]
        return file if isinstance(file, SharedFile) else SharedFile(file, file.size)

    def _refuse(self, path: Any, *_: Any, **__: Any) -> NoReturn:
        raise PermissionError(13, "this source is only read", str(path))

    cp_file = mv = move = rm = rm_file = rmdir = delete = mkdir = makedirs = makedir = _refuse
    copy = rename = pipe = pipe_file = put = put_file = touch = write_bytes = write_text = _refuse


class ReadOnlyFiles(ReadOnly, AbstractFileSystem):  # type: ignore[misc]
    """Some local files, by URIs of its own: :attr:`uris` in the order of the paths given."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__()
        self.uris = tuple(f"{PROTOCOL}://{at}/{Path(path).name}" for at, path in enumerate(paths))
        self._paths = dict(zip(self.uris, paths, strict=True))

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def shown(self, text: str) -> str:
        """Return a message of DuckDB with the files' paths in place of their URIs."""
        if f"{PROTOCOL}://" in text:
            for uri, path in self._paths.items():
                text = text.replace(uri, path)
        return text

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return the size and the time of a file."""
        status = os.stat(self._path(path))
        return {"name": path, "size": status.st_size, "type": "file", "mtime": status.st_mtime}

    def modified(self, path: str) -> datetime:
        """Return the time at which a file was last written."""
        return datetime.fromtimestamp(os.stat(self._path(path)).st_mtime, UTC)

    def exists(self, path: str, **_: Any) -> bool:
        """Check whether a file is one of these, and there."""
        return path in self._paths and os.path.exists(self._paths[path])

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the file of exactly this name, whose characters are no pattern."""
        return [path] if self.exists(path) else []

    def ls(self, path: str, detail: bool = True, **_: Any) -> NoReturn:
        """Refuse: there are no folders."""
        raise FileNotFoundError(2, "no such file or folder", path)

    def _open(self, path: str, *_: Any, **__: Any) -> SharedFile:
        file = open(self._path(path), "rb", buffering=0)  # noqa: SIM115 - it is closed with what holds it
        handle = file.fileno()
        # Windows has no pread.
        read_at = (lambda at, size: os.pread(handle, size, at)) if hasattr(os, "pread") else None
        return SharedFile(file, os.fstat(handle).st_size, read_at)

    def _path(self, uri: str) -> str:
        try:
            return self._paths[uri]
        except KeyError:
            raise PermissionError(13, "this is no file of the source", uri) from None


class SharedFile:
    """A file open for reading, with a position for each thread: DuckDB's threads share it, and seek before they read.

    ``read_at`` reads some bytes from a position; where it is not given, one thread at a time seeks and reads.
    """

    closed = False

    def __init__(self, file: Any, size: int, read_at: Callable[[int, int], bytes] | None = None) -> None:
        self._file = file
        self._size = size
        self._at = threading.local()
        self._lock = threading.Lock()
        self._read_at = read_at or self._seek_and_read

    def __enter__(self) -> SharedFile:
        """Hand the file out, which the block closes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set this thread's position."""
        self._at.value = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        return self.tell()

    def tell(self) -> int:
        """Return the position of this thread."""
        return int(getattr(self._at, "value", 0))

    def read(self, size: int = -1) -> bytes:
        """Read from this thread's position."""
        at = self.tell()
        wanted = self._size - at if size < 0 else size
        parts = []
        while wanted > 0 and (part := self._read_at(at, wanted)):
            parts.append(part)
            at, wanted = at + len(part), wanted - len(part)
        self._at.value = at
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _seek_and_read(self, at: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(at)
            return bytes(self._file.read(size))

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._file.close()

    def __del__(self) -> None:
        """Close the file: DuckDB lets go of its files without a word."""
        self.close()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read at any position."""
        return True

    def writable(self) -> bool:
        """Say that it cannot be written."""
        return False

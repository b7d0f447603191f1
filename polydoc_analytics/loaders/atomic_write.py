"""Files that appear under their names only when they are whole, and reach the disk."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, is_durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` that replaces it when the block ends; where the block raises, it is removed.

    With ``is_durable`` its bytes are on the disk before it gets its name, and its folder after that. A link stays one;
    a device or a pipe, with which a file in its place would do away, is written as it is.
    """
    if is_device(path):
        with open(path, "wb") as file:
            yield file
        return
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    target = Path(os.path.realpath(path) if os.path.islink(path) else path)
    half = unfinished(target)
    try:
        with open(half, "xb") as file:
            yield file
            if is_durable:
                file.flush()
                fsync(file.fileno())
        os.replace(half, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(half)
        raise
    if is_durable:
        fsync_folder(target.parent)


def is_device(path: str | os.PathLike[str]) -> bool:
    """Check whether a path is a device, a pipe or one of this process's own streams, such as /dev/stdout."""
    is_other = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    return is_other or os.path.dirname(os.path.abspath(path)) in ("/dev", "/dev/fd")


def unfinished(target: Path) -> Path:
    """Return a new name beside a file for its bytes until they are whole; raises OSError for ``.`` and ``/``."""
    if not target.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    return target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}.half")


def fsync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "nt":  # folders cannot be opened there, and renames are durable by themselves
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fsync(handle)
    finally:
        os.close(handle)


def fsync(handle: int) -> None:
    """Bring an open file's bytes to the disk."""
    if sys.platform == "darwin":  # fsync alone leaves there what is written in the drive's cache
        import fcntl

        with suppress(OSError):  # a disk that knows no such thing
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)

"""A file of runs: its format, and how to open it, wherever it is and however it is compressed."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.compression import CutOffError, DamagedError
from polydoc_analytics.loaders.remote import RangeFile, RemoteFile
from polydoc_analytics.loaders.streams import Joined, decompressed, peek
from polydoc_analytics.safe_text import display_address, scrubbed, secrets_of

FORMATS = ("ndjson", "json", "csv", "parquet", "arrow")
MANIFEST = "_manifest.json"

BY_SUFFIX = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COLUMNAR = {b"PAR1": "parquet", b"ARROW1": "arrow"}
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
_WRAPPED = re.compile(rf"(?:{'|'.join(map(re.escape, _COMPRESSED))}|[.-]\d[\d_-]*)$")


class EmptyError(SourceError):
    """Raised for a file that holds nothing, packed or not: an error by itself, a quiet day among others."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read: its name in messages, where it is, its format ("" is still unknown), its size if known."""

    name: str
    path: str
    format: str = ""
    size: int = 0
    remote: RemoteFile | None = None
    is_pipe: bool = False

    @property
    def is_local(self) -> bool:
        """Check whether it is a file on this machine, whose size is known and which can be opened again."""
        return self.remote is None and self.path != "-" and not self.is_pipe

    @property
    def is_empty(self) -> bool:
        """Check whether it is known to hold no bytes; it has no rows then."""
        return self.remote.is_empty if self.remote is not None else self.is_local and not self.size


def format_of(path: str) -> str:
    """Return the format that a file's name tells, suffixes of compression and rotation left aside; empty for none."""
    name = path.replace(os.sep, "/").rsplit("/", 1)[-1].lower()
    while (shorter := _WRAPPED.sub("", name)) != name:
        name = shorter
    return BY_SUFFIX.get(os.path.splitext(name)[1], "")


def reason(error: BaseException, address: str) -> str:
    """Word in one line why an address cannot be read, without the secrets of a signed one."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().split("\n")[0]
    return scrubbed(text.replace(address, display_address(address)), secrets_of(address)) if "://" in address else text


@contextmanager
def open_input(file: Input, content: bytes | None = None) -> Iterator[BinaryIO]:
    """Open an input as a stream of its decompressed bytes, or of its ``content`` where that has been read already.

    What goes wrong while it is read is a SourceError.
    """
    try:
        if content is not None:
            yield io.BytesIO(content)
            return
        with _raw(file) as raw:
            yield decompressed(raw)
    except DamagedError as error:
        raise SourceError(f"{file.name}: cannot be read: it {error}") from None
    except CutOffError as error:
        raise SourceError(f"{file.name}: {error}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, SourceError):  # pragma: no cover - SourceError is no OSError
            raise
        text = reason(error, file.path)
        if "truncated" in text.lower():
            raise SourceError(f"{file.name}: is cut off: the compressed data end too early") from None
        raise SourceError(f"{file.name}: cannot be read: {text}") from None


@contextmanager
def _raw(file: Input) -> Iterator[BinaryIO]:
    if file.path == "-":
        yield sys.stdin.buffer
    elif file.remote is not None:
        with closing(file.remote.pieces()) as pieces:
            yield cast("BinaryIO", Joined(pieces))
    else:
        with open(file.path, "rb") as stream:
            yield stream


def columnar_format(head: bytes) -> str:
    """Name the format of columns that a file's first bytes tell, ``parquet`` or ``arrow``; empty for any other."""
    return next((kind for magic, kind in _COLUMNAR.items() if head.startswith(magic)), "")


def sniffed(stream: BinaryIO, name: str) -> tuple[str, BinaryIO]:
    """Recognise a format of text by a file's first bytes; return it with the stream, still whole."""
    start, stream = peek(stream)
    if not start:
        raise EmptyError(f"{name}: is empty")
    head = start.removeprefix(BOM_UTF8).lstrip()
    if head.startswith((b"[", b"{", b"\x1e")):
        kind = "json"
    elif any(mark in head.split(b"\n", 1)[0] for mark in (b",", b";", b"\t")):
        kind = "csv"
    else:
        raise SourceError(f"{name}: unknown kind of file; name its format with --input-format")
    return kind, stream


@contextmanager
def by_ranges(file: Input) -> Iterator[str | RangeFile]:
    """Yield an input that is read by ranges: a path on this machine, or a file of a server that gives ranges."""
    is_plain = not file.path.split("?")[0].lower().endswith(_COMPRESSED)
    try:
        ranges = file.remote.ranges() if file.remote is not None and is_plain else None
    except OSError as error:
        raise SourceError(f"{file.name}: cannot be read: {reason(error, file.path)}") from None
    if ranges is not None:
        with ranges:
            yield ranges
    else:
        with as_local_file(file) as path:
            yield path


@contextmanager
def as_local_file(file: Input, stream: BinaryIO | None = None) -> Iterator[str]:
    """Yield a path at which the input's bytes are, copied to a temporary file where they are not on this machine."""
    if stream is None and file.is_local and not file.path.lower().endswith(_COMPRESSED):
        yield file.path
        return
    with tempfile.NamedTemporaryFile(prefix="polydoc-", suffix=".part", delete=False) as copy:
        try:
            if stream is not None:
                shutil.copyfileobj(stream, copy)
            else:
                with open_input(file) as opened_stream:
                    shutil.copyfileobj(opened_stream, copy)
            copy.close()
            yield copy.name
        finally:
            copy.close()
            os.unlink(copy.name)

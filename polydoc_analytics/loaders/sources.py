"""A file of runs: its format, and how to open it, wherever it is and however it is compressed."""

from __future__ import annotations

import io
import lzma
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from polydoc_analytics.errors import SourceError
from polydoc_analytics.safe_text import scrubbed, secrets_of, shown

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
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
_WRAPPED = re.compile(rf"(?:{'|'.join(map(re.escape, _COMPRESSED))}|[.-]\d[\d_-]*)$")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_SNIFFED_BYTES = 4096
_XZ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read: its name in messages, where it is, its format ("" is still unknown), its size if known."""

    name: str
    path: str
    format: str = ""
    size: int = 0
    filesystem: Any = None
    is_pipe: bool = False

    @property
    def is_local(self) -> bool:
        """Tell whether it is a file on this machine, whose size is known and which can be opened again."""
        return self.filesystem is None and self.path != "-" and not self.is_pipe


def format_of(path: str) -> str:
    """Return the format that a file's name tells, suffixes of compression and rotation left aside; empty for none."""
    name = path.replace(os.sep, "/").rsplit("/", 1)[-1].lower()
    while (shorter := _WRAPPED.sub("", name)) != name:
        name = shorter
    return BY_SUFFIX.get(os.path.splitext(name)[1], "")


def reason(error: BaseException, address: str) -> str:
    """Say in one line why an address cannot be read, without what a signed one must keep to itself."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().split("\n")[0]
    return scrubbed(text.replace(address, shown(address)), secrets_of(address)) if "://" in address else text


@contextmanager
def opened(one: Input, content: bytes | None = None) -> Iterator[BinaryIO]:
    """Open an input as a stream of its decompressed bytes, or of its ``content`` where that has been read already.

    What goes wrong while it is read is a SourceError.
    """
    try:
        if content is not None:
            yield io.BytesIO(content)
            return
        with _raw(one) as raw:
            yield _decompressed(raw)
    except EOFError:
        raise SourceError(f"{one.name}: is cut off: the compressed data end too early") from None
    except (OSError, lzma.LZMAError, ValueError) as error:
        if isinstance(error, SourceError):  # pragma: no cover - SourceError is no OSError
            raise
        text = reason(error, one.path)
        if "truncated" in text.lower():
            raise SourceError(f"{one.name}: is cut off: the compressed data end too early") from None
        raise SourceError(f"{one.name}: cannot be read: {text}") from None


@contextmanager
def _raw(one: Input) -> Iterator[BinaryIO]:
    if one.path == "-":
        yield sys.stdin.buffer
    elif one.filesystem is not None:
        try:
            stream = one.filesystem.open(one.path, "rb")
        except Exception as error:
            raise SourceError(f"{one.name}: cannot be read: {reason(error, one.path)}") from None
        with stream:
            yield stream
    else:
        with open(one.path, "rb") as file:
            yield file


class _Peeked:
    """A stream whose first bytes have been looked at."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.raw = raw
        self.head = raw.read(size)

    def read(self, size: int = -1) -> bytes:
        if self.head:
            head, self.head = self.head, b""
            if size < 0:
                return head + self.raw.read()
            if len(head) > size:
                self.head = head[size:]
                return head[:size]
            return head + self.raw.read(size - len(head))
        return self.raw.read(size)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Leave the stream below to whoever has opened it."""

    closed = False


class _Xz:
    """The content of xz streams one behind the other. Python's own reader passes over what is no stream behind one."""

    def __init__(self, raw: _Peeked) -> None:
        self._raw = raw
        self._decompressor = lzma.LZMADecompressor()
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        pieces = [self._held]
        length = len(self._held)
        while (size < 0 or length < size) and (piece := self._more(size - length if size >= 0 else -1)):
            pieces.append(piece)
            length += len(piece)
        content = b"".join(pieces)
        self._held = content[size:] if size >= 0 else b""
        return content[:size] if size >= 0 else content

    def _more(self, size: int) -> bytes:
        while True:
            rest = b""
            if self._decompressor.eof:
                rest = self._decompressor.unused_data.lstrip(b"\0") or self._raw.read(_XZ_BYTES).lstrip(b"\0")
                if not rest:
                    return b""
                self._decompressor = lzma.LZMADecompressor()
            elif self._decompressor.needs_input:
                rest = self._raw.read(_XZ_BYTES)
                if not rest:
                    raise EOFError
            if piece := self._decompressor.decompress(rest, size):
                return piece


def _decompressed(raw: BinaryIO) -> BinaryIO:
    import pyarrow as pa

    peeked = _Peeked(raw, 8)
    codec = next((codec for magic, codec in _MAGIC.items() if peeked.head.startswith(magic)), None)
    if codec is None:
        return cast("BinaryIO", peeked)
    if codec == "xz":
        return cast("BinaryIO", _Xz(peeked))
    return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(peeked, mode="r"), codec))


def peek(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """Return a stream's first bytes, and the stream, still whole."""
    peeked = _Peeked(stream, _SNIFFED_BYTES)
    return peeked.head, cast("BinaryIO", peeked)


def sniffed(stream: BinaryIO, name: str) -> tuple[str, BinaryIO]:
    """Tell a format by a file's first bytes; return it with the stream, still whole."""
    start, stream = peek(stream)
    if not start:
        raise SourceError(f"{name}: is empty")
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PAR1"):
        kind = "parquet"
    elif head.startswith(b"ARROW1"):
        kind = "arrow"
    elif head.startswith((b"[", b"{")):
        kind = "json"
    elif any(mark in head.split(b"\n", 1)[0] for mark in (b",", b";", b"\t")):
        kind = "csv"
    else:
        raise SourceError(f"{name}: unknown kind of file; name its format with --input-format")
    return kind, stream


@contextmanager
def as_local_file(one: Input, stream: BinaryIO | None = None) -> Iterator[str]:
    """Yield a path at which the input's bytes are, copied to a temporary file where they are not on this machine."""
    if stream is None and one.is_local and not one.path.lower().endswith(_COMPRESSED):
        yield one.path
        return
    with tempfile.NamedTemporaryFile(prefix="polydoc-", suffix=".part", delete=False) as copy:
        try:
            if stream is not None:
                shutil.copyfileobj(stream, copy)
            else:
                with opened(one) as opened_stream:
                    shutil.copyfileobj(opened_stream, copy)
            copy.close()
            yield copy.name
        finally:
            copy.close()
            os.unlink(copy.name)

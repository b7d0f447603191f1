"""Where runs are: paths, globs, folders, standard input, object stores; the format of each file, and how to open it."""

from __future__ import annotations

import fnmatch
import glob
import io
import lzma
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

from polydoc_analytics.errors import SourceError, UsageError, nearest

FORMATS = ("ndjson", "json", "csv", "parquet", "arrow")
MANIFEST = "_manifest.json"

_BY_SUFFIX = {
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
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_SNIFFED_BYTES = 4096
_XZ_BYTES = 1024 * 1024
_EXTRAS = {
    "s3": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "http": "http",
    "https": "http",
}


_SCHEMES = (*_EXTRAS, "file", "memory")


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


def inputs(source: Input | str | os.PathLike[str] | Iterable[Any], input_format: str | None = None) -> list[Input]:
    """Return the files that a source names, in order.

    Raises SourceError where there are none, UsageError where ``input_format`` is none of FORMATS.
    """
    if input_format is not None and input_format not in FORMATS:
        hint = nearest(input_format, FORMATS)
        raise UsageError(f"unknown input format '{input_format}'{hint}; expected {', '.join(FORMATS)}")
    if isinstance(source, Input):
        return [_with_format(source, input_format)]
    if not isinstance(source, str | os.PathLike):
        return [found for part in source for found in inputs(part, input_format)]
    text = os.fspath(source)
    if text == "-":
        if input_format is None:
            raise UsageError(f"standard input needs --input-format, one of {', '.join(FORMATS)}")
        return [Input("standard input", "-", input_format)]
    found = _remote(text) if "://" in text else _local(text)
    return [_with_format(one, input_format) for one in found]


def _with_format(one: Input, input_format: str | None) -> Input:
    return replace(one, format=input_format or one.format)


def format_of(path: str) -> str:
    """Return the format that a file's name tells, compression suffixes left aside; empty where it tells none."""
    name = path.rsplit("/", 1)[-1].lower()
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return _BY_SUFFIX.get(os.path.splitext(name)[1], "")


def _local(text: str) -> list[Input]:
    path = Path(text)
    try:
        if path.is_dir():
            return [_local_input(str(file)) for file in files_in(path)]
        if path.exists():
            return [_local_input(text)]
    except OSError as error:
        raise SourceError(f"{text}: {error.strerror or error}") from None
    if glob.has_magic(text):
        matches = sorted(match for match in glob.glob(text, recursive=True) if os.path.isfile(match))
        if matches:
            return [_local_input(match) for match in matches]
        raise SourceError(f"{text}: no file matches")
    raise SourceError(f"{text}: no such file or folder")


def _local_input(path: str) -> Input:
    # A pipe has no size: /dev/stdin, or what a shell puts for <(zcat runs.gz).
    return Input(path, path, format_of(path), os.path.getsize(path), is_pipe=not os.path.isfile(path))


def files_in(folder: Path) -> list[Path]:
    """Return a folder's run files, recursively and sorted; names that begin with . or _ are left aside."""
    files: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=True):
        if "_delta_log" in folders:
            raise SourceError(f"{root}: is a Delta table; its Parquet files alone would bring back rows it has removed")
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        files += [Path(root, name) for name in names if not name.startswith((".", "_")) and format_of(name)]
    if not files and not (folder / MANIFEST).is_file():  # there may be nothing to export on a day
        raise SourceError(f"{folder}: no runs in this folder; looked for files ending in {', '.join(_BY_SUFFIX)}")
    return sorted(files)


def _remote(url: str) -> list[Input]:
    import fsspec

    _hold_back_addresses()
    shown = without_query(url)
    scheme = url.split("://", 1)[0]
    if scheme not in _SCHEMES:
        raise SourceError(f"{shown}: unknown scheme {scheme}://; expected {', '.join(_SCHEMES)}")
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError:
        extra = _EXTRAS.get(scheme)
        hint = f"; pip install 'polydoc-analytics[{extra}]'" if extra else ""
        raise SourceError(f"{shown}: reading {scheme}:// needs another package{hint}") from None
    except Exception as error:
        raise SourceError(f"{shown}: {_reason(error, url)}") from None
    try:
        if scheme in ("http", "https"):
            return [Input(shown, path, format_of(urlsplit(url).path), 0, filesystem)]
        if glob.has_magic(path):
            paths = sorted(filesystem.glob(path))
        elif filesystem.isdir(path):
            paths = sorted(file for file in filesystem.find(path) if _is_run_file(file, path))
        else:
            paths = [path] if filesystem.exists(path) else []
    except Exception as error:
        raise SourceError(f"{shown}: {_reason(error, url)}") from None
    if not paths:
        raise SourceError(f"{shown}: nothing is there")
    return [
        Input(filesystem.unstrip_protocol(one), one, format_of(one), filesystem.size(one) or 0, filesystem)
        for one in paths
    ]


def _hold_back_addresses() -> None:
    """Keep what these packages say of requests, signed URLs and headers, out of the logs, unless it is asked for."""
    import logging

    for name in ("fsspec", "aiohttp", "s3fs", "botocore", "aiobotocore", "gcsfs", "adlfs", "azure"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


def _is_run_file(file: str, folder: str) -> bool:
    parts = file.removeprefix(folder).strip("/").split("/")
    return bool(format_of(file)) and not any(fnmatch.fnmatch(part, "[._]*") for part in parts)


def without_query(url: str) -> str:
    """Return a URI as it may be shown: without its query, fragment and credentials."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))


def _reason(error: BaseException, url: str) -> str:
    """Return why a file cannot be read, without what a signed URL must keep to itself."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().split("\n")[0]
    query = urlsplit(url).query
    return text.replace(url, without_query(url)).replace(query, "…") if query else text


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
        text = _reason(error, one.path)
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
            raise SourceError(f"{one.name}: cannot be read: {_reason(error, one.path)}") from None
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

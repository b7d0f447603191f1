"""Streams of bytes under the readers: looked into, unpacked, and brought to UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO, cast

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.compression import CutOffError, DamagedError, unpacked
from polydoc_analytics.loaders.zstandard_frames import zstandard_frames

_PIECE_BYTES = 256 * 1024
BEGINNING_BYTES = 64 * 1024
"""Bytes that tell what a stream holds: enough for a first run with a long text beside its own values."""
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    # A frame to be passed over, with which files of pzstd begin.
    **{bytes((first, 0x2A, 0x4D, 0x18)): "zstd" for first in range(0x50, 0x60)},
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_MAX_TIMES = 2
"""How often data are unpacked: a compressed file is often compressed once more on its way through a store."""
_MAX_MAGIC_BYTES = 8
_ARCHIVES = {
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "a ZIP archive",
    b"PK\x07\x08": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x9d": "compressed by compress (.Z)",
    b"\x04\x22\x4d\x18": "compressed by LZ4",
    b"LZIP": "compressed by lzip",
    b"\xff\x06\x00\x00sNaPpY": "compressed by Snappy",
}
_BINARY = {
    b"PAR1": "Parquet; name it .parquet, or pass --input-format parquet",
    b"ARROW1": "an Arrow IPC file; name it .arrow, or pass --input-format arrow",
    b"FEA1": "Feather version 1; write it anew as Feather version 2 (Arrow IPC) or Parquet",
    b"SQLite format 3": "an SQLite database; export its table as CSV",
    b"Obj\x01": "Avro, which is not read; convert it to Parquet",
}
"""First bytes of binary formats that are no archives, where text is expected."""
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<error>")
_TAR = slice(257, 262)
# The mark of UTF-32 begins with that of UTF-16, so it is looked for first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Where the zeros stand among the first four bytes of a text whose first two characters are ASCII.
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
SEPARATOR = b"\x1e"


class Peeked:
    """A stream whose first bytes have been looked at."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.raw = raw
        self.head = raw.read(size)

    def read(self, size: int = -1) -> bytes:
        """Take up to ``size`` bytes, or all there are."""
        if self.head:
            head, self.head = self.head, b""
            if size < 0:
                return head + self.raw.read()
            if len(head) > size:
                self.head = head[size:]
                return head[:size]
            return head + self.raw.read(size - len(head))
        return self.raw.read(size)

    def readinto(self, buffer: memoryview) -> int:
        """Take bytes to where they will stay, as many as there is room for or fewer; 0 at the end."""
        if self.head or not hasattr(self.raw, "readinto"):
            content = self.read(len(buffer))
            buffer[: len(content)] = content
            return len(content)
        return int(self.raw.readinto(buffer))

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return False: it is read once, from its beginning to its end."""
        return False

    def close(self) -> None:
        """Leave the stream below to whoever has opened it."""

    closed = False


class Joined:
    """A stream of pieces as they come."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """Take up to ``size`` bytes, or all there are."""
        found = [self._held]
        length = len(self._held)
        while (size < 0 or length < size) and (piece := next(self._pieces, None)) is not None:
            found.append(piece)
            length += len(piece)
        content = b"".join(found)
        self._held = content[size:] if size >= 0 else b""
        return content[:size] if size >= 0 else content

    def readinto(self, buffer: memoryview) -> int:
        """Take bytes to where they will stay, piece by piece, until there is no more room; fewer at the end."""
        filled = 0
        while filled < len(buffer) and (piece := self._held or next(self._pieces, None)) is not None:
            taken = min(len(piece), len(buffer) - filled)
            buffer[filled : filled + taken] = piece[:taken]
            self._held = piece[taken:]
            filled += taken
        return filled


def decompressed(raw: BinaryIO) -> BinaryIO:
    """Return a stream of what a stream unpacks to, twice at most; one that is not compressed is returned as it is."""
    stream = raw
    for _ in range(_MAX_TIMES):
        peeked = Peeked(stream, _MAX_MAGIC_BYTES)
        stream = cast("BinaryIO", peeked)
        codec = _codec_of(peeked.head)
        if not codec:
            break
        if codec == "zstd":
            import pyarrow as pa

            frames = Peeked(cast("BinaryIO", Joined(zstandard_frames(_pieces(stream)))), 0)
            stream = cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(frames, mode="r"), codec))
        else:
            stream = cast("BinaryIO", Joined(unpacked(_pieces(stream), codec)))
    return stream


def _codec_of(head: bytes) -> str:
    return next((codec for magic, codec in _COMPRESSED.items() if head.startswith(magic)), "")


def peek(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """Return a stream's first bytes, and the stream, still whole."""
    peeked = Peeked(stream, BEGINNING_BYTES)
    return peeked.head, cast("BinaryIO", peeked)


def as_utf8(stream: BinaryIO, name: str) -> BinaryIO:
    """Return a stream of text as UTF-8, if it is UTF-16 or UTF-32; raises SourceError where it is an archive."""
    head, stream = peek(stream)
    if archive := archive_of(head):
        raise SourceError(f"{name}: is {archive}")
    encoding = encoding_of(head)
    return cast("BinaryIO", Joined(_recoded(stream, encoding))) if encoding else stream


def archive_of(head: bytes) -> str:
    """Recognise an archive by a file's first bytes, and advise; empty where it is none."""
    if head.startswith(b"PK") and b"[Content_Types].xml" in head:
        return "an Excel workbook or another document of Office; save the table as CSV"
    if head[_TAR] == b"ustar":
        return "a tar archive; unpack it and give the files in it"
    if binary := next((kind for magic, kind in _BINARY.items() if head.startswith(magic)), ""):
        return binary
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:9].lower().startswith(_MARKUP):
        return "HTML or XML, perhaps a page to log in or an error; open it to see"
    if _codec_of(head):
        return f"compressed more than {_MAX_TIMES} times; unpack it, and give what is in it"
    kind = next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), "")
    return f"{kind}, which is not read; unpack it and give the files in it" if kind else ""


def encoding_of(head: bytes) -> str:
    """Return the encoding that a text's beginning tells, if it is UTF-16 or UTF-32, with a byte order mark or not."""
    marked = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), "")
    return marked or _ZEROS.get(tuple(byte == 0 for byte in head[:4]), "")


def begins_with_separator(head: bytes) -> bool:
    """Check whether a text is a sequence of JSON texts with a separator before each (RFC 7464)."""
    return head.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").startswith(SEPARATOR)


def without_separators(stream: BinaryIO) -> BinaryIO:
    """Return a sequence of JSON texts with line ends alone between them, on the lines on which they stand."""
    return cast("BinaryIO", Joined(_without_separators(stream)))


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _recoded(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    # Lone surrogates stay invalid, so that the readers find them in UTF-8.
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    is_first = True
    try:
        for piece in _pieces(stream):
            text = decoder.decode(piece)
            yield (text.removeprefix("\ufeff") if is_first else text).encode("utf-8", "surrogatepass")
            is_first = False
    except UnicodeDecodeError:
        raise DamagedError(f"begins as {encoding.upper()}, and goes on as something else") from None
    if decoder.getstate()[0]:
        raise CutOffError(f"is cut off in the middle of a character of {encoding.upper()}")


def _without_separators(stream: BinaryIO) -> Iterator[bytes]:
    is_at_line = True
    for at, piece in enumerate(_pieces(stream)):
        rest = piece if at else piece.removeprefix(codecs.BOM_UTF8).lstrip(b" \t")
        if is_at_line:
            rest = rest.removeprefix(SEPARATOR)
        is_at_line = piece.endswith(b"\n")
        yield rest.replace(b"\n" + SEPARATOR, b"\n").replace(SEPARATOR, b"\n")

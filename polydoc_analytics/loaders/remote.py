"""Files on other machines: read as a stream from their beginning, or by ranges."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from polydoc_analytics.loaders.formats.json_pages import Signs

ENCODINGS = ("", "identity", "gzip", "x-gzip", "zstd")
"""Content encodings that are known by a file's first bytes, and unpacked where compressed files are."""
_BLOCK_BYTES = 64 * 1024


class RemoteFile(Protocol):
    """A file on another machine. What goes wrong is an OSError without the secrets of its address."""

    @property
    def signs(self) -> Sequence[Signs]:
        """Signs that it is one page of several, known once its bytes are being read."""

    @property
    def is_empty(self) -> bool:
        """Check whether it is known to hold no bytes."""

    def pieces(self) -> Generator[bytes]:
        """Yield the file's bytes, piece by piece."""

    def ranges(self) -> RangeFile | None:
        """Open the file for reads of ranges; None where its server has none."""

    def state(self) -> tuple[str | None, datetime | None]:
        """Return its entity tag and modification time; each None where unknown."""


class RangeFile(io.RawIOBase):
    """A file that is read by ranges: ``read_range`` is given the first byte and the one behind the last."""

    def __init__(
        self, size: int, read_range: Callable[[int, int], bytes], close: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self.size = size
        self._read_range = read_range
        self._close = close
        self._at = 0
        self._block, self._block_at = b"", 0

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes from the current position; small reads are served from a block."""
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        if not self._block_at <= self._at <= end <= self._block_at + len(self._block):
            # Readers of Parquet go through the footer, and through headers of pages, in small steps.
            last = min(max(end, self._at + _BLOCK_BYTES), self.size)
            self._block, self._block_at = self._whole(self._at, last), self._at
        content = self._block[self._at - self._block_at : end - self._block_at]
        self._at += len(content)
        return content

    def _whole(self, start: int, end: int) -> bytes:
        """Read all of a range; a server may send less of it than it was asked for."""
        pieces = []
        while start < end:
            piece = self._read_range(start, end)[: end - start]
            if not piece:
                raise OSError(f"is cut off: it has no byte {start:,}, though it is said to have {self.size:,}")
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Let go of the connection."""
        if not self.closed:
            self._close()
        super().close()

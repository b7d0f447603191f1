"""Guards of standard output and standard error: control characters of the data are escaped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from polydoc_analytics.safe_text import visible


class GuardedStream:
    """A text stream that makes control characters visible; all else is that of the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        """Write a text, its control characters as escapes; line ends stay as they are."""
        self.unguarded.write("\r\n".join(map(visible, text.split("\r\n"))))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts one behind the other."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the lines of the stream."""
        return iter(self.unguarded)

    def __getattr__(self, name: str) -> Any:
        """Hand on what is not writing text."""
        return getattr(self.unguarded, name)


@contextmanager
def guarded() -> Iterator[None]:
    """Guard standard output and standard error: tables, notices, errors, log records and tracebacks."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = GuardedStream(sys.stdout), GuardedStream(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unguarded(stream: Any) -> TextIO:
    """Unwrap a guarded stream, for colours and progress bars of this program."""
    found: TextIO = stream.unguarded if isinstance(stream, GuardedStream) else stream
    return found


_STYLES = {"heading": "1", "failure": "31", "error": "1;31", "warning": "33"}


def write_styled(stream: Any, text: str, style: str) -> None:
    """Write a text to a guarded stream, in colour where that is a terminal; NO_COLOR and an empty style mean none."""
    code = _STYLES.get(style) if stream.isatty() and not os.environ.get("NO_COLOR") else None
    if code is None:
        stream.write(text)
        return
    unguarded(stream).write(f"\x1b[{code}m")
    stream.write(text)
    unguarded(stream).write("\x1b[0m")


def print_bytes(content: bytes) -> None:
    """Print a file's content, exactly into a file or a pipe, with visible controls on a terminal."""
    if sys.stdout.isatty():
        print_exact(content.decode("utf-8", "backslashreplace"))
    else:
        sys.stdout.buffer.write(content)


def print_exact(text: str) -> None:
    """Print data as UTF-8 with plain line ends, exactly into a file or a pipe, with visible controls on a terminal."""
    sys.stdout.flush()
    shown = visible(text) if sys.stdout.isatty() else text
    sys.stdout.buffer.write(shown.encode("utf-8", "replace"))

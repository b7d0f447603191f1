"""One family of errors; every message says what, where and what to do."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable

from polydoc_analytics.safe_text import visible, without_credentials


class PolydocError(Exception):
    """A mistake in the call or an unreadable source; the command line prints it and exits with 2.

    Wherever its message goes, control characters in it are visible and URIs are without credentials.
    """

    exit_code = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(visible(without_credentials(str(message))))

    def _render_traceback_(self) -> list[str]:
        """Return what notebooks show in place of a traceback, by IPython's convention: the message alone."""
        return [f"{type(self).__name__}: {self}"]


class SourceError(PolydocError):
    """A source that is missing, empty, unreadable, cut off or without a required column."""


class UsageError(PolydocError):
    """An argument that means nothing here; the message lists what would."""


class QueryError(PolydocError):
    """SQL that the engine or the guard rails refuse."""


class LakeError(PolydocError):
    """A lake that is damaged, of another format, or cannot be written to; the message names the way back."""


class RejectedRowsError(PolydocError):
    """Rows were quarantined where the caller asked for none (``strict``)."""

    exit_code = 1


class OutputError(PolydocError):
    """An output that could not be written for want of space, or because the device failed."""

    exit_code = 3


_HINTS = ("Did you mean", "Candidate bindings")
_CAUSE = re.compile(r"(?:\x1b\[\d*m)?↳(?:\x1b\[\d*m)?")
FULL_OR_FAILED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def refuse_blank(path: object, what: str) -> None:
    """Raise UsageError for an empty text as a path, which would name the working folder."""
    if isinstance(path, str | os.PathLike) and not os.fspath(path).strip():
        raise UsageError(f"{what} is an empty text; give a path or a URI, . for the working folder")


def unwritable(path: str | os.PathLike[str], error: OSError) -> PolydocError:
    """Return the error for a path that cannot be written: a mistake in the call, or a device that is full."""
    kind = OutputError if error.errno in FULL_OR_FAILED else UsageError
    why = os.strerror(error.errno) if error.errno else str(error)
    return kind(f"{os.fspath(path)}: cannot be written: {why}")


def first_line(error: BaseException, most: int | None = None) -> str:
    """Return an error's first line, and the cause of it that the last one tells where there is a chain of causes.

    What DuckDB proposes in a second line stands behind it. It is the error's kind where it says nothing, and ends after
    ``most`` characters.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if lines[0].startswith("Traceback "):  # DuckDB tells so what Python raised that it had called
        lines = [line for line in lines[1:] if not line.startswith(" ")] or lines
    *_, cause = _CAUSE.split(lines[-1])
    hint = "".join(f" {line.strip()}" for line in lines[1:2] if line.startswith(_HINTS))
    return (lines[0].strip() + hint + (f": {cause.strip()}" if _CAUSE.search(lines[-1]) else ""))[:most]


def nearest(wrong: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the valid name most like ``wrong``, else an empty text."""
    folded = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(wrong.lower(), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""

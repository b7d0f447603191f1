"""One family of errors; every message says what, where and what to do."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable


class PolydocError(Exception):
    """A mistake in the call or an unreadable source; the command line prints it and exits with 2."""

    exit_code = 2


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


_CAUSE = re.compile(r"(?:\x1b\[\d*m)?↳(?:\x1b\[\d*m)?")
FULL_OR_FAILED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def unwritable(path: str | os.PathLike[str], error: OSError) -> PolydocError:
    """Return the error for a path that cannot be written: a mistake in the call, or a device that is full."""
    kind = OutputError if error.errno in FULL_OR_FAILED else UsageError
    why = os.strerror(error.errno) if error.errno else str(error)
    return kind(f"{os.fspath(path)}: cannot be written: {why}")


def first_line(error: BaseException, most: int | None = None) -> str:
    """Return an error's first line, and the cause of it that the last one tells where there is a chain of causes.

    It is the error's kind where it says nothing, and ends after ``most`` characters.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    *_, cause = _CAUSE.split(lines[-1])
    return (lines[0].strip() + (f": {cause.strip()}" if _CAUSE.search(lines[-1]) else ""))[:most]


def nearest(wrong: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the valid name most like ``wrong``, else an empty text."""
    folded = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(wrong.lower(), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""

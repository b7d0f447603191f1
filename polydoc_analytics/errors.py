"""One family of errors; every message says what, where and what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from types import FunctionType
from typing import TypeVar

from polydoc_analytics.safe_text import display_address, on_one_line, visible, without_credentials


class PolydocError(Exception):
    """A mistake in the call or an unreadable source; the command line prints it and exits with 2.

    Wherever its message goes, control characters in it are visible and URIs are without credentials.
    """

    exit_code = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(visible(without_credentials(str(message))))

    def _render_traceback_(self) -> list[str]:
        """Show the message alone in notebooks, in place of a traceback (IPython's convention)."""
        return [f"{type(self).__name__}: {self}"]


class SourceError(PolydocError):
    """A source that is missing, empty, unreadable, cut off or without a required column."""


class UsageError(PolydocError):
    """An argument that means nothing here; the message lists what would."""


class QueryError(PolydocError):
    """SQL that the engine or the guard rails refuse; ``excerpt`` is its line with a caret under it, where known."""

    excerpt = ""


class SumError(QueryError):
    """A sum that does not fit into 64 bits, for the numbers of a run are not likely; ``accounts`` have such runs."""

    def __init__(self, message: str, accounts: tuple[str, ...]) -> None:
        super().__init__(message)
        self.accounts = accounts


class LakeError(PolydocError):
    """A lake that is damaged, of another format, or cannot be written to; the message names the way back."""


class SnapshotGoneError(LakeError):
    """A snapshot of a lake of which files were removed, by an erasure or a compaction, since it was taken."""


class RejectedRowsError(PolydocError):
    """Rows were quarantined where the caller asked for none (``strict``)."""

    exit_code = 1


class OutputError(PolydocError):
    """An output that could not be written for want of space, or because the device failed."""

    exit_code = 3


class InternalError(PolydocError):
    """A fault of this program or of a package below it; the command line exits with 3."""

    exit_code = 3


_C = TypeVar("_C", bound=type)
# The packages below this one whose errors nobody who calls it should have to know. delta-rs calls its module _internal.
_ENGINES = frozenset({"_duckdb", "_internal", "deltalake", "duckdb", "pandera", "polars", "pyarrow", "pyo3_runtime"})
_HINTS = ("Did you mean", "Candidate bindings")
_CAUSE = re.compile(r"(?:\x1b\[\d*m)?↳(?:\x1b\[\d*m)?")
_SCHEME = re.compile(r"\s*([a-zA-Z][\w+.-]+):/+")  # a drive of Windows has one letter; Path makes one / of two
_LAKE = ("deltalake", "filelock")
_REPORTS = ("babel", "font_source_sans_pro", "fontTools", "jinja2", "typst", "vl_convert", "xlsxwriter")
EXTRAS = {
    "lake": _LAKE,
    "reports": _REPORTS,
    "schedule": (*_LAKE, *_REPORTS, "cronsim"),
    "api": ("stamina",),
    "postgres": ("adbc_driver_manager", "adbc_driver_postgresql"),
    "spark": ("grpc", "pandas", "pyspark"),
    "notebook": ("altair",),
}
"""The packages that each extra of this distribution brings beyond the plain install, as they are imported."""
FULL_OR_FAILED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def missing_extra(extra: str, what: str, kind: type[PolydocError] = UsageError) -> PolydocError:
    """Build the error for a part whose packages are not installed; it has the command that installs them."""
    return kind(f"{what} needs another package; pip install 'polydoc-analytics[{extra}]'")


def has_extra(extra: str) -> bool:
    """Check whether all packages of an extra can be imported; nothing is imported."""
    return all(find_spec(module) for module in EXTRAS[extra])


def require_extra(extra: str, what: str, kind: type[PolydocError] = UsageError) -> None:
    """Raise the error of ``missing_extra`` unless an extra is there."""
    if not has_extra(extra):
        raise missing_extra(extra, what, kind)


def refuse_blank(path: object, what: str) -> None:
    """Raise UsageError for an empty text as a path, which would name the working folder."""
    if isinstance(path, str | os.PathLike) and not os.fspath(path).strip():
        raise UsageError(f"{what} is an empty text; give a path or a URI, . for the working folder")


def refuse_address(path: object) -> None:
    """Raise UsageError for a URI as the place where files are written, which would be taken for a local folder."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    if isinstance(text, str) and (scheme := _SCHEME.match(text)):
        raise UsageError(
            f"{display_address(f'{scheme[1]}://{text[scheme.end() :]}')}: is an address; give a path on this machine, "
            "for files are written there alone"
        )


def not_utf8(path: str | os.PathLike[str], error: UnicodeDecodeError) -> SourceError:
    """Return the error for a text file in another encoding."""
    return SourceError(f"{os.fspath(path)}: is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8")


def unwritable(path: str | os.PathLike[str], error: OSError) -> PolydocError:
    """Return the error for a path that cannot be written: a mistake in the call, or a device that is full."""
    kind = OutputError if error.errno in FULL_OR_FAILED else UsageError
    why = os.strerror(error.errno) if error.errno else str(error)
    return kind(f"{os.fspath(path)}: cannot be written: {why}")


def is_foreign(error: BaseException) -> bool:
    """Check whether an error is one of the engines' own, a panic of Rust code included, which is no Exception."""
    return type(error).__module__.partition(".")[0] in _ENGINES


@contextmanager
def translated(
    kind: type[PolydocError] = InternalError, what: str = "", also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Raise the errors of the engines, and those of the types ``also``, as one line of this package's family.

    ``what`` says what could not be done, and where. This works as a decorator too.
    """
    try:
        yield
    except PolydocError:
        raise
    except BaseException as error:
        if not is_foreign(error) and not isinstance(error, also):
            raise
        raise kind(f"{what}: {first_line(error)}" if what else internal(error)) from error


def translating(kind: type[PolydocError] = InternalError, what: str = "") -> Callable[[_C], _C]:
    """Decorate a class whose public methods and properties raise the errors of the engines as this package's."""
    door = translated(kind, what)

    def decorate(cls: _C) -> _C:
        for name, member in list(vars(cls).items()):
            if name.startswith("_") and name != "__init__":
                continue
            if isinstance(member, FunctionType):
                setattr(cls, name, door(member))
            elif isinstance(member, property) and member.fget:
                setattr(cls, name, property(door(member.fget), doc=member.__doc__))
            elif isinstance(member, cached_property):
                member.func = door(member.func)
        return cls

    return decorate


def internal(error: BaseException) -> str:
    """Word an internal error in one line."""
    return (
        f"internal error: {type(error).__name__}: {first_line(error)}; "
        "set POLYDOC_ANALYTICS_TRACEBACK=1 to see where, and please report it"
    )


def first_line(error: BaseException, max_width: int | None = None) -> str:
    """Return an error's first line, and the cause of it that the last one tells where there is a chain of causes.

    What DuckDB proposes in a second line stands behind it. It is the error's kind where it says nothing, and ends after
    ``max_width`` characters.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if lines[0].startswith("Traceback "):  # DuckDB tells so what Python raised that it had called
        lines = [line for line in lines[1:] if not line.startswith(" ")] or lines
    *_, cause = _CAUSE.split(lines[-1])
    hint = "".join(f" {line.strip()}" for line in lines[1:2] if line.startswith(_HINTS))
    return (lines[0].strip() + hint + (f": {cause.strip()}" if _CAUSE.search(lines[-1]) else ""))[:max_width]


def nearest(wrong: object, valid: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the valid name most like ``wrong``, else an empty text."""
    import difflib

    folded = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(str(wrong).lower(), folded, n=1)
    return f"; did you mean {on_one_line(folded[close[0]])}?" if close else ""

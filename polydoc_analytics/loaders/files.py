"""The files that a source names: paths, globs, folders, standard input and object stores."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from polydoc_analytics.errors import SourceError, UsageError, nearest, refuse_blank
from polydoc_analytics.loaders import object_store
from polydoc_analytics.loaders.input_file import (
    BY_SUFFIX,
    FORMATS,
    MANIFEST,
    Input,
    format_of,
)
from polydoc_analytics.loaders.recognition import PassedOver, recognised
from polydoc_analytics.safe_text import display_address, on_one_line, scrubbed, secrets_of

_HTTP_SCHEMES = ("http", "https")
_SCHEMES = (*object_store.SCHEMES, *_HTTP_SCHEMES, "file")
_MAX_NAMED = 20
_SEPARATORS = re.escape(os.sep + (os.altsep or ""))
_ANY_FOLDERS = re.compile(rf"(?:^|(?<=[{_SEPARATORS}]))\*\*(?:[{_SEPARATORS}]+|$)")


@dataclass(frozen=True, slots=True)
class Files:
    """The files that a source names, in order, and those of its folders that are passed over.

    With ``assume_utc`` the settings say that their times are UTC; ``name`` is for the ledger.
    """

    files: tuple[Input, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    assume_utc: bool = False
    name: str = "nothing"

    def __iter__(self) -> Iterator[Input]:
        """Iterate over the files."""
        return iter(self.files)

    def __len__(self) -> int:
        """Count the files."""
        return len(self.files)


def passed_over_text(files: Iterable[PassedOver]) -> str:
    """One line that counts and names the files that were passed over, with the reason for each; empty for none."""
    files = list(files)
    named = [f"{file.name} ({file.reason})" for file in files[:_MAX_NAMED]]
    if len(files) > _MAX_NAMED:
        named.append(f"and {len(files) - _MAX_NAMED:,} more")
    count = f"{len(files):,} file{'s were' if len(files) > 1 else ' was'} passed over"
    return f"{count}: {', '.join(named)}" if files else ""


def files_at(paths: Sequence[str], input_format: str | None = None) -> Files:
    """Find the files that paths, globs, folders and URIs name, in order.

    Of a folder these are the files whose name tells a format and those whose first bytes do. Raises SourceError where
    there are none, UsageError where ``input_format`` is none of FORMATS or a path is an empty text.
    """
    if input_format is not None and input_format not in FORMATS:
        hint = nearest(input_format, FORMATS)
        raise UsageError(f"unknown input format '{input_format}'{hint}; expected {', '.join(FORMATS)}")
    found = [_files_at(path, input_format) for path in paths]
    return Files(
        tuple(replace(file, format=input_format or file.format) for files in found for file in files),
        tuple(file for files in found for file in files.passed_over),
        name=name_of(paths),
    )


def name_of(paths: Sequence[str]) -> str:
    """Name a source by the first of its paths or URIs, without query and credentials."""
    if not paths:
        return "nothing"
    first = "standard input" if paths[0] == "-" else display_address(paths[0])
    return f"{first} and {len(paths) - 1} more" if paths[1:] else first


def _files_at(path: str, input_format: str | None) -> Files:
    refuse_blank(path, "the source")
    if path != "-":
        return _remote(path) if "://" in path else _local(path)
    if input_format is None:
        raise UsageError(f"standard input needs --input-format, one of {', '.join(FORMATS)}")
    return Files((Input("standard input", "-", input_format),))


def _local(text: str) -> Files:
    path = Path(text)
    try:
        if path.is_dir():
            return files_in(path)
        if path.exists():
            return Files((_local_input(text),))
    except OSError as error:
        raise SourceError(f"{on_one_line(text)}: {error.strerror or error}") from None
    if glob.has_magic(text) and not os.path.islink(path):
        return _matches(text)
    raise _dangling(text) or SourceError(f"{on_one_line(text)}: no such file or folder")


def _matches(pattern: str) -> Files:
    """Find the files that match a glob; a folder that matches is passed over, unless what is in it matches too."""
    matches = sorted(_globbed(pattern))
    folders = [os.path.join(match, "") for match in matches if os.path.isdir(match)]
    files = tuple(_local_input(match) for match in matches if not os.path.isdir(match))
    if not files:
        raise SourceError(f"{on_one_line(pattern)}: no file matches")
    for parent in sorted({os.path.dirname(file.path) for file in files if file.format == "parquet"}):
        if os.path.isdir(os.path.join(parent, "_delta_log")):
            raise _of_delta_table(on_one_line(parent))
    return Files(
        files,
        tuple(
            PassedOver(on_one_line(folder), "is a folder; name it, or end the pattern in **")
            for folder in folders
            if not any(file.path.startswith(folder) for file in files)
        ),
    )


def _globbed(pattern: str) -> set[str]:
    """Find what matches a glob; below a ** each folder is looked into once, which Python's does not keep to."""
    found = _ANY_FOLDERS.search(pattern)
    if found is None:
        return set(glob.glob(pattern))
    head, tail = pattern[: found.start()], pattern[found.end() :]
    matches = set()
    for root in glob.glob(head) if head else [""]:
        for folder, entries in _folders(Path(root), (".",)) if os.path.isdir(root or ".") else ():
            if tail:
                matches |= _globbed(os.path.join(glob.escape(os.fspath(folder)), tail))
            else:
                matches |= {os.path.join(folder, entry.name) for entry in entries if not entry.name.startswith(".")}
    return matches


def _local_input(path: str) -> Input:
    try:
        status = os.stat(path)
    except OSError as error:
        raise _dangling(path) or SourceError(f"{on_one_line(path)}: {error.strerror}") from None
    # A pipe has no size: /dev/stdin, or what a shell puts for <(zcat runs.gz).
    is_pipe = not stat.S_ISREG(status.st_mode)
    return Input(on_one_line(path), path, format_of(path), status.st_size, is_pipe=is_pipe)


def _dangling(path: str) -> SourceError | None:
    if not os.path.islink(path):
        return None
    target = on_one_line(os.readlink(path))
    return SourceError(f"{on_one_line(path)}: is a link to {target}, which cannot be read; mend or remove the link")


def files_in(folder: Path) -> Files:
    """Find a folder's run files, recursively and sorted; names that begin with . or _ are left aside.

    A folder that links lead to more than once is read once.
    """
    found = [_recognised_at(path) for path in sorted(_walk(folder))]
    files = _parted(found)
    if not files and not (folder / MANIFEST).is_file():  # there may be nothing to export on a day
        others = passed_over_text(files.passed_over)
        looked = f"no runs in this folder; looked for files ending in {', '.join(BY_SUFFIX)}"
        raise SourceError(f"{on_one_line(str(folder))}: {looked}{others and f'; {others}'}")
    return files


def _recognised_at(path: Path) -> Input | PassedOver:
    name = os.fspath(path)
    if path.is_file():
        file = _local_input(name)
        return file if file.format else recognised(file)
    if format_of(name) and (error := _dangling(name)):
        raise error
    what = "is a link to what cannot be read" if path.is_symlink() else "is a pipe or a device"
    return PassedOver(on_one_line(name), what)


def _parted(candidates: Sequence[Input | PassedOver]) -> Files:
    """Separate the files that are read from those that are passed over."""
    return Files(
        tuple(file for file in candidates if isinstance(file, Input)),
        tuple(file for file in candidates if isinstance(file, PassedOver)),
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder."""
    for current, entries in _folders(folder, (".", "_")):
        for entry in entries:
            if _is_folder(entry):
                if entry.name == "_delta_log":
                    raise _of_delta_table(on_one_line(str(current)))
            elif not entry.name.startswith((".", "_")):
                yield current / entry.name


def _of_delta_table(folder: str) -> SourceError:
    return SourceError(f"{folder}: is a Delta table; its Parquet files alone would bring back rows it has removed")


def _folders(folder: Path, left_aside: tuple[str, ...]) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Yield a folder and each one below it once, with what is in it; names that begin so are left aside.

    Folders go before links to them, so that they keep the names they have there.
    """
    seen = set()
    folders, links = deque([folder]), deque[Path]()
    while folders or links:
        current = folders.popleft() if folders else links.popleft()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise SourceError(f"{on_one_line(str(current))}: cannot be listed: {error.strerror}") from None
        yield current, found
        for entry in found:
            if not entry.name.startswith(left_aside) and _is_folder(entry):
                (links if entry.is_symlink() else folders).append(current / entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _remote(url: str) -> Files:
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    url = f"{scheme}://{rest}"
    if scheme == "file":
        path = rest.removeprefix("localhost")
        return _local(path if os.path.lexists(path) else unquote(path))
    if scheme in _HTTP_SCHEMES:
        from polydoc_analytics.loaders.https import HttpFile

        path = re.split("[?#]", rest)[0].partition("/")[2]
        return Files((Input(display_address(url), url, format_of(path), remote=HttpFile(url)),))
    if scheme not in object_store.SCHEMES:
        raise SourceError(f"{display_address(url)}: unknown scheme {scheme}://; expected {', '.join(_SCHEMES)}")
    try:
        folder, objects, delta_tables = object_store.objects_at(url)
    except Exception as error:
        text = scrubbed(object_store.error_text(error), secrets_of(url))
        raise SourceError(f"{display_address(url)}: {text}") from None
    found: list[Input | PassedOver] = []
    for entry in objects:
        # A key may hold what would begin a query elsewhere; it has no secrets.
        file = Input(on_one_line(entry.uri), entry.uri, format_of(entry.key), entry.size, entry)
        below = "" if folder is None else entry.key.removeprefix(folder).lstrip("/")
        if table := next((table for table in delta_tables if entry.uri.startswith(f"{table}/")), ""):
            raise _of_delta_table(on_one_line(table))
        if not any(part.startswith((".", "_")) for part in below.split("/")):
            found.append(file if folder is None or file.format else recognised(file))
    return _at_least_one(_parted(found), url)


def _at_least_one(files: Files, url: str) -> Files:
    if not files:
        others = passed_over_text(files.passed_over)
        raise SourceError(f"{display_address(url)}: nothing is there{others and f' to be read; {others}'}")
    return files

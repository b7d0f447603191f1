"""The files that a source names: paths, globs, folders, standard input and object stores."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from polydoc_analytics.errors import SourceError, UsageError, nearest, refuse_blank
from polydoc_analytics.loaders.input_file import (
    BY_SUFFIX,
    FORMATS,
    MANIFEST,
    Input,
    as_local_file,
    format_of,
    opened,
    reason,
)
from polydoc_analytics.loaders.streams import archive_of, as_utf8, encoding_of, peek
from polydoc_analytics.model.schema import BY_KEY, REQUIRED
from polydoc_analytics.safe_text import on_one_line, shown

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
_MOST_NAMED = 20
_SEPARATORS = re.escape(os.sep + (os.altsep or ""))
_ANY_FOLDERS = re.compile(rf"(?:^|(?<=[{_SEPARATORS}]))\*\*(?:[{_SEPARATORS}]+|$)")
_KEYS = tuple(f'"{key}"'.encode() for key in BY_KEY if "_" in key or key != key.lower())


class PassedOver(NamedTuple):
    """A file of a folder that is not read, and why."""

    name: str
    reason: str


class Files(list[Input]):
    """The files that a source names, in order, and those of its folders that are passed over."""

    def __init__(self, files: Iterable[Input] = (), passed_over: Iterable[PassedOver] = ()) -> None:
        super().__init__(files)
        self.passed_over = list(passed_over)


def passed_over_text(files: Iterable[PassedOver]) -> str:
    """One line that counts and names the files that were passed over, with the reason for each; empty for none."""
    files = list(files)
    named = [f"{one.name} ({one.reason})" for one in files[:_MOST_NAMED]]
    if len(files) > _MOST_NAMED:
        named.append(f"and {len(files) - _MOST_NAMED:,} more")
    count = f"{len(files):,} file{'s were' if len(files) > 1 else ' was'} passed over"
    return f"{count}: {', '.join(named)}" if files else ""


def inputs(source: Input | str | os.PathLike[str] | Iterable[Any], input_format: str | None = None) -> Files:
    """Find the files that a source names, in order.

    Of a folder these are the files whose name tells a format and those whose first bytes do. Raises SourceError where
    there are none, UsageError where ``input_format`` is none of FORMATS or a path is an empty text.
    """
    if input_format is not None and input_format not in FORMATS:
        hint = nearest(input_format, FORMATS)
        raise UsageError(f"unknown input format '{input_format}'{hint}; expected {', '.join(FORMATS)}")
    if isinstance(source, Input):
        return Files([_with_format(source, input_format)])
    if isinstance(source, Files) and input_format is None:
        return source
    if not isinstance(source, str | os.PathLike):
        parts = [inputs(part, input_format) for part in source]
        return Files((one for part in parts for one in part), (one for part in parts for one in part.passed_over))
    refuse_blank(source, "the source")
    text = os.fspath(source)
    if text == "-":
        if input_format is None:
            raise UsageError(f"standard input needs --input-format, one of {', '.join(FORMATS)}")
        return Files([Input("standard input", "-", input_format)])
    found = _remote(text) if "://" in text else _local(text)
    return Files((_with_format(one, input_format) for one in found), found.passed_over)


def files_of(source: object, input_format: str | None = None) -> Files | None:
    """Find the files of a source that is a path or a list of paths; None for any other."""
    if not isinstance(source, str | os.PathLike | Input) and not (
        isinstance(source, list | tuple)
        and source
        and all(isinstance(part, str | os.PathLike | Input) for part in source)
    ):
        return None
    return inputs(source, input_format)


def _with_format(one: Input, input_format: str | None) -> Input:
    return replace(one, format=input_format or one.format)


def _local(text: str) -> Files:
    path = Path(text)
    try:
        if path.is_dir():
            return files_in(path)
        if path.exists():
            return Files([_local_input(text)])
    except OSError as error:
        raise SourceError(f"{on_one_line(text)}: {error.strerror or error}") from None
    if glob.has_magic(text) and not os.path.islink(path):
        return _matches(text)
    raise _dangling(text) or SourceError(f"{on_one_line(text)}: no such file or folder")


def _matches(pattern: str) -> Files:
    """Find the files that match a glob; a folder that matches is passed over, unless what is in it matches too."""
    found = Files()
    folders = []
    for match in sorted(_globbed(pattern)):
        if os.path.isdir(match):
            folders.append(os.path.join(match, ""))
        else:
            found.append(_local_input(match))
    paths = [one.path for one in found]
    found.passed_over += [
        PassedOver(on_one_line(folder), "is a folder; name it, or end the pattern in **")
        for folder in folders
        if not any(path.startswith(folder) for path in paths)
    ]
    if not found:
        raise SourceError(f"{on_one_line(pattern)}: no file matches")
    return found


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
    files = Files()
    for path in sorted(_walk(folder)):
        name = os.fspath(path)
        if format_of(name) and path.is_file():
            files.append(_local_input(name))
        elif not path.is_file():
            if format_of(name) and (error := _dangling(name)):
                raise error
            what = "is a link to what cannot be read" if path.is_symlink() else "is a pipe or a device"
            files.passed_over.append(PassedOver(on_one_line(name), what))
        else:
            _sort_in(_local_input(name), files)
    if not files and not (folder / MANIFEST).is_file():  # there may be nothing to export on a day
        others = passed_over_text(files.passed_over)
        looked = f"no runs in this folder; looked for files ending in {', '.join(BY_SUFFIX)}"
        raise SourceError(f"{on_one_line(str(folder))}: {looked}{others and f'; {others}'}")
    return files


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder."""
    for current, entries in _folders(folder, (".", "_")):
        for entry in entries:
            if _is_folder(entry):
                if entry.name == "_delta_log":
                    raise SourceError(
                        f"{on_one_line(str(current))}: is a Delta table; its Parquet files alone would bring back rows "
                        "it has removed"
                    )
            elif not entry.name.startswith((".", "_")):
                yield current / entry.name


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


def _sort_in(one: Input, files: Files) -> None:
    """Put a file whose name tells no format among those that are read or those that are passed over."""
    found = _recognised(one)
    if found in FORMATS:
        files.append(replace(one, format=found))
    else:
        files.passed_over.append(PassedOver(one.name, found))


def _recognised(one: Input) -> str:
    """Recognise a format by a file's first bytes; where they hold no runs, say what they are instead."""
    if one.is_local and not one.size:
        return "is empty"
    try:
        with opened(one) as stream:
            head, stream = peek(stream)
            if encoding_of(head):
                head, _ = peek(as_utf8(stream, one.name))
        if head.startswith((b"PAR1", b"ARROW1")):
            return _with_columns(one, "parquet" if head.startswith(b"PAR1") else "arrow")
    except SourceError as error:
        return str(error).removeprefix(f"{one.name}: ")
    if archive := archive_of(head):
        return f"is {archive}"
    return _format_of_text(head) or ("is binary, of an unknown kind" if b"\0" in head else "holds no runs")


def _with_columns(one: Input, kind: str) -> str:
    """Return the format of a binary file that has the columns of a run, else what it lacks."""
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet as pq

    try:
        with as_local_file(one) as path:
            if kind == "parquet":
                names = pq.read_schema(path).names
            else:
                with pa.memory_map(path) as mapped, pyarrow.ipc.open_file(mapped) as file:
                    names = file.schema.names
    except (pa.ArrowException, OSError) as error:
        return f"cannot be read as {kind.title()}: {reason(error, one.path)}"
    return kind if _has_required(names) else "has not the columns of runs"


def _has_required(names: Iterable[str]) -> bool:
    known = {name.casefold(): column.name for name, column in BY_KEY.items()}
    return {known.get(name.strip().casefold()) for name in names} >= set(REQUIRED)


def _format_of_text(head: bytes) -> str:
    from polydoc_analytics.loaders.formats import quarantine_file

    head = head.removeprefix(b"\xef\xbb\xbf").replace(b"\x1e", b"").lstrip()
    first, _, _ = head.partition(b"\n")
    if quarantine_file.begins(head):
        return "ndjson"
    if any(key in head for key in _KEYS):
        lines = [line for line in head.split(b"\n") if line.strip()]
        if not head.startswith(b"[") and 2 * sum(map(_is_run, lines)) >= len(lines):
            return "ndjson"
        if head.startswith((b"[", b"{")):
            return "json"
    columns = (column.strip(b" \"'") for column in re.split(rb"[,;\t|]", first.rstrip(b"\r")))
    return "csv" if _has_required(column.decode("utf-8", "replace") for column in columns) else ""


def _is_run(line: bytes) -> bool:
    from polydoc_analytics.loaders import run_parser

    try:
        content = run_parser.parse(line)
    except run_parser.Refusal:
        return False
    return isinstance(content, dict) and any(key in BY_KEY for key in content)


def _remote(url: str) -> Files:
    import fsspec

    _hold_back_addresses()
    scheme = url.split("://", 1)[0]
    if scheme not in _SCHEMES:
        raise SourceError(f"{shown(url)}: unknown scheme {scheme}://; expected {', '.join(_SCHEMES)}")
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError:
        extra = _EXTRAS.get(scheme)
        hint = f"; pip install 'polydoc-analytics[{extra}]'" if extra else ""
        raise SourceError(f"{shown(url)}: reading {scheme}:// needs another package{hint}") from None
    except Exception as error:
        raise SourceError(f"{shown(url)}: {reason(error, url)}") from None
    try:
        if scheme in ("http", "https"):
            return Files([Input(shown(url), path, format_of(urlsplit(url).path), 0, filesystem)])
        if glob.has_magic(path):
            return _at_least_one(Files(_remote_input(filesystem, one) for one in sorted(filesystem.glob(path))), url)
        if not filesystem.isdir(path):
            found = Files([_remote_input(filesystem, path)]) if filesystem.exists(path) else Files()
            return _at_least_one(found, url)
        files = Files()
        for name in sorted(filesystem.find(path)):
            parts = name.removeprefix(path).strip("/").split("/")
            if any(part.startswith((".", "_")) for part in parts):
                continue
            one = _remote_input(filesystem, name)
            if one.format:
                files.append(one)
            else:
                _sort_in(one, files)
        return _at_least_one(files, url)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{shown(url)}: {reason(error, url)}") from None


def _remote_input(filesystem: Any, path: str) -> Input:
    name = shown(filesystem.unstrip_protocol(path))
    return Input(name, path, format_of(path), filesystem.size(path) or 0, filesystem)


def _at_least_one(files: Files, url: str) -> Files:
    if not files:
        others = passed_over_text(files.passed_over)
        raise SourceError(f"{shown(url)}: nothing is there{others and f' to be read; {others}'}")
    return files


def _hold_back_addresses() -> None:
    """Keep what these packages say of requests, signed URLs and headers, out of the logs, unless it is asked for."""
    import logging

    for name in ("fsspec", "aiohttp", "s3fs", "botocore", "aiobotocore", "gcsfs", "adlfs", "azure"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)

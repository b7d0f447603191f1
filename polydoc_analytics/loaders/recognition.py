"""Files of a folder whose name tells no format: recognised by their first bytes, or passed over with the reason."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.input_file import FORMATS, Input, as_local_file, by_ranges, open_input, reason
from polydoc_analytics.loaders.streams import archive_of, as_utf8, encoding_of, peek
from polydoc_analytics.model.schema import BY_KEY, REQUIRED

_KEYS = tuple(f'"{key}"'.encode() for key in BY_KEY if "_" in key or key != key.lower())

_LOOKED_AT = 20
"""Lines that tell whether a file holds runs."""


class PassedOver(NamedTuple):
    """A file of a folder that is not read, and why."""

    name: str
    reason: str


def recognised(file: Input) -> Input | PassedOver:
    """Recognise the format of a file whose name tells none; where it holds no runs, say what it is instead."""
    found = _format_or_reason(file)
    return replace(file, format=found) if found in FORMATS else PassedOver(file.name, found)


def _format_or_reason(file: Input) -> str:
    if file.is_empty:
        return "is empty"
    try:
        with open_input(file) as stream:
            head, stream = peek(stream)
            if encoding_of(head):
                head, _ = peek(as_utf8(stream, file.name))
        if head.startswith((b"PAR1", b"ARROW1")):
            return _with_columns(file, "parquet" if head.startswith(b"PAR1") else "arrow")
    except SourceError as error:
        return str(error).removeprefix(f"{file.name}: ")
    if archive := archive_of(head):
        return f"is {archive}"
    return _format_of_text(head) or ("is binary, of an unknown kind" if b"\0" in head else "holds no runs")


def _with_columns(file: Input, kind: str) -> str:
    """Return the format of a binary file that has the columns of a run, else what it lacks."""
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet as pq

    try:
        if kind == "parquet":
            with by_ranges(file) as opened:
                names = pq.read_schema(opened).names
        else:
            with (
                as_local_file(file) as path,
                pa.memory_map(path) as mapped,
                pyarrow.ipc.open_file(mapped) as table,
            ):
                names = table.schema.names
    except (pa.ArrowException, OSError) as error:
        return f"cannot be read as {kind.title()}: {reason(error, file.path)}"
    return kind if _has_required(names) else "has not the columns of runs"


def _has_required(names: Iterable[str]) -> bool:
    known = {name.casefold(): column.name for name, column in BY_KEY.items()}
    return {known.get(name.strip().casefold()) for name in names} >= set(REQUIRED)


def _format_of_text(head: bytes) -> str:
    from polydoc_analytics.loaders.formats import quarantine_file

    head = head.removeprefix(BOM_UTF8).replace(b"\x1e", b"").lstrip()
    first, _, _ = head.partition(b"\n")
    if quarantine_file.is_quarantine_file(head):
        return "ndjson"
    if any(key in head for key in _KEYS):
        lines = [line for line in head.split(b"\n") if line.strip()][:_LOOKED_AT]
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

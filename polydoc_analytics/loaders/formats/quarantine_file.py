"""Quarantine files, mended and loaded again: each line carries the text of a rejected row, or a run in its place."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.lines import BLOCK_BYTES, LongLine, blocks
from polydoc_analytics.loaders.validation import MAX_RAW_BYTES, Batch, Rejected, empty_batch

_KEYS = {"source", "line", "reason", "raw"}
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


def quarantine_line(rejected: Rejected) -> str:
    """Write a rejected row as a line of a quarantine file; mend the text under ``raw`` and load the file again."""
    entry = {"source": rejected.source, "line": rejected.line, "reason": rejected.reason, "raw": rejected.raw}
    if rejected.header is not None:
        entry["header"] = rejected.header
    return _ENCODER.encode(entry)


def is_quarantine_file(head: bytes) -> bool:
    """Recognise a quarantine file by its beginning, in which the first lines may be runs already, or a BOM stand."""
    if not all(b'"%s"' % key.encode() in head for key in ("source", "line", "reason")):
        return False
    head = head.removeprefix(BOM_UTF8)
    # The text of the first row may go on beyond the beginning.
    return head.startswith(b'{"source"') or any(_is_entry(_entry(line)) for line in head.split(b"\n"))


def read(stream: BinaryIO, source: str, *, assume_utc: bool = False) -> Iterator[Work]:
    """Yield the work of reading each block of a quarantine file; a row's line is its line in this file."""
    line = 1
    for block in blocks(stream, BLOCK_BYTES):
        if isinstance(block, LongLine):
            yield Work(partial(block.batches, source, line), len(block))
            line += 1
        else:
            octets = bytes(block) if line > 1 else bytes(block).removeprefix(BOM_UTF8)
            run = partial(_read_block, octets, source, line, assume_utc)
            yield Work(run, len(block), takes_turns=True)
            line += block.count(b"\n")


def _read_block(block: bytes, source: str, first_line: int, assume_utc: bool) -> list[Batch]:
    from polydoc_analytics.loaders.formats import csv, ndjson

    batches: list[Batch] = []
    lines: list[bytes] = []
    for number, line in enumerate(block.split(b"\n")):
        entry = _entry(line)
        lines.append(line)
        if not _is_entry(entry):
            continue
        # What stood for bytes that were not UTF-8 stands for such again, so that an id of them is refused again.
        raw = str(entry["raw"])
        octets = raw.encode("utf-8", "replace").replace("\ufffd".encode(), b"\xff")
        if len(raw.encode("utf-8", "replace")) > MAX_RAW_BYTES - 4:  # a cut leaves out the whole of a character
            reason = "was cut at 64 KiB when it was quarantined; mend it in the source"
            batches.append(empty_batch(Rejected(source, first_line + number, reason, raw)))
            lines[-1] = b""
        elif "header" in entry:
            batches += csv.read_mended(octets, entry["header"], source, first_line + number, assume_utc=assume_utc)
            lines[-1] = b""
        else:
            # A blank text was a row once, so it must not vanish as a blank line.
            lines[-1] = octets.translate(_LINE_ENDS) or b"-"
    return [*ndjson.read_block(b"\n".join(lines), source, first_line, assume_utc), *batches]


def _is_entry(value: Any) -> bool:
    """Check whether a parsed line carries a rejected row, and is no run that has such keys as well."""
    from polydoc_analytics.loaders.formats.json_recognition import has_keys_of_a_run

    return isinstance(value, dict) and set(value) >= _KEYS and not has_keys_of_a_run(value)


def _entry(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

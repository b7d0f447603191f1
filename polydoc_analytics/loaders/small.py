"""Small files, read many at a time, so that ten thousand of one row cost little more than one of ten thousand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

from polydoc_analytics.loaders import json_envelope, mended, ndjson
from polydoc_analytics.loaders.batches import Batch
from polydoc_analytics.loaders.sources import Input, opened
from polydoc_analytics.loaders.streams import encoding_of
from polydoc_analytics.loaders.work import Work

MOST_BYTES = 64 * 1024
"""A file of so many bytes is small."""
_MOST_UNPACKED = 16 * MOST_BYTES
_BOM = b"\xef\xbb\xbf"


class Lines(NamedTuple):
    """A small file of lines of JSON: its name, its content, and the bytes that it takes where it is stored."""

    name: str
    content: bytes
    size: int


def content_of(one: Input) -> bytes | None:
    """Read a small local file as a whole; None where it is binary or not small, compressed or not."""
    if one.format in ("parquet", "arrow") or not one.is_local or one.size > MOST_BYTES:
        return None
    with opened(one) as stream:
        content = _read(stream)
    return content if len(content) <= _MOST_UNPACKED else None


def _read(stream: BinaryIO) -> bytes:
    pieces = io.BytesIO()
    while pieces.tell() <= _MOST_UNPACKED and (piece := stream.read(_MOST_UNPACKED + 1)):
        pieces.write(piece)
    return pieces.getvalue()


def is_lines(one: Input, content: bytes) -> bool:
    """Recognise NDJSON beyond doubt, so that lines of several such files can be read together."""
    return (
        one.format == "ndjson"
        and content.removeprefix(_BOM).startswith(b"{")
        and not encoding_of(content)
        and not json_envelope.is_answer(content)
        and not mended.begins(content)
    )


def together(files: Sequence[Lines], assume_utc: bool) -> Work:
    """Return the work of reading the lines of some files as one block."""
    return Work(partial(_read_together, tuple(files), assume_utc), sum(file.size for file in files))


def _read_together(files: Sequence[Lines], assume_utc: bool) -> list[Batch]:
    contents = [file.content.removeprefix(_BOM) for file in files]
    contents = [content if content.endswith(b"\n") else content + b"\n" for content in contents]
    batches = ndjson.read_block(b"".join(contents), "", 1, assume_utc)
    names = [file.name for file in files]
    lines = [content.count(b"\n") for content in contents]
    for batch in batches:
        batch.divide(names, lines)
    return batches

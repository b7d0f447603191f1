"""JSON documents: an array of runs, an object that holds one, a single run, or several of these one behind another.

All are read in pieces, of any size: ``json_envelope`` walks through what stands around the array, and ``json_elements``
cuts its elements, which go to the reader of lines.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import limits, run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import json_envelope, json_pages, json_recognition, ndjson
from polydoc_analytics.loaders.formats.json_elements import Elements
from polydoc_analytics.loaders.formats.json_text import SPACE, Text


def read(
    stream: BinaryIO,
    source: str,
    *,
    assume_utc: bool = False,
    is_partial: bool = False,
    block_bytes: int = ndjson.BLOCK_BYTES,
    signs: Sequence[json_pages.Signs] = (),
) -> Iterator[Work]:
    """Yield the work of reading each piece of a JSON document; a row's line is its number among the runs.

    ``is_partial`` takes one page of several; ``signs`` of that may have come with the document. Raises SourceError
    where the document is not JSON, is cut off, says that it is an error or one page of several, or where it is unclear
    which array holds the runs.
    """
    text = Text(stream, source, block_bytes)
    text.more()
    text.at = len(BOM_UTF8) if text.held.startswith(BOM_UTF8) else 0
    mark = text.mark()
    if mark == b"{" and _is_lines(text):
        yield from ndjson.read(cast("BinaryIO", text), source, assume_utc=assume_utc, block_bytes=block_bytes)
        return
    if mark not in (b"[", b"{"):
        raise SourceError(f"{source}: {_described(text, mark)}; expected a JSON array of runs")
    elements = Elements(text, assume_utc=assume_utc)
    page: json_envelope.Envelope | None = None
    while mark:
        if mark == b"[":
            text.at += 1
            for piece in elements.pieces():
                if json_recognition.holds_arrays_of_runs(piece):
                    raise SourceError(
                        f"{source}: its array holds arrays of runs, or pages with some, where it should hold the runs; "
                        "save the arrays one behind another"
                    )
                yield elements.work(piece)
        else:
            text.remember(limits.longest_row())
            page = json_envelope.Envelope(text, elements, is_partial=is_partial)
            yield from page.read()
            if page.is_run:
                yield from _runs_in_a_row(text, elements)
                return
        is_array = mark == b"["
        mark = text.mark()
        if mark and mark != (b"[" if is_array else b"{"):
            end = "the array" if is_array else "the object"
            raise SourceError(f"{source}: not JSON: there is more behind the end of {end}")
    more = page.more if page is not None else []
    more += [found for beside in signs for found in beside.more(elements.record - 1)]
    if more and not is_partial:
        raise json_pages.one_page_error(source, more)


def signs_of_more(
    stream: BinaryIO, source: str, rows: int, signs: json_pages.Signs, *, is_partial: bool
) -> tuple[list[json_pages.More], int]:
    """Return the signs that more pages follow, and the rows so far; ``rows`` are those of the pages before.

    ``signs`` are those in the headers of the answer; where they state no total, the rows of an array are not counted.
    Raises SourceError where it is no JSON document, or holds an error beside its runs, unless ``is_partial`` takes it.
    """
    text = Text(stream, source, ndjson.BLOCK_BYTES)
    text.more()
    text.at = len(BOM_UTF8) if text.held.startswith(BOM_UTF8) else 0
    mark = text.mark()
    elements = Elements(text, assume_utc=False)
    elements.record += rows
    if mark == b"[" and signs.totals:
        text.at += 1
        for _ in elements.pieces():
            pass
    if mark != b"{":
        return signs.more(elements.record - 1), elements.record - 1
    page = json_envelope.Envelope(text, elements, is_partial=is_partial, signs=signs)
    for _ in page.read():
        pass
    return page.more, elements.record - 1


def _runs_in_a_row(text: Text, elements: Elements) -> Iterator[Work]:
    """Read runs that stand one behind another, the first of which has been walked through."""
    beginning = text.put_back()
    if beginning is not None:
        yield elements.too_long(beginning)
    if text.mark():
        yield from map(elements.work, elements.pieces(is_array=False))


def _is_lines(text: Text) -> bool:
    """Check whether a first line is an object of its own with another one behind it: NDJSON under another name."""
    end = text.held.find(b"\n", text.at)
    second = text.held[end:].lstrip(SPACE) if end >= 0 else b""
    # An object over several lines often begins with its bracket alone.
    if not second.startswith(b"{") or second.partition(b"\n")[0].rstrip(SPACE) == b"{":
        return False
    try:
        value = run_parser.parse(text.held[text.at : end])
    except run_parser.Refusal:
        return False
    return isinstance(value, dict) and not json_recognition.is_page(value)


def _described(text: Text, mark: bytes) -> str:
    """Describe what is neither an array nor an object."""
    if not mark:
        return "holds nothing but white space"
    beginning = text.held[text.at : text.at + 20].decode("utf-8", "replace")
    try:
        value = text.scalar()
    except SourceError:
        return f"not JSON: it begins with {run_parser.show(beginning)}"
    return f"is nothing but {run_parser.kind_of(value)}"

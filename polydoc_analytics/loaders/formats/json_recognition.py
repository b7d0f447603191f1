"""Recognise what a JSON document is: a run, a page with an array of runs, an error, or lines."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from itertools import islice
from typing import Any

from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats.json_elements import Piece
from polydoc_analytics.loaders.formats.json_text import SPACE
from polydoc_analytics.loaders.streams import BEGINNING_BYTES, SEPARATOR
from polydoc_analytics.model.schema import COLUMNS

KEYS_OF_A_RUN = 4
"""An object with so many of the six required keys is a run, though perhaps not a valid one."""
ERRORS = ("error", "errors", "exception", "fault")
EXPLANATIONS = ("message", "detail", "title", "description", "error_description", "msg", "reason", "code", "type")
_KEYS = [{column.name, column.camel} for column in COLUMNS if column.required]
_MAX_ELEMENTS = 100
_MAX_ELEMENT_BYTES = 1024 * 1024
_ARRAY = re.compile(rb"\[\s*(?=\{)")
_ARRAY_OR_OVER_LINES = re.compile(rb'\[\s*\{|\{[ \t\r]*\n\s*"')


def required_keys(value: Mapping[str, Any]) -> int:
    """Return how many of the six keys that a run must have an object has, in either spelling."""
    return sum(not names.isdisjoint(value) for names in _KEYS)


def has_keys_of_a_run(value: Mapping[str, Any]) -> bool:
    """Check whether an object is a run, perhaps not a valid one, by its keys."""
    return required_keys(value) >= KEYS_OF_A_RUN


def is_page(value: Mapping[str, Any]) -> bool:
    """Check whether a parsed object is no run itself but holds an array of runs, or has none of a run's keys."""
    keys = required_keys(value)
    holds_any = any(isinstance(member, list | dict) for member in value.values())
    return keys < KEYS_OF_A_RUN and (holds_runs(value) or (not keys and holds_any))


def is_document(content: bytes) -> bool:
    """Recognise a JSON document under the name of lines, by the beginning of the file.

    That is an object alone that is an error, pages, an array that begins with a run, what stands over lines, or objects
    without a line end between them or behind them, as streams of logs put them together.
    """
    return (
        is_answer(content)
        or _begins_with_a_page(content[:BEGINNING_BYTES])
        or _is_array_or_over_lines(content)
        or _are_objects_without_lines(content)
    )


def _are_objects_without_lines(content: bytes) -> bool:
    text = content.removeprefix(BOM_UTF8)
    if b"\n" in text or b"\r" in text or b"}" not in text or not text.startswith(b"{"):
        return False
    try:
        decoded = text.decode("utf-8", "replace")
        first, end = json.JSONDecoder().raw_decode(decoded)
    except (ValueError, RecursionError):
        return False
    return has_keys_of_a_run(first) and decoded[end:].lstrip(" \t").startswith("{")


def _begins_with_a_page(content: bytes) -> bool:
    """Recognise an object, perhaps cut off, in which a run stands first in an array before the object has its keys."""
    arrays = list(islice(_ARRAY.finditer(content), _MAX_ELEMENTS))
    is_object = content.lstrip(SPACE + BOM_UTF8).startswith(b"{")
    # Where a line is a run these are lines, of which some are damaged.
    if not arrays or not is_object or any(map(_is_run, content.split(b"\n"))):
        return False
    for array in arrays:
        if _is_run_at_first(content[array.end() :], is_cut_off=len(content) == BEGINNING_BYTES):
            return _keys_in(content[: array.start()]) < KEYS_OF_A_RUN
    return False


def _keys_in(text: bytes) -> int:
    """Return how many of the six keys that a run must have stand in a text."""
    return sum(any(b'"%s"' % name.encode() in text for name in names) for names in _KEYS)


def _is_array_or_over_lines(content: bytes) -> bool:
    text = content.removeprefix(BOM_UTF8).lstrip(SPACE)
    if not _ARRAY_OR_OVER_LINES.match(text):
        return False
    lines = [line for line in map(bytes.strip, text.split(b"\n")) if line]
    # Where a whole line is a run these are lines, some of them damaged; the last element of an array is one too.
    whole = [at for at, line in enumerate(lines) if line.startswith(b"{") and line.endswith(b"}") and _is_run(line)]
    if any(not lines[at + 1 : at + 2] or not lines[at + 1].startswith(b"]") for at in whole):
        return False
    return text.startswith(b"{") or _is_run_at_first(text[1:].lstrip(SPACE), is_cut_off=len(content) >= BEGINNING_BYTES)


def _is_run_at_first(text: bytes, *, is_cut_off: bool) -> bool:
    """Check whether a text begins with a run, perhaps not a valid one; it may be longer than the text."""
    try:
        first, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return is_cut_off and _keys_in(text) >= KEYS_OF_A_RUN
    return isinstance(first, dict) and required_keys(first) >= KEYS_OF_A_RUN


def _is_run(line: bytes) -> bool:
    try:
        value = run_parser.parse(line)
    except run_parser.Refusal:
        return False
    return isinstance(value, dict) and required_keys(value) >= KEYS_OF_A_RUN


def is_sequence_of_lines(content: bytes) -> bool:
    """Recognise a JSON text sequence of runs on a line each, of which one that is broken off costs no other."""
    texts = [text.strip() for text in content.split(SEPARATOR)]
    return not any(b"\n" in text for text in texts) and any(map(_is_run, texts))


def is_answer(content: bytes) -> bool:
    """Recognise an answer in a file of lines: one object alone that is an error, or a page with an array of runs."""
    if not content.lstrip(SPACE + BOM_UTF8).startswith(b"{") or b'"id"' in content.partition(b":")[0]:
        return False
    try:
        value = run_parser.parse(content.removeprefix(BOM_UTF8))
    except run_parser.Refusal:
        return False
    if not isinstance(value, dict) or required_keys(value) >= KEYS_OF_A_RUN:
        return False
    has_message = any(isinstance(value.get(key), str) for key in EXPLANATIONS[:3])
    is_error = any(value.get(key) for key in ERRORS) or (has_message and not required_keys(value))
    return is_error or is_failure(value) or holds_runs(value)


def is_failure(value: Mapping[str, Any]) -> bool:
    """Check whether an object says of itself that a request has failed."""
    status = next((value[key] for key in ("status", "statusCode", "status_code") if key in value), None)
    is_of_http = isinstance(status, run_parser.Number) and status.isdigit() and 400 <= int(status[:4]) <= 599
    return is_of_http or any(value.get(key) is False for key in ("success", "ok"))


def holds_runs(value: Any) -> bool:
    """Check whether an array of runs stands in a parsed value, at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [member for member in one.values() if isinstance(member, dict | list)]
        elif any(isinstance(part, dict) and required_keys(part) >= KEYS_OF_A_RUN for part in one[:_MAX_ELEMENTS]):
            return True
    return False


def holds_arrays_of_runs(piece: Piece | Work) -> bool:
    """Check whether the first element of a piece is no run, but an array of some, or a page with one."""
    if isinstance(piece, Work) or piece.first > 1:
        return False
    element = next(piece.elements())
    if len(element) > _MAX_ELEMENT_BYTES or not element.startswith((b"[", b"{")):
        return False
    try:
        value = run_parser.parse(element)
    except run_parser.Refusal:
        return False
    return holds_runs(value) and not (isinstance(value, dict) and required_keys(value) >= KEYS_OF_A_RUN)

"""One run in wire form, read exactly: what the service's own SDK accepts, and why a row is refused.

This is the slow and final judge. The readers that work on whole blocks hand it every line that they do not understand.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal, DecimalException
from json import decoder
from typing import Any, NoReturn

from polydoc_analytics.schema import COLUMNS, MAX_INSTANT_US, MIN_INSTANT_US, STATUSES, Column

_EPOCH = datetime(1970, 1, 1)
_DAYS_IN_2000_YEARS = 730_485
# The hour is bounded here: from Python 3.14 on, its own parser takes 24:00 for the next day.
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_OFFSET = r"Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d"
_WIRE_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\dT{_TIME})(\.\d+)?({_OFFSET})", re.ASCII)
# CSV also carries what PostgreSQL and pandas write: a space for T, and an offset of whole hours.
_TABLE_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d[T ]{_TIME})(\.\d+)?({_OFFSET}|[+-](?:[01]\d|2[0-3]))?", re.ASCII)
_WITHOUT_OFFSET = re.compile(rf"(\d{{4}}-\d\d-\d\dT{_TIME})(\.\d+)?()", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_SPACE = " \t\n\r"
_SHOWN_CHARACTERS = 60


class Refusal(ValueError):  # noqa: N818 - it is a verdict on a value, not a failure of the program
    """Why a value or a row is not accepted, in words for the quarantine."""


class Number(str):
    """A JSON number, kept as its text so that no digit is lost."""

    __slots__ = ()


def show(value: object) -> str:
    """Return a value as it may stand in a reason: quoted and cut short."""
    text = str(value)
    return f"'{text[:_SHOWN_CHARACTERS]}…'" if len(text) > _SHOWN_CHARACTERS else f"'{text}'"


def integer(text: str) -> int:
    """Return the integer that a JSON number stands for, exactly: 1.0 and 1e3 are integers, 1e-400 and 1.5 are not.

    Raises Refusal where it is no integer or does not fit 64 bits.
    """
    if not _NUMBER.fullmatch(text):
        raise Refusal(f"{show(text)} is not an integer")
    if not re.split("[eE]", text)[0].strip("-0."):
        return 0
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except DecimalException:
        raise Refusal(f"{show(text)} does not fit a 64-bit integer") from None
    if not isinstance(exponent, int):  # pragma: no cover - the pattern admits no NaN or infinity
        raise Refusal(f"{show(text)} is not an integer")
    if exponent < 0:
        if len(digits) <= -exponent or any(digits[exponent:]):
            raise Refusal(f"{show(text)} is not an integer")
        digits, exponent = digits[:exponent], 0
    if len(digits) + exponent > 19:
        raise Refusal(f"{show(text)} does not fit a 64-bit integer")
    value = int("".join(map(str, digits)) + "0" * exponent) * (-1 if sign else 1)
    if not -(2**63) <= value < 2**63:
        raise Refusal(f"{show(text)} does not fit a 64-bit integer")
    return value


def instant(text: str, *, assume_utc: bool = False, table: bool = False) -> int:
    """Return a datetime text as µs since 1970 UTC; digits after the sixth of the fraction are cut off.

    ``table`` admits the forms of CSV files as well. A time without an offset is refused unless ``assume_utc``.
    Raises Refusal for anything else, and for years outside 0001-9999 (judged in UTC).
    """
    pattern = _TABLE_INSTANT if table or assume_utc else _WIRE_INSTANT
    match = pattern.fullmatch(text)
    if not match and "T" in text:
        match = _WITHOUT_OFFSET.fullmatch(text)
    if not match:
        raise Refusal(f"{show(text)} is not a datetime with seconds and an offset, such as 2026-10-31T12:00:00Z")
    stem, fraction, offset = match.groups()
    if not offset and not assume_utc:
        raise Refusal(f"{show(text)} has no offset; add one, or pass --assume-utc if these times are UTC")
    # The year 0 may be the year 1 in UTC, and it has the calendar of 2000.
    is_year_0 = stem.startswith("0000")
    try:
        whole = datetime.fromisoformat(f"2{stem[1:]}" if is_year_0 else stem) - _EPOCH
    except ValueError:
        raise Refusal(f"{show(text)} is not a real date and time") from None
    days = whole.days - _DAYS_IN_2000_YEARS * is_year_0
    value = (days * 86_400 + whole.seconds) * 1_000_000 + int((fraction or ".0")[1:7].ljust(6, "0"))
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        shift = (int(digits[:2]) * 60 + int(digits[2:])) * 60_000_000
        value += shift if offset[0] == "-" else -shift
    if not MIN_INSTANT_US <= value <= MAX_INSTANT_US:
        raise Refusal(f"{show(text)} lies outside the years 0001 to 9999 in UTC")
    return value


def parse(raw: bytes) -> Any:
    """Return a JSON text as Python values, numbers as :class:`Number`; invalid UTF-8 becomes U+FFFD.

    Raises Refusal where it is not JSON. NaN and Infinity are not JSON; nesting may be of any depth.
    """
    return _parse_text(raw.decode("utf-8", "replace"))


def _parse_text(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant)
    except RecursionError:
        return _parse_deep(text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")  # "Unterminated string starting at"
        raise Refusal(f"not JSON: {what} at character {error.pos + 1}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise Refusal(f"not JSON: {name} is not a JSON value")


def _parse_deep(text: str) -> Any:
    """Parse without recursion: the outermost object's own values, with deeper arrays and objects as empty ones."""
    root: list[Any] = []
    stack: list[tuple[Any, str | None]] = []
    holder: Any = root
    key: str | None = None
    at = 0

    def fail(what: str) -> NoReturn:
        raise Refusal(f"not JSON: {what} at character {at + 1}")

    def space() -> None:
        nonlocal at
        while text[at : at + 1] in _SPACE and at < len(text):
            at += 1

    def put(value: Any) -> None:
        if len(stack) > 2:
            return
        if isinstance(holder, dict):
            holder[key] = value
        else:
            holder.append(value)

    def string() -> str:
        nonlocal at
        if text[at : at + 1] != '"':
            fail("Expecting a string")
        try:
            value, at = decoder.scanstring(text, at + 1, True)  # type: ignore[attr-defined] # json's own, not in its stub
        except json.JSONDecodeError as error:
            fail(error.msg)
        return str(value)

    def name() -> None:
        nonlocal key, at
        space()
        key = string()
        space()
        if text[at : at + 1] != ":":
            fail("Expecting ':' delimiter")
        at += 1

    while True:
        space()
        mark = text[at : at + 1]
        if mark in ("{", "["):
            child: Any = {} if mark == "{" else []
            put(child)
            stack.append((holder, key))
            holder = child
            at += 1
            space()
            if text[at : at + 1] != ("}" if mark == "{" else "]"):
                if mark == "{":
                    name()
                continue
        elif mark == '"':
            put(string())
        elif number := _NUMBER.match(text, at):
            put(Number(number.group()))
            at = number.end()
        else:
            for word, value in (("true", True), ("false", False), ("null", None)):
                if text.startswith(word, at):
                    put(value)
                    at += len(word)
                    break
            else:
                fail("Expecting value")
        while stack:
            space()
            mark = text[at : at + 1]
            if mark == ",":
                at += 1
                if isinstance(holder, dict):
                    name()
                break
            if mark != ("}" if isinstance(holder, dict) else "]"):
                fail("Expecting ',' delimiter")
            at += 1
            holder, key = stack.pop()
        else:
            space()
            if at != len(text):
                fail("Extra data")
            return root[0]


def run_fields(raw: bytes, *, assume_utc: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Read one run in wire form: its fields (instants in µs since 1970 UTC), and by column why one is refused.

    Raises Refusal where the text is no JSON object at all.
    """
    value = parse(raw)
    if not isinstance(value, dict):
        raise Refusal(f"expected an object, got {_kind(value)}")
    fields, refused = fields_of(value, assume_utc=assume_utc)
    if "id" in fields and "id" not in refused and "\ufffd" in fields["id"] and _replaced(raw, "id"):
        refused["id"] = "holds bytes that are not UTF-8, so two ids could become one"
    return fields, refused


def _replaced(raw: bytes, name: str) -> bool:
    """Tell whether invalid bytes, and not a U+FFFD that was sent, stand in a text."""
    value = _parse_text(raw.decode("utf-8", "surrogateescape"))[name]
    return any("\udc80" <= character <= "\udcff" for character in value)


def fields_of(value: dict[str, Any], *, assume_utc: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields of a parsed object and the refusals by column; snake_case wins over camelCase."""
    fields: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for column in COLUMNS:
        given = value[column.name] if column.name in value else value.get(column.camel)
        fields[column.name] = None
        try:
            fields[column.name] = _field(column, given, assume_utc)
        except Refusal as refusal:
            refused[column.name] = str(refusal)
    return fields, refused


def _field(column: Column, given: Any, assume_utc: bool) -> Any:
    if given is None:
        if column.required:
            raise Refusal("is required, but missing or null")
        return None
    if column.kind == "integer":
        if not isinstance(given, Number):
            raise Refusal(f"expected an integer, got {_kind(given)}")
        return integer(given)
    if isinstance(given, Number) or not isinstance(given, str):
        raise Refusal(f"expected text, got {_kind(given)}")
    if column.kind == "instant":
        return instant(given, assume_utc=assume_utc)
    if column.name == "status" and given not in STATUSES:
        raise Refusal(not_a_status(given))
    if not given.isascii() and any("\ud800" <= character <= "\udfff" for character in given):
        if column.name == "id":
            raise Refusal("holds a lone surrogate, so two ids could become one")
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in given)
    return given


def not_a_status(given: object) -> str:
    """Return the reason for a status that is none of the three."""
    return f"{show(given)} is not a run status; expected Running, Succeeded or Failed"


def _kind(value: Any) -> str:
    if isinstance(value, Number):
        return f"the number {show(value)}"
    if isinstance(value, str):
        return f"the text {show(value)}"
    return {bool: "true or false", list: "an array", dict: "an object"}.get(type(value), "null")

"""One run in wire form, read exactly: what the service's own SDK accepts, and why a row is refused.

This is the slow and final judge. The readers that work on whole blocks hand it every line that they do not understand.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from polydoc_analytics.loaders.formats import deep_json
from polydoc_analytics.loaders.formats.deep_json import Number as Number
from polydoc_analytics.loaders.formats.deep_json import Refusal as Refusal
from polydoc_analytics.model.schema import BY_KEY, COLUMNS, MAX_INSTANT_US, MIN_INSTANT_US, NAMES, STATUSES, Column
from polydoc_analytics.safe_text import on_one_line

_EPOCH = datetime(1970, 1, 1)
_DAYS_IN_2000_YEARS = 730_485
# The hour is bounded here: from Python 3.14 on, its own parser takes 24:00 for the next day.
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_OFFSET = r"Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d"
_WIRE_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\dT{_TIME})(\.\d+)?({_OFFSET})", re.ASCII)
# CSV also carries what PostgreSQL, pandas and BigQuery write: a space for T, an offset of whole hours, or " UTC".
_TABLE_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d[T ]{_TIME})(\.\d+)?({_OFFSET}|[+-](?:[01]\d|2[0-3])| UTC)?", re.ASCII)
_WITHOUT_OFFSET = re.compile(rf"(\d{{4}}-\d\d-\d\dT{_TIME})(\.\d+)?()", re.ASCII)
_NUMBER = re.compile(r"(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?", re.ASCII)
_MAX_EXPONENT_DIGITS = 12
_LONG = 1024 * 1024
_SHOWN_CHARACTERS = 60
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
MISSING = "is required, but missing or null"
NOT_UTF8 = "holds bytes that are not UTF-8, so two ids could become one"


def well_formed(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold, by U+FFFD."""
    return text if text.isascii() or not LONE_SURROGATE.search(text) else LONE_SURROGATE.sub("\ufffd", text)


def show(value: object) -> str:
    """Quote a value for a reason: truncated, on one line, in valid UTF-8."""
    text = well_formed(str(value))
    cut = f"{text[:_SHOWN_CHARACTERS]}…" if len(text) > _SHOWN_CHARACTERS else text
    return f"'{on_one_line(cut)}'"


def integer(text: str) -> int:
    """Parse a JSON number as an exact integer: 1.0 and 1e3 are integers, 1e-400 and 1.5 are not.

    Raises Refusal where it is no integer or does not fit 64 bits.
    """
    match = _NUMBER.fullmatch(text)
    if not match:
        raise Refusal(f"{show(text)} is not an integer")
    sign, whole, fraction, power = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    if len(power.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
        raise Refusal(f"{show(text)} does not fit a 64-bit integer")
    exponent = int(power or "0") - len(fraction)
    if exponent < 0:
        if len(digits) <= -exponent or digits[exponent:].strip("0"):
            raise Refusal(f"{show(text)} is not an integer")
        digits, exponent = digits[:exponent], 0
    if len(digits) + exponent > 19:
        raise Refusal(f"{show(text)} does not fit a 64-bit integer")
    value = int(sign + digits + "0" * exponent)
    if not -(2**63) <= value < 2**63:
        raise Refusal(f"{show(text)} does not fit a 64-bit integer")
    return value


def instant(text: str, *, assume_utc: bool = False, table: bool = False) -> int:
    """Parse a datetime as µs since 1970 UTC; digits after the sixth of the fraction are cut off.

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
    if offset and offset not in ("Z", " UTC"):
        digits = offset[1:].replace(":", "").ljust(4, "0")
        shift = (int(digits[:2]) * 60 + int(digits[2:])) * 60_000_000
        value += shift if offset[0] == "-" else -shift
    if not MIN_INSTANT_US <= value <= MAX_INSTANT_US:
        raise Refusal(f"{show(text)} lies outside the years 0001 to 9999 in UTC")
    return value


def parse(raw: bytes, errors: str = "replace") -> Any:
    """Parse a JSON text, with numbers as :class:`Number` and U+FFFD for invalid UTF-8.

    Raises Refusal where it is not JSON. NaN and Infinity are not JSON; nesting may be of any depth, but of what is too
    deep for Python only the outermost value's own values come back (see ``deep_json``).
    """
    text = raw.decode("utf-8", errors)
    if text.startswith("\ufeff"):
        raise Refusal("not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at character 1")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        return deep_json.parse(raw, errors)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")  # "Unterminated string starting at"
        found = text[error.pos : error.pos + 1]  # a control character would not be seen in what is quoted
        where = "" if found.isprintable() else f", where {show(found)} stands"
        raise Refusal(f"not JSON: {what} at character {error.pos + 1}{where}") from None


def _parse_run(raw: bytes, errors: str = "replace") -> Any:
    """Parse a run's text; of a long one only what a run has, for the rest could take much memory."""
    return parse(raw, errors) if len(raw) <= _LONG else deep_json.parse(raw, errors, BY_KEY.keys())


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python takes for numbers."""
    raise Refusal(f"not JSON: {name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=refuse_constant)


def run_fields(raw: bytes, *, assume_utc: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Read one run in wire form: its fields (instants in µs since 1970 UTC), and by column why one is refused.

    Raises Refusal where the text is no JSON object at all.
    """
    value = _parse_run(raw)
    if not isinstance(value, dict):
        raise Refusal(f"expected an object, got {kind_of(value)}")
    fields, refused = fields_of(value, assume_utc=assume_utc)
    if "id" not in refused and "\ufffd" in fields["id"]:
        del value
        if _replaced(raw, "id"):
            fields["id"] = None  # no one reads it, and it may be long
            refused["id"] = NOT_UTF8
    return fields, refused


def _replaced(raw: bytes, name: str) -> bool:
    """Check whether invalid bytes, and not a U+FFFD that was sent, stand in a text."""
    is_long = len(raw) > _LONG
    value = (deep_json.parse(raw, "surrogateescape", {name}) if is_long else parse(raw, "surrogateescape"))[name]
    return _ESCAPED_BYTE.search(value) is not None


def fields_of(value: dict[str, Any], *, assume_utc: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of a parsed object, and by column why one is refused; snake_case wins over camelCase."""
    fields: dict[str, Any] = dict.fromkeys(NAMES)
    refused: dict[str, str] = {}
    for column in COLUMNS:
        name = column.name
        given = value[name] if name in value else value.get(column.camel)
        if given is None:
            if column.required:
                refused[name] = MISSING
            continue
        try:
            fields[name] = _field(column, given, assume_utc)
        except Refusal as refusal:
            refused[name] = str(refusal)
    return fields, refused


def _field(column: Column, given: Any, assume_utc: bool) -> Any:
    if column.kind == "integer":
        if not isinstance(given, Number):
            raise Refusal(f"expected an integer, got {kind_of(given)}")
        return integer(given)
    if isinstance(given, Number) or not isinstance(given, str):
        raise Refusal(f"expected text, got {kind_of(given)}")
    if column.kind == "instant":
        return instant(given, assume_utc=assume_utc)
    if column.name == "status" and given not in STATUSES:
        raise Refusal(not_a_status(given))
    text = well_formed(given)
    if column.name == "id" and text != given:
        raise Refusal("holds a lone surrogate, so two ids could become one")
    return text


@lru_cache(64)
def not_a_status(given: object) -> str:
    """Reason for a status that is none of the three."""
    return f"{show(given)} is not a run status; expected Running, Succeeded or Failed"


def kind_of(value: Any) -> str:
    """Name the type of a parsed value."""
    if isinstance(value, Number):
        return f"the number {show(value)}"
    if isinstance(value, str):
        return f"the text {show(value)}"
    return {bool: "true or false", list: "an array", dict: "an object"}.get(type(value), "null")

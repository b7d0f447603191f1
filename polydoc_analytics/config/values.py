"""Types of values in the settings file: how each is checked and converted, and its JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from polydoc_analytics.config.addresses import is_address
from polydoc_analytics.config.choices import DATE_BASES, ENGINES, FORMATS, PLACEHOLDERS, REPORT_PERIODS
from polydoc_analytics.config.settings import ROW_SIZE, row_bytes
from polydoc_analytics.errors import PolydocError, nearest
from polydoc_analytics.model.cron import Cron
from polydoc_analytics.model.lengths import DAYS, LENGTH, parsed_length
from polydoc_analytics.model.timezones import zone

KEY = "\0"
"""Stands for the key's name in an error's text; a text without it is about the table as a whole."""

_SIZE = re.compile(r"([1-9]\d{0,5})(KB|MB)", re.ASCII)
_BYTES = {"KB": 1000, "MB": 1_000_000}
_BRACES = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_SOURCE_NAME = re.compile(r"[\w-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TEXT_SCHEMA: dict[str, Any] = {"type": "string", "minLength": 1}


def invalid(text: str) -> PydanticCustomError:
    """Build the error of a value; KEY in the text is replaced by the key's name."""
    return PydanticCustomError("settings", "{text}", {"text": text})


def _must_be(expected: str) -> PydanticCustomError:
    return invalid(f"{KEY} must be {expected}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _must_be("a text in quotation marks")
    if not value.strip():
        raise invalid(f"{KEY} is an empty text; give it a value or leave it out")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _must_be("true or false")
    return value


def _count_from(least: int) -> Callable[[Any], int]:
    def count(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise _must_be(f"a whole number from {least}")
        return value

    return count


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _number(value: Any) -> float:
    if not _is_number(value):
        raise _must_be("a number")
    return float(value)


def _numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not all(map(_is_number, value.values())):
        raise _must_be("a table of numbers")
    return dict(value)


def _shares(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or not all(_is_number(share) and 0 < share < math.inf for share in value):
        raise _must_be("a list of shares, such as [0.5, 0.8]")
    return tuple(sorted({float(share) for share in value}))


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        raise _must_be("a text in quotation marks, or a list of texts")
    return tuple(dict.fromkeys(map(_text, [value] if isinstance(value, str) else value)))


def _choice_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def choice(value: Any) -> str:
        text = _text(value)
        if text not in choices:
            raise invalid(f"unknown {KEY} '{text}'{nearest(text, choices)}; expected {', '.join(choices)}")
        return text

    return choice


def _formats(value: Any) -> tuple[str, ...]:
    return tuple(map(_choice_of(FORMATS), _texts(value)))


def _length(value: Any) -> timedelta:
    length = parsed_length(_text(value))
    if length is None:
        raise invalid(f"{KEY} '{value}' is no length of time; expected one such as 30m, 12h, 3d or 2w")
    return length


def _size(value: Any) -> int:
    match = _SIZE.fullmatch(_text(value))
    if not match:
        raise invalid(f"{KEY} '{value}' is no size; expected one such as 500KB or 10MB")
    return int(match.group(1)) * _BYTES[match.group(2)]


def _row_size(value: Any) -> str:
    try:
        row_bytes(_text(value))
    except PolydocError as error:
        raise invalid(str(error)) from None
    return str(value)


def _name(value: Any) -> str:
    if not _NAME.fullmatch(_text(value)):
        raise invalid(f"{KEY} '{value}': a name has letters, digits, - and _ alone, 63 at most")
    return str(value)


def _source_name(value: Any) -> str:
    if not _SOURCE_NAME.fullmatch(value):
        raise invalid("a source's name has letters, digits, - and _ alone")
    return str(value)


def _table_name(value: Any) -> str:
    if not _NAME.fullmatch(value):
        raise invalid("a name has letters, digits, - and _ alone, 63 at most")
    return str(value)


def _variable(value: Any) -> str:
    if not _VARIABLE.fullmatch(_text(value)):
        raise invalid(f"{KEY} is the name of an environment variable, such as SMTP_PASSWORD")
    return str(value)


def _path(value: Any, info: ValidationInfo) -> str:
    """Resolve a path against the folder of the settings file; URIs stay as they are."""
    text = _text(value)
    return text if "://" in text else str((info.context or {}).get("folder", Path()) / text)


def _paths(value: Any, info: ValidationInfo) -> str | tuple[str, ...]:
    if isinstance(value, list) and value:
        return tuple(_path(path, info) for path in value)
    return _path(value, info)


def _template(value: Any, info: ValidationInfo) -> str:
    text = _path(value, info)
    for word in _BRACES.findall(str(value)):
        if word not in PLACEHOLDERS:
            expected = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
            hint = nearest(word, PLACEHOLDERS)
            raise invalid(f"{KEY}: unknown place '{{{word}}}'{hint}; expected {expected}")
    return text


def _zone(value: Any) -> str:
    try:
        zone(_text(value))
    except PolydocError as error:
        raise invalid(str(error)) from None
    return str(value)


def _cron(value: Any) -> str:
    try:
        return Cron.parsed(_text(value), "UTC").text
    except PolydocError as error:
        raise invalid(str(error)) from None


def _report_period(value: Any) -> str:
    text = _text(value)
    if text not in REPORT_PERIODS and not DAYS.fullmatch(text):
        hint = nearest(text, REPORT_PERIODS)
        raise invalid(f"unknown {KEY} '{text}'{hint}; expected {', '.join(REPORT_PERIODS)}, or 7d")
    return text


def _days(value: Any) -> int:
    match = DAYS.fullmatch(_text(value))
    if not match:
        raise invalid(f"{KEY} '{value}' is no number of days; expected one such as 7d")
    return int(match.group(1))


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        raise invalid(f"{KEY} '{value}' is no day; expected one such as 2026-11-01") from None


def _address(value: Any) -> str:
    if not is_address(_text(value)):
        raise invalid(f"'{value}' is no address; expected one such as ops@example.com")
    return str(value)


def _addresses(value: Any) -> tuple[str, ...]:
    return tuple(map(_address, _texts(value)))


def _price(value: Any) -> str | int | Decimal:
    return value if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


def _list_schema(item: dict[str, Any], **rest: Any) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, **rest}]})


def _pattern(pattern: str) -> WithJsonSchema:
    return _schema(type="string", pattern=f"^{pattern}$")


Text = Annotated[str, PlainValidator(_text), WithJsonSchema(_TEXT_SCHEMA)]
Texts = Annotated[tuple[str, ...], PlainValidator(_texts), _list_schema(_TEXT_SCHEMA)]
Formats = Annotated[tuple[str, ...], PlainValidator(_formats), _list_schema({"enum": list(FORMATS)})]
Flag = Annotated[bool, PlainValidator(_flag), _schema(type="boolean")]
Count = Annotated[int, PlainValidator(_count_from(1)), _schema(type="integer", minimum=1)]
Weeks = Annotated[int, PlainValidator(_count_from(3)), _schema(type="integer", minimum=3)]
Number = Annotated[float, PlainValidator(_number), _schema(type="number")]
Numbers = Annotated[
    dict[str, float], PlainValidator(_numbers), _schema(type="object", additionalProperties={"type": "number"})
]
Shares = Annotated[
    tuple[float, ...],
    PlainValidator(_shares),
    _schema(type="array", items={"type": "number", "exclusiveMinimum": 0}),
]
Length = Annotated[timedelta, PlainValidator(_length), _pattern(LENGTH.pattern)]
Days = Annotated[int, PlainValidator(_days), _pattern(DAYS.pattern)]
Size = Annotated[int, PlainValidator(_size), _pattern(_SIZE.pattern)]
RowSize = Annotated[str, PlainValidator(_row_size), _pattern(ROW_SIZE.pattern)]
Name = Annotated[str, PlainValidator(_name), _pattern(_NAME.pattern)]
TableName = Annotated[str, PlainValidator(_table_name), _schema(type="string")]
SourceName = Annotated[str, PlainValidator(_source_name), _schema(type="string")]
Variable = Annotated[str, PlainValidator(_variable), _pattern(_VARIABLE.pattern)]
FilePath = Annotated[str, PlainValidator(_path), WithJsonSchema(_TEXT_SCHEMA)]
FilePaths = Annotated[str | tuple[str, ...], PlainValidator(_paths), _list_schema(_TEXT_SCHEMA, minItems=1)]
Template = Annotated[
    str, PlainValidator(_template), _pattern(rf"([^{{}}]|\{{({'|'.join(PLACEHOLDERS)})\}})+")
]  # fmt: skip
Zone = Annotated[str, PlainValidator(_zone), WithJsonSchema(_TEXT_SCHEMA)]
CronText = Annotated[str, PlainValidator(_cron), WithJsonSchema(_TEXT_SCHEMA)]
ReportPeriod = Annotated[str, PlainValidator(_report_period), WithJsonSchema(_TEXT_SCHEMA)]
Day = Annotated[date, PlainValidator(_day), WithJsonSchema(_TEXT_SCHEMA)]
Address = Annotated[str, PlainValidator(_address), WithJsonSchema(_TEXT_SCHEMA)]
Addresses = Annotated[tuple[str, ...], PlainValidator(_addresses), _list_schema(_TEXT_SCHEMA)]
Price = Annotated[str | int, PlainValidator(_price), _schema(type=["string", "integer"])]


DateBasis = Annotated[str, PlainValidator(_choice_of(DATE_BASES)), _schema(enum=list(DATE_BASES))]
Engine = Annotated[str, PlainValidator(_choice_of(ENGINES)), _schema(enum=list(ENGINES))]
SECURITIES = ("starttls", "tls", "none")
Security = Annotated[str, PlainValidator(_choice_of(SECURITIES)), _schema(enum=list(SECURITIES))]
INCOMPLETE = ("send", "hold")
Incomplete = Annotated[str, PlainValidator(_choice_of(INCOMPLETE)), _schema(enum=list(INCOMPLETE))]

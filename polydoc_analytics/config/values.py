"""Types of values in the settings file: how each is checked and converted, and its JSON Schema."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from polydoc_analytics.config.addresses import is_address
from polydoc_analytics.config.choices import (
    NUMBER_PLACEHOLDERS,
    PLACEHOLDERS,
    REPORT_PERIODS,
    SUBJECT_PLACEHOLDERS,
    Format,
)
from polydoc_analytics.config.row_size import ROW_SIZE, row_bytes
from polydoc_analytics.errors import PolydocError, nearest
from polydoc_analytics.model.cron import Cron
from polydoc_analytics.model.lengths import DAYS, LENGTH, parsed_length
from polydoc_analytics.model.timezones import zone

KEY = "\0"
"""Stands for the key's name in an error's text; a text without it is about the table as a whole."""

_FIRST_YEAR = 1970
_BRACES = re.compile(r"\{([^{}]*)\}")
_BYTES = {"KB": 1000, "MB": 1_000_000}
_MUST_BE_TEXT = f"{KEY} must be a text in quotation marks"


def invalid(text: str) -> PydanticCustomError:
    """Build the error of a value; KEY in the text is replaced by the key's name."""
    return PydanticCustomError("settings", "{text}", {"text": text})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(_MUST_BE_TEXT)
    if not value.strip():
        raise invalid(f"{KEY} is an empty text; give it a value or leave it out")
    return value


@dataclass(frozen=True)
class _Pattern:
    """A text of a pattern, converted; ``otherwise`` is the error, with the key for KEY and the text for {}."""

    pattern: re.Pattern[str]
    otherwise: str
    convert: Callable[[re.Match[str]], Any] = lambda match: match[0]

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._converted)

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.pattern.pattern}$"}

    def _converted(self, value: Any) -> Any:
        match = self.pattern.fullmatch(_text(value))
        if not match:
            raise invalid(self.otherwise.replace("{}", value))
        return self.convert(match)


def _accepted_by(parse: Callable[[str], Any]) -> PlainValidator:
    """Build a validator of texts that a function accepts; its error is the value's."""

    def check(value: Any) -> str:
        try:
            parse(_text(value))
        except PolydocError as error:
            raise invalid(str(error)) from None
        return str(value)

    return PlainValidator(check)


def _listed(value: Any) -> Any:
    """Take one text for a list of it, and each text of a list once."""
    if not isinstance(value, str | list | tuple):
        raise invalid(f"{_MUST_BE_TEXT}, or a list of texts")
    return tuple(dict.fromkeys(map(_text, [value] if isinstance(value, str) else value)))


def _chosen(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an empty list, which chooses none, where a key that is left out chooses all."""
    if not texts:
        raise invalid(f"{KEY} is an empty list, which chooses none; leave it out for all")
    return texts


def _path(value: Any, info: ValidationInfo) -> str:
    """Resolve a path against the folder of the settings file, or with ~ the user's; URIs stay as they are."""
    text = _text(value)
    if "\0" in text:
        raise invalid(f"{KEY} has a character that no path has, U+0000")
    return text if "://" in text else str((info.context or {}).get("folder", Path()) / os.path.expanduser(text))


def _paths(value: Any, info: ValidationInfo) -> str | tuple[str, ...]:
    return tuple(_path(path, info) for path in value) if isinstance(value, list) and value else _path(value, info)


def _with_placeholders(value: Any, known: tuple[str, ...]) -> str:
    for word in _BRACES.findall(_text(value)):
        if word not in known:
            expected = ", ".join(f"{{{placeholder}}}" for placeholder in known)
            raise invalid(f"{KEY}: unknown place '{{{word}}}'{nearest(word, known)}; expected {expected}")
    return str(value)


def _template_schema(known: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": rf"^([^{{}}]|\{{({'|'.join(known)})\}})+$"})


def _template(value: Any, info: ValidationInfo) -> str:
    return _path(_with_placeholders(value, PLACEHOLDERS), info)


def _statement_number(value: Any) -> str:
    return _with_placeholders(value, NUMBER_PLACEHOLDERS)


def _cron(text: str) -> None:
    with suppress(ImportError):  # without the extra [schedule] nothing is ever due, and the rest of the file is of use
        Cron.parsed(text, "UTC")


def _report_period(value: Any) -> str:
    text = _text(value)
    if text not in REPORT_PERIODS and not DAYS.fullmatch(text):
        hint = nearest(text, REPORT_PERIODS)
        raise invalid(f"unknown {KEY} '{text}'{hint}; expected {', '.join(REPORT_PERIODS)}, or 7d")
    return text


def _day(value: Any) -> date:
    try:
        # TOML has days of its own, without quotation marks.
        day = value if type(value) is date else date.fromisoformat(_text(value))
    except ValueError:
        raise invalid(f"{KEY} '{value}' is no day; expected one such as 2026-11-01") from None
    if day.year < _FIRST_YEAR:
        raise invalid(f"{KEY} '{value}' is before {_FIRST_YEAR}; expected a day such as 2026-11-01")
    return day


def _address(value: Any) -> str:
    if not is_address(_text(value)):
        raise invalid(f"'{value}' is no address; expected one such as ops@example.com")
    return str(value)


def _from_zero(number: float) -> float:
    if number < 0:
        raise invalid(f"{KEY} must be a number from 0")
    return number


def _part(share: float) -> float:
    if not 0 <= share < 1:
        raise invalid(f"{KEY} must be a share from 0 to less than 1, of which 0.2 is 20 %")
    return share


def _shares(shares: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(set(shares)))


_SCHEMA: dict[str, Any] = {"type": "string", "minLength": 1}
_TEXT = WithJsonSchema(_SCHEMA)
_LIST = WithJsonSchema({"anyOf": [_SCHEMA, {"type": "array", "items": _SCHEMA}]})
_SOME = WithJsonSchema({"anyOf": [_SCHEMA, {"type": "array", "items": _SCHEMA, "minItems": 1}]})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_NAME_FORM = "a name has letters, digits, - and _ alone, 63 at most"

Text = Annotated[str, PlainValidator(_text), _TEXT]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed), _LIST]
Chosen = Annotated[tuple[Text, ...], BeforeValidator(_listed), AfterValidator(_chosen), _SOME]
Formats = Annotated[tuple[Format, ...], BeforeValidator(_listed)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Port = Annotated[int, Strict(), Field(ge=1, le=65_535)]
Seconds = Annotated[int, Strict(), Field(ge=1, le=86_400)]
Windows = Annotated[int, Strict(), Field(ge=1, le=1000)]
Weeks = Annotated[int, Strict(), Field(ge=3, le=1000)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Credits = Annotated[Number, AfterValidator(_from_zero), WithJsonSchema({"type": "number", "minimum": 0})]
Budgets = dict[str, Credits]
Part = Annotated[Number, AfterValidator(_part), WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": 1})]
Shares = Annotated[tuple[Annotated[Number, Field(gt=0)], ...], AfterValidator(_shares)]
Length = Annotated[
    timedelta,
    _Pattern(
        LENGTH,
        f"{KEY} '{{}}' is no length of time; expected one such as 30m, 12h, 3d or 2w",
        lambda match: parsed_length(match[0]),
    ),
]
Days = Annotated[
    int,
    _Pattern(DAYS, f"{KEY} '{{}}' is no number of days; expected one such as 7d", lambda match: int(match[1])),
]
Size = Annotated[
    int,
    _Pattern(
        re.compile(r"([1-9]\d{0,5})(KB|MB)", re.ASCII),
        f"{KEY} '{{}}' is no size; expected one such as 500KB or 10MB",
        lambda match: int(match[1]) * _BYTES[match[2]],
    ),
]
RowSize = Annotated[
    str, _accepted_by(row_bytes), WithJsonSchema({"type": "string", "pattern": f"^{ROW_SIZE.pattern}$"})
]
Name = Annotated[str, _Pattern(_NAME, f"{KEY} '{{}}': {_NAME_FORM}")]
TableName = Annotated[str, _Pattern(_NAME, _NAME_FORM), WithJsonSchema({"type": "string"})]
SourceName = Annotated[
    str,
    _Pattern(re.compile(r"[\w-]+"), "a source's name has letters, digits, - and _ alone"),
    WithJsonSchema({"type": "string"}),
]
Variable = Annotated[
    str,
    _Pattern(
        re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII),
        f"{KEY} is the name of an environment variable, such as SMTP_PASSWORD",  # what stands there may be a secret
    ),
]
FilePath = Annotated[str, PlainValidator(_path), _TEXT]
FilePaths = Annotated[
    str | tuple[str, ...],
    PlainValidator(_paths),
    _SOME,
]
StatementNumber = Annotated[str, PlainValidator(_statement_number), _template_schema(NUMBER_PLACEHOLDERS)]
Template = Annotated[
    str,
    PlainValidator(_template),
    _template_schema(PLACEHOLDERS),
]
Subject = Annotated[
    str,
    PlainValidator(lambda value: _with_placeholders(value, SUBJECT_PLACEHOLDERS)),
    _template_schema(SUBJECT_PLACEHOLDERS),
]
Link = Annotated[
    str, PlainValidator(lambda value: _with_placeholders(value, PLACEHOLDERS)), _template_schema(PLACEHOLDERS)
]
Zone = Annotated[str, _accepted_by(zone), _TEXT]
CronText = Annotated[str, _accepted_by(_cron), _TEXT]
ReportPeriod = Annotated[str, PlainValidator(_report_period), _TEXT]
Day = Annotated[date, PlainValidator(_day), _TEXT]
Address = Annotated[str, PlainValidator(_address), _TEXT]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_listed), _LIST]
Price = Annotated[
    str | int,
    PlainValidator(lambda value: value if type(value) is int else _text(value)),
    WithJsonSchema({"type": ["string", "integer"]}),
]

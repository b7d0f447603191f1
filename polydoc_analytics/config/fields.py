"""The keys of a configuration's tables, declared once: what is checked by them is what the JSON Schema says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from polydoc_analytics.errors import UsageError, nearest

LENGTH = re.compile(r"([1-9]\d{0,4})([mhdw])", re.ASCII)
_SIZE = re.compile(r"([1-9]\d{0,5})(KB|MB)", re.ASCII)
_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10080}
_BYTES = {"KB": 1000, "MB": 1_000_000}
_PLACE = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_LOCAL = re.compile(r"[^\s@<>()\[\]\\,;:\".]+(\.[^\s@<>()\[\]\\,;:\".]+)*")
_LABEL = re.compile(r"[^\W_]([\w-]*[^\W_])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table: its kind, what it means, its default, and what its value may be.

    ``kind`` is name, text, variable (the name of an environment variable), length (12h), size (10MB), template (with
    the places of ``choices`` in braces), flag, count (a whole number from ``least``), number, texts, numbers (a table
    of numbers by text) or shares (a list of numbers above 0).
    """

    name: str
    kind: str
    meaning: str
    default: Any = None
    choices: tuple[str, ...] = ()
    least: int = 1
    is_required: bool = False


def checked(where: str, table: Any, keys: Sequence[Key]) -> dict[str, Any]:
    """Return the values of a table by key, defaults where it has none; lengths are timedeltas, sizes bytes.

    Raises UsageError for an unknown key, naming the nearest, a missing one, or a value of another kind.
    """
    known = {key.name: key for key in keys}
    if not isinstance(table, Mapping):
        raise UsageError(f"{where} must be a table")
    for name in table:
        if name not in known:
            raise UsageError(f"{where}: unknown key '{name}'{nearest(name, known)}; expected {', '.join(known)}")
    found: dict[str, Any] = {}
    for key in keys:
        if key.name in table:
            found[key.name] = _value(where, key, table[key.name])
        elif key.is_required:
            raise UsageError(f"{where}: needs {key.name}: {key.meaning}")
        else:
            found[key.name] = None if key.default is None else _value(where, key, key.default)
    return found


def length(where: str, name: str, text: str) -> timedelta:
    """Return a length of time such as 30m, 12h, 3d or 2w."""
    match = LENGTH.fullmatch(text)
    if not match:
        raise UsageError(f"{where}: {name} '{text}' is no length of time; expected one such as 30m, 12h, 3d or 2w")
    return timedelta(minutes=int(match.group(1)) * _MINUTES[match.group(2)])


def _value(where: str, key: Key, value: Any) -> Any:
    name = key.name
    if key.kind == "flag":
        return _of(where, name, value, isinstance(value, bool), "true or false")
    if key.kind == "count":
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= key.least
        return _of(where, name, value, is_count, f"a whole number from {key.least}")
    if key.kind == "number":
        return float(_of(where, name, value, _is_number(value), "a number"))
    if key.kind == "numbers":
        is_table = isinstance(value, Mapping) and all(map(_is_number, value.values()))
        return dict(_of(where, name, value, is_table, "a table of numbers"))
    if key.kind == "shares":
        is_list = isinstance(value, list | tuple) and all(
            isinstance(one, int | float) and not isinstance(one, bool) and 0 < one < math.inf for one in value
        )
        shares = _of(where, name, value, is_list, "a list of shares, such as [0.5, 0.8]")
        return tuple(sorted({float(one) for one in shares}))
    if key.kind == "texts":
        given = [value] if isinstance(value, str) else value
        is_list = isinstance(given, list | tuple) and all(isinstance(one, str) and one.strip() for one in given)
        texts = tuple(dict.fromkeys(_of(where, name, given, is_list, "a list of texts")))
        for one in texts if key.choices else ():
            _choice(where, name, one, key.choices)
        return texts
    text = _of(where, name, value, isinstance(value, str) and bool(value.strip()), "a text in quotation marks")
    return _text(where, key, text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _text(where: str, key: Key, text: str) -> Any:
    if key.kind == "length":
        return length(where, key.name, text)
    if key.kind == "size":
        match = _SIZE.fullmatch(text)
        if not match:
            raise UsageError(f"{where}: {key.name} '{text}' is no size; expected one such as 500KB or 10MB")
        return int(match.group(1)) * _BYTES[match.group(2)]
    if key.kind == "template":
        for place in _PLACE.findall(text):
            if place not in key.choices:
                hint = nearest(place, key.choices)
                places = ", ".join(f"{{{one}}}" for one in key.choices)
                raise UsageError(f"{where}: {key.name}: unknown place '{{{place}}}'{hint}; expected {places}")
    elif key.kind == "name" and not NAME.fullmatch(text):
        raise UsageError(f"{where}: {key.name} '{text}': a name has letters, digits, - and _ alone, 63 at most")
    elif key.kind == "variable" and not _VARIABLE.fullmatch(text):
        raise UsageError(f"{where}: {key.name} is the name of an environment variable, such as SMTP_PASSWORD")
    elif key.choices:
        _choice(where, key.name, text, key.choices)
    return text


def _choice(where: str, name: str, text: str, choices: Sequence[str]) -> None:
    if text not in choices:
        raise UsageError(f"{where}: unknown {name} '{text}'{nearest(text, choices)}; expected {', '.join(choices)}")


def _of(where: str, name: str, value: Any, is_right: bool, expected: str) -> Any:
    if not is_right:
        raise UsageError(f"{where}: {name} must be {expected}")
    return value


def is_address(text: str) -> bool:
    """Check whether a text is one mail address and nothing else; letters of any script are (RFC 6531)."""
    name, at, domain = text.rpartition("@")
    if not (at and _LOCAL.fullmatch(name) and text.isprintable()):
        return False
    is_short = len(name.encode("utf-8", "replace")) <= 64 and len(text.encode("utf-8", "replace")) <= 254
    return is_short and all(_LABEL.fullmatch(label) for label in domain.split("."))


def distinct(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return addresses, each mailbox once: the case of a domain is none of the name's."""
    found: dict[str, str] = {}
    for address in addresses:
        name, at, domain = address.rpartition("@")
        found.setdefault(f"{name}{at}{domain.casefold()}", address)
    return tuple(found.values())


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its places filled; what a value holds beyond letters, digits, . - and _ becomes -.

    A value that begins with dots loses them, so that none leads out of its folder.
    """

    def value(match: re.Match[str]) -> str:
        return re.sub(r"[^\w.-]+", "-", values.get(match.group(1), ""), flags=re.ASCII).lstrip(".") or "-"

    return _PLACE.sub(value, template)


def schema(keys: Sequence[Key], title: str = "") -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a table with these keys."""
    found: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if title:
        found["description"] = title
    found["properties"] = {key.name: {**_schema(key), "description": key.meaning, **_default(key)} for key in keys}
    required = [key.name for key in keys if key.is_required]
    return found | ({"required": required} if required else {})


def _default(key: Key) -> dict[str, Any]:
    if key.default is None:
        return {}
    return {"default": list(key.default) if isinstance(key.default, tuple) else key.default}


def _schema(key: Key) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string", "minLength": 1}
    if key.kind == "texts":
        item = {"enum": list(key.choices)} if key.choices else text
        return {"anyOf": [item, {"type": "array", "items": item}]}
    simple: dict[str, dict[str, Any]] = {
        "flag": {"type": "boolean"},
        "count": {"type": "integer", "minimum": key.least},
        "number": {"type": "number"},
        "shares": {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}},
        "numbers": {"type": "object", "additionalProperties": {"type": "number"}},
        "length": {"type": "string", "pattern": f"^{LENGTH.pattern}$"},
        "size": {"type": "string", "pattern": f"^{_SIZE.pattern}$"},
        "name": {"type": "string", "pattern": f"^{NAME.pattern}$"},
        "variable": {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"},
        "template": {"type": "string", "pattern": rf"^([^{{}}]|\{{({'|'.join(key.choices)})\}})+$"},
    }
    return simple.get(key.kind) or ({"enum": list(key.choices)} if key.choices else text)

"""``validate()``: a settings file as models, and every problem in it, worded with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from polydoc_analytics.config.choices import OUTPUT
from polydoc_analytics.config.tables import KINDS, Branding, Document, Email, Report, Schedule, Table
from polydoc_analytics.config.values import KEY
from polydoc_analytics.errors import nearest

Location = tuple[str | int, ...]

_LISTS = ("reports", "alerts")
_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "greater_than_equal": "a whole number from {ge}",
    "less_than_equal": "a whole number of at most {le}",
    "float_type": "a number",
    "finite_number": "a number",
    "greater_than": "above {gt:g}",
    "dict_type": "a table",
    "tuple_type": "a list",
}
"""Expected values for the error messages, by pydantic's type of error."""
_TABLES: dict[str, type[Table]] = {"branding": Branding, "schedule": Schedule, "reports": Report}


class Problem(NamedTuple):
    """A mistake in the settings: where it stands in the file, and a sentence that says what and what to do."""

    location: Location
    text: str


def validate(content: Mapping[str, Any], folder: Path) -> tuple[Document, list[Problem]]:
    """Parse the content of a settings file; paths in it are relative to ``folder``.

    Returns a model of all that is valid, and the problems, in the order of the file's sections.
    """
    kept: dict[str, Any] = dict(content)
    problems: list[Problem] = []
    while True:
        try:
            document = Document.model_validate(kept, context={"folder": folder})
        except ValidationError as error:
            worded = _worded(content, error)
            problems += [problem for part in worded.values() for problem in part]
            kept = _without(kept, worded)
        else:
            return document, [*problems, *_references(document, content)]


def branding_problems(table: Mapping[str, Any]) -> list[str]:
    """List the problems of a table ``[branding]`` that was given as a mapping."""
    return [problem.text for problem in validate({"branding": dict(table)}, Path())[1]]


def where(content: Mapping[str, Any], location: Location) -> str:
    """Name the table of a location as the file writes it, such as ``[[reports]] weekly``; empty for the top."""
    section = location[0] if location else ""
    if section == "branding":
        return "branding"
    if section == "schedule":
        return "[schedule]"
    if len(location) < 2:
        return ""
    if section in _LISTS:
        tables = content[str(section)]
        table = tables[int(location[1])] if isinstance(tables, list) else None
        name = table.get("name", "") if isinstance(table, Mapping) else ""
        return f"[[{section}]] {name}".rstrip()
    return f"[{section}.{location[1]}]"


def _worded(content: Mapping[str, Any], error: ValidationError) -> dict[Location, list[Problem]]:
    """Word the errors of pydantic, by the location of the part of the file that is invalid for them."""
    worded: dict[Location, list[Problem]] = {}
    for details in error.errors(include_url=False):
        section, *rest = details["loc"]
        model = _TABLES.get(str(section), Document)
        if section in KINDS and len(rest) > 1:
            # Behind a table's name pydantic puts its kind, or that the name itself is meant.
            model = KINDS[str(section)].get(str(rest.pop(1)), model)
        location: Location = (section, *rest)
        part = location[: _depth(str(section))]
        table = where(content, part)
        text = _sentence(details, location, model, location == part and table != "")
        is_named = text.startswith(f"{section}") or not table
        worded.setdefault(part, []).append(Problem(location, text if is_named else f"{table}: {text}"))
    return {part: _without_echoes(problems) for part, problems in worded.items()}


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """Leave out that a key is missing where it is misspelt, which is a problem of its own."""
    texts = [problem.text for problem in problems]
    return [
        problem
        for problem in problems
        if f": needs {problem.location[-1]}: " not in problem.text
        or not any(f"did you mean {problem.location[-1]}?" in text for text in texts)
    ]


def _sentence(details: Mapping[str, Any], location: Location, model: type[Table], is_table: bool) -> str:
    kind, value, section, key = details["type"], details["input"], str(location[0]), _key(location)
    if kind == "settings":
        return str(details["msg"]).replace(KEY, key, 1)
    if kind in _EXPECTED and len(location) > _depth(section):
        return f"{key} must be {_EXPECTED[kind].format(**details.get('ctx', {}))}"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return f"unknown {key} '{value}'{nearest(str(value), choices)}; expected {', '.join(choices)}"
    if kind == "extra_forbidden":
        known = _keys(model)
        return f"unknown key '{key}'{nearest(key, known)}; expected {', '.join(known)}"
    if kind == "missing":
        return f"needs {key}: {_keys(model)[key]}"
    if is_table and isinstance(value, Mapping) and len(location) == 2:
        expected = ", ".join(KINDS[section])
        if "kind" not in value:
            return f"needs kind; expected {expected}"
        return f"unknown kind '{value['kind']}'{nearest(str(value['kind']), KINDS[section])}; expected {expected}"
    if section in _LISTS:
        return f"{section} must be a list of tables, [[{section}]]"
    name = ".".join(map(str, location))
    return f"{name} must be a table, [{name}]"


def _key(location: Location) -> str:
    """Name a key as the file writes it below its table: ``accounts.x``; an item of a list by the list's key."""
    inner = location[_depth(str(location[0])) :]
    return ".".join(part for part in inner if isinstance(part, str)) or str(location[-1])


def _depth(section: str) -> int:
    """Return how many parts of a location name a table of a section."""
    return 2 if section in KINDS or section == "reports" else 1


def _keys(model: type[Table]) -> dict[str, str]:
    """Map the keys of a table, as the file writes them, to their meanings."""
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _without(content: Mapping[str, Any], locations: Iterable[Location]) -> dict[str, Any]:
    """Copy the content without the invalid parts; of a list they are replaced by None, then removed."""
    kept: dict[str, Any] = {
        name: dict(part) if isinstance(part, Mapping) else list(part) if isinstance(part, list) else part
        for name, part in content.items()
    }
    for location in locations:
        section = kept.get(str(location[0]))
        if len(location) == 1 or not isinstance(section, dict | list):
            kept.pop(str(location[0]), None)
        elif isinstance(section, dict):
            section.pop(location[1], None)
        else:
            section[int(location[1])] = None
    return {
        name: [table for table in part if table is not None] if isinstance(part, list) else part
        for name, part in kept.items()
    }


def _references(document: Document, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each name that a table has of another and that is not there, and for names used twice."""
    sources, targets = _names(content, "sources"), _names(content, "delivery")
    schedule = document.schedule
    yield from _unknown(("schedule", "sync"), "[schedule]", schedule.sync, sources, "source")
    yield from _unknown(("schedule", "tell"), "[schedule]", schedule.tell, targets, "delivery")
    yield from _deaf(document, ("schedule", "tell"), "[schedule]", schedule.tell)
    for section in ("reports", "alerts"):
        seen: dict[str, str] = {}
        for index, name in enumerate(_names(content, section)):
            other = seen.get(name.casefold())
            seen[name.casefold()] = name
            if name and other == name:
                text = f"[[{section}]]: the name '{name}' stands there twice; give each its own"
                yield Problem((section, index, "name"), text)
            elif name and other:
                text = f"[[{section}]]: the names '{other}' and '{name}' differ in case alone, and so would their files"
                yield Problem((section, index, "name"), f"{text}; give each its own")
    for report in document.reports:
        at, table = ("reports", _index(content, "reports", report.name)), f"[[reports]] {report.name}"
        if report.output and OUTPUT in report.deliver:
            text = f"{table}: deliver: '{OUTPUT}' is the report's own output in the ledger; rename [delivery.{OUTPUT}]"
            yield Problem((*at, "deliver"), text)
        yield from _unknown((*at, "needs"), table, report.needs, sources, "source")
        yield from _unknown((*at, "deliver"), table, report.deliver, targets, "delivery")
        need = "contacts, to whom statements go" if report.per_account else "to, who gets reports"
        yield from _deaf(document, (*at, "deliver"), table, report.deliver, need)
    for alert in document.alerts:
        at, table = ("alerts", _index(content, "alerts", alert.name)), f"[[alerts]] {alert.name}"
        yield from _unknown((*at, "deliver"), table, alert.deliver, targets, "delivery")
        yield from _unknown((*at, "sources"), table, getattr(alert, "sources", ()), sources, "source")
        yield from _deaf(document, (*at, "deliver"), table, alert.deliver)


def _names(content: Mapping[str, Any], section: str) -> list[str]:
    tables = content.get(section, {})
    if isinstance(tables, Mapping):
        return list(tables)
    if not isinstance(tables, list):
        return []
    return [str(table.get("name", "")) if isinstance(table, Mapping) else "" for table in tables]


def _index(content: Mapping[str, Any], section: str, name: str) -> int:
    return _names(content, section).index(name)


def _unknown(location: Location, table: str, names: Iterable[str], known: list[str], what: str) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            section = "sources" if what == "source" else "delivery"
            expected = ", ".join(known) or f"none is configured; add a table [{section}.{name}]"
            text = f"{table}: {location[-1]}: unknown {what} '{name}'{nearest(name, known)}; expected {expected}"
            yield Problem(location, text)


def _deaf(
    document: Document, location: Location, table: str, names: Iterable[str], need: str = "to, who hears of it"
) -> Iterator[Problem]:
    """Yield a problem for each mail delivery that has nobody to send to."""
    for name in names:
        target = document.delivery.get(name)
        if isinstance(target, Email) and not (target.contacts if need.startswith("contacts") else target.to):
            yield Problem(location, f"{table}: [delivery.{name}] has no {need}")

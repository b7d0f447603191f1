"""The views: SQL files, one idea each, and the catalog that orders, documents and renders them.

A file opens with its title, its grain and every column, each on a line of its own; a file of the ``usage`` or
``durations`` family serves several views that differ in their keys alone, so that each measure is defined once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.schema import INTEGERS, MOST_LIKELY_NUMBER, SOFT_RULES
from polydoc_analytics.model.sql_names import quoted
from polydoc_analytics.model.sql_template import Value, fill

KEYS = ("account", "language")
EVERY = {"day": "daily", "week": "weekly", "month": "monthly"}
_FIRST_DAYS = {
    "day": "the local day",
    "week": "first day of the local week, a Monday",
    "month": "first day of the local month",
}
_KEY_COLUMNS = {"account": "account_id", "language": "language"}
NAME_COLUMNS = {"account_id": "account_name", "language": "language_name"}
"""The columns of names by the key that they are of; a base table of each plural has key and name."""
_SINGLE_KEYS = {"accounts": ("account_id",), "calendar": ("day",)}
_POWERS = ("tens", "hundreds", "thousands", "ten_thousands", "hundred_thousands", "millions")
_HEADER_LINE = re.compile(r"-- ?(.*)")
_COLUMN = re.compile(r"([a-z][a-z0-9_]*): (.+)")


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name, title, grain, columns with their meanings, and its SQL with places left to fill.

    ``keys`` are the columns that name and order its rows, ``every`` is day, week or month where it has a period.
    ``file`` is that of a user's own view, whose SQL is plain.
    """

    name: str
    title: str
    grain: str
    columns: dict[str, str]
    template: str
    keys: tuple[str, ...] = ()
    every: str | None = None
    file: str | None = None

    @property
    def ordered_by(self) -> tuple[str, ...]:
        """The columns that rows are ordered by: the keys, and the status where a row is of one."""
        return (*self.keys, "status") if self.name.startswith("durations") else self.keys

    @property
    def needs_language(self) -> bool:
        """Check whether the view looks at languages."""
        return "language" in self.keys


@dataclass(frozen=True, slots=True)
class RenderContext:
    """Values to render views with: names of the base views, instants as SQL, and the days of the interval.

    ``history`` has account_id and dated_at of every run before the end of the interval, ``as_of`` is now or that end,
    ``calendar_bounds`` is a SELECT of first_day and last_day, which are at most ``calendar_digits`` digits of days
    apart.
    """

    facts: str = "run_facts"
    facts_with_language: str = "run_facts_with_language"
    now: str = "current_timestamp"
    first_whole_day: str | None = None
    end_of_whole_days: dict[str, str] | None = None
    history: str = "run_history"
    as_of: str = "current_timestamp"
    since: str | None = None
    calendar_bounds: str = "select min(day) as first_day, max(day) as last_day from run_facts"
    calendar_digits: int = 5


def usage_view_name(by: tuple[str, ...], every: str | None) -> str:
    """Return the name of the usage view with some of KEYS and a period of EVERY, such as usage_daily_by_account."""
    for key in by:
        if key not in KEYS:
            raise UsageError(f"unknown key '{key}'{nearest(key, KEYS)}; expected {', '.join(KEYS)}")
    if every is not None and every not in EVERY:
        raise UsageError(f"unknown period '{every}'{nearest(every, EVERY)}; expected {', '.join(EVERY)}")
    name = "usage" + (f"_{EVERY[every]}" if every else "")
    chosen = [key for key in KEYS if key in by]
    return f"{name}_by_{'_'.join(chosen)}" if chosen else name


@cache
def catalog() -> dict[str, View]:
    """Return every view by name, in the order in which they build on each other."""
    views = [_single("runs")]
    for every in (None, *EVERY):
        for by in ((), ("account",), ("language",), ("account", "language")):
            views.append(_usage(by, every))
    views += [_durations(by) for by in ((), ("language",), ("account",))]
    views += [_single(name) for name in ("accounts", "calendar", "data_quality", "coverage", "conservation")]
    return {view.name: view for view in views}


def view(name: str, among: Mapping[str, View] | None = None) -> View:
    """Return a view by name, of the package's or ``among`` others; raises UsageError with the nearest where none is."""
    among = catalog() if among is None else among
    try:
        return among[name]
    except KeyError:
        raise UsageError(f"unknown view '{name}'{nearest(name, among)}; see `polydoc-analytics views`") from None


def parse_header(text: str, name: str) -> tuple[str, str, dict[str, str], str]:
    """Part a view's file into title, grain, columns and SQL.

    Raises UsageError with file and line where the header does not say what it must.
    """
    lines = text.splitlines()
    header = []
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        if not match:
            break
        header.append(match.group(1))
    if len(header) < 2 or not header[0] or ": " in header[0].split(" ", 1)[0]:
        raise UsageError(f"{name}:1: a view begins with a comment: a title, then `grain: …`, then its columns")
    if not header[1].startswith("grain: "):
        raise UsageError(f"{name}:2: expected `-- grain: …`, what one row stands for")
    columns: dict[str, str] = {}
    for number, line in enumerate(header[2:], start=3):
        column = _COLUMN.fullmatch(line)
        if not column:
            raise UsageError(f"{name}:{number}: expected `-- column: meaning`, the column in lower case")
        if column.group(1) in columns:
            raise UsageError(f"{name}:{number}: column '{column.group(1)}' is described twice")
        columns[column.group(1)] = column.group(2)
    return header[0], header[1].removeprefix("grain: "), columns, "\n".join(lines[len(header) :])


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.sql").read_text("utf-8")


def _single(name: str) -> View:
    title, grain, columns, sql = parse_header(_read(name), f"{name}.sql")
    return View(name, title, grain, columns, sql, _SINGLE_KEYS.get(name, ()))


def _usage(by: tuple[str, ...], every: str | None) -> View:
    keys = tuple(_KEY_COLUMNS[key] for key in by)
    grain = " × ".join(["one account"] * ("account" in by) + ["one language"] * ("language" in by))
    if every:
        grain = f"{grain} × one local {every}" if grain else f"one local {every}"
        grain += " that has runs"
    header = {
        "title": _title(by, every),
        "grain": grain or "the whole interval",
        "first_day": _FIRST_DAYS[every or "day"],
    }
    left_out = () if every else ("period", "is_partial")
    keys = (*keys, "period") if every else keys
    return _family("usage", usage_view_name(by, every), header, keys, left_out, every)


def _durations(by: tuple[str, ...]) -> View:
    keys = tuple(_KEY_COLUMNS[key] for key in by)
    grain = "".join(f"one {key} × " for key in by) + "one status"
    name = f"durations_by_{by[0]}" if by else "durations"
    return _family("durations", name, {"title": _title(by, None), "grain": grain}, keys)


def _family(
    file: str,
    name: str,
    header: Mapping[str, str],
    keys: tuple[str, ...],
    left_out: tuple[str, ...] = (),
    every: str | None = None,
) -> View:
    """Read a view of a family's file, without the columns of keys that it has not."""
    text = re.sub(r"\{\{(title|grain|first_day)\}\}", lambda place: header[place[1]], _read(file))
    title, grain, columns, sql = parse_header(text, f"{file}.sql")
    absent = {column for key, name in NAME_COLUMNS.items() if key not in keys for column in (key, name)}
    columns = {column: meaning for column, meaning in columns.items() if column not in (*absent, *left_out)}
    return View(name, title, grain, columns, sql, keys, every)


def _title(by: tuple[str, ...], every: str | None) -> str:
    words = [*by, *([f"local {every}"] if every else [])]
    return f" by {' and '.join(', '.join(words).rsplit(', ', 1))}" if words else ""


def render(view: View, context: RenderContext) -> str:
    """Return a view's SQL in DuckDB's dialect; a user's own is what its file says."""
    if view.file is not None:
        return view.template.strip()
    definitions = {"period": f"{view.every} as period"}
    status = ("status",) if view.name.startswith("durations") else ()
    powers = _POWERS[: context.calendar_digits - 1]
    values: dict[str, Value] = {
        "keys": [{"name": key, "definition": definitions.get(key, key)} for key in view.keys],
        "key_names": ", ".join((*view.keys, *status)),
        "is_grouped": bool(view.keys),
        "names": [
            {"key": key, "column": name, "table": f"{name}s"} for key, name in NAME_COLUMNS.items() if key in view.keys
        ],
        "is_by_period": view.every is not None,
        "is_partial": _is_partial(view.every, context) if view.every else "",
        "facts": context.facts_with_language if view.needs_language else context.facts,
        "facts_with_language": context.facts_with_language,
        "history": context.history,
        "now": context.now,
        "as_of": context.as_of,
        "count_in_interval": f"count(*) filter (where dated_at >= {context.since})" if context.since else "count(*)",
        "is_new": f"first_run_at >= {context.since}" if context.since else "true",
        "bounds": context.calendar_bounds,
        "digits": [{"digit": str(digit)} for digit in range(1, 10)],
        "number": " + ".join(
            ["ones.digit", *(f"{10**place} * {power}.digit" for place, power in enumerate(powers, start=1))]
        ),
        "powers": [{"power": power} for power in powers],
        "soft_rules": _soft_rules(),
        "is_unlikely": is_unlikely(),
    }
    return "\n".join(line for line in fill(view.template.strip(), values).splitlines() if line.strip())


def _is_partial(every: str, context: RenderContext) -> str:
    sides = []
    if context.first_whole_day is not None:
        sides.append(f"period < date '{context.first_whole_day}'")
    if context.end_of_whole_days is not None:
        sides.append(f"period >= date '{context.end_of_whole_days[every]}'")
    return f"({' or '.join(sides)})" if sides else "false"


def is_unlikely() -> str:
    """Return SQL for whether a run has a number beyond what is likely; null or false where it has none."""
    most = MOST_LIKELY_NUMBER
    return " or ".join(f"{name} > {most} or {name} < -{most}" for name in INTEGERS)


def _soft_rules() -> str:
    return " union all ".join(
        f"select {place} as place, {quoted(rule)} as rule, {quoted(meaning)} as meaning"
        for place, (rule, meaning) in enumerate(SOFT_RULES.items())
    )


def folder() -> Path:
    """Return where the view files are."""
    return Path(str(resources.files(__name__)))

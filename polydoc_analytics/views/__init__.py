"""The views: SQL files, one idea each, and the catalog that orders, documents and renders them.

A file opens with its title, its grain and every column, each on a line of its own; a file of the ``usage`` or
``durations`` family serves several views that differ in their keys alone, so that each measure is defined once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.sql_template import Value, fill, with_partials
from polydoc_analytics.views.render import (
    NAME_COLUMNS,
    PLACE,
    RenderContext,
    is_unlikely,
    render,
    repeated_places,
)
from polydoc_analytics.views.view import View

__all__ = [
    "EVERY",
    "KEYS",
    "NAME_COLUMNS",
    "RenderContext",
    "View",
    "all_request_facts",
    "catalog",
    "is_unlikely",
    "parse_header",
    "render",
    "repeated_places",
    "usage_view_name",
    "view",
]

KEYS = ("account", "language")
EVERY = {"day": "daily", "week": "weekly", "month": "monthly"}
_FIRST_DAYS = {
    "day": "the local day",
    "week": "first day of the local week, a Monday",
    "month": "first day of the local month",
}
_KEY_COLUMNS = {"account": "account_id", "language": "language"}
_SINGLE_KEYS = {
    "accounts": ("account_id",),
    "calendar": ("day",),
    "requests": ("account_id", "language", "input_file_id", "request"),
}
_HEADER_LINE = re.compile(r"-- ?(.*)")
_COLUMN = re.compile(r"([a-z][a-z0-9_]*): (.+)")
_PLACE = re.compile(r"\{\{(title|grain|first_day)\}\}")


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
    views.append(_single("requests"))
    views += [_request_rates(by) for by in ((), ("account",), ("language",), ("account", "language"))]
    views += [_request_rates((), every) for every in ("week", "month")]
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
    # By its path, for importlib.resources imports what opens archives.
    return (Path(__file__).parent / f"{name}.sql").read_text("utf-8")


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


def _request_rates(by: tuple[str, ...], every: str | None = None) -> View:
    keys = tuple(_KEY_COLUMNS[key] for key in by)
    grain = " × ".join(f"one {key}" for key in by) or "the whole interval"
    name = "_by_".join(filter(None, ("request_rates", "_".join(by)))) + (f"_{EVERY[every]}" if every else "")
    header = {
        "title": _title(by, every),
        "grain": f"one local {every} in which requests began" if every else grain,
        "first_day": _FIRST_DAYS[every or "day"],
    }
    left_out = () if every else ("period", "is_partial")
    return _family("request_rates", name, header, (*keys, "period") if every else keys, left_out, every)


def all_request_facts(context: RenderContext, interval: str = "") -> str:
    """Return the SQL of the base view of all requests, one a row, over all runs whatever the interval.

    With ``interval``, a condition on ``created_at``, they are those whose first run it holds for: only chains that have
    a run in the interval are put in order then.
    """
    chosen = f"""{PLACE} in (
    select {PLACE}
    from {context.all_runs}
    where {interval}
)"""
    values: dict[str, Value] = {
        "all_runs": context.all_runs,
        "repeated_places": repeated_places(context, context.all_runs, chosen if interval else ""),
        "is_bounded": bool(interval),
        "is_created_in_interval": interval,
        "is_first_in_interval": interval.replace("created_at", "first_created_at"),
    }
    return fill(_read("base/all_request_facts").strip(), values)


def _family(
    file: str,
    name: str,
    header: Mapping[str, str],
    keys: tuple[str, ...],
    left_out: tuple[str, ...] = (),
    every: str | None = None,
) -> View:
    """Read a view of a family's file, without the columns of keys that it has not."""
    title, grain, columns, sql = _parsed(file)
    absent = {column for key, name in NAME_COLUMNS.items() if key not in keys for column in (key, name)}

    def filled(text: str) -> str:
        return _PLACE.sub(lambda place: header[place[1]], text)

    kept = {column: filled(meaning) for column, meaning in columns.items() if column not in (*absent, *left_out)}
    return View(name, filled(title), filled(grain), kept, sql, keys, every)


@cache
def _parsed(file: str) -> tuple[str, str, dict[str, str], str]:
    """Part the file of a family, its places in title, grain and columns still to be filled."""
    return parse_header(with_partials(_read(file), lambda name: _read(f"base/{name}")), f"{file}.sql")


def _title(by: tuple[str, ...], every: str | None) -> str:
    words = [*by, *([f"local {every}"] if every else [])]
    return f" by {' and '.join(', '.join(words).rsplit(', ', 1))}" if words else ""

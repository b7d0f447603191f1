"""Completion of the values that flags and arguments take; nothing is imported here that a shell would wait for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

Complete = Callable[..., list[str]]


def among(*values: str) -> Complete:
    """Complete one of some values."""
    return _matching(lambda: values)


def _matching(values: Callable[[], Iterable[str]]) -> Complete:
    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.lower().startswith(incomplete.lower())]

    return complete


def lists_of(*values: str) -> Complete:
    """Complete a list of values that commas separate: what is typed of it stays in front."""

    def complete(incomplete: str) -> list[str]:
        head, comma, typed = incomplete.rpartition(",")
        taken = head.split(",")
        return [f"{head}{comma}{value}" for value in values if value.startswith(typed) and value not in taken]

    return complete


def _period_words() -> Iterable[str]:
    from polydoc_analytics.model.periods import PERIOD_WORDS

    return PERIOD_WORDS


def _zones() -> Iterable[str]:
    from importlib import resources

    return resources.files("tzdata").joinpath("zones").read_text("utf-8").split()


def _languages() -> Iterable[str]:
    from polydoc_analytics.model.language_tables import table

    names = {code: name for code, name in table("english_names").as_dict().items() if len(code) == 2 and code.islower()}
    return [*names, *names.values()]


def _views() -> Iterable[str]:
    from polydoc_analytics.views import catalog

    return catalog()


def _kinds() -> Iterable[str]:
    from polydoc_analytics.reports.builders import kinds

    return kinds()


def order(ctx: Any, incomplete: str) -> list[str]:
    """Complete a column to order usage by, and its direction after a colon."""
    column, colon, direction = incomplete.partition(":")
    if colon:
        return [f"{column}:{way}" for way in ("asc", "desc") if way.startswith(direction)]
    return [name for name in _usage_columns(ctx) if name.startswith(column)]


def columns(ctx: Any, incomplete: str) -> list[str]:
    """Complete a list of columns of usage."""
    return lists_of(*_usage_columns(ctx))(incomplete)


def _usage_columns(ctx: Any) -> list[str]:
    from polydoc_analytics.errors import PolydocError
    from polydoc_analytics.views import usage_view_name, view

    by = tuple(",".join(ctx.params.get("by") or ()).split(",")) if ctx.params.get("by") else ()
    try:
        return list(view(usage_view_name(by, ctx.params.get("every"))).columns)
    except PolydocError:
        return list(view("usage").columns)


def of_settings(table: str) -> Complete:
    """Complete the name of a report, an alert or a source of the settings, read without being checked."""

    def complete(ctx: Any, incomplete: str) -> list[str]:
        content = _settings(ctx.params.get("config")).get(table, {})
        entries = content if isinstance(content, dict) else [entry.get("name", "") for entry in content]
        return [name for name in entries if name and name.startswith(incomplete)]

    return complete


def _settings(file: str | None) -> dict[str, Any]:
    import tomllib
    from contextlib import suppress
    from pathlib import Path

    from polydoc_analytics.config.settings import CONFIG_VARIABLE, FILE_NAME

    path = Path(file or os.environ.get(CONFIG_VARIABLE) or FILE_NAME)
    with suppress(OSError, ValueError):  # a file that is wrong completes nothing
        return tomllib.loads(path.read_text("utf-8"))
    return {}


periods, zones, languages, views, kinds = map(_matching, (_period_words, _zones, _languages, _views, _kinds))


def without_markup() -> None:
    """Let completion skip the rendering of markup in help, for which typer would import rich in a tenth of a second."""
    import typer._completion_classes as classes

    if hasattr(classes, "_sanitize_help_text"):
        classes._sanitize_help_text = lambda text: text

"""Kinds of reports: each a builder from a Context to a frozen Report; plug-ins come by entry point.

A builder is a function ``(Context) -> Report``. A distribution brings one by an entry point:

    [project.entry-points."polydoc_analytics.reports"]
    weekly = "our_reports:weekly"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from polydoc_analytics.errors import UsageError, nearest

if TYPE_CHECKING:
    from polydoc_analytics.reports.builders.context import Context
    from polydoc_analytics.reports.model import Report

GROUP = "polydoc_analytics.reports"
KINDS = ("overview", "statement", "languages", "quality")


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds, with those of plug-ins."""
    return (*KINDS, *sorted(entry_points(group=GROUP).names - set(KINDS)))


def builder(kind: str) -> Callable[[Context], Report]:
    """Look up the builder of a kind of report; raises UsageError with the nearest name where there is none."""
    if kind in KINDS:
        own: Callable[[Context], Report] = getattr(import_module(f"{__name__}.{kind}"), kind)
        return own
    if kind in kinds():
        [entry] = list(entry_points(group=GROUP, name=kind))[:1]
        loaded: Callable[[Context], Report] = entry.load()
        return loaded
    raise UsageError(f"unknown kind of report '{kind}'{nearest(kind, kinds())}; expected {', '.join(kinds())}")

"""Commands as help and completion list them: their modules are imported when one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperCommand

COMMANDS = {
    "usage": (
        "usage",
        "Show who used how many tokens and credits, in which languages, how often it failed and how long it took.",
    ),
    "explain": (
        "explain",
        "Explain what moved credits, runs or tokens since the period before; the causes sum to the difference.",
    ),
    "outlook": (
        "outlook",
        "Forecast where credits, runs or tokens end this month: so far, expected, an 80 % interval, the month before.",
    ),
    "query": (
        "query",
        "Run one SELECT over the views, under guard rails: it reads the source's files and nothing else.",
    ),
    "views": (
        "query",
        "List the views, the package's and your own, describe one's columns, or print their SQL.",
    ),
    "check": (
        "files",
        "Account for every row of a source: read, merged, quarantined and why, and what looks suspicious.",
    ),
    "export": (
        "files",
        "Write checked, merged runs as zstd Parquet in created_month=YYYY-MM/ (UTC) with a manifest.",
    ),
    "sample": (
        "files",
        "Write realistic synthetic runs as NDJSON.",
    ),
    "ingest": (
        "ingest",
        "Load a source into the lake: all of it, or nothing where it fails.",
    ),
    "doctor": (
        "doctor",
        "Examine the lake, its sources and its schedule: what is in doubt, and what to do.",
    ),
    "report": (
        "report",
        "Write a report: HTML to read, PDF to send, XLSX to calculate with, Markdown, JSON.",
    ),
    "sync": (
        "ingest",
        "Bring sources of the settings into the lake: the API, PostgreSQL, or files that are new or have changed.",
    ),
    "config": (
        "config",
        "Begin a configuration, see what is in force, check it.",
    ),
    "lake": (
        "lake",
        "Look at a lake, keep it, and find the way back.",
    ),
    "alerts": (
        "alerts",
        "Check the alerts of the settings, and see what fires.",
    ),
    "schedule": (
        "schedule",
        "Run what is due, and see what is planned and what was done.",
    ),
}
"""The module of each command, and its summary, in the order of the help."""


class Listed(TyperCommand):
    """A command of which only name and summary are known; ``load`` imports the command itself."""

    load: Callable[[], Any]


def listed(load: Callable[[str], Any]) -> dict[str, Listed]:
    """List all commands by name; ``load`` imports one of them."""
    commands = {}
    for name, (_, summary) in COMMANDS.items():
        commands[name] = Listed(name=name, help=summary)
        commands[name].load = partial(load, name)
    return commands

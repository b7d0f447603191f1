"""The commands of the configuration: begin one, show what is in force, check it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.root import command, group
from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.plurals import counted

config_app = group("config", "Begin a configuration, see what is in force, check it.")


@command(config_app)
def init(
    out_folder: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write to.")] = ".",
    quiet: opt.Quiet = False,
) -> None:
    """Write a polydoc-analytics.toml to start from, and beside it the JSON Schema that editors complete it by.

    Example: polydoc-analytics config init
    """
    from polydoc_analytics.automation.example_config import EXAMPLE
    from polydoc_analytics.config.json_schema import FILE, shipped
    from polydoc_analytics.config.settings import FILE_NAME
    from polydoc_analytics.errors import unwritable

    out = opt.output(quiet=quiet)
    for name, content in ((FILE_NAME, EXAMPLE), (FILE, shipped())):
        path = Path(out_folder) / name
        if name == FILE_NAME and path.exists():
            raise UsageError(f"{path}: is there already; move it away, or look at it with `config check`")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8", newline="\n")
        except OSError as error:
            raise unwritable(path, error) from None
        out.say(str(path))


@command(config_app)
def show(config: opt.Config = None, json: opt.Json = False) -> None:
    """Show the settings in force, defaults and environment included; of secrets the variables' names alone."""
    content = _in_force(config)
    if json:
        from polydoc_analytics.cli.shared import print_json

        print_json({"schema_version": 1, "report": "config", "data": content})
        return
    for line in _lines(content):
        print(line)


@command(config_app)
def check(config: opt.Config = None, quiet: opt.Quiet = False) -> int:
    """Check the whole configuration and list every error: exit 2 where a table means nothing.

    Exit 1 where the environment lacks a secret that it names, or contacts or names are wrong. Accounts without contact,
    and contacts, names and budgets of accounts that the lake does not know, are said alone.

    Example: polydoc-analytics config check
    """
    from polydoc_analytics.automation.config import checked_plans
    from polydoc_analytics.automation.schedule.known_accounts import check_accounts, speaks_of_accounts
    from polydoc_analytics.config.settings import examined, problem_text
    from polydoc_analytics.errors import PolydocError
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.reports.branding import branding
    from polydoc_analytics.safe_text import on_one_line

    out = opt.output(quiet=quiet)
    settings, problems = examined(config)
    found, more = checked_plans(settings)
    problems += more
    try:
        branding(settings.branding, settings.folder)
    except PolydocError as error:
        problems.append(problem_text(settings.file, ("branding",), str(error)))
    for problem in problems:
        print(f"error: {on_one_line(problem)}", file=sys.stderr)
    if problems:
        return 2
    tables = (("source", settings.sources), ("report", found.reports), ("alert", found.alerts))
    parts = [counted(len(things), one) for one, things in tables]
    out.say(f"{', '.join(parts)}, {len(found.targets)} of delivery")
    missing = [(where, name) for where, name in _variables(settings, found) if not os.environ.get(name)]
    for where, name in missing:
        out.warn(f"{where}: the environment variable {name} is not set here; it holds the secret")
    lake = None
    if settings.lake and speaks_of_accounts(settings, found):
        try:
            lake = Lake(settings.lake)
            lake.raise_if_none()
        except PolydocError as error:
            out.say(f"accounts are not held against the lake: {error}")
            lake = None
    checked = check_accounts(lake, settings, found)
    for said in (*checked.faults, *checked.doubts):
        out.warn(said)
    return 1 if missing or checked.faults else 0


def _variables(settings: Any, found: Any) -> list[tuple[str, str]]:
    from polydoc_analytics.ingest.connectors import sources

    named = [
        (f"[sources.{name}]", getattr(source, key))
        for name, source in sources(settings).items()
        for key in ("token_env", "dsn_env")
        if hasattr(source, key)
    ]
    for name, target in found.targets.items():
        named += [(f"[delivery.{name}]", value) for key, value in target if key.endswith("_env") and value]
    return named


def _in_force(config: str | None) -> dict[str, Any]:
    from polydoc_analytics.automation import plans
    from polydoc_analytics.config.settings import TEXTS

    settings = opt.configured(config)
    plans(settings)
    tables = ("sources", "schedule", "delivery", "reports", "alerts")
    content: dict[str, Any] = {name: getattr(settings, name) for name in (*TEXTS, "branding")}
    content |= {name: settings.content.get(name) for name in tables}
    content["remote"] = content["remote"] and content["remote"].partition(";")[0]  # a token may follow
    return {name: _shown(value) for name, value in content.items() if value not in (None, (), {})}


def _shown(value: Any) -> Any:
    """Strip the query of a URI, which may be the secret of a signed link."""
    from polydoc_analytics.safe_text import display_address

    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return display_address(value) if isinstance(value, str) and "://" in value else value


def _lines(content: dict[str, Any]) -> list[str]:
    lines = [f"{name} = {_toml(value)}" for name, value in content.items() if isinstance(value, str)]
    for name, value in content.items():
        if name in ("sources", "delivery"):
            for inner, table in value.items():
                lines += ["", f"[{name}.{inner}]", *_table(table)]
        elif isinstance(value, dict):
            lines += ["", f"[{name}]", *_table(value)]
        elif isinstance(value, list):
            for table in value:
                lines += ["", f"[[{name}]]", *_table(table)]
    return lines


def _table(table: dict[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in table.items()]


def _toml(value: Any) -> str:
    import json

    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # a TOML text, number or flag is written as JSON writes it

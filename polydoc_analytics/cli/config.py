"""The commands of the configuration: begin one, show what is in force, check it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import output_of
from polydoc_analytics.cli.root import command, group
from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.plurals import counted

config_app = group("config", "Begin a configuration, see what is in force, check it.")


@command(config_app)
def init(
    *,
    printing: opt.Noticing,
    out_folder: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write to.")] = ".",
) -> None:
    """Write a polydoc-analytics.toml to start from, and beside it the JSON Schema that editors complete it by.

    Example: polydoc-analytics config init

    Example: polydoc-analytics config init --out settings/
    """
    from polydoc_analytics.automation.example_config import EXAMPLE
    from polydoc_analytics.config.json_schema import FILE, shipped
    from polydoc_analytics.config.settings import FILE_NAME
    from polydoc_analytics.errors import refuse_address, unwritable

    out = output_of(printing)
    refuse_address(out_folder)
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
def show(*, printing: opt.JsonPrinting, config: opt.Config = None) -> None:
    """Show the settings in force, defaults and environment included; of secrets the variables' names alone.

    Example: polydoc-analytics config show

    Example: polydoc-analytics config show --json
    """
    content = _in_force(config)
    if output_of(printing).format == "json":
        from polydoc_analytics.cli.shared import print_json

        print_json({"schema_version": 1, "report": "config", "data": content})
        return
    for line in _lines(content):
        print(line)


@command(config_app)
def check(*, printing: opt.Noticing, config: opt.Config = None) -> int:
    """Check the whole configuration and list everything that is wrong with it, with its line; exit 2 for mistakes.

    Exit 1 where what it names is not there: a secret in the environment, contacts, names of accounts. Accounts without
    contact, accounts that the lake does not know, and sources of which nothing is there yet, are mentioned alone.

    Example: polydoc-analytics config check

    Example: polydoc-analytics config check --config polydoc-analytics.toml
    """
    from polydoc_analytics.automation.config import checked_plans
    from polydoc_analytics.automation.settings_check import check_settings, speaks_of_accounts
    from polydoc_analytics.config.settings import environment_problems, examined, problem_text
    from polydoc_analytics.errors import PolydocError
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.reports.branding import branding
    from polydoc_analytics.safe_text import on_one_line

    out = output_of(printing)
    settings, problems = examined(config)
    plans, more = checked_plans(settings)
    problems += [*more, *environment_problems()]
    try:
        branding(settings.branding, settings.folder)
    except PolydocError as error:
        problems.append(problem_text(settings.file, ("branding",), str(error)))
    for problem in problems:
        out.error(problem)
    if not problems:
        tables = (("source", settings.sources), ("report", plans.reports), ("alert", plans.alerts))
        parts = [counted(len(things), one) for one, things in tables]
        out.say(f"{', '.join(parts)}, {len(plans.targets)} of delivery")
    lake = None
    if settings.lake and speaks_of_accounts(settings, plans):
        try:
            lake = Lake(settings.lake)
            lake.raise_if_none()
        except PolydocError as error:
            out.say(f"accounts are not held against the lake: {error}")
            lake = None
    checked = check_settings(lake, settings, plans)
    for text in (*checked.faults, *checked.doubts):
        out.warn(on_one_line(text))
    return 2 if problems else 1 if checked.faults else 0


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
    """Strip the query of a URI, which may be the secret of a signed link; a day becomes a text, which JSON has."""
    from polydoc_analytics.safe_text import display_address

    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
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

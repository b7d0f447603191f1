"""Write the pages that come from the program itself: `python docs/generate.py`. A test tells when they are behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polydoc_analytics as pda
from polydoc_analytics import views as catalog
from polydoc_analytics.cli import application
from polydoc_analytics.config.json_schema import file_schema
from polydoc_analytics.config.settings import TEXTS

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample_runs.ndjson"
_PREFIX = "POLYDOC_ANALYTICS_"
_MOST_SIGNATURE = 88
_FAMILIES = ("usage", "durations", "request_rates")
_SHORT = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def pages() -> dict[str, str]:
    """Return every generated file by its path below the project, as it must be."""
    return {
        "docs/reference/views.md": views_page(),
        "docs/reference/commands.md": commands_page(),
        "docs/reference/settings.md": settings_page(),
        "docs/reference/python.md": python_page(),
    }


def views_page() -> str:
    """Return the dictionary of views: each with its grain and columns; those of one family share their measures."""
    families: dict[str, list[catalog.View]] = {}
    for view in catalog.catalog().values():
        family = next((name for name in _FAMILIES if view.name.startswith(name)), view.name)
        families.setdefault(family, []).append(view)
    parts = [
        "# The views",
        "One row of a view stands for its *grain*. Keys come first. Types are DuckDB's; `null` is *unknown*, never 0. "
        "`polydoc-analytics views NAME` prints the same, `views --sql` the SQL; `db.describe(NAME)` returns a frame.",
    ]
    with pda.connect(SAMPLE) as db:
        for family, members in families.items():
            types = {row[0]: _SHORT.get(row[1], row[1]) for view in members for row in db.describe(view.name).rows()}
            shared = [name for name in members[0].columns if all(name in view.columns for view in members)]
            parts.append(f"## {_code(family)}")
            parts.append(members[0].title)
            if len(members) == 1:
                parts[-1] += f" Grain: {members[0].grain}."
            else:
                rows = (
                    (_code(one.name), one.grain, ", ".join(_code(c) for c in one.columns if c not in shared) or "–")
                    for one in members
                )
                parts.append(_table(("view", "grain", "its own columns"), rows))
                own = {name: text for one in members for name, text in one.columns.items() if name not in shared}
                own |= (
                    {"period": "the local day, or the first one of the week (a Monday) or month"}
                    if "period" in own
                    else {}
                )
                parts.append("Their own columns:")
                parts.append(_columns(own, types))
                parts.append("And in each of them:")
            parts.append(_columns({name: members[0].columns[name] for name in shared}, types))
    return _page(parts)


def commands_page() -> str:
    """Return every command as its ``--help`` describes it."""
    parts = [
        "# The commands",
        "What `polydoc-analytics COMMAND --help` says, for every command. Figures go to standard output, everything "
        "else to standard error; for exit codes and sources see [On the command line](../cli.md).",
    ]
    for name, command in all_commands():
        parts.append(f"## {_code(name)}")
        given = [one for one in command.params if _kind(one) == "argument"]
        usage = " ".join(["polydoc-analytics", name, *(_argument(one) for one in given), "[OPTIONS]"])
        parts.append(f"```text\n{usage}\n```")
        text = inspect.cleandoc(command.help or "")
        parts.append(re.sub(r"^Example: (.+(?:\n.+)*)", lambda m: f"Example: {_code(_line(m[1]))}", text, flags=re.M))
        options = [one for one in command.params if _kind(one) == "option"]
        rows = [(_code(_argument(one)), _line(one.help)) for one in given]
        rows += [(", ".join(_code(text) for text in _flags(one)), _meaning(one)) for one in options]
        parts.append(_table(("argument or option", "meaning"), rows))
    return _page(parts)


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield every command by its whole name, such as ``lake history``, in the order of the help."""

    def below(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from below(command, f"{prefix}{name} ")
            else:
                yield f"{prefix}{name}", command

    yield from below(application(), "")


def settings_page() -> str:
    """Return every key of ``polydoc-analytics.toml`` with its meaning and default."""
    properties = file_schema()["properties"]
    plain = {name: properties[name] for name in TEXTS}
    parts = [
        "# The settings",
        "Flags win over the environment, the environment over `polydoc-analytics.toml` in the working folder (or "
        "`--config FILE`, or `POLYDOC_ANALYTICS_CONFIG`), that over the defaults. `polydoc-analytics config check` "
        "checks the whole file; `config init` writes one to start from, and a JSON Schema for editors. "
        "Secrets stand here by the name of an environment variable alone. Paths are relative to the file.",
        _table(
            ("key", "environment", "meaning"),
            ((_code(name), _code(_PREFIX + name.upper()), of["description"]) for name, of in plain.items()),
        ),
        "## `[branding]`",
        "How reports look; see [Reports](../reports.md#branding).",
        _keys(properties["branding"]),
        "## `[sources.NAME]`",
        "Sources by name, for `sync` and for every command that takes a source; see [The lake](../lake.md#sources).",
        *_kinds(properties["sources"]["additionalProperties"]),
        "## `[schedule]`",
        "What the scheduler does; see [Scheduled reports and alerts](../scheduling.md).",
        _keys(properties["schedule"]),
        "## `[[reports]]`",
        _keys(properties["reports"]["items"]),
        "## `[[alerts]]`",
        *_kinds(properties["alerts"]["items"], "limit"),
        "## `[delivery.NAME]`",
        *_kinds(properties["delivery"]["additionalProperties"]),
    ]
    return _page(parts)


def python_page() -> str:
    """Return the public names with their signatures and docstrings."""
    errors = [name for name in pda.__all__ if name.endswith("Error")]
    types = [name for name in pda.__all__ if inspect.isclass(getattr(pda, name)) and name not in errors]
    functions = [name for name in pda.__all__ if inspect.isfunction(inspect.unwrap(getattr(pda, name)))]
    parts = [
        "# The public names",
        "`import polydoc_analytics as pda`. What is not listed here is private. Every error is a `PolydocError`, with "
        "a message of one line: what, where, what to do.",
        "## Functions",
    ]
    for name in functions:
        parts += _documented(f"pda.{name}", getattr(pda, name), 3)
    parts.append("## Types")
    for name in types:
        parts += _documented(f"pda.{name}", getattr(pda, name), 3)
    parts += ["## Charts", _prose(pda.charts.__doc__)]
    for name, function in inspect.getmembers(pda.charts, inspect.isfunction):
        if function.__module__ == pda.charts.__name__ and not name.startswith("_"):
            parts += _documented(f"pda.charts.{name}", function, 3)
    rows = ((_code(name), _line(getattr(pda, name).__doc__), str(getattr(pda, name).exit_code)) for name in errors)
    parts += ["## Errors", _table(("error", "meaning", "exit code"), rows)]
    return _page(parts)


def _documented(name: str, thing: Any, level: int) -> list[str]:
    parts = [f"{'#' * level} {_code(name)}"]
    if not inspect.isclass(thing):
        return [*parts, f"```python\n{_signature(name, thing)}\n```", _prose(thing.__doc__)]
    parts.append(_prose(thing.__doc__))
    for member, value in vars(thing).items():
        found = value.fget if isinstance(value, property) else getattr(value, "func", value)
        if member.startswith("_") or not callable(found) or not found.__doc__:
            continue
        if found is value:
            shown = _signature(f"{name.rpartition('.')[2]}.{member}", value)
            parts += [f"```python\n{shown}\n```", _prose(found.__doc__)]
        else:
            parts.append(f"{_code(f'.{member}')}: {_prose(found.__doc__)}")
    return parts


def _signature(name: str, function: Any) -> str:
    """Return a signature as it stands in the source, on several lines where one would be too long."""
    signature = inspect.signature(function)
    texts = []
    star = False
    for one in signature.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not star:
            texts.append("*")
            star = True
        mark = "**" if one.kind is one.VAR_KEYWORD else "*" if one.kind is one.VAR_POSITIONAL else ""
        default = "" if one.default is one.empty else f" = {one.default!r}".replace("'", '"')
        texts.append(f"{mark}{one.name}: {one.annotation}{default}")
    line = f"{name}({', '.join(texts)}) -> {signature.return_annotation}"
    if len(line) <= _MOST_SIGNATURE:
        return line
    return f"{name}(\n" + "".join(f"    {text},\n" for text in texts) + f") -> {signature.return_annotation}"


def _keys(table: Mapping[str, Any], left_out: Sequence[str] = ()) -> str:
    required = table.get("required", ())
    rows = []
    for name, of in table["properties"].items():
        if name in left_out:
            continue
        default = "needed" if name in required else _code(_toml(of["default"])) if of.get("default", []) != [] else "–"
        rows.append((_code(name), default, of["description"]))
    return _table(("key", "default", "meaning"), rows)


def _kinds(choice: Mapping[str, Any], default: str = "") -> list[str]:
    parts = []
    for one in choice["allOf"]:
        table = one["then"]
        kind = table["properties"]["kind"]["const"]
        parts.append(f'### `kind = "{kind}"`{" (the default)" if kind == default else ""}')
        parts.append(_keys(table, ("kind",)))
    return parts


def _toml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _columns(columns: Mapping[str, str], types: Mapping[str, str]) -> str:
    return _table(("column", "type", "meaning"), ((_code(name), types[name], columns[name]) for name in columns))


def _kind(parameter: Any) -> str:
    """Return argument or option; what the command line's library adds by itself is neither."""
    return "" if parameter.name == "help" else str(parameter.param_type_name)


def _argument(parameter: Any) -> str:
    text = str(parameter.metavar or parameter.name) + ("..." if parameter.nargs == -1 else "")
    return text if parameter.required else f"[{text}]"


def _flags(parameter: Any) -> list[str]:
    value = "" if parameter.is_flag else f" {parameter.metavar or '…'}"
    return [*(f"{text}{value}" for text in parameter.opts), *parameter.secondary_opts]


def _meaning(parameter: Any) -> str:
    default = parameter.default
    is_plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    return _line(parameter.help) + (f" Default: {_code(str(default))}." if is_plain else "")


def _prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: roles as code, double backticks as single ones, examples as they are."""
    text = inspect.cleandoc(docstring or "")
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _page(parts: Iterable[str]) -> str:
    title, *rest = parts
    note = "<!-- Written by docs/generate.py; change what it is made from. -->"
    return "\n\n".join([title, note, *(part for part in rest if part)]) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        (ROOT / path).write_text(text, "utf-8", newline="\n")

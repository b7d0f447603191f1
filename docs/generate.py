"""Write the pages that come from the program itself: `python docs/generate.py`. A test tells when they are behind."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polydoc_analytics as pda
from polydoc_analytics import views as catalog
from polydoc_analytics.cli import application, run
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
        "AGENTS.md": agents_page(),
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
        "Secrets stand here by the name of an environment variable alone. Paths are relative to the file, "
        "and `~` is your home folder.",
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


def agents_page() -> str:
    """Write the page for coding agents that use the package: JSON of the commands, grain of the views, rules."""
    parts = [
        "# polydoc_analytics, for coding agents",
        "How to get figures from run records without getting them wrong. For work on the package itself see "
        "[CONTRIBUTING.md](CONTRIBUTING.md).",
        "## Rules",
        "\n".join(f"- {rule}" for rule in _RULES),
        "## What the commands give as JSON",
        "`--json` prints one document on standard output and nothing else; everything else goes to standard error, and "
        "`--quiet` leaves errors alone. `data` has the rows, `sections` several tables, each with `name` and `data`. "
        "Instants are UTC with `Z`, days are ISO dates, unknown is `null`.",
        _table(("command", "keys", "sections", "keys of a row of `data`"), _json_shapes()),
        "Exit codes: 0 done; 1 a gate that was asked for failed (`check`, `--strict`, `alerts check`); 2 a mistake in "
        "the call or a source that cannot be read; 3 an internal error or a delivery that failed.",
        "## The views",
        'For `polydoc-analytics query SOURCE "SELECT …"` and `db.sql(…)`. One row stands for the grain.',
        _table(
            ("view", "grain", "keys"),
            (
                (_code(view.name), view.grain, ", ".join(map(_code, view.keys)) or "–")
                for view in catalog.catalog().values()
            ),
        ),
        "`polydoc-analytics views NAME --json` has each column with its meaning.",
    ]
    return _page(parts)


_RULES = (
    "Never sum or average percentiles, rates or `mean_duration_s` over rows; ask the view of the coarser grain.",
    "Never read `null` as 0: it is *unknown*. A sum is over known values; `runs_without_credits` counts the others.",
    "Never count raw lines: the same run is exported more than once. The commands and `connect()` merge them.",
    "Never cut days by UTC where the reader lives elsewhere: pass `--timezone`, and do not convert zones in SQL.",
    "A period with `is_partial` is cut by the interval; do not compare it with a whole one.",
    "Filter by `--account` and `--language`; in scripts add `--allow-empty`, so that the beginning of an id is never "
    "taken for another account and an account without runs is no error.",
    "`check` first: `read = runs + duplicates + quarantined`. Rejected rows are data; say how many there are.",
    "A lake changes by `ingest` and `sync` alone; `lake erase`, `compact` and `repair` do nothing without `--run`. "
    "Never pass `--run` to `lake erase` unasked.",
    "Secrets come from the environment (`POLYDOC_BEARER_AUTH`, a DSN); never write one into a file or a command.",
    "`query` and `db.sql` take one SELECT and only read; another SQL engine over the same files does not merge runs.",
)
_JSON_CALLS = (
    ("usage SOURCE", ["usage", "{sample}"]),
    ("usage SOURCE --by account --every month", ["usage", "{sample}", "--by", "account", "--every", "month"]),
    ("query SOURCE SQL", ["query", "{sample}", "select language, runs from usage_by_language"]),
    ("check SOURCE", ["check", "{sample}"]),
    ("views NAME", ["views", "usage"]),
    ("export SOURCE DEST", ["export", "{sample}", "{folder}/runs"]),
    ("ingest SOURCE --lake LAKE", ["ingest", "{sample}", "--lake", "{folder}/lake"]),
    ("lake history", ["lake", "history", "--lake", "{folder}/lake"]),
    ("lake diff A B", ["lake", "diff", "1", "1", "--lake", "{folder}/lake"]),
    ("doctor", ["doctor", "--lake", "{folder}/lake"]),
    ("explain SOURCE", ["explain", "{sample}", "--period", "2026-10"]),
    ("outlook SOURCE", ["outlook", "{sample}", "--now", "2026-10-20T00:00:00Z"]),
)


def _json_shapes() -> Iterator[tuple[str, str, str, str]]:
    """Run each command on the sample and yield the keys of what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        for name, call in _JSON_CALLS:
            arguments = [text.format(sample=SAMPLE, folder=folder) for text in call]
            content = json.loads(_printed([*arguments, "--json"]))
            keys = [key for key in content if key not in ("data", "sections")]
            row = next(iter(content.get("data") or []), {})
            shown = list(row)[:_MAX_KEYS]
            more = ", …" if len(row) > _MAX_KEYS else ""
            sections = ", ".join(_code(section["name"]) for section in content.get("sections", ()))
            yield (
                _code(name),
                ", ".join(map(_code, keys)),
                sections or "–",
                (", ".join(map(_code, shown)) + more) or "–",
            )


_MAX_KEYS = 8


def _printed(arguments: list[str]) -> str:
    """Run the command line and return what it prints; raises ValueError where it fails."""
    both = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True)
    with contextlib.redirect_stdout(both), contextlib.redirect_stderr(io.StringIO()):
        exit_code = run(arguments)
        both.flush()
    if exit_code:
        raise ValueError(f"{arguments}: exit code {exit_code}")
    return both.buffer.getvalue().decode("utf-8")


def _documented(name: str, thing: Any, level: int) -> list[str]:
    parts = [f"{'#' * level} {_code(name)}"]
    if not inspect.isclass(thing):
        return [*parts, f"```python\n{_signature(name, thing)}\n```", _prose(thing.__doc__)]
    parts.append(_prose(thing.__doc__))
    bases = [base for base in thing.__mro__ if base.__module__.startswith(f"{pda.__name__}.lake.")] or [thing]
    for member, value in [item for base in bases for item in vars(base).items()]:
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

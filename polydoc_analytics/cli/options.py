"""The flags that commands share, and what they mean together."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import typer

from polydoc_analytics.cli import completion
from polydoc_analytics.cli.root import ENGINE, OUTPUT, READING, RUNS, TIME
from polydoc_analytics.config.settings import CONFIG_VARIABLE, Settings, settings
from polydoc_analytics.errors import UsageError, nearest

_GIVEN = "A file, folder, glob or URI (s3:// gs:// az:// https://) of runs, or - for standard input."
SOURCE_HELP = f"{_GIVEN[:-1]}; by default the lake of the settings, or their only source."

_sources = completion.of_settings("sources")
GivenSource = Annotated[
    list[str], typer.Argument(metavar="SOURCE", help=_GIVEN, show_default=False, autocompletion=_sources)
]
Source = Annotated[
    list[str] | None, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False, autocompletion=_sources)
]


def flag(panel: str, name: str, metavar: str | None, text: str, *more: str, **arguments: Any) -> Any:
    """Declare an option in one of the help's groups; a flag without a value has no ``metavar``."""
    return typer.Option(name, *more, metavar=metavar, help=text, rich_help_panel=panel, **arguments)


LakeUri = Annotated[
    str | None,
    typer.Option("--lake", metavar="LAKE", help="The lake's folder or URI; default: `lake` of the settings."),
]

Account = Annotated[
    list[str] | None,
    flag(RUNS, "--account", "ACCOUNT", "Only this account: its id, a unique beginning of it, or its name; repeatable."),
]
Language = Annotated[
    list[str] | None,
    flag(
        RUNS,
        "--language",
        "LANGUAGE",
        "Only this language, by tag (pt-BR) or name (French); repeatable.",
        autocompletion=completion.languages,
    ),
]
AllowEmpty = Annotated[
    bool,
    flag(RUNS, "--allow-empty", None, "Take a filter that matches no run, and no beginnings of ids; for scripts."),
]
AsOf = Annotated[
    str | None,
    flag(RUNS, "--as-of", "LOAD", "Of a lake: the figures as known as of a load (12), day (its end) or instant."),
]
Top = Annotated[int | None, flag(RUNS, "--top", "N", "Only the first N rows.", min=1)]
Order = Annotated[
    str | None,
    flag(
        RUNS,
        "--order",
        "COLUMN",
        "Column to order by; NAME:asc or NAME:desc, measures descend by default.",
        autocompletion=completion.order,
    ),
]

Since = Annotated[
    str | None, flag(TIME, "--since", "DAY", "First local day (2026-10-01) or instant (2026-10-01T08:00Z).")
]
Until = Annotated[str | None, flag(TIME, "--until", "DAY", "Last local day, included, or instant, excluded.")]
Last = Annotated[str | None, flag(TIME, "--last", "SPAN", "30d, 4w (local days including today) or 12h.")]
Period = Annotated[
    str | None,
    flag(
        TIME,
        "--period",
        "PERIOD",
        "today, last-week, this-month, …, or 2026-10, 2026-Q3, 2026-W45, 2026.",
        autocompletion=completion.periods,
    ),
]
Timezone = Annotated[
    str | None,
    flag(
        TIME, "--timezone", "ZONE", "IANA zone of days, weeks and months; default UTC.", autocompletion=completion.zones
    ),
]
DateBasis = Annotated[
    str | None,
    flag(
        TIME,
        "--date-basis",
        "BASIS",
        "created (default) or finished: the instant that dates a run.",
        autocompletion=completion.among("created", "finished"),
    ),
]
Now = Annotated[
    str | None, flag(TIME, "--now", "INSTANT", "Take this instant for now, for reports that can be repeated.")
]

Wide = Annotated[
    bool, flag(OUTPUT, "--wide", None, "All columns, and ids of accounts whole, however wide the table becomes.")
]
Columns = Annotated[
    str | None,
    flag(
        OUTPUT,
        "--columns",
        "NAMES",
        "Only these columns beside the keys, separated by commas.",
        autocompletion=completion.columns,
    ),
]
Json = Annotated[bool, flag(OUTPUT, "--json", None, "Print JSON and nothing else.")]
Csv = Annotated[bool, flag(OUTPUT, "--csv", None, "Print CSV.")]
Markdown = Annotated[bool, flag(OUTPUT, "--markdown", None, "Print Markdown.")]
Quiet = Annotated[bool, flag(OUTPUT, "--quiet", None, "Say nothing on standard error but errors.", "-q")]
NoColor = Annotated[bool, flag(OUTPUT, "--no-color", None, "No colour; NO_COLOR does the same.")]

InputFormat = Annotated[
    str | None,
    flag(
        READING,
        "--input-format",
        "FORMAT",
        "ndjson, json, csv, parquet or arrow; detected by default.",
        autocompletion=completion.among("ndjson", "json", "csv", "parquet", "arrow"),
    ),
]
AssumeUtc = Annotated[bool, flag(READING, "--assume-utc", None, "Take times without an offset for UTC.")]
Partial = Annotated[
    bool, flag(READING, "--partial", None, "Take one page of several, or runs beside an error, for all of them.")
]
Strict = Annotated[bool, flag(READING, "--strict", None, "Exit with 1 when any row is rejected.")]
Quarantine = Annotated[
    str | None, flag(READING, "--quarantine", "FILE", "Write rejected rows as NDJSON, to mend and reload.")
]
Config = Annotated[str | None, flag(READING, "--config", "FILE", "Read settings from this TOML file.")]

Views = Annotated[str | None, flag(ENGINE, "--views", "FOLDER", "A folder of your own views, NAME.sql.")]
Engine = Annotated[
    str | None,
    flag(
        ENGINE,
        "--engine",
        "ENGINE",
        "Who answers: duckdb (default), or spark, a cluster.",
        autocompletion=completion.among("duckdb", "spark"),
    ),
]
Measure = Annotated[
    str,
    typer.Option(
        "--measure",
        metavar="MEASURE",
        help="credits, runs or total_tokens.",
        autocompletion=completion.among("credits", "runs", "total_tokens"),
    ),
]
Remote = Annotated[
    str | None, flag(ENGINE, "--remote", "sc://HOST:PORT", "The cluster of engine spark, over Spark Connect.")
]


@dataclass(frozen=True)
class Selection:
    """The runs that a command is about, and how they are dated."""

    account: Account = None
    language: Language = None
    allow_empty: AllowEmpty = False
    as_of: AsOf = None
    timezone: Timezone = None
    date_basis: DateBasis = None
    now: Now = None


@dataclass(frozen=True)
class Choice(Selection):
    """The runs of a command, and the interval."""

    since: Since = None
    until: Until = None
    last: Last = None
    period: Period = None


@dataclass(frozen=True)
class Reading:
    """How files are read."""

    input_format: InputFormat = None
    assume_utc: AssumeUtc = False
    partial: Partial = False
    quarantine: Quarantine = None
    config: Config = None


@dataclass(frozen=True)
class StrictReading(Reading):
    """How files are read, where a rejected row may be an error."""

    strict: Strict = False


@dataclass(frozen=True)
class Answering:
    """The engine that answers."""

    engine: Engine = None
    remote: Remote = None


@dataclass(frozen=True)
class Printing:
    """The format of a table on standard output, and the notices beside it."""

    json: Json = False
    csv: Csv = False
    markdown: Markdown = False
    quiet: Quiet = False
    no_color: NoColor = False


@dataclass(frozen=True)
class JsonPrinting:
    """Lines or JSON on standard output, and the notices beside them."""

    json: Json = False
    quiet: Quiet = False
    no_color: NoColor = False


@dataclass(frozen=True)
class Noticing:
    """The notices of a command that prints no table."""

    quiet: Quiet = False
    no_color: NoColor = False


@dataclass(frozen=True)
class LakeChoice:
    """The lake that a command is about, and the settings that may name it."""

    lake: LakeUri = None
    config: Config = None


def parsed_now(text: str | None) -> datetime:
    """Parse ``--now`` or POLYDOC_ANALYTICS_NOW; the present instant where neither is given."""
    from polydoc_analytics.model.periods import instant_of

    return instant_of(text or os.environ.get("POLYDOC_ANALYTICS_NOW"))


def one_of(name: str, value: str, valid: tuple[str, ...]) -> str:
    """Check a flag's value against the valid ones; raises UsageError with these."""
    if value not in valid:
        raise UsageError(f"unknown {name} '{value}'{nearest(value, valid)}; expected {', '.join(valid)}")
    return value


def configured(
    config: str | None,
    timezone: str | None = None,
    date_basis: str | None = None,
    views: str | None = None,
    engine: str | None = None,
    remote: str | None = None,
) -> Settings:
    """Read the settings and put the flags on top; whatever looks for settings from now on reads the same file."""
    in_file = settings(config)
    if config is not None:
        os.environ[CONFIG_VARIABLE] = config
    if remote is not None and (engine or in_file.engine) == "duckdb":
        raise UsageError("--remote goes with --engine spark; add that, or leave the remote out")
    return replace(
        in_file,
        timezone=timezone or in_file.timezone,
        date_basis=date_basis or in_file.date_basis,
        views=views or in_file.views,
        engine=engine or in_file.engine,
        remote=remote or in_file.remote,
    )

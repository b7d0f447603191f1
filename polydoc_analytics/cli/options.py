"""The flags that commands share, and what they mean together."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

import typer

from polydoc_analytics.cli.terminal import unguarded
from polydoc_analytics.config.settings import Settings, choose, settings
from polydoc_analytics.errors import UsageError, nearest

SOURCE_HELP = "A file, folder, glob or URI (s3:// gs:// az:// https://) of runs, or - for standard input."

Source = Annotated[list[str], typer.Argument(help=SOURCE_HELP, show_default=False)]
OneSource = Annotated[str, typer.Argument(help=SOURCE_HELP, show_default=False)]
InputFormat = Annotated[
    str | None,
    typer.Option("--input-format", help="ndjson, json, csv, parquet or arrow; by default found out."),
]
AssumeUtc = Annotated[bool, typer.Option("--assume-utc", help="Take times without an offset for UTC.")]
Partial = Annotated[
    bool, typer.Option("--partial", help="Take one page of several, or runs beside an error, for all of them.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 when any row is rejected.")]
Quarantine = Annotated[
    str | None,
    typer.Option("--quarantine", metavar="FILE", help="Write rejected rows as NDJSON, to mend and reload."),
]
Since = Annotated[
    str | None, typer.Option("--since", help="First local day (2026-10-01) or instant (2026-10-01T08:00Z).")
]
Until = Annotated[str | None, typer.Option("--until", help="Last local day, included, or instant, excluded.")]
Last = Annotated[str | None, typer.Option("--last", help="30d, 4w (local days including today) or 12h.")]
Period = Annotated[
    str | None,
    typer.Option("--period", help="today, last-week, this-month, …, or 2026-10, 2026-Q3, 2026-W45, 2026."),
]
Timezone = Annotated[str | None, typer.Option("--timezone", help="IANA zone of days, weeks and months; default UTC.")]
Account = Annotated[list[str] | None, typer.Option("--account", help="Only this account id; may be repeated.")]
LanguageTag = Annotated[
    list[str] | None,
    typer.Option("--language", help="Only this language, by exact tag such as pt-BR; repeatable."),
]
DateBasis = Annotated[
    str | None,
    typer.Option("--date-basis", help="created (default) or finished: the instant that dates a run."),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Of a lake: the figures as known as of a load (12), day (its end) or instant."),
]
Top = Annotated[int | None, typer.Option("--top", min=1, help="Only the first N rows.")]
Order = Annotated[
    str | None,
    typer.Option("--order", help="Column to order by; NAME:asc or NAME:desc, measures descend by default."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]
Views = Annotated[str | None, typer.Option("--views", metavar="FOLDER", help="A folder of your own views, NAME.sql.")]
Engine = Annotated[str | None, typer.Option("--engine", help="Who answers: duckdb (default), or spark, a cluster.")]
Remote = Annotated[
    str | None,
    typer.Option("--remote", metavar="sc://HOST:PORT", help="The cluster of engine spark, over Spark Connect."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on standard error but errors.")]
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Read settings from this TOML file.")]
Now = Annotated[str | None, typer.Option("--now", help="Take this instant for now, for reports that can be repeated.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colour; NO_COLOR does the same.")]


@dataclass(frozen=True)
class Output:
    """How a command prints: its format, whether it talks, colours, and how wide the terminal is."""

    format: str
    quiet: bool
    color: bool
    width: int = field(default=0)

    def say(self, text: str) -> None:
        """Say something to the person at the terminal, on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """Say something that must not be missed."""
        if not self.quiet:
            is_colored = self.color and sys.stderr.isatty()
            unguarded(sys.stderr).write("\x1b[33m" if is_colored else "")
            sys.stderr.write(text)
            unguarded(sys.stderr).write("\x1b[0m\n" if is_colored else "\n")


def output(json: bool, csv: bool, markdown: bool, quiet: bool, no_color: bool) -> Output:
    """Return how to print; raises UsageError where two formats are asked for."""
    formats = [name for name, wanted in (("json", json), ("csv", csv), ("markdown", markdown)) if wanted]
    if len(formats) > 1:
        raise UsageError(f"--{' and --'.join(formats)} contradict each other; give one of them")
    return Output(formats[0] if formats else "table", quiet, not no_color and not os.environ.get("NO_COLOR"), width())


def width() -> int:
    """Return how wide a table may be: COLUMNS, the terminal, or 120 where there is none."""
    import shutil

    return max(shutil.get_terminal_size((120, 24)).columns, 24)


def parsed_now(text: str | None) -> datetime:
    """Return the instant that ``--now`` (or POLYDOC_ANALYTICS_NOW) gives, else the present one."""
    from polydoc_analytics.model.periods import instant_of

    return instant_of(text or os.environ.get("POLYDOC_ANALYTICS_NOW"))


def one_of(name: str, value: str, valid: tuple[str, ...]) -> str:
    """Return a flag's value; raises UsageError with the valid ones where it is none of them."""
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
    """Return the settings with the flags on top; the file becomes that of all that looks for settings."""
    found = settings(config)
    choose(config)
    if remote is not None and (engine or found.engine) == "duckdb":
        raise UsageError("--remote goes with --engine spark; add that, or leave the remote out")
    return replace(
        found,
        timezone=timezone or found.timezone,
        date_basis=date_basis or found.date_basis,
        views=views or found.views,
        engine=engine or found.engine,
        remote=remote or found.remote,
    )


@contextmanager
def progress(out: Output) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what to call with bytes done and bytes in all; it draws a bar where someone watches long work."""
    if out.quiet or not sys.stderr.isatty():
        yield None
        return
    began = time.monotonic()
    bar: Any = None

    def update(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            if time.monotonic() - began < 0.7:
                return
            bar = _bar()
            bar.start()
            bar.add_task("reading", total=total or None)
        bar.update(bar.task_ids[0], completed=done)

    try:
        yield update
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress("{task.description}", *columns, console=Console(file=unguarded(sys.stderr)), transient=True)

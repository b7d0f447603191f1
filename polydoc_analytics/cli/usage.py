"""The command ``usage``: the usage table, with what was left out summed up under it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.root import command
from polydoc_analytics.cli.shared import as_of_text, connected, envelope, print_json, print_plain
from polydoc_analytics.errors import SumError, UsageError
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.views import EVERY

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.usage import UsageTable

_MAX_ROWS = 20
_MAX_PERIODS = 62
_MAX_SECTION_ROWS = 10
_PERIODS = {word: every for every, daily in EVERY.items() for word in (every, f"{every}s", daily)} | {"date": "day"}

By = Annotated[list[str] | None, typer.Option("--by", metavar="KEYS", help="account, language, or account,language.")]
Every = Annotated[str | None, typer.Option("--every", metavar="PERIOD", help="day, week or month.")]


@command()
def usage(
    source: opt.Source = None,
    *,
    choice: opt.Choice,
    reading: opt.StrictReading,
    answering: opt.Answering,
    printing: opt.Printing,
    by: By = None,
    every: Every = None,
    top: opt.Top = None,
    order: opt.Order = None,
) -> None:
    """Show who used how many tokens and credits, in which languages, how often it failed and how long it took.

    Without --by and --every: the total, then accounts and languages. Counts and sums are exact; percentiles are over
    Succeeded runs, in seconds; an en dash is an unknown figure.

    Example: polydoc-analytics usage exports/ --by account --period last-month --timezone Europe/Lisbon
    """
    from polydoc_analytics.query.usage import check_arguments

    out = opt.printing(printing)
    keys = _keys(by)
    check_arguments(keys, every, order)
    settings = opt.configured(
        reading.config, choice.timezone, choice.date_basis, None, answering.engine, answering.remote
    )
    with connected(source, out, settings, choice=choice, reading=reading, **settings.cluster) as db:
        try:
            _show_usage(db, out, keys, every, order, top)
        except SumError as error:
            # The figures of the other accounts are right all the same.
            with db.without(error.accounts) as rest:
                _show_usage(rest, out, keys, every, order, top)
            raise


def _keys(by: list[str] | None) -> tuple[str, ...]:
    """Parse ``--by``; a period there is answered with the flag that it belongs to."""
    keys = tuple(key.strip() for key in ",".join(by).split(",")) if by else ()
    for key in keys:
        if every := _PERIODS.get(key.lower()):
            raise UsageError(f"--by takes account and language; for each {every}: --every {every}")
    return keys


def _show_usage(
    db: Database,
    out: opt.Output,
    keys: Sequence[str],
    every: str | None,
    order: str | None,
    top: int | None,
) -> None:
    from polydoc_analytics.query.usage import usage_table

    is_table = out.format == "table"
    is_text = out.format in ("table", "markdown")
    if not keys and every is None and out.format == "json":
        _print_overview_json(db, order, top)
        return
    if not keys and every is None and is_text:
        _print_overview(db, out, top or _MAX_SECTION_ROWS, order)
        return
    if not keys and every is None:
        out.say("accounts and languages are left out of CSV; add --by account or --by language for them")
    max_rows = top or ((_MAX_PERIODS if every else _MAX_ROWS) if is_table else None)
    table = usage_table(db, by=keys, every=every, order=order, top=max_rows, with_others=is_table)
    if out.format == "json":
        print_json(envelope("usage", db, table.frame, truncated=table.truncated))
    elif is_table:
        _print_usage(db, table, out)
    else:
        print_plain(table.frame, out)


def _period_text(db: Database) -> str:
    """Format the interval of a table, in local days where it begins or ends with one."""
    from polydoc_analytics.model.timezones import zone

    def text(bound: datetime, *, is_end: bool) -> str:
        local = bound.astimezone(zone(db.timezone))
        if local.time() == time(0):
            return (local.date() - timedelta(days=is_end)).isoformat()
        return local.strftime("%Y-%m-%d %H:%M")

    since, until = db.interval.since, db.interval.until
    if since is None and until is None:
        return f"all runs, days in {db.timezone}"
    first = f"from {text(since, is_end=False)}" if since else ""
    last = f"to {text(until, is_end=True)}" if until else ""
    return f"{' '.join(part for part in (first, last) if part)}, {db.timezone}"


def _print_usage(db: Database, table: UsageTable, out: opt.Output) -> None:
    from polydoc_analytics import views as catalog
    from polydoc_analytics.cli.tables import terminal_table

    title = f"{catalog.view(table.view).title.split(':')[0]}, {_period_text(db)}{as_of_text(db)}"
    if without := db.filters.without_accounts:
        title += f", without {counted(len(without), 'account')}"
    last: list[dict[str, Any]] = []
    if table.keys:
        if table.others is not None:
            last.append({**table.others, table.keys[0]: f"others ({table.left_out:,})"})
        last.append({**table.total, table.keys[0]: "total"})
    keys = _key_columns(table.frame, table.keys)
    print(terminal_table(table.frame, title=title, width=out.width, keys=keys, last=last, is_usage=True))


def _key_columns(frame: pl.DataFrame, keys: Sequence[str]) -> list[str]:
    """List the keys, each with its column of names after it where a name is known."""
    from polydoc_analytics.views import NAME_COLUMNS

    columns: list[str] = []
    for key in keys:
        name = NAME_COLUMNS.get(key)
        columns += [key] if name is None or frame[name].null_count() == frame.height else [key, name]
    return columns


def _print_overview(db: Database, out: opt.Output, rows: int, order: str | None) -> None:
    from polydoc_analytics.query.usage import usage_table

    is_table = out.format == "table"
    tables = [
        usage_table(
            db,
            by=by,
            order=order if by else None,
            top=rows if by and is_table else None,
            with_others=is_table,
        )
        for by in ((), ("account",), ("language",))
    ]
    for at, table in enumerate(tables):
        if at:
            print()
        if is_table:
            _print_usage(db, table, out)
        else:
            print_plain(table.frame, out)


def _print_overview_json(db: Database, order: str | None, top: int | None) -> None:
    from polydoc_analytics.query.usage import usage_table

    total = usage_table(db)
    sections = {f"{key}s": usage_table(db, by=(key,), order=order, top=top) for key in ("account", "language")}
    is_truncated = any(table.truncated for table in sections.values())
    frames = {name: table.frame for name, table in sections.items()}
    print_json(envelope("usage", db, total.frame, truncated=is_truncated, sections=frames))

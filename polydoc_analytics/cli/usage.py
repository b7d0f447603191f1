"""The command ``usage``: the usage table, with what was left out summed up under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics import views as catalog
from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.completion import among, lists_of
from polydoc_analytics.cli.costs import Price, as_text, labels, price_of, rounded, with_cost
from polydoc_analytics.cli.output import Output, output_of
from polydoc_analytics.cli.root import command
from polydoc_analytics.cli.shared import as_of_text, connected, envelope, print_json, print_plain, with_short_accounts
from polydoc_analytics.errors import SumError, UsageError, nearest
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.views import EVERY, View

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.row_table import RowTable
    from polydoc_analytics.query.usage import UsageTable

_MAX_ROWS = 20
_MAX_PERIODS = 62
_MAX_SECTION_ROWS = 10
_PERIODS = {word: every for every, daily in EVERY.items() for word in (every, f"{every}s", daily)} | {"date": "day"}

By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="KEYS",
        help="account, language, or account,language.",
        autocompletion=lists_of("account", "language"),
    ),
]
Every = Annotated[
    str | None,
    typer.Option("--every", metavar="PERIOD", help="day, week or month.", autocompletion=among("day", "week", "month")),
]


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
    columns: opt.Columns = None,
    wide: opt.Wide = False,
) -> None:
    """Show who used how many tokens and credits, in which languages, how often it failed and how long it took.

    Without --by and --every: the total, then accounts and languages. Counts and sums are exact; percentiles are over
    Succeeded runs, in seconds; an en dash is an unknown figure.

    Example: polydoc-analytics usage exports/ --by account --period last-month --timezone Europe/Lisbon

    Example: polydoc-analytics usage exports/ --by account --every month --csv
    """
    from polydoc_analytics.query.usage import check_arguments

    out = output_of(printing)
    keys = _keys(by)
    view = check_arguments(keys, every, order)
    settings = opt.configured(
        reading.config, choice.timezone, choice.date_basis, None, answering.engine, answering.remote
    )
    look = _Look(price_of(settings), (), wide)
    look = replace(look, columns=_column_names(columns, catalog.view(view.name), look.price))
    with connected(source, out, settings, choice=choice, reading=reading, **settings.cluster) as db:
        try:
            _show_usage(db, out, look, keys, every, order, top)
        except SumError as error:
            # The figures of the other accounts are right all the same.
            with db.without(error.accounts) as rest:
                _show_usage(rest, out, look, keys, every, order, top)
            raise


@dataclass(frozen=True, slots=True)
class _Look:
    """How usage tables look: with a price, with some columns alone, or with all."""

    price: Price | None
    columns: tuple[str, ...]
    is_wide: bool

    def of(self, rows: RowTable, keys: Sequence[str]) -> RowTable:
        """Select the columns that are asked for, the keys first."""
        return rows.select([*keys, *(name for name in self.columns if name not in keys)]) if self.columns else rows


def _column_names(columns: str | None, view: View, price: Price | None) -> tuple[str, ...]:
    """Parse ``--columns``; raises UsageError with the nearest for a column that the view lacks."""
    known = [*view.columns, *(["cost"] if price else [])]
    names = [name.strip() for name in columns.split(",")] if columns else []
    for name in names:
        if name not in known:
            raise UsageError(f"unknown column '{name}'{nearest(name, known)}; expected {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def _keys(by: list[str] | None) -> tuple[str, ...]:
    """Parse ``--by``; a period there is answered with the flag that it belongs to."""
    keys = tuple(key.strip() for key in ",".join(by).split(",")) if by else ()
    for key in keys:
        if every := _PERIODS.get(key.lower()):
            raise UsageError(f"--by takes account and language; for each {every}: --every {every}")
    return keys


def _show_usage(
    db: Database,
    out: Output,
    look: _Look,
    keys: Sequence[str],
    every: str | None,
    order: str | None,
    top: int | None,
) -> None:
    is_table = out.format == "table"
    is_overview = not keys and every is None
    if is_overview and out.format == "json":
        _print_overview_json(db, look, order, top)
        return
    if is_overview and out.format in ("table", "markdown"):
        _print_overview(db, out, look, top or _MAX_SECTION_ROWS, order)
        return
    if is_overview:
        out.say("accounts and languages are left out of CSV; add --by account or --by language for them")
    max_rows = top or ((_MAX_PERIODS if every else _MAX_ROWS) if is_table else None)
    table = _table(db, look, by=keys, every=every, order=order, top=max_rows, with_others=is_table)
    if out.format == "json":
        rows = look.of(as_text(table.rows), table.keys)
        print_json(envelope("usage", db, rows, truncated=table.truncated))
    elif is_table:
        _print_usage(db, table, out, look)
    else:
        print_plain(look.of(table.rows, table.keys).frame(), out)


def _table(db: Database, look: _Look, **arguments: Any) -> UsageTable:
    from polydoc_analytics.query.usage import usage_table

    return with_cost(usage_table(db, **arguments), look.price)


def _period_text(db: Database) -> str:
    """Format the interval of a table, in local days where it begins or ends with one."""
    text = db.interval.text
    return f"{text}, {db.timezone}" if text else f"all runs, days in {db.timezone}"


def _print_usage(db: Database, table: UsageTable, out: Output, look: _Look) -> None:
    title = f"{catalog.view(table.view).title.split(':')[0]}, {_period_text(db)}{as_of_text(db)}"
    if without := db.filters.without_accounts:
        title += f", without {counted(len(without), 'account')}"
    table = rounded(table, look.price)
    last: list[dict[str, Any]] = []
    if table.keys:
        if table.others is not None:
            last.append({**table.others, table.keys[0]: f"others ({table.left_out:,})"})
        last.append({**table.total, table.keys[0]: "total"})
    rows = table.rows if look.is_wide else with_short_accounts(table.rows, db)
    keys = _key_columns(rows, table.keys)
    columns = look.columns or (tuple(rows.columns) if look.is_wide else ())
    more = "--wide, --json or --csv"
    shown = {"is_usage": True, "columns": columns, "labels": labels(look.price), "more": more}
    out.table(rows, title=title, keys=keys, last=last, **shown)


def _key_columns(rows: RowTable, keys: Sequence[str]) -> list[str]:
    """List the keys, each with its column of names after it where a name is known."""
    columns: list[str] = []
    for key in keys:
        name = catalog.NAME_COLUMNS.get(key)
        is_named = name in rows.columns and any(value is not None for value in rows[name])
        columns += [key, name] if name is not None and is_named else [key]
    return columns


def _print_overview(db: Database, out: Output, look: _Look, rows: int, order: str | None) -> None:
    is_table = out.format == "table"
    total = None
    for by in ((), ("account",), ("language",)):
        table = _table(
            db,
            look,
            by=by,
            order=order if by else None,
            top=rows if by and is_table else None,
            with_others=is_table,
            total=total,
        )
        total = table.total
        print(end="\n" if by else "")
        if is_table:
            _print_usage(db, table, out, look)
        else:
            print_plain(look.of(table.rows, table.keys).frame(), out)


def _print_overview_json(db: Database, look: _Look, order: str | None, top: int | None) -> None:
    total = _table(db, look)
    keys = ("account", "language")
    sections = {f"{key}s": _table(db, look, by=(key,), order=order, top=top, total=total.total) for key in keys}
    is_truncated = any(table.truncated for table in sections.values())
    shown = {name: look.of(as_text(table.rows), table.keys) for name, table in sections.items()}
    rows = look.of(as_text(total.rows), ())
    print_json(envelope("usage", db, rows, truncated=is_truncated, sections=shown))

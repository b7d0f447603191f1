"""Tables of usage: which columns of the usage views a report shows, and how rows become its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from polydoc_analytics.reports.builders.context import Context, is_small, records
from polydoc_analytics.reports.messages import N_
from polydoc_analytics.reports.model import Column, Kind, Scalar, Table
from polydoc_analytics.reports.money import Money, allotted
from polydoc_analytics.reports.money import total as sum_of

if TYPE_CHECKING:
    import polars as pl

TOP = 15
"""How many accounts or languages a table shows before it sums up the others."""

MEASURES = (
    Column("runs", N_("runs"), "count"),
    Column("failed_runs", N_("failed"), "count"),
    Column("failure_rate", "failure rate", "rate"),
    Column("failure_rate_low", "95% from", "rate"),
    Column("failure_rate_high", "to", "rate"),
    Column("is_small_sample", "note", "mark"),
    Column("credits", N_("credits"), "count"),
    Column("cost", N_("cost"), "money"),
    Column("input_tokens", N_("tokens in"), "count"),
    Column("output_tokens", N_("tokens out"), "count"),
    Column("p50_duration_s", N_("median s"), "seconds"),
    Column("p95_duration_s", "95th s", "seconds"),
    Column("succeeded_runs", "succeeded", "count", only_data=True),
    Column("running_runs", "running", "count", only_data=True),
    Column("runs_without_credits", N_("credits unknown"), "count", only_data=True),
    Column("runs_without_tokens", N_("tokens unknown"), "count", only_data=True),
    Column("credits_per_1k_tokens", "credits per 1k tokens", "ratio", only_data=True),
)
_BY_NAME = {column.name: column for column in MEASURES}
ADDITIVE = (
    "runs",
    "succeeded_runs",
    "failed_runs",
    "running_runs",
    "input_tokens",
    "output_tokens",
    "credits",
    "runs_without_credits",
    "runs_without_tokens",
)
_KEYS: dict[str, tuple[str, Kind]] = {
    "account_id": ("account", "text"),
    "language": (N_("language"), "text"),
    "period": (N_("period"), "day"),
}


_ACCOUNTS = ("account_name", "account_id")
_CODES = {"account_id": "account id", "language": N_("language code")}


def measures(context: Context, *names: str) -> tuple[Column, ...]:
    """Return some of MEASURES (all where none is named), without cost where there is no price."""
    chosen = [_BY_NAME[name] for name in names] if names else list(MEASURES)
    return tuple(column for column in chosen if column.kind != "money" or context.branding.currency)


def keys(context: Context, *names: str) -> tuple[Column, ...]:
    """Return the columns that name a row: accounts and languages by name, with ids and tags for the data formats."""
    columns: list[Column] = []
    for name in names:
        label, kind = _KEYS[name]
        if name == "period" or (name == "account_id" and not context.names):
            columns.append(Column(name, label, kind))
        else:
            columns += [Column(name.removesuffix("_id") + "_name", label, kind), Column(name, _CODES[name], kind, True)]
    return tuple(columns)


def table_row(
    context: Context, columns: Sequence[Column], usage: Mapping[str, Any], **given: Scalar
) -> tuple[Scalar, ...]:
    """Return one row of a usage view as the columns' values."""
    known: dict[str, Scalar] = {**usage}
    if "account_id" in usage:
        named = [column.name for column in columns if column.name in _ACCOUNTS and not column.only_data]
        known |= dict.fromkeys(named, context.account(str(usage["account_id"])))
    if "language" in usage:
        known["language_name"] = context.language(str(usage["language"]))
    known["is_small_sample"] = is_small(usage.get("failure_rate_low"), usage.get("failure_rate_high"))
    known["cost"] = context.money(usage.get("credits"))
    known |= given
    return tuple(known.get(column.name) for column in columns)


def ranked(
    context: Context,
    key: str,
    frame: pl.DataFrame,
    *,
    view: str,
    columns: Sequence[str] = (),
    order: str = "runs",
    top: int = TOP,
) -> Table:
    """Return accounts or languages by a measure, the others summed up from the runs, and the total."""
    from polydoc_analytics import views

    chosen = (*keys(context, key), *measures(context, *columns))
    ordered = frame.sort(order, key, descending=[True, False], nulls_last=True)
    others = None
    if ordered.height > top:
        rest = context.db.usage_of_the_rest(views.view(view), ordered.head(top))
        others = table_row(context, chosen, rest, **{chosen[0].name: f"others ({ordered.height - top:,})"})
    total = table_row(context, chosen, context.usage, **{chosen[0].name: "total"})
    rows = tuple(table_row(context, chosen, record) for record in records(ordered))
    noun = "accounts" if key == "account_id" else "languages"
    live = key.removesuffix("_id") if order == "runs" else ""
    return summed(context, Table(chosen, rows, top, others, total if rows else None, noun, live=live))


def summed(context: Context, table: Table, whole: Scalar = None) -> Table:
    """Round the amounts of money in a table so that they sum to its total, or to ``whole`` where it has none."""
    for at, column in enumerate(table.columns):
        total = whole if table.total is None else table.total[at]
        if column.kind == "money" and isinstance(total, Money):
            table = _with_lines_that_sum(
                table, at, allotted(_amounts(table, at), total.shown, context.branding.currency)
            )
    return table


def _amounts(table: Table, at: int) -> list[Money | None]:
    return [amount if isinstance(amount := row[at], Money) else None for row in table.rows]


def _with_lines_that_sum(table: Table, at: int, lines: Sequence[Money | None]) -> Table:
    def put(row: tuple[Scalar, ...], amount: Money | None) -> tuple[Scalar, ...]:
        return (*row[:at], amount, *row[at + 1 :])

    others = None if table.others is None else put(table.others, sum_of(lines[table.shown :]))
    return replace(table, rows=tuple(map(put, table.rows, lines)), others=others)


def with_sums(
    context: Context,
    columns: Sequence[Column],
    additive: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any],
    *,
    shown: int,
    noun: str,
) -> Table:
    """Table of rows of additive measures: rows not shown are summed up, ``usage`` is the total."""
    first = columns[0].name

    rest = additive[shown:]
    others = table_row(context, columns, _sums(rest), **{first: f"others ({len(rest):,})"}) if rest else None
    rows = tuple(table_row(context, columns, row) for row in additive)
    total = table_row(context, columns, usage, **{first: "total"}) if rows else None
    live = noun.removesuffix("s") if first == "period" else ""
    return summed(context, Table(tuple(columns), rows, shown, others, total, noun, live))


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum the additive measures; None where no row knows one."""
    known = {name: [row[name] for row in rows if row[name] is not None] for name in ADDITIVE}
    return {name: sum(values) if values else None for name, values in known.items()}


def plain(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Scalar]],
    *,
    shown: int = 100,
    noun: str = "rows",
    **more: Any,
) -> Table:
    """Return a table of rows as they are."""
    return Table(tuple(columns), tuple(tuple(row) for row in rows), shown, noun=noun, **more)

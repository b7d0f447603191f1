"""The statement: one account's usage for a period, for that account, with no data of any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import SumError, UsageError
from polydoc_analytics.reports.builders.context import NO_RUNS, Context, records, texts
from polydoc_analytics.reports.builders.tables import ADDITIVE, keys, measures, summed, table_row
from polydoc_analytics.reports.builders.time_series import after, chart_rows, peak, period_table, suitable
from polydoc_analytics.reports.charts import vega_lite
from polydoc_analytics.reports.formatting import display_text
from polydoc_analytics.reports.model import Chart, Column, Figure, Report, Section, SheetChart, Table
from polydoc_analytics.reports.money import total as sum_of

if TYPE_CHECKING:
    import polars as pl

_LISTED = 60
_BATCH_RUNS = 100_000
_DEFINITIONS = (
    "A run is the translation of one file into one language. It is counted once, however often it was exported.",
    "Credits are what was charged. A run whose credits are unknown is in no sum of credits; an en dash is an unknown "
    "figure, never 0.",
    "Tokens in and out are what was read and written. Durations run from creation to finish, of succeeded runs.",
    "The failure rate is the share of failed runs among finished ones, with its 95% interval (Wilson).",
)
_RUN = (
    Column("created_at", "created", "instant"),
    Column("id", "run", "text"),
    Column("language_name", "language", "text"),
    Column("status", "status", "text"),
    Column("credits", "credits", "count"),
    Column("cost", "cost", "money"),
    Column("input_tokens", "tokens in", "count"),
    Column("output_tokens", "tokens out", "count"),
    Column("duration_s", "seconds", "seconds"),
    Column("finished_at", "finished", "instant", only_data=True),
    Column("target_language", "language as sent", "text", only_data=True),
    Column("input_file_id", "input file", "text", only_data=True),
    Column("output_file_id", "output file", "text", only_data=True),
)


@dataclass(frozen=True)
class AccountData:
    """The data of a statement: one account's rows of the views."""

    account_id: str
    usage: Mapping[str, Any]
    days: Sequence[dict[str, Any]]
    languages: Sequence[dict[str, Any]]
    runs: Sequence[dict[str, Any]]


def statement(context: Context) -> Report:
    """Return the statement of the one account to which the views are confined; raises UsageError otherwise."""
    chosen = context.db.filters.accounts
    if len(chosen) != 1:
        raise UsageError(f"a statement is of one account, and {len(chosen)} are chosen; give one --account")
    usage = {**context.usage, "account_id": chosen[0]}
    data = next(account_data(context, chosen), AccountData(chosen[0], usage, (), (), ()))
    return statement_of(context, data)


def account_data(context: Context, accounts: Sequence[str]) -> Iterator[AccountData]:
    """Yield the data of accounts that have runs, in batches of accounts, to bound memory.

    Raises SumError at the end where a sum of some accounts does not fit; the others have been yielded then.
    """
    counted = context.db.sql("select account_id, runs from usage_by_account order by account_id")
    wanted = set(accounts)
    batches: list[list[str]] = [[]]
    size = 0
    for account_id, runs in counted.rows():
        if account_id not in wanted:
            continue
        if batches[-1] and size + runs > _BATCH_RUNS:
            batches.append([])
            size = 0
        batches[-1].append(account_id)
        size += runs
    failed: list[tuple[str, SumError]] = []
    for batch in filter(None, batches):
        try:
            yield from _batch(context, batch)
        except SumError:
            yield from _each(context, batch, failed)
    if failed:
        raise SumError(str(failed[0][1]), tuple(account for account, _ in failed))


def data_without_runs(context: Context, accounts: Sequence[str]) -> list[AccountData]:
    """Build the data of accounts without runs in the period: all counts and sums are 0."""
    if not accounts:
        return []
    with_runs = [account for (account,) in context.db.sql("select account_id from usage_by_account").rows()]
    with context.db.without(with_runs) as rest:
        usage = rest.view("usage").row(0, named=True)
    return [AccountData(account, {**usage, "account_id": account}, (), (), ()) for account in accounts]


def _each(context: Context, accounts: Sequence[str], failed: list[tuple[str, SumError]]) -> Iterator[AccountData]:
    """Yield the data of accounts one by one; those with a sum that does not fit are added to ``failed``."""
    for account in accounts:
        try:
            yield from list(_batch(context, [account]))
        except SumError as error:
            failed.append((account, error))


def _batch(context: Context, accounts: Sequence[str]) -> Iterator[AccountData]:
    where = f"where account_id in ({texts(accounts)})"
    select = context.db.sql
    additive = ", ".join(ADDITIVE)
    runs_columns = ", ".join(column.name for column in _RUN if column.name != "cost")
    usage = {row["account_id"]: row for row in records(select(f"select * from usage_by_account {where}"))}
    days = _parts(
        select(f"select account_id, period, is_partial, {additive} from usage_daily_by_account {where} order by period")
    )
    tongues = _parts(select(f"select * from usage_by_account_language {where} order by runs desc, language"))
    runs = _parts(select(f"select account_id, {runs_columns} from runs {where} order by created_at, id"))
    return (
        AccountData(account, usage[account], records(days[account]), records(tongues[account]), records(runs[account]))
        for account in accounts
    )


def _parts(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return a frame's rows by account, in their order."""
    parts = frame.partition_by("account_id", as_dict=True, include_key=False)
    return {str(key[0]): part for key, part in parts.items()}


def statement_of(context: Context, data: AccountData) -> Report:
    """Return the statement of an account from its own data alone."""
    # Its plain name: what tells it from other accounts' names is nothing to its reader.
    name = context.names.get(data.account_id) or data.account_id
    context = replace(context, names={data.account_id: name} if name != data.account_id else {})
    days = [{**row, "end": after(row["period"], "day")} for row in data.days]
    sections = [
        Section("key_figures", "Totals", figures=_figures(context, data.usage)),
        _by_day(context, days, data.usage),
        _by_language(context, data),
        _runs(context, data),
        Section("definitions", "Definitions", _DEFINITIONS),
    ]
    facts = (
        [] if name == data.account_id else [("Account", f"{display_text(name)}, id {display_text(data.account_id)}")]
    )
    title = f"Statement for {display_text(name)}"
    return context.report("statement", title, sections, facts=facts, only_account=data.account_id)


def _figures(context: Context, usage: Mapping[str, Any]) -> tuple[Figure, ...]:
    def unknown(name: str) -> str:
        return f"unknown for {context.counted(usage[name], 'finished run')}" if usage[name] else ""

    runs = f"{context.text(usage['succeeded_runs'], 'count')} succeeded, {context.text(usage['failed_runs'], 'count')}"
    runs += f" failed, {context.text(usage['running_runs'], 'count')} running"
    failed = ""
    if usage["credits"] is not None and usage["credits_on_failed_runs"] is not None:
        failed = f"of these {context.text(usage['credits_on_failed_runs'], 'count')} on failed runs"
    figures = [
        context.figure("runs", "Runs", usage["runs"], "count", note=runs),
        context.figure(
            "credits",
            "Credits",
            usage["credits"],
            "count",
            note="; ".join(filter(None, (failed, unknown("runs_without_credits")))),
        ),
    ]
    if context.branding.currency:
        figures.append(context.cost_figure(usage["credits"]))
    tokens = unknown("runs_without_tokens")
    figures.append(context.figure("input_tokens", "Tokens in", usage["input_tokens"], "count", note=tokens))
    figures.append(context.figure("output_tokens", "Tokens out", usage["output_tokens"], "count", note=tokens))
    return tuple(figures)


def _by_day(context: Context, days: list[dict[str, Any]], usage: Mapping[str, Any]) -> Section:
    table = period_table(context, days, "day", usage, shown=92)
    if not days:
        return Section("days", "Credits by day", (NO_RUNS,))
    every = suitable(days[0]["period"], days[-1]["period"])
    drawn = days if every == "day" else _coarser(days, every)
    rows = chart_rows(drawn, "credits")
    spec = vega_lite.usage_over_time(rows, every=every, measure="credits", label="credits")
    chart = Chart(
        "credits_over_time",
        f"Credits by {every}",
        peak(context, drawn, "credits", every),
        spec,
        sheet=SheetChart("column", "period", ("credits",), title="Credits by day"),
    )
    return Section("days", "Credits by day", charts=(chart,), table=table)


def _coarser(days: list[dict[str, Any]], every: str) -> list[dict[str, Any]]:
    """Return credits by week or month from those by day; unknown where no day knows them."""
    from datetime import timedelta

    sums: dict[Any, int | None] = {}
    for row in days:
        day = row["period"]
        first = day.replace(day=1) if every == "month" else day - timedelta(days=day.weekday())
        credits_ = sums.get(first)
        sums[first] = credits_ if row["credits"] is None else (credits_ or 0) + row["credits"]
    return [{"period": first, "end": after(first, every), "credits": value} for first, value in sums.items()]


def _by_language(context: Context, data: AccountData) -> Section:
    names = ("runs", "failed_runs", "credits", "cost", "input_tokens", "output_tokens", "p50_duration_s")
    columns = (*keys(context, "language"), *measures(context, *names))
    rows = tuple(table_row(context, columns, row) for row in data.languages)
    if not rows:
        return Section("languages", "Credits by language", (NO_RUNS,))
    total = table_row(context, columns, data.usage, **{columns[0].name: "total"})
    share = _most_credits(context, data.languages)
    table = summed(context, Table(columns, rows, len(rows), None, total, "languages"))
    return Section("languages", "By language", (share,), table=table)


def _most_credits(context: Context, languages: Sequence[Mapping[str, Any]]) -> str:
    known = [row for row in languages if row["credits"] is not None]
    if not known:
        return "No credits are known."
    if not any(row["credits"] for row in known):
        return "All known credits are 0."
    top = min(known, key=lambda row: (-row["credits"], row["language"]))
    name, credits_ = display_text(context.language(top["language"])), context.text(top["credits"], "count")
    return f"{'All known' if len(known) == 1 else 'Most'} credits went to {name}: {credits_}."


def _runs(context: Context, data: AccountData) -> Section:
    if not data.runs:
        return Section("runs", "Runs", (NO_RUNS,))
    columns = tuple(column for column in _RUN if column.kind != "money" or context.branding.currency)
    rows = tuple(table_row(context, columns, row) for row in data.runs)
    table = summed(context, Table(columns, rows, _LISTED, noun="runs"), context.money(data.usage["credits"]))
    text = f"{context.counted(len(rows), 'run')}, in the order in which they were created."
    return Section("runs", "Runs", (text,), table=table)


def index(context: Context, names: Mapping[str, str], unfit: SumError | None = None) -> Report:
    """Return the index of the statements of all accounts, for whoever sends them; ``names`` are their files' names.

    The accounts of ``unfit`` have no statement, and are left out; the index says so.
    """
    if unfit is None:
        return _index(context, names)
    without = context.counted(
        len(unfit.accounts), "account has no statement and is", "accounts have no statement and are"
    )
    with context.db.without(unfit.accounts) as rest:
        return _index(replace(context, db=rest), names, f"{without} left out here: {unfit}.")


def _index(context: Context, names: Mapping[str, str], *more: str) -> Report:
    columns = (
        *keys(context, "account_id"),
        *measures(context, "runs", "credits", "cost"),
        Column("file", "file", "text"),
    )
    frame = context.db.sql("select account_id, runs, credits from usage_by_account order by account_id")
    rows = tuple(table_row(context, columns, row, file=names[row["account_id"]]) for row in records(frame))
    # What is due is what the statements say, so the whole is their sum.
    due = sum_of([context.money(credits_) for credits_ in frame["credits"]])
    total = table_row(context, columns, context.usage, **{columns[0].name: "total"}, cost=due)
    text = f"{context.counted(len(rows), 'account has', 'accounts have')} runs in the period, and a statement each."
    table = Table(columns, rows, 1000, None, total if rows else None, "accounts")
    return context.report(
        "statements", "Index of statements", [Section("accounts", "Statements", (text, *more), table=table)]
    )

"""The statement: one account's usage for a period, to be signed off by that account, with no data of any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.reports.builders.context import NO_RUNS, Context
from polydoc_analytics.reports.builders.statement_data import AccountData, account_data, data_without_runs
from polydoc_analytics.reports.builders.tables import ADDITIVE, keys, measures, summed, table_row
from polydoc_analytics.reports.builders.time_series import after, chart_rows, peak, suitable
from polydoc_analytics.reports.charts import vega_lite
from polydoc_analytics.reports.customers import Customer
from polydoc_analytics.reports.formatting import ENGLISH_LOCALE, Formatter, display_text
from polydoc_analytics.reports.messages import N_
from polydoc_analytics.reports.model import (
    Chart,
    Column,
    Figure,
    Head,
    Kind,
    Report,
    Scalar,
    Section,
    SheetChart,
    Table,
)
from polydoc_analytics.reports.renderers.drawn import can_draw

LISTED = 5000
"""Number of runs that a statement lists; those of longer ones are in the workbook that comes with it."""
_MAX_DAYS = 3700
_MAX_NAME = 300
"""Characters of the name of whom a statement is for, which titles have the beginning of."""
_DEFINITIONS = (
    N_("A run is the translation of one file into one language. Each run is counted once."),
    N_("Credits are what a run was charged. Runs without known credits are counted, but are in no sum of credits."),
    N_("Tokens in and tokens out measure the text that was read and the text that was written."),
    N_("Seconds are the time from creation to finish; their median is over runs that succeeded."),
    N_("A dash is a figure that is not known. It does not mean 0."),
)
_RUN = (
    Column("created_at", N_("created"), "instant"),
    Column("id", N_("run"), "text"),
    Column("language_name", N_("language"), "text"),
    Column("status", N_("status"), "status"),
    Column("credits", N_("credits"), "count"),
    Column("cost", N_("cost"), "money"),
    Column("input_tokens", N_("tokens in"), "count"),
    Column("output_tokens", N_("tokens out"), "count"),
    Column("duration_s", N_("seconds"), "seconds"),
    Column("finished_at", N_("finished"), "instant", only_data=True),
    Column("target_language", N_("language as sent"), "text", only_data=True),
    Column("input_file_id", N_("input file"), "text", only_data=True),
    Column("output_file_id", N_("output file"), "text", only_data=True),
)
_EXTRA = (
    Column("input_file_id", N_("input file"), "text"),
    Column("created_at", N_("created"), "instant"),
    Column("language_name", N_("language"), "text"),
    Column("extra_successes", N_("extra successes"), "count"),
    Column("credits", N_("credits"), "count"),
    Column("cost", N_("cost"), "money"),
)
_LINES: tuple[tuple[str, str], ...] = (
    ("runs", N_("Runs")),
    ("succeeded_runs", N_("Succeeded runs")),
    ("failed_runs", N_("Failed runs")),
    ("running_runs", N_("Runs in progress")),
    ("credits", N_("Credits")),
    ("credits_on_failed_runs", N_("Credits on failed runs")),
    ("runs_without_credits", N_("Runs without known credits")),
    ("cost", N_("Cost at {price} per credit")),
    ("input_tokens", N_("Tokens in")),
    ("output_tokens", N_("Tokens out")),
    ("runs_without_tokens", N_("Runs without known tokens")),
)
_CREDITS_BY = {"day": N_("Credits by day"), "week": N_("Credits by week"), "month": N_("Credits by month")}


def statement(context: Context) -> Report:
    """Return the statement of the one account to which the views are confined; raises UsageError otherwise."""
    chosen = context.db.filters.accounts
    if len(chosen) != 1:
        raise UsageError(f"a statement is of one account, and {len(chosen)} are chosen; give one --account")
    data = next(account_data(context, chosen), None)
    return statement_of(context, data or data_without_runs(context, chosen)[0])


def statement_of(context: Context, data: AccountData, edition: int = 1) -> Report:
    """Return the statement of an account from its own data alone, in the language of its reader."""
    customer = context.customers.get(data.account_id, Customer())
    words = context.words.in_language_of(customer.locale or context.branding.locale)
    report = _statement(context, data, edition, words)
    if can_draw(words.language, context.branding.look.fonts):
        return report
    return replace(report, in_english=_statement(context, data, edition, words.in_language_of(ENGLISH_LOCALE)))


def _statement(context: Context, data: AccountData, edition: int, words: Formatter) -> Report:
    # Its plain name: what tells it from other accounts' names is nothing to its reader.
    name = context.names.get(data.account_id) or data.account_id
    context = replace(
        context,
        names={data.account_id: name} if name != data.account_id else {},
        words=words,
        labels=context.labels.in_language(words.language),
    )
    sections = [_totals(context, data), _by_day(context, data)]
    if data.days:
        sections += [_by_language(context, data), _runs(context, data)]
    sections += _extra_successes(context, data)
    sections.append(Section("definitions", context.say("Definitions"), tuple(map(context.say, _DEFINITIONS))))
    account = context.say("{name}, id {account_id}", name=display_text(name), account_id=display_text(data.account_id))
    return context.report(
        "statement",
        context.say("Usage statement for {name}", name=display_text(name)),
        sections,
        facts=[] if name == data.account_id else [(context.say("Account"), account)],
        only_account=data.account_id,
        slug=data.slug,
        head=_head(context, data, name, edition),
    )


def _head(context: Context, data: AccountData, name: str, edition: int) -> Head:
    brand, say = context.branding, context.say
    number = brand.number
    for place, value in (("period", context.slug), ("account", data.code), ("edition", str(edition))):
        number = number.replace(f"{{{place}}}", value)
    account = [display_text(name, _MAX_NAME), *context.customers.get(data.account_id, Customer()).lines]
    if name != data.account_id:
        account.insert(1, display_text(data.account_id))
    facts = (
        (say("Account"), "\n".join(account)),
        (say("Number"), number),
        (say("Issue date"), context.words.day(local(context.made_at, zone(context.db.timezone)).date())),
        (say("Period"), context.period_text(context.db.interval)),
        (say("Time zone"), context.db.timezone),
    )
    notice = say("This is not an invoice.") if brand.notice is None else brand.notice
    return Head(brand.issuer, facts, notice)


def _totals(context: Context, data: AccountData) -> Section:
    texts = []
    if data.before is not None:
        texts.append(context.say("Previous period: {period}.", period=context.period_text(data.before.interval)))
    if data.year is not None:
        texts.append(context.say("Year to date: {period}.", period=context.period_text(data.year.interval)))
    return Section("key_figures", context.say("Totals"), tuple(texts), tuple(_figures(context, data)), is_list=True)


def _figures(context: Context, data: AccountData) -> Iterator[Figure]:
    """Yield the lines of the totals; those on runs in progress and without known tokens only where there are any."""
    before, year = (None if other is None else other.usage for other in (data.before, data.year))
    for name, label in _LINES:
        if name == "cost" and not context.branding.currency:
            continue
        price = (
            "" if context.branding.price_per_credit is None else context.words.price(context.branding.price_per_credit)
        )
        now, then, to_date = (_total(context, usage, name) for usage in (data.usage, before, year))
        if name in ("running_runs", "runs_without_tokens") and not (now or then or to_date):
            continue
        kind: Kind = "money" if name == "cost" else "count"
        figure = context.figure(name, context.say(label, price=price), now, kind, then)
        yield figure if year is None else replace(figure, year=context.value(to_date, kind))


def _total(context: Context, usage: Mapping[str, Any] | None, name: str) -> Scalar:
    if usage is None:
        return None
    return context.money(usage["credits"]) if name == "cost" else usage[name]


def _by_day(context: Context, data: AccountData) -> Section:
    title = context.say("Credits by day")
    if not data.days:
        return Section("days", title, (context.say(NO_RUNS),))
    days = _all_days(context, data.days)
    every = suitable(days[0]["period"], days[-1]["period"])
    drawn = days if every == "day" else _coarser(days, every)
    spec = vega_lite.usage_over_time(
        chart_rows(drawn, "credits"),
        every=every,
        measure="credits",
        label=context.say("credits"),
        words=context.words,
    )
    chart = Chart(
        "credits_over_time",
        context.say(_CREDITS_BY[every]),
        peak(context, drawn, "credits", every),
        spec,
        sheet=SheetChart("column", "period", ("credits",), title=context.say("Credits by day")),
    )
    columns = (
        *keys(context, "period"),
        Column("is_partial", N_("cut"), "yes", only_data=True),
        *measures(context, "runs", "failed_runs", "credits", "cost", "input_tokens", "output_tokens"),
        *measures(context, "runs_without_credits", "runs_without_tokens"),
    )
    table = _table(context, columns, days, data.usage)
    return Section("days", title, charts=(chart,), table=table)


def _all_days(context: Context, days: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every day of the period up to now, with zeros where the account has no runs, and the first day after it.

    Without a beginning or an end, the period is from the first or to the last day that has runs.
    """
    interval, by_day = context.db.interval, {row["period"]: row for row in days}
    tz = zone(interval.timezone)
    first, last = min(by_day), max(by_day)
    if interval.since is not None:
        first = min(first, local(interval.since, tz).date())
    if interval.until is not None:
        end = min(interval.until - timedelta(microseconds=1), context.made_at)
        last = max(last, local(end, tz).date())
    count = (last - first).days + 1
    every = [first + timedelta(days=at) for at in range(count)] if count <= _MAX_DAYS else sorted(by_day)
    whole = (interval.first_whole_day or date.min, interval.end_of_whole_days or date.max)
    nothing = dict.fromkeys(ADDITIVE, 0)
    rows = (
        by_day.get(day) or {"period": day, "is_partial": not whole[0] <= day < whole[1], **nothing} for day in every
    )
    return [{**row, "end": after(row["period"], "day")} for row in rows]


def _coarser(days: Sequence[dict[str, Any]], every: str) -> list[dict[str, Any]]:
    """Return credits by week or month from those by day; unknown where there are runs and no day knows them."""
    parts: dict[date, list[dict[str, Any]]] = {}
    for row in days:
        day = row["period"]
        first = day.replace(day=1) if every == "month" else day - timedelta(days=day.weekday())
        parts.setdefault(first, []).append(row)
    return [{"period": first, "end": after(first, every), "credits": _credits(part)} for first, part in parts.items()]


def _credits(days: Sequence[Mapping[str, Any]]) -> int | None:
    known = [row["credits"] for row in days if row["runs"] and row["credits"] is not None]
    return sum(known) if known or not any(row["runs"] for row in days) else None


def _by_language(context: Context, data: AccountData) -> Section:
    title = context.say("By language")
    names = ("runs", "failed_runs", "credits", "cost", "input_tokens", "output_tokens", "p50_duration_s")
    columns = (*keys(context, "language"), *measures(context, *names))
    table = _table(context, columns, data.languages, data.usage)
    return Section("languages", title, tuple(filter(None, [_most_credits(context, data.languages)])), table=table)


def _most_credits(context: Context, languages: Sequence[Mapping[str, Any]]) -> str:
    """Sentence on the language with most credits; empty where several have as many."""
    known = [row for row in languages if row["credits"] is not None]
    if not known:
        return context.say("No credits are known.")
    if not any(row["credits"] for row in known):
        return context.say("All known credits are 0.")
    top, *others = sorted(known, key=lambda row: -row["credits"])
    if others and others[0]["credits"] == top["credits"]:
        return ""
    message = (
        N_("All known credits went to {language}: {credits}.")
        if len(known) == 1
        else N_("Most credits went to {language}: {credits}.")
    )
    language, credits_ = display_text(context.language(top["language"])), context.text(top["credits"], "count")
    return context.say(message, language=language, credits=credits_)


def _runs(context: Context, data: AccountData) -> Section:
    title = context.say("Runs")
    columns = tuple(column for column in _RUN if column.kind != "money" or context.branding.currency)
    text = context.words.ngettext(
        "{count} run, in the order of creation.", "{count} runs, in the order of creation.", len(data.runs)
    )
    rest = context.say(
        "The first {shown} of {count} runs; all of them are in the workbook that comes with this statement.",
        shown=context.text(LISTED, "count"),
        count=context.text(len(data.runs), "count"),
    )
    rows = tuple(table_row(context, columns, row) for row in data.runs)
    table = Table(_headed(context, columns), rows, LISTED, rest=rest)
    return Section("runs", title, (text,), table=summed(context, table, context.money(data.usage["credits"])))


def _extra_successes(context: Context, data: AccountData) -> list[Section]:
    """List the requests that succeeded, and were charged, more than once; no section where there are none."""
    if not data.extra:
        return []
    columns = tuple(column for column in _EXTRA if column.kind != "money" or context.branding.currency)
    text = context.say(
        "Files that were submitted again before they were ready, and succeeded more than once. The credits of the runs "
        "beyond the first are in the totals."
    )
    known = [row["credits"] for row in data.extra if row["credits"] is not None]
    whole = {
        "extra_successes": sum(row["extra_successes"] for row in data.extra),
        "credits": sum(known) if known else None,
    }
    table = _table(context, columns, data.extra, whole)
    return [Section("extra_successes", context.say("Extra successes"), (text,), table=table)]


def _table(
    context: Context, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], usage: Mapping[str, Any]
) -> Table:
    """Build a table that shows all its rows, and their total."""
    lines = tuple(table_row(context, columns, row) for row in rows)
    total = table_row(context, columns, usage, **{columns[0].name: context.say("total")})
    return summed(context, Table(_headed(context, columns), lines, len(lines), None, total))


def _headed(context: Context, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return columns with their labels in the language of the report."""
    return tuple(replace(column, label=context.say(column.label)) for column in columns)

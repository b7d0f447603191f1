"""The overview of a period for operations: key figures, trends, accounts, languages, failures, durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polydoc_analytics.reports.builders.context import Context, is_small, records
from polydoc_analytics.reports.builders.cube import IN_CUBE, cells, cube, runs_of_languages, runs_of_pairs
from polydoc_analytics.reports.builders.data_quality import coverage, running_too_long, soft_rules
from polydoc_analytics.reports.builders.durations import duration_chart, statuses
from polydoc_analytics.reports.builders.failures import failure_chart, risen, worst
from polydoc_analytics.reports.builders.heatmap import heat_charts
from polydoc_analytics.reports.builders.missing_values import FIELDS, Known, missing_counts, reason
from polydoc_analytics.reports.builders.questions import outlook_section, requests_section
from polydoc_analytics.reports.builders.tables import TOP, measures, plain, ranked
from polydoc_analytics.reports.builders.time_series import (
    by_period,
    period_table,
    runs_by_language,
    suitable,
    time_charts,
)
from polydoc_analytics.reports.builders.top_changes import changes
from polydoc_analytics.reports.charts import category_charts, vega_lite
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Chart, Column, Figure, Report, Section, SheetChart, Table

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.database import Database

_MULTIPLES = 8
_IN_MULTIPLES = 22
_HEAT = 8
_MAX_OTHERS = 2
"""How many times the runs of the first bar those of the others may have, to have a bar too."""


def overview(context: Context) -> Report:
    """Return the overview of a period."""
    db = context.db
    accounts, languages = db.view("usage_by_account"), db.view("usage_by_language")
    ids = accounts.sort("runs", "account_id", descending=[True, False])["account_id"].to_list()
    tags = languages.sort("runs", "language", descending=[True, False])["language"].to_list()
    frame = cells(context, ids, tags)
    if not frame.height:
        return _without_runs(context)
    every = suitable(frame["day"][0], frame["day"][-1])
    periods = by_period(db, every)
    with ExitStack() as stack:
        compared = context.compared()
        for db_ in compared or ():
            stack.enter_context(db_)
        before = None if compared is None else Compared.of(*compared)
        sections = [
            Section("key_figures", "Key figures", (context.comparison_text(),), key_figures(context, before)),
            *outlook_section(context),
            *requests_section(context),
            _over_time(context, periods, every),
            _accounts(context, accounts),
            *_languages(context, frame, ids, tags, languages, every),
            _durations(context),
        ]
        if compared is not None and before is not None:
            sections.append(changes(context, *compared, before.known))
    sections += [running_too_long(context), coverage(context), soft_rules(context, only_concerned=True)]
    return context.report("overview", "Usage overview", sections, cube=cube(context, frame, ids, tags))


def _without_runs(context: Context) -> Report:
    """Return the overview of a period without runs: that it has none, and what the one before had."""
    before = None
    if (compared := context.compared()) is not None:
        with compared[0] as now, compared[1] as then:
            before = Compared.of(now, then)
    is_empty = before is None or not before.measures["runs"][1]
    text = () if is_empty else (context.comparison_text(),)
    figures = tuple(replace(figure, note="") for figure in key_figures(context, None if is_empty else before))
    section = Section("key_figures", "Key figures", (*text, context.nothing()), figures, is_empty=is_empty)
    return context.report("overview", "Usage overview", [section])


@dataclass(frozen=True)
class Compared:
    """Measures of the period (to date) and of the one before, by name, and the counts of missing values in each."""

    measures: Mapping[str, tuple[Any, Any]]
    known: tuple[Known, Known]

    @classmethod
    def of(cls, now: Database, before: Database) -> Compared:
        """Read the measures of two periods."""
        current, earlier = (db.view("usage").row(0, named=True) for db in (now, before))
        return cls(
            {name: (current[name], earlier[name]) for name in current}, (missing_counts(now), missing_counts(before))
        )


def key_figures(context: Context, compared: Compared | None) -> tuple[Figure, ...]:
    """Return runs, failure rate, credits, tokens and durations, with their changes where there is a comparison."""
    usage = context.usage

    def of(name: str, label: str, kind: Any, note: str = "", **more: Any) -> Figure:
        figure = context.figure(name, label, usage[name], kind, note=note, **more)
        if compared is None:
            return figure
        now, then = compared.measures[name]
        why = reason(context, name, *compared.known) if name in FIELDS else ""
        if why:
            note = "; ".join(filter(None, (note, why)))
            return replace(figure, before=context.value(then, kind), change=context.value(None, "change"), note=note)
        if now is None or then is None:
            return figure
        change = context.figure(name, label, now, kind, then)
        return replace(figure, before=change.before, change=change.change)

    rate = ""
    if usage["failure_rate"] is not None:
        low, high = usage["failure_rate_low"], usage["failure_rate_high"]
        rate = f"95% interval {context.text(low, 'rate')} to {context.text(high, 'rate')}"
        rate += "; small sample" if is_small(low, high) else ""
    running = f"{context.text(usage['running_runs'], 'count')} still running"
    figures = [
        of("runs", "Runs", "count", note=running, measure="runs"),
        of("failure_rate", "Failure rate", "rate", note=rate, measure="failure_rate"),
        of("credits", "Credits", "count", note=_unknown(context, "runs_without_credits"), measure="credits"),
        of("input_tokens", "Tokens in", "count", note=_unknown(context, "runs_without_tokens"), measure="input_tokens"),
        of("output_tokens", "Tokens out", "count", note="", measure="output_tokens"),
        of("p50_duration_s", "Median duration", "seconds", unit="s", note="of succeeded runs"),
        of("p95_duration_s", "95th percentile", "seconds", unit="s", note="of succeeded runs"),
    ]
    if context.branding.currency:
        figures.insert(3, context.cost_figure(usage["credits"]))
    return tuple(figures)


def _over_time(context: Context, periods: list[dict[str, Any]], every: str) -> Section:
    table = period_table(context, periods, every, context.usage)
    return Section("usage_over_time", "Usage over time", charts=time_charts(context, periods, every), table=table)


def _unknown(context: Context, name: str) -> str:
    count = context.usage[name]
    return f"unknown for {context.counted(count, 'finished run')}" if count else "known for every finished run"


def _accounts(context: Context, frame: pl.DataFrame) -> Section:
    table = ranked(context, "account_id", frame, view="usage_by_account")
    chart = ranking_chart(context, table, "account")
    return Section("accounts", "Accounts", charts=(chart,), table=table)


def ranking_chart(context: Context, table: Table, key: str) -> Chart:
    """Return bars of runs for the rows that a table shows, and for the others; the sentence says how they share.

    Others that have far more runs than any row get no bar: it would leave those of the rows no room.
    """
    names = [column.name for column in table.columns]
    at, keyed = names.index("runs"), names.index("account_id" if key == "account" else "language")
    label = context.labels.account if key == "account" else context.labels.language
    runs = [int(str(row[at])) for row in table.rows]
    others = None if sum(runs[table.shown :]) > _MAX_OTHERS * runs[0] else table.others
    drawn = [*table.rows[: table.shown], *([others] if others else [])]
    labels = [label(str(row[keyed]), IN_CHARTS) for row in table.rows[: table.shown]]
    labels += [str(others[0])] if others else []
    rows = [
        {"label": name, "runs": row[at], "text": context.text(row[at], "count")}
        for name, row in zip(labels, drawn, strict=True)
    ]
    return Chart(
        f"runs_by_{key}",
        f"Runs by {key}",
        _share(context, runs, labels, key) + ("" if others or not table.others else _unseen(context, runs, table, key)),
        category_charts.bars(rows, key=key, measure="runs", label="runs"),
        live=key,
        sheet=SheetChart("bar", table.columns[0].name, ("runs",)),
    )


def _unseen(context: Context, runs: Sequence[int], table: Table, key: str) -> str:
    """Sentence on the others where they have no bar."""
    rest = runs[table.shown :]
    share = context.text(sum(rest) / sum(runs), "rate")
    return f" The other {context.counted(len(rest), key)}, without a bar, have {share}."


def _share(context: Context, runs: Sequence[int], labels: Sequence[str], key: str) -> str:
    total = sum(runs)
    if total == 1:
        return f"The one run is of the {key} {labels[0]}."
    if len(runs) == 1:
        return f"All runs are of one {key}, {labels[0]}."
    text = f"{labels[0]} has {context.text(runs[0] / total, 'rate')} of all runs"
    if len(runs) > 4:
        top = context.text(sum(runs[:3]) / total, "rate")
        text += f"; the first three of {context.counted(len(runs), key)} have {top}"
    return text + "."


def _languages(
    context: Context, frame: pl.DataFrame, ids: list[str], tags: list[str], languages: pl.DataFrame, every: str
) -> list[Section]:
    table = ranked(context, "language", languages, view="usage_by_language")
    by_runs = records(languages.sort("runs", "language", descending=[True, False]))
    pairs = runs_of_pairs(frame, ids[:_HEAT], tags[:_HEAT])
    charts = [ranking_chart(context, table, "language")]
    charts += heat_charts(context, pairs, ids[:_HEAT], tags[:_HEAT])
    charts += multiples(context, tags, runs_of_languages(frame, tags[:_MULTIPLES], every), every)
    section = Section("languages", "Languages", charts=tuple(charts), table=table)
    return [section, failures_section(context, by_runs, runs_by_language(context.db, "week"))]


def failures_section(context: Context, by_runs: list[dict[str, Any]], weeks: list[dict[str, Any]]) -> Section:
    """Return the section on failures: where they rose, and the rates of languages."""
    if context.usage["failure_rate"] is None:
        return Section("failures", "Failures", (worst(context, by_runs),))
    text = (risen(context, weeks),) if len({row["period"] for row in weeks}) > 1 else ()
    charts = (failure_chart(context, by_runs),)
    return Section("failures", "Failures", text, charts=charts, table=failures_table(context, by_runs))


def multiples(context: Context, tags: list[str], counted: list[dict[str, Any]], every: str) -> list[Chart]:
    """Return small multiples of runs over time for the languages with most runs, where there are several of both.

    ``tags`` have the language with most runs first, ``counted`` the runs of each period and language.
    """
    chosen = tags[:_MULTIPLES]
    rows = [row for row in counted if row["language"] in chosen]
    periods = sorted({row["period"] for row in rows})
    if len(chosen) < 2 or len(periods) < 3:
        return []
    labels = {tag: context.labels.language(tag, _IN_MULTIPLES) for tag in chosen}
    runs = {(row["language"], row["period"]): row["runs"] for row in rows}
    filled = [
        {"label": labels[tag], "period": str(period), "runs": runs.get((tag, period), 0)}
        for tag in chosen
        for period in periods
    ]
    about = f"Runs by {every} of the {len(chosen)} languages with most runs, all on one scale."
    spec = vega_lite.small_multiples(filled, every=every, order=[labels[tag] for tag in chosen])
    return [Chart("language_trends", "Languages over time", about, spec, is_fluid=False)]


def failures_table(context: Context, by_runs: list[dict[str, Any]]) -> Table | None:
    """Return a table of the languages in which runs failed, the surest to fail first; None where none did."""
    columns = (
        Column("language", "language", "text"),
        *measures(context, "failed_runs"),
        Column("finished_runs", "finished", "count"),
        *measures(context, "failure_rate", "failure_rate_low", "failure_rate_high", "is_small_sample"),
        Column("credits_on_failed_runs", "credits on failed runs", "count"),
    )
    failed = [(place, row) for place, row in enumerate(by_runs) if row["failed_runs"]]
    failed.sort(key=lambda one: (-one[1]["failure_rate_low"], one[1]["language"]))
    rows = []
    for _, row in failed:
        known = {
            **row,
            "language": context.language(row["language"]),
            "finished_runs": row["succeeded_runs"] + row["failed_runs"],
            "is_small_sample": is_small(row["failure_rate_low"], row["failure_rate_high"]),
        }
        rows.append(tuple(known[column.name] for column in columns))
    if not rows:
        return None
    places = tuple(place for place, _ in failed)
    # A language that the cube has among the others alone has no row of its own there.
    live = {"live": "language", "places": places} if max(places) < IN_CUBE else {}
    return plain(columns, rows, shown=TOP, noun="languages", **live)


def _durations(context: Context) -> Section:
    columns = (
        Column("status", "status", "text"),
        Column("runs", "runs", "count"),
        Column("mean_duration_s", "mean s", "seconds"),
        Column("min_duration_s", "shortest s", "seconds"),
        Column("p50_duration_s", "median s", "seconds"),
        Column("p90_duration_s", "90th s", "seconds"),
        Column("p95_duration_s", "95th s", "seconds"),
        Column("p99_duration_s", "99th s", "seconds"),
        Column("max_duration_s", "longest s", "seconds"),
    )
    rows = [tuple(row[column.name] for column in columns) for row in statuses(context.db)]
    notes = ("Percentiles are exact, with linear interpolation; none is averaged.",)
    if not rows:
        return Section("durations", "Durations", ("No run has finished with a known finishing time.",))
    charts = (duration_chart(context),) if context.usage["p50_duration_s"] is not None else ()
    return Section("durations", "Durations", charts=charts, table=plain(columns, rows, noun="statuses"), notes=notes)

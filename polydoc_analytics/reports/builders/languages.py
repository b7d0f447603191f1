"""Languages: of each its volume, failures, durations, how much text grows in it, and what its tokens cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.builders.durations import duration_chart, ranges
from polydoc_analytics.reports.builders.overview import failures_section, multiples, ranking_chart
from polydoc_analytics.reports.builders.tables import TOP, keys, ranked, table_row
from polydoc_analytics.reports.builders.time_series import runs_by_language, span, suitable
from polydoc_analytics.reports.charts import category_charts
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Chart, Column, Report, Section, Table

_DURATIONS = (
    Column("succeeded_runs", "succeeded", "count"),
    Column("mean_duration_s", "mean s", "seconds"),
    Column("p50_duration_s", "median s", "seconds"),
    Column("p90_duration_s", "90th s", "seconds"),
    Column("p95_duration_s", "95th s", "seconds"),
    Column("p99_duration_s", "99th s", "seconds"),
    Column("max_duration_s", "longest s", "seconds"),
)
_RATIOS = (
    Column("ratio_runs", "runs that know", "count"),
    Column("expansion", "output ÷ input", "ratio"),
    Column("credits_per_1k_tokens", "credits per 1k tokens", "ratio"),
    Column("credits", "credits", "count"),
    Column("total_tokens", "tokens", "count"),
)


def languages(context: Context) -> Report:
    """Return the report on languages."""
    db = context.db
    frame = db.view("usage_by_language")
    by_runs = records(frame.sort("runs", "language", descending=[True, False]))
    days = span(db)
    if days is None:
        return context.report("languages", "Languages", [Section("volume", "Volume", (context.nothing(),))])
    every, tags = suitable(*days), [row["language"] for row in by_runs]
    volume = ranked(context, "language", frame, view="usage_by_language", top=40)
    weeks = runs_by_language(db, "week")
    periods = weeks if every == "week" else runs_by_language(db, every)
    sections = [
        Section(
            "volume",
            "Volume",
            charts=(ranking_chart(context, volume, "language"), *multiples(context, tags, periods, every)),
            table=volume,
        ),
        failures_section(context, by_runs, weeks),
        _durations(context, by_runs),
        _expansion(context, by_runs),
    ]
    return context.report("languages", "Languages", sections)


def _whichever(labels: Sequence[str]) -> str:
    """Name one language, or several of which the same is true."""
    return labels[0] if len(labels) == 1 else f"Each of the {len(labels)} languages with most runs"


def _durations(context: Context, by_runs: list[dict[str, Any]]) -> Section:
    timed = [row for row in by_runs if row["p50_duration_s"] is not None]
    if not timed:
        return Section("durations", "Durations", ("No run has succeeded with a known finishing time.",))
    columns = (*keys(context, "language"), *_DURATIONS)
    rows = tuple(table_row(context, columns, row) for row in timed)
    total = table_row(context, columns, context.usage, **{columns[0].name: "total"})
    drawn = ranges(context, timed[:TOP])
    slow, fast = drawn[0], drawn[-1]
    slowest, fastest = (context.text(row["p50"], "seconds") for row in (slow, fast))
    about = f"Among the languages with most runs {slow['label']} is slowest by the median, {slowest} s; "
    about += f"{fast['label']} is fastest, {fastest} s."
    if slowest == fastest:
        about = f"{_whichever([row['label'] for row in drawn])} has a median of {slowest} s."
    chart = Chart(
        "duration_ranges", "Median and 95th percentile, by language", about, category_charts.duration_ranges(drawn)
    )
    table = Table(columns, rows, 40, None, total, "languages")
    return Section("durations", "Durations", charts=(duration_chart(context), chart), table=table)


def _expansion(context: Context, by_runs: list[dict[str, Any]]) -> Section:
    """Return output ÷ input tokens over succeeded runs that know both, and credits per 1,000 tokens."""
    measured = """
            count(*) as ratio_runs,
            cast(sum(output_tokens) as double) / nullif(sum(input_tokens), 0) as expansion
        from run_facts_with_language
        where status = 'Succeeded' and input_tokens is not null and output_tokens is not null"""
    ratios = {
        row["language"]: row for row in records(context.db.fetch(f"select language, {measured} group by language"))
    }
    whole = context.db.fetch(f"select {measured}").row(0, named=True)
    columns = (*keys(context, "language"), *_RATIOS)
    none = {"ratio_runs": 0, "expansion": None}
    rows = [{**row, **(ratios.get(row["language"]) or none)} for row in by_runs]
    table = Table(
        columns,
        tuple(table_row(context, columns, row) for row in rows),
        40,
        None,
        table_row(context, columns, {**context.usage, **whole}, **{columns[0].name: "total"}),
        "languages",
    )
    text = "The expansion ratio is output ÷ input tokens, over succeeded runs that know both."
    known = [row for row in rows[:TOP] if row["expansion"] is not None]
    if not known:
        return Section("expansion", "Expansion and price", (text,), table=table)
    known.sort(key=lambda row: (-row["expansion"], row["language"]))
    labels = [context.labels.language(row["language"], IN_CHARTS) for row in known]
    bars = [
        {"label": label, "expansion": row["expansion"], "text": context.text(row["expansion"], "ratio")}
        for label, row in zip(labels, known, strict=True)
    ]
    most, least = bars[0]["text"], bars[-1]["text"]
    about = f"Text grows most in {labels[0]} ({most} tokens out for each token in) and least in {labels[-1]} ({least})."
    if most == least:
        about = f"{_whichever(labels)} has {most} tokens out for each token in."
    spec = category_charts.bars(bars, key="language", measure="expansion", label="output ÷ input")
    chart = Chart("expansion", "Expansion ratio of the languages with most runs", about, spec)
    return Section("expansion", "Expansion and price", (text,), charts=(chart,), table=table)

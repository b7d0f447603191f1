"""Sections on data quality: runs Running for too long, coverage, soft rules."""

from __future__ import annotations

from polydoc_analytics.model.epoch import to_us
from polydoc_analytics.model.plurals import noun
from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.model import Column, Section, Table

_TOO_LONG_S = 3600
_LISTED = 500
_FIELDS = {
    "finished_at": "finishing time",
    "credits": "credits",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "output_file_id": "output file",
}


def running_too_long(context: Context) -> Section:
    """Return the section on runs that have been Running for over an hour when the report is made."""
    us = to_us(context.made_at)
    where = f"status = 'Running' and epoch_us(created_at) < {us - _TOO_LONG_S * 1_000_000}"
    [(count,)] = context.db.fetch(f"select count(*) from run_facts where {where}").rows()
    rows = records(
        context.db.fetch(f"""
            select id, account_id, language, created_at, ({us} - epoch_us(created_at)) / 3600000000.0 as age_h
            from run_facts_with_language
            where {where}
            order by created_at, id
            limit {_LISTED}""")
    )
    columns = (
        Column("id", "run", "text"),
        Column("account", "account", "text"),
        Column("language", "language", "text"),
        Column("created_at", "created", "instant"),
        Column("age_h", "running for", "hours"),
    )
    table = tuple(
        (
            row["id"],
            context.account(row["account_id"]),
            context.language(row["language"]),
            row["created_at"],
            row["age_h"],
        )
        for row in rows
    )
    if not count:
        text = "No run has been Running for over an hour."
    elif count == 1:
        text = "One run has been Running for over an hour; it may never finish."
    else:
        text = f"{context.text(count, 'count')} runs have been Running for over an hour; they may never finish."
    if count > _LISTED:
        text += f" The {_LISTED} oldest are listed."
    return Section(
        "running_too_long",
        "Running for too long",
        (text,),
        table=Table(columns, table, 15, noun="runs") if table else None,
    )


def coverage(context: Context) -> Section:
    """Return the section on how many finished runs know each field."""
    rows = records(context.db.view("coverage"))
    columns = (
        Column("meaning", "field", "text"),
        Column("field", "field", "text", only_data=True),
        Column("known_runs", "known in runs", "count"),
        Column("unknown_runs", "unknown in runs", "count"),
        Column("known_share", "known", "rate"),
    )
    incomplete = [row for row in rows if row["unknown_runs"]]
    if not any(row["known_runs"] + row["unknown_runs"] for row in rows):
        text = "No run has finished, so there is nothing to know."
    elif not incomplete:
        text = "Every finished run knows every field, so no total leaves a run out."
    else:
        worst = max(incomplete, key=lambda row: row["unknown_runs"])
        runs = context.counted(worst["unknown_runs"], "finished run")
        text = f"Most often unknown: {_FIELDS[worst['field']]}, in {runs}. Totals are over known values."
    table = tuple(tuple({**row, "meaning": _FIELDS[row["field"]]}[c.name] for c in columns) for row in rows)
    return Section("coverage", "What is known", (text,), table=Table(columns, table, len(table), noun="fields"))


def soft_rules(context: Context, *, only_concerned: bool = False) -> Section:
    """Return the section on runs that are valid but suspicious, by soft rule."""
    rows = records(context.db.view("data_quality"))
    columns = (
        Column("rule", "rule", "text"),
        Column("meaning", "what it says of a run", "text"),
        Column("runs", "runs", "count"),
        Column("example_id", "for example", "text"),
    )
    concerned = [row for row in rows if row["runs"]]
    concern = noun(len(concerned), "concerns", "concern")
    text = (
        f"{len(concerned)} of {len(rows)} rules {concern} runs; such runs are counted in every figure."
        if concerned
        else f"No rule of {len(rows)} concerns a run."
    )
    chosen = concerned if only_concerned else rows
    table = tuple(tuple(row[column.name] for column in columns) for row in chosen)
    return Section(
        "data_quality",
        "Valid, but suspicious",
        (text,),
        table=Table(columns, table, len(table), noun="rules") if table else None,
    )

"""Quality: how the rows of the source are accounted for, what was refused and why, and whether the parts sum up."""

from __future__ import annotations

from collections import Counter

from polydoc_analytics.content import Column, Report, Section
from polydoc_analytics.quarantine import kind_of
from polydoc_analytics.reports.context import Context, records
from polydoc_analytics.reports.health import coverage, running_too_long, soft_rules
from polydoc_analytics.reports.tables import plain

_MEANINGS = {
    "read": "rows read",
    "runs": "runs, each counted once",
    "duplicates": "further rows of the same runs",
    "quarantined": "rows that break a rule, in no figure",
    "conflicts": "runs seen finished in more than one way; their losing rows are among the duplicates",
}


def quality(context: Context) -> Report:
    """Return the report on the quality of the data."""
    sections = [
        _accounting(context),
        _quarantine(context),
        soft_rules(context),
        coverage(context),
        running_too_long(context),
        _conservation(context),
    ]
    return context.report("quality", "Data quality", sections)


def _accounting(context: Context) -> Section:
    counts = context.db.counts
    columns = (Column("rows", "rows", "text"), Column("meaning", "meaning", "text"), Column("count", "count", "count"))
    rows = [(name, _MEANINGS.get(name, name), count) for name, count in counts.items()]
    read, runs, duplicates, refused = (
        context.text(counts[name], "count") for name in ("read", "runs", "duplicates", "quarantined")
    )
    text = f"{read} rows read = {runs} runs + {duplicates} duplicates + {refused} quarantined."
    about = "These counts are of the whole source, whatever the period."
    return Section("accounting", "Every row accounted for", (text, about), table=plain(columns, rows))


def _quarantine(context: Context) -> Section:
    reasons = Counter(kind_of(reason) for reason in context.db.quarantine["reason"].to_list())
    columns = (Column("reason", "reason", "text"), Column("count", "rows", "count"))
    rows = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    text = "No row was refused." if not rows else f"The most frequent reason: {rows[0][0]}."
    return Section("quarantine", "Quarantined, by reason", (text,), table=plain(columns, rows) if rows else None)


def _conservation(context: Context) -> Section:
    rows = records(context.db.view("conservation"))
    columns = (
        Column("identity", "identity", "text"),
        Column("measure", "measure", "text"),
        Column("parts", "sum of the parts", "count"),
        Column("whole", "whole", "count"),
        Column("holds", "holds", "yes"),
    )
    held = sum(bool(one["holds"]) for one in rows)
    text = f"{held} of {len(rows)} identities hold: days, weeks, months, accounts and languages sum to the whole."
    table = plain(columns, [tuple(one[column.name] for column in columns) for one in rows], noun="identities")
    return Section("conservation", "The parts sum to the whole", (text,), table=table)

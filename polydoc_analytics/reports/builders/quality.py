"""Quality: how the rows of the source are accounted for, what was refused and why, and whether the parts sum up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polydoc_analytics.errors import SumError
from polydoc_analytics.ingest.quarantine import rows_by_reason
from polydoc_analytics.model.plurals import noun
from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.builders.data_quality import coverage, running_too_long, soft_rules
from polydoc_analytics.reports.builders.tables import plain
from polydoc_analytics.reports.builders.time_series import span
from polydoc_analytics.reports.model import Column, Report, Section

if TYPE_CHECKING:
    import polars as pl

_MEANINGS = {
    "read": "rows read",
    "runs": "runs, each counted once",
    "duplicates": "further rows of the same runs",
    "quarantined": "rows that break a rule, in no figure",
    "conflicts": "runs seen finished in more than one way; their losing rows are among the duplicates",
}


def quality(context: Context) -> Report:
    """Return the report on the quality of the data."""
    sections = [_accounting(context), _quarantine(context)]
    if span(context.db) is None:
        sections.append(Section("period", "The period", (context.nothing(),)))
        return context.report("quality", "Data quality", sections)
    sections += [
        soft_rules(context),
        coverage(context),
        running_too_long(context),
        _conservation(context),
    ]
    return context.report("quality", "Data quality", sections)


def _accounting(context: Context) -> Section:
    if context.db.loads is not None:
        return _accounting_of_loads(context, context.db.loads)
    counts = context.db.counts
    columns = (Column("rows", "rows", "text"), Column("meaning", "meaning", "text"), Column("count", "count", "count"))
    rows = [(name, _MEANINGS.get(name, name), count) for name, count in counts.items()]
    parts = f"{context.counted(counts.runs, 'run')} + {context.counted(counts.duplicates, 'duplicate')} + "
    parts += f"{context.text(counts.quarantined, 'count')} quarantined"
    text = f"{context.counted(counts.read, 'row')} read = {parts}."
    about = "These counts are of the whole source, whatever the period."
    return Section("accounting", "Every row accounted for", (text, about), table=plain(columns, rows))


def _accounting_of_loads(context: Context, loads: pl.DataFrame) -> Section:
    """Accounting of rows for each load of a lake, the newest first."""
    parts = ("inserted", "updated", "unchanged", "duplicates", "quarantined")
    columns = (
        Column("number", "load", "count"),
        Column("committed_at", "committed", "instant"),
        Column("kind", "kind", "text"),
        Column("source", "source", "text"),
        *(Column(name, name, "count") for name in ("read", *parts, "conflicts")),
    )
    rows = [{**row, "source": row["source"] or row["detail"]} for row in records(loads.sort("number", descending=True))]
    sums = {name: sum(row[name] for row in rows) for name in ("read", *parts)}
    words = {"duplicates": noun(sums["duplicates"], "duplicate")}
    said = " + ".join(f"{context.text(sums[name], 'count')} {words.get(name, name)}" for name in parts)
    text = f"Over {context.counted(len(rows), 'load')}, {context.counted(sums['read'], 'row')} read = {said}."
    about = "These counts are of the whole lake, whatever the period."
    table = plain(columns, [tuple(row[column.name] for column in columns) for row in rows], noun="loads")
    return Section("accounting", "Every row accounted for", (text, about), table=table)


def _quarantine(context: Context) -> Section:
    columns = (Column("reason", "reason", "text"), Column("count", "rows", "count"))
    rows = rows_by_reason(context.db.quarantine).rows()
    text = "No row was refused." if not rows else f"The most frequent reason: {rows[0][0]}."
    return Section("quarantine", "Quarantined, by reason", (text,), table=plain(columns, rows) if rows else None)


def _conservation(context: Context) -> Section:
    title = "The parts sum to the whole"
    try:
        rows = records(context.db.view("conservation"))
    except SumError as error:
        return Section("conservation", title, (f"No identity is worked out: {error}.",))
    columns = (
        Column("identity", "identity", "text"),
        Column("measure", "measure", "text"),
        Column("parts", "sum of the parts", "count"),
        Column("whole", "whole", "count"),
        Column("holds", "holds", "yes"),
    )
    held = sum(bool(row["holds"]) for row in rows)
    text = f"{held} of {len(rows)} identities hold: days, weeks, months, accounts and languages sum to the whole."
    table = plain(columns, [tuple(row[column.name] for column in columns) for row in rows], noun="identities")
    return Section("conservation", title, (text,), table=table)

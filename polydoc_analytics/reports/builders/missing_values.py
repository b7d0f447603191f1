"""Which sums lack so many runs that a change between two of them would say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from polydoc_analytics.model.plurals import noun

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.reports.builders.context import Context

MOST_LACKING = 0.01
"""The share of finished runs that may lack a value before a change of its sum is no longer shown."""
FIELDS = {"credits": "credits", "input_tokens": "input tokens", "output_tokens": "output tokens"}

Known = Mapping[str, tuple[int, int]]
"""By field: finished runs that lack it, and all finished runs."""


def lacking(db: Database) -> Known:
    """Count the finished runs that lack each field."""
    counts = ", ".join(f"count(*) - count({name}) as {name}" for name in FIELDS)
    [row] = db.sql(f"select count(*) as finished, {counts} from run_facts where status <> 'Running'").rows(named=True)
    return {name: (row[name], row["finished"]) for name in FIELDS}


def lacks_too_many(unknown: int, finished: int) -> bool:
    """Decide whether a sum over finished runs lacks too many of them to be compared."""
    return unknown > MOST_LACKING * finished


def reason(context: Context, field: str, now: Known, before: Known) -> str:
    """Say why no change of a sum is shown; empty where one can be."""
    said = [
        f"{context.text(unknown, 'count')} of {context.counted(finished, 'finished run')} of {which} "
        f"{noun(unknown, 'lacks', 'lack')} {FIELDS[field]}"
        for which, (unknown, finished) in (("this period", now[field]), ("the period before", before[field]))
        if lacks_too_many(unknown, finished)
    ]
    return (
        f"no change is shown, for {' and '.join(said)} (more than {context.text(MOST_LACKING, 'rate')})" if said else ""
    )

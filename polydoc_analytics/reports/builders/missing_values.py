"""Missing values: which sums lack too many runs to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from polydoc_analytics.model.plurals import noun

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.reports.builders.context import Context

MAX_MISSING_SHARE = 0.01
"""Share of finished runs without a value above which changes of its sum are not shown."""
FIELDS = {"credits": "credits", "input_tokens": "input tokens", "output_tokens": "output tokens"}

Known = Mapping[str, tuple[int, int]]
"""By field: finished runs that lack it, and all finished runs."""


def missing_counts(db: Database) -> Known:
    """Count the finished runs that lack each field."""
    counts = ", ".join(f"count(*) - count({name}) as {name}" for name in FIELDS)
    [row] = db.fetch(f"select count(*) as finished, {counts} from run_facts where status <> 'Running'").rows(named=True)
    return {name: (row[name], row["finished"]) for name in FIELDS}


def misses_too_many(unknown: int, finished: int) -> bool:
    """Check whether a sum over finished runs lacks too many of them to be compared."""
    return unknown > MAX_MISSING_SHARE * finished


def reason(context: Context, field: str, now: Known, before: Known) -> str:
    """Reason why no change of a sum is shown; empty where it is."""
    said = [
        f"{context.text(unknown, 'count')} of {context.counted(finished, 'finished run')} of {which} "
        f"{noun(unknown, 'lacks', 'lack')} {FIELDS[field]}"
        for which, (unknown, finished) in (("this period", now[field]), ("the period before", before[field]))
        if misses_too_many(unknown, finished)
    ]
    return (
        f"no change is shown, for {' and '.join(said)} (more than {context.text(MAX_MISSING_SHARE, 'rate')})"
        if said
        else ""
    )

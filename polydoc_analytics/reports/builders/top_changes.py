"""Changes since the preceding period: the causes, then accounts and languages by the change in their credits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.builders.missing_values import MAX_MISSING_SHARE, Known, misses_too_many
from polydoc_analytics.reports.builders.questions import explained, explanation_charts
from polydoc_analytics.reports.model import Column, Section, Table

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

_SHOWN = 12
_COLUMNS = (
    Column("what", "what", "text"),
    Column("name", "name", "text"),
    Column("key", "key", "text", only_data=True),
    Column("runs_before", "runs before", "count"),
    Column("runs", "runs", "count"),
    Column("difference", "difference", "count"),
    Column("change", "change", "change"),
    Column("credits_before", "credits before", "count"),
    Column("credits", "credits", "count"),
    Column("credits_change", "credits change", "change"),
    Column("failure_rate_before", "failure rate before", "rate"),
    Column("failure_rate", "failure rate", "rate"),
)


def changes(context: Context, now: Database, before: Database, known: tuple[Known, Known]) -> Section:
    """Return the section: what moved credits, in a sentence and a chart, and the accounts and languages that moved."""
    rows = [
        *_moves(context, now, before, "account_id", "account"),
        *_moves(context, now, before, "language", "language"),
    ]
    rows = [row for row in rows if row["difference"] or _moved_credits(row)]
    rows.sort(key=lambda row: (-_moved_credits(row), -abs(row["difference"]), row["what"], row["key"]))
    explanation, sentence = explained(context, now, before, known)
    title = f"What moved {explanation.measure}"
    text = (context.comparison_text(), sentence)
    charts = explanation_charts(context, explanation)
    if not rows:
        nothing = "No account and no language has other runs or credits."
        return Section("changes", title, (*text, nothing), charts=charts)
    note = (
        "A dash under “credits change”: there were no credits before, or more than "
        f"{context.text(MAX_MISSING_SHARE, 'rate')} of the finished runs of either period lack them."
    )
    table = Table(_COLUMNS, tuple(tuple(row[c.name] for c in _COLUMNS) for row in rows), _SHOWN, noun="changes")
    return Section("changes", title, text, charts=charts, table=table, notes=(note,))


def _moved_credits(row: Mapping[str, Any]) -> int:
    """Difference of known credits, without its sign; 0 where either is unknown."""
    before, now = row["credits_before"], row["credits"]
    return 0 if before is None or now is None else abs(now - before)


def _credits_change(new: Mapping[str, Any], old: Mapping[str, Any]) -> float | None:
    """Relative change of credits; None where too many runs lack them, or there were none before."""
    if any(misses_too_many(row["runs_without_credits"], row["finished"]) for row in (new, old)):
        return None
    return new["credits"] / old["credits"] - 1 if new["credits"] is not None and (old["credits"] or 0) > 0 else None


def _moves(context: Context, now: Database, before: Database, key: str, what: str) -> list[dict[str, Any]]:
    view = f"usage_by_{what}"
    finished = "succeeded_runs + failed_runs as finished"
    sql = f"select {key} as key, runs, credits, runs_without_credits, {finished}, failure_rate from {view} order by key"
    after, earlier = ({row["key"]: row for row in records(db.fetch(sql))} for db in (now, before))
    nothing = {"runs": 0, "credits": 0, "runs_without_credits": 0, "finished": 0, "failure_rate": None}
    name = context.account if key == "account_id" else context.language
    moves = []
    for item in sorted({*after, *earlier}):
        new, old = after.get(item, nothing), earlier.get(item, nothing)
        moves.append(
            {
                "what": what,
                "name": name(item),
                "key": item,
                "runs_before": old["runs"],
                "runs": new["runs"],
                "difference": new["runs"] - old["runs"],
                "change": new["runs"] / old["runs"] - 1 if old["runs"] else None,
                "credits_before": old["credits"],
                "credits": new["credits"],
                "credits_change": _credits_change(new, old),
                "failure_rate_before": old["failure_rate"],
                "failure_rate": new["failure_rate"],
            }
        )
    return moves

"""What changed most against the preceding period: accounts and languages by the change in their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polydoc_analytics.content import Column, Section, Table
from polydoc_analytics.reports.context import Context, records
from polydoc_analytics.wording import shown

if TYPE_CHECKING:
    from polydoc_analytics.engine import Database

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
    Column("failure_rate_before", "failure rate before", "rate"),
    Column("failure_rate", "failure rate", "rate"),
)


def changes(context: Context, now: Database, before: Database) -> Section:
    """Return the section: the accounts and languages whose runs rose or fell most, and a sentence on the first."""
    rows = [
        *_moves(context, now, before, "account_id", "account"),
        *_moves(context, now, before, "language", "language"),
    ]
    rows.sort(key=lambda one: (-abs(one["difference"]), one["what"], one["key"]))
    rows = [one for one in rows if one["difference"]]
    text = [context.comparison_text()]
    for what in ("account", "language"):
        first = next((one for one in rows if one["what"] == what), None)
        if first is not None:
            verb = "rose" if first["difference"] > 0 else "fell"
            text.append(
                f"The {what} that moved most is {shown(first['name'])}: runs {verb} from "
                f"{context.text(first['runs_before'], 'count')} to {context.text(first['runs'], 'count')}."
            )
    table = Table(_COLUMNS, tuple(tuple(one[c.name] for c in _COLUMNS) for one in rows), _SHOWN, noun="changes")
    return Section("changes", "What changed most", tuple(text), table=table if rows else None)


def _moves(context: Context, now: Database, before: Database, key: str, what: str) -> list[dict[str, Any]]:
    view = f"usage_by_{what}"
    sql = f"select {key} as key, runs, credits, failure_rate from {view} order by key"
    after, earlier = ({one["key"]: one for one in records(db.sql(sql))} for db in (now, before))
    nothing = {"runs": 0, "credits": 0, "failure_rate": None}
    name = context.account if key == "account_id" else context.language
    moves = []
    for one in sorted({*after, *earlier}):
        new, old = after.get(one, nothing), earlier.get(one, nothing)
        moves.append(
            {
                "what": what,
                "name": name(one),
                "key": one,
                "runs_before": old["runs"],
                "runs": new["runs"],
                "difference": new["runs"] - old["runs"],
                "change": new["runs"] / old["runs"] - 1 if old["runs"] else None,
                "credits_before": old["credits"],
                "credits": new["credits"],
                "failure_rate_before": old["failure_rate"],
                "failure_rate": new["failure_rate"],
            }
        )
    return moves

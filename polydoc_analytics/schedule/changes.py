"""What an edition says that the one before did not: figures as of the one's load against the other's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polydoc_analytics.config import Settings
from polydoc_analytics.content import Column, Section, Table
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.plan import ReportPlan
from polydoc_analytics.schedule.ledger import Edition, Job

if TYPE_CHECKING:
    from polydoc_analytics.engine import Database

_MEASURES = ("runs", "succeeded_runs", "failed_runs", "credits", "total_tokens")
_SHOWN = 50

Figures = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Changes:
    """The measures of the whole (key empty) and of each account before and now, and the edition that was before."""

    before: Figures
    now: Figures
    edition: Edition

    @classmethod
    def between(
        cls, lake: Lake, settings: Settings, plan: ReportPlan, job: Job, edition: Edition, db: Database
    ) -> Changes:
        """Return what changed since an edition, whose figures the lake still knows as of its load."""
        from polydoc_analytics.schedule.making import opened

        if edition.load is None:
            return cls({}, _figures(db), edition)
        with opened(lake, settings, plan, job, db.now, edition.load) as then:
            return cls(_figures(then), _figures(db), edition)

    def rows(self, account: str = "") -> list[tuple[str, str, int | None, int | None]]:
        """Return account, measure, value before and now of whatever is other; of one account where it is given."""
        found = []
        for key in sorted({*self.before, *self.now}):
            if account and key != account:
                continue
            for measure in _MEASURES:
                old, new = (side.get(key, {}).get(measure, 0) for side in (self.before, self.now))
                if old != new:
                    found.append((key, measure, old, new))
        return found

    def sentences(self) -> list[str]:
        """Return what changed of the whole, a sentence a measure."""
        return [_sentence(measure, old, new) for key, measure, old, new in self.rows() if not key]

    def section(self, account: str) -> Section:
        """Return what a report, of one account or of all, says of the edition before."""
        rows = self.rows(account)
        first = f"This is a new edition; edition {self.edition.number} was made from {self.edition.snapshot}."
        said = [_sentence(measure, old, new) for key, measure, old, new in rows if key == account]
        columns = (
            Column("account_id", "account", "text"),
            Column("measure", "figure", "text"),
            Column("before", f"edition {self.edition.number}", "count"),
            Column("now", "now", "count"),
        )
        lines = tuple((key or "all", measure.replace("_", " "), old, new) for key, measure, old, new in rows)
        table = Table(columns, lines, _SHOWN, noun="changes") if lines else None
        text = (first, *(said or ["No figure of the whole has changed."]))
        return Section("editions", "What changed since the edition before", text, table=table)


def _sentence(measure: str, old: int | None, new: int | None) -> str:
    values = ["unknown" if value is None else f"{value:,}" for value in (old, new)]
    return f"{measure.replace('_', ' ').capitalize()}: {values[1]}, before {values[0]}."


def _figures(db: Database) -> dict[str, dict[str, Any]]:
    names = ", ".join(_MEASURES)
    whole = db.sql(f"select '' as account_id, {names} from usage").rows(named=True)
    parts = db.sql(f"select account_id, {names} from usage_by_account").rows(named=True)
    return {row["account_id"]: row for row in (*whole, *parts)}

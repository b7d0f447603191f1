"""The input and the result of a rule: the views over a lake at an instant, and alerts that fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from polydoc_analytics import views
from polydoc_analytics.automation.config import as_day
from polydoc_analytics.errors import PolydocError, UsageError
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.periods import Interval, interval
from polydoc_analytics.reports.builders.context import records, texts
from polydoc_analytics.reports.formatting import display_text

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """A firing alert: its name, its key (an account, a language, a source), the evidence, and ids of runs to look at.

    ``who`` names in words whose figures these are, ``headline`` is the subject of a mail about it. ``ends_at`` is when
    it is over by itself, of which nobody is told: the end of a budget's month.
    """

    alert: str
    key: str
    what: str
    figures: tuple[tuple[str, str], ...]
    examples: tuple[str, ...] = ()
    who: str = ""
    ends_at: str | None = None
    headline: str = ""

    @property
    def sentence(self) -> str:
        """The finding in words: its headline, or what was found."""
        return self.headline or self.what

    @property
    def identity(self) -> str:
        """The identity, constant while it fires."""
        return f"{self.alert}: {self.key}"


@dataclass(frozen=True)
class RuleResult:
    """The findings of an alert: firing keys, and keys without data.

    Where ``knows_absent`` is false nothing can be said of keys that are not in the data at all either. ``error`` is why
    the alert could not be evaluated, of which nothing is known then.
    """

    firing: tuple[FiringAlert, ...] = ()
    without_data: frozenset[str] = frozenset()
    knows_absent: bool = True
    seen: frozenset[str] = frozenset()
    error: PolydocError | None = None

    def has_data_of(self, key: str) -> bool:
        """Check whether a key that does not fire is known to be within the limits."""
        return key not in self.without_data and (self.knows_absent or key in self.seen)


@dataclass(frozen=True)
class AlertContext:
    """The context of alert rules: a lake, the views over it, its configured sources, and the instant of now."""

    lake: Lake
    db: Database
    names: Mapping[str, str]
    sources: Sequence[str]
    now: datetime

    @property
    def timezone(self) -> str:
        """The zone of the days."""
        return self.db.timezone

    @property
    def today(self) -> date:
        """The local day of now."""
        return as_day(self.now, self.timezone)

    def days(self, first: date, last: date) -> Interval:
        """Return whole local days."""
        return interval(since=first, until=last, timezone=self.timezone)

    def rows(self, view: views.View, over: Interval) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return a usage view by account and language: its rows of one period, or over any days where it has none."""
        keys = view_keys(view)
        if view.every is not None:
            sql = f"select * from {view.name} where period = date '{over.first_whole_day}'"
            found = records(self.db.sql(sql))
        else:
            with self.db.over(over) as db:
                found = records(db.view(view.name))
        rows = {tuple(row[key] for key in keys): row for row in found}
        if len(rows) < len(found):
            raise UsageError(f"view {view.name}: has several rows of one {' and '.join(keys) or 'interval'}")
        return rows

    def text(self, view: views.View, key: tuple[str, ...]) -> str:
        """Return in words what a row is of; nothing in a name or an id breaks out of its line."""
        known = {"account_id": self.names, "language": self.db.language_names}
        names = view_keys(view)
        parts = [
            f"{display_text(known[name][value])} ({display_text(value)})"
            if value in known[name]
            else display_text(value)
            for name, value in zip(names, key, strict=True)
        ]
        return ", ".join(parts) or "all runs"

    def name(self, view: views.View, key: tuple[str, ...]) -> str:
        """Return the names of what a row is of, without ids where there is a name; empty for all runs."""
        known = {"account_id": self.names, "language": self.db.language_names}
        columns = view_keys(view)
        return ", ".join(
            display_text(known[column].get(value, value)) for column, value in zip(columns, key, strict=True)
        )

    def failed(self, view: views.View, key: tuple[str, ...], over: Interval) -> tuple[str, ...]:
        """Return ids of some Failed runs of a row, the newest first."""
        names = view_keys(view)
        where = " ".join(f"and {name} in ({texts([value])})" for name, value in zip(names, key, strict=True))
        days = f"day >= date '{over.first_whole_day}' and day < date '{over.end_of_whole_days}'"
        sql = f"""
            select id from runs where status = 'Failed' and {days} {where}
            order by created_at desc, id limit {_EXAMPLES}"""
        return tuple(map(display_text, self.db.sql(sql)["id"]))


def view_keys(view: views.View) -> list[str]:
    """Return the columns that name a view's rows, but for the period; a user's own has them by the same names."""
    return [name for name in ("account_id", "language") if name in view.columns]

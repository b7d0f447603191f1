"""The scope of a database, independent of the engine: runs, interval, filters and zone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from polydoc_analytics import views as catalog
from polydoc_analytics.model.epoch import DAY_US
from polydoc_analytics.model.languages import Language, languages
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.schema import MAX_INSTANT_US, MIN_INSTANT_US
from polydoc_analytics.model.sql_names import quoted
from polydoc_analytics.model.timezones import DAYS_BEFORE_1970, choice, local_date, offsets, zone
from polydoc_analytics.query.options import ViewOptions
from polydoc_analytics.query.run_relation import RunRelation

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.row_table import RowTable

_RULES_ONLY_US = 4_102_444_800_000_000
_CYCLE_US = 146_097 * DAY_US
"""The year 2100, from which on zones change by yearly rules or never, and the 400 years of the calendar's cycle."""


@dataclass(frozen=True)
class Scope:
    """The runs, and how the views look at them."""

    runs: RunRelation
    view: ViewOptions

    @cached_property
    def languages(self) -> dict[str, Language]:
        """The language of each text that was sent."""
        return languages(self.runs.languages)

    @property
    def dated_by(self) -> str:
        """The column whose instant dates a run."""
        return f"{self.view.date_basis}_at"

    @property
    def where(self) -> str:
        """The condition on ``observed`` for a run to count, with its WHERE; empty where all do."""
        return self._where(self.view.interval.since)

    @property
    def history(self) -> str:
        """SQL for account_id and dated_at of every run up to the end of the interval, be it before the interval."""
        return f"select account_id, {self.dated_by} as dated_at from observed {self._where(None)}"

    @property
    def undated(self) -> str:
        """SQL for the runs of the chosen accounts and languages whose date is unknown."""
        return f"select * from observed {_where_clause([f'{self.dated_by} is null', *self._filter_conditions])}"

    @cached_property
    def over_all_time(self) -> Scope:
        """The same accounts and languages over all time, each run dated by its creation."""
        unbounded = Interval(None, None, self.view.interval.timezone)
        return replace(self, view=replace(self.view, interval=unbounded, date_basis="created"))

    @property
    def is_everything(self) -> bool:
        """Whether the interval has every run of the accounts and languages, dated by its creation."""
        return self.over_all_time.where == self.where

    @property
    def is_filtered(self) -> bool:
        """Whether accounts or languages are chosen."""
        return bool(self._filter_conditions)

    @property
    def request_facts(self) -> str:
        """SQL for the requests of the interval: those whose first run was created in it, whatever the date basis."""
        interval = self._created_in_interval
        return catalog.all_request_facts(self.render_context, interval) if interval else self.stored_request_facts

    @property
    def stored_request_facts(self) -> str:
        """SQL for the same requests, chosen from all, where these are stored."""
        interval = self._created_in_interval.replace("created_at", "first_created_at")
        return f"select * from all_request_facts{f' where {interval}' if interval else ''}"

    @property
    def _created_in_interval(self) -> str:
        """The condition on ``created_at`` to be in the interval; empty where that has no bounds."""
        since, until = self.view.interval.since, self.view.interval.until
        conditions = [f"created_at >= {instant(since)}"] if since else []
        conditions += [f"created_at < {instant(until)}"] if until else []
        return " and ".join(conditions)

    def _where(self, since: datetime | None) -> str:
        basis = self.dated_by
        conditions = [] if self.view.date_basis == "created" else ["finished_at is not null"]
        if since is not None:
            conditions.append(f"{basis} >= {instant(since)}")
        if self.view.interval.until is not None:
            conditions.append(f"{basis} < {instant(self.view.interval.until)}")
        return _where_clause([*conditions, *self._filter_conditions])

    @cached_property
    def _filter_conditions(self) -> list[str]:
        """The conditions on ``observed`` that the filters are, whatever the interval."""
        filters, conditions = self.view.filters, []
        if filters.accounts:
            conditions.append(f"account_id in ({', '.join(map(quoted, filters.accounts))})")
        if filters.without_accounts:
            conditions.append(f"account_id not in ({', '.join(map(quoted, filters.without_accounts))})")
        if filters.languages:
            texts = [text for text, found in self.languages.items() if found.tag in filters.languages]
            conditions.append(f"target_language in ({', '.join(map(quoted, texts))})" if texts else "false")
        return conditions

    def shift_us(self, basis: str, divided: str) -> str:
        """Return SQL for what makes a UTC instant a local one, counted from DAYS_BEFORE_1970.

        ``basis`` is SQL for the instant in µs since 1970 UTC, ``divided`` the engine's operator of integer division.
        """
        base = DAYS_BEFORE_1970 * DAY_US
        bounds = self._bounds_us
        if bounds is None:
            return str(base)
        low, high = bounds
        of_calendar = "{}"
        if low < MIN_INSTANT_US + DAY_US or high > MAX_INSTANT_US - DAY_US:
            # Python has no day before the year 1 or after 9999: local times end there.
            first, last = base + MIN_INSTANT_US, base + MAX_INSTANT_US
            of_calendar = f"greatest(least({{}}, {last} - {basis}), {first} - {basis})"
        if high >= _RULES_ONLY_US + _CYCLE_US:
            # Only yearly rules are left by then, and the calendar repeats itself after 400 years.
            cycles = f"greatest(({basis} - {_RULES_ONLY_US}) {divided} {_CYCLE_US}, 0)"
            basis = f"({basis} - {cycles} * {_CYCLE_US})"
            high = _RULES_ONLY_US + _CYCLE_US
            low = min(low, _RULES_ONLY_US)
        return of_calendar.format(choice(basis, base, offsets(zone(self.view.interval.timezone), low, max(low, high))))

    @property
    def _bounds_us(self) -> tuple[int, int] | None:
        """The instants between which the interval's runs are, in µs since 1970 UTC; None where there are no runs."""
        bounds = self.runs.finished_us if self.view.date_basis == "finished" else self.runs.created_us
        if bounds is None:
            return None
        low = bounds[0] if self.view.interval.since_us is None else max(bounds[0], self.view.interval.since_us)
        high = bounds[1] if self.view.interval.until_us is None else min(bounds[1], self.view.interval.until_us)
        return low, high

    @cached_property
    def render_context(self) -> catalog.RenderContext:
        """The context that the views' SQL is rendered with."""
        first, end = self.view.interval.first_whole_day, self.view.interval.end_of_whole_days
        ends = None
        if end is not None:
            monday = date.fromordinal(max(end.toordinal() - end.weekday(), 1))
            ends = {
                "day": end.isoformat(),
                "week": monday.isoformat(),
                "month": end.replace(day=1).isoformat(),
            }
        days = self._days
        since, until = self.view.interval.since, self.view.interval.until
        return catalog.RenderContext(
            now=instant(self.view.now),
            as_of=instant(self.view.now if until is None else min(self.view.now, until)),
            since=instant(since) if since else None,
            first_whole_day=first.isoformat() if first else None,
            end_of_whole_days=ends,
            calendar_bounds=self._calendar_bounds(days),
            calendar_digits=len(str((days[1] - days[0]).days)) if days else 1,
            all_runs="all_run_facts_with_language",
        )

    def _calendar_bounds(self, days: tuple[date, date] | None) -> str:
        """Return SQL for first_day and last_day of the calendar: on an open side, those of the runs that count.

        ``days`` are no less: a lake's runs may have been corrected or erased, and filters leave some of them.
        """
        first, last = (f"date '{day.isoformat()}'" for day in days) if days else ("cast(null as date)",) * 2
        interval, of_runs = self.view.interval, ""
        if days and (interval.since is None or interval.until is None):
            first = "min(day)" if interval.since is None else first
            last = "max(day)" if interval.until is None else last
            of_runs = " from run_facts"
        return f"select {first} as first_day, {last} as last_day{of_runs}"

    @property
    def _days(self) -> tuple[date, date] | None:
        """The first and the last day of the interval; where it has no bound, of all runs that there ever were."""
        since, until = self.view.interval.since_us, self.view.interval.until_us
        bounds = self.runs.finished_us if self.view.date_basis == "finished" else self.runs.created_us
        low, high = bounds or (None, None)
        first = low if since is None else since
        last = high if until is None else until - 1
        if first is None or last is None or last < first:
            return None
        tz = zone(self.view.interval.timezone)
        return local_date(first, tz), local_date(last, tz)


BASE_TABLES = ("languages", "language_names", "account_names")


def base_tables(scope: Scope) -> list[tuple[str, dict[str, str], list[tuple[Any, ...]]]]:
    """List the small tables that views join: name, kinds of the columns by name (text, truth), and rows.

    ``languages`` maps each text that was sent to a language; the others have a name for each key that has one.
    """
    languages = scope.languages
    names = {found.tag: found.name for found in languages.values() if found.known}
    rows = [(text, found.tag, names.get(found.tag), found.known) for text, found in languages.items()]
    kinds = {
        "target_language": "text",
        "language": "text",
        "language_name": "text",
        "is_known_language": "truth",
    }
    return [
        ("languages", kinds, rows),
        ("language_names", {"language": "text", "language_name": "text"}, list(names.items())),
        ("account_names", {"account_id": "text", "account_name": "text"}, list(scope.runs.account_names.items())),
    ]


class Engine(Protocol):
    """An engine over one scope. Views and queries are texts in DuckDB's dialect; each engine renders them."""

    name: str

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return the result of a SELECT of the package's own; raises QueryError where it fails."""

    def query(self, sql: str, timeout_s: float | None = None, max_bytes: int | None = None) -> pl.DataFrame:
        """Return the result of one SELECT of a user's; raises QueryError where it fails, or does more than read.

        It is so too where it takes longer than ``timeout_s``, and where its result is larger than ``max_bytes``.
        """

    def rows(self, sql: str) -> RowTable:
        """Return the result of a SELECT of the package's own as Python's values; raises QueryError where it fails."""

    def over_rows(self, sql: str, name: str, rows: RowTable) -> RowTable:
        """Return the result of a SELECT of the package's own that also reads a few ``rows`` under a name."""

    def types(self, view: catalog.View) -> dict[str, str]:
        """Return the type of each column of a view, as DuckDB calls it."""

    def guard(self) -> None:
        """Put up guard rails: from now on nothing but the source's runs can be read, and nothing be changed."""

    def raw(self) -> Any:
        """Return the connection itself, all views in it."""

    def close(self) -> None:
        """Close it."""


def _where_clause(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""


def instant(at: datetime) -> str:
    """Return an instant as a literal of SQL."""
    return f"timestamptz '{at.astimezone(UTC).isoformat(sep=' ')}'"


def with_language(facts: str) -> str:
    """Return SQL for the runs of a base view with their languages."""
    return f"""
        select facts.*, languages.language, languages.language_name, languages.is_known_language
        from {facts} as facts
        inner join languages on facts.target_language = languages.target_language"""

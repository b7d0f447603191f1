"""Each kind of rule: what it finds in a lake at an instant, with the evidence."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from polydoc_analytics import views
from polydoc_analytics.automation.alerts.thresholds import counted_by, is_beyond
from polydoc_analytics.automation.config import OUTLOOKS, as_day
from polydoc_analytics.config import tables
from polydoc_analytics.errors import SumError, UsageError
from polydoc_analytics.lake.freshness import brought
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.periods import Interval, interval
from polydoc_analytics.model.plurals import counted, duration
from polydoc_analytics.reports.builders.context import records, texts
from polydoc_analytics.reports.formatting import display_text

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.outlook import Ending

_EXAMPLES = 3
_DAY = timedelta(days=1)
SUMMED = (
    "runs", "succeeded_runs", "failed_runs", "running_runs", "input_tokens", "output_tokens", "total_tokens", "credits",
    "credits_on_failed_runs", "runs_without_tokens", "runs_without_credits",
    "requests", "succeeded_requests", "failed_requests", "running_requests", "repeat_requests", "first_try_successes",
    "recovered_requests", "attempts", "credits_on_failed_attempts", "extra_successes", "credits_on_extra_successes",
)  # fmt: skip
"""Measures of which a window without runs has 0; every other is unknown then."""
_NOTHING: dict[str, Any] = dict.fromkeys(SUMMED, 0)
_LEAST_DAYS = 3
_UNFIT = "sums"
"""The key of the finding that a sum does not fit."""


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
    def identity(self) -> str:
        """The identity, constant while it fires."""
        return f"{self.alert}: {self.key}"


@dataclass(frozen=True)
class RuleResult:
    """The findings of an alert: firing keys, and keys without data.

    Where ``knows_absent`` is false nothing can be said of keys that are not in the data at all either.
    """

    firing: tuple[FiringAlert, ...] = ()
    without_data: frozenset[str] = frozenset()
    knows_absent: bool = True
    seen: frozenset[str] = frozenset()

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


def evaluate_rule(plan: tables.AnyAlert, context: AlertContext) -> RuleResult:
    """Evaluate an alert; findings are in the order of its keys.

    Accounts with a run whose numbers no sum holds are left out, which is a finding; of them nothing can be said.
    """
    try:
        found = _RULES[plan.kind](plan, context)
    except SumError as error:
        with context.db.without(error.accounts) as rest:
            found = _RULES[plan.kind](plan, replace(context, db=rest))
        without = f"{counted(len(error.accounts), 'account is', 'accounts are')} left out, for {error}"
        firing = (*found.firing, FiringAlert(plan.name, _UNFIT, without, ()))
        found = replace(found, firing=firing, knows_absent=False)
    else:
        found = replace(found, seen=found.seen | {_UNFIT})
    return replace(found, firing=tuple(sorted(found.firing, key=lambda one: one.key)))


def _limit(plan: tables.Limit, context: AlertContext) -> RuleResult:
    if plan.view in OUTLOOKS:
        return _outlook(plan, context)
    view, measure = views.view(plan.view, context.db.catalog), plan.measure
    windows = _windows(view, plan.window, plan.for_, context)
    seen = [context.rows(view, window) for window in windows]
    is_count = measure in SUMMED and view.file is None
    if is_count:  # a window without runs has none of them, which is a value
        for key in _known_keys(view, context, seen) if plan.below is not None else ():
            for rows in seen:
                rows.setdefault(key, _NOTHING)
    least = plan.min_runs if plan.min_runs is not None else 0 if is_count else 1
    limits: dict[str, Any] = {"above": plan.above, "below": plan.below, "least_runs": least}
    firing, unknown, within = [], set(), set()
    everything = {()} if not view_keys(view) else set[tuple[str, ...]]()
    for key in sorted(everything.union(*seen)):
        of_key = [rows.get(key) or (_NOTHING if is_count else None) for rows in seen]
        if any(row is not None and not isinstance(row[measure], int | float | None) for row in of_key):
            raise UsageError(f"view {view.name}: {measure} is no number; watch another, or cast it to double or bigint")
        said = [is_beyond(measure, row, **limits) if row else None for row in of_key]
        name = " ".join(key)
        if False in said:
            within.add(name)
        elif None in said:
            unknown.add(name)
        else:
            firing.append(_beyond(plan, context, view, key, windows, [row for row in of_key if row]))
    return RuleResult(tuple(firing), frozenset(unknown), is_count, frozenset(within))


def _outlook(plan: tables.Limit, context: AlertContext) -> RuleResult:
    """Find where the local month is expected to end above a budget, of all runs or of each account."""
    assert plan.above is not None
    by = "account" if plan.view == OUTLOOKS[1] else None
    found = context.db.outlook(period="this-month", measure=plan.measure, by=by)
    assert found.interval.since is not None
    assert found.interval.until is not None
    month = f"{as_day(found.interval.since, context.timezone):%Y-%m}"
    firing, unknown = [], set()
    for ending in found.endings:
        key = () if ending.account_id is None else (ending.account_id,)
        identity = " ".join((*key, month))
        if ending.expected is None:
            unknown.add(identity)
        elif ending.expected > plan.above:
            who = context.text(views.view("usage_by_account" if key else "usage"), key)
            what = f"{who}: {plan.measure} of {month} are expected to end at {_number(round(ending.expected))}"
            what += f", above {plan.above:g}"
            until = found.interval.until.isoformat()
            firing.append(FiringAlert(plan.name, identity, what, _expectation(plan.measure, ending), (), who, until))
    return RuleResult(tuple(firing), frozenset(unknown))


def _expectation(measure: str, ending: Ending) -> tuple[tuple[str, str], ...]:
    """List what is expected of a month, for the figures of a notice."""
    if ending.so_far is None or ending.expected is None:
        return ()
    figures = [(f"{measure} so far", _number(ending.so_far)), ("expected by its end", _number(round(ending.expected)))]
    if ending.low is not None and ending.high is not None:
        figures.append(("80 % interval", f"{_number(round(ending.low))} to {_number(round(ending.high))}"))
    return tuple(figures)


def _beyond(
    plan: tables.Limit,
    context: AlertContext,
    view: views.View,
    key: tuple[str, ...],
    windows: Sequence[Interval],
    rows: Sequence[Mapping[str, Any]],
) -> FiringAlert:
    measure = plan.measure
    side = f"above {plan.above:g}" if plan.above is not None else f"below {plan.below:g}"
    who = context.text(view, key)
    figures = [
        (f"{measure}, {_window_text(window)}", _evidence(measure, row))
        for window, row in zip(windows, rows, strict=True)
    ]
    examples = context.failed(view, key, windows[0]) if "fail" in measure else ()
    what = f"{who}: {measure} {_number(rows[0][measure])} is {side}"
    headline = _headline(plan, context.name(view, key), view.every, windows[0], rows[0][measure])
    return FiringAlert(plan.name, " ".join(key), what, tuple(figures), examples, who, headline=headline)


def _headline(plan: tables.Limit, who: str, every: str | None, window: Interval, value: float) -> str:
    """Word a finding for a subject: ``French fails: 37.5 % in the week of 12 October, limit 10 %``."""
    limit = plan.above if plan.above is not None else plan.below
    assert limit is not None
    figure, bound = (
        (_percent(value), _percent(limit)) if plan.measure.endswith("_rate") else map(_number, (value, limit))
    )
    if plan.measure == "failure_rate" and plan.above is not None:
        what = f"{who} fails:" if who else "All runs fail:"
    else:
        what = f"{who or 'All runs'}: {plan.measure.replace('_', ' ')}"
    return f"{what} {figure} {_when(every, window)}, limit {bound}"


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"


def _when(every: str | None, window: Interval) -> str:
    first, end = window.first_whole_day, window.end_of_whole_days
    assert first is not None
    assert end is not None
    last = end - _DAY
    if every == "month":
        return f"in {first:%B}"
    day = f"{first.day} {first:%B}"
    if every == "week":
        return f"in the week of {day}"
    return f"on {day}" if first == last else f"from {day} to {last.day} {last:%B}"


def _known_keys(
    view: views.View, context: AlertContext, seen: Sequence[Mapping[tuple[str, ...], Any]]
) -> set[tuple[str, ...]]:
    """List the possible keys of a view: every account or language that has ever had a run."""
    names = view_keys(view)
    if not names:
        return {()}
    found = context.db.sql(f"select distinct {', '.join(names)} from runs").rows()
    return {key for rows in seen for key in rows} | {tuple(row) for row in found}


def view_keys(view: views.View) -> list[str]:
    """Return the columns that name a view's rows, but for the period; a user's own has them by the same names."""
    return [name for name in ("account_id", "language") if name in view.columns]


def _windows(view: views.View, days: int, count: int, context: AlertContext) -> list[Interval]:
    """Return the last whole periods of a view, or the windows of so many days that end at today's start; newest first.

    Windows of several days are a day apart.
    """
    if view.every is None:
        ends = [context.today - timedelta(days=1 + back) for back in range(count)]
        return [context.days(end - timedelta(days=days - 1), end) for end in ends]
    word = "yesterday" if view.every == "day" else f"last-{view.every}"
    found: list[Interval] = []
    now = context.now
    for _ in range(count):
        found.append(interval(period=word, timezone=context.timezone, now=now))
        now = found[-1].since or now
    return found


def _change(plan: tables.Change, context: AlertContext) -> RuleResult:
    view, measure = views.view(plan.view), plan.measure
    day = context.today - _DAY
    days = [day - timedelta(weeks=back) for back in range(plan.weeks + 1)]
    [(first,)] = context.db.sql("select min(day) from runs").rows()
    if first is None:
        return RuleResult(knows_absent=False)
    days = [one for one in days if one >= first]
    seen = [context.rows(view, context.days(one, one)) for one in days]
    firing, unknown, within = [], set(), set()
    for key in sorted({key for rows in seen for key in rows}):
        name = " ".join(key)
        now, *before = (_on_the_day(rows.get(key), measure) for rows in seen)
        known = [value for value in before if value is not None]
        runs = [float(rows[key]["runs"]) if key in rows else 0.0 for rows in seen]
        median = statistics.median(known) if len(known) >= _LEAST_DAYS else 0
        if now is None or median <= 0 or max(runs[0], statistics.median(runs[1:])) < (plan.min_runs or 1):
            unknown.add(name)
            continue
        change = now / median - 1
        if plan.rises is not None and change > plan.rises:
            side = "rose"
        elif plan.falls is not None and -change > plan.falls:
            side = "fell"
        else:
            within.add(name)
            continue
        who = context.text(view, key)
        what = f"{who}: {measure} {side} by {abs(change):.0%} on {day}"
        figures = ((measure, _number(now)), (f"median of {len(known)} {day:%A}s before", _number(median)))
        examples = context.failed(view, key, context.days(day, day)) if "fail" in measure else ()
        firing.append(FiringAlert(plan.name, name, what, figures, examples, who))
    return RuleResult(tuple(firing), frozenset(unknown), False, frozenset(within))


def _on_the_day(row: Mapping[str, Any] | None, measure: str) -> float | None:
    if row is None:
        return 0.0 if measure in SUMMED else None
    return None if row[measure] is None else float(row[measure])


def _budget(plan: tables.Budget, context: AlertContext) -> RuleResult:
    month = interval(period="this-month", timezone=context.timezone, now=context.now)
    assert month.since is not None
    assert month.until is not None
    gone = context.now - month.since
    endings = {}
    if plan.projected:
        outlook = context.db.outlook(period="this-month", by="account")
        endings = {ending.account_id: ending for ending in outlook.endings}
    name = f"{as_day(month.since, context.timezone):%Y-%m}"
    view = views.view("usage_by_account")
    firing, unknown = [], set()
    for key, row in context.rows(view, month).items():
        budget = (plan.accounts or {}).get(key[0], plan.credits)
        used = row["credits"]
        ends = None
        ending = endings.get(key[0])
        is_forecast = ending is not None and ending.expected is not None
        if used is not None and ending is not None and ending.expected is not None:
            ends = ending.expected
        elif used is not None and plan.projected and gone >= _LEAST_DAYS * _DAY:
            ends = used * ((month.until - month.since) / gone)
        who = context.text(view, key)
        figures = [("budget", _number(budget)), ("credits so far", _number(used))] if used is not None else []
        if is_forecast and ending is not None:
            figures += _expectation("credits", ending)[1:]
        elif ends is not None:
            figures.append(("projected, at the same pace", _number(round(ends))))
        shares = [share for share in plan.stages if share != 1]
        said = {
            **{
                f"{share * 100:g}%": (
                    used is not None and used >= share * budget,
                    f"{who} has used at least {share * 100:g}% of its budget of {name}",
                )
                for share in shares
            },
            "passed": (used is not None and used > budget, f"{who} is above its budget of {name}"),
            "projected": (ends is not None and ends > budget, f"{who} would end {name} above its budget"),
        }
        for stage, (is_reached, what) in said.items():
            identity = f"{key[0]} {name} {stage}"
            if used is None:
                unknown.add(identity)
            elif is_reached:
                ends_at = month.until.isoformat()
                firing.append(FiringAlert(plan.name, identity, what, tuple(figures), (), who, ends_at))
    return RuleResult(tuple(firing), frozenset(unknown))


def _running(plan: tables.Running, context: AlertContext) -> RuleResult:
    rows = context.lake.running(context.now - plan.longer_than)
    if not rows:
        return RuleResult()
    oldest = rows[0]["created_at"]
    figures = (("runs", f"{len(rows):,}"), ("the oldest was created", f"{oldest:%Y-%m-%d %H:%M} UTC"))
    long = duration(plan.longer_than)
    what = f"{counted(len(rows), 'run is', 'runs are')} Running for more than {long}"
    return RuleResult(
        (FiringAlert(plan.name, "running", what, figures, tuple(display_text(row["id"]) for row in rows[:_EXAMPLES])),)
    )


def _silent(plan: tables.Silent, context: AlertContext) -> RuleResult:
    firing = []
    for name in plan.sources or context.sources:
        state, fresh = context.lake.source_state(name), brought(context.lake, name, context.now)
        if fresh.newest is None or context.now - fresh.newest > plan.longer_than:
            figures = [("it has brought", str(fresh)), ("last asked", state.get("last_success_at") or "never")]
            figures += [("last error", state["last_error"])] if state.get("last_error") else []
            what = f"the source {name} has brought nothing new for more than {duration(plan.longer_than)}"
            firing.append(FiringAlert(plan.name, name, what, tuple(figures), (), f"the source {name}"))
    return RuleResult(tuple(firing))


def _quarantine(plan: tables.Quarantine, context: AlertContext) -> RuleResult:
    loads = context.lake.loads()
    begin = context.now - plan.window
    rows = [row for row in records(loads) if begin < row["committed_at"] <= context.now]
    read, bad = (sum(row[name] for row in rows) for name in ("read", "quarantined"))
    if not read:
        return RuleResult(without_data=frozenset({"quarantine"}))
    if bad / read <= plan.above:
        return RuleResult()
    what = f"{bad / read:.1%} of the rows read were quarantined"
    figures = (("rows read", f"{read:,}"), ("quarantined", f"{bad:,}"))
    return RuleResult((FiringAlert(plan.name, "quarantine", what, figures),))


_RULES: dict[str, Callable[[Any, AlertContext], RuleResult]] = {
    "limit": _limit,
    "change": _change,
    "budget": _budget,
    "running": _running,
    "silent": _silent,
    "quarantine": _quarantine,
}


def _number(value: float) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and not value.is_integer() else f"{value:,.0f}"


def _evidence(measure: str, row: Mapping[str, Any]) -> str:
    if measure == "success_rate":
        finished = row["failed_requests"] + row["succeeded_requests"]
        bounds = f"{row['success_rate_low']:.1%} to {row['success_rate_high']:.1%}"
        return (
            f"{row['succeeded_requests']:,} of {counted(finished, 'request')} succeeded: {row['success_rate']:.1%}, "
            f"95 % interval {bounds}"
        )
    if measure != "failure_rate":
        unit = counted_by(row)
        return f"{_number(row[measure])} over {counted(row[unit], unit.removesuffix('s'))}"
    finished = row["failed_runs"] + row["succeeded_runs"]
    bounds = f"{row['failure_rate_low']:.1%} to {row['failure_rate_high']:.1%}"
    return f"{row['failed_runs']:,} of {finished:,} failed: {row['failure_rate']:.1%}, 95 % interval {bounds}"


def _window_text(window: Interval) -> str:
    first, end = window.first_whole_day, window.end_of_whole_days
    assert first is not None
    assert end is not None
    last = end - _DAY
    return str(first) if first == last else f"{first} to {last}"

"""Rules over figures of views: limits, changes against the same weekday, budgets."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from polydoc_analytics import views
from polydoc_analytics.automation.alerts.evidence import (
    evidence,
    expectation,
    headline,
    number,
    percent,
    window_text,
    words,
    written,
)
from polydoc_analytics.automation.alerts.rule_context import AlertContext, FiringAlert, RuleResult, view_keys
from polydoc_analytics.automation.alerts.thresholds import exact, is_beyond
from polydoc_analytics.automation.config import OUTLOOKS, as_day
from polydoc_analytics.config import tables
from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.periods import Interval, interval

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


def limit(plan: tables.Limit, context: AlertContext) -> RuleResult:
    """Find rows of a view whose measure was beyond a limit in each of the windows."""
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
            what = f"{who}: {words(plan.measure)} of {month} are expected to end at {number(round(ending.expected))}"
            what += f", above {written(plan.above)}"
            until = found.interval.until.isoformat()
            firing.append(FiringAlert(plan.name, identity, what, expectation(plan.measure, ending), (), who, until))
    return RuleResult(tuple(firing), frozenset(unknown))


def _beyond(
    plan: tables.Limit,
    context: AlertContext,
    view: views.View,
    key: tuple[str, ...],
    windows: Sequence[Interval],
    rows: Sequence[Mapping[str, Any]],
) -> FiringAlert:
    measure = plan.measure
    side = f"above {written(plan.above)}" if plan.above is not None else f"below {written(plan.below or 0)}"
    who = context.text(view, key)
    figures = [
        (f"{measure}, {window_text(window)}", evidence(measure, row)) for window, row in zip(windows, rows, strict=True)
    ]
    examples = context.failed(view, key, windows[0]) if "fail" in measure else ()
    what = f"{who}: {measure} {number(rows[0][measure])} is {side}"
    subject = headline(plan, context.name(view, key), view.every, windows[0], rows[0][measure])
    return FiringAlert(plan.name, " ".join(key), what, tuple(figures), examples, who, headline=subject)


def _known_keys(
    view: views.View, context: AlertContext, seen: Sequence[Mapping[tuple[str, ...], Any]]
) -> set[tuple[str, ...]]:
    """List the possible keys of a view: every account or language that has ever had a run."""
    names = view_keys(view)
    if not names:
        return {()}
    found = context.db.sql(f"select distinct {', '.join(names)} from runs").rows()
    return {key for rows in seen for key in rows} | {tuple(row) for row in found}


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


def change_of_day(plan: tables.Change, context: AlertContext) -> RuleResult:
    """Find rows whose measure rose or fell yesterday against the median of the same weekday."""
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
        change = exact(now) / exact(median) - 1
        if plan.rises is not None and change > exact(plan.rises):
            side = "rose"
        elif plan.falls is not None and -change > exact(plan.falls):
            side = "fell"
        else:
            within.add(name)
            continue
        who = context.text(view, key)
        what = f"{who}: {words(measure)} {side} by {percent(float(round(abs(change), 2)))} on {day}"
        figures = ((measure, number(now)), (f"median of {len(known)} {day:%A}s before", number(median)))
        examples = context.failed(view, key, context.days(day, day)) if "fail" in measure else ()
        firing.append(FiringAlert(plan.name, name, what, figures, examples, who))
    return RuleResult(tuple(firing), frozenset(unknown), False, frozenset(within))


def _on_the_day(row: Mapping[str, Any] | None, measure: str) -> float | None:
    if row is None:
        return 0.0 if measure in SUMMED else None
    return None if row[measure] is None else float(row[measure])


def budget_used(plan: tables.Budget, context: AlertContext) -> RuleResult:
    """Find accounts that have used a share of their budget of the month, passed it, or are expected to."""
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
        figures = [("budget", written(budget)), ("credits so far", number(used))] if used is not None else []
        if is_forecast and ending is not None:
            figures += expectation("credits", ending)[1:]
        elif ends is not None:
            figures.append(("projected, at the same pace", number(round(ends))))
        shares = [share for share in plan.stages if share != 1]
        said = {
            **{
                f"{share * 100:g}%": (
                    used is not None and 0 < used >= exact(share) * exact(budget),
                    f"{who} has used at least {written(share, 2)} % of its budget of {name}",
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

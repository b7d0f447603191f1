"""Each kind of rule by name, and those over what a lake holds: runs that do not end, silent sources, quarantine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from polydoc_analytics.automation.alerts.evidence import percent
from polydoc_analytics.automation.alerts.figure_rules import budget_used, change_of_day, limit
from polydoc_analytics.automation.alerts.rule_context import AlertContext, FiringAlert, RuleResult
from polydoc_analytics.config import tables
from polydoc_analytics.errors import PolydocError, SumError
from polydoc_analytics.lake.freshness import brought
from polydoc_analytics.model.plurals import counted, duration
from polydoc_analytics.reports.builders.context import records
from polydoc_analytics.reports.formatting import display_text

_EXAMPLES = 3
_UNFIT = "sums"
"""The key of the finding that a sum does not fit."""


def evaluate_rule(plan: tables.AnyAlert, context: AlertContext) -> RuleResult:
    """Evaluate an alert; findings are in the order of its keys.

    Accounts with a run whose numbers no sum holds are left out, which is a finding; of them nothing can be said. A view
    of one's own that fails is an error of this alert alone, and silences no other.
    """
    try:
        return _evaluated(plan, context)
    except PolydocError as error:
        return RuleResult(knows_absent=False, error=error)


def _evaluated(plan: tables.AnyAlert, context: AlertContext) -> RuleResult:
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
    what = f"{percent(bad / read)} of the rows read were quarantined"
    figures = (("rows read", f"{read:,}"), ("quarantined", f"{bad:,}"))
    return RuleResult((FiringAlert(plan.name, "quarantine", what, figures),))


_RULES: dict[str, Callable[[Any, AlertContext], RuleResult]] = {
    "limit": limit,
    "change": change_of_day,
    "budget": budget_used,
    "running": _running,
    "silent": _silent,
    "quarantine": _quarantine,
}

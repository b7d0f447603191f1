"""``check()``: every alert against a lake, what began and what is over since the last time, and who hears of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from polydoc_analytics.automation import Plans
from polydoc_analytics.automation.alerts.evidence import words
from polydoc_analytics.automation.alerts.rule_context import AlertContext, FiringAlert, RuleResult
from polydoc_analytics.automation.alerts.rules import evaluate_rule
from polydoc_analytics.automation.delivery.messages import Message, brand_of, key_of
from polydoc_analytics.automation.delivery.outbox import deliver_all, enqueue
from polydoc_analytics.automation.delivery.send import Clock
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.config.settings import Settings
from polydoc_analytics.config.tables import AnyAlert
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.lake.storage.interface import ALERTS

if TYPE_CHECKING:
    from polydoc_analytics.config.choices import DateBasis

_MAX_SUBJECT = 120


@dataclass(frozen=True)
class CheckResult:
    """The result of a check: firing alerts, those that began since the last check, and identities of those that ended.

    What fired and has no data any more still fires. ``without_data`` are the identities of what is told to have had
    none for too long. ``errors`` say which alerts could not be evaluated, and why.
    """

    firing: tuple[FiringAlert, ...]
    started: tuple[FiringAlert, ...]
    recovered: tuple[str, ...]
    lost: tuple[Mapping[str, Any], ...] = ()
    without_data: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def evaluate_rules(lake: Lake, settings: Settings, plans: Plans, now: datetime) -> dict[str, RuleResult]:
    """Evaluate each alert at an instant, by name, without storing state or sending notices."""
    from polydoc_analytics.query.connect import connect

    if not plans.alerts:
        return {}
    basis = cast("DateBasis", settings.date_basis)
    asked = {"views": settings.views, "accounts": settings.accounts, **settings.cluster}
    with connect(lake, timezone=settings.timezone, date_basis=basis, now=now, **asked) as db:
        context = AlertContext(lake, db, db.account_names, tuple(settings.sources), now)
        return {name: evaluate_rule(plan, context) for name, plan in plans.alerts.items()}


def evaluate(lake: Lake, settings: Settings, plans: Plans, now: datetime) -> list[FiringAlert]:
    """List the firing alerts at an instant, without storing state or sending notices.

    Raises the error of the first alert that cannot be evaluated.
    """
    results = evaluate_rules(lake, settings, plans, now).values()
    for one in results:
        if one.error:
            raise one.error
    return [found for one in results for found in one.firing]


def check(lake: Lake, settings: Settings, plans: Plans, clock: Clock) -> CheckResult:
    """Check every alert, remember what fires, and tell of what began and what is over, each once.

    What has no data stays what it was; that there are none is told once, after the alert's ``no_data_after``. To be
    called under the lock of the store. One message goes to each receiver, whatever number of alerts it is about. A
    receiver that does not take it is tried again at later checks.
    """
    now = clock()
    store = StateStore(lake)
    state = _posted(store, plans, _state(store), now)
    step = _Step.of(state, plans, evaluate_rules(lake, settings, plans, now), now)
    after = {"firing": step.firing, "no_data": step.no_data}
    if after != {name: state[name] for name in after}:
        # What is to be said is stored with what it is about, so that neither can be without the other.
        state = {**after, "pending": _notices(lake, plans, step, now, brand_of(settings))}
        store.write(ALERTS, state)
        _posted(store, plans, state, now)
    lost = deliver_all(store, plans, clock)
    return step.checked(tuple(lost))


def look(lake: Lake, settings: Settings, plans: Plans, now: datetime) -> CheckResult:
    """Do a dry run of :func:`check`, without storing state or sending notices."""
    return _Step.of(_state(StateStore(lake)), plans, evaluate_rules(lake, settings, plans, now), now).checked(())


@dataclass(frozen=True)
class _Step:
    """From what was remembered to what is found now. Entries are stored by identity."""

    firing: dict[str, Any]
    no_data: dict[str, Any]
    started: list[FiringAlert]
    over: dict[str, Any]
    told: list[dict[str, Any]]
    errors: tuple[str, ...]

    @classmethod
    def of(cls, state: Mapping[str, Any], plans: Plans, results: Mapping[str, RuleResult], now: datetime) -> _Step:
        watched = {name: _watches(plan) for name, plan in plans.alerts.items()}
        fresh = {one.identity: one for judged in results.values() for one in judged.firing}
        before = {
            name: one
            for name, one in state["firing"].items()
            if one["alert"] in results
            and one.get("watches", watched[one["alert"]]) == watched[one["alert"]]
            and not (one.get("ends_at") and datetime.fromisoformat(one["ends_at"]) <= now)
        }
        kept = {
            name: one
            for name, one in before.items()
            if name not in fresh and not results[one["alert"]].has_data_of(one["key"])
        }
        firing = {
            name: before.get(name) or {**_stored(one), "since": now.isoformat(), "watches": watched[one.alert]}
            for name, one in fresh.items()
        }
        firing |= kept
        # Of an alert that watches one thing as a whole it is told too when nothing fired before.
        silent = {f"{name}: ": {"alert": name, "key": ""} for name, one in results.items() if "" in one.without_data}
        silent |= {name: {"alert": one["alert"], "key": one["key"]} for name, one in kept.items()}
        no_data = {
            name: state["no_data"].get(name) or {**one, "since": now.isoformat(), "is_told": False}
            for name, one in silent.items()
        }
        told = []
        for name, one in no_data.items():
            wait = getattr(plans.alerts[one["alert"]], "no_data_after", None)
            if not one["is_told"] and wait is not None and now - datetime.fromisoformat(one["since"]) >= wait:
                no_data[name] = {**one, "is_told": True}
                told.append({**no_data[name], "what": _finding(firing[name]).sentence if name in firing else ""})
        over = {name: one for name, one in before.items() if name not in firing}
        errors = tuple(f"[[alerts]] {name}: {one.error}" for name, one in results.items() if one.error)
        return cls(firing, no_data, [one for name, one in fresh.items() if name not in before], over, told, errors)

    def checked(self, lost: tuple[Mapping[str, Any], ...]) -> CheckResult:
        findings = tuple(_finding(one) for one in self.firing.values())
        silent = tuple(name for name, one in self.no_data.items() if one["is_told"])
        return CheckResult(findings, tuple(self.started), tuple(self.over), lost, silent, self.errors)


def _state(store: StateStore) -> dict[str, Any]:
    return {"firing": {}, "no_data": {}, "pending": [], **(store.read(ALERTS) or {})}


def _stored(finding: FiringAlert) -> dict[str, Any]:
    """Return a finding as JSON gives it back, so that what is remembered can be compared."""
    return {**asdict(finding), "figures": [list(row) for row in finding.figures], "examples": list(finding.examples)}


def _watches(plan: AnyAlert) -> str:
    """Name what an alert watches; where that changes, what has fired is forgotten, for nothing would end it."""
    return f"{plan.kind} {getattr(plan, 'view', '')} {getattr(plan, 'measure', '')}".strip()


def _finding(stored: Mapping[str, Any]) -> FiringAlert:
    figures = tuple((label, value) for label, value in stored["figures"])
    values = {name: value for name, value in stored.items() if name not in ("since", "watches")}
    return FiringAlert(**{**values, "figures": figures, "examples": tuple(stored["examples"])})


def firing(lake: Lake) -> dict[str, Any]:
    """Load the alerts that fired at the last check, by identity, with their start and evidence."""
    return dict((StateStore(lake).read(ALERTS) or {"firing": {}})["firing"])


def _posted(store: StateStore, plans: Plans, state: dict[str, Any], now: datetime) -> dict[str, Any]:
    for notice in state["pending"]:
        targets = [name for name in notice["targets"] if name in plans.targets]
        enqueue(store, plans, notice["id"], Message.of(notice["letter"]), targets, now)
    if state["pending"]:
        state = {**state, "pending": []}
        store.write(ALERTS, state)
    return state


def _notices(lake: Lake, plans: Plans, step: _Step, now: datetime, brand: Mapping[str, str]) -> list[dict[str, Any]]:
    notices = []
    for target in plans.targets:
        begun = [one for one in step.started if target in plans.alerts[one.alert].deliver]
        ended = [one for one in step.over.values() if target in plans.alerts[one["alert"]].deliver]
        silent = [one for one in step.told if target in plans.alerts[one["alert"]].deliver]
        if not begun and not ended and not silent:
            continue
        identity = key_of("alert", lake.id, target, now.isoformat(), *(one.identity for one in begun))
        message = replace(_message(begun, ended, silent, now), brand=brand)
        notices.append({"id": identity, "letter": message.stored(), "targets": [target]})
    return notices


def _message(
    begun: Sequence[FiringAlert], ended: Sequence[Mapping[str, Any]], silent: Sequence[Mapping[str, Any]], now: datetime
) -> Message:
    text: list[str] = []
    figures: list[tuple[str, str, str]] = []
    for one in begun:
        runs = f" Runs to look at: {', '.join(one.examples)}." if one.examples else ""
        text.append(f"{one.alert}: {one.sentence}.{runs}")
        labels = [f"{one.who}: {words(label)}" if one.who else words(label) for label, _ in one.figures]
        figures += [(label, value, one.alert) for label, (_, value) in zip(labels, one.figures, strict=True)]
    over = [(_finding(one), _instant(one["since"])) for one in ended]
    text += [f"{one.alert}: over ({one.sentence}, since {since})." for one, since in over]
    for no_data in silent:
        stays = f"; it stays as it was: {no_data['what']}" if no_data["what"] else ""
        text.append(f"{no_data['alert']}: no data since {_instant(no_data['since'])}{stays}.")
    heads = [one.sentence for one in begun] + [f"Over: {one.sentence}" for one, _ in over]
    heads += [f"No data: {one['what'] or one['alert']}" for one in silent]
    more = f", and {len(heads) - 1} more" if len(heads) > 1 else ""
    data = {
        "began": [asdict(one) for one in begun],
        "over": [dict(one) for one in ended],
        "no_data": [dict(one) for one in silent],
        "at": now.isoformat(),
    }
    return Message("alert", f"{_short(heads[0])}{more}", "", tuple(text), tuple(figures), (), data)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SUBJECT else f"{text[: _MAX_SUBJECT - 1]}…"


def _instant(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"

"""``check()``: every alert against a lake, what began and what is over since the last time, and who hears of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from polydoc_analytics.alerts.rules import Finding, Watched, findings
from polydoc_analytics.config import Settings, account_names
from polydoc_analytics.delivery.outbox import deliver_all, put
from polydoc_analytics.delivery.parcels import Letter, key_of
from polydoc_analytics.delivery.sending import Clock
from polydoc_analytics.delivery.shelf import Shelf
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.plan import Plans

if TYPE_CHECKING:
    from polydoc_analytics.engines.scope import DateBasis

_STATE = "alerts.json"


@dataclass(frozen=True)
class Checked:
    """What fires, what of it began since the last check, and the identities of what is over."""

    firing: tuple[Finding, ...]
    started: tuple[Finding, ...]
    recovered: tuple[str, ...]
    lost: tuple[Mapping[str, Any], ...] = ()


def evaluate(lake: Lake, settings: Settings, plans: Plans, now: datetime) -> list[Finding]:
    """Return what fires at an instant; nothing is remembered, nobody hears of it."""
    from polydoc_analytics.engine import connect

    if not plans.alerts:
        return []
    basis = cast("DateBasis", settings.date_basis)
    asked = {"views": settings.views, **settings.cluster}
    with connect(lake, timezone=settings.timezone, date_basis=basis, now=now, **asked) as db:
        names = {**db.account_names, **account_names(settings.accounts)}
        watched = Watched(lake, db, names, tuple(settings.sources), now)
        return [found for plan in plans.alerts.values() for found in findings(plan, watched)]


def check(lake: Lake, settings: Settings, plans: Plans, clock: Clock) -> Checked:
    """Check every alert, remember what fires, and tell of what began and what is over, each once.

    To be called under the lock of the shelf. One message goes to each receiver, whatever number of alerts it is about.
    A receiver that does not take it is tried again at later checks.
    """
    now = clock()
    shelf = Shelf(lake)
    state = shelf.read(_STATE) or {"firing": {}, "pending": []}
    state = _posted(shelf, plans, state, now)
    found = evaluate(lake, settings, plans, now)
    before: dict[str, Any] = state["firing"]
    after = {one.identity: before.get(one.identity) or {**asdict(one), "since": now.isoformat()} for one in found}
    started = [one for one in found if one.identity not in before]
    over = {name: one for name, one in before.items() if name not in after and one["alert"] in plans.alerts}
    if after.keys() != before.keys():
        # What is to be said is stored with what it is about, so that neither can be without the other.
        state = {"firing": after, "pending": _notices(plans, started, over, now)}
        shelf.write(_STATE, state)
        _posted(shelf, plans, state, now)
    lost = deliver_all(shelf, plans, clock)
    return Checked(tuple(found), tuple(started), tuple(over), tuple(lost))


def firing(lake: Lake) -> dict[str, Any]:
    """Return what fired at the last check, by identity, each since when and with its evidence of then."""
    return dict((Shelf(lake).read(_STATE) or {"firing": {}})["firing"])


def _posted(shelf: Shelf, plans: Plans, state: dict[str, Any], now: datetime) -> dict[str, Any]:
    for notice in state["pending"]:
        targets = [name for name in notice["targets"] if name in plans.targets]
        put(shelf, plans, notice["id"], Letter.of(notice["letter"]), targets, now)
    if state["pending"]:
        state = {**state, "pending": []}
        shelf.write(_STATE, state)
    return state


def _notices(
    plans: Plans, started: Sequence[Finding], over: Mapping[str, Mapping[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    notices = []
    for target in plans.targets:
        begun = [one for one in started if target in plans.alerts[one.alert].deliver]
        ended = [one for one in over.values() if target in plans.alerts[one["alert"]].deliver]
        if not begun and not ended:
            continue
        identity = key_of("alert", target, now.isoformat(), *(one.identity for one in begun))
        notices.append({"id": identity, "letter": _letter(begun, ended, now).stored(), "targets": [target]})
    return notices


def _letter(begun: Sequence[Finding], ended: Sequence[Mapping[str, Any]], now: datetime) -> Letter:
    title = [f"{len(begun)} alert{'s' if len(begun) > 1 else ''} began"] if begun else []
    title += [f"{len(ended)} {'are' if len(ended) > 1 else 'is'} over"] if ended else []
    text, figures = [], []
    for one in begun:
        runs = f" Runs to look at: {', '.join(one.examples)}." if one.examples else ""
        text.append(f"{one.alert}: {one.what}.{runs}")
        figures += [(label, value, one.alert) for label, value in one.figures]
    text += [f"{one['alert']}: over ({one['what']}, since {one['since']})." for one in ended]
    data = {"began": [asdict(one) for one in begun], "over": [dict(one) for one in ended], "at": now.isoformat()}
    return Letter("alert", ", ".join(title), "", tuple(text), tuple(figures), (), data)

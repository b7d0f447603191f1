"""One try to deliver: recorded before and after, so that whatever breaks in between is known as uncertain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from polydoc_analytics.delivery.outcomes import RefusedError, UncertainError
from polydoc_analytics.delivery.parcels import Delivery, Parcel, Try, key_of
from polydoc_analytics.errors import PolydocError, SourceError
from polydoc_analytics.plan import SchedulePlan, TargetPlan
from polydoc_analytics.safe_text import shown

PUTS = ("folder", "store")
"""Kinds at which a repeat only puts the same bytes where they are: whether a try was the first need not be known."""

OUTPUT = "output"
"""The name of the delivery to the place that a report's ``output`` names."""

_MODULES = {"folder": "places", "store": "places", "email": "mail", "slack": "slack", "webhook": "webhook"}
_MOST_ANSWER = 300
_MOST_WAIT = timedelta(hours=12)
_KILLED = "the process ended before an answer was recorded"

Clock = Callable[[], datetime]
Save = Callable[[], None]


def deliveries_to(
    targets: Iterable[TargetPlan], parts: tuple[str, ...], contacts: Callable[[TargetPlan], str | None] | None = None
) -> list[Delivery]:
    """Return the deliveries to each receiver of some targets, keyed by the parts that name what is delivered.

    With ``contacts`` a mail goes to what that gives for the target; where it gives none the delivery is skipped.
    """
    found = []
    for target in targets:
        for receiver in _receivers(target, contacts):
            key = key_of(*parts, target.name, receiver or "")
            one = Delivery(target.name, target.kind, receiver or "", parts[-1], key)
            if receiver is None:
                one.state = "skipped"
                one.tries.append(Try("", "skipped", "no address among the contacts"))
            found.append(one)
    return found


def _receivers(target: TargetPlan, contacts: Callable[[TargetPlan], str | None] | None) -> tuple[str | None, ...]:
    if target.kind == "email":
        return (contacts(target),) if contacts else tuple(target.values["to"])
    place = target.values.get("path") or target.values.get("uri") or target.values["url_env"]
    return (shown(place) if "://" in place else place,)


def deliver(
    delivery: Delivery,
    target: TargetPlan | None,
    parcel: Callable[[], Parcel],
    save: Save,
    clock: Clock,
    schedule: SchedulePlan,
) -> None:
    """Try a delivery once, if its time has come; it counts as sent only when the other side has accepted it.

    ``save`` makes the record durable; it is called before anything leaves and again when the outcome is known.
    """
    now = clock()
    if delivery.state == "sending":  # found so: whoever tried was killed
        delivery.tries[-1].outcome, delivery.tries[-1].answer = "uncertain", _KILLED
        settle(delivery, now, schedule)
        save()
        if delivery.next_try_at is None:
            return
        delivery.next_try_at = now.isoformat()  # the wait is for a receiver in trouble, and none was
    if not delivery.is_open or (delivery.next_try_at and now < datetime.fromisoformat(delivery.next_try_at)):
        return
    delivery.state, delivery.next_try_at = "sending", None
    delivery.tries.append(Try(now.isoformat(), "sending"))
    save()
    last, least_wait = delivery.tries[-1], 0.0
    try:
        if target is None:
            raise RefusedError(f"the settings have no [delivery.{delivery.target}] any more")
        last.answer = _send(target, delivery, parcel())
        last.outcome = "sent"
    except UncertainError as error:
        last.outcome, last.answer = "uncertain", str(error)
    except RefusedError as error:
        last.outcome, last.answer, least_wait = "failed", str(error), error.wait_s
    except PolydocError as error:
        last.outcome, last.answer = "failed", str(error)
    except Exception as error:
        # Nobody knows how far it came, and the next receiver must not go without for it.
        last.outcome, last.answer = "uncertain", f"internal error: {type(error).__name__}: {error}"
    last.answer = scrubbed(last.answer, target)[:_MOST_ANSWER]
    settle(delivery, now, schedule, least_wait)
    save()


def settle(delivery: Delivery, now: datetime, schedule: SchedulePlan, least_wait_s: float = 0.0) -> None:
    """Set a delivery's state from its tries, and when the next one is; None where there are to be no more."""
    outcomes = [one.outcome for one in delivery.tries]
    delivery.next_try_at = None
    if "sent" in outcomes:
        delivery.state = "sent"
        return
    delivery.state = "uncertain" if "uncertain" in outcomes else "failed"
    if len(outcomes) < schedule.attempts:
        wait = max(back_off(schedule, len(outcomes)), timedelta(seconds=least_wait_s))
        delivery.next_try_at = (now + min(wait, _MOST_WAIT)).isoformat()


def back_off(schedule: SchedulePlan, tries: int) -> timedelta:
    """Return how long to wait after so many tries."""
    factor: int = 2 ** min(tries - 1, 20)
    return min(schedule.back_off * factor, _MOST_WAIT)


def _send(target: TargetPlan, delivery: Delivery, parcel: Parcel) -> str:
    answer: str = import_module(f"polydoc_analytics.delivery.{_MODULES[target.kind]}").send(target, delivery, parcel)
    return answer


def output_target(path: str) -> TargetPlan:
    """Return the place that a report's ``output`` names as a target."""
    values = {"uri": path} if "://" in path else {"path": path}
    return TargetPlan(OUTPUT, "store" if "://" in path else "folder", values)


def secret_of(target: TargetPlan, key: str) -> str:
    """Return a secret that a target names; raises SourceError, with the variable's name, where it is not set."""
    variable = target.values[key]
    value = os.environ.get(variable)
    if not value:
        raise SourceError(
            f"delivery {target.name}: the environment variable {variable} is not set; it holds the secret"
        )
    return value


def scrubbed(text: str, target: TargetPlan | None) -> str:
    """Return an answer on one line, without the secrets of the target, should the other side repeat them."""
    values: Mapping[str, Any] = target.values if target else {}
    for key, variable in values.items():
        secret = os.environ.get(variable or "", "") if key.endswith("_env") else ""
        for part in {secret, secret.partition("://")[2], secret.rpartition("/")[2]}:
            if len(part) >= 4:
                text = text.replace(part, "***")
    return " ".join(text.split())

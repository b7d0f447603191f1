"""One try to deliver: recorded before and after, so that whatever breaks in between is known as uncertain.

Records are changed by :func:`begin` and :func:`finish`, in one thread; :func:`attempt` may run in another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from polydoc_analytics import safe_text
from polydoc_analytics.automation.delivery.messages import Attempt, Delivery, Package, key_of
from polydoc_analytics.automation.delivery.outcomes import RefusedError, UncertainError
from polydoc_analytics.config.addresses import distinct, is_address
from polydoc_analytics.config.choices import OUTPUT
from polydoc_analytics.config.tables import AnyTarget, Email, Folder, Schedule, Slack, Store, Webhook
from polydoc_analytics.errors import PolydocError, SourceError
from polydoc_analytics.safe_text import display_address, display_variable, visible

PUTS = ("folder", "store")
"""Kinds at which a repeat only puts the same bytes where they are: whether a try was the first need not be known."""

_MODULES = {"folder": "storage", "store": "storage", "email": "email", "slack": "slack", "webhook": "webhook"}
_MAX_ANSWER = 300
_MAX_WAIT = timedelta(hours=12)
_KILLED = "the process ended before an answer was recorded"

Clock = Callable[[], datetime]
Save = Callable[[], None]


def deliveries_to(
    targets: Iterable[AnyTarget],
    parts: tuple[str, ...],
    account: str = "",
    contacts: Callable[[Email], tuple[str, ...]] | None = None,
) -> list[Delivery]:
    """Return the deliveries to each receiver of some targets, keyed by the parts that name what is delivered.

    With ``contacts`` a mail goes to each address that gives for the target; where there is none the delivery is
    skipped, and where what stands there is no address it has failed.
    """
    found = []
    for target in targets:
        for receiver in _receivers(target, contacts) or ("",):
            one = Delivery(target.name, target.kind, receiver, account, key_of(*parts, account, target.name, receiver))
            if not receiver:
                one.state = "skipped"
                one.tries.append(Attempt("", "skipped", "no address among the contacts"))
            elif target.kind == "email" and not is_address(receiver):
                one.state = "failed"
                one.tries.append(Attempt("", "failed", f"'{receiver}' is no address"))
            found.append(one)
    return found


def _receivers(target: AnyTarget, contacts: Callable[[Email], tuple[str, ...]] | None) -> tuple[str, ...]:
    if isinstance(target, Email):
        return distinct(contacts(target) if contacts else target.to)
    if isinstance(target, Slack | Webhook):
        return (target.url_env,)
    place = target.uri if isinstance(target, Store) else target.path
    return (display_address(place) if "://" in place else place,)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt: sent, failed or uncertain, the answer, and the receiver's Retry-After in seconds."""

    outcome: str
    answer: str
    wait_s: float = 0.0


def begin(delivery: Delivery, save: Save, now: datetime, schedule: Schedule) -> bool:
    """Record that a delivery is being tried, if its time has come; tell whether it is to be tried now.

    ``save`` makes the record durable before anything leaves.
    """
    if delivery.state == "sending":  # found so: whoever tried was killed
        delivery.tries[-1].outcome, delivery.tries[-1].answer = "uncertain", _KILLED
        conclude(delivery, now, schedule)
        save()
        if delivery.next_try_at is None:
            return False
        delivery.next_try_at = now.isoformat()  # the wait is for a receiver in trouble, and none was
    if not delivery.is_open or not is_time(delivery.next_try_at, now):
        return False
    delivery.state, delivery.next_try_at = "sending", None
    delivery.tries.append(Attempt(now.isoformat(), "sending"))
    save()
    return True


def is_time(next_try_at: str | None, now: datetime) -> bool:
    """Check whether the time of a further try has come; one beyond any wait was set by a clock that was ahead."""
    wait = datetime.fromisoformat(next_try_at) - now if next_try_at else timedelta()
    return not timedelta() < wait <= _MAX_WAIT


def attempt(delivery: Delivery, target: AnyTarget | None, load: Callable[[], Package]) -> Outcome:
    """Try a delivery once. It counts as sent only when the other side has accepted it; no record is changed."""
    try:
        if target is None:
            raise RefusedError(f"the settings have no [delivery.{delivery.target}] any more")
        found = Outcome("sent", _send(target, delivery, load()))
    except UncertainError as error:
        found = Outcome("uncertain", str(error))
    except RefusedError as error:
        found = Outcome("failed", str(error), error.wait_s)
    except PolydocError as error:
        found = Outcome("failed", str(error))
    except Exception as error:
        # Nobody knows how far it came, and the next receiver must not go without for it.
        found = Outcome("uncertain", f"internal error: {type(error).__name__}: {error}")
    return replace(found, answer=_without_secrets(found.answer, target)[:_MAX_ANSWER])


def finish(delivery: Delivery, outcome: Outcome, save: Save, now: datetime, schedule: Schedule) -> None:
    """Record what became of a try, durably."""
    delivery.tries[-1].outcome, delivery.tries[-1].answer = outcome.outcome, outcome.answer
    conclude(delivery, now, schedule, outcome.wait_s)
    save()


def conclude(delivery: Delivery, now: datetime, schedule: Schedule, least_wait_s: float = 0.0) -> None:
    """Set a delivery's state from its tries, and when the next one is; None where there are to be no more."""
    outcomes = [one.outcome for one in delivery.tries]
    delivery.next_try_at = None
    if "sent" in outcomes:
        delivery.state = "sent"
        return
    delivery.state = "uncertain" if "uncertain" in outcomes else "failed"
    if len(outcomes) < schedule.attempts:
        wait = max(back_off(schedule, len(outcomes)), timedelta(seconds=least_wait_s))
        delivery.next_try_at = (now + min(wait, _MAX_WAIT)).isoformat()


def back_off(schedule: Schedule, tries: int) -> timedelta:
    """Return how long to wait after so many tries."""
    factor: int = 2 ** min(tries - 1, 20)
    return min(min(schedule.back_off, _MAX_WAIT) * factor, _MAX_WAIT)


def _send(target: AnyTarget, delivery: Delivery, package: Package) -> str:
    channel = import_module(f"polydoc_analytics.automation.delivery.channels.{_MODULES[target.kind]}")
    answer: str = channel.send(target, delivery, package)
    return answer


def output_target(path: str) -> AnyTarget:
    """Return the place that a report's ``output`` names as a target."""
    target = Store(kind="store", uri=path) if "://" in path else Folder(kind="folder", path=path)
    return target.named(OUTPUT)


def secret_of(target: AnyTarget, variable: str) -> str:
    """Return a secret that a target names; raises SourceError, with the variable's name, where it is not set."""
    value = _secret(variable)
    if not value:
        name = display_variable(variable)
        raise SourceError(f"delivery {target.name}: the environment variable {name} is not set; it holds the secret")
    return value


def _secret(variable: str) -> str:
    """Read a variable of the environment, without the line end of the file that it was filled from."""
    return os.environ.get(variable, "").rstrip("\r\n")


def _without_secrets(text: str, target: AnyTarget | None) -> str:
    """Return an answer on one line, without the secrets of the target, should the other side repeat them."""
    values: Mapping[str, Any] = dict(target or {})
    secrets = [_secret(variable) for key, variable in values.items() if key.endswith("_env") and variable]
    if user := values.get("user"):  # a login sends both in one word, encoded
        secrets += [f"{start}{user}{mark}{secret}" for secret in secrets for start, mark in (("\0", "\0"), ("", ":"))]
    return " ".join(visible(safe_text.scrubbed(text, secrets)).split())

"""Notices that wait for their receivers: alerts, and jobs that failed. Put there once, delivered at least once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from polydoc_analytics.automation import Plans
from polydoc_analytics.automation.delivery.messages import Delivery, Message, Package
from polydoc_analytics.automation.delivery.parallel import Lane, Task, run_parallel
from polydoc_analytics.automation.delivery.send import Clock, deliveries_to
from polydoc_analytics.automation.state_store import StateStore

_OPEN, _DONE = "outbox", "notices"
_MAIL_LOGOS = (".png", ".jpg", ".jpeg")


def enqueue(
    store: StateStore, plans: Plans, identity: str, message: Message, targets: Iterable[str], now: datetime
) -> None:
    """Put a notice into the outbox, unless that same notice is or was there."""
    if store.read(f"{_OPEN}/{identity}.json") or store.read(f"{_DONE}/{identity}.json"):
        return
    to = deliveries_to([plans.targets[name] for name in targets], ("notice", identity))
    content = {"id": identity, "made_at": now.isoformat(), "letter": message.stored()}
    store.write(f"{_OPEN}/{identity}.json", content | {"deliveries": [one.stored() for one in to]})


def deliver_all(store: StateStore, plans: Plans, clock: Clock) -> list[dict[str, Any]]:
    """Try what waits, if its time has come, and return what has ended without being sent."""
    lost: list[dict[str, Any]] = []
    run_parallel([outbox_lane(store, plans, lost)], clock, plans.schedule)
    return lost


def outbox_lane(store: StateStore, plans: Plans, lost: list[dict[str, Any]]) -> Lane:
    """Deliver all that waits side by side, and add what has ended without being sent to ``lost``."""
    waiting = [_Notice(store, name, notice) for name in store.names(_OPEN) if (notice := _open(store, name))]
    yield [task for one in waiting for task in one.tasks(plans)]
    for one in waiting:
        if (done := one.close_if_done()) and any(to["state"] != "sent" for to in done["deliveries"]):
            lost.append(done)


def _open(store: StateStore, name: str) -> dict[str, Any] | None:
    return store.read(f"{_OPEN}/{name}.json")


class _Notice:
    """A notice of the outbox, and its deliveries."""

    def __init__(self, store: StateStore, name: str, notice: dict[str, Any]) -> None:
        self._store, self._name, self._notice = store, name, notice
        self._to = [Delivery.of(one) for one in notice["deliveries"]]

    def tasks(self, plans: Plans) -> list[Task]:
        """List the deliveries still to be attempted."""
        made_at = datetime.fromisoformat(self._notice["made_at"])
        places = {"report": "notices", "period": f"{made_at:%Y-%m-%d}"}

        def save() -> None:
            self._save(_OPEN)

        package = Package(Message.of(self._notice["letter"]), made_at, charts=_logo(plans), places=places)
        return [Task(one, plans.targets.get(one.target), lambda: package, save) for one in self._to if one.is_open]

    def close_if_done(self) -> dict[str, Any] | None:
        """Put the notice aside when nothing of it is to be tried any more, and return it then."""
        if any(one.is_open for one in self._to):
            return None
        done = self._save(_DONE)
        self._store.remove(f"{_OPEN}/{self._name}.json")
        return done

    def _save(self, folder: str) -> dict[str, Any]:
        content = self._notice | {"deliveries": [one.stored() for one in self._to]}
        self._store.write(f"{folder}/{self._name}.json", content)
        return content


def _logo(plans: Plans) -> dict[str, bytes]:
    """Read the logo for mails; none where mail programs show no such file, or it cannot be read."""
    if plans.logo is None or plans.logo.suffix.lower() not in _MAIL_LOGOS:
        return {}
    try:
        return {"logo": plans.logo.read_bytes()}
    except OSError:
        return {}


def notices(store: StateStore) -> list[dict[str, Any]]:
    """Return all notices, those that wait included, the oldest first."""
    found = [store.read(f"{folder}/{name}.json") for folder in (_OPEN, _DONE) for name in store.names(folder)]
    return sorted((one for one in found if one), key=lambda one: (one["made_at"], one["id"]))

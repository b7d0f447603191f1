"""Notices that wait for their receivers: alerts, and jobs that failed. Put there once, delivered at least once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from polydoc_analytics.delivery.parcels import Delivery, Letter, Parcel
from polydoc_analytics.delivery.sending import Clock, deliver, deliveries_to
from polydoc_analytics.delivery.shelf import Shelf
from polydoc_analytics.plan import Plans

_OPEN, _DONE = "outbox", "notices"


def put(shelf: Shelf, plans: Plans, identity: str, letter: Letter, targets: Iterable[str], now: datetime) -> None:
    """Put a notice into the outbox, unless that same notice is or was there."""
    if shelf.read(f"{_OPEN}/{identity}.json") or shelf.read(f"{_DONE}/{identity}.json"):
        return
    to = deliveries_to([plans.targets[name] for name in targets], ("notice", identity, ""))
    content = {"id": identity, "made_at": now.isoformat(), "letter": letter.stored()}
    shelf.write(f"{_OPEN}/{identity}.json", content | {"deliveries": [one.stored() for one in to]})


def deliver_all(shelf: Shelf, plans: Plans, clock: Clock) -> list[dict[str, Any]]:
    """Try what waits, if its time has come, and return what has ended without being sent."""
    lost = []
    for name in shelf.names(_OPEN):
        notice = shelf.read(f"{_OPEN}/{name}.json")
        if notice is None:
            continue
        made_at = datetime.fromisoformat(notice["made_at"])
        parcel = Parcel(
            Letter.of(notice["letter"]), made_at, places={"report": "notices", "period": f"{made_at:%Y-%m-%d}"}
        )
        to = [Delivery.of(one) for one in notice["deliveries"]]

        def save(notice: dict[str, Any] = notice, to: list[Delivery] = to, name: str = name) -> None:
            shelf.write(f"{_OPEN}/{name}.json", notice | {"deliveries": [one.stored() for one in to]})

        for one in to:
            target = plans.targets.get(one.target)
            deliver(one, target, lambda parcel=parcel: parcel, save, clock, plans.schedule)  # type: ignore[misc]
        if not any(one.is_open for one in to):
            done = notice | {"deliveries": [one.stored() for one in to]}
            shelf.write(f"{_DONE}/{name}.json", done)
            shelf.remove(f"{_OPEN}/{name}.json")
            if any(one.state != "sent" for one in to):
                lost.append(done)
    return lost


def notices(shelf: Shelf) -> list[dict[str, Any]]:
    """Return all notices, those that wait included, the oldest first."""
    found = [shelf.read(f"{folder}/{name}.json") for folder in (_OPEN, _DONE) for name in shelf.names(folder)]
    return sorted((one for one in found if one), key=lambda one: (one["made_at"], one["id"]))

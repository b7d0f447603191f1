"""Deliveries side by side: a bounded number at once, a slow receiver in nobody's way, each lane in its order."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polydoc_analytics.automation.delivery import parallel, send
from polydoc_analytics.automation.delivery.messages import Delivery, Message, Package
from polydoc_analytics.automation.delivery.parallel import AT_ONCE, AT_ONCE_TO_ONE, Lane, Task, run_parallel
from polydoc_analytics.config.tables import Schedule, Webhook
from polydoc_analytics.errors import LakeError

NOW = datetime(2026, 11, 2, 7, tzinfo=UTC)
PLAN = Schedule(attempts=3, back_off="5m")
PARCEL = Package(Message("report", "x"), NOW)


class Server:
    """Takes what is sent, each target as long as it likes, and remembers who was there at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.busy: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.taken: list[str] = []
        monkeypatch.setattr(send, "_send", self.send)

    def send(self, target: Any, delivery: Delivery, parcel: Package) -> str:
        names = (target.name, "all")
        with self.lock:
            for name in names:
                self.busy[name] = self.busy.get(name, 0) + 1
                self.most[name] = max(self.most.get(name, 0), self.busy[name])
        time.sleep(self.seconds.get(target.name, 0))
        with self.lock:
            for name in names:
                self.busy[name] -= 1
            self.taken.append(delivery.key)
        return "ok"


def tasks(target: str, *keys: str) -> list[Task]:
    plan = Webhook(kind="webhook", url_env="HOOK").named(target)
    return [Task(Delivery(target, "webhook", "", "", key), plan, lambda: PARCEL, lambda: None) for key in keys]


def run(*all_lanes: Lane) -> None:
    run_parallel(all_lanes, lambda: NOW, PLAN)


def test_a_slow_receiver_holds_up_its_own_lane_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, slow=0.5)

    def slow() -> Lane:
        yield tasks("slow", *(f"s{n}" for n in range(12)))

    def quick() -> Lane:
        for n in range(5):
            yield tasks("quick", f"q{n}")

    run(slow(), quick())
    assert server.taken[:5] == [f"q{n}" for n in range(5)]
    assert sorted(server.taken[5:]) == sorted(f"s{n}" for n in range(12))
    assert server.most["slow"] == AT_ONCE_TO_ONE


def test_so_many_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{n}" for n in range(10)]
    server = Server(monkeypatch, **dict.fromkeys(names, 0.05))

    def lane(name: str) -> Lane:
        yield tasks(name, *(f"{name}-{n}" for n in range(6)))

    run(*(lane(name) for name in names))
    assert server.most["all"] == AT_ONCE
    assert max(server.most[name] for name in names) <= AT_ONCE_TO_ONE
    assert len(server.taken) == 60


def test_a_lane_goes_on_when_all_its_errands_are_done_and_in_the_calling_thread(monkeypatch) -> None:
    server = Server(monkeypatch, t=0.02)
    seen: list[tuple[int, bool]] = []

    def lane() -> Lane:
        yield []
        for n in range(3):
            yield tasks("t", *(f"{n}{k}" for k in range(3)))
            seen.append((len(server.taken), threading.current_thread() is threading.main_thread()))

    run(lane(), lane())
    assert [taken >= 3 * (1 + at // 2) for at, (taken, _) in enumerate(seen)] == [True] * 6
    assert all(here for _, here in seen)


def test_what_is_not_due_is_passed_over_and_what_fails_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> str:
        raise OSError("no way")

    monkeypatch.setattr(send, "_send", broken)
    tried, later = tasks("t", "a", "b")
    later.delivery.next_try_at = (NOW + timedelta(minutes=1)).isoformat()

    def lane() -> Lane:
        yield [later, tried]

    run(lane())
    assert (later.delivery.state, later.delivery.tries) == ("due", [])
    assert (tried.delivery.state, tried.delivery.tries[0].outcome) == ("uncertain", "uncertain")


def test_who_is_told_to_stop_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, t=0.05)
    went_on = []

    def lane() -> Lane:
        yield tasks("t", *map(str, range(20)))
        went_on.append(True)

    run_parallel([lane()], lambda: NOW, PLAN, lambda: bool(server.taken))
    assert 1 <= len(server.taken) <= parallel.AT_ONCE_TO_ONE
    assert not went_on


def test_a_record_that_cannot_be_written_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries under way are recorded although another record fails; else they would be sent again."""
    server = Server(monkeypatch, t=0.05, slow=0.3)
    failing, saved = tasks("t", "first")[0], dict[str, str]()

    def fails() -> None:
        if failing.delivery.state == "sent":
            raise LakeError("lake: cannot be written")

    def keeping(task: Task) -> Task:
        return replace(task, save=lambda: saved.update({task.delivery.key: task.delivery.state}))

    def lane() -> Lane:
        yield [replace(failing, save=fails), *map(keeping, tasks("slow", "second", "third"))]

    with pytest.raises(LakeError, match="cannot be written"):
        run(lane())
    assert sorted(server.taken) == ["first", "second", "third"]
    assert saved == {"second": "sent", "third": "sent"}

"""A year in which people look, rows come late, accounts are erased and days have no data: the servers got the truth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.receivers import DROP, LATER, OK, Hook, hook, mailbox
from support.repetitions import slow
from support.runs import ndjson, wire
from support.schedule_year import REPORT, TEXT, Fate, Killed, count_of_runs

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.automation.delivery.outbox import notices
from polydoc_analytics.automation.schedule.jobs import Job
from polydoc_analytics.automation.schedule.scheduler import Scheduler
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.config.settings import settings

BUDGET = 40
ACCOUNTS = ("ann", "bob", "cleo", "dan")
ALERTS = f"""
[[alerts]]
name = "budget"
kind = "budget"
credits = {BUDGET}
deliver = ["hook"]
[[alerts]]
name = "slow"
view = "usage_daily"
measure = "p50_duration_s"
above = 100
no_data_after = "1000d"
deliver = ["hook"]
"""


class World:
    """What is true of the lake, kept by other means: every row with its day, and since when it is there or gone."""

    def __init__(self, seed: int, erased_on: date) -> None:
        self.erased_on = erased_on
        self.chance = random.Random(seed)
        self.rows: list[dict[str, Any]] = []
        self.erased: dict[str, datetime] = {}
        self.passed: set[str] = set()
        self.slow: list[str] = []
        self.looks = self.sent_again = 0

    def ingest(self, now: datetime, day: date, count: int, seconds: int = 10) -> None:
        made = []
        for _ in range(count):
            one = {
                "id": f"r{len(self.rows)}",
                "day": day,
                "account": self.chance.choice(ACCOUNTS),
                "credits": self.chance.randint(1, 40),
                "since": now,
                "seconds": seconds,
            }
            self.rows.append(one)
            at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            made.append(
                wire(
                    one["id"],
                    account_id=one["account"],
                    credits=one["credits"],
                    created_at=at.isoformat(),
                    finished_at=(at + timedelta(seconds=seconds)).isoformat(),
                )
            )
        Path("rows.ndjson").write_bytes(ndjson(made))
        pda.Lake("lake").ingest("rows.ndjson")

    def known(self, now: datetime) -> Iterator[dict[str, Any]]:
        """The rows that the lake has: come by then, and of nobody who was erased before or after they came."""
        for row in self.rows:
            gone = self.erased.get(row["account"])
            if row["since"] <= now and (gone is None or gone > now):
                yield row

    def note(self, now: datetime) -> None:
        """Note which budgets are passed, and whether yesterday was slow, as a check at this instant must find it."""
        month = Counter[str]()
        for row in self.known(now):
            if (row["day"].year, row["day"].month) == (now.year, now.month):
                month[row["account"]] += row["credits"]
        self.passed |= {f"{one} {now:%Y-%m} passed" for one, credits in month.items() if credits > BUDGET}
        yesterday = sorted(r["seconds"] for r in self.known(now) if r["day"] == now.date() - timedelta(days=1))
        if yesterday:  # no data is no recovery
            middle = (yesterday[len(yesterday) // 2] + yesterday[(len(yesterday) - 1) // 2]) / 2
            state = "began" if middle > 100 else "over"
            if (self.slow or ["over"])[-1] != state:
                self.slow.append(state)


def lived(world: World, text: str, until: date) -> list[Job]:
    Path("polydoc-analytics.toml").write_text(text)
    found = settings("polydoc-analytics.toml", {})
    wanted = plans(found)
    now = last = datetime(2026, 1, 1, 6, tzinfo=UTC)
    day = now.date()

    def scheduler() -> Scheduler:
        return Scheduler(pda.Lake("lake"), found, wanted, lambda: now)

    while now.date() < until:
        if day < now.date():
            day = now.date()
            if world.chance.random() < 0.6:
                world.ingest(now, day - timedelta(days=1), 3, world.chance.choice([10, 200]))
            if world.chance.random() < 0.3:
                world.ingest(now, max(date(2026, 1, 1), day - timedelta(days=world.chance.randint(2, 60))), 2)
            if day >= world.erased_on and not world.erased:
                pda.Lake("lake").erase("dan")
                world.erased["dan"] = now
            again(world, scheduler())
        world.note(now)
        done(scheduler)
        wakes = scheduler().wakes_at()
        assert wakes is not None
        now, last = max(now + timedelta(minutes=1), wakes), now
    for hours in range(1, 5):  # for what is still to be tried again
        now = last + timedelta(hours=hours)
        done(scheduler)
    return scheduler().job_store.jobs()


def done(scheduler: Callable[[], Scheduler]) -> None:
    """Do what is due, by another scheduler whenever one was killed."""
    while True:
        try:
            scheduler().due()
        except Killed:
            continue
        return


def again(world: World, scheduler: Scheduler) -> None:
    """Look at an old period, which leaves no trace, or send it again to those whose figures have changed."""
    old = [job for job in scheduler.job_store.jobs() if not job.is_open]
    if not old:
        return
    job = world.chance.choice(old)
    if world.chance.random() < 0.5:
        folder = Path("lake/_schedule")
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        edition = scheduler.preview(job.report, job.period, lambda name, content: None)
        assert edition.number == len(job.editions) + 1
        assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        world.looks += 1
        return
    try:
        made = scheduler.rerun(job.report, job.period)
    except Killed:
        return  # the next pass takes up what was begun
    world.sent_again += len(made.editions) > len(job.editions)


def of_runs(content: dict[str, Any]) -> int:
    return int(content["figures"][0]["value"].replace(",", ""))


def check(world: World, found: list[Job], server: Hook, mails: Counter[str], told: list[dict[str, Any]]) -> None:
    """Every edition and notice of the ledger is what the servers took, and nothing else; the figures are those of then.

    A try that is uncertain may have arrived, so that a key may be there once more for each.
    """
    took = mails + Counter(server.keys)
    keys = set()
    contents = {one["key"]: one for one in server.taken}
    for job in found:
        assert job.state == "sent"
        since, until = (day.date() for day in job.interval)
        for edition in job.editions:
            made_at = datetime.fromisoformat(edition.made_at)
            runs = sum(since <= row["day"] < until for row in world.known(made_at))
            for one in edition.deliveries:
                outcomes = Counter(each.outcome for each in one.tries)
                key = f"<{one.key}@example.com>" if one.kind == "email" else one.key
                keys.add(key)
                assert outcomes["sent"] == 1
                assert 1 <= took[key] <= 1 + outcomes["uncertain"]
                if one.kind == "webhook":
                    assert (contents[key]["data"]["period"], of_runs(contents[key])) == (job.period, runs)
    for notice in told:
        for one in notice["deliveries"]:
            outcomes = Counter(each["outcome"] for each in one["tries"])
            keys.add(one["key"])
            assert (one["state"], outcomes["sent"]) == ("sent", 1)
            assert 1 <= took[one["key"]] <= 1 + outcomes["uncertain"]
    assert keys == set(took)
    events = [contents[key]["data"] for key in dict.fromkeys(server.keys) if contents[key]["event"] == "alert"]
    begun = Counter(one["key"] for event in events for one in event["began"] if one["alert"] == "budget")
    assert {key for key in begun if key.endswith("passed")} == world.passed
    assert {count for key, count in begun.items() if not key.endswith("projected")} == {1}
    slow = [kind for event in events for kind in ("began", "over") for one in event[kind] if one["alert"] == "slow"]
    assert slow == world.slow


@pytest.mark.parametrize(
    ("seed", "erased_on", "until"),
    [
        (2, date(2026, 1, 20), date(2026, 2, 3)),
        slow(20261127, date(2026, 2, 12), date(2026, 3, 20)),
        slow(20261127, date(2026, 2, 12), date(2027, 1, 1)),
    ],
)
def test_a_year_with_looks_late_rows_budgets_days_without_data_and_an_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, erased_on: date, until: date
) -> None:
    monkeypatch.chdir(tmp_path)
    world = World(seed, erased_on)
    world.ingest(datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), 3)
    chance = random.Random(7)
    answers = chance.choices([OK, LATER, DROP], [92, 4, 4], k=5000)
    statuses: list[int | str] = chance.choices([200, 500, "drop"], [92, 4, 4], k=5000)
    fate = Fate(2026, 0.01)
    monkeypatch.setattr("polydoc_analytics.reports.builders.builder", lambda _: count_of_runs)
    monkeypatch.setattr(StateStore, "write", lambda store, name, content: fate(store, name, content))
    with mailbox(*answers) as box, hook(*statuses) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        text = TEXT.format(port=box.controller.port).replace("Europe/Lisbon", "UTC")
        text = text.replace("[schedule]", "[schedule]\nalerts = true") + ALERTS
        for name, cron, period in (("weekly", "0 7 * * 1", "last-week"), ("monthly", "monthly", "last-month")):
            text += REPORT.format(name=name, cron=cron, period=period)
        found = lived(world, text, until)
    monkeypatch.setattr(StateStore, "write", fate.write)
    # The year was not too kind to show anything, and no period of it is missing.
    assert min(sum(fate.kills.values()), world.looks, world.sent_again, len(world.passed), len(world.slow)) > 0
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range((until - date(2026, 1, 1)).days)]
    assert len(found) == sum(day.weekday() == 0 for day in days) + sum(day.day == 1 for day in days)
    check(world, found, server, Counter(box.ids), notices(StateStore(pda.Lake("lake"))))

"""A year of a schedule with all that can go wrong in it, against real servers: what the ledger says, happened."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.receivers import DROP, LATER, NO, OK, hook, mailbox
from support.repetitions import slow
from support.runs import ndjson, wire
from support.schedule_year import REPORT, TEXT, Fate, Killed, count_of_runs

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.automation.schedule.jobs import Job
from polydoc_analytics.automation.schedule.scheduler import Scheduler
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.config.settings import settings

LISBON = ZoneInfo("Europe/Lisbon")
WEEKLY_AND_MONTHLY = {"weekly": ("0 7 * * 1", "last-week"), "monthly": ("monthly", "last-month")}


@dataclass(frozen=True)
class Part:
    """A part of the year 2026, from its beginning, with two weeks in which nothing runs."""

    end: datetime
    outage: datetime

    @property
    def back(self) -> datetime:
        """The instant at which it runs again."""
        return self.outage + timedelta(weeks=2)


TWO_MONTHS = Part(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 2, 9, 1, tzinfo=UTC))
QUARTER = Part(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 3, 9, 1, tzinfo=UTC))
YEAR = Part(datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 7, 6, 1, tzinfo=UTC))


def lived(folder: Path, text: str, part: Part) -> None:
    """Let two schedulers live through a part of the year, from one instant at which something is due to the next."""
    (folder / "polydoc-analytics.toml").write_text(text)
    found = settings("polydoc-analytics.toml", {})
    wanted = plans(found)
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def scheduler() -> Scheduler:
        return Scheduler(pda.Lake("lake"), found, wanted, lambda: now)

    def work() -> None:
        while True:
            try:
                scheduler().due()
            except Killed:
                continue  # what supervises processes starts another
            return

    while now < part.end:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wakes = scheduler().wakes_at()
        assert wakes is not None
        now = max(now + timedelta(minutes=1), wakes)
        if part.outage <= now < part.back:
            now = part.back


def jobs(part: Part) -> Iterator[Job]:
    found = settings("polydoc-analytics.toml", {})
    yield from Scheduler(pda.Lake("lake"), found, plans(found), lambda: part.end).job_store.jobs()


def weeks(part: Part) -> list[str]:
    days = (date(2025, 12, 29) + timedelta(weeks=n) for n in range(53))
    return [
        f"{day.isocalendar().year}-W{day.isocalendar().week:02}"
        for day in days
        if day + timedelta(weeks=1) < part.end.date()
    ]


def months(part: Part) -> list[str]:
    return ["2025-12", *(f"2026-{month:02}" for month in range(1, (part.end.month - 2) % 12 + 1))]


def days(part: Part) -> list[str]:
    return [str(date(2025, 12, 31) + timedelta(days=n)) for n in range((part.end.date() - date(2026, 1, 1)).days)]


def survived(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reports: dict[str, tuple[str, str]], share: float, part: Part
) -> None:
    monkeypatch.chdir(folder)
    (folder / "runs.ndjson").write_bytes(ndjson(wire(f"r{n}") for n in range(3)))
    pda.Lake("lake").ingest("runs.ndjson")
    chance = random.Random(7)
    answers = chance.choices([OK, LATER, NO, DROP], [70, 10, 10, 10], k=5000)
    statuses: list[int | str] = chance.choices([200, 500, "drop"], [75, 15, 10], k=5000)
    fate = Fate(2026, share)
    monkeypatch.setattr("polydoc_analytics.reports.builders.builder", lambda _: count_of_runs)
    monkeypatch.setattr(StateStore, "write", lambda store, name, content: fate(store, name, content))
    with mailbox(*answers) as box, hook(*statuses) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        text = TEXT.format(port=box.controller.port)
        for name, (cron, period) in reports.items():
            text += REPORT.format(name=name, cron=cron, period=period)
        lived(folder, text, part)
    monkeypatch.setattr(StateStore, "write", fate.write)
    assert {"before jobs", "after jobs", "before reports", "after reports"} <= set(fate.kills)
    found = list(jobs(part))
    check_ledger(found, reports, part)
    check_against(found, Counter(box.ids), Counter(server.keys))
    check_order(found, [str(one["Message-ID"]) for one in box.messages], server.keys)


def check_ledger(found: list[Job], reports: dict[str, tuple[str, str]], part: Part) -> None:
    """Every period of the part is there once and sent, due at seven on the clock of Lisbon, without a gap."""
    expected = {"weekly": weeks(part), "monthly": months(part), "daily": days(part)}
    for name in reports:
        ours = [job for job in found if job.report == name]
        assert [job.period for job in ours] == expected[name]
        assert {job.state for job in ours} == {"sent"}
        assert {datetime.fromisoformat(job.due_at).astimezone(LISBON).strftime("%H:%M") for job in ours} == {"07:00"}
        assert all(one.until == two.since for one, two in pairwise(ours))
        assert all(len(job.editions) == 1 for job in ours)
        finished = [job.finished_at or "" for job in ours]
        assert finished == sorted(finished)


def check_against(found: list[Job], mails: Counter[str], hooks: Counter[str]) -> None:
    """What the servers took is what the ledger says: once, or more often where a try is uncertain."""
    told = set()
    for job in found:
        for one in job.editions[0].deliveries:
            outcomes = Counter(each.outcome for each in one.tries)
            assert outcomes["sent"] == 1
            assert one.tries[-1].outcome == "sent"
            key = f"<{one.key}@example.com>" if one.kind == "email" else one.key
            told.add(key)
            took = mails[key] + hooks[key]
            assert 1 <= took <= 1 + outcomes["uncertain"]
    assert told == set(mails) | set(hooks)
    assert any(count > 1 for count in mails.values())  # or the year was too kind to show anything


def check_order(found: list[Job], mails: list[str], hooks: list[str]) -> None:
    """Of each report every receiver gets the periods in their order, repeats of the same one apart."""
    for name in {job.report for job in found}:
        for at in range(3):
            keys = []
            for job in found:
                if job.report == name:
                    one = job.editions[0].deliveries[at]
                    keys.append(f"<{one.key}@example.com>" if one.kind == "email" else one.key)
            arrived = list(dict.fromkeys(key for key in (*mails, *hooks) if key in set(keys)))
            assert arrived == keys


@pytest.mark.parametrize(
    ("part", "share"), [(TWO_MONTHS, 0.1), slow(QUARTER, 0.1), slow(YEAR, 0.04)], ids=["two months", "quarter", "year"]
)
def test_a_year_with_an_outage_kills_at_every_step_and_two_schedulers_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: Part, share: float
) -> None:
    survived(tmp_path, monkeypatch, WEEKLY_AND_MONTHLY, share, part)


@pytest.mark.slow
def test_a_year_of_days_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survived(tmp_path, monkeypatch, {**WEEKLY_AND_MONTHLY, "daily": ("daily", "yesterday")}, 0.05, YEAR)

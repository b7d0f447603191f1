"""A configuration to live through a year with, and processes that are killed in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.reports.model import Report, Section

TEXT = """
lake = "lake"
timezone = "Europe/Lisbon"
[schedule]
attempts = 60
back_off = "1m"
[delivery.mail]
kind = "email"
host = "127.0.0.1"
port = {port}
security = "none"
from = "reports@example.com"
to = ["ops@example.com", "boss@example.com"]
[delivery.hook]
kind = "webhook"
url_env = "HOOK_URL"
"""
REPORT = """
[[reports]]
name = "{name}"
kind = "runs"
schedule = "{cron}"
period = "{period}"
formats = ["json"]
deliver = ["mail", "hook"]
catch_up = 20
start = "2026-01-01"
"""


class Killed(BaseException):
    """The process is gone: nothing of it runs any more but what the system does for it."""


class Fate:
    """Kills whoever writes to the ledger, now before the write and now after it, at every kind of step."""

    def __init__(self, seed: int, share: float) -> None:
        self.random = random.Random(seed)
        self.share = share
        self.kills: Counter[str] = Counter()
        self.write = StateStore.write

    def strike(self, when: str, name: str) -> None:
        if self.random.random() < self.share:
            self.kills[f"{when} {name.split('/')[0]}"] += 1
            raise Killed

    def __call__(self, shelf: StateStore, name: str, content: Any) -> None:
        self.strike("before", name)
        self.write(shelf, name, content)
        self.strike("after", name)


def quick_or(real: Callable[[str], Any]) -> Callable[[str], Any]:
    """The builders of reports, and of a kind ``runs`` that is quickly made."""
    return lambda kind: count_of_runs if kind == "runs" else real(kind)


def count_of_runs(context: Any) -> Report:
    """A kind of report of one's own, that is quickly made."""
    figure = context.figure("runs", "Runs", context.usage["runs"], "count")
    return context.report("runs", "Runs", [Section("key_figures", "Runs", figures=(figure,))])

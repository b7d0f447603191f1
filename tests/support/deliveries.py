"""A delivery to one target, tried at instants of the test's choice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polydoc_analytics.automation import Plans, plans
from polydoc_analytics.automation.delivery.messages import Attachment, Delivery, Message, Package
from polydoc_analytics.automation.delivery.send import attempt, begin, deliveries_to, finish
from polydoc_analytics.config.settings import settings

NOW = datetime(2026, 11, 2, 7, tzinfo=UTC)
PDF = Attachment("weekly.pdf", b"%PDF-1.7 " + bytes(range(256)) * 40)
PARCEL = Package(
    Message(
        "report",
        "Überblick <b>",
        "26 Oct 2026 to 1 Nov 2026",
        ("Edition 2", ".a line that begins with a dot"),
        (("Runs", "1,234", "+5% against 1,175"),),
        (("Runs by day", "Most on Monday.", "runs"),),
        {"report": "weekly", "period": "2026-W44"},
    ),
    NOW,
    (PDF, Attachment("weekly.html", b"<p>hello</p>" * 9000)),
    {"runs": b"\x89PNG picture"},
    {"report": "weekly", "period": "2026-W44", "edition": "1", "account": "all"},
)
HOOK = """
[schedule]
attempts = 4
[delivery.to]
kind = "{kind}"
url_env = "HOOK_URL"
timeout = 1
"""


class Sent:
    """A delivery to the target ``to`` that is tried at instants of the test's choice, through its stored form."""

    def __init__(self, found: Plans, package: Package = PARCEL) -> None:
        self.found, self.package = found, package
        [one] = deliveries_to([found.targets["to"]], ("report", "weekly", "2026-W44", "1", ""))
        self.stored = json.dumps(one.stored())
        self.history: list[str] = []

    @property
    def one(self) -> Delivery:
        return Delivery.of(json.loads(self.stored))

    def at(self, minutes: float) -> Delivery:
        one = self.one

        def save() -> None:
            self.stored = json.dumps(one.stored())
            self.history.append(one.state)

        now = NOW + timedelta(minutes=minutes)
        if begin(one, save, now, self.found.schedule):
            finish(one, attempt(one, self.found.targets["to"], lambda: self.package), save, now, self.found.schedule)
        return self.one


@pytest.fixture
def sending(tmp_path: Path) -> Callable[..., Sent]:
    def make(text: str, package: Package = PARCEL) -> Sent:
        path = tmp_path / "polydoc-analytics.toml"
        path.write_text(text)
        return Sent(plans(settings(str(path), {})), package)

    return make

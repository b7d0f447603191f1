"""Content of deliveries: messages that each channel words in its own way, attachments, and records of deliveries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from polydoc_analytics.config.settings import Settings
from polydoc_analytics.reports.formatting import display_text


@dataclass(frozen=True, slots=True)
class Message:
    """A message: title, sentences, figures as (label, value, note), and charts as (title, sentence, file name).

    ``event`` is report, failure or alert; ``data`` is what a program may want of it, and holds no secret. ``brand`` has
    the sender's name, accent colour and the name of the account that it is for, where there are such.
    ``locale`` is that of its words, where they are not English.
    """

    event: str
    title: str
    period: str = ""
    text: tuple[str, ...] = ()
    figures: tuple[tuple[str, str, str], ...] = ()
    charts: tuple[tuple[str, str, str], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    brand: Mapping[str, str] = field(default_factory=dict)
    locale: str = ""

    def stored(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Message:
        """Return the message that was stored."""
        rows = {name: tuple(tuple(row) for row in stored[name]) for name in ("figures", "charts")}
        return cls(**{**stored, **rows, "text": tuple(stored["text"])})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Package:
    """A message with its files and the pictures of its charts; ``places`` fill the templates of paths."""

    message: Message
    made_at: datetime
    files: tuple[Attachment, ...] = ()
    charts: Mapping[str, bytes] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One try: when, and what became of it: sending, sent, failed or uncertain, with the receiver's answer."""

    at: str
    outcome: str
    answer: str = ""


@dataclass(slots=True)
class Delivery:
    """One delivery to one receiver, as the ledger records it.

    ``key`` is the same at every try: the Message-ID of a mail, the idempotency key of a webhook. ``state`` is due,
    sending, sent, failed (nobody took it), uncertain (it may have arrived) or skipped (there is no address).
    """

    target: str
    kind: str
    receiver: str
    account: str
    key: str
    state: str = "due"
    next_try_at: str | None = None
    tries: list[Attempt] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Check whether it is still to be tried."""
        return self.state in ("due", "sending") or self.next_try_at is not None

    def stored(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Delivery:
        """Return the delivery that was stored."""
        return cls(**{**stored, "tries": [Attempt(**one) for one in stored["tries"]]})


def brand_of(settings: Settings) -> dict[str, str]:
    """Return the part of the branding that a message needs: the sender's name and accent colour."""
    issuer = settings.branding.get("title", "")
    return {"issuer": display_text(issuer) if issuer else "", "accent": settings.branding.get("accent", "")}


def key_of(*parts: str) -> str:
    """Return a key that the same parts always give."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]

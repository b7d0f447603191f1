"""Delivery to Slack by an incoming webhook. It knows no idempotency keys, so the message shows the key instead."""

from __future__ import annotations

import json
from typing import Any

from polydoc_analytics.delivery.http import post
from polydoc_analytics.delivery.outcomes import RefusedError
from polydoc_analytics.delivery.parcels import Delivery, Parcel
from polydoc_analytics.delivery.sending import secret_of
from polydoc_analytics.plan import TargetPlan

_MOST_TITLE, _MOST_TEXT, _MOST_FIELDS, _MOST_FIELD = 150, 2900, 10, 1900


def send(target: TargetPlan, delivery: Delivery, parcel: Parcel) -> str:
    """Post the message; it counts as sent when Slack answers 200 and ok."""
    letter = parcel.letter
    title = f"{letter.title} {letter.period}".strip()
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:_MOST_TITLE], "emoji": False}}
    ]
    lines = [*letter.text, *(f"{file.name} (SHA-256 {file.sha256})" for file in parcel.files)]
    if lines:
        blocks.append({"type": "section", "text": _mark("\n".join(lines), _MOST_TEXT)})
    fields = [_mark(f"{label}: {value} {note}".strip(), _MOST_FIELD) for label, value, note in letter.figures]
    for first in range(0, min(len(fields), 4 * _MOST_FIELDS), _MOST_FIELDS):
        blocks.append({"type": "section", "fields": fields[first : first + _MOST_FIELDS]})
    blocks.append({"type": "context", "elements": [_mark(f"ref {delivery.key}", _MOST_TEXT)]})
    body = json.dumps({"text": _escaped(title), "blocks": blocks}, ensure_ascii=False).encode()
    status, text = post(secret_of(target, "url_env"), body, {}, target.values["timeout"])
    if text.strip() != "ok":
        raise RefusedError(f"answered {status} without ok: {text[:100]}")
    return f"{status} {text}".strip()


def _mark(text: str, most: int) -> dict[str, str]:
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return {"type": "mrkdwn", "text": _escaped(cut)}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

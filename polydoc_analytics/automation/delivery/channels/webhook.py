"""Delivery to a webhook: JSON, an idempotency key, and a signature that only those who know the secret can make."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from polydoc_analytics.automation.delivery.http import post
from polydoc_analytics.automation.delivery.messages import Delivery, Package
from polydoc_analytics.automation.delivery.send import secret_of
from polydoc_analytics.config.tables import Webhook


def send(target: Webhook, delivery: Delivery, parcel: Package) -> str:
    """Post what was made, its figures and its files' names and hashes, and return what was answered."""
    letter = parcel.letter
    content = {
        "schema_version": 1,
        "event": letter.event,
        "key": delivery.key,
        "title": letter.title,
        "period": letter.period,
        "text": letter.text,
        "figures": [{"label": label, "value": value, "note": note} for label, value, note in letter.figures],
        "files": [{"name": file.name, "bytes": len(file.content), "sha256": file.sha256} for file in parcel.files],
        "data": letter.data,
    }
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {"Idempotency-Key": delivery.key}
    if target.secret_env:
        now = str(int(time.time()))
        headers |= {
            "X-Polydoc-Timestamp": now,
            "X-Polydoc-Signature": signature(secret_of(target, target.secret_env), now, body),
        }
    status, text = post(secret_of(target, target.url_env), body, headers, target.timeout)
    return f"{status} {text}".strip()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return ``sha256=`` and the hexadecimal HMAC-SHA256 of the timestamp, a dot and the body."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()

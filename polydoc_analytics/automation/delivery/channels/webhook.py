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


def send(target: Webhook, delivery: Delivery, package: Package) -> str:
    """Post what was made, its figures and its files' names and hashes, and return what was answered."""
    message = package.message
    content = {
        "schema_version": 1,
        "event": message.event,
        "key": delivery.key,
        "title": message.title,
        "period": message.period,
        "text": message.text,
        "figures": [{"label": label, "value": value, "note": note} for label, value, note in message.figures],
        "files": [{"name": file.name, "bytes": len(file.content), "sha256": file.sha256} for file in package.files],
        "data": message.data,
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

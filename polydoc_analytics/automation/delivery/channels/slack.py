"""Delivery to Slack by an incoming webhook. It knows no idempotency keys, so the message shows the key instead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from polydoc_analytics.automation.delivery.channels.storage import filled
from polydoc_analytics.automation.delivery.http import post
from polydoc_analytics.automation.delivery.messages import Delivery, Message, Package
from polydoc_analytics.automation.delivery.outcomes import RefusedError
from polydoc_analytics.automation.delivery.send import secret_of
from polydoc_analytics.config.tables import Slack
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.formatting import followed

_MAX_TITLE, _MAX_TEXT, _MAX_FIELDS, _MAX_FIELD, _MAX_BLOCKS = 150, 3000, 10, 2000, 50
"""Slack's limits: characters of a header, of a section's text and of a field, fields of a section, blocks."""
_MAX_LINK = 1000
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def send(target: Slack, delivery: Delivery, package: Package) -> str:
    """Post the message; it counts as sent when Slack answers 200 and ok."""
    body = json.dumps(blocks_of(delivery, package, target.link), ensure_ascii=False).encode("utf-8", "replace")
    status, text = post(secret_of(target, target.url_env), body, {}, target.timeout)
    if text.strip() != "ok":
        raise RefusedError(f"answered {status} without ok: {text}")
    return f"{status} {text}".strip()


def blocks_of(delivery: Delivery, package: Package, link: str | None = None) -> dict[str, Any]:
    """Return the message, every part of it within what Slack takes; what does not fit is counted in the last block."""
    message = package.message
    title = _titled(message, _MAX_TEXT)
    head = {"type": "plain_text", "text": _cut(_titled(message, _MAX_TITLE), _MAX_TITLE, {}), "emoji": False}
    fields = [_figure(*figure) for figure in message.figures]
    parts = [fields[first : first + _MAX_FIELDS] for first in range(0, len(fields), _MAX_FIELDS)]
    blocks = [*_sections(message.text), *({"type": "section", "fields": part} for part in parts)]
    if link and message.event == "report":
        blocks.append(
            {"type": "section", "text": _mark(f"<{_cut(filled(link, package.places), _MAX_LINK)}|Open the report>")}
        )
    blocks += _sections(f"{file.name} (SHA-256 {file.sha256})" for file in package.files)
    ref = f"ref {delivery.key}"
    if len(blocks) > _MAX_BLOCKS - 2:
        left_out = len(blocks) - (_MAX_BLOCKS - 2)
        blocks, ref = blocks[: _MAX_BLOCKS - 2], f"{counted(left_out, 'part')} did not fit; {ref}"
    blocks = [{"type": "header", "text": head}, *blocks, {"type": "context", "elements": [_mark(ref)]}]
    return {"text": _cut(title, _MAX_TEXT), "blocks": blocks}


def _titled(message: Message, max_size: int) -> str:
    """Word a title, cut so that the period behind it stays whole."""
    title, period = " ".join(message.title.split()), " ".join(message.period.split())
    room = max(max_size - _size(period) - 2, 1)  # a blank, and a mark of direction
    return f"{followed(_cut(title, room, {}))} {period}".strip()


def _sections(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [{"type": "section", "text": _mark(text)} for text in _packed(lines)]


def _figure(label: str, value: str, note: str) -> dict[str, Any]:
    """Word a figure, its value bold; where it is too long for a field all of it is cut, and nothing bold."""
    escaped = f"{_cut(label, _MAX_FIELD)}: *{_cut(value, _MAX_FIELD)}* {_cut(note, _MAX_FIELD)}".strip()
    return _mark(escaped if _size(escaped) <= _MAX_FIELD else _cut(f"{label}: {value} {note}".strip(), _MAX_FIELD))


def _mark(escaped: str) -> dict[str, Any]:
    # Verbatim: a name such as @here or #sales neither calls anybody nor becomes a link.
    return {"type": "mrkdwn", "text": escaped, "verbatim": True}


def _packed(lines: Iterable[str]) -> Iterable[str]:
    """Yield escaped texts of as many lines as fit into one block each; a line that is longer goes on in the next."""
    block = ""
    for line in lines:
        for piece in _pieces(line, _MAX_TEXT):
            if block and _size(block) + 1 + _size(piece) > _MAX_TEXT:
                yield block
                block = ""
            block = f"{block}\n{piece}" if block else piece
    if block:
        yield block


def _pieces(text: str, max_size: int, entities: dict[str, str] = _ENTITIES) -> Iterator[str]:
    """Yield a text escaped, in pieces that are not too long once they are, and cut through no entity."""
    piece: list[str] = []
    left = max_size
    for character in text:
        escaped = entities.get(character, character)
        size = _size(escaped)
        if size > left:
            yield "".join(piece)
            piece.clear()
            left = max_size
        piece.append(escaped)
        left -= size
    yield "".join(piece)


def _cut(text: str, max_size: int, entities: dict[str, str] = _ENTITIES) -> str:
    """Return a text escaped and, where it is too long then, cut."""
    pieces = _pieces(text, max_size, entities)  # of a long text no more than two are made
    first = next(pieces)
    return first if next(pieces, None) is None else next(_pieces(text, max_size - 1, entities)) + "…"


def _size(text: str) -> int:
    """Return how long a text is to Slack, which counts UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2

"""Answers over HTTP: what their headers say, and whether a body is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def first_and_last(so_far: str, piece: bytes) -> str:
    """First and last character of a JSON text, white space aside, given those of what came before this piece."""
    if not so_far:
        piece = piece.lstrip(_BOM + _SPACE)
        first, last = piece[:1], piece[1:].rstrip(_SPACE)[-1:]
    else:
        first, last = so_far[:1].encode("latin-1"), piece.rstrip(_SPACE)[-1:]
    return (first + (last or so_far[1:].encode("latin-1"))).decode("latin-1")


def next_link(response: httpx.Response) -> str:
    """URL of the next page in the Link header; empty where there is none."""
    for link in response.links.values():
        if "next" in link.get("rel", "").lower().split():
            return link.get("url", "")
    return ""


def status_name(status: int) -> str:
    """Status code with its standard phrase, never the one that was sent."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after(text: str | None) -> float:
    """Seconds of a Retry-After header, given in seconds or as a date; 0 where it is missing or invalid."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())

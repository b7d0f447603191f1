"""Answers over HTTP: their headers, signs of more pages in them, and whether a body is whole."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from polydoc_analytics.loaders.formats import json_pages

if TYPE_CHECKING:
    import httpx

RETRYABLE = (429, 500, 502, 503, 504)
"""Status codes of trouble that may pass."""
_SPACE = b" \t\r\n"
_RANGE = re.compile(r"(?!bytes\b)[\w-]* ?(?:[0-9]+-[0-9]+|\*)/([0-9]{1,15})")


def first_and_last(so_far: str, piece: bytes) -> str:
    """First and last character of a JSON text, white space aside, given those of what came before this piece."""
    if not so_far:
        piece = piece.lstrip(BOM_UTF8 + _SPACE)
        first, last = piece[:1], piece[1:].rstrip(_SPACE)[-1:]
    else:
        first, last = so_far[:1].encode("latin-1"), piece.rstrip(_SPACE)[-1:]
    return (first + (last or so_far[1:].encode("latin-1"))).decode("latin-1")


def next_link(response: httpx.Response) -> str:
    """URL of the next page in the Link header; empty where there is none."""
    for found in response.links.values():
        link = {key.lower(): value for key, value in found.items()}
        if "next" in link.get("rel", "").lower().split():
            return link.get("url", "")
    return ""


def signs_in(response: httpx.Response) -> json_pages.Signs:
    """Find the signs of more pages in headers such as Link, X-Total-Count, X-Next-Page, Content-Range, X-Pagination."""
    signs = json_pages.Signs()
    if url := next_link(response):
        signs.add(json_pages.More("Link: rel=next", url))
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        if match := _RANGE.fullmatch(value) if name.lower() == "content-range" else None:
            signs.totals.append((name, int(match[1])))
        elif value.startswith("{"):
            with suppress(ValueError, RecursionError):
                for path, member in _members((name,), json.loads(value)):
                    signs.note(path, member)
        else:
            signs.note((name,), value)
    return signs


def _members(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what is no object in an object, with the keys that lead to it."""
    for key, member in value.items():
        if isinstance(member, dict):
            yield from _members((*path, key), member)
        elif not isinstance(member, list):
            yield (*path, key), member


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

"""Files under https://, through httpx: streamed, or read by ranges; the query of a signed URL is kept."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from polydoc_analytics.loaders.object_store import words_of_store
from polydoc_analytics.loaders.remote import ENCODINGS, RangeFile
from polydoc_analytics.loaders.services.http_answers import RETRYABLE, retry_after, signs_in, status_name
from polydoc_analytics.loaders.services.http_client import make_client
from polydoc_analytics.loaders.services.http_logging import mute_http_logging
from polydoc_analytics.safe_text import display_address, on_one_line, scrubbed, secrets_of

if TYPE_CHECKING:
    import httpx

    from polydoc_analytics.loaders.formats import json_pages

_PIECE_BYTES = 1024 * 1024
_CONNECT_S, _READ_S = 10, 60
_FIRST_BYTE = "bytes=0-0"
_WAITS_S: tuple[float, ...] = (0.5, 1, 2, 4)
"""How long to wait before each further try, if the server does not ask for longer."""
_MAX_WAIT_S = 15.0
"""A server that asks for longer is given up."""
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpFile:
    """A file at a URL, or what else a server answers there, such as a page of a list."""

    url: str
    signs: list[json_pages.Signs] = field(default_factory=list, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Return False: its size is not known before it is asked for."""
        return False

    def pieces(self) -> Generator[bytes]:
        """Yield its bytes as they were sent; those of an encoding are unpacked where files are."""
        with self._client() as client, self._get(client) as response, self._errors():
            self.signs[:] = [signs_in(response)]
            yield from response.iter_raw(_PIECE_BYTES)

    def ranges(self) -> RangeFile | None:
        """Open it for reads of ranges; None where the server sends the whole file instead."""
        client = self._client()
        try:
            with self._get(client, _FIRST_BYTE) as response:
                size, tag = _size_of(response), response.headers.get("etag")
        except BaseException:
            client.close()
            raise
        if size is None:
            client.close()
            return None

        def read_range(start: int, end: int) -> bytes:
            with self._get(client, f"bytes={start}-{end - 1}") as response, self._errors():
                if _size_of(response, start) != size or response.headers.get("etag") != tag:
                    raise OSError("the file has changed while it was read")
                return b"".join(response.iter_raw())

        return RangeFile(size, read_range, client.close)

    def state(self) -> tuple[str | None, datetime | None]:
        """Ask for its entity tag and modification time; with GET, for a signed URL admits no HEAD."""
        with self._client() as client:
            with self._get(client, _FIRST_BYTE) as response:
                headers, status, size = response.headers, response.status_code, _size_of(response)
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                with self._get(client) as response:
                    headers = response.headers
        changed = headers.get("last-modified")
        try:
            at = parsedate_to_datetime(changed) if changed else None
        except ValueError:
            at = None
        at = at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
        # A file may change twice within the second that its time tells.
        tag = headers.get("etag") or (changed and f"{changed}, {size or headers.get('content-length', '?')} bytes")
        return tag, at

    def _client(self) -> httpx.Client:
        import httpx

        return make_client(httpx.Client, timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S), follow_redirects=True)

    @contextmanager
    def _get(self, client: httpx.Client, asked_range: str | None = None) -> Iterator[httpx.Response]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "polydoc-analytics"}
        headers |= {"Range": asked_range} if asked_range else {}
        with self._errors(), mute_http_logging():
            response = self._answer(client, headers)
        try:
            of_ranges = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE) if asked_range else ()
            if response.status_code not in (HTTPStatus.OK, *of_ranges):
                raise OSError(f"answered {status_name(response.status_code)}{self._said(response)}")
            if (encoding := _encoding_of(response)) not in ENCODINGS:
                raise OSError(f"answered a body in the encoding {on_one_line(encoding)[:20]}; expected gzip or none")
            yield response
        finally:
            response.close()

    def _said(self, response: httpx.Response) -> str:
        """Return why a server refuses, in its own words, as object stores give them; empty where it gives none."""
        with suppress(OSError), self._errors():
            said = words_of_store(next(response.iter_raw(_PIECE_BYTES), b"").decode("utf-8", "replace"))
            return f": {said}" if said else ""
        return ""

    def _answer(self, client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
        """Ask, and once more after a while where what went wrong may pass."""
        import httpx

        for wait_s in _WAITS_S:
            asked_s = 0.0
            try:
                response = client.send(client.build_request("GET", self.url, headers=headers), stream=True)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                pass
            else:
                asked_s = retry_after(response.headers.get("retry-after"))
                if response.status_code not in RETRYABLE or asked_s > _MAX_WAIT_S:
                    return response
                response.close()
            time.sleep(max(wait_s, asked_s))
        return client.send(client.build_request("GET", self.url, headers=headers), stream=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = str(error).strip() or type(error).__name__
        else:
            return
        # Out here, so that no context keeps the request.
        raise OSError(scrubbed(text.replace(self.url, display_address(self.url)), secrets_of(self.url)))


def _encoding_of(response: httpx.Response) -> str:
    return str(response.headers.get("content-encoding", "")).strip().lower()


def _size_of(response: httpx.Response, start: int = 0) -> int | None:
    """Return a file's size where an answer is a range of the file itself from ``start`` on, not of its encoding."""
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or _encoding_of(response) not in ("", "identity"):
        return None
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return int(match[2]) if match and int(match[1]) == start else None

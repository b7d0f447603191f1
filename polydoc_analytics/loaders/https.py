"""Files under https://, through httpx: streamed, or read by ranges; the query of a signed URL is kept."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from polydoc_analytics.loaders.remote import RangeFile
from polydoc_analytics.loaders.services.http_answers import status_name
from polydoc_analytics.loaders.services.http_logging import mute_http_logging
from polydoc_analytics.safe_text import display_address, scrubbed, secrets_of

if TYPE_CHECKING:
    import httpx

_PIECE_BYTES = 1024 * 1024
_CONNECT_S, _READ_S = 10, 60
_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpFile:
    """A file at a URL."""

    url: str

    def pieces(self) -> Generator[bytes]:
        """Yield its bytes as they were sent; those of an encoding are unpacked where files are."""
        with self._client() as client, self._get(client) as response, self._errors():
            yield from response.iter_raw(_PIECE_BYTES)

    def ranges(self) -> RangeFile | None:
        """Open it for reads of ranges; None where the server sends the whole file instead."""
        client = self._client()
        try:
            with self._get(client, "bytes=0-0") as response:
                size = _size_of(response)
        except BaseException:
            client.close()
            raise
        if size is None:
            client.close()
            return None

        def read_range(start: int, end: int) -> bytes:
            with self._get(client, f"bytes={start}-{end - 1}") as response, self._errors():
                if response.status_code != HTTPStatus.PARTIAL_CONTENT or _size_of(response) != size:
                    raise OSError("the file has changed while it was read")
                return b"".join(response.iter_raw())

        return RangeFile(size, read_range, client.close)

    def state(self) -> tuple[str | None, datetime | None]:
        """Ask for its entity tag and modification time; with GET, for a signed URL admits no HEAD."""
        with self._client() as client, self._get(client, "bytes=0-0") as response:
            headers = response.headers
        changed = headers.get("last-modified")
        try:
            at = parsedate_to_datetime(changed) if changed else None
        except ValueError:
            at = None
        return headers.get("etag") or changed, at

    def _client(self) -> httpx.Client:
        import httpx

        return httpx.Client(timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S), follow_redirects=True)

    @contextmanager
    def _get(self, client: httpx.Client, asked_range: str | None = None) -> Iterator[httpx.Response]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "polydoc-analytics"}
        headers |= {"Range": asked_range} if asked_range else {}
        with self._errors(), mute_http_logging():
            response = client.send(client.build_request("GET", self.url, headers=headers), stream=True)
        try:
            if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise OSError(f"answered {status_name(response.status_code)}")
            yield response
        finally:
            response.close()

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


def _size_of(response: httpx.Response) -> int | None:
    match = _TOTAL.fullmatch(response.headers.get("content-range", ""))
    return int(match[1]) if match and response.status_code == HTTPStatus.PARTIAL_CONTENT else None

"""One HTTP request for a list of runs, page by page, with every failure in words of our own."""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.compression import CutOffError, unpacked
from polydoc_analytics.loaders.formats import json_pages
from polydoc_analytics.loaders.run_parser import show
from polydoc_analytics.loaders.services.http_answers import (
    RETRYABLE,
    first_and_last,
    retry_after,
    signs_in,
    status_name,
)
from polydoc_analytics.loaders.services.http_client import NoClientError, make_client
from polydoc_analytics.safe_text import display_address

if TYPE_CHECKING:
    import httpx

TOKEN_VARIABLE = "POLYDOC_BEARER_AUTH"

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_REDIRECTS = 10
_MAX_ERROR_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait and how often to try; times are in seconds.

    ``read_s`` is the longest silence inside an answer, ``whole_s`` the longest time for everything, all tries included.
    ``max_wait_s`` bounds each wait between tries, the one that the service asks for in Retry-After included.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    whole_s: float = 3600.0
    attempts: int = 6
    first_wait_s: float = 0.5
    max_wait_s: float = 60.0


class RetryableError(Exception):
    """A try that failed in a way that may pass; ``wait_s`` is what the service asked for, or 0."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Fetch:
    """The request, tried once or more; what goes wrong is a SourceError, or an RetryableError where it may pass."""

    def __init__(
        self,
        url: str,
        header: str,
        path: Path,
        retry: RetryPolicy,
        progress: Callable[[int, int], None] | None,
        token_variable: str,
    ) -> None:
        import httpx

        self.url = url
        self._asked = url
        self._answered = url
        self._signs = json_pages.Signs()
        self._totals: dict[str, int] = {}
        self._seen: set[str] = set()
        self._kept = 0
        self._rows = 0
        self.path = path
        self.half = path.with_name(path.name + ".half")
        self.retry = retry
        self.progress = progress
        self.token_variable = token_variable
        self.deadline = time.monotonic() + retry.whole_s
        self.received = 0
        # Bodies are unpacked here, for httpx takes a gzip that is cut off, or has a second member, for a whole one.
        self.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": header,
            "User-Agent": "polydoc-analytics",
        }
        try:
            self.client = make_client(
                httpx.Client,
                timeout=httpx.Timeout(retry.read_s, connect=retry.connect_s),
                follow_redirects=True,
                max_redirects=_REDIRECTS,
            )
        except NoClientError as error:
            raise SourceError(f"{display_address(url)}: {error}") from None

    def __enter__(self) -> Fetch:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        with suppress(OSError):
            self.half.unlink(missing_ok=True)

    def once(self) -> None:
        """Ask, check the answer, and save its body."""
        import httpx

        self.received = 0
        try:
            with self.client.stream("GET", self.url, headers=self.headers) as response:
                address = display_address(str(response.url))
                self._check(response, address)
                self._save(response, address)
                self._seen.add(self.url)
                self._answered = str(response.url)
                self._signs = signs_in(response)
                return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = self._explain(error)
        # Raised out here, so that no context keeps the request with its headers.
        raise failure

    def _check(self, response: httpx.Response, address: str) -> None:
        status = response.status_code
        if status in RETRYABLE:
            raise RetryableError(
                f"{address}: answered {status_name(status)}", retry_after(response.headers.get("retry-after"))
            )
        if status != HTTPStatus.OK:
            raise SourceError(f"{address}: answered {status_name(status)}; {self._advice(status, response)}")
        kind = response.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            # A header may echo anything; only what looks like a media type is shown.
            named = kind.partition(";")[0].strip()
            named = named if _MEDIA_TYPE.fullmatch(named) else ""
            what = f"of type {show(named)}" if named and not self._holds_token(named) else "without a usable type"
            raise SourceError(f"{address}: answered a body {what}, expected application/json; check the base URL")

    def _holds_token(self, text: str) -> bool:
        return self.headers["Authorization"].split(" ", 1)[1].strip().lower() in text.lower()

    def _advice(self, status: int, response: httpx.Response) -> str:
        if response.history and "authorization" not in response.request.headers and status in (401, 403):
            return "it was redirected to another host, where the token is not sent; set the base URL to that host"
        if status == HTTPStatus.UNAUTHORIZED:
            return f"the token was not accepted; check {self.token_variable}"
        if status == HTTPStatus.FORBIDDEN:
            return "this token may not list runs; ask for one that may"
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND):
            return "check the base URL"
        return "expected 200 OK"

    def _save(self, response: httpx.Response, address: str) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise SourceError(
                f"{address}: answered a body in an encoding that was not asked for; expected gzip or none"
            )
        pieces = self._received(response, address)
        content = unpacked(pieces, "gzip") if "gzip" in encoding else pieces
        ends = ""
        failure: Exception | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.half, "ab") as file:
                file.truncate(self._kept)
                if self._kept:
                    file.write(b"\n")
                for piece in content:
                    ends = first_and_last(ends, piece)
                    if ends and ends[0] not in "[{":
                        raise SourceError(f"{address}: answered something else where a JSON array of runs was expected")
                    file.write(piece)
            if ends in ("[]", "{}"):
                return
        except OSError as error:
            failure = SourceError(f"{self.path}: cannot be written: {error.strerror or type(error).__name__}")
        except CutOffError as error:
            failure = RetryableError(f"{address}: the body {error}")
        raise failure or RetryableError(f"{address}: the body is cut off: its array of runs does not end")

    def next_page(self, is_partial: bool) -> str:
        """Find the URL of the page after the one saved last; empty where there is none."""
        from polydoc_analytics.loaders.formats import json

        address = display_address(self._answered)
        failure: SourceError | None = None
        try:
            with open(self.half, "rb") as file:
                file.seek(self._kept)
                signs, self._rows = json.signs_of_more(file, address, self._rows, self._signs, is_partial=is_partial)
                self._raise_if_fallen(address)
                self._kept = os.fstat(file.fileno()).st_size
            if not signs:
                return ""
            return json_pages.next_page(address, self._asked, self._answered, signs, self._seen)
        except SourceError as error:
            failure = error
        if is_partial and self._kept:
            return ""
        # What the service says of an error may repeat the token, of which a part may have been cut.
        if self._holds_token(str(failure)) or self._repeats_token():
            failure = SourceError(f"{address}: answered an error, and in it the token; nothing was taken over")
        raise failure

    def _raise_if_fallen(self, address: str) -> None:
        """Raise SourceError where the rows on all pages are fewer than before: those behind a removed one move up."""
        for name, total in self._signs.totals:
            if total < (before := self._totals.get(name, total)):
                raise SourceError(
                    f"{address}: {show(name)} fell from {before} to {total} while the pages were fetched, so a run may "
                    "have been left out; fetch them again"
                )
        # One that is not more than the rows so far may count those of its own page.
        self._totals = {name: total for name, total in self._signs.totals if total > self._rows}

    def _repeats_token(self) -> bool:
        with open(self.half, "rb") as file:
            file.seek(self._kept)
            return self._holds_token(file.read(_MAX_ERROR_BYTES).decode("utf-8", "replace"))

    def finish(self) -> None:
        """Give the file its name, now that all pages are in it."""
        try:
            os.replace(self.half, self.path)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        else:
            return
        raise SourceError(f"{self.path}: cannot be written: {reason}")

    def _received(self, response: httpx.Response, address: str) -> Iterator[bytes]:
        length = response.headers.get("content-length", "")
        total = int(length) if length.isascii() and length.isdigit() else 0
        for piece in response.iter_raw():
            self.received += len(piece)
            if time.monotonic() > self.deadline:
                raise SourceError(
                    f"{address}: took longer than {self.retry.whole_s:g} s and was given up; nothing was taken over"
                )
            if self.progress:
                self.progress(self.received, total)
            yield piece

    def _explain(self, error: Exception) -> SourceError | RetryableError:
        """Describe a failure to connect, send or receive without the library's own text, which may hold secrets."""
        import httpx

        address = display_address(self.url)
        if isinstance(error, httpx.ConnectTimeout):
            return RetryableError(f"{address}: no connection within {self.retry.connect_s:g} s")
        if isinstance(error, httpx.TimeoutException):
            what = "the body stops, and nothing more came" if self.received else "no answer"
            return RetryableError(f"{address}: {what} within {self.retry.read_s:g} s")
        if isinstance(error, httpx.TooManyRedirects):
            return SourceError(f"{address}: redirects more than {_REDIRECTS} times; check the base URL")
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return SourceError(f"{address}: redirects to an address that is not http or https; check the base URL")
        if isinstance(error, httpx.ProxyError):
            return SourceError(f"{address}: the proxy refuses the connection; check HTTPS_PROXY and HTTP_PROXY")
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return SourceError(f"{address}: its TLS certificate is not trusted: {cause.verify_message}")
            if isinstance(cause, ssl.SSLError) and isinstance(error, httpx.ConnectError):
                return SourceError(f"{address}: no TLS connection: {cause.reason or 'the handshake fails'}")
            if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
                return SourceError(f"{address}: there is no host of that name; check the base URL")
        if isinstance(error, httpx.TransportError):
            if self.received:
                return RetryableError(f"{address}: the body is cut off after {self.received:,} bytes")
            reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
            what = "cannot connect" if isinstance(error, httpx.ConnectError) else "the connection broke"
            return RetryableError(f"{address}: {what}" + (f": {reasons[-1]}" if reasons else ""))
        return SourceError(f"{address}: cannot be asked ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

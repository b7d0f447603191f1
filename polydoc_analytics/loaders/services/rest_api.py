"""The service's REST API: the whole list of runs, fetched to a file that the reader of JSON documents takes."""

from __future__ import annotations

import os
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from polydoc_analytics.errors import SourceError, require_extra
from polydoc_analytics.loaders.compression import CutOffError, unpacked
from polydoc_analytics.loaders.formats import json_pages
from polydoc_analytics.loaders.run_parser import show
from polydoc_analytics.loaders.services.http_answers import first_and_last, next_link, retry_after, status_name
from polydoc_analytics.loaders.services.http_logging import quiet
from polydoc_analytics.safe_text import shown as shown_address

if TYPE_CHECKING:
    import httpx

    from polydoc_analytics.loaders.executor import Work

DEFAULT_BASE = "https://api.polydoc.ai"
TOKEN_VARIABLE = "POLYDOC_BEARER_AUTH"

_FILE = "runs.json"
_AGAIN = (429, 500, 502, 503, 504)
_REDIRECTS = 10
_MOST_OF_AN_ERROR = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait and how often to try; times are in seconds.

    ``read_s`` is the longest silence inside an answer, ``whole_s`` the longest time for everything, all tries included.
    ``most_wait_s`` bounds each wait between tries, the one that the service asks for in Retry-After included.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    whole_s: float = 3600.0
    attempts: int = 6
    first_wait_s: float = 0.5
    most_wait_s: float = 60.0


def fetched(
    base: str,
    token: str,
    folder: Path,
    *,
    allow_http: bool = False,
    is_partial: bool = False,
    patience: RetryPolicy | None = None,
    progress: Callable[[int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Fetch ``{base}/v1/runs`` and return the path of a file in ``folder`` that holds the JSON of the runs, whole.

    Where an answer says that it is one page of several, by ``Link: rel="next"`` or beside its array, the next one is
    fetched too if it has a URL of the same host; else that is an error, unless ``is_partial`` takes what there is.

    The file has its name ``runs.json`` only when all of it is there, and replaces an earlier one; read it with
    :func:`read`. Give each fetch a folder of its own. ``base`` may have a path, and a query, which is kept but never
    shown. ``progress`` is called with the bytes received so far and the bytes there are in all (0 where that is
    unknown), from 0 again at each try; ``notify`` with a line for each try that failed and is followed by another.

    The token goes as a bearer token, left alone where it begins with "bearer " already, and never to another host, port
    or scheme than that of ``base`` (but http may become https). A ``base`` of plain http on another machine, where
    anyone on the way could read it, is refused unless ``allow_http`` is given. Answers 429, 500, 502, 503 and 504,
    broken connections and bodies cut off are tried again with growing, jittered waits, or the wait that Retry-After
    asks for.

    Raises SourceError, in one line, without the token, where the service cannot be reached, refuses, or answers
    something else than a JSON array, or an object with one.
    """
    patience = patience or RetryPolicy()
    url = _address(base)
    if not (allow_http or _is_private(url)):
        raise SourceError(
            f"{shown_address(url)}: the token would be sent unencrypted; use https, or set allow_http = true for this "
            "source"
        )
    path = folder / _FILE
    require_extra("api", "the service's API", SourceError)
    with quiet(), _Fetch(url, _header(token), path, patience, progress) as fetch:
        _try(fetch, patience, notify)
        while url := fetch.next_page(is_partial):
            fetch.url = url
            _try(fetch, patience, notify)
        fetch.finish()
    return path


def _try(fetch: _Fetch, patience: RetryPolicy, notify: Callable[[str], None] | None) -> None:
    """Ask for a page once, or more often where what went wrong may pass."""
    import stamina

    tries = 0

    def judged(error: Exception) -> bool | float:
        nonlocal tries
        tries += 1
        if not isinstance(error, _AgainError):
            return False
        if notify and tries < patience.attempts:
            notify(f"{error}; trying again ({tries + 1} of {patience.attempts})")
        if not error.wait_s:
            return True
        return min(error.wait_s + random.uniform(0, patience.first_wait_s), patience.most_wait_s)

    told = SourceError(f"{shown_address(fetch.url)}: was not asked")
    try:
        for attempt in stamina.retry_context(
            on=judged,
            attempts=patience.attempts,
            timeout=patience.whole_s,
            wait_initial=patience.first_wait_s,
            wait_max=patience.most_wait_s,
            wait_jitter=patience.first_wait_s,
        ):
            with attempt:
                fetch.once()
                return
    except _AgainError as error:
        often = f", {tries} times" if tries > 1 else ""
        told = SourceError(f"{error}{often}; nothing was taken over, try again later")
    raise told


def read(path: Path, *, source: str, is_partial: bool = False) -> Iterator[Work]:
    """Yield the work of reading each piece of a fetched file; ``source`` is its name in messages and quarantine.

    A row's line is its number in the list. One bad run is a rejected row; a document that is not JSON is a SourceError.
    """
    from polydoc_analytics.loaders.formats import json

    with open(path, "rb") as file:
        yield from json.read(file, source, is_partial=is_partial)


class _AgainError(Exception):
    """A try that failed in a way that may pass; ``wait_s`` is what the service asked for, or 0."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def _address(base: str) -> str:
    """Return the URL of the list of runs; raises SourceError where the base is no URL that can be asked."""
    import httpx

    try:
        parts = urlsplit(base.strip())
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_usable = is_usable and not any(map(str.isspace, parts.netloc)) and bool(httpx.URL(base.strip()))
    except (ValueError, httpx.InvalidURL):
        is_usable = False
    if not is_usable:
        raise SourceError(f"the base URL of the API is not usable; expected one like {DEFAULT_BASE}")
    if "@" in parts.netloc:
        raise SourceError(
            f"{shown_address(base.strip())}: leave user name and password out of the base URL of the API; "
            f"the token alone, from {TOKEN_VARIABLE}, says who asks"
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/v1/runs", parts.query, ""))


def _is_private(url: str) -> bool:
    """Whether what is sent to a URL is encrypted, or stays on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _header(token: str) -> str:
    """Return the Authorization header; raises SourceError where the token cannot be one."""
    token = token.strip()
    if not token:
        raise SourceError(f"the API needs a token; set the environment variable {TOKEN_VARIABLE}")
    if not (token.isascii() and token.isprintable()):
        raise SourceError(f"the API's token holds a character that cannot be sent; check {TOKEN_VARIABLE}")
    return token if token.lower().startswith("bearer ") else f"Bearer {token}"


class _Fetch:
    """The request, tried once or more; what goes wrong is a SourceError, or an _AgainError where it may pass."""

    def __init__(
        self,
        url: str,
        header: str,
        path: Path,
        patience: RetryPolicy,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        import httpx

        self.url = url
        self._asked = url
        self._answered = url
        self._link = ""
        self._seen: set[str] = set()
        self._kept = 0
        self.path = path
        self.half = path.with_name(path.name + ".half")
        self.patience = patience
        self.progress = progress
        self.deadline = time.monotonic() + patience.whole_s
        self.received = 0
        # Bodies are unpacked here, for httpx takes a gzip that is cut off, or has a second member, for a whole one.
        self.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": header,
            "User-Agent": "polydoc-analytics",
        }
        self.client = httpx.Client(
            timeout=httpx.Timeout(patience.read_s, connect=patience.connect_s),
            follow_redirects=True,
            max_redirects=_REDIRECTS,
        )

    def __enter__(self) -> _Fetch:
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
                shown = shown_address(str(response.url))
                self._check(response, shown)
                self._save(response, shown)
                self._seen.add(self.url)
                self._answered = str(response.url)
                self._link = next_link(response)
                return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            told = self._explained(error)
        # Raised out here, so that no context keeps the request with its headers.
        raise told

    def _check(self, response: httpx.Response, shown: str) -> None:
        status = response.status_code
        if status in _AGAIN:
            raise _AgainError(
                f"{shown}: answered {status_name(status)}", retry_after(response.headers.get("retry-after"))
            )
        if status != HTTPStatus.OK:
            raise SourceError(f"{shown}: answered {status_name(status)}; {self._advice(status, response)}")
        kind = response.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            # A header may echo anything; only what looks like a media type is shown.
            named = kind.partition(";")[0].strip()
            named = named if named and named.replace("/", "").replace("-", "").replace("+", "").isalnum() else ""
            what = f"of type {show(named)}" if named and not self._holds_token(named) else "without a usable type"
            raise SourceError(f"{shown}: answered a body {what}, expected application/json; check the base URL")

    def _holds_token(self, text: str) -> bool:
        return self.headers["Authorization"].split(" ", 1)[1].strip().lower() in text.lower()

    def _advice(self, status: int, response: httpx.Response) -> str:
        if response.history and "authorization" not in response.request.headers and status in (401, 403):
            return "it was redirected to another host, where the token is not sent; set the base URL to that host"
        if status == HTTPStatus.UNAUTHORIZED:
            return f"the token was not accepted; check {TOKEN_VARIABLE}"
        if status == HTTPStatus.FORBIDDEN:
            return "this token may not list runs; ask for one that may"
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND):
            return "check the base URL"
        return "expected 200 OK"

    def _save(self, response: httpx.Response, shown: str) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise SourceError(f"{shown}: answered a body in an encoding that was not asked for; expected gzip or none")
        pieces = self._received(response, shown)
        content = unpacked(pieces, "gzip") if "gzip" in encoding else pieces
        ends = ""
        told: Exception | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.half, "ab") as file:
                file.truncate(self._kept)
                if self._kept:
                    file.write(b"\n")
                for piece in content:
                    ends = first_and_last(ends, piece)
                    if ends and ends[0] not in "[{":
                        raise SourceError(f"{shown}: answered something else where a JSON array of runs was expected")
                    file.write(piece)
            if ends in ("[]", "{}"):
                return
        except OSError as error:
            told = SourceError(f"{self.path}: cannot be written: {error.strerror or type(error).__name__}")
        except CutOffError as error:
            told = _AgainError(f"{shown}: the body {error}")
        raise told or _AgainError(f"{shown}: the body is cut off: its array of runs does not end")

    def next_page(self, is_partial: bool) -> str:
        """Return the URL of the page behind the one that was saved last; nothing where there is none."""
        from polydoc_analytics.loaders.formats import json

        shown = shown_address(self._answered)
        told: SourceError | None = None
        try:
            with open(self.half, "rb") as file:
                file.seek(self._kept)
                signs = json.signs_of_more(file, shown)
                self._kept = os.fstat(file.fileno()).st_size
            if self._link:
                signs.insert(0, json_pages.More("Link: rel=next", self._link))
            if not signs:
                return ""
            return json_pages.next_page(shown, self._asked, self._answered, signs, self._seen)
        except SourceError as error:
            told = error
        if is_partial and self._kept:
            return ""
        # What the service says of an error may repeat the token, of which a part may have been cut.
        if self._repeats_token():
            told = SourceError(f"{shown}: answered an error, and in it the token; nothing was taken over")
        raise told

    def _repeats_token(self) -> bool:
        with open(self.half, "rb") as file:
            return self._holds_token(file.read(_MOST_OF_AN_ERROR).decode("utf-8", "replace"))

    def finish(self) -> None:
        """Give the file its name, now that all pages are in it."""
        try:
            os.replace(self.half, self.path)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        else:
            return
        raise SourceError(f"{self.path}: cannot be written: {reason}")

    def _received(self, response: httpx.Response, shown: str) -> Iterator[bytes]:
        length = response.headers.get("content-length", "")
        total = int(length) if length.isascii() and length.isdigit() else 0
        for piece in response.iter_raw():
            self.received += len(piece)
            if time.monotonic() > self.deadline:
                raise SourceError(
                    f"{shown}: took longer than {self.patience.whole_s:g} s and was given up; nothing was taken over"
                )
            if self.progress:
                self.progress(self.received, total)
            yield piece

    def _explained(self, error: Exception) -> SourceError | _AgainError:
        """Return a failure to connect, send or receive in words; nothing of the library's own text is shown."""
        import httpx

        shown = shown_address(self.url)
        if isinstance(error, httpx.ConnectTimeout):
            return _AgainError(f"{shown}: no connection within {self.patience.connect_s:g} s")
        if isinstance(error, httpx.TimeoutException):
            what = "the body stops, and nothing more came" if self.received else "no answer"
            return _AgainError(f"{shown}: {what} within {self.patience.read_s:g} s")
        if isinstance(error, httpx.TooManyRedirects):
            return SourceError(f"{shown}: redirects more than {_REDIRECTS} times; check the base URL")
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return SourceError(f"{shown}: redirects to an address that is not http or https; check the base URL")
        if isinstance(error, httpx.ProxyError):
            return SourceError(f"{shown}: the proxy refuses the connection; check HTTPS_PROXY and HTTP_PROXY")
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return SourceError(f"{shown}: its TLS certificate is not trusted: {cause.verify_message}")
            if isinstance(cause, ssl.SSLError) and isinstance(error, httpx.ConnectError):
                return SourceError(f"{shown}: no TLS connection: {cause.reason or 'the handshake fails'}")
            if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
                return SourceError(f"{shown}: there is no host of that name; check the base URL")
        if isinstance(error, httpx.TransportError):
            if self.received:
                return _AgainError(f"{shown}: the body is cut off after {self.received:,} bytes")
            reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
            what = "cannot connect" if isinstance(error, httpx.ConnectError) else "the connection broke"
            return _AgainError(f"{shown}: {what}" + (f": {reasons[-1]}" if reasons else ""))
        return SourceError(f"{shown}: cannot be asked ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

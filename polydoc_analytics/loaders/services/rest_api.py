"""The service's REST API: the whole list of runs, fetched to a file that the reader of JSON documents takes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from polydoc_analytics.errors import SourceError, require_extra
from polydoc_analytics.loaders.services.http_fetch import TOKEN_VARIABLE, Fetch, RetryableError
from polydoc_analytics.loaders.services.http_fetch import RetryPolicy as RetryPolicy
from polydoc_analytics.loaders.services.http_logging import mute_http_logging
from polydoc_analytics.safe_text import display_address, display_variable

if TYPE_CHECKING:
    from polydoc_analytics.loaders.executor import Work

DEFAULT_BASE = "https://api.polydoc.ai"

_FILE = "runs.json"


def fetch_runs(
    base: str,
    token: str,
    folder: Path,
    *,
    allow_http: bool = False,
    is_partial: bool = False,
    retry: RetryPolicy | None = None,
    progress: Callable[[int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
    token_variable: str = TOKEN_VARIABLE,
) -> Path:
    """Fetch ``{base}/v1/runs`` and return the path of a file in ``folder`` that holds the JSON of the runs, whole.

    Where an answer says that it is one page of several, by ``Link: rel="next"``, another header such as X-Total-Count
    or beside its array, the next one is fetched too if it has a URL of the same host; else that is an error, unless
    ``is_partial`` takes what there is.

    The file has its name ``runs.json`` only when all of it is there, and replaces an earlier one; read it with
    :func:`read`. Give each fetch a folder of its own. ``base`` may have a path, and a query, which is kept but never
    shown. ``progress`` is called with the bytes received so far and the bytes there are in all (0 where that is
    unknown), from 0 again at each try; ``notify`` with a line for each try that failed and is followed by another.
    Messages name ``token_variable`` as the place that the token comes from.

    The token goes as a bearer token, left alone where it begins with "bearer " already, and never to another host, port
    or scheme than that of ``base`` (but http may become https). A ``base`` of plain http on another machine, where
    anyone on the way could read it, is refused unless ``allow_http`` is given. Answers 429, 500, 502, 503 and 504,
    broken connections and bodies cut off are tried again with growing, jittered waits, or the wait that Retry-After
    asks for.

    Raises SourceError, in one line, without the token, where the service cannot be reached, refuses, or answers
    something else than a JSON array, or an object with one.
    """
    retry = retry or RetryPolicy()
    variable = display_variable(token_variable)
    url = _address(base, variable)
    if not (allow_http or _is_private(url)):
        raise SourceError(
            f"{display_address(url)}: the token would be sent unencrypted; use https, or set allow_http = true for "
            "this source"
        )
    path = folder / _FILE
    require_extra("api", "the service's API", SourceError)
    with mute_http_logging(), Fetch(url, _header(token, variable), path, retry, progress, variable) as fetch:
        _try(fetch, retry, notify)
        while url := fetch.next_page(is_partial):
            fetch.url = url
            _try(fetch, retry, notify)
        fetch.finish()
    return path


def _try(fetch: Fetch, retry: RetryPolicy, notify: Callable[[str], None] | None) -> None:
    """Ask for a page once, or more often where what went wrong may pass."""
    import stamina

    tries = 0

    def should_retry(error: Exception) -> bool | float:
        nonlocal tries
        tries += 1
        if not isinstance(error, RetryableError):
            return False
        if notify and tries < retry.attempts:
            notify(f"{error}; trying again ({tries + 1} of {retry.attempts})")
        if not error.wait_s:
            return True
        return min(error.wait_s + random.uniform(0, retry.first_wait_s), retry.max_wait_s)

    failure = SourceError(f"{display_address(fetch.url)}: was not asked")
    try:
        for attempt in stamina.retry_context(
            on=should_retry,
            attempts=retry.attempts,
            timeout=retry.whole_s,
            wait_initial=retry.first_wait_s,
            wait_max=retry.max_wait_s,
            wait_jitter=retry.first_wait_s,
        ):
            with attempt:
                fetch.once()
                return
    except RetryableError as error:
        often = f", {tries} times" if tries > 1 else ""
        failure = SourceError(f"{error}{often}; nothing was taken over, try again later")
    raise failure


def read(path: Path, *, source: str, is_partial: bool = False) -> Iterator[Work]:
    """Yield the work of reading each piece of a fetched file; ``source`` is its name in messages and quarantine.

    A row's line is its number in the list. One bad run is a rejected row; a document that is not JSON is a SourceError.
    """
    from polydoc_analytics.loaders.formats import json

    with open(path, "rb") as file:
        yield from json.read(file, source, is_partial=is_partial)


def _address(base: str, variable: str) -> str:
    """Build the URL of the list of runs; raises SourceError where the base is not a usable URL."""
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
            f"{display_address(base.strip())}: leave user name and password out of the base URL of the API; "
            f"the token alone, from {variable}, says who asks"
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/v1/runs", parts.query, ""))


def _is_private(url: str) -> bool:
    """Check whether a URL is encrypted, or on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _header(token: str, variable: str) -> str:
    """Build the Authorization header; raises SourceError where the token is not usable in one."""
    token = token.strip()
    if not token:
        raise SourceError(f"the API needs a token; set the environment variable {variable}")
    if not (token.isascii() and token.isprintable()):
        raise SourceError(f"the API's token holds a character that cannot be sent; check {variable}")
    return token if token.lower().startswith("bearer ") else f"Bearer {token}"

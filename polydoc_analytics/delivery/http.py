"""One POST, and whether the other side has accepted it, refused it, or may have it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from polydoc_analytics.delivery.outcomes import RefusedError, UncertainError
from polydoc_analytics.loaders.quiet import quiet

_MOST_READ = 4096


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    """Return status and body of an answer of the 200s; redirects are not followed, for a body is signed for one place.

    Raises RefusedError for any other answer and where nobody was reached, UncertainError where the connection broke or
    fell silent once the request was on its way. The URL is in no message.
    """
    import httpx

    head = {"Content-Type": "application/json", "User-Agent": "polydoc-analytics", **headers}
    try:
        with (
            quiet(),
            httpx.Client(timeout=timeout_s) as client,
            client.stream("POST", url, content=body, headers=head) as answer,
        ):
            text = b""
            for part in answer.iter_bytes():
                text += part
                if len(text) > _MOST_READ:
                    break
            found = text[:_MOST_READ].decode("utf-8", "replace")
            if not answer.is_success:
                raise RefusedError(f"answered {answer.status_code}: {found[:200]}", _wait(answer.headers))
            return answer.status_code, found
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise RefusedError(f"cannot be reached: {type(error).__name__}") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError, ValueError):
        raise RefusedError("the URL in the environment variable cannot be used") from None
    except httpx.TransportError as error:
        raise UncertainError(f"no answer after the request was sent: {type(error).__name__}") from None


def _wait(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0

"""One POST, and whether the other side has accepted it, refused it, or may have it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from polydoc_analytics.automation.delivery.outcomes import RefusedError, UncertainError
from polydoc_analytics.loaders.services.http_answers import retry_after
from polydoc_analytics.loaders.services.http_client import NoClientError, make_client
from polydoc_analytics.loaders.services.http_logging import mute_http_logging

_MAX_READ = 4096
_LAST_WORD = re.compile(r"\S+\Z")


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    """Return status and body of an answer of the 200s; redirects are not followed, for a body is signed for one place.

    ``timeout_s`` is the deadline for all of it, the last byte of the answer included. Raises RefusedError for any other
    answer and where nobody was reached, UncertainError where the connection broke, fell silent or went on too long
    once the request was on its way. The URL is in no message, but an answer may
    repeat it.
    """
    import httpx

    progress = _Progress()
    try:
        with mute_http_logging():
            return asyncio.run(_within(url, body, headers, timeout_s, progress))
    except TimeoutError:
        if progress.has_begun:
            raise UncertainError(f"no whole answer within {timeout_s:g} s after the request was sent") from None
        raise RefusedError(f"cannot be reached within {timeout_s:g} s") from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise RefusedError(f"cannot be reached: {type(error).__name__}") from None
    except NoClientError as error:
        raise RefusedError(str(error)) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError, ValueError):
        raise RefusedError("the URL in the environment variable cannot be used") from None
    except httpx.TransportError as error:
        raise UncertainError(f"no answer after the request was sent: {type(error).__name__}") from None


class _Progress:
    """How far a request has come, as httpcore tells it."""

    has_begun = False

    async def __call__(self, event: str, _: Any) -> None:
        if event.endswith("send_request_headers.started"):
            self.has_begun = True


async def _within(
    url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, progress: _Progress
) -> tuple[int, str]:
    import httpx

    head = {"Content-Type": "application/json", "User-Agent": "polydoc-analytics", "Accept-Encoding": "identity"}
    # Each of httpx's own limits is for one step, and begins anew with every byte.
    async with asyncio.timeout(timeout_s):
        async with make_client(httpx.AsyncClient, timeout=None) as client:
            request = client.stream(
                "POST", url, content=body, headers=head | dict(headers), extensions={"trace": progress}
            )
            async with request as answer:
                text = b""
                # Not unpacked: a small part of an answer that is compressed unasked can be of any size.
                async for part in answer.aiter_raw():
                    text += part
                    if len(text) > _MAX_READ:
                        break
                found = text[:_MAX_READ].decode("utf-8", "replace")
                if len(text) > _MAX_READ:  # half a word may be half a secret, which nothing would recognise
                    found = _LAST_WORD.sub("", found)
                if not answer.is_success:
                    raise RefusedError(
                        f"answered {answer.status_code}: {found}", retry_after(answer.headers.get("Retry-After"))
                    )
                return answer.status_code, found

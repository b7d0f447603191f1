"""HTTP clients, made with the proxy and the certificates that the environment names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class NoClientError(OSError):
    """A client that cannot be made, for the environment names a proxy or certificates that cannot be used."""


def make_client(kind: Callable[..., T], **options: Any) -> T:
    """Make a client of httpx; raises NoClientError, which names the variables to look at, where none can be made."""
    import httpx

    try:
        return kind(**options)
    except ImportError:
        text = "a SOCKS proxy, such as ALL_PROXY may name, needs another package; pip install 'httpx[socks]'"
    except OSError as error:
        text = f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be used: {error.strerror or error}"
    except (ValueError, httpx.InvalidURL):
        text = "the proxy cannot be used; check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
    # Raised out here, so that no context keeps the proxy's password.
    raise NoClientError(text)

"""Mail addresses: which texts are one, and which are the same mailbox."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LOCAL = re.compile(r"[^\s@<>()\[\]\\,;:\".]+(\.[^\s@<>()\[\]\\,;:\".]+)*")
_LABEL = re.compile(r"[^\W_]([\w-]*[^\W_])?")


def is_address(text: str) -> bool:
    """Check whether a text is one mail address and nothing else; letters of any script are allowed (RFC 6531)."""
    name, at, domain = text.rpartition("@")
    if not (at and _LOCAL.fullmatch(name) and text.isprintable()):
        return False
    is_short = len(name.encode("utf-8", "replace")) <= 64 and len(text.encode("utf-8", "replace")) <= 254
    return is_short and all(_LABEL.fullmatch(label) for label in domain.split("."))


def distinct(addresses: Iterable[str]) -> tuple[str, ...]:
    """Deduplicate addresses by mailbox: the domain is compared without case, the name before it with case."""
    by_mailbox: dict[str, str] = {}
    for address in addresses:
        name, at, domain = address.rpartition("@")
        by_mailbox.setdefault(f"{name}{at}{domain.casefold()}", address)
    return tuple(by_mailbox.values())

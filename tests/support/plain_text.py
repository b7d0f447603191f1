"""Text that the data cannot bend: without control characters, marks of direction and lone surrogates."""

from __future__ import annotations

import re

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def assert_plain(text: str, *, allowed: str = "\n") -> None:
    assert not (found := FORBIDDEN.search(text.replace("\t", "\x1b"))) or found.group() in allowed, text[
        max(found.start() - 60, 0) : found.end() + 10
    ]

"""The size of the longest row, as settings give it: 64 KiB to 1 GiB."""

from __future__ import annotations

import re

from polydoc_analytics.errors import UsageError

ROW_SIZE = re.compile(r"([1-9][0-9]{0,9}) ?(B|KiB|MiB|GiB)?", re.ASCII)
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
LEAST_ROW_BYTES = 64 * 1024
_MAX_ROW_BYTES = 1024**3


def row_bytes(text: str) -> int:
    """Parse the size of the longest row; raises UsageError for one that is not between 64 KiB and 1 GiB."""
    match = ROW_SIZE.fullmatch(text)
    size = int(match.group(1)) * _UNITS[match.group(2) or "B"] if match else 0
    if not LEAST_ROW_BYTES <= size <= _MAX_ROW_BYTES:
        raise UsageError(f"longest_row '{text}' is no size from 64 KiB to 1 GiB; expected such as 64 MiB")
    return size

"""Lengths of time as users write them: 30m, 12h, 3d, 2w."""

from __future__ import annotations

import re
from datetime import timedelta

LENGTH = re.compile(r"([1-9]\d{0,4})([mhdw])", re.ASCII)
DAYS = re.compile(r"([1-9]\d{0,2})d", re.ASCII)
_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10080}


def parsed_length(text: str) -> timedelta | None:
    """Parse a length such as 30m, 12h, 3d or 2w; None for any other text."""
    match = LENGTH.fullmatch(text)
    return timedelta(minutes=int(match.group(1)) * _MINUTES[match.group(2)]) if match else None

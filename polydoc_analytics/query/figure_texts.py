"""How sentences about figures write counts, shares, days and accounts; reports put those of their locale here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

MEASURE_NAMES = {"credits": "Credits", "runs": "Runs", "total_tokens": "Tokens"}


@dataclass(frozen=True)
class Wording:
    """Functions from a value to its text."""

    count: Callable[[int], str] = "{:,}".format
    share: Callable[[float], str] = lambda value: f"{100 * value:,.0f} %"
    day: Callable[[date], str] = date.isoformat
    account: Callable[[str], str] = str

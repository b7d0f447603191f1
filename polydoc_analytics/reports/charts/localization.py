"""Dates and numbers of charts in a locale, as the formats of D3 that Vega reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polydoc_analytics.reports.messages import N_

if TYPE_CHECKING:
    from polydoc_analytics.reports.formatting import Formatter

PERIODS = (N_("day"), N_("week"), N_("month"))
_ENGLISH = {"MMMd": "%-d %b", "yMMM": "%b %Y", "yMMMM": "%B %Y", "yMMMd": "%-d %b %Y"}
_ENGLISH_SIGNS = {"group": ",", "decimal": ".", "sizes": [3, 3]}
_MAX_GROUPS = 9
_FIELDS = {"d": "%-d", "MMM": "%b", "MMMM": "%B", "M": "%-m", "y": "%Y"}
_FIELD = re.compile(r"'([^']*)'|MMMM|MMM|M|d|y")


def date_format(words: Formatter | None, skeleton: str) -> str:
    """Return the D3 format of a date in the locale of ``words``; British English without any."""
    if words is None:
        return _ENGLISH[skeleton]
    from babel import Locale

    pattern = Locale.parse(words.dates).datetime_skeletons[skeleton].pattern
    return _FIELD.sub(lambda field: _FIELDS.get(field.group(), field.group(1) or ""), pattern)


def config(words: Formatter | None) -> dict[str, Any]:
    """Return the configuration of a chart with a locale's numbers and names of months; nothing for English."""
    if words is None or (words.dates.startswith("en") and words.signs == _ENGLISH_SIGNS):
        return {}
    from babel import Locale

    dates, signs = Locale.parse(words.dates), words.signs
    first, rest = signs["sizes"]
    months = {length: [dates.months["format"][length][at] for at in range(1, 13)] for length in ("wide", "abbreviated")}
    days = {
        length: [dates.days["format"][length][(at - 1) % 7] for at in range(7)] for length in ("wide", "abbreviated")
    }
    return {
        "locale": {
            "number": {
                "decimal": signs["decimal"],
                "thousands": signs["group"],
                "grouping": [3] if rest == first == 3 else [first, *[rest] * _MAX_GROUPS],
                "currency": ["", ""],
            },
            "time": {
                "dateTime": "%x %X",
                "date": "%Y-%m-%d",
                "time": "%H:%M:%S",
                "periods": ["AM", "PM"],
                "days": days["wide"],
                "shortDays": days["abbreviated"],
                "months": months["wide"],
                "shortMonths": months["abbreviated"],
            },
        }
    }

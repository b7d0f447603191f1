"""Datetime texts of one form, turned into instants by array arithmetic: words of eight bytes, no parser."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

WIDTH = 32
"""How many bytes are looked at, from where the text begins."""

_FORM = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(?:Z|\+00:00)")
_ZEROS, _HIGH, _SIX = 0x3030303030303030, 0xF0F0F0F0F0F0F0F0, 0x0606060606060606
_PLACES = ((0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2))
_FRACTION = 20
_MONTHS = 16
"""Months that a year has in the calendar's tables; all but 1 to 12 have no day."""


class MomentForm:
    """The form of a datetime text in UTC, learnt from one of them: how many digits its fraction has, and its offset."""

    def __init__(self, text: bytes) -> None:
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(text)
        self.length = len(text)
        is_digit = np.zeros(WIDTH, bool)
        places = (*_PLACES, (_FRACTION, len(match.group(1) or b".") - 1))
        is_digit[[at + n for at, count in places for n in range(count)]] = True
        content = np.frombuffer(text.ljust(WIDTH), np.uint8)
        is_fixed = ~is_digit & (np.arange(WIDTH) < len(text))
        self._digit_bytes = np.where(is_digit, 255, 0).astype(np.uint8).view("<u8")
        self._fixed_bytes = np.where(is_fixed, 255, 0).astype(np.uint8).view("<u8")
        self._fixed = np.where(is_fixed, content, 0).astype(np.uint8).view("<u8")

    @staticmethod
    def fits(text: bytes) -> bool:
        """Check whether a text has a form that can be learnt."""
        return _FORM.fullmatch(text) is not None

    def instants(self, words: np.ndarray[Any, Any]) -> tuple[Ints, Mask]:
        """Read texts, each in four words of eight bytes that are one below the other in its column.

        Returns µs since 1970 UTC and which texts are a real datetime of this form.
        """
        is_right = np.ones(words.shape[1], bool)
        pairs = []
        for word, digits, mask, fixed in zip(words, self._digit_bytes, self._fixed_bytes, self._fixed, strict=True):
            # What is left of a digit without "0" is 0 to 9: no high half, and none either when 6 is added.
            value = (word ^ np.uint64(_ZEROS)) & digits
            is_right &= ((value | (value + (np.uint64(_SIX) & digits))) & np.uint64(_HIGH)) == 0
            if mask:
                is_right &= (word & mask) == fixed
            # Each byte, taken with the one behind it, as a number of two digits; what is no digit counts as 0.
            pairs.append(value * np.uint64(10) + (value >> np.uint64(8)))

        def pair(at: int) -> Ints:
            found: Ints = ((pairs[at // 8] >> np.uint64(8 * (at % 8))) & np.uint64(0xFF)).view(np.int64)
            return found

        day, hour, minute, second = pair(8), pair(11), pair(14), pair(17)
        is_right &= (hour < 24) & (minute < 60) & (second < 60)
        fraction = (pair(_FRACTION) * 100 + pair(_FRACTION + 2)) * 100 + pair(_FRACTION + 4)
        days_before, lengths = _calendar()
        month = (pair(0) * 100 + pair(2)) * _MONTHS + np.minimum(pair(5), _MONTHS - 1)
        np.minimum(month, len(lengths) - 1, out=month)
        is_right &= (day > 0) & (day <= lengths[month])
        seconds = (days_before[month] + day) * 86_400 + (hour * 60 + minute) * 60 + second
        return seconds * 1_000_000 + fraction, is_right


@cache
def _calendar() -> tuple[Ints, Ints]:
    """Return by year times _MONTHS plus month the days from 1970 to the month's eve, and how many days it has."""
    years = np.arange(10_000)
    before = (years - 1) * 365 + (years - 1) // 4 - (years - 1) // 100 + (years - 1) // 400 - 719_162
    is_leap = ((years % 4 == 0) & (years % 100 != 0)) | (years % 400 == 0)
    lengths = np.zeros((10_000, _MONTHS), np.int64)
    lengths[1:, 1:13] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    lengths[1:, 2] += is_leap[1:]
    return (before[:, None] + np.cumsum(lengths, axis=1) - lengths - 1).ravel(), lengths.ravel()

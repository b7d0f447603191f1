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
_ZEROS, _LOW, _HIGH, _SIX = 0x3030303030303030, 0x0F0F0F0F0F0F0F0F, 0xF0F0F0F0F0F0F0F0, 0x0606060606060606
_PLACES = ((0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2))


class MomentForm:
    """The form of a datetime text in UTC, learnt from one of them: how many digits its fraction has, and its offset."""

    def __init__(self, text: bytes) -> None:
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(text)
        self.length = len(text)
        self._fraction_digits = len(match.group(1) or b".") - 1
        is_digit = np.zeros(WIDTH, bool)
        places = (*_PLACES, (20, self._fraction_digits))
        is_digit[[at + n for at, count in places for n in range(count)]] = True
        content = np.frombuffer(text.ljust(WIDTH), np.uint8)
        is_fixed = ~is_digit & (np.arange(WIDTH) < len(text))
        self._digit_bytes = np.where(is_digit, 255, 0).astype(np.uint8).view("<u8")
        self._fixed_bytes = np.where(is_fixed, 255, 0).astype(np.uint8).view("<u8")
        self._fixed = np.where(is_fixed, content, 0).astype(np.uint8).view("<u8")

    @staticmethod
    def fits(text: bytes) -> bool:
        """Tell whether a text has a form that can be learnt."""
        return _FORM.fullmatch(text) is not None

    def instants(self, rows: np.ndarray[Any, Any]) -> tuple[Ints, Mask]:
        """Read rows of WIDTH bytes; return µs since 1970 UTC and which rows are a real datetime of this form."""
        words = rows.view("<u8").reshape(-1, WIDTH // 8).T.copy()
        is_right = np.ones(words.shape[1], bool)
        for word, digits, mask, fixed in zip(words, self._digit_bytes, self._fixed_bytes, self._fixed, strict=True):
            # What is left of a digit without "0" is 0 to 9: no high half, and none either when 6 is added.
            value = (word ^ np.uint64(_ZEROS)) & digits
            is_right &= ((value | (value + (np.uint64(_SIX) & digits))) & np.uint64(_HIGH)) == 0
            is_right &= (word & mask) == fixed

        def number(at: int, count: int) -> Ints:
            value = np.zeros(words.shape[1], np.int64)
            for place in range(at, at + count):
                digit = (words[place // 8] >> np.uint64(8 * (place % 8))) & np.uint64(15)
                value = value * 10 + digit.astype(np.int64)
            return value

        year, month, day, hour, minute, second = (number(at, count) for at, count in _PLACES)
        fraction = number(20, self._fraction_digits) * 10 ** (6 - self._fraction_digits)
        is_right &= (year > 0) & (month > 0) & (month < 13) & (hour < 24) & (minute < 60) & (second < 60)
        before_year, before_month, lengths = _calendar()
        year, month = np.where(is_right, year, 1), np.where(is_right, month, 1)
        in_table = _is_leap(year) * 13 + month
        is_right &= (day > 0) & (day <= lengths[in_table])
        days = before_year[year] + before_month[in_table] + day - 1
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction, is_right


def _is_leap(year: Ints) -> Any:
    return ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)


@cache
def _calendar() -> tuple[Ints, Ints, Ints]:
    """Return days from 1970 to each year, and by leap year and month days from its start and its length."""
    years = np.arange(10_000)
    before = (years - 1) * 365 + (years - 1) // 4 - (years - 1) // 100 + (years - 1) // 400 - 719_162
    lengths = np.array([[0, 31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] for leap in (0, 1)])
    return before, (np.cumsum(lengths, axis=1) - lengths).ravel(), lengths.ravel()

"""Microseconds since 1970 are exact at both ends of time."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta, timezone

import pytest

from polydoc_analytics.model.epoch import from_us, to_us


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 10, 31, 12, 0, 0, 123_457, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 10, 31, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_an_instant_is_the_seconds_of_its_calendar_and_its_microseconds(instant: datetime) -> None:
    us = calendar.timegm(instant.utctimetuple()) * 1_000_000 + instant.microsecond
    assert to_us(instant) == us
    assert from_us(us) == instant

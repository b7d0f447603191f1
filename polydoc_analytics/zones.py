"""Time zones from the ``tzdata`` package alone, as the UTC offsets that hold over a range of instants.

No engine converts a zone itself: their databases disagree with each other and with the system's.
"""

from __future__ import annotations

import bisect
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from polydoc_analytics.errors import UsageError, nearest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
_DAY_S = 86_400
_FIRST_S = -62_135_596_800 + _DAY_S
_LAST_S = 253_402_300_799 - _DAY_S
"""Instants are asked for a day within years 1 to 9999, so that no local time falls outside."""


@cache
def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone by its exact name, such as Europe/Lisbon.

    Raises UsageError, with the nearest name, where there is none.
    """
    parts = name.split("/")
    if all(part and part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        file = resources.files("tzdata").joinpath("zoneinfo", *parts)
        # A file system that ignores case would accept names that others do not know.
        if file.is_file() and name in _names():
            with file.open("rb") as content:
                return ZoneInfo.from_file(content, key=name)
    raise UsageError(f"unknown time zone '{name}'{nearest(name, _names())}")


@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


def _offset_s(tz: ZoneInfo, second: int) -> int:
    second = min(max(second, _FIRST_S), _LAST_S)
    offset = (_EPOCH + timedelta(seconds=second)).astimezone(tz).utcoffset()
    assert offset is not None
    return offset.days * _DAY_S + offset.seconds


@cache
def offsets(tz: ZoneInfo, first_us: int, last_us: int) -> list[tuple[int | None, int]]:
    """Return the UTC offsets over the instants from ``first_us`` to ``last_us`` (µs since 1970 UTC), in order.

    Each is (until_us, offset_us): the instant at which it ends, exclusive, or None for the last, and the offset in µs
    that makes UTC local.
    """
    first, last = first_us // _SECOND_US, last_us // _SECOND_US
    pieces: list[tuple[int | None, int]] = []
    at, offset = first, _offset_s(tz, first)
    while at < last:
        following = min(at + _DAY_S, last)
        if _offset_s(tz, following) != offset:
            # The first second of the day's walk at which the offset is another one.
            change = bisect.bisect_left(range(at, following), True, key=lambda s: _offset_s(tz, s) != offset) + at
            pieces.append((change * _SECOND_US, offset * _SECOND_US))
            offset = _offset_s(tz, change)
            following = change
        at = following
    return [*pieces, (None, offset * _SECOND_US)]


def local_date(us: int, tz: ZoneInfo) -> date:
    """Return the local day of an instant given in µs since 1970 UTC."""
    local_s = us // _SECOND_US + _offset_s(tz, us // _SECOND_US)
    return date(1970, 1, 1) + timedelta(days=local_s // _DAY_S)


def start_of_day(day: date, tz: ZoneInfo) -> int:
    """Return the first instant (µs since 1970 UTC) whose local day is ``day`` or, where it is skipped, a later one."""
    midnight = (day - date(1970, 1, 1)).days * _DAY_S
    low, high = midnight - 2 * _DAY_S, midnight + 2 * _DAY_S
    wanted = midnight // _DAY_S
    first = bisect.bisect_left(range(low, high), True, key=lambda s: (s + _offset_s(tz, s)) // _DAY_S >= wanted)
    return (low + first) * _SECOND_US

"""Time zones from the ``tzdata`` package alone, as the UTC offsets that hold over a range of instants.

No engine converts a zone itself: their databases disagree with each other and with the system's.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.epoch import DAY_US, EPOCH

_SECOND = timedelta(seconds=1)
_SECOND_US = 1_000_000
_DAY_S = 86_400
DAYS_BEFORE_1970 = 7 * 114_286
"""A whole number of weeks that reaches back beyond year 1: day numbers counted from there are never negative."""
# Offsets are asked for a day within the years 1 to 9999, so that no local time falls outside.
_FIRST_S = -62_135_596_800 + _DAY_S
_LAST_S = 253_402_300_799 - _DAY_S
# 1800 and 2100: zones begin to change after the one, and after the other change by yearly rules or never.
# To walk day by day beyond them takes seconds where a source writes an unknown time as the year 1 or 9999.
_CHANGES_BEGIN_S = -5_364_662_400
_RULES_ONLY_S = 4_102_444_800
_TWO_YEARS_S = 2 * 366 * _DAY_S  # that long without a change, once only rules are left, and there is none


def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone by its exact name, such as Europe/Lisbon.

    Raises UsageError, with the nearest name, where there is none.
    """
    if not isinstance(name, str):
        raise UsageError(f"a time zone is a name such as UTC or Europe/Lisbon, not {name!r}")
    return _zone(name)


@cache
def _zone(name: str) -> ZoneInfo:
    file = _file(name)
    if file is not None:
        try:
            with file.open("rb") as content:
                return ZoneInfo.from_file(content, key=name)
        except ValueError:  # the package holds tables and Python files beside the zones
            pass
    raise UsageError(f"unknown time zone {name!r}{nearest(name, _names())}")


def _file(name: str) -> Path | None:
    at = _package() / "zoneinfo"
    for part in name.split("/"):
        # Compared, not opened: a file system that ignores case would accept names that others do not know.
        entries = at.iterdir() if at.is_dir() else iter(())
        found = next((entry for entry in entries if entry.name == part), None)
        if found is None:
            return None
        at = found
    return at if at.is_file() else None


@cache
def _names() -> frozenset[str]:
    return frozenset((_package() / "zones").read_text("utf-8").split())


def _package() -> Path:
    # By its path, for importlib.resources imports what opens archives.
    return Path(import_module("tzdata").__path__[0])


def _offset(tz: ZoneInfo, second: int) -> timedelta:
    if not _FIRST_S <= second <= _LAST_S:
        second = min(max(second, _FIRST_S), _LAST_S)
    offset = (EPOCH + timedelta(0, second)).astimezone(tz).utcoffset()
    assert offset is not None
    return offset


def offsets(tz: ZoneInfo, first_us: int, last_us: int) -> list[tuple[int | None, int]]:
    """Return the UTC offsets over the instants ``first_us`` to ``last_us`` (µs since 1970 UTC), in order.

    Each is (until_us, offset_us): the instant at which it ends, exclusive, or None for the last, and the
    offset in µs that makes UTC local. Within a day of the ends of the years 1 to 9999 the offset is that of
    a day further in.
    """
    return list(_pieces(tz, first_us // _SECOND_US, last_us // _SECOND_US))


def choice(basis: str, base: int, pieces: Sequence[tuple[int | None, int]]) -> str:
    """Return SQL that finds an instant's offset by halves, so that many pieces cost little more than few."""
    if len(pieces) == 1:
        return str(base + pieces[0][1])
    middle = len(pieces) // 2
    earlier, later = choice(basis, base, pieces[:middle]), choice(basis, base, pieces[middle:])
    return f"case when {basis} < {pieces[middle - 1][0]} then {earlier} else {later} end"


@lru_cache(maxsize=1024)
def _pieces(tz: ZoneInfo, first: int, last: int) -> tuple[tuple[int | None, int], ...]:
    pieces: list[tuple[int | None, int]] = []
    at, offset = first, _offset(tz, first)
    end = min(last, max(first, _RULES_ONLY_S) + _TWO_YEARS_S)
    while at < end:
        following = at + _DAY_S if at >= _CHANGES_BEGIN_S else _CHANGES_BEGIN_S
        if following > last:
            following = last
        if _offset(tz, following) != offset:
            # The first second of the stretch at which the offset is another one.
            stretch = range(at, following)
            following = at + bisect.bisect_left(stretch, True, key=lambda s: _offset(tz, s) != offset)
            pieces.append((following * _SECOND_US, offset // _SECOND * _SECOND_US))
            offset = _offset(tz, following)
            end = min(last, max(following, _RULES_ONLY_S) + _TWO_YEARS_S)
        at = following
    return *pieces, (None, offset // _SECOND * _SECOND_US)


def local(instant: datetime, tz: ZoneInfo) -> datetime:
    """Convert an instant to local time; it stays in UTC where that is before the year 1 or after 9999."""
    try:
        return instant.astimezone(tz)
    except OverflowError:
        return instant.astimezone(UTC)


def local_date(us: int, tz: ZoneInfo) -> date:
    """Return the local day of an instant given in µs since 1970 UTC, within 0001-01-01 and 9999-12-31."""
    second = us // _SECOND_US
    day = (second + _offset(tz, second) // _SECOND) // _DAY_S + EPOCH.toordinal()
    return date.fromordinal(min(max(day, date.min.toordinal()), date.max.toordinal()))


def start_of_day(day: date, tz: ZoneInfo) -> int:
    """Return the first instant (µs since 1970 UTC) whose local day is ``day`` or, if that is skipped, later.

    Where a clock is set back across midnight (00:01 to 23:01), that is the first of two midnights. The first day there
    is begins no later than the first instant there is.
    """
    midnight = (day.toordinal() - EPOCH.toordinal()) * DAY_US
    at = midnight - DAY_US  # no zone is as much as a day away from UTC
    for until, offset in offsets(tz, at, midnight + DAY_US):
        first = max(at, midnight - offset)
        if until is None or first < until:
            break
        at = until
    return min(first, midnight) if day == date.min else first

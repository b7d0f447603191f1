"""The preceding period of the same kind: last month for this month, to date where the period is in progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from polydoc_analytics.model.epoch import from_us, to_us
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.timezones import local_date, start_of_day, zone


@dataclass(frozen=True, slots=True)
class Comparison:
    """The interval of a report and the preceding one.

    ``unit`` is day, week, month, quarter, year or a number of days; ``is_to_date`` says that the period is in progress,
    so that both end after the same time into it.
    """

    now: Interval
    before: Interval
    unit: str
    is_to_date: bool

    @property
    def days(self) -> tuple[int, int]:
        """The numbers of local days that each of the two intervals touches."""
        return _days(self.now), _days(self.before)


def comparison(interval: Interval, now: datetime, against: Interval | None = None) -> Comparison | None:
    """Choose the interval to compare with; None where the interval has no beginning, or begins after ``now``.

    A calendar period is compared with the one before it, other whole days with as many days before them, anything
    else with the same length of time before it. A period in progress ends now, and the one before it at the same
    clock time of the same day into it (or at its own end, where it is shorter). So does ``against``, an interval that
    is compared with instead.
    """
    now = now.astimezone(UTC)
    if interval.since is None or interval.since >= now:
        return None
    until = interval.until or now
    is_to_date = until > now
    end = min(until, now)
    tz = zone(interval.timezone)
    try:
        if against is None:
            before, before_end, unit = _preceding(interval.since, until, end, tz)
        elif against.since is None or against.until is None:
            return None
        else:
            before, unit = against.since, "time"
            same = _same_time(local_date(to_us(interval.since), tz), local_date(to_us(before), tz), end, tz)
            before_end = max(min(same, against.until), before) if is_to_date else against.until
    except (OverflowError, ValueError):
        return None  # nothing lies before the beginning of time
    return Comparison(
        Interval(interval.since, end, interval.timezone),
        Interval(before, before_end, interval.timezone),
        unit,
        is_to_date,
    )


def _preceding(since: datetime, until: datetime, end: datetime, tz: ZoneInfo) -> tuple[datetime, datetime, str]:
    first, last = local_date(to_us(since), tz), local_date(to_us(until), tz)
    if start_of_day(first, tz) != to_us(since) or start_of_day(last, tz) != to_us(until):
        return since - (end - since), since, "time"
    unit, earlier = _unit(first, last)
    begin = from_us(start_of_day(earlier, tz))
    if end == until:
        return begin, since, unit
    return begin, min(_same_time(first, earlier, end, tz), since), unit


def _same_time(first: date, earlier: date, end: datetime, tz: ZoneInfo) -> datetime:
    """Find the instant as many days after ``earlier``, and at the same clock time, as ``end`` is after ``first``."""
    local = end.astimezone(tz)
    day = earlier + (local.date() - first)
    return datetime.combine(day, local.time(), tzinfo=tz).astimezone(UTC)


def _unit(first: date, last: date) -> tuple[str, date]:
    """Recognise the calendar period that two days bound, and the first day of the one before it."""
    if first.day == 1 and last.day == 1:
        months = 12 * (last.year - first.year) + last.month - first.month
        for unit, length in (("month", 1), ("quarter", 3), ("year", 12)):
            if months == length and (first.month - 1) % length == 0:
                earlier = 12 * first.year + first.month - 1 - length
                return unit, date(earlier // 12, earlier % 12 + 1, 1)
    days = (last - first).days
    if days == 7 and first.weekday() == 0:
        return "week", first - timedelta(days=7)
    return ("day" if days == 1 else f"{days} days"), first - timedelta(days=days)


def _days(of: Interval) -> int:
    assert of.since is not None
    assert of.until is not None
    tz = zone(of.timezone)
    last = local_date(to_us(of.until) - 1, tz)
    return (last - local_date(to_us(of.since), tz)).days + 1

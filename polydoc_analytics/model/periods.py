"""Intervals of time: ``--period last-month``, ``--since``/``--until``, ``--last 30d``, in any time zone.

An interval is half-open in UTC. Days, weeks (from Monday) and months are local to its time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.epoch import from_us, to_us
from polydoc_analytics.model.timezones import local, local_date, start_of_day, zone

PERIOD_WORDS = (
    "today",
    "yesterday",
    "this-week",
    "last-week",
    "this-month",
    "last-month",
    "this-quarter",
    "last-quarter",
    "this-year",
    "last-year",
)
_DAY_WORDS = PERIOD_WORDS[:2]
_HOUR_US = 3_600_000_000
_LAST = re.compile(r"([1-9]\d{0,6})([hdw])", re.ASCII)
_PERIOD = re.compile(
    r"(?P<year>\d{4})(?:-Q(?P<quarter>\d)|-W(?P<week>\d\d)|-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?",
    re.ASCII,
)
_PERIOD_FORMS = f"{', '.join(PERIOD_WORDS)}, or 2026, 2026-Q3, 2026-10, 2026-W45, 2026-10-31"
_INSTANT_FORMS = "expected today, yesterday, a day (2026-10-31) or an instant (2026-10-31T12:00Z)"


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open interval of UTC instants, either side open where it is None, and the zone of its days."""

    since: datetime | None
    until: datetime | None
    timezone: str

    @property
    def text(self) -> str:
        """The interval in local days, such as from 2026-10-01 to 2026-10-31, or local times; empty for all of time."""
        first = f"from {self._bound(self.since)}" if self.since else ""
        last = f"to {self._bound(self.until, is_end=True)}" if self.until else ""
        return " ".join(part for part in (first, last) if part)

    def _bound(self, instant: datetime, *, is_end: bool = False) -> str:
        at = local(instant, zone(self.timezone))
        if at.time() == time(0):
            return (at.date() - timedelta(days=is_end)).isoformat()
        return at.strftime("%Y-%m-%d %H:%M")

    @property
    def since_us(self) -> int | None:
        """The first instant, in µs since 1970 UTC."""
        return None if self.since is None else to_us(self.since)

    @property
    def until_us(self) -> int | None:
        """The instant before which it ends, in µs since 1970 UTC."""
        return None if self.until is None else to_us(self.until)

    @property
    def first_whole_day(self) -> date | None:
        """The first local day that does not begin before ``since``; None where that is open."""
        since, tz = self.since_us, zone(self.timezone)
        if since is None:
            return None
        days = (day for day in _days_around(since, tz) if start_of_day(day, tz) >= since)
        return next(days, date.max)

    @property
    def end_of_whole_days(self) -> date | None:
        """The last local day that begins by ``until``; those before it are whole. None where that is open."""
        until, tz = self.until_us, zone(self.timezone)
        if until is None:
            return None
        days = (day for day in _days_around(until, tz) if start_of_day(day, tz) <= until)
        return max(days, default=date.min)


def instant_of(now: str | datetime | None) -> datetime:
    """Return the instant taken for now: one given, a text of one such as 2026-10-31T12:00:00Z, or for None the present.

    Raises UsageError for what is none, and for one without an offset.
    """
    if now is None:
        return datetime.now(UTC)
    if isinstance(now, str):
        try:
            now = datetime.fromisoformat(now)
        except ValueError:
            raise UsageError(f"now '{now}' is no instant; expected one such as 2026-10-31T12:00:00Z") from None
    if not isinstance(now, datetime):
        raise UsageError(f"now is an instant or a text of one such as 2026-10-31T12:00:00Z, not {type(now).__name__}")
    if now.utcoffset() is None:
        raise UsageError(f"now ({now.isoformat()}) has no offset; give one, such as 2026-10-31T12:00:00Z")
    return now


def interval(
    *,
    since: str | date | datetime | None = None,
    until: str | date | datetime | None = None,
    last: str | None = None,
    period: str | None = None,
    timezone: str = "UTC",
    now: str | datetime | None = None,
) -> Interval:
    """Return the interval that the arguments choose, in ``timezone``; all of time where they choose none.

    ``since`` and ``until`` are days (``until`` includes its local day) or instants (``until`` excludes it).
    An instant without an offset is local: the first of two where a clock is set back, and as much later as
    the clock jumps where it is set forward. The words today and yesterday are days. ``last`` is 30d or 4w,
    local days including today, or 12h, hours up to ``now``, which needs an offset (default: the current
    time). ``period`` is a word of PERIOD_WORDS, a whole calendar period, or 2026, 2026-Q3, 2026-10, 2026-W45
    (ISO week), 2026-10-31. ``period``, ``last``, and ``since`` with ``until`` exclude each other.

    Raises UsageError where an argument means nothing, two contradict each other, or nothing lies in between.
    """
    tz = zone(timezone)
    now_us = to_us(instant_of(now))
    today = local_date(now_us, tz)
    given = {"period": period, "last": last, "since": since, "until": until}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1 and (period is not None or last is not None):
        names = " and ".join(given)
        raise UsageError(f"{names} contradict each other; give period, or last, or since and until")
    try:
        if period is not None:
            first, end = _calendar_period(str(period), today)
            start, stop = start_of_day(first, tz), start_of_day(end, tz)
            if start == stop:
                raise UsageError(f"period {period!r} does not exist in {timezone}, whose clocks skipped it")
            return Interval(from_us(start), from_us(stop), timezone)
        if last is not None:
            start, stop = _last(str(last), now_us, today, tz)
            return Interval(from_us(start), from_us(stop), timezone)
        lower = None if since is None else _bound(since, "since", today, tz)
        upper = None if until is None else _bound(until, "until", today, tz)
    except OverflowError:
        named = " and ".join(f"{name} {str(value)!r}" for name, value in given.items())
        raise UsageError(f"{named}: beyond the years 1 to 9999 in UTC") from None
    if lower is not None and upper is not None and upper <= lower:
        raise UsageError(f"until ({upper.isoformat()}) is not after since ({lower.isoformat()})")
    return Interval(lower, upper, timezone)


def _days_around(us: int, tz: ZoneInfo) -> list[date]:
    """Return the local day of an instant and its neighbours, among which a bound's whole days begin or end.

    One before, for a skipped day begins with the one after it; two after, for clocks go back across midnight.
    """
    day = local_date(us, tz).toordinal()
    first, last = max(day - 1, date.min.toordinal()), min(day + 2, date.max.toordinal())
    return [date.fromordinal(number) for number in range(first, last + 1)]


def _bound(value: str | date | datetime, name: str, today: date, tz: ZoneInfo) -> datetime:
    """Return an instant; a day stands for its start, and as ``until`` for its end."""
    if not isinstance(value, date):
        value = _parsed(str(value), name, today)
    if isinstance(value, datetime):
        # Not by the fold that a datetime may carry: in a gap it would shift the time back.
        return from_us(to_us(value if value.utcoffset() is not None else value.replace(tzinfo=tz, fold=0)))
    return from_us(start_of_day(value if name == "since" else value + timedelta(days=1), tz))


def _parsed(text: str, name: str, today: date) -> date | datetime:
    if text.lower() in _DAY_WORDS:
        return today - timedelta(days=_DAY_WORDS.index(text.lower()))
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
        if re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text, re.ASCII):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{name} {text!r} is no day or instant{nearest(text, _DAY_WORDS)}; {_INSTANT_FORMS}")


def _last(text: str, now_us: int, today: date, tz: ZoneInfo) -> tuple[int, int]:
    """Return the first instant of the hours or days up to now, and their end, in µs since 1970 UTC."""
    match = _LAST.fullmatch(text)
    if not match:
        raise UsageError(f"last {text!r} is no length of time; expected hours, days or weeks: 12h, 30d, 4w")
    count = int(match.group(1))
    if match.group(2) == "h":
        return now_us - count * _HOUR_US, now_us
    days = count * (7 if match.group(2) == "w" else 1)
    return start_of_day(today - timedelta(days=days - 1), tz), start_of_day(today + timedelta(days=1), tz)


def _calendar_period(text: str, today: date) -> tuple[date, date]:
    """Return the first day of a period and the first day after it."""
    word = text.lower()
    try:
        if word in _DAY_WORDS:
            first = today - timedelta(days=_DAY_WORDS.index(word))
            return first, first + timedelta(days=1)
        if word in PERIOD_WORDS:
            which, unit = word.split("-")
            first = _first_of(unit, today)
            if which == "last":
                first = _first_of(unit, first - timedelta(days=1))
            return first, _after(unit, first)
        if match := _PERIOD.fullmatch(text.upper()):
            unit, first = _numbered({key: int(value) for key, value in match.groupdict().items() if value})
            return first, _after(unit, first)
    except (ValueError, OverflowError):
        raise UsageError(f"period {text!r} does not exist; expected {_PERIOD_FORMS}") from None
    raise UsageError(f"unknown period {text!r}{nearest(text, PERIOD_WORDS)}; expected {_PERIOD_FORMS}")


def _numbered(part: dict[str, int]) -> tuple[str, date]:
    year = part["year"]
    if "quarter" in part:
        return "quarter", date(year, 3 * part["quarter"] - 2, 1)
    if "week" in part:
        return "week", date.fromisocalendar(year, part["week"], 1)
    if "day" in part:
        return "day", date(year, part["month"], part["day"])
    return ("month", date(year, part["month"], 1)) if "month" in part else ("year", date(year, 1, 1))


def _first_of(unit: str, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=day.month - (day.month - 1) % 3 if unit == "quarter" else 1, day=1)


def _after(unit: str, first: date) -> date:
    if unit in ("day", "week"):
        return first + timedelta(days=7 if unit == "week" else 1)
    months = first.month - 1 + {"month": 1, "quarter": 3, "year": 12}[unit]
    return date(first.year + months // 12, months % 12 + 1, 1)

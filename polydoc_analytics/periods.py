"""Intervals of time: ``--period last-month``, ``--since``/``--until``, ``--last 30d``, in any time zone.

An interval is half-open in UTC. Days, weeks (from Monday) and months are local to its time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.zones import local_date, start_of_day, zone

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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_LAST_DAYS = 1_000_000
_LAST = re.compile(r"([1-9]\d{0,6})([hdw])", re.ASCII)
_PERIOD = re.compile(
    r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>\d)|W(?P<week>\d\d)|(?P<month>\d\d)(?:-(?P<day>\d\d))?))?", re.ASCII
)
_PERIOD_FORMS = f"{', '.join(PERIOD_WORDS)}, or 2026, 2026-Q3, 2026-10, 2026-W45, 2026-10-31"
_INSTANT_FORMS = "expected a day such as 2026-10-31, or an instant such as 2026-10-31T12:00 or 2026-10-31T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open interval of UTC instants, either side of which may be open, and the zone of its local days."""

    since: datetime | None
    until: datetime | None
    timezone: str

    @property
    def since_us(self) -> int | None:
        """The first instant, in µs since 1970 UTC."""
        return None if self.since is None else _to_us(self.since)

    @property
    def until_us(self) -> int | None:
        """The instant before which it ends, in µs since 1970 UTC."""
        return None if self.until is None else _to_us(self.until)

    @property
    def first_whole_day(self) -> date | None:
        """The first local day that lies wholly behind ``since``."""
        if self.since_us is None:
            return None
        tz = zone(self.timezone)
        day = local_date(self.since_us, tz)
        return day if start_of_day(day, tz) >= self.since_us else day + timedelta(days=1)

    @property
    def end_of_whole_days(self) -> date | None:
        """The local day before which every day ends by ``until``."""
        return None if self.until_us is None else local_date(self.until_us, zone(self.timezone))


def interval(
    *,
    since: str | date | datetime | None = None,
    until: str | date | datetime | None = None,
    last: str | None = None,
    period: str | None = None,
    timezone: str = "UTC",
    now: datetime | None = None,
) -> Interval:
    """Return the interval that the arguments choose, in ``timezone``; all of time where they choose none.

    ``since`` and ``until`` are days (``until`` includes its local day) or instants (``until`` excludes it); an instant
    without an offset is local, the first of two where a clock is set back, and as much later as the clock jumps where
    it is set forward. The words today and yesterday are days. ``last`` is 30d or 4w, local days including today, or
    12h, hours up to ``now``. ``period`` is a word of PERIOD_WORDS, a whole calendar period, or 2026, 2026-Q3, 2026-10,
    2026-W45 (ISO week), 2026-10-31.

    Raises UsageError where an argument means nothing, two contradict each other, or nothing lies in between.
    """
    tz = zone(timezone)
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise UsageError(f"now ({now.isoformat()}) has no offset; give one, such as 2026-10-31T12:00:00Z")
    today = local_date(_to_us(now), tz)
    given = [name for name, value in (("since", since), ("until", until), ("last", last), ("period", period)) if value]
    if (period is not None and len(given) > 1) or (last is not None and since is not None):
        raise UsageError(f"--{' and --'.join(given)} contradict each other; give one of them")
    if period is not None:
        return _of_days(*_calendar_period(period, today), timezone)
    end = None if until is None else _bound(until, "until", today, tz)
    if last is not None:
        return _checked(_last(last, now, today, tz), end or _end_of_last(last, now, today, tz), timezone)
    start = None if since is None else _bound(since, "since", today, tz)
    return _checked(start, end, timezone)


def _checked(since: datetime | None, until: datetime | None, timezone: str) -> Interval:
    if since is not None and until is not None and until <= since:
        raise UsageError(f"until ({until.isoformat()}) is not after since ({since.isoformat()})")
    return Interval(since, until, timezone)


def _of_days(first: date, end: date, timezone: str) -> Interval:
    tz = zone(timezone)
    return _checked(_start(first, tz), _start(end, tz), timezone)


def _start(day: date, tz: ZoneInfo) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=start_of_day(day, tz))
    except OverflowError:
        raise UsageError(f"{day.isoformat()} does not begin within the years 1 to 9999 in UTC") from None


def _to_us(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _bound(value: str | date | datetime, name: str, today: date, tz: ZoneInfo) -> datetime:
    """Return an instant; a day stands for its start, and as ``until`` for its end."""
    if isinstance(value, str):
        value = _parsed(value, name, today)
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=tz)).astimezone(UTC)
        except OverflowError:
            raise UsageError(f"{name} {value} lies outside the years 1 to 9999 in UTC") from None
    return _start(value if name == "since" else _later(value, 1), tz)


def _parsed(text: str, name: str, today: date) -> date | datetime:
    words = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in words:
        return words[text]
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
        if re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text, re.ASCII):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{name} '{text}' is no day or instant; {_INSTANT_FORMS}")


def _later(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        raise UsageError(f"{day.isoformat()} is too near to the end of time") from None


def _last(last: str, now: datetime, today: date, tz: ZoneInfo) -> datetime:
    match = _LAST.fullmatch(last)
    if not match:
        raise UsageError(f"last '{last}' is no length of time; expected days, weeks or hours, such as 30d, 4w, 12h")
    count = int(match.group(1))
    try:
        if match.group(2) == "h":
            return now.astimezone(UTC) - timedelta(hours=count)
        days = count * (7 if match.group(2) == "w" else 1)
        return _start(today - timedelta(days=days - 1), tz)
    except OverflowError:
        raise UsageError(f"last '{last}' reaches back beyond the year 1") from None


def _end_of_last(last: str, now: datetime, today: date, tz: ZoneInfo) -> datetime:
    return now.astimezone(UTC) if last.endswith("h") else _start(_later(today, 1), tz)


def _calendar_period(text: str, today: date) -> tuple[date, date]:
    """Return the first day of a period and the first day after it."""
    word = text.lower()
    try:
        if word in ("today", "yesterday"):
            first = today - timedelta(days=word == "yesterday")
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
        raise UsageError(f"period '{text}' does not exist; expected {_PERIOD_FORMS}") from None
    raise UsageError(f"unknown period '{text}'{nearest(text, PERIOD_WORDS)}; expected {_PERIOD_FORMS}")


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

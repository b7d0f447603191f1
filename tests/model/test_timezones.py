"""Offsets and local days, held against instants worked out by hand and against ``datetime.astimezone``."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repetitions import examples

from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.timezones import local, local_date, offsets, start_of_day, zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
DAY = 24 * HOUR
ZONES = [
    "UTC",
    "Europe/Lisbon",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


def us(text: str) -> int:
    """µs since 1970 of an instant in UTC."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


FIRST, LAST = us("0001-01-01"), us("9999-12-31T23:59:59.999999")


def test_a_zone_knows_its_name() -> None:
    """A name of the database is loaded once, and carries its name."""
    assert zone("Europe/Lisbon").key == "Europe/Lisbon"
    assert zone("America/Argentina/Ushuaia") is zone("America/Argentina/Ushuaia")
    assert [zone(name).key for name in ("UTC", "Etc/GMT+5", "GMT-0")] == ["UTC", "Etc/GMT+5", "GMT-0"]


def test_a_zone_is_never_read_from_the_system(tmp_path: Path) -> None:
    """Where the system's database says that Vaduz keeps Tokyo's time, it is still one hour ahead of UTC."""
    tokyo = resources.files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Vaduz").write_bytes(tokyo)
    january = datetime(2026, 1, 1, tzinfo=UTC)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    try:
        system = zoneinfo.ZoneInfo.no_cache("Europe/Vaduz")
        assert january.astimezone(system).utcoffset() == timedelta(hours=9)
        assert january.astimezone(zone("Europe/Vaduz")).utcoffset() == timedelta(hours=1)
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Europe/Lisbonn", "unknown time zone 'Europe/Lisbonn'; did you mean Europe/Lisbon?"),
        ("europe/lisbon", "unknown time zone 'europe/lisbon'; did you mean Europe/Lisbon?"),
        ("utc", "unknown time zone 'utc'; did you mean UTC?"),
        ("", "unknown time zone ''"),
        ("../x", "unknown time zone '../x'"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        zone(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "name",
    [
        *("Europe", "Europe/", "/Europe/Lisbon", "Europe//Lisbon", "Europe/../UTC", "Europe/./Lisbon"),
        *("zone.tab", "tzdata.zi", "leapseconds", "__init__.py", "Europe/__init__.py", ".", ".."),
        *("Europe\\Lisbon", "Europe/Lisbon\n", "Europe/Lisbon\0", "é", "\ud800", "x" * 5000, "x/" * 5000),
    ],
)
def test_a_malformed_zone_is_refused_in_one_line(name: str) -> None:
    """Folders, tables, paths and texts that no file can be named by are unknown zones, not tracebacks."""
    with pytest.raises(UsageError, match=r"\Aunknown time zone .*\Z"):
        zone(name)


def test_offsets_of_a_year_change_where_the_clocks_do() -> None:
    """Lisbon: UTC; from 29 March 2026 01:00Z an hour ahead, from 25 October 01:00Z UTC again."""
    spring, autumn = us("2026-03-29T01:00"), us("2026-10-25T01:00")
    pieces = offsets(zone("Europe/Lisbon"), us("2026-01-01"), us("2027-01-01"))
    assert pieces == [(spring, 0), (autumn, HOUR), (None, 0)]


def test_offsets_by_half_an_hour() -> None:
    """Lord Howe: 11 hours until 4 April 2026 15:00Z, then 10 and a half until 3 October 15:30Z."""
    pieces = offsets(zone("Australia/Lord_Howe"), us("2026-01-01"), us("2027-01-01"))
    assert pieces == [
        (us("2026-04-04T15:00"), 11 * HOUR),
        (us("2026-10-03T15:30"), 21 * HOUR // 2),
        (None, 11 * HOUR),
    ]


def test_both_ends_of_the_range_are_covered() -> None:
    """A change at the last instant is a piece of its own; one just outside the range is none."""
    lisbon, spring = zone("Europe/Lisbon"), us("2026-03-29T01:00")
    assert offsets(lisbon, spring - DAY, spring - 1) == [(None, 0)]
    assert offsets(lisbon, spring - DAY, spring) == [(spring, 0), (None, HOUR)]
    assert offsets(lisbon, spring - 1, spring) == [(spring, 0), (None, HOUR)]
    assert offsets(lisbon, spring, spring + DAY) == [(None, HOUR)]
    assert offsets(lisbon, spring, spring) == [(None, HOUR)]


def test_offsets_of_all_time() -> None:
    """From year 1 to 9999: none in UTC; Kolkata's mean time is 5:53:28 until 1854, and 5:30 stays."""
    assert offsets(zone("UTC"), FIRST, LAST) == [(None, 0)]
    pieces = offsets(zone("Asia/Kolkata"), FIRST, LAST)
    mean = 5 * HOUR + 53 * 60_000_000 + 28_000_000
    assert pieces[0] == (us("1854-06-28") - mean, mean)
    assert pieces[-1] == (None, 11 * HOUR // 2)


def test_offsets_from_year_1_lose_no_change() -> None:
    """A run dated in year 1 leaves the pieces of this year as they are."""
    lisbon, first, end = zone("Europe/Lisbon"), us("2026-01-01"), us("2027-01-01")
    pieces = offsets(lisbon, FIRST, end)
    mean = -(36 * 60 + 45) * 1_000_000
    assert pieces[0] == (us("1912-01-01"), mean)
    assert pieces[-3:] == offsets(lisbon, first, end)


def test_yearly_rules_hold_for_ever() -> None:
    """From 2450 to the middle of 2500, Lisbon changes its clocks 101 times."""
    pieces = offsets(zone("Europe/Lisbon"), us("2450-01-01"), us("2500-07-01"))
    assert [offset for _, offset in pieces] == [0, HOUR] * 51


def test_what_a_caller_does_to_the_offsets_stays_with_the_caller() -> None:
    pieces = offsets(zone("Europe/Lisbon"), 0, DAY)
    pieces.clear()
    assert offsets(zone("Europe/Lisbon"), 0, DAY) == [(None, HOUR)]  # Lisbon kept UTC+1 all of 1970


@pytest.mark.parametrize(
    ("name", "day", "start", "hours"),
    [
        ("UTC", "2026-10-31", "2026-10-31T00:00", 24),
        ("Europe/Lisbon", "2026-03-29", "2026-03-29T00:00", 23),
        ("Europe/Lisbon", "2026-10-25", "2026-10-24T23:00", 25),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00", 25),
        ("Asia/Kolkata", "2026-10-31", "2026-10-30T18:30", 24),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", 23.5),
        # The clock jumps from 24:00 to 01:00.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23),
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00", 23),
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00", 23),
        # The day line moved: 30 December did not happen.
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00", 24),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", 0),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00", 24),
        # At 00:01 the clock goes back to 23:01, so that midnight comes twice.
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30", 25),
        # At midnight the clock goes back to 23:00: the day that began is not yet the next one.
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00", 25),
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00", 24),
        # Mean time was 9 minutes and 21 seconds ahead.
        ("Europe/Paris", "1900-01-01", "1899-12-31T23:50:39", 24),
    ],
)
def test_a_day_starts_at_its_first_instant(name: str, day: str, start: str, hours: float) -> None:
    """And lasts until the next one starts."""
    tz, local = zone(name), date.fromisoformat(day)
    assert start_of_day(local, tz) == us(start)
    assert start_of_day(local + timedelta(days=1), tz) - us(start) == hours * HOUR


@pytest.mark.parametrize(
    ("name", "instant", "day"),
    [
        ("Europe/Lisbon", "2026-10-24T22:59:59.999999", "2026-10-24"),
        ("Europe/Lisbon", "2026-10-24T23:00", "2026-10-25"),
        ("Asia/Kolkata", "1969-12-31T18:29:59.999999", "1969-12-31"),
        ("Asia/Kolkata", "1969-12-31T18:30", "1970-01-01"),
        ("Pacific/Apia", "2011-12-30T09:59:59.999999", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-31"),
        # From its first instant on a new offset holds, whether the clock goes back or forward.
        ("America/Sao_Paulo", "2018-02-18T01:59:59.999999", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T02:00", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T02:59:59.999999", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T03:00", "2018-02-18"),
        # Days outside the calendar's years are the nearest within.
        ("America/New_York", "0001-01-01T00:00", "0001-01-01"),
        ("Asia/Kolkata", "9999-12-31T23:59", "9999-12-31"),
    ],
)
def test_the_local_day_of_an_instant(name: str, instant: str, day: str) -> None:
    assert local_date(us(instant), zone(name)) == date.fromisoformat(day)


def test_the_first_and_the_last_day_of_the_calendar_have_a_start() -> None:
    """Even where it lies outside the years that a datetime can hold."""
    assert start_of_day(date.min, zone("Europe/Paris")) == FIRST - (9 * 60 + 21) * 1_000_000
    assert start_of_day(date.max, zone("America/New_York")) == us("9999-12-31T05:00")
    # West of Greenwich the first instant there is belongs to the first day, though it is still the day before there.
    assert start_of_day(date.min, zone("America/New_York")) == FIRST


def test_a_local_time_outside_the_calendar_stays_in_utc() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for instant, name in ((first, "America/New_York"), (last, "Asia/Kolkata")):
        assert local(instant, zone(name)).isoformat() == instant.isoformat()
    assert local(first, zone("Asia/Kolkata")).isoformat() == "0001-01-01T05:53:28+05:53:28"


@examples(300, 40)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_the_day_by_offsets_is_the_day_of_the_time_zone_database(moment: datetime, name: str) -> None:
    """The pieces of two centuries, used as a view uses them, give what ``astimezone`` gives."""
    instant, tz = moment.replace(tzinfo=UTC), zone(name)
    at = us(moment.isoformat())
    pieces = offsets(tz, us("1900-01-01"), us("2100-01-01"))
    offset = next(offset for until, offset in pieces if until is None or at < until)
    expected = instant.astimezone(tz).date()
    assert date(1970, 1, 1) + timedelta(days=(at + offset) // DAY) == expected
    assert local_date(at, tz) == expected


@examples(100, 30)
@given(st.dates(date(1800, 1, 1), date(2200, 1, 1)), st.sampled_from(ZONES))
def test_no_instant_before_the_start_of_a_day_is_in_it(day: date, name: str) -> None:
    """The µs before is still in an earlier day, and so is every quarter of an hour of the day before it."""
    tz = zone(name)
    start = start_of_day(day, tz)
    assert local_date(start, tz) >= day
    assert all(local_date(start - 1 - step * HOUR // 4, tz) < day for step in range(100))

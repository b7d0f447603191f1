"""What ``--period``, ``--since``, ``--until`` and ``--last`` choose, as UTC instants worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.repetitions import examples

from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.periods import PERIOD_WORDS, Interval, interval
from polydoc_analytics.model.timezones import start_of_day, zone

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""A Tuesday."""


def bounds(chosen: Interval) -> tuple[str | None, str | None]:
    """Both instants in UTC, to the minute."""
    for bound in (chosen.since, chosen.until):
        assert bound is None or bound.tzinfo is UTC
    return (
        chosen.since.strftime("%Y-%m-%d %H:%M") if chosen.since else None,
        chosen.until.strftime("%Y-%m-%d %H:%M") if chosen.until else None,
    )


def error(**arguments: Any) -> str:
    with pytest.raises(UsageError) as caught:
        interval(**({"now": NOW} | arguments))
    return str(caught.value)


def test_all_of_time_is_chosen_by_nothing() -> None:
    chosen = interval()
    assert chosen == Interval(None, None, "UTC")
    assert (chosen.since_us, chosen.until_us) == (None, None)
    assert (chosen.first_whole_day, chosen.end_of_whole_days) == (None, None)


@pytest.mark.parametrize(
    ("period", "since", "until"),
    [
        ("today", "2026-11-24", "2026-11-25"),
        ("yesterday", "2026-11-23", "2026-11-24"),
        ("this-week", "2026-11-23", "2026-11-30"),
        ("last-week", "2026-11-16", "2026-11-23"),
        ("this-month", "2026-11-01", "2026-12-01"),
        ("last-month", "2026-10-01", "2026-11-01"),
        ("this-quarter", "2026-10-01", "2027-01-01"),
        ("last-quarter", "2026-07-01", "2026-10-01"),
        ("this-year", "2026-01-01", "2027-01-01"),
        ("last-year", "2025-01-01", "2026-01-01"),
        ("Last-Month", "2026-10-01", "2026-11-01"),
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-Q3", "2026-07-01", "2026-10-01"),
        ("2026-q4", "2026-10-01", "2027-01-01"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2028-02-29", "2028-02-29", "2028-03-01"),
        # 1 January 2026 is a Thursday, so that week 1 begins in 2025 and there is a week 53.
        ("2026-W01", "2025-12-29", "2026-01-05"),
        ("2026-W45", "2026-11-02", "2026-11-09"),
        ("2026-W53", "2026-12-28", "2027-01-04"),
    ],
)
def test_a_period_is_a_whole_calendar_period(period: str, since: str, until: str) -> None:
    """Weeks begin on Monday, and what is still under way lasts until its end."""
    assert bounds(interval(period=period, now=NOW)) == (f"{since} 00:00", f"{until} 00:00")


@pytest.mark.parametrize(
    ("now", "period", "since", "until"),
    [
        ("2027-01-01", "last-week", "2026-12-21", "2026-12-28"),
        ("2027-01-01", "this-week", "2026-12-28", "2027-01-04"),
        ("2027-01-31", "last-month", "2026-12-01", "2027-01-01"),
        ("2027-03-31", "last-quarter", "2026-10-01", "2027-01-01"),
        ("2028-02-29", "last-year", "2027-01-01", "2028-01-01"),
        ("2026-11-23", "this-week", "2026-11-23", "2026-11-30"),
        ("2026-11-22", "this-week", "2026-11-16", "2026-11-23"),
    ],
)
def test_a_period_before_a_boundary_of_the_year(now: str, period: str, since: str, until: str) -> None:
    chosen = interval(period=period, now=datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert bounds(chosen) == (f"{since} 00:00", f"{until} 00:00")


@pytest.mark.parametrize(
    ("period", "timezone", "since", "until"),
    [
        ("2026-03-29", "Europe/Lisbon", "2026-03-29 00:00", "2026-03-29 23:00"),  # 23 hours
        ("2026-10-25", "Europe/Lisbon", "2026-10-24 23:00", "2026-10-26 00:00"),  # 25 hours
        ("2026-03-08", "America/New_York", "2026-03-08 05:00", "2026-03-09 04:00"),  # 23 hours
        ("2026-11-01", "America/New_York", "2026-11-01 04:00", "2026-11-02 05:00"),  # 25 hours
        ("2026-10-04", "Australia/Lord_Howe", "2026-10-03 13:30", "2026-10-04 13:00"),  # 23.5 hours
        ("last-month", "Europe/Lisbon", "2026-09-30 23:00", "2026-11-01 00:00"),
        ("2026", "Asia/Kolkata", "2025-12-31 18:30", "2026-12-31 18:30"),
        ("2011-12", "Pacific/Apia", "2011-12-01 10:00", "2011-12-31 10:00"),  # of 30 days
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04 03:00", "2018-11-05 02:00"),  # begins at 01:00
    ],
)
def test_a_period_is_local_to_its_time_zone(period: str, timezone: str, since: str, until: str) -> None:
    chosen = interval(period=period, timezone=timezone, now=NOW)
    assert bounds(chosen) == (since, until)
    assert chosen.timezone == timezone


def test_today_is_the_local_day_of_now() -> None:
    """At 23:30Z on 24 November it is already the 25th in Kolkata, and still the 24th in New York."""
    late = NOW.replace(hour=23, minute=30)
    assert bounds(interval(period="today", timezone="Asia/Kolkata", now=late))[0] == "2026-11-24 18:30"
    assert bounds(interval(period="today", timezone="America/New_York", now=late))[0] == "2026-11-24 05:00"
    assert bounds(interval(since="yesterday", timezone="Asia/Kolkata", now=late))[0] == "2026-11-23 18:30"
    elsewhere = late.astimezone(timezone(timedelta(hours=-8)))
    assert bounds(interval(since="Today", timezone="Asia/Kolkata", now=elsewhere))[0] == "2026-11-24 18:30"


@pytest.mark.parametrize(
    ("last", "timezone", "since", "until"),
    [
        ("1d", "UTC", "2026-11-24 00:00", "2026-11-25 00:00"),
        ("30d", "UTC", "2026-10-26 00:00", "2026-11-25 00:00"),
        ("4w", "UTC", "2026-10-28 00:00", "2026-11-25 00:00"),
        ("30d", "Europe/Lisbon", "2026-10-26 00:00", "2026-11-25 00:00"),
        ("31d", "Europe/Lisbon", "2026-10-24 23:00", "2026-11-25 00:00"),  # reaches the day of 25 hours
        ("12h", "Europe/Lisbon", "2026-11-24 00:00", "2026-11-24 12:00"),
        ("48h", "Asia/Kolkata", "2026-11-22 12:00", "2026-11-24 12:00"),
    ],
)
def test_last_is_days_with_today_or_hours_until_now(last: str, timezone: str, since: str, until: str) -> None:
    assert bounds(interval(last=last, timezone=timezone, now=NOW)) == (since, until)


@pytest.mark.parametrize("day", ["2026-10-25", date(2026, 10, 25)])
def test_until_includes_its_local_day(day: str | date) -> None:
    """The day of 25 hours in Lisbon, as text and as a date."""
    chosen = interval(since=day, until=day, timezone="Europe/Lisbon", now=NOW)
    assert bounds(chosen) == ("2026-10-24 23:00", "2026-10-26 00:00")


@pytest.mark.parametrize(
    ("instant", "utc"),
    [
        ("2026-10-31T12:00", "2026-10-31 16:00"),
        ("2026-10-31 12:00:00", "2026-10-31 16:00"),
        (datetime(2026, 10, 31, 12), "2026-10-31 16:00"),
        ("2026-10-31T12:00Z", "2026-10-31 12:00"),
        ("2026-10-31T12:00:00.5+05:30", "2026-10-31 06:30"),
        (datetime(2026, 10, 31, 12, tzinfo=UTC), "2026-10-31 12:00"),
        # 01:30 comes twice on 1 November, and not at all at 02:30 on 8 March.
        ("2026-11-01T01:30", "2026-11-01 05:30"),
        (datetime(2026, 11, 1, 1, 30, fold=1), "2026-11-01 05:30"),
        ("2026-03-08T02:30", "2026-03-08 07:30"),
        (datetime(2026, 3, 8, 2, 30, fold=1), "2026-03-08 07:30"),
    ],
)
def test_an_instant_is_itself_and_local_without_an_offset(instant: str | datetime, utc: str) -> None:
    """In New York: the first of two where the clock goes back, and 03:30 for 02:30 where it jumps."""
    assert bounds(interval(since=instant, timezone="America/New_York", now=NOW)) == (utc, None)
    assert bounds(interval(until=instant, timezone="America/New_York", now=NOW)) == (None, utc)


def test_bounds_are_counted_in_microseconds() -> None:
    """One day and a microsecond after 1970 began."""
    chosen = interval(since="1970-01-02T00:00:00.000001Z", until="1970-01-02T00:00:00.000002Z", now=NOW)
    assert (chosen.since_us, chosen.until_us) == (86_400_000_001, 86_400_000_002)


@pytest.mark.parametrize(
    ("since", "until", "timezone", "first", "end"),
    [
        ("2026-10-31", "2026-10-31", "UTC", "2026-10-31", "2026-11-01"),
        ("2026-10-24", "2026-10-25", "Europe/Lisbon", "2026-10-24", "2026-10-26"),
        ("2026-10-31T12:00", "2026-11-03T12:00", "Asia/Kolkata", "2026-11-01", "2026-11-03"),
        # Midnight is 18:30Z in Kolkata: one µs later the day is cut, one earlier the last has not ended.
        ("2026-10-30T18:30Z", "2026-11-02T18:30Z", "Asia/Kolkata", "2026-10-31", "2026-11-03"),
        ("2026-10-30T18:30:00.000001Z", "2026-11-02T18:30Z", "Asia/Kolkata", "2026-11-01", "2026-11-03"),
        ("2026-10-30T18:30Z", "2026-11-02T18:29:59.999999Z", "Asia/Kolkata", "2026-10-31", "2026-11-02"),
        ("2026-10-31T08:00", "2026-10-31T20:00", "UTC", "2026-11-01", "2026-10-31"),
        # A month from a skipped day on is whole, and up to it as well.
        ("2011-12-30", "2012-01-01", "Pacific/Apia", "2011-12-30", "2012-01-02"),
        ("2011-12-01", "2011-12-29", "Pacific/Apia", "2011-12-01", "2011-12-31"),
        # The first midnight of two is the start of the day.
        ("2010-11-07T02:30Z", "2010-11-07T03:15Z", "America/St_Johns", "2010-11-07", "2010-11-07"),
        ("2010-11-07T02:31Z", "2010-11-08T03:30Z", "America/St_Johns", "2010-11-08", "2010-11-08"),
        ("0001-01-01T00:00Z", "9999-12-31T23:59Z", "America/New_York", "0001-01-01", "9999-12-31"),
        ("0001-01-01T00:00Z", "9999-12-31T23:59Z", "Asia/Kolkata", "0001-01-02", "9999-12-31"),
    ],
)
def test_whole_days_lie_inside(since: str, until: str, timezone: str, first: str, end: str) -> None:
    """From the first day that begins in it to the last that begins by its end, exclusive."""
    chosen = interval(since=since, until=until, timezone=timezone, now=NOW)
    assert (str(chosen.first_whole_day), str(chosen.end_of_whole_days)) == (first, end)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"period": "today", "since": "2026-10-01"}, "period and since"),
        ({"period": "today", "until": "2026-10-01"}, "period and until"),
        ({"period": "today", "last": "3d"}, "period and last"),
        ({"last": "3d", "since": "2026-10-01"}, "last and since"),
        ({"last": "3d", "until": "2026-10-01"}, "last and until"),
        ({"last": "3d", "since": "2026-10-01", "until": "2026-10-02"}, "last and since and until"),
        ({"period": "today", "since": ""}, "period and since"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments: dict[str, str], names: str) -> None:
    message = error(**arguments)
    assert message == f"{names} contradict each other; give period, or last, or since and until"


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-10-02", "2026-10-01"),
        ("2026-10-02", "2026-10-02T00:00"),
        ("2026-10-01T12:00", "2026-10-01T12:00"),
    ],
)
def test_until_must_be_after_since(since: str, until: str) -> None:
    assert "is not after since (2026-10-0" in error(since=since, until=until)


def test_the_bounds_that_are_refused_are_named_in_utc() -> None:
    message = error(since="2026-10-02", until="2026-10-01", timezone="Asia/Kolkata")
    assert message == "until (2026-10-01T18:30:00+00:00) is not after since (2026-10-01T18:30:00+00:00)"


@pytest.mark.parametrize("argument", ["since", "until"])
@pytest.mark.parametrize(
    "value",
    [
        *("", "tomorrow", "2026-10", "2026-1-1", "2026-02-30", "31/10/2026", "0000-01-01", "10000-01-01"),
        *("2026-10-31T12", "2026-10-31T25:00", "2026-10-31T12:00 WET", "2026-10-31\n", "٢٠٢٦-10-31", 2026),
    ],
)
def test_what_is_no_day_or_instant_is_refused(argument: str, value: Any) -> None:
    message = error(**{argument: value})
    assert message.startswith(f"{argument} {str(value)!r} is no day or instant")
    assert message.endswith("expected today, yesterday, a day (2026-10-31) or an instant (2026-10-31T12:00Z)")


@pytest.mark.parametrize("last", ["", "0d", "3m", "1y", "d", "30", "-3d", "1.5d", "3 d", "9" * 5000 + "d"])
def test_what_is_no_length_of_time_is_refused(last: str) -> None:
    advice = "expected hours, days or weeks: 12h, 30d, 4w"
    assert error(last=last) == f"last '{last}' is no length of time; {advice}"


@pytest.mark.parametrize(
    "period",
    ["2026-00", "2026-13", "2026-Q0", "2026-Q5", "2026-W00", "2026-W54", "2025-W53", "2026-02-29", "0000"],
)
def test_a_period_that_the_calendar_lacks_is_refused(period: str) -> None:
    """2025 has 52 ISO weeks."""
    assert error(period=period).startswith(f"period '{period}' does not exist; expected today, yesterday,")


@pytest.mark.parametrize(
    "period",
    ["", "last_month", "last month", "lastmonth", "2026-W1", "26", "202610", "x" * 5000],
)
def test_an_unknown_period_is_refused_with_all_that_are_valid(period: str) -> None:
    """And with the nearest word where there is one."""
    message = error(period=period)
    assert message.startswith(f"unknown period '{period}'")
    assert all(word in message for word in (*PERIOD_WORDS, "2026-Q3", "2026-10", "2026-W45", "2026-10-31"))
    assert ("; did you mean last-month?" in message) == period.startswith("last")


def test_a_misspelt_word_brings_the_nearest() -> None:
    assert "; did you mean yesterday?" in error(since="yesterdy")
    assert "; did you mean last-month?" in error(period="LAST-MOTH")
    assert "; did you mean this-quarter?" in error(period="this-quater")
    assert error(timezone="Europe/Lisbonn").endswith("did you mean Europe/Lisbon?")


def test_a_day_that_a_zone_skipped_is_no_period() -> None:
    message = error(period="2011-12-30", timezone="Pacific/Apia")
    assert message == "period '2011-12-30' does not exist in Pacific/Apia, whose clocks skipped it"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"since": "0001-01-01", "timezone": "Asia/Kolkata"}, "since '0001-01-01'"),
        ({"since": "0001-01-01T00:00+01:00"}, "since '0001-01-01T00:00+01:00'"),
        ({"until": date.max}, "until '9999-12-31'"),
        ({"until": "9999-12-31T23:00", "timezone": "America/New_York"}, "until '9999-12-31T23:00'"),
        ({"last": "9999999d"}, "last '9999999d'"),
        ({"last": "9999999w"}, "last '9999999w'"),
        ({"last": "9999999h", "now": datetime(900, 1, 1, tzinfo=UTC)}, "last '9999999h'"),
        ({"since": "yesterday", "now": datetime.min.replace(tzinfo=UTC)}, "since 'yesterday'"),
        ({"last": "1h", "now": datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))}, "last '1h'"),
    ],
)
def test_instants_outside_the_years_1_to_9999_are_refused(arguments: dict[str, Any], named: str) -> None:
    assert error(**arguments) == f"{named}: beyond the years 1 to 9999 in UTC"


def test_now_needs_an_offset() -> None:
    """Without one nobody knows which day today is."""
    message = error(period="today", now=datetime(2026, 11, 24, 12))
    assert message == "now (2026-11-24T12:00:00) has no offset; give one, such as 2026-10-31T12:00:00Z"


TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(PERIOD_WORDS),
    st.from_regex(r"\A\d{4}(-[QW]?\d{1,2}(-\d\d)?)?\Z"),
    st.from_regex(r"\A(0001|2011|9999)-(01|12)-(01|30|31)([T ]\d\d:\d\d(Z|[+-]\d\d:?\d\d)?)?\Z"),
    st.from_regex(r"\A\d{1,9}[dwhm]\Z"),
)
CALLS = st.one_of(
    st.fixed_dictionaries({}, optional={"since": TEXTS, "until": TEXTS}),
    st.fixed_dictionaries({"last": TEXTS}),
    st.fixed_dictionaries({"period": TEXTS}),
)
FAR_EAST, FAR_WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
INSTANTS = st.datetimes(timezones=st.sampled_from([UTC, FAR_EAST, FAR_WEST]))
PLACES = st.sampled_from(["UTC", "Pacific/Apia", "America/St_Johns", "Asia/Kolkata"])


@examples(300, 100)
@given(CALLS, INSTANTS, PLACES)
@example({"since": "2011-12-30"}, NOW, "Pacific/Apia")
def test_any_text_is_an_interval_or_one_line_of_advice(call: Any, now: datetime, place: str) -> None:
    """Whatever is typed: a UsageError in one line, or an interval with its whole days in it."""
    refusal, chosen = "", None
    try:
        chosen = interval(**call, timezone=place, now=now)
    except UsageError as refused:
        refusal = str(refused)
    if chosen is None:
        assert len(refusal.splitlines()) == 1
        return
    since, until, tz = chosen.since_us, chosen.until_us, zone(place)
    first, end = chosen.first_whole_day, chosen.end_of_whole_days
    assert since is None or until is None or since < until
    assert (since is None) == (first is None)
    assert (until is None) == (end is None)
    # The first whole day begins within, and the day before it does not; likewise at the end.
    if since is not None and first not in (None, date.min, date.max):
        assert start_of_day(first - timedelta(days=1), tz) < since <= start_of_day(first, tz)
    if until is not None and end not in (None, date.min, date.max):
        assert start_of_day(end, tz) <= until < start_of_day(end + timedelta(days=1), tz)

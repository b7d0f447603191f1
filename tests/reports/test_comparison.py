"""What a period is compared with: the one before it, to date where it is in progress."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from support.reports import built, section
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.model.comparison import comparison

NOW = datetime(2026, 11, 12, 10, 30, tzinfo=UTC)


def instants(timezone: str = "UTC", now: datetime = NOW, **choices: Any) -> tuple[str, ...]:
    found = comparison(pda.interval(timezone=timezone, now=now, **choices), now)
    assert found is not None
    ends = (found.before.since, found.before.until, found.now.since, found.now.until)
    return (*(f"{one:%Y-%m-%dT%H:%M}".removesuffix("T00:00") for one in ends), found.unit)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"period": "2026-10"}, ("2026-09-01", "2026-10-01", "2026-10-01", "2026-11-01", "month")),
        ({"period": "2026-Q1"}, ("2025-10-01", "2026-01-01", "2026-01-01", "2026-04-01", "quarter")),
        ({"period": "2025"}, ("2024-01-01", "2025-01-01", "2025-01-01", "2026-01-01", "year")),
        ({"period": "2026-W43"}, ("2026-10-12", "2026-10-19", "2026-10-19", "2026-10-26", "week")),
        ({"period": "yesterday"}, ("2026-11-10", "2026-11-11", "2026-11-11", "2026-11-12", "day")),
        (
            {"since": "2026-10-05", "until": "2026-10-07"},
            ("2026-10-02", "2026-10-05", "2026-10-05", "2026-10-08", "3 days"),
        ),
        # Three months that are no quarter: as many days before them.
        (
            {"since": "2026-02-01", "until": "2026-04-30"},
            ("2025-11-04", "2026-02-01", "2026-02-01", "2026-05-01", "89 days"),
        ),
        (
            {"since": "2026-10-05T06:00Z", "until": "2026-10-05T09:00Z"},
            ("2026-10-05T03:00", "2026-10-05T06:00", "2026-10-05T06:00", "2026-10-05T09:00", "time"),
        ),
        # In progress: the same days of the month before, up to the same clock time.
        ({"period": "this-month"}, ("2026-10-01", "2026-10-12T10:30", "2026-11-01", "2026-11-12T10:30", "month")),
        ({"last": "30d"}, ("2026-09-14", "2026-10-13T10:30", "2026-10-14", "2026-11-12T10:30", "30 days")),
        ({"since": "2026-11-01"}, ("2026-10-20T13:30", "2026-11-01", "2026-11-01", "2026-11-12T10:30", "time")),
    ],
)
def test_a_period_is_compared_with_the_one_before_it(choices: dict[str, str], expected: tuple[str, ...]) -> None:
    assert instants(**choices) == expected


def test_a_long_month_in_progress_is_compared_with_at_most_the_whole_month_before() -> None:
    assert instants(period="this-month", now=datetime(2026, 3, 30, 12, tzinfo=UTC))[:2] == (
        "2026-02-01",
        "2026-03-01",
    )


def test_days_are_local_also_where_clocks_change_between_the_two_periods() -> None:
    assert instants(period="this-month", timezone="Europe/Lisbon") == (
        "2026-09-30T23:00",
        "2026-10-12T09:30",
        "2026-11-01",
        "2026-11-12T10:30",
        "month",
    )


def test_all_of_time_and_the_future_are_compared_with_nothing() -> None:
    for choices in ({}, {"until": "2026-10-01"}, {"period": "2027"}, {"period": "0001"}):
        assert comparison(pda.interval(now=NOW, **choices), NOW) is None


def runs(day: str, count: int, **changes: Any) -> list[dict[str, Any]]:
    instant = f"2026-{day}T09:00:00Z"
    return [wire(f"{day}-{n}", created_at=instant, finished_at=instant, **changes) for n in range(count)]


def test_a_month_in_progress_is_compared_to_date_and_says_so(file) -> None:
    source = file([*runs("09-30", 1), *runs("10-05", 4), *runs("10-20", 50), *runs("11-10", 6, account_id="new")])
    report = built(source, period="this-month", now=NOW)
    [figure] = [one for one in section(report, "key_figures").figures if one.name == "runs"]
    assert (figure.value.number, figure.before.number, figure.change.text) == (6, 4, "+50.0%")
    assert section(report, "key_figures").text == (
        "The period is in progress. Changes compare its 12 days up to 12 Nov 2026, 10:30 with the same 12 days before: "
        "1 Oct 2026 to 12 Oct 2026, 10:30.",
    )
    table = section(report, "changes").table
    moved = {(row[0], row[1]): row[3:7] for row in table.rows}
    assert moved["account", "new"] == (0, 6, 6, None)
    assert moved["account", "acme"] == (4, 0, -4, -1.0)
    assert moved["language", "German"] == (4, 6, 2, 0.5)


def test_a_source_that_begins_within_the_period_before_is_compared_with_nothing_and_says_so(file) -> None:
    report = built(file([*runs("09-20", 3), *runs("10-05", 4)]), period="2026-10", now=NOW)
    assert section(report, "key_figures").text == ("No comparison: the source holds no whole preceding period.",)
    assert all(one.change is None for one in section(report, "key_figures").figures)


def test_a_change_from_nothing_is_unknown_and_rates_change_in_points(file) -> None:
    failed = [wire(f"f{n}", created_at="2026-10-05T09:00:00Z", status="Failed") for n in range(1)]
    source = file([*runs("08-30", 1), *runs("09-02", 4, credits=0), *runs("10-05", 3), *failed])
    report = built(source, period="2026-10", now=NOW)
    found = {one.name: one for one in section(report, "key_figures").figures}
    assert found["credits"].change is None
    assert (found["failure_rate"].value.text, found["failure_rate"].change.text) == ("25.0%", "+25.0 points")

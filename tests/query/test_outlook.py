"""Where a period will end: the rule by hand, its interval in seeded simulations, budgets, and what is not known."""

from __future__ import annotations

import gzip
import json
import math
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.paths import REAL_RUNS, SAMPLE
from support.repetitions import slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.query.forecast import HISTORY_DAYS, forecast

RHYTHM = (1.2, 1.25, 1.2, 1.15, 1.0, 0.25, 0.2)


def simulated(rng: random.Random, days: int, growth: float, noise: float, holidays: float) -> list[float]:
    """Daily values with a weekly rhythm, growth by so much a week, log-normal noise, and days that are nearly idle."""
    return [
        200
        * RHYTHM[day % 7]
        * (1 + growth) ** (day / 7)
        * (0.1 if rng.random() < holidays else 1)
        * math.exp(rng.gauss(0, noise) - noise**2 / 2)
        for day in range(days)
    ]


@pytest.mark.parametrize("seed", [1, slow(2)])
@pytest.mark.parametrize(
    ("growth", "noise", "holidays"),
    [(0, 0.3, 0), (0.005, 0.3, 0), (0.01, 0.25, 0.02), (-0.005, 0.3, 0), (0, 0.5, 0), (0, 0.25, 0.03)],
)
def test_the_interval_holds_four_in_five_and_the_rule_is_no_worse_than_last_week(
    growth: float, noise: float, holidays: float, seed: int
) -> None:
    """Over 26 to 104 weeks of history and 1 to 28 days ahead, against the weekdays of last week (seasonal naive)."""
    rng = random.Random(seed)
    held, errors, naive_errors = 0, 0.0, 0.0
    trials = 300
    for trial in range(trials):
        days, ahead = 7 * (26, 52, 78, 104)[trial % 4] + trial % 7, (1, 5, 10, 15, 28)[trial % 5]
        series = simulated(rng, days + ahead, growth, noise, holidays)
        past, actual = series[:days], sum(series[days:])
        found = forecast(past, ahead)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.total <= found.high
        held += found.low <= actual <= found.high
        errors += abs(found.total - actual)
        naive_errors += abs(sum(past[-7 + day % 7] for day in range(ahead)) - actual)
    assert 0.72 <= held / trials <= 0.88
    assert errors <= 1.02 * naive_errors


def test_a_day_ahead_brings_the_mean_of_its_weekday_over_eight_weeks() -> None:
    """The weekday of day d brings 10·(d % 7) + w in week w; weeks 1 to 8 have the mean 4.5, week 0 is too old."""
    past = [10.0 * (day % 7) + day // 7 for day in range(63)]
    found = forecast(past, 9)
    assert found is not None
    assert found.days == tuple(10 * (day % 7) + 4.5 for day in range(9))
    assert found.low is None  # there are no errors over nine days yet
    assert forecast(past[: HISTORY_DAYS - 1], 9) is None
    unknown = forecast([*past[:-7], None, *past[-6:]], 1)
    assert unknown is not None
    assert unknown.days == (4,)  # the mean of the weeks 1 to 7, which are known


def test_eight_weeks_are_enough_and_a_weekday_of_which_nothing_is_known_is_not_guessed() -> None:
    past: list[float | None] = [float(day % 7) for day in range(HISTORY_DAYS)]
    found = forecast(past, 3)
    assert found is not None
    assert found.days == (0, 1, 2)
    without_thursdays = [None if day % 7 == 3 else value for day, value in enumerate(past)]
    known = forecast(without_thursdays, 3)
    assert known is not None
    assert known.days == (0, 1, 2)
    assert forecast(without_thursdays, 4) is None


def test_an_absurd_number_of_long_ago_takes_no_digits_from_what_is_expected() -> None:
    past: list[float | None] = [3 + day % 7 for day in range(140)]
    absurd = [2**60 + 1 if day == 3 else value for day, value in enumerate(past)]
    usual, found = forecast(past, 14), forecast(absurd, 14)
    assert usual is not None
    assert found is not None
    assert found.days == usual.days == (3, 4, 5, 6, 7, 8, 9) * 2
    assert found.high == usual.high == found.total  # no day was above what was expected


def test_an_interval_needs_twice_as_many_errors_as_days_ahead() -> None:
    """Of n days there are n - 60 errors over five days; ten are needed."""
    short, long = forecast([100.0] * 69, 5), forecast([100.0] * 70, 5)
    assert short is not None
    assert long is not None
    assert (short.low, short.high) == (None, None)
    assert (long.low, long.high) == (500, 500)


def test_an_error_is_of_days_that_are_known_and_of_something_that_was_expected() -> None:
    past: list[float | None] = [100.0] * HISTORY_DAYS
    found = forecast([*past, *(None if day % 5 == 0 else 100.0 for day in range(30))], 1)
    assert found is not None
    assert (found.low, found.total, found.high) == (100, 100, 100)
    nothing = forecast([0.0] * 80, 2)
    assert nothing is not None
    assert (nothing.days, nothing.low) == ((0, 0), None)


def test_the_interval_is_that_of_the_rules_own_errors() -> None:
    """One day ahead, a steady 100 a day, then 40 days that bring 1 % to 40 % more than the mean of their weekday."""
    past = [100.0] * HISTORY_DAYS
    for number in range(40):
        past.append(sum(past[-7 * week] for week in range(1, 9)) / 8 * (1 + (number * 17 % 40 + 1) / 100))
    found = forecast(past, 1)
    assert found is not None
    level = 0.1 - 0.2 / 40  # of 40 errors over one day each
    low, high = (1.01 + at * 0.39 for at in (level, 1 - level))  # the errors are 1 %, 2 %, …, 40 %
    assert found.high == pytest.approx(found.total * high)
    assert found.low == found.total < found.total * low  # what is expected is always within


def made(last: str, first: str = "2026-06-01", account: str = "acme", **changes: Any) -> list[dict[str, Any]]:
    """A run a day at noon, of 10 credits on Mondays to Fridays and 3 at weekends."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    rows = []
    for at in range((end - begin).days + 1):
        day = begin + timedelta(days=at)
        instant = f"{day}T12:00:00Z"
        amounts = {"credits": 10 if day.weekday() < 5 else 3, **changes}
        rows.append(wire(f"{account}-{day}", account_id=account, created_at=instant, finished_at=instant, **amounts))
    return rows


def test_a_steady_rhythm_ends_where_it_must() -> None:
    """November 2026 has 21 weekdays and 9 days at weekends: 237 credits. On the 11th at 08:00 there are 7 and 3: 79."""
    with pda.connect(made("2026-11-10"), now="2026-11-11T08:00:00Z") as db:
        found = db.outlook()
        assert found.frame.row(0, named=True) == {
            "so_far": 7 * 10 + 3 * 3,
            "expected": 237,
            "low": 237,
            "high": 237,
            "before": 22 * 10 + 9 * 3,
            "change": 237 / 247 - 1,
            "budget": None,
            "used_up_on": None,
            "status": None,
        }
        assert found.sentence == (
            "Credits are at 79 so far; 237 are expected by the end of 2026-11-30 (80 % interval 237 to 237), "
            "4 % less than the 247 of the period before."
        )
        week = db.outlook(period="this-week", measure="runs").frame.row(0, named=True)
        assert (week["so_far"], week["expected"], week["before"]) == (2, 7, 7)
        with pytest.raises(pda.UsageError, match="not in progress"):
            db.outlook(period="last-month")


def test_what_today_has_brought_already_counts_where_it_is_more_than_such_a_day_brings() -> None:
    rows = [*made("2026-11-10"), wire("now", created_at="2026-11-11T01:00:00Z", credits=500)]
    with pda.connect(rows, now="2026-11-11T08:00:00Z") as db:
        [row] = db.outlook().frame.rows(named=True)
        assert row["so_far"] == 579
        assert row["expected"] == 237 - 10 + 500
        # By the rule it would be 237: above, the interval ends at what is expected, below at what there is.
        assert (row["low"], row["high"]) == (579, 727)


def test_a_budget_is_used_up_on_the_day_that_reaches_it(tmp_path: Path) -> None:
    """By the end of Sunday the 15th 79 + 10 + 10 + 10 + 3 + 3 = 115 of 125 are used, by the 16th all."""
    rows = [
        *made("2026-11-10"),
        *made("2026-11-10", account="new", first="2026-11-01"),
        *made("2026-11-10", account="zeta"),
    ]
    budgets = tmp_path / "budgets.csv"
    budgets.write_text("account_id,credits\nacme,125\nnew,1000\nzeta,60\nabsent,5\n")
    with pda.connect(rows, now="2026-11-11T08:00:00Z") as db:
        found = db.outlook(budget=budgets)
        by_account = {row["account_id"]: row for row in found.frame.rows(named=True)}
        assert by_account["acme"]["used_up_on"] == date(2026, 11, 16)
        assert by_account["zeta"]["used_up_on"] == date(2026, 11, 9)  # a Monday: 1st 3, week 56, 9th 10
        assert (by_account["new"]["status"], by_account["new"]["expected"]) == ("too little history", None)
        assert by_account["absent"]["so_far"] == 0
        assert found.sentence == (
            "zeta used up its budget of 60 on 2026-11-09. acme is likely to use up its budget of 125 on 2026-11-16. "
            "Of 2 budgets it cannot be told: too little is known of the account."
        )
    for text, reason in (("account,credits\n", "expected the columns"), ("account_id,credits\na,x\n", ":2: expected")):
        budgets.write_text(text)
        with pda.connect(rows) as db, pytest.raises(pda.UsageError, match=reason):
            db.outlook(budget=budgets)


def test_a_budget_that_is_reached_exactly_is_used_up() -> None:
    with pda.connect(made("2026-11-10"), now="2026-11-11T08:00:00Z") as db:
        assert db.outlook(budget={"acme": 79}).sentence == "acme used up its budget of 79 on 2026-11-10."
        assert db.outlook(budget={"acme": 238}).sentence == "No budget is likely to be used up."


def test_the_period_before_is_compared_only_where_the_source_has_it_and_it_is_not_nothing() -> None:
    with pda.connect(made("2026-11-29", first="2026-10-04"), now="2026-11-30T08:00:00Z") as db:
        [row] = db.outlook().frame.rows(named=True)
        assert (row["expected"], row["before"], row["change"]) == (237, None, None)
        assert db.outlook().sentence.endswith("the past is too short for an interval).")
    rows = [*made("2026-07-31", account="back"), *made("2026-11-10", first="2026-11-01", account="back")]
    with pda.connect(rows, now="2026-11-11T08:00:00Z") as db:
        [row] = db.outlook().frame.rows(named=True)
        assert (row["so_far"], row["before"], row["change"]) == (79, 0, None)
        assert row["expected"] > 79


def test_a_period_that_has_not_begun_and_a_negative_budget_are_refused(file: Any) -> None:
    budgets = file(b"account_id,credits\nacme,-1\n", "budgets.csv")
    with pda.connect(made("2026-11-10"), now="2026-11-11T08:00:00Z") as db:
        with pytest.raises(pda.UsageError, match="not in progress"):
            db.outlook(period="2026-12")
        with pytest.raises(pda.UsageError, match=":2: expected the credits of account acme, a number from 0"):
            db.outlook(budget=budgets)
        for wrong in (-1, math.nan, math.inf, None, "many", 10**400):
            with pytest.raises(pda.UsageError, match=r"^budget: expected the credits of account acme, a number from 0"):
                db.outlook(budget={"acme": wrong})  # type: ignore[dict-item]
        assert db.outlook(budget={"acme": 2**70}).frame["budget"].to_list() == [2.0**70]
        budgets = file(b"account_id,credits\nacme,125\nacme,5\n", "budgets.csv")
        with pytest.raises(pda.SourceError, match=r":3: account acme stands in \S+:2 with something else"):
            db.outlook(budget=budgets)


def test_too_little_history_and_unknown_credits_give_no_number() -> None:
    with pda.connect(made("2026-11-10", first="2026-10-01"), now="2026-11-11T08:00:00Z") as db:
        found = db.outlook()
        assert found.frame.row(0, named=True)["status"] == "too little history"
        assert found.sentence == "Credits are at 79 so far; too little history for an outlook: 41 days of 56."
    with pda.connect(made("2026-11-10", credits=None), now="2026-11-11T08:00:00Z") as db:
        [row] = db.outlook().frame.rows(named=True)
        assert (row["so_far"], row["expected"], row["before"], row["status"]) == (None, None, None, "unknown")
        assert db.outlook().sentence == "Credits of the period are unknown, and so is where it will end."
        assert db.outlook(measure="runs").frame["expected"].item() == 30


def test_the_outlook_of_the_sample_by_another_route() -> None:
    """The rule once more, over the sample's rows with plain dates."""
    now = datetime(2026, 10, 12, 10, tzinfo=UTC)
    days: dict[date, int] = {}
    for row in pda.load(SAMPLE).runs.iter_rows(named=True):
        if row["created_at"] < now:
            days[row["created_at"].date()] = days.get(row["created_at"].date(), 0) + (row["credits"] or 0)
    today = now.date()
    so_far = sum(value for day, value in days.items() if day >= date(2026, 10, 1))
    expected = float(so_far - days.get(today, 0))
    for number in range(12, 32):
        day = date(2026, 10, number)
        weekday = [
            days.get(today - timedelta(days=back), 0)
            for back in range(1, 57)
            if (today - timedelta(days=back)).weekday() == day.weekday()
        ]
        assert len(weekday) == 8
        mean = sum(weekday) / 8
        expected += max(mean, days.get(day, 0)) if day == today else mean
    with pda.connect(SAMPLE, now=now) as db:
        [row] = db.outlook().frame.rows(named=True)
    assert row["so_far"] == so_far
    assert row["expected"] == pytest.approx(expected)


def test_of_a_month_of_real_calls_there_is_no_outlook_yet() -> None:
    lines = gzip.decompress(REAL_RUNS.read_bytes()).splitlines()
    expected = sum(b'"created_at":"2024-01-0' in line for line in lines)
    with pda.connect(REAL_RUNS, now="2024-01-10T00:00:00Z") as db:
        [row] = db.outlook(measure="runs").frame.rows(named=True)
    assert (row["so_far"], row["status"]) == (expected, "too little history")


def test_the_command_prints_the_outlook(file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["outlook", file(made("2026-11-10")), "--now", "2026-11-11T08:00:00Z", "--quiet"]
    assert run(call) == 0
    assert capsys.readouterr().out.startswith("Credits are at 79 so far; 237 are expected")
    assert run([*call, "--json", "--by", "account"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["since"], content["until"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert [(row["account_id"], row["expected"]) for row in content["data"]] == [("acme", 237)]
    assert run([*call, "--csv", "--measure", "runs"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("10,30.0,30.0,30.0,31,")
    budgets = file(b"account_id,credits\nacme,125\n", "budgets.csv")
    assert run([*call, "--budget", budgets]) == 0
    assert capsys.readouterr().out.startswith("acme is likely to use up its budget of 125 on 2026-11-16.\n")
    assert run([*call, "--period", "last-month"]) == 2
    assert run([*call, "--measure", "runs", "--budget", "none.csv"]) == 2

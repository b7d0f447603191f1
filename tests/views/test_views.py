"""The views on a small fixture that is worked out by hand, in several zones; and what their files promise."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlglot import exp
from support.paths import SAMPLE
from support.repetitions import Soak, slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics import views
from polydoc_analytics.views.dialects import portability

# Around the night of 25 October 2026, when Lisbon sets its clocks back at 01:00 UTC: a day of 25 hours.
FIXTURE = [
    # Saturday in Lisbon (23:30 on the 24th, summer time), Saturday in UTC.
    wire("a1", created_at="2026-10-24T22:30:00Z", finished_at="2026-10-24T22:30:10Z"),
    # Sunday in Lisbon (00:30 on the 25th, summer time), still Saturday in UTC.
    wire(
        "a2",
        created_at="2026-10-24T23:30:00Z",
        finished_at="2026-10-24T23:30:20Z",
        target_language="German",
        credits=None,
    ),
    # Sunday 01:30, for the second time.
    wire("a3", created_at="2026-10-25T01:30:00Z", finished_at="2026-10-25T01:30:40Z", input_tokens=None),
    # Sunday 23:59 in Lisbon and UTC alike, Failed, with credits; Monday in India.
    wire(
        "a4",
        created_at="2026-10-25T23:59:00Z",
        finished_at="2026-10-25T23:59:01Z",
        status="Failed",
        credits=2,
        output_tokens=None,
        output_file_id=None,
        target_language="fr",
    ),
    # Monday, still Running, nothing known.
    wire(
        "b1",
        account_id="zeta",
        created_at="2026-10-26T00:00:00Z",
        finished_at=None,
        status="Running",
        credits=None,
        input_tokens=None,
        output_tokens=None,
        output_file_id=None,
        target_language="13b",
    ),
    # Monday, two alike: charged twice.
    wire(
        "b2",
        account_id="zeta",
        created_at="2026-10-26T08:00:00Z",
        finished_at="2026-10-26T08:00:30Z",
        target_language="pt_br",
    ),
    wire(
        "b3",
        account_id="zeta",
        created_at="2026-10-26T09:00:00Z",
        finished_at="2026-10-26T09:00:50Z",
        target_language="Portuguese (Brazil)",
    ),
]


@pytest.fixture
def connect(file):
    path = file(FIXTURE)
    opened: list[pda.Database] = []

    def connect(**arguments: Any) -> pda.Database:
        opened.append(pda.connect(path, now=datetime(2026, 11, 1, tzinfo=UTC), **arguments))
        return opened[-1]

    yield connect
    for db in opened:
        db.close()


def only(frame: pl.DataFrame) -> dict[str, Any]:
    assert frame.height == 1
    return frame.row(0, named=True)


def test_the_total_is_what_the_hand_works_out(connect) -> None:
    total = only(connect().view("usage"))
    assert {key: total[key] for key in ("runs", "succeeded_runs", "failed_runs", "running_runs")} == {
        "runs": 7,
        "succeeded_runs": 5,
        "failed_runs": 1,
        "running_runs": 1,
    }
    assert total["failure_rate"] == pytest.approx(1 / 6)
    assert total["input_tokens"] == 5 * 1000  # a3 and b1 are unknown
    assert total["output_tokens"] == 5 * 1200  # a4 and b1 are unknown
    assert total["total_tokens"] == 4 * 2200 + 1200 + 1000
    assert total["runs_without_tokens"] == 2  # finished ones only: a3, a4
    assert total["credits"] == 3 + 3 + 2 + 3 + 3
    assert total["runs_without_credits"] == 1  # a2; b1 is not finished
    assert total["credits_on_failed_runs"] == 2
    # a1, b2, b3 know credits and both counts: 9 credits over 6,600 tokens.
    assert total["credits_per_1k_tokens"] == pytest.approx(9 / 6.6)
    assert total["mean_duration_s"] == pytest.approx((10 + 20 + 40 + 30 + 50) / 5)
    assert total["p50_duration_s"] == 30
    assert total["p90_duration_s"] == pytest.approx(46)  # h = 3.6 between 40 and 50
    assert total["p95_duration_s"] == pytest.approx(48)
    assert total["p99_duration_s"] == pytest.approx(49.6)
    assert total["max_duration_s"] == 50


def test_the_wilson_interval_is_that_of_the_textbook(connect) -> None:
    total = only(connect().view("usage"))
    z, k, n = 1.959963984540054, 1, 6
    middle, half = (k / n + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n)
    half *= math.sqrt(k / n * (1 - k / n) / n + z * z / 4 / n / n)
    assert total["failure_rate_low"] == pytest.approx(middle - half)
    assert total["failure_rate_high"] == pytest.approx(middle + half)
    by_language = {row["language"]: row for row in connect().view("usage_by_language").iter_rows(named=True)}
    assert by_language["de"]["failure_rate_low"] == 0.0  # exactly
    assert by_language["de"]["failure_rate_high"] == pytest.approx(z * z / (3 + z * z))
    assert by_language["fr"]["failure_rate_high"] == 1.0
    assert by_language["fr"]["failure_rate_low"] == pytest.approx(1 / (1 + z * z))
    assert by_language["13b"]["failure_rate"] is None
    assert by_language["13b"]["failure_rate_low"] is None
    assert by_language["13b"]["failure_rate_high"] is None


def test_unknown_is_null_and_never_zero(connect) -> None:
    by_language = {row["language"]: row for row in connect().view("usage_by_language").iter_rows(named=True)}
    running = by_language["13b"]
    assert running["runs"] == running["running_runs"] == 1
    assert running["credits"] is running["input_tokens"] is running["total_tokens"] is running["p50_duration_s"] is None
    assert running["credits_on_failed_runs"] == 0
    assert by_language["fr"]["output_tokens"] is None
    assert by_language["fr"]["total_tokens"] == 1000


def test_over_no_runs_sums_are_zero_and_rates_unknown(connect) -> None:
    total = only(connect(since="2027-01-01").view("usage"))
    assert total["runs"] == total["credits"] == total["input_tokens"] == total["credits_on_failed_runs"] == 0
    assert total["failure_rate"] is total["p50_duration_s"] is total["credits_per_1k_tokens"] is None
    assert connect(since="2027-01-01").view("usage_daily").height == 0
    assert connect(since="2027-01-01").view("conservation")["holds"].all()


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", {"2026-10-24": 2, "2026-10-25": 2, "2026-10-26": 3}),
        ("Europe/Lisbon", {"2026-10-24": 1, "2026-10-25": 3, "2026-10-26": 3}),
        ("Asia/Kolkata", {"2026-10-25": 3, "2026-10-26": 4}),
        ("America/New_York", {"2026-10-24": 3, "2026-10-25": 2, "2026-10-26": 2}),
    ],
)
def test_days_are_local_also_when_clocks_change(connect, zone: str, days: dict[str, int]) -> None:
    frame = connect(timezone=zone).view("usage_daily")
    assert {day.isoformat(): runs for day, runs in zip(frame["period"], frame["runs"], strict=True)} == days


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        # The clock goes back from midnight to 23:00 at 02:00 UTC.
        (
            "America/Sao_Paulo",
            {
                "2018-02-18T01:59:59.999999Z": "2018-02-17",
                "2018-02-18T02:00:00Z": "2018-02-17",
                "2018-02-18T02:59:59.999999Z": "2018-02-17",
                "2018-02-18T03:00:00Z": "2018-02-18",
            },
        ),
        # The day line moves at 10:00 UTC: 30 December is left out.
        ("Pacific/Apia", {"2011-12-30T09:59:59.999999Z": "2011-12-29", "2011-12-30T10:00:00Z": "2011-12-31"}),
    ],
)
def test_an_offset_holds_from_the_very_instant_of_its_change(file, zone: str, days: dict[str, str]) -> None:
    rows = [wire(instant, created_at=instant, finished_at=instant) for instant in days]
    with pda.connect(file(rows), timezone=zone) as db:
        found = db.view("runs")
        counted = db.view("usage_daily")
    assert dict(zip(found["id"], found["day"].cast(pl.String), strict=True)) == days
    expected = {day: list(days.values()).count(day) for day in days.values()}
    assert dict(zip(counted["period"].cast(pl.String), counted["runs"], strict=True)) == expected


def test_a_days_bounds_are_its_first_instant_and_the_first_of_the_next_where_clocks_change(file) -> None:
    instants = {
        "before": "2018-02-17T01:59:59.999999Z",
        "first": "2018-02-17T02:00:00Z",
        "change": "2018-02-18T02:00:00Z",
        "last": "2018-02-18T02:59:59.999999Z",
        "after": "2018-02-18T03:00:00Z",
    }
    rows = [wire(name, created_at=instant, finished_at=instant) for name, instant in instants.items()]
    with pda.connect(file(rows), timezone="America/Sao_Paulo", since="2018-02-17", until="2018-02-17") as db:
        assert set(db.view("runs")["id"]) == {"first", "change", "last"}


def test_weeks_start_on_monday_and_months_on_the_first(connect) -> None:
    db = connect(timezone="Europe/Lisbon")
    assert db.view("usage_weekly")["period"].to_list() == [date(2026, 10, 19), date(2026, 10, 26)]
    assert db.view("usage_weekly")["runs"].to_list() == [4, 3]
    assert db.view("usage_monthly")["period"].to_list() == [date(2026, 10, 1)]


def test_a_day_of_25_hours_is_taken_whole(connect) -> None:
    db = connect(timezone="Europe/Lisbon", since="2026-10-25", until="2026-10-25")
    assert sorted(db.view("runs")["id"]) == ["a2", "a3", "a4"]
    assert (db.interval.until - db.interval.since).total_seconds() == 25 * 3600
    assert only(db.view("usage_daily"))["is_partial"] is False


def test_a_period_that_the_interval_cuts_is_partial(connect) -> None:
    db = connect(timezone="Europe/Lisbon", since="2026-10-25", until="2026-10-26T08:30")
    assert db.view("usage_daily")["is_partial"].to_list() == [False, True]
    assert db.view("usage_weekly")["is_partial"].to_list() == [True, True]
    assert db.view("usage_monthly")["is_partial"].to_list() == [True]
    whole = connect(timezone="Europe/Lisbon", period="2026-10")
    for view in ("usage_daily", "usage_weekly", "usage_monthly"):
        frame = whole.view(view)
        cut = [] if view != "usage_weekly" else [False, True]  # the week of 26 October ends in November
        assert frame["is_partial"].to_list() == (cut or [False] * frame.height)
    assert not connect().view("usage_weekly")["is_partial"].any()


def test_a_run_may_be_dated_by_when_it_finished(connect) -> None:
    db = connect(timezone="UTC", date_basis="finished", since="2026-10-25", until="2026-10-25")
    assert sorted(db.view("runs")["id"]) == ["a3", "a4"]
    assert db.runs_without_date == 1
    assert only(connect(date_basis="finished").view("usage"))["runs"] == 6


def test_runs_without_a_date_are_those_of_the_chosen_accounts_and_languages(connect) -> None:
    # Running is one run of zeta, in a language that nobody knows.
    chosen = {"zeta": {"account": "zeta"}, "acme": {"account": "acme"}, "pt-BR": {"language": "pt-BR"}}
    left_out = {name: connect(date_basis="finished", **choice).runs_without_date for name, choice in chosen.items()}
    assert left_out == {"zeta": 1, "acme": 0, "pt-BR": 0}
    assert connect(date_basis="finished").without(["zeta"]).runs_without_date == 0


def test_languages_written_differently_are_one(connect) -> None:
    frame = connect().view("usage_by_language")
    assert dict(zip(frame["language"], frame["runs"], strict=True)) == {"de": 3, "fr": 1, "13b": 1, "pt-BR": 2}


def test_filters_confine_every_view(connect) -> None:
    db = connect(account="zeta", language=["pt-BR", "13b"])
    assert only(db.view("usage"))["runs"] == 3
    assert db.view("usage_by_account")["account_id"].to_list() == ["zeta"]
    assert only(connect(language="nope").view("usage"))["runs"] == 0
    assert only(connect(account="it's").view("usage"))["runs"] == 0


@pytest.mark.parametrize("choice", [slow({}), {"period": "2026-10"}, slow({"period": "2031-01"}), {"account": "ghost"}])
def test_a_view_with_its_total_is_what_both_views_say(choice: dict[str, str]) -> None:
    with pda.connect(SAMPLE, now=datetime(2026, 11, 1, tzinfo=UTC), **choice) as db:
        for family in ("usage", "request_rates"):
            [whole] = db.view(family).rows(named=True)
            of_it = [name for name in views.catalog() if name.startswith(f"{family}_")]
            for name in of_it if Soak.is_on else of_it[::3]:
                rows, total = db.with_total(name)
                assert_frame_equal(rows, db.view(name))
                assert total == whole


def test_a_view_without_a_total_is_refused_where_one_is_asked_for(connect) -> None:
    for name in ("usage", "runs", "durations_by_account", "accounts"):
        with pytest.raises(pda.UsageError, match=f"^{name} has no total beside it; name a view of"):
            connect().with_total(name)


def test_durations_keep_succeeded_and_failed_apart(connect) -> None:
    frame = connect().view("durations_by_account")
    rows = {(row["account_id"], row["status"]): row for row in frame.iter_rows(named=True)}
    assert set(rows) == {("acme", "Succeeded"), ("acme", "Failed"), ("zeta", "Succeeded")}
    assert rows["acme", "Succeeded"]["runs"] == 3
    assert rows["acme", "Succeeded"]["min_duration_s"] == 10
    percentiles = [rows["acme", "Succeeded"][f"p{percent}_duration_s"] for percent in (50, 90, 95, 99)]
    assert percentiles == pytest.approx([20, 36, 38, 39.6])  # of 10, 20 and 40 s, at (n - 1)p
    assert rows["acme", "Failed"]["max_duration_s"] == 1
    assert rows["zeta", "Succeeded"]["p50_duration_s"] == 40


def test_soft_rules_count_the_runs_that_they_concern(file) -> None:
    rows = [
        wire("early", finished_at="2026-03-02T09:00:00Z"),
        wire("run", status="Running"),
        wire("nofin", finished_at=None),
        wire("nofile", output_file_id=None),
        wire("notok", output_tokens=None),
        wire("neg", credits=-1),
        wire("future", created_at="2027-01-01T00:00:00Z", finished_at="2027-01-01T00:00:01Z"),
        wire("empty", account_id=" "),
        wire("rep", account_id="a\ufffd"),
        wire("lang", target_language="13b"),
        wire("und", target_language="und"),
        *(wire(f"twice{n}", input_file_id="same", target_language=text) for n, text in enumerate(["fr", "French"])),
        wire("free", input_file_id="same", target_language="fr", credits=0),
        wire("much", credits=10**15 + 1),
    ]
    for number, row in enumerate(rows):
        if row["input_file_id"] == "in":
            row["input_file_id"] = f"in{number}"
    with pda.connect(file(rows), now=datetime(2026, 11, 1, tzinfo=UTC)) as db:
        frame = db.view("data_quality")
    found = {row["rule"]: (row["runs"], row["example_id"]) for row in frame.iter_rows(named=True)}
    assert found == {
        "finished_before_created": (1, "early"),
        "running_with_finished_at": (1, "run"),
        "succeeded_without_finished_at": (1, "nofin"),
        "succeeded_without_output_file": (1, "nofile"),
        "succeeded_without_tokens": (1, "notok"),
        "negative_number": (1, "neg"),
        "created_in_future": (1, "future"),
        "empty_text": (1, "empty"),
        "replaced_characters": (1, "rep"),
        "unknown_language": (2, "lang"),
        "charged_twice": (2, "twice0"),
        "unlikely_number": (1, "much"),
    }


def test_a_blank_output_file_is_an_empty_text_and_not_a_missing_file(file) -> None:
    rows = [wire("blank", output_file_id=" "), wire("empty", output_file_id=""), wire("none", output_file_id=None)]
    with pda.connect(file(rows), now=datetime(2026, 11, 1, tzinfo=UTC)) as db:
        found = {row["rule"]: (row["runs"], row["example_id"]) for row in db.view("data_quality").iter_rows(named=True)}
    assert found["succeeded_without_output_file"] == (1, "none")
    assert found["empty_text"] == (2, "blank")


def test_coverage_says_how_many_finished_runs_know_a_field(connect) -> None:
    rows = {row["field"]: row for row in connect().view("coverage").iter_rows(named=True)}
    assert (rows["credits"]["known_runs"], rows["credits"]["unknown_runs"]) == (5, 1)
    assert rows["output_tokens"]["known_share"] == pytest.approx(5 / 6)
    assert rows["finished_at"]["unknown_runs"] == 0


def test_a_sum_that_does_not_fit_64_bits_is_an_error_and_no_wrong_number(file) -> None:
    with pda.connect(file([wire("a", credits=2**62), wire("b", credits=2**62)])) as db:
        with pytest.raises(pda.QueryError):
            db.view("usage")
        assert only(db.sql("select max(credits) as most from runs"))["most"] == 2**62


def test_a_views_header_names_its_columns_in_order_and_its_comments_carry_them(connect) -> None:
    db = connect()
    for name, view in views.catalog().items():
        assert db.view(name).columns == list(view.columns), name
        assert db.describe(name)["meaning"].to_list() == list(view.columns.values()), name


def test_meanings_are_copied_into_duckdbs_comments(connect) -> None:
    con = connect().duckdb
    rows = con.sql("select column_name, comment from duckdb_columns() where table_name = 'usage_daily'").fetchall()
    assert dict(rows)["failure_rate"].startswith("failed runs / ")
    [(comment,)] = con.sql("select comment from duckdb_views() where view_name = 'usage'").fetchall()
    assert "Grain: the whole interval" in comment


def test_there_are_sixteen_usage_views_and_their_counts_and_sums_are_bigint(connect) -> None:
    names = [name for name in views.catalog() if name.startswith("usage")]
    assert len(names) == 16
    types = dict(zip(*connect().describe("usage_daily_by_account_language")["column", "type"], strict=True))
    floats = {name for name, kind in types.items() if kind == "DOUBLE"}
    assert {name for name, kind in types.items() if kind == "BIGINT"} == set(types) - floats - {
        "account_id",
        "account_name",
        "language",
        "language_name",
        "period",
        "is_partial",
    }
    assert types["period"] == "DATE"


@pytest.mark.parametrize("name", list(views.catalog()))
def test_a_view_keeps_to_sql_that_engines_share(name: str) -> None:
    setting = views.RenderContext("run_facts", "run_facts_with_language", "current_timestamp", None, None)
    tree = portability.parsed(views.render(views.view(name), setting))
    assert portability.differences(tree, is_own=True) == []
    for node in tree.find_all(exp.Div):
        if not isinstance(node.expression, exp.Literal):
            divisor = node.expression.sql()
            assert re.search(r"nullif|^tries$|^runs$|\(tries \+ z_95", divisor, re.IGNORECASE), (
                f"without nullif: {divisor}"
            )


def test_a_header_that_says_too_little_is_an_error_with_file_and_line() -> None:
    for text, place in (
        ("select 1", "mine.sql:1"),
        ("-- Mine.\nselect 1", "mine.sql:1"),
        ("-- Mine.\n-- one row\nselect 1", "mine.sql:2"),
        ("-- Mine.\n-- grain: one row\n-- no colon\nselect 1", "mine.sql:3"),
    ):
        with pytest.raises(pda.PolydocError, match=place):
            views.parse_header(text, "mine.sql")


BROKEN = "select identity, measure from conservation where not holds"
MEASURES = ("runs", "failed_runs", "input_tokens", "output_tokens", "credits")
PARTS = {
    "usage_by_account": "accounts sum to total",
    "usage_by_language": "languages sum to total",
    "usage_by_account_language": "accounts and languages sum to total",
    "usage_daily": "days sum to total",
    "usage_weekly": "weeks sum to total",
    "usage_monthly": "months sum to total",
}


def test_conservation_names_the_one_identity_that_a_wrong_view_breaks(connect) -> None:
    raw = connect().duckdb
    for at, (view, identity) in enumerate(PARTS.items()):
        raw.execute(f"create table right_{view} as select * from {view}")
        # A measure of each view in turn, or each.
        for measure in MEASURES if Soak.is_on else MEASURES[at % len(MEASURES) :][:1]:
            raw.execute(
                f"create or replace view {view} as select * replace ({measure} + 1 as {measure}) from right_{view}"
            )
            assert raw.execute(BROKEN).fetchall() == [(identity, measure)]
        raw.execute(f"create or replace view {view} as select * from right_{view}")
    assert raw.execute(BROKEN).fetchall() == []


def test_conservation_names_a_total_that_is_not_the_sum_of_its_statuses_or_rows(connect) -> None:
    raw = connect().duckdb
    raw.execute("create table kept as select * from usage")
    raw.execute("create or replace view usage as select * replace (running_runs + 1 as running_runs) from kept")
    assert raw.execute(BROKEN).fetchall() == [("statuses sum to runs", "runs")]
    raw.execute(
        "create or replace view usage as select * replace (runs + 1 as runs, failed_runs + 1 as failed_runs) from kept"
    )
    broken = set(raw.execute(BROKEN).fetchall())
    per_part = {(identity, measure) for identity in PARTS.values() for measure in ("runs", "failed_runs")}
    assert broken == {("rows read sum to runs", "runs"), *per_part}


def test_every_view_of_the_sample_is_whole() -> None:
    with pda.connect(SAMPLE, timezone="Europe/Lisbon") as db:
        assert db.view("conservation")["holds"].all()
        french = db.sql("select period from usage_weekly_by_language where language = 'fr' and failure_rate_low > 0.1")
        assert french["period"].to_list() == [date(2026, 10, 12)], "the planted spike, and no other week"


def test_an_instant_in_the_farthest_year_has_its_local_day_and_costs_no_time(file) -> None:
    rows = [wire("a"), wire("b", created_at="9999-07-01T23:30:00Z"), wire("c", created_at="2614-12-31T23:30:00Z")]
    with pda.connect(file(rows), timezone="Europe/Lisbon") as db:
        days = {row["id"]: str(row["day"]) for row in db.view("runs").iter_rows(named=True)}
    # Lisbon is an hour ahead of UTC in summer by the rules of today.
    assert days == {"a": "2026-03-02", "b": "9999-07-02", "c": "2614-12-31"}


@pytest.mark.parametrize(
    ("timezone", "period"),
    [("America/Sao_Paulo", None), slow("Pacific/Kiritimati", None), ("UTC", "2026"), slow("UTC", None)],
)
def test_the_first_and_the_last_instant_have_days_of_the_calendar_in_every_zone(file, timezone, period) -> None:
    """Python has no year 0 and none of five digits, which these would fall into a few hours from Greenwich."""
    at = ("0001-01-01T00:00:00Z", "2026-03-02T09:00:00Z", "9999-12-31T23:59:59.999999Z")
    rows = [wire(instant[:4], created_at=instant, finished_at=instant) for instant in at]
    with pda.connect(file(rows), timezone=timezone, now="2026-03-20T00:00Z", period=period) as db:
        dates = db.sql("select day, week, month from run_facts order by id").rows()
        march = [date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 1)]
        ends = [[date(1, 1, 1)] * 3, [date(9999, 12, 31), date(9999, 12, 27), date(9999, 12, 1)]]
        assert list(map(list, dates)) == ([march] if period else [ends[0], march, ends[1]])
        if period or Soak.is_on:
            assert db.view("conservation")["holds"].all()
        assert [one.so_far for one in db.outlook(period="this-month").endings] == db.sql(
            "select sum(credits) from runs where month = date '2026-03-01'"
        ).to_series().to_list()

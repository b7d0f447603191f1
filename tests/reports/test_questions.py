"""Requests, what moved credits, and where the period will end, in the overview."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from support.reports import built, section
from support.runs import wire

from polydoc_analytics.reports.renderers import render

NOW = datetime(2026, 11, 12, 10, 30, tzinfo=UTC)


def attempt(name: str, at: str, status: str = "Succeeded", **changes: Any) -> dict[str, Any]:
    instant = f"2026-10-{at}Z"
    return wire(name, created_at=instant, finished_at=instant, status=status, **changes)


def test_the_overview_says_per_request_what_customers_got(file) -> None:
    """Five requests: two at once, one at the second try, one given up, one that succeeded twice, for 4 credits more."""
    rows = [
        attempt("a", "05T09:00:00", input_file_id="one"),
        attempt("b", "05T09:00:00", input_file_id="two"),
        attempt("c1", "05T09:00:00", "Failed", input_file_id="three", credits=1),
        attempt("c2", "05T09:01:00", input_file_id="three"),
        attempt("d", "05T09:00:00", "Failed", input_file_id="four", credits=0),
        wire("e1", input_file_id="five", created_at="2026-10-05T09:00:00Z", finished_at="2026-10-05T09:30:00Z"),
        wire(
            "e2", input_file_id="five", created_at="2026-10-05T09:05:00Z", finished_at="2026-10-05T09:10:00Z", credits=4
        ),
    ]
    report = built(file(rows), period="2026-10", now=NOW)
    requests = section(report, "requests")
    assert requests.text == (
        "80.0% of 5 requests succeeded, 60.0% at the first try; 1 was recovered by trying again, 1 given up; "
        "1 extra success cost 4 credits.",
    )
    assert requests.table.rows[0][1:6] == (5, 0.8, 0.6, 1, 1)
    running = [
        *rows,
        wire("f", input_file_id="six", created_at="2026-10-05T09:00:00Z", status="Running", finished_at=None),
    ]
    text = section(built(file(running), period="2026-10", now=NOW), "requests").text[0]
    assert text.startswith("80.0% of 5 finished requests succeeded")
    assert text.endswith("; 1 is still running.")
    assert all(render(report, form) for form in ("html", "pdf", "xlsx"))


def test_the_overview_explains_what_moved_credits(file) -> None:
    """September has 4 runs of 10 credits, October 6 of these and 2 of 5 from a new account: 20 by runs, 10 new."""
    rows = [wire("first", created_at="2026-08-31T09:00:00Z")]
    rows += [wire(f"s{n}", created_at="2026-09-10T09:00:00Z", credits=10) for n in range(4)]
    rows += [attempt(f"o{n}", "10T09:00:00", credits=10) for n in range(6)]
    rows += [attempt(f"n{n}", "10T09:00:00", credits=5, account_id="new") for n in range(2)]
    changes = section(built(file(rows), period="2026-10", now=NOW), "changes")
    assert changes.title == "What moved credits"
    assert changes.text[1] == "Credits rose by 30 (75.0%): more runs brought 20, one new account 10."
    values = changes.charts[0].spec["data"]["values"]
    assert [(row["label"], row["text"]) for row in values] == [
        ("period before", "40"), ("number of runs", "+20"), ("new accounts", "+10"), ("this period", "70"),
    ]  # fmt: skip
    assert [row[2] for row in changes.table.rows] == ["de", "acme", "new"]  # by credits: 30, 20, 10


def test_the_overview_of_a_period_in_progress_says_where_it_will_end(file) -> None:
    """A run of 3 credits each day of September to 11 November, at noon: 33 so far, and 3 for each of 19 days ahead."""
    days = [f"2026-{month:02}-{day:02}" for month, last in ((9, 30), (10, 31), (11, 11)) for day in range(1, last + 1)]
    rows = [wire(day, created_at=f"{day}T12:00:00Z", finished_at=f"{day}T12:00:00Z") for day in days]
    report = built(file(rows), period="this-month", now=NOW)
    assert section(report, "outlook").text[0] == (
        "Credits are at 33 so far; 90 are expected by the end of 30 Nov 2026 "
        "(the past is too short for an interval), 3.2% less than the 93 of the period before."
    )
    past = built(file(rows), period="2026-10", now=NOW)
    assert "outlook" not in [one.name for one in past.sections]

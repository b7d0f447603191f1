"""What reports say: no two accounts called alike, unknown never taken for zero, words that go with their counts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.repetitions import slow
from support.reports import as_json, built, everything, page_text, pdf_text, rows, section, sheets
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.charts import export
from polydoc_analytics.reports.charts.labels import IN_CHARTS, fitting, unique
from polydoc_analytics.reports.model import Report
from polydoc_analytics.reports.renderers import render
from polydoc_analytics.reports.write import context

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def on(day: str, name: str, **changes: Any) -> dict[str, Any]:
    return wire(name, created_at=f"2026-{day}T10:00:00Z", finished_at=f"2026-{day}T10:00:10Z", **changes)


def figure(report: Report, name: str) -> Any:
    return next(one for one in section(report, "key_figures").figures if one.name == name)


# Changes


def two_months(unknown: int, of: int = 30, field: str = "credits") -> list[dict[str, Any]]:
    september = [on("09-10", f"s{n}", **({field: None} if n < unknown else {})) for n in range(of)]
    return [on("08-31", "first"), *september, *(on("10-10", f"o{n}") for n in range(31))]


def test_no_change_is_shown_of_a_sum_that_lacks_runs_in_the_period_before(file) -> None:
    report = built(file(two_months(29)), period="2026-10", now=NOW)
    credits_ = figure(report, "credits")
    assert (credits_.value.number, credits_.before.number) == (93, 3)
    assert (credits_.change.number, credits_.change.text) == (None, "–")
    assert credits_.note == (
        "known for every finished run; "
        "no change is shown, for 29 of 30 finished runs of the period before lack credits (more than 1.0%)"
    )
    assert figure(report, "runs").change.text == "+3.3%"
    assert figure(report, "input_tokens").change.text == "+3.3%"
    made = everything(report)
    stored = next(one for one in as_json(made["json"])["sections"][0]["figures"] if one["name"] == "credits")
    assert stored["change"] is None
    for text in (page_text(made["html"]), made["md"].decode().replace("\\", ""), pdf_text(made["pdf"])):
        assert "3,000" not in text.replace("31,000", "").replace("30,000", "")
        assert "29 of 30 finished runs" in " ".join(text.split())


@pytest.mark.parametrize(
    ("unknown", "of", "is_shown"), [slow(0, 100, True), (1, 100, True), slow(2, 100, False), (1, 99, False)]
)
def test_one_per_cent_of_the_finished_runs_may_lack_it(file, unknown: int, of: int, is_shown: bool) -> None:
    report = built(file(two_months(unknown, of)), period="2026-10", now=NOW)
    assert (figure(report, "credits").change.number is not None) == is_shown


def test_what_this_period_lacks_counts_too_and_each_count_of_tokens_for_itself(file) -> None:
    made = [*two_months(0), on("10-11", "x", output_tokens=None)]
    report = built(file(made), period="2026-10", now=NOW)
    assert figure(report, "output_tokens").change.text == "–"
    assert figure(report, "output_tokens").note == (
        "no change is shown, for 1 of 32 finished runs of this period lacks output tokens (more than 1.0%)"
    )
    assert figure(report, "input_tokens").change.number is not None


def test_a_sum_of_which_nothing_is_known_has_a_dash_for_its_change_too(file) -> None:
    report = built(file(two_months(30)), period="2026-10", now=NOW)
    assert (figure(report, "credits").before.text, figure(report, "credits").change.text) == ("–", "–")
    assert all(render(report, form) for form in ("html", "pdf", "xlsx"))


def test_what_changed_most_shows_no_change_of_credits_that_lack_runs(file) -> None:
    made = [
        on("08-31", "first", account_id="known", target_language="fr"),
        *(on("09-10", f"s{n}", account_id="known", credits=2) for n in range(2)),
        *(on("10-10", f"o{n}", account_id="known", credits=3) for n in range(4)),
        *(on("09-10", f"t{n}", account_id="lacking", credits=None if n else 1) for n in range(3)),
        *(on("10-10", f"p{n}", account_id="lacking") for n in range(8)),
    ]
    found = {row["key"]: row for row in rows(built(file(made), period="2026-10", now=NOW), "changes")}
    assert found["known"]["credits_change"] == 2.0
    assert found["lacking"]["credits_change"] is None
    assert (found["lacking"]["credits_before"], found["lacking"]["credits"]) == (1, 24)
    assert found["lacking"]["change"] == pytest.approx(8 / 3 - 1)


# The days that were compared


def compared(file: Any, period: str, now: datetime, timezone: str = "UTC") -> str:
    days = ("2020-01-01", "2025-05-05", "2026-07-22", "2026-08-05", "2026-11-01")
    made = [wire(f"on {day}", created_at=f"{day}T00:00:00Z") for day in days]
    with pda.connect(file([*made, wire("b")]), period=period, now=now, timezone=timezone) as db:
        return context(db).comparison_text()


def test_the_overview_says_which_days_it_compares(file) -> None:
    report = built(file(two_months(0)), period="2026-10", now=NOW)
    assert section(report, "key_figures").text == (
        "Changes are against the preceding month: 1 Sept 2026 to 30 Sept 2026, which has 30 days; this one has 31.",
    )


def test_a_longer_month_in_progress_says_that_the_one_before_is_shorter(file) -> None:
    assert compared(file, "this-month", datetime(2026, 3, 31, 10, tzinfo=UTC)) == (
        "The period is in progress. Changes compare its 31 days up to 31 Mar 2026, 10:00 with the 28 days before: "
        "1 Feb 2026 to 28 Feb 2026. The numbers of days differ, and so do sums for that alone."
    )
    assert compared(file, "this-month", datetime(2026, 3, 1, 10, tzinfo=UTC)) == (
        "The period is in progress. Changes compare its 1 day up to 1 Mar 2026, 10:00 with the same 1 day before: "
        "1 Feb 2026 to 1 Feb 2026, 10:00."
    )
    # In a zone where clocks change between the two.
    assert " its 30 days up to 30 Mar 2026, 11:00 with the 28 days before: " in compared(
        file, "this-month", datetime(2026, 3, 30, 10, tzinfo=UTC), "Europe/Lisbon"
    )


@pytest.mark.parametrize(
    ("period", "said"),
    [
        ("2026-03", "month: 1 Feb 2026 to 28 Feb 2026, which has 28 days; this one has 31."),
        ("2026-08", "month: 1 Jul 2026 to 31 Jul 2026 (31 days each)."),
        ("2026-W30", "week: 13 Jul 2026 to 19 Jul 2026 (7 days each)."),
        ("yesterday", "day: 31 Oct 2026 (1 day each)."),
        ("2025", "year: 1 Jan 2024 to 31 Dec 2024, which has 366 days; this one has 365."),
    ],
)
def test_whole_periods_say_their_numbers_of_days(file, period: str, said: str) -> None:
    assert compared(file, period, NOW) == f"Changes are against the preceding {said}"


# Names

IDS = [
    "6ee0e0f4-dde6-490a-a281-43896feb4891",
    "6ee0e0f4-aaaa-490a-a281-43896feb4891",
    "7ee0e0f4-dde6-490a-a281-43896feb4891",
]


def test_accounts_of_one_name_have_labels_of_their_own_in_every_chart_and_table(file) -> None:
    made = [on("10-01", f"{n}", account_id=IDS[n % 3], target_language=["de", "fr"][n % 2]) for n in range(12)]
    names = dict(zip(IDS, ["Acme", "Acme", "Acme (2)"], strict=True))
    report = built(file(made), accounts=names, now=NOW)
    expected = {"Acme (6ee0e0f4-a)", "Acme (6ee0e0f4-d)", "Acme (2)"}
    assert {row["account_name"] for row in rows(report, "accounts")} == expected
    charts = {chart.name: chart for one in report.sections for chart in one.charts}
    assert {row["label"] for row in charts["runs_by_account"].spec["data"]["values"]} == expected
    assert {row["line"] for row in charts["languages_by_account"].spec["data"]["values"]} == expected
    assert report.cube is not None
    assert set(report.cube.accounts) == expected
    found = everything(report)
    assert {row[0] for row in sheets(found["xlsx"])["Accounts"][1:4]} == expected
    for text in (page_text(found["html"]), found["md"].decode(), pdf_text(found["pdf"])):
        assert all(label in " ".join(text.split()) for label in expected)


def test_ids_that_look_alike_are_told_apart_for_readers_and_whole_in_files(file) -> None:
    ids = ["acme", "acme ", "total"]
    report = built(file([wire(one, account_id=one) for one in ids]))
    made = everything(report)
    [accounts] = [one for one in as_json(made["json"])["sections"] if one["name"] == "accounts"]
    assert sorted(row["account_id"] for row in accounts["data"]) == ids
    assert sorted(row[0] for row in sheets(made["xlsx"])["Accounts"][1:4]) == ids
    for text in (page_text(made["html"]), made["md"].decode()):
        for label in ("acme (acme)", "acme  (acme )", "total (total)"):
            assert label in text
    assert 'data-v="acme "><bdi class="s" title="acme ">acme  (acme )</bdi>' in made["html"].decode()


def test_a_name_that_is_a_formula_to_markdown_stays_a_name(file) -> None:
    made = everything(built(file([wire(account_id="$x$"), wire("b", account_id="5 $ each")])))["md"].decode()
    assert "| \\$x\\$ |" in made
    assert "| 5 $ each |" in made


def test_a_statement_calls_its_account_by_its_plain_name(file) -> None:
    made = [on("10-01", str(n), account_id=one) for n, one in enumerate(IDS)]
    report = built(file(made), "statement", account=IDS[0], accounts=dict.fromkeys(IDS, "Acme"), now=NOW)
    assert report.title == "Usage statement for Acme"


def test_names_that_differ_only_beyond_what_a_chart_shows_are_told_apart() -> None:
    names = {
        one * 10: f"International Business Machines Corporation {where}" for one, where in (("a", "E"), ("b", "W"))
    }
    assert unique(names) == names
    labels = [fitting(text, IN_CHARTS) for text in unique(names, IN_CHARTS).values()]
    assert [label[-10:] for label in labels] == ["(aaaaaaaa)", "(bbbbbbbb)"]
    assert all(label.startswith("International Business") and len(label) <= IN_CHARTS for label in labels)


def test_a_name_that_looks_like_a_sum_or_another_label_is_told_apart() -> None:
    assert unique({"id-of-it": "total", "x": "others (3)"}) == {"id-of-it": "total (id-of-it)", "x": "others (3) (x)"}
    twice = unique({"first": "Acme", "second": "Acme", "third": "Acme (first)"})
    assert len(set(twice.values())) == 3
    assert twice["second"] == "Acme (second)"
    assert unique({"acme": "acme", "other": "acme"}) == {"acme": "acme", "other": "acme (other)"}
    assert unique({"a1": "a2", "a2": "a1", "b": "TOTAL"}) == {"a1": "a2 (a1)", "a2": "a1 (a2)", "b": "TOTAL (b)"}
    assert unique({"x": "All others", "y": "others"}) == {"x": "All others (x)", "y": "others (y)"}
    assert unique({"x": "constructor", "y": "Constructor"}) == {"x": "constructor (x)", "y": "Constructor"}
    assert unique({"a1": "Beta", "Beta": "Gamma"}) == {"a1": "Beta (a1)", "Beta": "Gamma"}


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.text(alphabet="ab-é日 ", min_size=1, max_size=30),
        st.sampled_from(["Acme", "Acme ", " Acme", "Acme (2)", "total", "", "日" * 50, "x" * 200, "x" * 201, "Ａcme"]),
        max_size=12,
    ),
    st.sampled_from([22, IN_CHARTS, 120]),
)
def test_no_two_labels_look_alike(names: dict[str, str], most: int) -> None:
    labels = [" ".join(fitting(text, most).split()) for text in unique(names, most).values()]
    assert len(set(labels)) == len(names)
    assert set(unique(names, most)) == set(names)


# Little


def axis_texts(chart: Any) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", export.as_svg(chart.spec))


@pytest.mark.parametrize("days", [1, slow(2), 3, slow(7)])
def test_a_short_axis_names_each_day_once_and_counts_in_whole_numbers(file, days: int) -> None:
    made = [on(f"10-{day:02}", f"{day}-{n}", credits=n) for day in range(1, days + 1) for n in range(1 + day % 2)]
    report = built(file(made), now=NOW)
    for chart in section(report, "usage_over_time").charts:
        texts = axis_texts(chart)
        dates = [text for text in texts if text.endswith("Oct")]
        assert len(dates) == len(set(dates))
        assert dates == [f"{day} Oct" for day in range(1, days + 1)][:: 2 if len(dates) < days else 1]
        numbers = [text for text in texts if re.fullmatch(r"[\d.]+", text)]
        assert numbers
        assert all("." not in text for text in numbers)
        assert len(numbers) == len(set(numbers))
        for value in json.loads(json.dumps(export.as_vega(chart.spec)["axes"])):
            assert "datetime(" not in json.dumps(value)


def test_weeks_are_named_by_their_mondays(file) -> None:
    made = [on(f"{month:02}-{day:02}", f"{month}-{day}") for month in range(5, 11) for day in (1, 8, 15, 22)]
    chart = section(built(file(made), now=NOW), "usage_over_time").charts[0]
    dates = [text for text in axis_texts(chart) if re.fullmatch(r"\d+ [A-Z][a-z]{2}", text)]
    assert len(dates) >= 3
    for text in dates:
        year = 2025 if text.endswith("Dec") else 2026
        assert datetime.strptime(f"{text} {year}", "%d %b %Y").replace(tzinfo=UTC).weekday() == 0


def words_of(report: Report) -> str:
    return render(report, "md").decode().replace("\\", "")


ONE_OF = re.compile(
    r"(?<![\d.,])1 (?:runs|credits|days|weeks|months|accounts|languages|rows|files|duplicates|finished runs)\b"
)


LITTLE: dict[str, list[dict]] = {
    "one credit": [wire(credits=1)],
    "unknown": [wire(credits=None)],
    "failed": [wire(credits=0, status="Failed")],
    "one unknown": [wire("a", credits=1), wire("b", credits=None, input_tokens=None)],
    "two days": [on("10-01", "a", credits=0), on("10-02", "b", credits=1)],
    "running": [wire(status="Running", finished_at=None, credits=None)],
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        # Each little in one kind, the overview with three of them.
        (kind, name) if at % (2 if kind == "overview" else 5) == 0 else slow(kind, name)
        for place, kind in enumerate(("overview", "languages", "quality", "statement"))
        for at, name in enumerate(LITTLE, start=place)
    ],
)
def test_words_go_with_their_counts_and_every_empty_case_has_a_sentence(file, kind: str, name: str) -> None:
    made = LITTLE[name]
    report = built(file(made), kind, now=NOW, **({"account": "acme"} if kind == "statement" else {}))
    said = words_of(report)
    assert not ONE_OF.search(said), ONE_OF.search(said)
    assert ": –." not in said
    for one in report.sections:
        assert one.text or one.figures or one.charts or one.table, one.name


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([wire(credits=1)], "The one credit is of 2 Mar 2026."),
        ([wire(credits=5)], "All 5 credits are of 2 Mar 2026."),
        ([wire(credits=0)], "All known credits are 0."),
        ([wire(credits=None)], "No credits are known."),
        ([on("10-01", "a", credits=1), on("10-02", "b", credits=1)], "Each of the 2 days has 1 credit."),
        (
            [on("10-01", "a", credits=1), on("10-02", "b", credits=0), on("10-03", "c", credits=0)],
            "The busiest day was 1 Oct 2026, with 1 credit; the mean of 3 days is 0.33.",
        ),
    ],
)
def test_a_chart_says_what_there_is_in_a_sentence_of_its_own(file, made: list[dict], said: str) -> None:
    report = built(file(made), "statement", account="acme", now=NOW)
    assert section(report, "days").charts[0].sentence == said


@pytest.mark.parametrize(
    ("credits_", "said"),
    [
        ([None, None], "No credits are known."),
        ([0, None], "All known credits are 0."),
        ([4, None], "All known credits went to German: 4."),
        ([4, 5], "Most credits went to Arabic: 5."),
    ],
)
def test_where_credits_went_is_said_where_they_are_known(file, credits_: list[int | None], said: str) -> None:
    made = [wire("a", credits=credits_[0]), wire("b", target_language="ar", credits=credits_[1])]
    assert section(built(file(made), "statement", account="acme", now=NOW), "languages").text == (said,)


def test_no_language_of_several_with_as_many_credits_is_said_to_have_most(file) -> None:
    made = [wire("a", credits=4), wire("b", target_language="ar", credits=4)]
    report = built(file(made), "statement", account="acme", now=NOW)
    assert section(report, "languages").text == ()


def test_long_ids_break_in_print_and_are_copied_whole(file) -> None:
    import io

    import pypdf

    run_id, account = "0123456789abcdef" * 4, "fedcba9876543210" * 4
    made = render(
        built(file([wire(run_id, account_id=account, input_tokens=10**15)]), "statement", account=account), "pdf"
    )
    reader = pypdf.PdfReader(io.BytesIO(made))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "\u200b" not in text
    # On several lines, and whole where these are put together.
    assert run_id not in text
    assert account not in text.split("Totals")[0]
    assert run_id in re.sub(r"\s", "", text)
    assert (reader.metadata or {}).get("/Title") == f"Usage statement for {account}, all of time"


def test_fractions_and_thousands_of_seconds_are_written_out(file) -> None:
    made = [wire("a", finished_at="2026-03-02T10:00:00.050Z"), wire("b", finished_at="2026-03-03T10:00:00Z")]
    [chart] = section(built(file(made)), "durations").charts
    # "100m" is 0.1 s to some, and 100 minutes to others.
    assert {"0.1", "1", "10", "100", "1,000", "10,000"} <= set(axis_texts(chart))


@pytest.mark.parametrize(
    ("tokens", "durations", "expansion"),
    [
        ([120], "German has a median of 10.00 s.", "German has 0.12 tokens out for each token in."),
        ([120, 120], "Each of the 2 languages with most runs has a median of 10.00 s.", "Each of the 2 languages"),
        ([120, 240], "Each of the 2 languages", "Text grows most in French (0.24 tokens out for each token in) and "),
    ],
)
def test_none_of_several_that_are_alike_is_called_the_most(
    file, tokens: list[int], durations: str, expansion: str
) -> None:
    tongues = zip(("de", "fr"), tokens, strict=False)
    made = [wire(tongue, target_language=tongue, output_tokens=count) for tongue, count in tongues]
    report = built(file(made), "languages")
    assert section(report, "durations").charts[1].sentence.startswith(durations)
    assert section(report, "expansion").charts[0].sentence.startswith(expansion)

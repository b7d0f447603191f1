"""How a report writes what people read: months, lengths of time, ids, and that there is nothing to show."""

from __future__ import annotations

import re
from datetime import date

import pytest
from support.reports import NOW, as_json, built, everything, page_text, pdf_text, section, sheets
from support.runs import wire

from polydoc_analytics.reports.formatting import Formatter

ALIKE = ("6ee0e0f4-dde6-490a-a281-43896feb4891", "6ee0e0f4-d000-490a-a281-43896feb4891")
OTHER = "0ac4ad55-b4b9-4b6c-b0c1-0c4ba1d6f2a2"


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (641.29, "26 d 17 h"),
        (24, "1 d 0 h"),
        (23.999, "1 d 0 h"),
        (23.98, "23 h 59 min"),
        (1.5, "1 h 30 min"),
        (0.0501, "3 min"),
        (24_000, "1,000 d 0 h"),
        (-1.5, "−1 h 30 min"),
        (None, "–"),
    ],
)
def test_a_length_of_time_is_written_in_its_two_greatest_units(hours: float | None, said: str) -> None:
    assert Formatter().text(hours, "hours") == said


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en_GB", "October 2026"),
        ("de", "Oktober 2026"),
        ("fr", "octobre 2026"),
        ("es", "octubre de 2026"),
        ("pt_BR", "outubro de 2026"),
        ("it", "ottobre 2026"),
        ("nl", "oktober 2026"),
        ("ja", "2026年10月"),
    ],
)
def test_a_month_is_called_by_its_name(locale: str, said: str) -> None:
    words = Formatter(locale).in_language_of(locale)
    assert words.text(date(2026, 10, 1), "month") == said


@pytest.mark.parametrize("kind", ["count", "ratio", "rate", "change", "points", "money"])
def test_a_negative_figure_has_a_minus_sign(kind: str) -> None:
    said = Formatter(currency="EUR").text(-3, kind)
    assert said.startswith("−")
    assert "-" not in said


def test_a_year_is_told_month_by_month(file) -> None:
    made = [wire(f"{month}", created_at=f"2026-{month:02}-10T00:00:00Z", credits=month) for month in range(1, 11)]
    report = built(file(made), period="2026", now=NOW)
    over_time = section(report, "usage_over_time")
    assert over_time.charts[1].sentence.startswith("The busiest month was October 2026, with 10 credits")
    found = everything(report)
    for text in (page_text(found["html"]), found["md"].decode(), pdf_text(found["pdf"])):
        assert "January 2026" in text
        assert "month of" not in text
    assert as_json(found["json"])["sections"][3]["data"][0]["period"] == "2026-01-01"
    one = built(file(made[:1]), "statement", account="acme", period="2026", now=NOW)
    assert (
        section(one, "days").charts[0].sentence
        == "The busiest month was January 2026, with 1 credit; the mean of 11 months is 0.09."
    )


@pytest.mark.parametrize(
    ("days", "choices", "said"),
    [
        ((1, 2, 4), {"period": "2026-10"}, "the mean of 3 days with runs is 2."),
        ((1, 2), {"since": "2026-10-01", "until": "2026-10-03"}, "the mean of 2 days with runs is 2."),
        ((1, 2), {"since": "2026-10-01", "until": "2026-10-02"}, "the mean of 2 days is 2."),
        ((1, 2, 3), {}, "the mean of 3 days is 2."),
        ((1, 3), {}, "the mean of 2 days with runs is 2."),
    ],
)
def test_a_mean_that_leaves_days_without_runs_out_says_so(
    file, days: tuple[int, ...], choices: dict[str, str], said: str
) -> None:
    made = [
        wire(f"{day}-{n}", account_id=f"{n}", created_at=f"2026-10-{day:02}T00:00:00Z")
        for day in days
        for n in range(1 + (day == days[-1]) + (len(days) == 3))
    ]
    report = built(file(made), now=NOW, **choices)
    assert section(report, "usage_over_time").charts[0].sentence.endswith(said)


def test_ids_are_as_short_as_tells_them_apart_and_whole_on_hover_and_in_files(file) -> None:
    ids = (*ALIKE, OTHER, "acme-production-europe")
    made = [wire(f"{n}", account_id=one, status="Running", finished_at=None) for n, one in enumerate(ids)]
    report = built(file(made), now=NOW)
    found = everything(report)
    page, printed = page_text(found["html"]), pdf_text(found["pdf"])
    for shown in ("6ee0e0f4-dd", "6ee0e0f4-d0", "0ac4ad55", "acme-production-europe"):
        assert shown in page
        assert shown in printed
    for one in (*ALIKE, OTHER):
        assert one not in page
        assert one not in printed
        html = found["html"].decode()
        assert re.search(rf'data-v="{one}"><bdi class="s" title="{one}">', html)
        assert one in found["md"].decode()
        assert any(one in row for sheet in sheets(found["xlsx"]).values() for row in sheet)
    tables = {one["name"]: one["data"] for one in as_json(found["json"])["sections"]}
    assert {row["account_id"] for row in tables["accounts"]} == set(ids)
    assert {row["account"] for row in tables["running_too_long"]} == set(ids)
    assert tables["running_too_long"][0]["age_h"] > 5000
    assert "d 23 h" in page


def test_a_name_that_looks_like_the_beginning_of_an_id_leaves_that_id_whole(file) -> None:
    made = [wire("a", account_id=OTHER), wire("b", account_id="named")]
    report = built(file(made), now=NOW, accounts={"named": "0ac4ad55"})
    page = page_text(everything(report)["html"])
    assert OTHER in page


@pytest.mark.parametrize("kind", ["overview", "languages", "quality"])
@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"period": "2020"}, "There are no runs in the period; those of the source are from 1 Mar 2026 to 2 Mar 2026."),
        ({"period": "2026-03", "language": "fr", "allow_empty": True}, "of what the filters choose in the period"),
    ],
)
def test_where_there_is_nothing_to_show_one_sentence_says_so(file, kind: str, choices: dict, said: str) -> None:
    made = [wire("a", created_at="2026-03-01T10:00:00Z"), wire("b")]
    if "language" in choices:
        made.append(wire("c", created_at="2025-01-01T00:00:00Z", target_language="fr"))
        choices = {name: value for name, value in choices.items() if name != "allow_empty"}
    report = built(file(made), kind, now=NOW, **choices)
    found = everything(report)
    for text in (page_text(found["html"]), found["md"].decode(), pdf_text(found["pdf"])):
        flat = " ".join(text.replace("\\", "").split())
        assert flat.count(said) == 1
        assert "still running" not in flat
        assert "known for every finished run" not in flat
    if kind != "quality":
        [only] = report.sections
        assert len(only.text) == 1
    assert said in str(sheets(found["xlsx"]))


def test_a_period_without_runs_after_one_with_some_says_what_is_gone(file) -> None:
    report = built(file([wire("a", created_at="2026-02-01T00:00:00Z"), wire("b")]), period="2026-04", now=NOW)
    [only] = report.sections
    assert only.text[0].startswith("Changes are against the preceding month: 1 Mar 2026")
    assert only.figures[0].change.text == "−100.0%"
    assert "−100.0%" in page_text(everything(report)["html"])


def test_a_statement_of_nothing_says_so_once(file) -> None:
    report = built(file([wire()]), "statement", account="acme", period="2026-04", now=NOW)
    text = page_text(everything(report)["html"])
    assert text.count("There are no runs in the period.") == 1
    assert [one.name for one in report.sections] == ["key_figures", "days", "definitions"]

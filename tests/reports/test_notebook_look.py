"""Charts in notebooks: titled, named in words, and legible on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.paths import SAMPLE

import polydoc_analytics as pda
from polydoc_analytics.reports.charts.notebook_look import for_notebook
from polydoc_analytics.reports.charts.palette import DARK_PAPER, PAPER, contrast


@pytest.fixture(scope="module")
def db() -> Iterator[pda.Database]:
    with pda.connect(SAMPLE, timezone="Europe/Lisbon", since="2026-08-05") as db:
        yield db


def colours(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key not in ("values", "datasets"):
                yield from colours(value)
    elif isinstance(part, list):
        for value in part:
            yield from colours(value)
    elif isinstance(part, str) and part.startswith("#"):
        yield part


def test_every_chart_has_a_title_and_no_paper_of_its_own(db: pda.Database) -> None:
    for make in (
        pda.charts.usage_over_time,
        pda.charts.failure_rates,
        pda.charts.durations,
        pda.charts.languages_by_account,
        pda.charts.cumulative_credits,
    ):
        spec = make(db).to_dict()
        assert spec["title"]["text"], make
        assert spec["background"] == "transparent"
        drawn = set(colours(spec)) - {PAPER}
        assert drawn
        assert all(min(contrast(one, PAPER), contrast(one, DARK_PAPER)) >= 3 for one in drawn), drawn


@pytest.mark.parametrize(
    ("every", "words"), [("day", "local day"), ("week", "week, by its Monday"), ("month", "month")]
)
def test_the_axis_of_time_says_what_a_bar_stands_for(db: pda.Database, every: str, words: str) -> None:
    spec = pda.charts.usage_over_time(db, every=every).to_dict()
    assert {layer["encoding"]["x"]["axis"]["title"] for layer in spec["layer"]} == {words}
    assert spec["title"]["text"] == f"Runs by {every}, Europe/Lisbon"


def test_ticks_of_weeks_are_mondays(db: pda.Database) -> None:
    from datetime import date

    spec = pda.charts.usage_over_time(db, every="week").to_dict()
    ticks = spec["layer"][0]["encoding"]["x"]["axis"]["values"]
    assert {date(one["year"], one["month"], one["date"]).weekday() for one in ticks} == {0}


def test_data_that_look_like_a_colour_stay_what_they_are() -> None:
    spec = {"data": {"values": [{"stroke": PAPER, "x": "#1b2733"}]}, "mark": {"stroke": PAPER}}
    looked = for_notebook(spec, title="t")
    assert looked["data"] == spec["data"]
    assert looked["mark"] == {"stroke": None}


def test_a_week_that_the_interval_cuts_is_marked(db: pda.Database) -> None:
    spec = pda.charts.usage_over_time(db, every="week").to_dict()
    [rows] = spec["datasets"].values() if "datasets" in spec else [spec["data"]["values"]]
    assert [row["period"] for row in rows if row["is_partial"]] == ["2026-08-03"]
    assert "is_partial" in spec["layer"][0]["encoding"]["fillOpacity"]["condition"]["test"]

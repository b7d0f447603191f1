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


def on_the_page(spec: dict[str, Any]) -> dict[str, Any]:
    """A chart without the numbers of a heat map, which stand on cells that have paper beneath them."""
    if "layer" not in spec or spec["layer"][0]["mark"] != {"type": "rect", "color": PAPER}:
        return spec
    return {**spec, "layer": spec["layer"][:-1]}


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
        drawn = set(colours(on_the_page(spec))) - {PAPER}
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


def test_numbers_of_a_heat_map_are_legible_on_each_of_its_cells(db: pda.Database) -> None:
    paper, cells, numbers = pda.charts.languages_by_account(db).to_dict()["layer"]
    assert paper["mark"] == {"type": "rect", "color": PAPER}
    low, high = cells["encoding"]["fillOpacity"]["scale"]["range"]
    for step in range(11):
        opacity = low + (high - low) * step / 10
        blend = [round(255 + (int(cells["mark"]["fill"][at : at + 2], 16) - 255) * opacity) for at in (1, 3, 5)]
        cell = "#" + "".join(f"{part:02x}" for part in blend)
        assert contrast(numbers["encoding"]["fill"]["value"], cell) >= 3


def test_hollow_points_show_the_page_and_notes_say_what_signs_mean(db: pda.Database) -> None:
    rates = pda.charts.failure_rates(db).to_dict()
    [point] = [layer for layer in rates["layer"] if layer["mark"]["type"] == "point"]
    assert point["encoding"]["fill"]["condition"]["value"] == "transparent"
    assert rates["title"]["subtitle"] == "hollow: a small sample; dotted: all runs"
    weeks = pda.charts.usage_over_time(db, every="week").to_dict()
    assert weeks["title"]["subtitle"] == "orange: failed runs; paler: a week that the interval cuts"
    days = pda.charts.usage_over_time(db, every="day", measure="credits").to_dict()
    assert "subtitle" not in days["title"]

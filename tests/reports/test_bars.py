"""Bars over time that are drawn from a picture of full bars: to the letter what Vega draws of the figures itself."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repetitions import examples

from polydoc_analytics.reports.charts import bars, export, vega_lite
from polydoc_analytics.reports.formatting import Formatter

AMOUNTS = st.sampled_from((1, 4, 10, 120, 9_999, 10_001, 5_000_000)).flatmap(lambda most: st.integers(0, most))


def chart(values: list[int | None], every: str = "day", locale: str = "en") -> dict[str, Any]:
    first, step = date(2026, 9, 7), timedelta(days=1 if every == "day" else 7)
    rows = [
        {"period": str(first + at * step), "end": str(first + (at + 1) * step), "credits": value, "is_partial": at == 0}
        for at, value in enumerate(values)
    ]
    words = Formatter(locale).in_language_of(locale)
    return vega_lite.usage_over_time(rows, every=every, measure="credits", label="credits", words=words)


def by_vega(spec: dict[str, Any]) -> str:
    quiet = {**spec, "config": {**spec["config"], "aria": False}}
    return export._alone(lambda drawer: str(drawer.vegalite_to_svg(quiet, vl_version="6.4", allowed_base_urls=[])))


@examples(200, 6)
@given(
    st.lists(st.none() | AMOUNTS, min_size=1, max_size=31),
    st.sampled_from(("day", "week")),
    st.sampled_from(("en", "de", "ja")),
    st.sampled_from((200, 265, 640)),
)
def test_bars_are_those_that_vega_draws(values: list[int | None], every: str, locale: str, width: int) -> None:
    fluid = chart(values, every, locale)
    fixed = {key: value for key, value in fluid.items() if key != "autosize"} | {"width": width}
    for spec in (fluid, fixed):
        assert export.as_svg(spec) == by_vega(spec)


def test_charts_of_one_scale_ask_vega_once() -> None:
    asked = []

    def draw(spec: Any) -> str:
        asked.append(spec)
        return export._drawn(json.dumps(spec))

    for values in ([3, 90, 100], [None, 60, 81], [61, None, 0], [100, 100, 100]):
        assert bars.as_svg(chart(values), draw).count("<path d=") == sum(value is not None for value in values)
    assert len({str(spec) for spec in asked}) == 3  # the first bar counts for the width, and is missing in one


@pytest.mark.parametrize("values", [[-3, 5], [0, 0], [None], [], [2.5, 7]])
def test_other_values_are_left_to_vega(values: list[Any]) -> None:
    spec = chart(values)
    assert bars.as_svg(spec, lambda asked: "all of it" if asked is spec else "a part") == "all of it"

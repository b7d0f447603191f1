"""What a database, a load, a lake and its loads show of themselves: a short summary, not an address or a wall."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import wire

import polydoc_analytics as pda

ROWS = [wire("a"), wire("a"), wire("b", account_id="<b>")]


@pytest.fixture
def lake(tmp_path: Path) -> pda.Lake:
    return pda.Lake(tmp_path / "lake")


def test_what_was_loaded_accounts_for_its_rows() -> None:
    assert repr(pda.load(pl.DataFrame(ROWS))) == "<Loaded: runs 2; rows read 3, 1 duplicate, 0 quarantined>"


def test_a_load_says_what_it_brought_and_whether_it_is_on_the_disk(lake: pda.Lake) -> None:
    assert repr(lake.ingest(pl.DataFrame(ROWS))) == (
        "<LoadResult: rows read 3: 2 inserted, 1 duplicates; load 1 is on the disk>"
    )
    assert "2 unchanged, 1 duplicates; lake unchanged at load 1" in repr(lake.ingest(pl.DataFrame(ROWS)))


def test_a_database_says_its_source_interval_zone_and_filters(lake: pda.Lake) -> None:
    lake.ingest(pl.DataFrame(ROWS))
    with pda.connect(lake, timezone="Europe/Lisbon", since="2026-01-01", account="<b>") as db:
        text, page = repr(db), db._repr_html_()
    assert text.startswith("<Database: source 2 runs as of load 1 ")
    assert "interval from 2026-01-01; days in Europe/Lisbon" in text
    assert "accounts <b>;" in text
    assert escape("<b>") in page
    assert "<b>" not in page


def test_a_lake_shows_its_runs_and_its_newest_load(lake: pda.Lake) -> None:
    assert "<td" in lake._repr_html_()
    assert ">none<" in lake._repr_html_()
    assert not lake.exists, "to look at a lake makes none"
    lake.ingest(pl.DataFrame(ROWS))
    assert ">2<" in lake._repr_html_()
    assert "load 1 (" in lake._repr_html_()


@pytest.mark.parametrize("make", [lambda lake: lake, lambda lake: pda.connect(lake), lambda lake: pda.load([wire()])])
def test_a_summary_is_short(lake: pda.Lake, make: Any) -> None:
    lake.ingest(pl.DataFrame(ROWS))
    shown = make(lake)
    assert len(repr(shown)) < 400
    assert " object at 0x" not in repr(shown)
    assert shown._repr_html_().count("<tr>") <= 8

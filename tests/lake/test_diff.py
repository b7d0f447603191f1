"""What changed between two states of a lake, against rows that are small enough to add up by eye."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import wire

import polydoc_analytics as pda

FIRST = [
    wire("a", credits=3, input_tokens=10, output_tokens=20),
    wire("b", status="Running", finished_at=None, output_file_id=None, credits=None),
    wire("c", account_id="globex", target_language="French", credits=7),
]
SECOND = [
    wire("b", credits=5, input_tokens=1, output_tokens=2),
    wire("d", account_id="globex", target_language="fr", credits=None, input_tokens=4, output_tokens=6),
]


@pytest.fixture(scope="module")
def two_loads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff") / "lake"
    for rows in (FIRST, SECOND):
        pda.Lake(folder).ingest(pl.DataFrame(rows, infer_schema_length=None))
    return folder


@pytest.fixture
def lake(two_loads: Path, tmp_path: Path) -> pda.Lake:
    return pda.Lake(shutil.copytree(two_loads, tmp_path / "lake"))


def figures(found: pda.LakeDiff) -> dict[tuple[str, str, str], tuple[Any, Any, Any]]:
    return {row[:3]: row[3:] for row in found.figures.iter_rows()}  # type: ignore[misc]


def test_figures_that_changed_and_no_others_are_shown_with_both_sides(lake: pda.Lake) -> None:
    found = figures(lake.diff(1, 2))
    assert found == {
        ("acme", "de", "succeeded_runs"): (1, 2, 1),
        ("acme", "de", "running_runs"): (1, 0, -1),
        ("acme", "de", "credits"): (3, 8, 5),
        ("acme", "de", "input_tokens"): (1010, 11, -999),
        ("acme", "de", "output_tokens"): (1220, 22, -1198),
        ("globex", "fr", "runs"): (1, 2, 1),
        ("globex", "fr", "succeeded_runs"): (1, 2, 1),
        ("globex", "fr", "input_tokens"): (1000, 1004, 4),
        ("globex", "fr", "output_tokens"): (1200, 1206, 6),
    }


def test_the_runs_behind_the_figures_say_what_became_of_them(lake: pda.Lake) -> None:
    rows = {row["id"]: row for row in lake.diff(1, 2).runs.to_dicts()}
    assert {name: row["change"] for name, row in rows.items()} == {"b": "changed", "d": "added"}
    fields = {"finished_at", "status", "credits", "input_tokens", "output_tokens", "output_file_id"}
    assert set(rows["b"]["fields"].split(", ")) == fields
    assert (rows["b"]["status_before"], rows["b"]["status_after"]) == ("Running", "Succeeded")
    assert (rows["b"]["credits_before"], rows["b"]["credits_after"]) == (None, 5)
    assert (rows["d"]["account_id"], rows["d"]["language"], rows["d"]["fields"]) == ("globex", "fr", None)


def test_the_way_back_is_the_same_with_the_sign_turned(lake: pda.Lake) -> None:
    there, back = lake.diff(1, 2), lake.diff(2, 1)
    turned = {key: (after, before, -change) for key, (before, after, change) in figures(there).items()}
    assert figures(back) == turned
    assert sorted(back.runs["change"]) == ["changed", "removed"]


def test_the_differences_are_those_of_the_views_as_of_both_loads(lake: pda.Lake) -> None:
    sums = {}
    for load in (1, 2):
        with pda.connect(lake, as_of=load) as db:
            for row in db.view("usage_by_account_language").iter_rows(named=True):
                for figure in ("runs", "failed_runs", "credits", "input_tokens"):
                    key = (row["account_id"], row["language"], figure)
                    sums.setdefault(key, {})[load] = row[figure]
    expected = {key: (both[1], both[2]) for key, both in sums.items() if both[1] != both[2]}
    found = {key: sides[:2] for key, sides in figures(lake.diff(1, 2)).items() if key in sums}
    assert found == expected


def test_equal_states_have_no_difference_and_the_newest_is_the_default(lake: pda.Lake) -> None:
    same = lake.diff(2)
    assert (same.figures.height, same.runs.height) == (0, 0)
    assert same.before == same.after


def test_an_account_that_appears_begins_at_zero_and_unknown_stays_unknown(tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    lake.ingest(pl.DataFrame([wire("a")]))
    lake.ingest(pl.DataFrame([wire("b", account_id="new", credits=None)], schema_overrides={"credits": pl.Int64}))
    found = figures(lake.diff(1, 2))
    assert found["new", "de", "runs"] == (0, 1, 1)
    assert found["new", "de", "credits"] == (0, None, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [([-(2**62)], [2**62]), ([2**62], [2**62, 2**62])],
    ids=["the change of sums that fit", "a sum"],
)
def test_what_does_not_fit_64_bits_is_told_as_an_absurd_number_and_not_as_damage(
    before: list[int], after: list[int], tmp_path: Path
) -> None:
    lake = pda.Lake(tmp_path / "lake")
    for numbers in (before, after):
        rows = [wire(f"r{at}", account_id="acme\n2", input_tokens=number) for at, number in enumerate(numbers)]
        lake.ingest([*rows, wire("z", account_id="zeta", input_tokens=len(numbers))], correct=True)
    with pytest.raises(pda.SumError) as caught:
        lake.diff(1, 2)
    assert caught.value.accounts == ("acme\n2",)
    assert r"input_tokens of account 'acme\n2', or their change, do not fit into 64 bits" in str(caught.value)
    assert "repair" not in str(caught.value)


def test_a_change_of_the_greatest_numbers_that_fit_is_exact(tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    for number in (-(2**62), 2**62 - 1):
        lake.ingest([wire("r", input_tokens=number)], correct=True)
    assert figures(lake.diff(1, 2)) == {("acme", "de", "input_tokens"): (-(2**62), 2**62 - 1, 2**63 - 1)}


def test_the_command_shows_figures_and_runs(lake: pda.Lake, cli: Any) -> None:
    result = cli("lake", "diff", "1", "2", "--lake", lake.place.shown)
    assert result.code == 0
    assert "Changed figures from load 1 to load 2" in result.out
    assert "2 runs behind them" in result.out
    content = json.loads(cli("lake", "diff", "1", "--lake", lake.place.shown, "--json").out)
    assert [section["name"] for section in content["sections"]] == ["figures", "runs"]
    assert len(content["sections"][0]["data"]) == 9
    wrong = cli("lake", "diff", "1", "7", "--lake", lake.place.shown)
    assert wrong.code == 2
    assert len(wrong.err.splitlines()) == 1

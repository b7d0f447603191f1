"""The contestants of the benchmarks answer alike, so that what is timed is the same work."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT
from support.repetitions import Soak, slow
from support.some_views import ONE_OF_EACH

import polydoc_analytics as pda

BENCHMARKS = ROOT / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="the benchmarks are not beside these tests")
sys.path.insert(0, str(BENCHMARKS))

NEEDS = {"pandas": ("pandas",), "sail": ("pysail", "pyspark"), "dlt": ("dlt",)}
"""What a contestant needs that the tests' own packages may lack, by the first word of its name."""
CONTESTANTS = ("ours", "floor", "duckdb", "polars", "pandas-arrow", "pandas", "sail", "dlt-arrow", "dlt-tuned", "dlt")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "runs.ndjson"
    pda.write_sample(path, runs=2_000, seed=5)
    return path


def answer(name: str, source: Path, destination: Path) -> dict[str, Any]:
    from compare import CONTESTANTS as SCRIPTS

    command = next(one for one in SCRIPTS if one.name == name).command(source, destination)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stored, line = done.stdout.splitlines()[-2:]
    assert stored == "stored"
    return dict(json.loads(line))


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ours") / "stored"


@pytest.fixture(scope="module")
def ours(runs: Path, export: Path) -> dict[str, Any]:
    return answer("ours", runs, export)


@pytest.mark.parametrize(
    "name", ["duckdb", "polars", *map(slow, ("pandas", "sail", "dlt-tuned", "pandas-arrow", "dlt-arrow", "dlt"))]
)
def test_contestants_say_what_this_package_says(name: str, runs: Path, ours: dict[str, Any], tmp_path: Path) -> None:
    from agreement import differences

    for module in NEEDS.get(name.split("-")[0], ()):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    assert differences(ours, answer(name, runs, tmp_path / "stored")) == []


def test_the_floor_counts_runs_twice_that_were_seen_twice(runs: Path, ours: dict[str, Any], tmp_path: Path) -> None:
    from agreement import differences

    floor = answer("floor", runs, tmp_path / "stored")
    assert differences(ours, floor)
    assert sum(row[1] for row in ours["by_account"]) == 2_000
    assert sum(row[1] for row in floor["by_account"]) == len(runs.read_bytes().splitlines())


def test_every_contestant_is_tested() -> None:
    from compare import NAMES

    assert set(NAMES) == set(CONTESTANTS)


def test_the_page_shows_what_was_measured() -> None:
    import page
    import results

    text = (BENCHMARKS / "README.md").read_text("utf-8")
    assert page.filled(text, results.load(BENCHMARKS / "results.json")) == text


SOME = (*ONE_OF_EACH, "usage", "usage_by_account")


def rows_of(con: Any, sql: str) -> int:
    return int(con.execute(f"select count(*) from ({sql})").fetchone()[0])


@pytest.mark.usefixtures("ours")
def test_views_and_the_sql_by_hand_have_as_many_rows(export: Path) -> None:
    """By language, the SQL by hand has a group for each spelling."""
    import duckdb
    from views import pairs

    with duckdb.connect() as con, pda.connect(export, timezone="Europe/Lisbon") as db:
        con.execute("set timezone = 'UTC'")
        for name, columns, ours, theirs in pairs(f"{export}/*/*.parquet"):
            if not Soak.is_on and (name not in SOME or (columns == "sums" and name != "usage_daily_by_account")):
                continue  # the rows of sums are those of the same view with all columns
            here, there = (rows_of(one, sql) for one, sql in ((db.duckdb, ours), (con, theirs)))
            if name == "coverage":
                assert (here, there) == (5, 1)
            else:
                assert 0 < here <= there if "language" in name else here == there, name

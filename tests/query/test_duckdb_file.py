"""`export usage.duckdb`: a file that plain DuckDB reads, with the figures of `connect()` and what they are of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from polars.testing import assert_frame_equal
from support.paths import SAMPLE
from support.repetitions import Soak, slow
from support.runs import wire
from support.some_views import ONE_OF_EACH

import polydoc_analytics as pda
from polydoc_analytics.cli import run

NOW = "2026-11-15T12:00:00Z"
ACCOUNTS = {"2195c09b-f91b-4594-ae13-1b520312866d": "Acme Ltd"}
CHOICES: dict[str, dict[str, Any]] = {
    "everything": {},
    "a month by finish": {"period": "2026-10", "timezone": "Europe/Lisbon", "date_basis": "finished"},
    "some languages": {"since": "2026-09-15T12:00:00Z", "language": ["de", "fr"], "timezone": "Asia/Kathmandu"},
}


@pytest.fixture(params=["some languages", slow("everything"), slow("a month by finish")])
def choices(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**CHOICES[request.param], "now": NOW, "accounts": ACCOUNTS}


@pytest.fixture(scope="module")
def of_everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that tests read or copy."""
    path = tmp_path_factory.mktemp("everything") / "usage.duckdb"
    pda.export(SAMPLE, path, now=NOW)
    return path


@pytest.fixture
def opened(tmp_path: Path, choices: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    pda.export(SAMPLE, tmp_path / "usage.duckdb", **choices)
    with duckdb.connect(str(tmp_path / "usage.duckdb"), read_only=True) as con:
        con.execute("set timezone = 'America/New_York'")  # what the session says does not count
        yield con


def test_each_view_of_the_file_is_the_view_of_the_source(
    opened: duckdb.DuckDBPyConnection, choices: dict[str, Any]
) -> None:
    with pda.connect(SAMPLE, **choices) as db:
        for view in db.catalog.values():
            if not Soak.is_on and view.name not in (*ONE_OF_EACH, "conservation"):
                continue
            order = f" order by {', '.join(view.ordered_by)}" if view.ordered_by else ""
            there = opened.sql(f"select * from {view.name}{order}").pl()
            here = db.view(view.name)
            if not view.ordered_by:
                there, here = there.sort(there.columns[0]), here.sort(here.columns[0])
            instants = [name for name, kind in here.schema.items() if str(kind).startswith("Datetime")]
            there = there.with_columns(there[name].dt.convert_time_zone("UTC") for name in instants)
            assert_frame_equal(
                there.select(here.columns), here, check_row_order=bool(view.ordered_by), check_dtypes=False
            )


def test_views_and_columns_carry_their_meaning_and_about_says_what_they_are_of(tmp_path: Path) -> None:
    pda.export(SAMPLE, tmp_path / "usage.duckdb", now=NOW, **CHOICES["a month by finish"])
    with duckdb.connect(str(tmp_path / "usage.duckdb"), read_only=True) as con:
        meant = con.sql("select comment from duckdb_views() where view_name = 'usage_daily'").fetchall()
        column = con.sql(
            "select comment from duckdb_columns() where table_name = 'usage_daily' and column_name = 'credits'"
        ).fetchall()
        about = {name: value for name, value, _ in con.sql("select * from about").fetchall()}
        bare = con.sql("select table_name from duckdb_tables() where comment is null").fetchall()
    assert meant == [
        ("Usage by local day: runs, failures, tokens, credits and durations. Grain: one local day that has runs.",)
    ]
    assert column == [("sum of known credits; null when there are runs and none is known",)]
    assert bare == []
    assert {name: about[name] for name in ("timezone", "since", "until", "date_basis", "read")} == {
        "timezone": "Europe/Lisbon",
        "since": "2026-09-30T23:00:00+00:00",
        "until": "2026-11-01T00:00:00+00:00",
        "date_basis": "finished",
        "read": "2027",
    }


def test_plain_duckdb_reads_it_in_a_process_that_has_not_this_package(of_everything: Path) -> None:
    code = """
import sys
sys.modules["polydoc_analytics"] = None
import duckdb
con = duckdb.connect("usage.duckdb", read_only=True)
views = [name for (name,) in con.execute("select view_name from duckdb_views() where not internal").fetchall()]
counts = [con.execute(f"select count(*) from {name}").fetchall()[0][0] for name in ("runs", "usage_by_account")]
print(len(views), counts)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=of_everything.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(" ", 1)[1] == "[2000, 12]\n"


def test_a_new_file_takes_the_place_of_the_old_one_as_a_whole(of_everything: Path, tmp_path: Path) -> None:
    path = tmp_path / "usage.duckdb"
    path.write_bytes(of_everything.read_bytes())
    with pytest.raises(pda.UsageError, match="exists already; replace it with --overwrite"):
        pda.export(SAMPLE, path, now=NOW)
    with duckdb.connect(str(path), read_only=True) as reader:
        written = pda.export(SAMPLE, path, now=NOW, period="2026-10", overwrite=True)
        assert reader.sql("select runs from usage").fetchall() == [(2000,)]  # a reader keeps what it has opened
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.sql("select runs from usage").fetchall() == [(written.runs,)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["usage.duckdb"]


def test_what_is_no_export_is_not_replaced_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create table precious as select 1 as a")
    with pytest.raises(pda.UsageError, match="is no database file that this package has written"):
        pda.export(SAMPLE, path, overwrite=True)
    with pytest.raises(pda.SourceError, match="cannot be written"):
        pda.export(SAMPLE, tmp_path / "nowhere" / "usage.duckdb")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.duckdb"]


def test_a_number_that_does_not_fit_is_told_with_its_run_and_leaves_no_file(tmp_path: Path) -> None:
    absurd = wire("r1", account_id="acme", input_tokens=2**63 - 1, output_tokens=4)
    file = tmp_path / "usage.duckdb"
    with pda.connect([absurd, wire("r2", account_id="zeta")], now=NOW) as db:
        with pytest.raises(
            pda.SumError, match=r"run 'r1' of account 'acme' has 9,223,372,036,854,775,807 input_tokens"
        ):
            db.export(file)
        assert list(tmp_path.iterdir()) == []
        with db.without(["acme"]) as rest:
            assert rest.export(file).runs == 1


def test_your_own_views_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "busy.sql").write_text(
        "-- Busy days.\n-- grain: one day\n-- day: the day\n-- runs: runs\n"
        "select period as day, runs from usage_daily where runs > 5"
    )
    pda.export(SAMPLE, tmp_path / "usage.duckdb", views=tmp_path / "views", now=NOW)
    with duckdb.connect(str(tmp_path / "usage.duckdb"), read_only=True) as con:
        [(days,)] = con.sql("select count(*) from busy").fetchall()
    with pda.connect(SAMPLE) as db:
        assert days == db.view("usage_daily").filter(db.view("usage_daily")["runs"] > 5).height


@pytest.mark.parametrize("choice", [{"account": "acme"}, {"language": ["de", "Elvish of old"]}], ids=str)
def test_a_file_of_some_accounts_or_languages_holds_nothing_of_others(choice: dict[str, Any], tmp_path: Path) -> None:
    rows = [
        wire("r1", account_id="acme", target_language="de"),
        wire("r2", account_id="acme", target_language="Elvish of old"),
        wire("r3", account_id="others-id", target_language="Others' tongue", input_file_id="others-file"),
        wire("r4", account_id="others-id", target_language="is"),
    ]
    names = {"acme": "Acme Ltd", "others-id": "Others Ltd", "without runs": "Others without runs"}
    pda.export(rows, tmp_path / "usage.duckdb", accounts=names, now=NOW, **choice)
    with duckdb.connect(str(tmp_path / "usage.duckdb"), read_only=True) as con:
        assert con.sql("from account_names").fetchall() == [("acme", "Acme Ltd")]
        assert sorted(con.sql("select target_language from languages").fetchall()) == [("Elvish of old",), ("de",)]
        assert con.sql("from language_names").fetchall() == [("de", "German")]
        assert con.sql("select account_name, runs from usage_by_account").fetchall() == [("Acme Ltd", 2)]
    held = (tmp_path / "usage.duckdb").read_bytes().lower()
    assert b"others" not in held
    assert b"icelandic" not in held


def test_the_command_says_what_it_has_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "usage.duckdb"
    assert run(["export", str(SAMPLE), str(path), "--period", "2026-10", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["since"] == "2026-10-01T00:00:00Z"
    assert said["data"][0]["path"] == str(path)
    assert run(["export", str(SAMPLE), str(tmp_path / "folder"), "--period", "2026-10"]) == 2
    assert "--period is for a DEST that ends in .duckdb alone" in capfd.readouterr().err
    with pytest.raises(pda.UsageError, match=r"for a file that ends in \.duckdb alone"):
        pda.export(SAMPLE, tmp_path / "folder", period="2026-10")

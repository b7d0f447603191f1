"""Views are created when they are first named; nobody can tell from the outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from support.paths import SAMPLE
from support.repetitions import slow
from support.some_views import each_of_soak

import polydoc_analytics as pda
from polydoc_analytics.views import catalog


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "runs"
    pda.export(SAMPLE, folder)
    return folder


def _created(db: pda.Database) -> set[str]:
    rows = db._engine._con.execute("select view_name from duckdb_views() where not internal").fetchall()  # type: ignore[attr-defined]
    return {row[0] for row in rows}


@pytest.mark.parametrize("name", each_of_soak())
def test_each_view_brings_those_that_it_is_built_on(export: Path, name: str) -> None:
    with pda.connect(export) as db:
        frame = db.view(name)
        assert frame.columns == list(db.catalog[name].columns)
        assert name not in _created(db)
        assert db.sql(f"select count(*) from {name}").item() == frame.height
        assert name in _created(db)
        assert len(_created(db)) < len(catalog())
        assert_frame_equal(db.view(name), frame, check_row_order=bool(db.catalog[name].ordered_by))


def test_what_is_named_is_created_and_nothing_else(export: Path) -> None:
    with pda.connect(export) as db:
        assert _created(db) == {"observed"}
        db.view("usage")
        assert _created(db) == {"observed", "run_facts"}, "what is read whole is a part of the query"
        db.sql("select failed_runs from usage")
        assert _created(db) == {"observed", "run_facts", "usage"}


def test_a_view_of_ones_own_brings_those_that_it_is_built_on_and_no_other(export: Path, tmp_path: Path) -> None:
    header = "-- Days.\n-- grain: one day\n-- day: the day\n"
    (tmp_path / "busy.sql").write_text(f"{header}select period as day from usage_daily where credits > 20", "utf-8")
    (tmp_path / "busiest.sql").write_text(f"{header}select max(day) as day from busy", "utf-8")
    with pda.connect(export, views=tmp_path) as db:
        assert _created(db) == {"observed", "run_facts", "usage_daily", "busy", "busiest"}
        assert db.view("busiest")["day"].item() == db.view("busy")["day"].max()


@pytest.mark.parametrize(
    ("choices", "is_kept"),
    [
        slow({}, True),
        ({"language": "de"}, True),
        slow({"period": "2026-09"}, False),
        ({"until": "2026-10-10"}, False),
        slow({"date_basis": "finished"}, False),
    ],
)
def test_the_places_of_several_runs_are_kept_where_every_run_counts(
    export: Path, choices: dict[str, str], is_kept: bool
) -> None:
    """Requests and suspicious runs both look for them; a connection of one's own works them out for each view."""
    names = ("data_quality", "requests", "request_rates_by_account")
    with pda.connect(export, now="2026-11-02T09:00Z", **choices) as db:
        alone = db.view("data_quality")
        found = {name: db.view(name) for name in reversed(names)}
        assert_frame_equal(found["data_quality"], alone)
        assert ("kept_places" in db._engine._with_views("from data_quality")) == is_kept  # type: ignore[attr-defined]
        tables = db._engine._con.execute("select table_name from duckdb_tables()").fetchall()  # type: ignore[attr-defined]
        assert (("kept_places",) in tables) == is_kept
        assert found["requests"].height
        for name, frame in found.items():
            assert_frame_equal(db.duckdb.sql(f"select * from {name}").pl(), frame, check_row_order=False)
            assert_frame_equal(db.sql(f"select * from {name}"), frame, check_row_order=False)


@pytest.mark.parametrize(
    "sql",
    [
        'select runs from "usage"',
        "select runs from UsAgE",
        "with usage_by_day as (select 2000 as runs) select runs from usage_by_day",
    ],
)
def test_a_view_is_found_however_it_is_named(export: Path, sql: str) -> None:
    with pda.connect(export) as db:
        assert db.sql(sql).item() == 2000


def test_whoever_lists_views_sees_all_of_them(export: Path) -> None:
    with pda.connect(export) as db:
        listed = db.sql("select view_name from duckdb_views() where not internal")["view_name"]
        assert set(catalog()) < set(listed)
        assert set(catalog()) < _created(db)
    with pda.connect(export) as db:
        assert set(catalog()) < {row[0] for row in db.duckdb.execute("select view_name from duckdb_views()").fetchall()}


def test_a_name_that_is_none_is_answered_with_the_nearest_view(export: Path) -> None:
    with pda.connect(export) as db, pytest.raises(pda.QueryError, match=r'Did you mean "usage_by_account'):
        db.sql("select * from usage_by_acount")


def test_an_export_is_asked_without_what_loading_needs(export: Path) -> None:
    code = f"""if True:
    import sys
    import polydoc_analytics as pda
    with pda.connect({str(export)!r}) as db:
        print(db.view("usage")["runs"].item())
    loaded = {{"pyarrow", "numpy", "pandas", "pandera", "polydoc_analytics.loaders.validation"}} & set(sys.modules)
    print(sorted(loaded))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2000\n[]\n", "")

"""Results of the package's own queries: few rows are fetched in another way than many, and nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.paths import SAMPLE
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.query.engines import duckdb
from polydoc_analytics.query.engines.results import _FEW_ROWS, _SIMPLE, own_frame_of

ODD = [
    "hugeint '170141183460469231731687303715884105727'",
    "timestamptz '2026-03-02 10:00:00Z'",
    "interval 3 month",
    "cast(1.5 as decimal(9, 2))",
    "[1, 2]",
    "date 'infinity'",
    "date '-infinity'",
    "date '9999-12-31'",
    "date '0044-03-15 (BC)'",
    "null",
]


@pytest.fixture(scope="module")
def db() -> Iterator[pda.Database]:
    with pda.connect([wire("a"), wire("b")]) as db:
        yield db


def hold(db: pda.Database, sql: str) -> None:
    """Hold that a query has the names, types and values of a relation, and that another can follow it."""
    relation = own_frame_of(db._engine._con.sql(sql))  # type: ignore[attr-defined]
    for _ in range(2):
        found = db.fetch(sql)
        assert found.schema == relation.schema
        assert found.equals(relation)


@pytest.mark.parametrize("count", [0, 1, _FEW_ROWS, _FEW_ROWS + 1, 20_000])
def test_rows_of_all_simple_types_are_those_of_a_relation(db: pda.Database, count: int) -> None:
    given = {"date": "date '0001-01-01' + cast(i as integer)", "boolean": "i % 2 = 0", "varchar": "'日' || i"}
    values = [f"cast({given.get(kind, 'i % 100')} as {kind})" for kind in sorted(_SIMPLE)]
    columns = [f"case when i % 3 > 0 then {value} end as c{at}" for at, value in enumerate(values)]
    hold(db, f"select {', '.join(columns)} from range({count}) as r(i) order by i")


@pytest.mark.parametrize("value", [*ODD, "double 'nan'", "double '-infinity'", "float '0.1'"])
def test_values_that_are_not_simple_are_those_of_a_relation(db: pda.Database, value: str) -> None:
    hold(db, f"select i, {value} as odd from range(3) as r(i) order by i")


def test_over_many_runs_the_same_is_answered(db: pda.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    few = db.view("usage_daily")
    monkeypatch.setattr(duckdb, "_FEW_RUNS", 1)
    assert db.view("usage_daily").equals(few)


@pytest.mark.parametrize("few_runs", [1, 20_000])
def test_a_view_that_has_instants_comes_as_rows_too(few_runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample has more of them than come at once, so that some are left when they turn out not to be plain."""
    monkeypatch.setattr(duckdb, "_FEW_RUNS", few_runs)
    with pda.connect(SAMPLE) as db:
        assert db.rows("runs").rows == db.view("runs").rows()
        assert db.rows("usage")["runs"] == [2000]

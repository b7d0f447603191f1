"""`views --sql`: statements that run where they are taken, and give the same figures there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlglot
from support.clusters import few
from support.paths import SAMPLE
from support.postgres_server import Postgres

import polydoc_analytics as pda
from polydoc_analytics import views
from polydoc_analytics.cli import run
from polydoc_analytics.model.schema import COLUMNS
from polydoc_analytics.views import custom
from polydoc_analytics.views.ddl import DIALECTS, statements

ZONE = "Europe/Lisbon"
KINDS = {"text": "text", "instant": "timestamptz", "integer": "bigint"}


@pytest.fixture(scope="module")
def here() -> Iterator[pda.Database]:
    with pda.connect(SAMPLE, timezone=ZONE) as db:
        yield db


def written(dialect: str, table: str = "my_runs") -> str:
    return statements(views.catalog().values(), dialect, table=table, timezone=ZONE)


def hold(here: pda.Database, name: str, rows: list[tuple[Any, ...]], columns: list[str]) -> None:
    """Hold that rows are those of a view: counts and sums exactly, doubles to 1e-9; not what depends on now."""
    view = views.view(name)
    assert columns == list(view.columns)
    keys = [*view.ordered_by] or [
        column for column in ("id", "rule", "field", "identity", "measure") if column in columns
    ]
    there = [dict(zip(columns, row, strict=True)) for row in rows]
    mine = here.view(name).rows(named=True)
    assert len(there) == len(mine)
    by_key = {tuple(str(row[key]) for key in keys): row for row in there}
    for row in mine:
        other = by_key[tuple(str(row[key]) for key in keys)]
        for column, value in row.items():
            if row.get("rule") == "created_in_future":
                continue
            got = other[column]
            if isinstance(value, float) and got is not None:
                assert float(got) == pytest.approx(value, rel=1e-9), (name, row, column)
            elif isinstance(value, datetime):
                assert got.timestamp() == value.timestamp()
            else:
                assert type(got) in (type(value), Decimal), (name, column)
                assert got == value, (name, row, column)


def test_duckdb_runs_them(here: pda.Database) -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        runs, languages = (
            here.duckdb.sql(f"select * from {name}").to_arrow_table() for name in ("observed", "languages")
        )
        con.execute("create table my_runs as select * from runs")
        con.execute("create table languages as select * from languages")
        con.execute(written("duckdb"))
        for name in views.catalog():
            table = con.sql(f"select * from {name}").to_arrow_table()
            hold(here, name, list(pl.DataFrame(table).rows()), table.column_names)
        assert runs.num_rows == 2000
        assert languages.num_rows > 20


def test_spark_runs_them(here: pda.Database, cluster: str, tmp_path: Path) -> None:
    pda.export(SAMPLE, tmp_path / "runs")
    with pda.connect(tmp_path / "runs", engine="spark", remote=cluster) as there:
        spark = there.spark
        base = [name for name in custom.BASE if name.startswith("run_") or name.endswith(("_names", "request_facts"))]
        for name in (*views.catalog(), *base):
            spark.catalog.dropTempView(name)
        for statement in written("spark", "observed").split(";\n"):
            text = statement.strip().removesuffix(";")
            # A temporary view, for the server of the tests keeps no catalog of its own.
            spark.sql(text.replace("create view", "create temporary view", 1)).toArrow()
        for name in few(cluster, list(views.catalog())):
            table = spark.table(name).toArrow()
            hold(here, name, list(pl.DataFrame(table).rows()), table.column_names)


def test_postgres_runs_them(here: pda.Database, postgres: Postgres) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres.owner) as con, con.cursor() as cursor:
        cursor.execute("create schema elsewhere")
        cursor.execute("set search_path = elsewhere")
        cursor.execute(f"create table my_runs ({', '.join(f'{c.name} {KINDS[c.kind]}' for c in COLUMNS)})")
        cursor.execute("create table languages (target_language text, language text, language_name text,"
            " is_known_language boolean)")  # fmt: skip
        names = ", ".join(c.name for c in COLUMNS)
        for table, sql in (("my_runs", f"select {names} from observed"), ("languages", "select * from languages")):
            content = here.duckdb.sql(sql).to_arrow_table()
            cursor.adbc_ingest(table, content, mode="append", db_schema_name="elsewhere")
        for statement in written("postgres").split(";\n"):
            cursor.execute(statement)
        for name in views.catalog():
            cursor.execute(f"select * from {name}")
            table = cursor.fetch_arrow_table()
            hold(here, name, list(pl.DataFrame(table).rows()), table.column_names)
        con.rollback()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_is_one_of_its_dialect_and_says_who_has_run_it(dialect: str) -> None:
    text = written(dialect)
    found = [one for one in sqlglot.parse(text, read=dialect) if one is not None]
    base = ["run_facts", "run_facts_with_language", "run_history", "language_names", "account_names"]
    base += ["all_request_facts", "request_facts"]
    assert [one.this.name for one in found] == [*base, *views.catalog()]
    assert all(one.kind == "VIEW" for one in found)
    said = text.splitlines()[0]
    assert ("a test runs them" in said) == (dialect in ("duckdb", "spark", "postgres"))
    assert ("no test has run them" in said) == (dialect in ("databricks", "snowflake"))


def test_the_command_prints_a_view_with_all_that_it_stands_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["views", "conservation", "--sql", "--dialect", "spark", "--table", "db.runs"]) == 0
    text = capfd.readouterr().out
    assert "from db.runs" in text
    assert text.index("create view usage as") < text.index("create view conservation as")
    assert "create view durations" not in text
    assert run(["views", "--sql", "--dialect", "spork"]) == 2
    said = capfd.readouterr().err
    assert "did you mean spark?; expected duckdb, spark, databricks, postgres, snowflake" in said


def test_days_of_the_statements_are_those_of_the_zone() -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute("create table languages (target_language text, language text, language_name text,"
            " is_known_language boolean)")  # fmt: skip
        columns = ", ".join(f"cast(null as {KINDS[c.kind]}) as {c.name}" for c in COLUMNS if c.name != "created_at")
        instants = ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "1971-01-01T00:00:00Z", "2099-07-01T23:30:00Z"]
        values = ", ".join(f"(timestamptz '{one}')" for one in instants)
        con.execute(f"create table my_runs as select created_at, {columns} from (values {values}) as t (created_at)")
        con.execute(written("duckdb"))
        days = con.sql("select day, week, month from run_facts order by created_at").fetchall()
    assert days[1:] == [
        (date(2026, 10, 25), date(2026, 10, 19), date(2026, 10, 1)),
        (date(2026, 10, 25), date(2026, 10, 19), date(2026, 10, 1)),
        (date(2099, 7, 2), date(2099, 6, 29), date(2099, 7, 1)),
    ]

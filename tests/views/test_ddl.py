"""`views --sql`: statements that run where they are taken, and give the same figures there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlglot
from support.clusters import LONG_PLANNED, SLOW, few
from support.paths import SAMPLE
from support.postgres_server import Postgres
from support.repetitions import Soak
from support.some_views import ONE_OF_EACH

import polydoc_analytics as pda
from polydoc_analytics import views
from polydoc_analytics.cli import run
from polydoc_analytics.model.languages import languages
from polydoc_analytics.model.schema import COLUMNS
from polydoc_analytics.views.ddl import DIALECTS, Target, statements

ZONE = "Europe/Lisbon"
LANGUAGES = tuple(pda.load(SAMPLE).runs["target_language"].unique().sort())
BASE = ["run_facts", "languages", "language_names", "account_names", "run_facts_with_language", "run_history"]
BASE += ["all_request_facts", "request_facts"]
AMONG_THEM = ["runs", "usage_daily_by_account", "usage_by_language", "request_rates", "conservation"]
"""Views that between them stand on all others."""
KINDS = {"text": "text", "instant": "timestamptz", "integer": "bigint"}


@pytest.fixture(scope="module")
def here() -> Iterator[pda.Database]:
    with pda.connect(SAMPLE, timezone=ZONE) as db:
        yield db


def written(dialect: str, table: str = "my_runs", *, names: Sequence[str] | None = None, **where: Any) -> str:
    target = Target(dialect, table, ZONE, languages=languages(LANGUAGES), **where)
    chosen = views.catalog().values() if names is None else [views.view(name) for name in names]
    return statements(chosen, target, views.catalog())


@cache
def expected(here: pda.Database, name: str) -> list[dict[str, Any]]:
    return here.view(name).rows(named=True)


def hold(here: pda.Database, name: str, rows: list[tuple[Any, ...]], columns: list[str]) -> None:
    """Hold that rows are those of a view: counts and sums exactly, doubles to 1e-9; not what depends on now."""
    view = views.view(name)
    assert columns == list(view.columns)
    keys = [*view.ordered_by] or [
        column for column in ("id", "rule", "field", "identity", "measure") if column in columns
    ]
    there = [dict(zip(columns, row, strict=True)) for row in rows]
    mine = expected(here, name)
    assert len(there) == len(mine)
    by_key = {tuple(str(row[key]) for key in keys): row for row in there}
    for row in mine:
        other = by_key[tuple(str(row[key]) for key in keys)]
        for column, value in row.items():
            if row.get("rule") == "created_in_future":
                continue
            got = other[column]
            if isinstance(value, float) and got is not None:
                assert math.isclose(got, value, rel_tol=1e-9, abs_tol=1e-12), (name, row, column)
            elif isinstance(value, datetime):
                assert got.timestamp() == value.timestamp()
            else:
                assert type(got) in (type(value), Decimal), (name, column)
                assert got == value, (name, row, column)


def test_duckdb_runs_them(here: pda.Database) -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        con.execute("create schema elsewhere")
        runs = here.duckdb.sql("select * from observed").to_arrow_table()
        con.execute("create table runs as select * from runs")
        # Once more, for what is there is replaced; and where a table of runs has the name of a view.
        # Views of each file of SQL here, and all of them on PostgreSQL and in `just soak`.
        everything = list(views.catalog())
        some = everything if Soak.is_on else [*ONE_OF_EACH, "conservation"]
        for where, names, asked in (
            ({"prefix": "pd_"}, everything, some),
            ({"schema": "elsewhere", "prefix": ""}, everything if Soak.is_on else AMONG_THEM[:-1], AMONG_THEM[:-1]),
            ({"schema": "elsewhere", "prefix": "p_"}, everything if Soak.is_on else AMONG_THEM[:2], AMONG_THEM[:2]),
        ):
            con.execute(written("duckdb", "main.runs", names=names, **where))
            if "schema" not in where:
                con.execute(written("duckdb", "main.runs", names=names if Soak.is_on else AMONG_THEM[:-1], **where))
            name_of = Target(**where).name
            for name in asked:
                table = con.sql(f"select * from {name_of(name)}").to_arrow_table()
                hold(here, name, list(pl.DataFrame(table).rows()), table.column_names)
        assert runs.num_rows == 2000


def test_duckdb_and_postgres_keep_what_views_and_columns_mean() -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute(f"create table my_runs ({', '.join(f'{c.name} {KINDS[c.kind]}' for c in COLUMNS)})")
        con.execute(written("duckdb"))
        meant = dict(con.sql("select view_name, comment from duckdb_views() where not internal").fetchall())
        columns = con.sql("select table_name, column_name, comment from duckdb_columns() where not internal").fetchall()
    for name, view in views.catalog().items():
        assert meant[name] == f"{view.title} Grain: {view.grain}."
        assert {column: text for table, column, text in columns if table == name} == view.columns


def test_a_spelling_that_is_not_listed_keeps_its_runs(here: pda.Database) -> None:
    import duckdb

    with duckdb.connect() as con:
        runs = here.duckdb.sql("select * from observed").to_arrow_table()
        con.execute("create table my_runs as select * from runs")
        few = {text: found for text, found in languages(LANGUAGES).items() if found.tag == "de"}
        con.execute(statements(views.catalog().values(), Target(table="my_runs", languages=few), views.catalog()))
        assert con.sql("select sum(runs) from usage_by_language").fetchall() == [(runs.num_rows,)]
        rows = dict(con.sql("select language, language_name from usage_by_language").fetchall())
        assert rows["de"] == "German"
        assert rows["French"] is None  # as it was sent


def test_the_usage_by_account_is_short_enough_to_be_read(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["views", "usage_by_account", "--sql"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120 and not line.startswith("comment on")] == []


@pytest.mark.parametrize("name", views.catalog())
def test_no_line_of_a_view_is_too_long_and_no_place_is_left(name: str) -> None:
    sql = views.render(views.view(name), views.RenderContext())
    assert [line for line in sql.splitlines() if len(line) > 120] == []
    assert "{{" not in sql
    # In other texts DuckDB's client looks for parameters letter by letter, in Python.
    assert sql.replace("\ufffd", "").isascii()


def test_spark_runs_them(here: pda.Database, cluster: str, tmp_path: Path) -> None:
    names = [name for name in views.catalog() if name not in LONG_PLANNED or (Soak.is_on and cluster not in SLOW)]
    asked = few(cluster, names)
    if not Soak.is_on and cluster not in SLOW:
        asked = AMONG_THEM[:-1]
    if cluster in SLOW or not Soak.is_on:
        names = list(asked)
    hold_on_spark(here, cluster, tmp_path, names, asked)


def test_apache_spark_runs_those_that_it_plans_for_long(here: pda.Database, apache_spark: str, tmp_path: Path) -> None:
    hold_on_spark(here, apache_spark, tmp_path, list(views.catalog()), (*LONG_PLANNED, "request_rates_weekly"))


def hold_on_spark(here: pda.Database, cluster: str, folder: Path, names: Sequence[str], asked: Sequence[str]) -> None:
    """Create views on a cluster by the statements, and hold some of them against those of the sample."""
    pda.export(SAMPLE, folder / "runs")
    with pda.connect(folder / "runs", engine="spark", remote=cluster) as there:
        spark = there._engine._session.spark  # type: ignore[attr-defined]  # without the views that there.spark makes
        for table in spark.catalog.listTables():
            assert table.name == "observed" or table.name in BASE
            if table.name in BASE:
                spark.catalog.dropTempView(table.name)
        for statement in written("spark", "observed", names=names).split(";\n"):
            text = statement.strip().removesuffix(";")
            # A temporary view, for the server of the tests keeps no catalog of its own.
            spark.sql(text.replace("create or replace view", "create or replace temporary view", 1)).toArrow()
        for name in asked:
            table = spark.table(name).toArrow()
            hold(here, name, list(pl.DataFrame(table).rows()), table.column_names)


def test_postgres_runs_them(here: pda.Database, postgres: Postgres) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres.owner) as con, con.cursor() as cursor:
        cursor.execute("create schema elsewhere")
        cursor.execute("set search_path = elsewhere")
        cursor.execute(f"create table my_runs ({', '.join(f'{c.name} {KINDS[c.kind]}' for c in COLUMNS)})")
        names = ", ".join(c.name for c in COLUMNS)
        content = here.duckdb.sql(f"select {names} from observed").to_arrow_table()
        cursor.adbc_ingest("my_runs", content, mode="append", db_schema_name="elsewhere")
        for names_again in (None, None if Soak.is_on else AMONG_THEM[:2]):
            for statement in written("postgres", names=names_again).split(";\n"):
                cursor.execute(statement)
        for name in views.catalog():
            cursor.execute(f"select * from {name}")
            table = cursor.fetch_arrow_table()
            hold(here, name, list(pl.DataFrame(table).rows()), table.column_names)
        con.rollback()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_is_one_of_its_dialect_and_says_who_has_run_it(dialect: str) -> None:
    # Of all views in one dialect, and of some in the others, which the tests above hand to their engines.
    is_whole = dialect == "duckdb" or Soak.is_on
    asked = [name for name in views.catalog() if is_whole or name in AMONG_THEM[:-1]]
    text = written(dialect, names=asked)
    found = [one for one in sqlglot.parse(text, read=dialect) if one is not None]
    created = [one for one in found if isinstance(one, sqlglot.exp.Create)]
    names = [one.this.this.name if isinstance(one.this, sqlglot.exp.Schema) else one.this.name for one in created]
    assert [name for name in names if name in views.catalog()] == asked
    below = BASE if is_whole else [name for name in BASE if name != "run_history"]
    assert [name for name in names if name not in views.catalog()] == below
    assert all(one.kind == "VIEW" and one.args["replace"] for one in created)
    assert all(isinstance(one, sqlglot.exp.Create | sqlglot.exp.Comment) for one in found)
    assert "a test runs them there" in text.splitlines()[0]
    assert tuple(DIALECTS) == ("duckdb", "spark", "postgres")


def test_the_command_prints_a_view_with_all_that_it_stands_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["views", "conservation", "--sql", "--dialect", "spark", "--table", "db.runs"]) == 0
    text = capfd.readouterr().out
    assert "from db.runs" in text
    assert text.index("replace view usage (") < text.index("replace view conservation (")
    assert "view durations" not in text
    assert run(["views", "--sql", "--dialect", "spork"]) == 2
    said = capfd.readouterr().err
    assert "did you mean spark?; expected duckdb, spark, postgres" in said
    assert run(["views", "--sql", "--table", "runs"]) == 2
    assert "would take the place of the table; give the views another --schema, or a --prefix" in capfd.readouterr().err


def test_days_of_the_statements_are_those_of_the_zone() -> None:
    import duckdb

    with duckdb.connect() as con:
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


def test_your_own_views_find_the_others_where_they_are(
    here: pda.Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import duckdb

    (tmp_path / "busy.sql").write_text(
        "-- Busy days.\n-- grain: one day\n-- day: the day\n-- runs: runs\n"
        "with usage as (select 5 as least) -- hides the view of that name\n"
        "select daily.period as day, daily.runs from usage_daily as daily, usage where daily.runs > least"
    )
    arguments = ["views", "busy", "--sql", "--views", str(tmp_path), "--prefix", "pd_", "--schema", "elsewhere"]
    assert run([*arguments, "--table", "main.runs", "--timezone", ZONE]) == 0
    text = capfd.readouterr().out
    assert "view elsewhere.pd_usage as" not in text
    with duckdb.connect() as con:
        runs = here.duckdb.sql("select * from observed").to_arrow_table()
        con.execute("create schema elsewhere")
        con.execute("create table runs as select * from runs")
        con.execute(text)
        assert con.sql("select count(*) from elsewhere.pd_busy").fetchall() == [
            (here.sql("select count(*) as days from usage_daily where runs > 5").item(),)
        ]
        assert runs.num_rows == 2000

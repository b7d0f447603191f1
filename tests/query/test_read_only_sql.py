"""A query reads the views and does nothing else: it writes nothing, reads no other file, and its memory is bounded."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.errors import first_line
from polydoc_analytics.lake.storage.read_only_files import ReadOnlyFiles
from polydoc_analytics.views.dialects.read_only_sql import check_reads_only

VIEW = "-- Numbers.\n-- grain: one number\n-- x: a number\n"


@pytest.fixture(scope="module")
def lake_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of three runs, which each test has a copy of."""
    folder = tmp_path_factory.mktemp("three") / "lake"
    pda.Lake(folder).ingest(pl.DataFrame([wire("a"), wire("b"), wire("c")]))
    return folder


@pytest.fixture
def lake(lake_of_all: Path, tmp_path: Path) -> pda.Lake:
    return pda.Lake(shutil.copytree(lake_of_all, tmp_path / "lake"))


@pytest.fixture(scope="module")
def of_all(lake_of_all: Path) -> Iterator[pda.Database]:
    """A database that tests only ask."""
    with pda.connect(lake_of_all) as db:
        yield db


@pytest.fixture
def files(lake: pda.Lake, tmp_path: Path) -> Iterator[list[Path]]:
    """The Parquet files of the lake, which must be the same afterwards."""
    found = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert found
    yield list(found)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == found


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the command line and return its exit code and what it printed."""

    def call(*arguments: object) -> SimpleNamespace:
        code = run([str(one) for one in arguments])
        out, err = capfd.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return call


def _writing(file: Path, other: Path) -> list[tuple[str, str]]:
    """Statements that would write, hidden in every place that SQL has for them, and what each is refused for."""
    copy = f"copy (select 1) to '{file}' (format parquet, use_tmp_file false)"
    return [
        (copy, "COPY"),
        (f"with x as ({copy}) select 1", "COPY"),
        (f"with x as materialized ({copy}) from x", "COPY"),
        (f"select 1 where exists (with x as ({copy}) select 1)", "COPY"),
        (f"select * from (with x as ({copy}) select 1)", "COPY"),
        (f"from usage order by (with x as ({copy}) select 1)", "COPY"),
        (f"with y as (select 1), x as (with z as ({copy}) select 2) select * from y union select * from x", "COPY"),
        (
            f"with recursive r as (select 1 as i union select i from r where 1 in (with x as ({copy}) from x)) from r",
            "COPY",
        ),
        (f"describe with x as ({copy}) select 1", "COPY"),
        (f"summarize with x as ({copy}) select 1", "COPY"),
        (f"pivot (with x as ({copy}) select 1 as i) on i in (1)", "COPY"),
        (f"/* select 1 */ with x as ({copy}) /* ; */ select 1 -- ;", "COPY"),
        (f"select * from query($$with x as ({copy}) select 1$$)", "query"),
        (
            f"from json_execute_serialized_sql(json_serialize_sql($$with x as ({copy}) select 1$$))",
            "json_execute_serialized_sql",
        ),
        (f"explain analyze {copy}", "EXPLAIN"),
        (f"explain analyze with x as ({copy}) select 1", "EXPLAIN"),
        (f"prepare p as {copy}", "PREPARE"),
        ("execute p", "EXECUTE"),
        ("with x as (insert into languages values ('x', 'x', 'x', true) returning language) from x", "INSERT"),
        ("with x as (update languages set language = 'x' returning language) from x", "UPDATE"),
        ("with x as (delete from languages returning language) from x", "DELETE"),
        ("insert into languages values ('x', 'x', 'x', true)", "INSERT"),
        ("create or replace view usage as select 1 as runs", "CREATE"),
        ("create macro sum(x) as 1", "CREATE"),
        ("drop view usage", "DROP"),
        ("alter view usage rename to u", "ALTER"),
        ("pivot usage_by_language on language", "PIVOT"),
        (f"attach '{other}' as other", "ATTACH"),
        (f"export database '{other}'", "EXPORT"),
        ("set memory_limit = '1TB'", "SET"),
        ("reset memory_limit", "SET"),
        ("pragma database_list", "PRAGMA"),
        ("call pragma_version()", "CALL"),
        ("checkpoint", "CALL"),
        ("load httpfs", "LOAD"),
        ("install httpfs", "LOAD"),
        ("begin", "TRANSACTION"),
        ("use memory", "SET"),
        ("update extensions", "a query only reads"),
        ("select 1; select 2", "not 2"),
        (f"select 1; {copy}", "not 2"),
        ("", "not nothing"),
        ("-- nothing", "not nothing"),
        ("select nextval('s')", "nextval"),
        ("select getenv('HOME')", "getenv"),
        ("from checkpoint()", "checkpoint"),
        ("from enable_logging()", "enable_logging"),
        ("from arrow_scan(1, 2, 3)", "arrow_scan"),
    ]


class TestWriting:
    def test_is_refused_by_name_and_leaves_the_lake_as_it_is(
        self, lake: pda.Lake, files: list[Path], tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        with pda.connect(lake) as db:
            before = db.view("usage_by_language")
            for sql, why in _writing(files[0], other):
                with pytest.raises(pda.QueryError, match=f"^expected exactly one SELECT statement[,;] .*{why}.*"):
                    db.sql(sql)
            assert db.view("usage_by_language").equals(before)
            assert db.sql("select runs from usage").item() == 3
        assert not other.exists()

    def test_by_the_command_line_is_a_mistake_in_the_call(self, lake: pda.Lake, files: list[Path], cli) -> None:
        for sql, why in _writing(files[0], files[0])[:3]:
            result = cli("query", lake.place.path(""), sql)
            assert (result.code, result.out) == (2, "")
            assert f"error: expected exactly one SELECT statement; {why} is refused: a query only reads" in result.err

    def test_in_a_view_of_ones_own_is_refused_where_the_view_is(
        self, lake: pda.Lake, files: list[Path], tmp_path: Path
    ) -> None:
        folder = tmp_path / "views"
        folder.mkdir()
        copy = f"copy (select 1) to '{files[0]}' (format parquet, use_tmp_file false)"
        for sql, why in (
            (f"with w as ({copy}) select 1 as x", "expected a SELECT; COPY is refused: a query only reads"),
            (f"select 1 as x; {copy}", "expected a SELECT"),
            ("select count(*) as x from read_text('/etc/passwd')", r"expected a SELECT; read_text\(\) is refused"),
        ):
            (folder / "mine.sql").write_text(VIEW + sql, "utf-8")
            with pytest.raises(pda.UsageError, match=rf"mine\.sql:4: {why}"):
                pda.connect(lake, views=folder)

    def test_a_view_of_ones_own_reaches_no_other_file(self, lake: pda.Lake, tmp_path: Path) -> None:
        folder = tmp_path / "views"
        folder.mkdir()
        (tmp_path / "secret.csv").write_text("x\n1\n", "utf-8")
        (folder / "mine.sql").write_text(f"{VIEW}select x from '{tmp_path}/secret.csv'", "utf-8")
        with pytest.raises(pda.QueryError, match=r"mine\.sql:4: Permission Error"):
            pda.connect(lake, views=folder)

    def test_would_be_refused_by_the_engine_had_the_check_overlooked_it(
        self, lake: pda.Lake, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("polydoc_analytics.views.dialects.read_only_sql.check_reads_only", lambda con, sql: None)
        other = tmp_path / "other.parquet"
        with pda.connect(lake) as db:
            db.sql("select 1")
            uris = [*db._engine._uris.values()]  # type: ignore[attr-defined]
            for target in (files[0], other, *(uri.strip("'") for uri in uris)):
                for how in ("(format parquet, use_tmp_file false)", "(format parquet)", "(format csv)"):
                    with pytest.raises(pda.QueryError, match=r"Permission|only read"):
                        db.sql(f"with x as (copy (select 1 as a) to '{target}' {how}) select 1")
            for sql in (
                "with x as (delete from languages returning language) from x",
                "create view more as select 1",
                "create table more as select 1",
            ):
                with pytest.raises(pda.QueryError, match="read-only"):
                    db.sql(sql)
            assert db.sql("select count(*) from languages").item() == 1
        assert not other.exists()

    def test_is_possible_through_the_raw_connection_which_is_one_of_its_own(
        self, lake: pda.Lake, files: list[Path], tmp_path: Path
    ) -> None:
        with pda.connect(lake) as db:
            db.sql("select 1")
            db.duckdb.execute(f"copy (select runs from usage) to '{tmp_path}/runs.csv'")
            db.duckdb.execute("create table mine as select 1")
            with pytest.raises(pda.QueryError, match="mine"):
                db.sql("from mine")
        assert (tmp_path / "runs.csv").read_text() == "runs\n3\n"


class TestReading:
    @pytest.mark.parametrize(
        ("sql", "rows"),
        [
            ("from usage select runs", [(3,)]),
            ("select runs from usage;", [(3,)]),
            ("-- runs; drop\n/* copy */ select runs from usage -- ;\n;", [(3,)]),
            ("with x as (select 1 as copy) select copy from x", [(1,)]),
            ("select $$;drop table x$$ as text", [(";drop table x",)]),
            ('select \'{"type":"COPY_NODE"}\' as text', [('{"type":"COPY_NODE"}',)]),
            ("select {'type': 'COPY_NODE'} as found", [({"type": "COPY_NODE"},)]),
            ("values (1, 2)", [(1, 2)]),
            (
                "with recursive r as (select 1 as i union select i + 1 from r where i < 3) select sum(i) from r",
                [(6,)],
            ),
            ("select i from range(2) as t(i) order by i desc", [(1,), (0,)]),
            ("select unnest([3, 4]) as i", [(3,), (4,)]),
            ("pivot (select 'a' as k, 1 as n) on k in ('a') using sum(n)", [(1,)]),
            ("select count(*) > 5 from (describe usage)", [(True,)]),
            ("select column_name from (summarize select 1 as a)", [("a",)]),
            ("select " + "1 + " * 900 + "1 as sum", [(901,)]),
            ("select runs from usage where " + " or ".join(f"runs = {i}" for i in range(900)), [(3,)]),
        ],
    )
    def test_takes_all_of_sql_that_reads(self, of_all: pda.Database, sql: str, rows: list[tuple[object, ...]]) -> None:
        assert of_all.sql(sql).rows() == rows

    @pytest.mark.parametrize("sql", ["from '{}'", "from read_csv('{}')", "from read_text('{}')", "from glob('{}')"])
    def test_reaches_no_other_file(self, lake: pda.Lake, tmp_path: Path, sql: str) -> None:
        secret = tmp_path / "secret.csv"
        secret.write_text("a\n1\n", "utf-8")
        with pda.connect(lake) as db, pytest.raises(pda.QueryError, match=r"Permission Error|is refused"):
            db.sql(sql.format(secret))

    def test_of_files_with_any_name(self, tmp_path: Path) -> None:
        folder = tmp_path / "a [b] * 'c' ü"
        pda.export(pl.DataFrame([wire("a")]), folder)
        with pda.connect(folder) as db:
            assert db.sql("select id from runs").rows() == [("a",)]

    def test_is_the_same_by_many_threads_through_the_one_file_object(self, tmp_path: Path) -> None:
        path = tmp_path / "numbers.parquet"
        with duckdb.connect() as con:
            con.execute(f"copy (select i, md5(i::varchar) as t from range(600000) as r(i)) to '{path}'")
            expected = con.sql(f"select sum(i), sum(hash(t)) from '{path}'").fetchall()
        with duckdb.connect(config={"threads": 8}) as con:
            files = ReadOnlyFiles([str(path)])
            con.register_filesystem(files)
            for _ in range(5):
                assert (
                    con.sql(f"select sum(i), sum(hash(t)) from read_parquet('{files.uris[0]}')").fetchall() == expected
                )

    def test_says_which_file_is_gone(self, tmp_path: Path) -> None:
        pda.export(pl.DataFrame([wire("a")]), tmp_path / "out")
        with pda.connect(tmp_path / "out") as db:
            [path] = (tmp_path / "out").rglob("*.parquet")
            path.unlink()
            with pytest.raises(pda.QueryError, match=rf"^[^\n]*{path.name}[^\n]*$"):
                db.sql("select * from runs")


class TestMemory:
    def test_a_result_larger_than_the_limit_is_one_line(self, lake: pda.Lake) -> None:
        with pda.connect(lake) as db:
            with pytest.raises(pda.QueryError, match=r"^the result is larger than 0.001 GB.*aggregate them$"):
                db.sql("select * from range(10000000)", max_bytes=1_000_000)
            assert db.sql("select * from range(10)", max_bytes=1_000_000).height == 10
            assert db.sql("select * from range(200000)", max_bytes=None).height == 200_000

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
    @pytest.mark.parametrize("sql", ["select range(1000000000)", "select repeat('x', 4294967295)"])
    def test_a_single_value_cannot_take_it_all(self, of_all: pda.Database, sql: str) -> None:
        import resource

        before = resource.getrlimit(resource.RLIMIT_DATA)
        with pytest.raises(pda.QueryError, match=r"^Out of Memory Error[^\n]*$"):
            of_all.sql(sql)
        assert resource.getrlimit(resource.RLIMIT_DATA) == before

    def test_a_table_of_too_many_rows_to_print_is_one_line(self, cli, monkeypatch: pytest.MonkeyPatch, file) -> None:
        monkeypatch.setattr("polydoc_analytics.cli.query._MAX_CELLS", 5)
        source = file([wire("a")])
        for flags in ([], ["--markdown"]):
            result = cli("query", source, "select * from range(6)", "-q", *flags)
            assert (result.code, result.out) == (2, "")
            assert result.err == "error: 6 rows are too many for a table; add --top, --csv or --json\n"
        assert cli("query", source, "select * from range(6)", "-q", "--top", "2").code == 0

    @pytest.mark.parametrize("rows", [0, 1, 6, 7])
    def test_rows_are_printed_some_at_a_time_as_if_all_at_once(self, cli, monkeypatch, file, rows: int) -> None:
        source, sql = file([wire("a")]), f"select i, [i] as list, 'a\nb' as text from range({rows}) as r(i)"
        asked = [("query", source, sql, "-q", flag) for flag in ("--csv", "--json")]
        whole = [cli(*one).out for one in asked]
        monkeypatch.setattr("polydoc_analytics.cli.shared._ROWS_AT_A_TIME", 3)
        assert [cli(*one).out for one in asked] == whole

    def test_what_does_not_fit_goes_to_a_folder_of_its_own_which_is_removed(
        self, lake: pda.Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        monkeypatch.setattr("polydoc_analytics.query.engines.duckdb._GUARDED_MEMORY", "60MB")
        before = set(os.listdir("."))
        with pda.connect(lake) as db:
            big = "(select md5(i::varchar) as t, i from range({}) as r(i))"
            ordered = f"select count(*) from (select t, row_number() over (order by t) as n from {big}) where n > 1"
            assert db.sql(ordered.format(1_500_000)).item() == 1_499_999
            folder = db.sql("select current_setting('temp_directory')").item()
            assert Path(folder).parent == scratch
            with pytest.raises(pda.QueryError):
                db.sql("select error('stop')")
        assert set(os.listdir(".")) == before
        assert not any(scratch.iterdir())


def test_what_python_raises_within_duckdb_is_told_by_its_last_line() -> None:
    text = 'Traceback (most recent call last):\n  File "x.py", line 1, in open\nPermissionError: no\n\nLINE 1: x\n  ^'
    assert first_line(OSError(text)) == "PermissionError: no"


def test_a_statement_that_reads_is_told_by_duckdbs_own_tree() -> None:
    with duckdb.connect() as con:
        check_reads_only(con, "select 1")
        with pytest.raises(pda.QueryError, match="COPY is refused"):
            check_reads_only(con, "with x as (copy (select 1) to 'f') select 1")


ODD = {
    "interval 3 month + interval 4 day": "3 months 4 days",
    "timestamptz '2026-03-02' - timestamptz '2026-03-01'": "1 day",
    "'infinity'::timestamptz": "infinity",
    "date '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "timestamp '12000-01-01 00:00:00'": "12000-01-01 00:00:00",
    r"'\xff\x00a'::blob": r"\xFF\x00a",
    "'0101'::bit": "0101",
    "340282366920938463463374607431768211455::uhugeint": "340282366920938463463374607431768211455",
    "170141183460469231731687303715884105727::hugeint": "170141183460469231731687303715884105727",
    "time '24:00:00'": "24:00:00",
    "'10:00:00+05'::timetz": "10:00:00+05",
    "1::union(n int, s varchar)": "1",
}


def test_values_that_python_lacks_are_printed_as_duckdb_writes_them(cli, file) -> None:
    source = file([wire("a")])
    sql = "select " + ", ".join(f"{value} as c{at}" for at, value in enumerate(ODD))
    [row] = json.loads(cli("query", source, sql, "--json", "-q").out)["data"]
    assert list(row.values()) == list(ODD.values())
    assert cli("query", source, sql, "--csv", "-q").out.splitlines()[1] == ",".join(ODD.values())
    for flags in ([], ["--markdown"]):
        assert cli("query", source, sql, "-q", *flags).code == 0

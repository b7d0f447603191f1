"""Loads that a cluster merges: the same lake as DuckDB's, whoever writes to it, and nothing lost when they fail."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lake_loads import child, left_overs
from support.lake_model import Model, as_known, frames, new_lake, state, states_of, versions
from support.object_store import upload
from support.paths import ROOT, SAMPLE
from support.processes import finished
from support.repetitions import Soak, examples
from support.run_laws import merged_by_hand, runs
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.errors import LakeError, SourceError, UsageError
from polydoc_analytics.lake.changes import connection, scan
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.merge import merge_queries, merge_sql
from polydoc_analytics.lake.spark import load as cluster
from polydoc_analytics.lake.spark import session
from polydoc_analytics.lake.storage.interface import STAGING

Export = Callable[..., Path]
COUNTS = ("read", "inserted", "updated", "unchanged", "duplicates", "quarantined", "conflicts")
RUNNING = {"status": "Running", "finished_at": None, "credits": None, "output_file_id": None}
FINISHED_LATER = {"finished_at": "2026-03-02T10:09:00Z"}

# What is loaded, whether as a correction, and what is to come of it, worked out by hand.
LOADS: list[tuple[list[list[dict[str, Any]]], bool, tuple[int, ...]]] = [
    ([[wire("a", **RUNNING), wire("b"), wire("c", output_file_id=None)]], False, (3, 3, 0, 0, 0, 0, 0)),
    # a is finished; b was finished with 9 credits as well, which is more; d is new.
    ([[wire("a"), wire("b", credits=9), wire("d", created_at="2026-04-01T00:00:00Z")]], False, (3, 1, 2, 0, 0, 0, 1)),
    # The first once more: a is known finished, b with more credits.
    ([[wire("a", **RUNNING), wire("b"), wire("c", output_file_id=None)]], False, (3, 0, 0, 3, 0, 0, 1)),
    # Two exports that share d (whose created_at differs) and e (in conflict); late rows of c lose and win.
    (
        [
            [wire("d", created_at="2026-03-31T00:00:00Z"), wire("e", credits=1), wire("c", **RUNNING)],
            [wire("d", created_at="2026-04-02T00:00:00Z"), wire("e", credits=2), wire("c", **FINISHED_LATER)],
        ],
        False,
        (6, 1, 2, 0, 3, 0, 3),
    ),
    # An authority says that b cost 5 and that a failed.
    ([[wire("b", credits=5), wire("a", status="Failed")]], True, (2, 0, 2, 0, 0, 0, 2)),
    # Old rows: b with 9 credits and a Succeeded would win, but were corrected; d as it is.
    ([[wire("a"), wire("b", credits=9), wire("d", created_at="2026-04-02T00:00:00Z")]], False, (3, 0, 0, 3, 0, 0, 2)),
    # A later finish than all that was seen does win.
    ([[wire("b", **FINISHED_LATER, credits=7), wire("f", target_language="fr")]], False, (2, 1, 1, 0, 0, 0, 1)),
]
CREDITS = {"a": 3, "b": 7, "c": 3, "d": 3, "e": 2, "f": 3}


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Write rows to an export, of its own name unless it is said."""
    count = 0

    def write(rows: list[Any], name: str = "") -> Path:
        nonlocal count
        count += 1
        raw = tmp_path / f"raw-{count}.ndjson"
        raw.write_bytes(ndjson(rows) or b"\n")
        folder = tmp_path / (name or f"export-{count}")
        pda.export(raw, folder)
        return folder

    return write


def load_all(lake: pda.Lake, exports: list[list[Path]], remote: Callable[[int], str | None]) -> list[tuple[int, ...]]:
    """Load by Spark where there is a remote server, else by DuckDB; return the counts of each load."""
    found = []
    for at, (folders, (_, correct, _)) in enumerate(zip(exports, LOADS, strict=True)):
        server = remote(at)
        how: dict[str, Any] = {"engine": "spark", "remote": server} if server else {}
        result = lake.ingest(folders[0] if len(folders) == 1 else folders, correct=correct, **how)
        found.append(tuple(result[name] for name in COUNTS))
        assert result.read == sum(result[name] for name in COUNTS[1:6])
    return found


def history_of(lake: pda.Lake) -> list[tuple[Any, ...]]:
    """The superseded states, with the numbers of loads for their names."""
    number = dict(lake.loads().select("load", "number").iter_rows())
    rows = lake.history().to_dicts()
    past = [
        (
            state({name: row[name] for name in row if name not in ("load", "superseded_by", "is_corrected")}),
            number[row["load"]],
            number[row["superseded_by"]],
            row["is_corrected"],
        )
        for row in rows
    ]
    return sorted(past, key=repr)


@dataclass
class SparkLoads:
    """A lake into which a cluster has loaded all of LOADS, and what came back from the cluster meanwhile."""

    folder: Path
    exports: list[list[Path]]
    counts: list[tuple[int, ...]]
    seen: list[Any]


@pytest.fixture(scope="module")
def spark_loads(sail: str, tmp_path_factory: pytest.TempPathFactory) -> SparkLoads:
    session.Session(
        sail
    ).close()  # imports pyspark, which ends a process that seems to run doctests, as those of xdist do
    from pyspark.sql.connect.dataframe import DataFrame

    folder = tmp_path_factory.mktemp("spark")
    exports: list[list[Path]] = []
    for at, (parts, _, _) in enumerate(LOADS):
        exports.append([])
        for part, rows in enumerate(parts):
            raw = folder / f"{at}-{part}.ndjson"
            raw.write_bytes(ndjson(rows))
            exports[-1].append(folder / f"export-{at}-{part}")
            pda.export(raw, exports[-1][-1])
    seen: list[Any] = []
    real = DataFrame.toArrow

    def watched(frame: Any) -> Any:
        seen.append(real(frame))
        return seen[-1]

    refused = mock.Mock(side_effect=AssertionError("rows were fetched"))
    with (
        mock.patch.object(DataFrame, "toArrow", watched),
        mock.patch.object(DataFrame, "toPandas", refused),
        mock.patch.object(DataFrame, "collect", watched_count(seen)),
    ):
        counts = load_all(pda.Lake(folder / "lake"), exports, lambda at: sail)
    return SparkLoads(folder / "lake", exports, counts, seen)


def test_duckdb_and_spark_and_both_by_turns_make_the_same_lake(
    sail: str, spark_loads: SparkLoads, tmp_path: Path
) -> None:
    remotes: dict[str, Callable[[int], str | None]] = {"duckdb": lambda at: None}
    if Soak.is_on:  # a lake that both write to is its model, below
        remotes["by turns"] = lambda at: sail if at % 2 else None
    lakes = {name: pda.Lake(tmp_path / f"lake {name}") for name in remotes}
    # DuckDB's side need not look again at bytes that it has loaded; here it is to.
    with mock.patch("polydoc_analytics.lake.lake.known_load", return_value=None):
        for name, lake in lakes.items():
            counts = load_all(lake, spark_loads.exports, remotes[name])
            assert counts == [counts for _, _, counts in LOADS], name
    lakes["spark"] = pda.Lake(shutil.copytree(spark_loads.folder, tmp_path / "lake spark"))
    for name, lake in lakes.items():
        with pda.connect(lake) as db:
            assert dict(db.sql("select id, credits from runs order by id").iter_rows()) == CREDITS
            quality = dict(db.view("data_quality").select("rule", "runs").iter_rows())
            assert quality["succeeded_without_output_file"] == 0
            assert (name == "duckdb" and not Soak.is_on) or db.view("conservation")["holds"].all()
    first = lakes.pop("duckdb")
    with pda.connect(first, as_of=1) as db:
        assert dict(db.view("data_quality").select("rule", "runs").iter_rows())["succeeded_without_output_file"] == 1
    loaded = pda.load(first).runs.sort("id")
    numbers = first.loads()["number"].to_list()
    known = {number: frames(first, as_of=number) for number in (numbers[1], numbers[-2])}
    for lake in lakes.values():
        assert pda.load(lake).runs.sort("id").equals(loaded)
        assert history_of(lake) == history_of(first)
        assert not Soak.is_on or as_known(lake, known)
        same = [*COUNTS, "number", "kind", "runs", "is_authority", "languages", "new_quarantined"]
        assert lake.loads().select(same).equals(first.loads().select(same))
        lake.compact()
        assert as_known(lake, known)
        assert not lake.damage().is_needed
        assert left_overs(Path(lake.place.shown)) == []
        lake.erase("acme")
        assert pda.load(lake).runs.is_empty()


def test_loading_twice_adds_no_version(sail: str, export: Export, tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    folders = [export([wire("a"), wire("b", **RUNNING)]), export([wire("b"), wire("c")])]
    assert lake.ingest(folders, engine="spark", remote=sail).inserted == 3
    before = versions(lake)
    for source in (folders[::-1], *([folders, folders[0]] if Soak.is_on else [])):
        again = lake.ingest(source, engine="spark", remote=sail)
        assert (again.inserted, again.updated, again.number) == (0, 0, None)
        assert again.snapshot.startswith("load 1 ")
    assert lake.ingest(folders).number is None
    assert versions(lake) == before


def test_nulls_are_found_in_files_whose_statistics_show_one_value(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [str(n) for n in range(100)], "output_file_id": ["same", None] * 50}).to_arrow()
    for table in ("runs", "history"):
        path = str(tmp_path / f"{table}.parquet")
        pq.write_table(rows, path, use_dictionary=False, compression="zstd")
        with connection(tmp_path) as con:
            rows_without = f"select id from {scan([path], table)} where output_file_id is null"
            assert con.sql(f"select count(*) from ({rows_without})").fetchall() == [(50,)]
            # Later DuckDBs answer right by themselves: so that the question is kept from the statistics is looked at.
            asked = con.sql(f"explain {rows_without}").fetchall()[0][1].lower()
        assert "substr" in asked
        assert "filters: output_file_id" not in " ".join(asked.replace("│", " ").split())


def test_texts_of_a_lake_that_no_cluster_has_written_to_are_not_read_to_count_nulls(file, tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    lake.ingest(file([wire("a", output_file_id=None), wire("b"), wire("c", output_file_id=None)]))
    with pda.connect(lake) as db:
        assert "substr" not in db._scope.runs.relation
        assert db.sql("select unknown_runs from coverage where field = 'output_file_id'").item() == 2


def test_a_cluster_refuses_erased_accounts_and_counts_them(sail: str, export: Export, tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    uuid = "3f6b1c7e-3a7f-4b8e-9d1c-1f2e3d4c5b6a"
    rows = [wire("a", account_id=uuid), wire("b", account_id="zeta"), wire("c"), wire("d", account_id=uuid.upper())]
    lake.ingest(export(rows))
    lake.erase(uuid)
    lake.erase("acme")
    folders = [export([*rows, wire("e", account_id="zeta")]), export(rows[:2])]
    result = lake.ingest(folders, engine="spark", remote=sail)
    assert (result.read, result.erased, result.inserted, result.unchanged, result.duplicates) == (7, 4, 1, 1, 1)
    assert lake.accounts() == ["zeta"]
    lake.readmit("acme")
    again = lake.ingest(folders, engine="spark", remote=sail)
    assert (again.erased, again.inserted) == (3, 1)
    assert lake.accounts() == ["acme", "zeta"]


def test_an_empty_export_changes_nothing(sail: str, export: Export, tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    empty = export([])
    assert lake.ingest(empty, engine="spark", remote=sail).number is None
    assert lake.ingest([export([wire("a")]), empty], engine="spark", remote=sail).inserted == 1


@examples(10, 2)
@given(
    st.lists(
        st.tuples(
            st.lists(st.lists(runs(), max_size=5), min_size=1, max_size=2),
            st.booleans(),
            st.sampled_from(["spark", "spark", "duckdb"]),
        ),
        min_size=2,
        max_size=3,
    )
)
def test_a_lake_that_both_write_to_is_its_model(sail: str, loads: list[tuple[list[list[Any]], bool, str]]) -> None:
    model, known = Model(), {}
    with new_lake() as (lake, files):
        for at, (parts, is_authority, engine) in enumerate(loads):
            folders = []
            for n, rows in enumerate(parts):
                raw = files / f"{at}-{n}.ndjson"
                raw.write_bytes(ndjson(rows) or b"\n")
                folders.append(files / f"export-{at}-{n}")
                pda.export(raw, folders[-1])
            exported = [row for rows in parts for row in merged_by_hand(rows).values()]
            how = {"engine": engine, "remote": sail if engine == "spark" else None}
            result = lake.ingest(folders, correct=is_authority, **how)
            expected = model.take(exported, is_authority=is_authority)
            assert {name: result[name] for name in expected} == expected
            if result.number:
                known[result.number] = frames(lake, as_of=result.number)
        if not lake.exists:
            return
        assert sorted(states_of(pda.load(lake).runs)) == sorted(map(state, model.runs.values()))
        names = [name for name in lake.history().columns if name not in ("load", "superseded_by", "is_corrected")]
        past = zip(states_of(lake.history().select(names)), lake.history()["is_corrected"].to_list(), strict=True)
        assert sorted(past, key=repr) == sorted(model.past, key=repr)
        assert as_known(lake, known)


class TestWhatCrosses:
    def test_counts_and_names_of_files_alone_come_back(self, spark_loads: SparkLoads) -> None:
        seen = spark_loads.seen
        assert spark_loads.counts == [counts for _, _, counts in LOADS]
        tables = [table for table in seen if not isinstance(table, list)]
        assert {name for table in tables for name in table.column_names} == {
            "file", "staged", "matched", "updated", "conflicts",
        }  # fmt: skip
        files = [name for table in tables if "file" in table.column_names for name in table["file"].to_pylist()]
        assert files
        assert all(name.startswith("part-") for name in files)
        collected = [rows for rows in seen if isinstance(rows, list)]
        assert all(len(rows) == 1 and len(rows[0]) == 1 and isinstance(rows[0][0], int) for rows in collected)


def watched_count(seen: list[Any]) -> Callable[[Any], Any]:
    """A collect() that keeps what it gives: pyspark counts rows by it."""
    from pyspark.sql.connect.dataframe import DataFrame

    real = DataFrame.collect

    def watched(frame: Any) -> Any:
        seen.append(real(frame))
        return seen[-1]

    return watched


class TestWhenItFails:
    @pytest.fixture
    def lake(self, export: Export, tmp_path: Path) -> pda.Lake:
        """A lake of three runs, one of them Running."""
        lake = pda.Lake(tmp_path / "lake")
        lake.ingest(export([wire("a", **RUNNING), wire("b"), wire("c")]))
        return lake

    def test_a_load_that_fails_before_the_ledger_is_undone(
        self, sail: str, lake: pda.Lake, export: Export, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = frames(lake)
        source = export([wire("a"), wire("d")])
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", mock.Mock(side_effect=ZeroDivisionError))
            with pytest.raises(ZeroDivisionError):
                lake.ingest(source, engine="spark", remote=sail)
        assert all(frames(lake)[name].equals(frame) for name, frame in before.items())
        assert LakeTable(lake.place, "runs").open().version == 2  # committed, but pinned by nobody
        assert left_overs(Path(lake.place.shown)) != []
        again = lake.ingest(source, engine="spark", remote=sail)
        assert (again.inserted, again.updated, again.number) == (1, 1, 2)
        assert left_overs(Path(lake.place.shown)) == []

    def test_a_load_that_is_killed_leaves_what_was_and_the_next_one_tidies(
        self, lake: pda.Lake, export: Export
    ) -> None:
        before = frames(lake)
        source = export([wire("a"), wire("d")])
        script = """
import os, sys
os.environ["RUST_LOG"] = "off"
from pysail.spark import SparkConnectServer
import polydoc_analytics as pda
from polydoc_analytics.lake.delta_table import LakeTable

server = SparkConnectServer(ip="127.0.0.1", port=0)
server.start(background=True)
LakeTable.add_staged = lambda *_: os._exit(9)
pda.Lake(sys.argv[1]).ingest(sys.argv[2], engine="spark", remote="sc://%s:%s" % server.listening_address)
"""
        process = child(script, lake.place.shown, source)
        _, errors = process.communicate()
        assert process.returncode == 9, errors
        folder = Path(lake.place.shown)
        assert list((folder / STAGING).rglob("*.parquet"))
        assert all(frames(lake)[name].equals(frame) for name, frame in before.items())
        assert lake.ingest(source).updated == 1
        assert list((folder / STAGING).iterdir()) == []
        assert left_overs(folder) == []

    def test_files_that_the_server_does_not_see_are_told(
        self, sail: str, lake: pda.Lake, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = export([wire("a"), wire("d")])
        with monkeypatch.context() as patch:
            patch.setattr(cluster, "for_cluster", lambda place, name: f"file://{tmp_path}/elsewhere/{name}")
            with pytest.raises(LakeError, match=r"sees 0 of 3 rows of .*lake/runs; it must reach|not exist: file:"):
                lake.ingest(source, engine="spark", remote=sail)
        assert lake.loads().height == 1

    @pytest.mark.parametrize("fault", ["rows", "columns"])
    def test_what_the_server_wrote_is_looked_at_before_it_is_committed(
        self, sail: str, lake: pda.Lake, export: Export, monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        before = versions(lake)
        real = cluster.merge_queries

        def wrong(load: str, *, is_authority: bool) -> dict[str, str]:
            queries = real(load, is_authority=is_authority)
            query = queries["new_rows"]
            changed = f"select * from ({query}) limit 1" if fault == "rows" else f"select *, 1 as n from ({query})"
            return queries | {"new_rows": changed}

        monkeypatch.setattr(cluster, "merge_queries", wrong)
        with pytest.raises(LakeError, match=r"wrote (1 row of new_rows, not 2|13 columns of runs); nothing was commit"):
            lake.ingest(export([wire("d"), wire("e")]), engine="spark", remote=sail)
        assert versions(lake) == before


class TestWhatIsRefused:
    def test_whatever_is_no_export(
        self, sail: str, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "_WAIT_S", 1)
        lake = pda.Lake(tmp_path / "lake")
        whole = export([wire("a"), wire("b", created_at="2026-05-01T00:00:00Z")])

        def fails(source: Any, message: str, error: type[Exception] = SourceError, **how: Any) -> None:
            with pytest.raises(error, match=message) as told:
                lake.ingest(source, **({"engine": "spark", "remote": sail} | how))
            assert "\n" not in str(told.value)

        raw = tmp_path / "raw-1.ndjson"
        fails(raw, r"raw-1\.ndjson: is not a folder that `polydoc-analytics export` wrote|Not a directory")
        fails(tmp_path / "nothing", "nothing: is not a folder that `polydoc-analytics export` wrote")
        (tmp_path / "empty").mkdir()
        fails(tmp_path / "empty", "is not a folder that `polydoc-analytics export` wrote")
        fails(tmp_path, "lies in .*, which is to be loaded", LakeError)
        fails([whole, whole], "named twice", UsageError)
        fails(pda.load(whole).runs, "engine spark takes folders", UsageError)
        fails(whole, "how to read them cannot be said", UsageError, assume_utc=True)
        fails(whole, "unknown engine 'sparc'; did you mean spark", UsageError, engine="sparc")
        fails(whole, "remote server is for engine spark", UsageError, engine="duckdb")
        fails(whole, "engine spark needs a remote", UsageError, remote=None)
        fails(whole, "no address of Spark Connect; expected", UsageError, remote="http://host")
        fails(
            whole,
            "sc://127.0.0.1:1: no Spark Connect server answers",
            SourceError,
            remote="sc://127.0.0.1:1/;token=SECRET",
        )
        parts = sorted(whole.rglob("*.parquet"))
        extra = parts[0].with_name("part-9.parquet")
        shutil.copy(parts[0], extra)
        fails(whole, r"part-9\.parquet is not in its manifest; export again")
        extra.unlink()
        parts[0].unlink()
        fails(whole, r"part-\d+\.parquet: is missing or not as exported")
        assert not lake.exists

    def test_a_missing_package_is_named(self, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyspark.sql.connect.client", None)
        with pytest.raises(UsageError, match=r"pip install 'polydoc-analytics\[spark\]'"):
            pda.Lake(tmp_path / "lake").ingest(export([wire()]), engine="spark", remote="sc://127.0.0.1:1")

    def test_a_token_is_never_shown(
        self, cli: Callable[..., Any], export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "_WAIT_S", 1)
        lake, remote = tmp_path / "lake", "sc://127.0.0.1:1/;token=SECRET"
        done = cli("ingest", export([wire()]), "--lake", lake, "--engine", "spark", "--remote", remote)
        assert done.code == 2
        assert "SECRET" not in done.err + done.out
        assert done.err.count("\n") == 1


def test_the_command_line_loads_through_a_server(
    sail: str, cli: Callable[..., Any], export: Export, tmp_path: Path
) -> None:
    arguments = ("--lake", tmp_path / "lake", "--engine", "spark", "--remote", sail)
    done = cli("ingest", export([wire("a")]), export([wire("a"), wire("b")]), *arguments)
    assert done.code == 0, done.err
    assert "3 rows read: 2 inserted, 0 updated, 0 unchanged, 1 duplicate, 0 quarantined" in done.err
    assert pda.Lake(tmp_path / "lake").loads()["source"][0].endswith("export-1 and 1 more")


def test_a_lake_in_an_object_store(sail: str, s3: dict[str, str], export: Export, tmp_path: Path) -> None:
    import obstore

    lake = pda.Lake("s3://bucket/of runs/lake")
    first = export([wire("a", **RUNNING), wire("b")])
    if Soak.is_on:
        assert lake.ingest(first, engine="spark", remote=sail).inserted == 2
    else:
        pda.Lake(tmp_path / "here").ingest(first)
        upload(tmp_path / "here", lake)
    store = lake.place._store  # type: ignore[attr-defined]
    obstore.put(store, f"{STAGING}/20260101-000000-abcdef/1/new_rows/x.parquet", b"left by a load that was killed")
    uploaded = export([wire("a"), wire("c")])
    for file in uploaded.rglob("*.*"):
        obstore.put(store, f"../exported/{file.relative_to(uploaded)}".replace(os.sep, "/").removeprefix("../"), file)
    with mock.patch.object(Ledger, "append", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        lake.ingest(f"{lake.place.uri}/exported", engine="spark", remote=sail)
    result = lake.ingest(f"{lake.place.uri}/exported", engine="spark", remote=sail)
    assert (result.inserted, result.updated, result.number) == (1, 1, 2)
    lake.ingest(export([wire("d")]))
    with pda.connect(lake, as_of=2) as db:
        assert db.sql("select id, status from runs order by id").rows() == [
            ("a", "Succeeded"), ("b", "Succeeded"), ("c", "Succeeded"),
        ]  # fmt: skip
    names = [one["path"] for batch in obstore.list(store) for one in batch]
    assert not [name for name in names if name.startswith(STAGING) or name == "_lock"]
    assert sum(name.startswith("runs/part-") for name in names) == 3  # of which the second load has replaced one


DOCS = ROOT / "docs"
SPREAD = """
import runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not beside these tests")
class TestThePage:
    def test_its_commands_load_a_sample_that_is_split_into_days(self, sail: str, tmp_path: Path) -> None:
        lines = SAMPLE.read_bytes().splitlines(keepends=True)
        for line in lines:
            day = tmp_path / "raw" / re.search(r'"created_at": ?"(\d{4}-\d\d)', line.decode()).group(1)  # type: ignore[union-attr]
            day.mkdir(parents=True, exist_ok=True)
            with open(day / "runs.ndjson", "ab") as file:
                file.write(line)
        (tmp_path / "raw" / "bad").mkdir()
        (tmp_path / "raw" / "bad" / "runs.ndjson").write_text('{"id": "of no use"}\n')
        text = (DOCS / "cluster-writing.md").read_text("utf-8")
        spread = re.findall(r"\$ python docs/spread.py ([^#\n]+)", text)
        assert len(spread) == 3
        for command_line in [*spread, f"ingest exports other --engine spark --remote {sail}", spread[0]]:
            done = finished(SPREAD, DOCS / "spread.py", *command_line.split(), cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        assert "is there" in done.stdout
        assert [path.name for path in (tmp_path / "exports").glob("*.rejected.ndjson")] == ["bad.rejected.ndjson"]
        runs = pda.load(SAMPLE).runs.sort("id")
        for name in ("lake", "other"):
            lake = pda.Lake(tmp_path / name)
            assert pda.load(lake).runs.sort("id").equals(runs)
            assert lake.loads()["read"].to_list() == [runs.height]

    def test_it_names_the_views_of_the_merge(self) -> None:
        text = (DOCS / "cluster-writing.md").read_text("utf-8")
        names = merge_queries("LOAD", is_authority=False)
        assert set(re.findall(r"`(incoming|stored|past|new_rows|superseded|counts)`", text)) - set(names) == {
            "incoming", "stored", "past",
        }  # fmt: skip
        code = re.search(r'python -c "(.*?)"', text, re.DOTALL)
        assert code is not None
        done = finished(code.group(1).replace("\n", " ").replace("  ", " "))
        assert done.stdout.count("create temporary view") == len(names), done.stderr


def test_every_statement_of_the_merge_says_what_it_is() -> None:
    text = merge_sql("LOAD", is_authority=True)
    assert "{" not in text
    names = re.findall(r"^create temporary view (\w+) as$", text, re.MULTILINE)
    assert list(merge_queries("LOAD", is_authority=True)) == names
    assert all(f"\n-- {name}: " in text for name in names)

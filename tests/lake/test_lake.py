"""The lake, by rows small enough to check by eye: what a load changes, what was known when, what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.lake_loads import Loaded
from support.lakes import credits_of, files_below
from support.runs import RUNNING, ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.lake import load
from polydoc_analytics.lake.schemas import LedgerRow
from polydoc_analytics.loaders.files import name_of


@pytest.fixture
def lake(tmp_path: Path) -> pda.Lake:
    return pda.Lake(tmp_path / "lake")


def commit_at(monkeypatch: pytest.MonkeyPatch, *instants: str) -> None:
    """Let the next loads be committed at these instants."""
    left = iter([datetime.fromisoformat(instant) for instant in instants])
    monkeypatch.setattr(load, "committed_after", lambda last: next(left))


def test_a_load_says_what_became_of_each_row(lake, file) -> None:
    rows = [wire("a", **RUNNING), wire("a"), wire("b"), wire("b"), "nope"]
    first = lake.ingest(file(rows))
    assert dict(first) == {
        "read": 5,
        "inserted": 2,
        "updated": 0,
        "unchanged": 0,
        "duplicates": 2,
        "quarantined": 1,
        "erased": 0,
        "conflicts": 0,
    }
    second = lake.ingest(file([wire("a"), wire("b", credits=9), wire("c")], "second.ndjson"))
    assert (second.inserted, second.updated, second.unchanged, second.duplicates) == (1, 1, 1, 0)
    assert credits_of(lake) == {"a": 3, "b": 9, "c": 3}


def test_a_run_seen_running_and_then_finished_is_one_run(lake, file) -> None:
    lake.ingest(file([wire("a", **RUNNING)]))
    lake.ingest(file([wire("a")], "later.ndjson"))
    lake.ingest(file([wire("a", **RUNNING), wire("b")], "late.ndjson"))
    assert pda.load(lake).runs.select("id", "status").rows() == [("a", "Succeeded"), ("b", "Succeeded")]
    assert lake.history().select("id", "status", "is_corrected").rows() == [("a", "Running", False)]


def test_a_run_whose_created_at_changes_stays_one_row(lake, file) -> None:
    lake.ingest(file([wire("a", **RUNNING)]))
    lake.ingest(file([wire("a", created_at="2025-12-31T23:00:00Z")], "later.ndjson"))
    assert pda.load(lake).runs["created_at"].to_list() == [datetime(2025, 12, 31, 23, tzinfo=UTC)]


def test_a_correction_replaces_a_greater_state_for_good(lake, file) -> None:
    old = file([wire("a", credits=7), wire("b")])
    lake.ingest(old)
    result = lake.ingest(file([wire("a", credits=2)], "correction.ndjson"), correct=True)
    assert (result.updated, credits_of(lake)) == (1, {"a": 2, "b": 3})
    assert lake.history().select("id", "credits", "is_corrected").rows() == [("a", 7, True)]
    assert [row["is_authority"] for row in lake.loads().to_dicts()] == [False, True]

    lake.ingest(old)
    lake.ingest(file([wire("b"), wire("a", credits=7), wire("c")], "the same in other bytes.ndjson"))
    assert credits_of(lake) == {"a": 2, "b": 3, "c": 3}
    lake.ingest(file([wire("a", credits=8)], "news.ndjson"))
    assert credits_of(lake)["a"] == 8, "a state that was never corrected is news"


def test_a_state_that_was_superseded_but_not_corrected_is_news_after_a_correction(lake, file) -> None:
    old, greater = file([wire("a", credits=5)], "old.ndjson"), file([wire("a", credits=9)], "greater.ndjson")
    lake.ingest(old)
    lake.ingest(greater)
    lake.ingest(file([wire("a", credits=2)], "correction.ndjson"), correct=True)
    assert lake.history().sort("credits").select("credits", "is_corrected").rows() == [(5, False), (9, True)]
    # The same states in other bytes, so that they are merged again: nine were corrected away, five never were.
    again = lake.ingest(file([wire("a", credits=9), wire("b")], "greater again.ndjson"))
    assert (again.updated, again.unchanged, credits_of(lake)["a"]) == (0, 1, 2)
    again = lake.ingest(file([wire("a", credits=5), wire("c")], "old again.ndjson"))
    assert (again.updated, credits_of(lake)["a"]) == (1, 5)


def test_a_clock_that_was_set_back_keeps_the_loads_in_their_order(lake, file, monkeypatch) -> None:
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    with monkeypatch.context() as patched:
        patched.setattr(load, "committed_after", lambda last: ahead)
        lake.ingest(file([wire("a", credits=1)]))
    lake.ingest(file([wire("a", credits=2)], "2.ndjson"))
    lake.ingest(file([wire("a", credits=3)], "3.ndjson"))
    lake.compact()
    later = [ahead + timedelta(microseconds=n) for n in range(4)]
    assert lake.loads()["committed_at"].to_list() == later
    assert [credits_of(lake, as_of=instant)["a"] for instant in later] == [1, 2, 3, 3]
    assert credits_of(lake, as_of=ahead - timedelta(microseconds=1)) == {}


def test_conflicts_are_counted_and_named(lake, file) -> None:
    within = lake.ingest(file([wire("a"), wire("a", credits=5), wire("b"), wire("c", **RUNNING)]))
    assert (within.conflicts, within.conflict_ids) == (1, ("a",))
    against = lake.ingest(file([wire("b", credits=1), wire("c"), wire("a", credits=5)], "later.ndjson"))
    assert (against.conflicts, against.conflict_ids, against.unchanged) == (1, ("b",), 2)


def test_as_of_a_load_by_number_and_name(lake, file) -> None:
    first = lake.ingest(file([wire("a", credits=1)]))
    lake.ingest(file([wire("a", credits=2), wire("b")], "2.ndjson"))
    lake.ingest(file([wire("a", credits=1), wire("b", credits=4)], "3.ndjson"), correct=True)
    lake.compact()
    expected = {1: {"a": 1}, 2: {"a": 2, "b": 3}, 3: {"a": 1, "b": 4}}
    for number, known in expected.items():
        assert credits_of(lake, as_of=number) == credits_of(lake, as_of=str(number)) == known
    assert credits_of(lake, as_of=first.load) == {"a": 1}


def test_as_of_a_day_is_its_end_where_the_reader_is(lake, file, monkeypatch) -> None:
    # In Lisbon the day of 25 October 2026 has 25 hours: from 24 October 23:00 to 26 October 00:00, UTC.
    commit_at(
        monkeypatch, "2026-10-24T22:30:00Z", "2026-10-24T23:30:00Z", "2026-10-25T23:30:00Z", "2026-10-26T00:00:00Z"
    )
    for number in range(1, 5):
        lake.ingest(file([wire(str(number))], f"{number}.ndjson"))

    def known(as_of: Any, timezone: str = "UTC") -> int:
        row = lake.snapshot(as_of, timezone).row
        return row.runs if row else 0

    with pda.connect(lake, as_of="2026-10-24", timezone="Europe/Lisbon") as db:
        assert db.view("usage")["runs"][0] == 1
    assert known("2026-10-24", "Europe/Lisbon") == 1
    assert known("2026-10-24") == 2
    assert known("2026-10-25", "Europe/Lisbon") == known(date(2026, 10, 25), "Europe/Lisbon") == 3
    assert known("2026-10-26", "Europe/Lisbon") == known("9999-12-31") == 4
    assert known("2026-10-25T23:29:59.999999Z") == 2
    assert known("2026-10-25T23:30:00Z") == known(datetime(2026, 10, 25, 23, 30, tzinfo=UTC)) == 3
    assert known("2026-10-25T00:30:00", "Europe/Lisbon") == 2, "an instant without an offset is local"
    assert known("2026-10-24T22:29:59Z") == known("2026-10-23") == 0


def test_before_the_first_load_there_are_no_runs(lake, file) -> None:
    lake.ingest(file([wire("a")]))
    with pda.connect(lake, as_of="2020-01-01") as db:
        assert (db.snapshot, db.view("usage")["runs"][0], db.counts.runs) == ("no load", 0, 0)
        assert db.view("conservation")["holds"].all()


@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        (3, "there is no load 3; the loads are 1 to 2"),
        ("0", "there is no load 0; the loads are 1 to 2"),
        (-1, "there is no load -1; the loads are 1 to 2"),
        ("last", "as of 'last' is neither a load nor a time; expected a load's number or name, a day"),
        ("2026-13-01", "is neither a load nor a time"),
    ],
)
def test_as_of_what_never_was_is_refused(loaded: Loaded, tmp_path: Path, as_of: Any, message: str) -> None:
    lake = loaded(tmp_path / "lake", 1, 2)
    with pytest.raises(pda.UsageError) as refused:
        pda.connect(lake, as_of=as_of)
    assert message in str(refused.value)


@pytest.mark.parametrize("moment", [True, 1.5, b"1", [1]], ids=str)
def test_as_of_what_is_no_load_and_no_time_is_refused(lake, file, moment: Any) -> None:
    lake.ingest(file([wire("a")]))
    with pytest.raises(pda.UsageError, match=f"^as of: expected a load's number .*, not {type(moment).__name__}$"):
        lake.snapshot(moment)


def test_as_of_needs_a_lake(file) -> None:
    for read in (pda.connect, pda.load):
        with pytest.raises(pda.UsageError, match="as of needs a lake"):
            read(file([wire("a")]), as_of=1)


def test_a_database_says_which_snapshot_its_figures_are_of(lake, file) -> None:
    first = lake.ingest(file([wire("a")]))
    lake.ingest(file([wire("b")], "b.ndjson"))
    with pda.connect(lake) as now, pda.connect(str(lake.place.shown), as_of=1) as then:
        assert now.snapshot.startswith("load 2 (")
        committed = lake.loads()["committed_at"][0]
        assert then.snapshot == first.snapshot == f"load 1 ({first.load}), {committed:%Y-%m-%dT%H:%M:%SZ}"
        assert (now.counts.runs, then.counts.runs) == (2, 1)


def test_the_quarantine_is_not_doubled_when_a_file_is_loaded_again(lake, file) -> None:
    path = file([wire("a"), "nope", '{"id": 5}'])
    lake.ingest(path)
    file([wire("a"), "nope", '{"id": 5}', wire("b")])
    result = lake.ingest(path)
    assert (result.quarantined, result.inserted) == (2, 1)
    assert lake.quarantine().select("line", "raw").rows() == [(2, "nope"), (3, '{"id": 5}')]
    assert lake.loads().select("quarantined", "new_quarantined").rows() == [(2, 2), (2, 0)]


def test_a_load_of_rejected_rows_alone_is_a_load(lake, file) -> None:
    result = lake.ingest(file(["nope"]))
    assert (result.number, result.quarantined, lake.quarantine().height) == (1, 1, 1)
    with pda.connect(lake) as db:
        assert db.view("usage")["runs"][0] == 0
    assert lake.ingest(file(["nope", wire("a")])).inserted == 1


def test_an_empty_lake_can_be_asked(lake, file) -> None:
    result = lake.ingest(file(b"[]", "none.json"))
    assert (result.read, result.number, result.snapshot) == (0, None, "no load")
    with pda.connect(lake) as db:
        assert (db.snapshot, db.view("usage")["runs"][0]) == ("no load", 0)
    assert (lake.loads().height, lake.history().height, lake.quarantine().height) == (0, 0, 0)
    assert lake.erase("acme") is None
    lake.compact()
    assert credits_of(lake) == {}
    with pytest.raises(pda.UsageError, match="nothing was loaded yet"):
        lake.snapshot(1)


def test_a_load_without_rows_adds_nothing(lake, file, tmp_path: Path) -> None:
    lake.ingest(file([wire("a")]))
    before = files_below(tmp_path / "lake")
    result = lake.ingest(file(b"id,account_id,created_at,status,target_language,input_file_id\n", "none.csv"))
    assert (result.read, result.number) == (0, None)
    assert files_below(tmp_path / "lake") == before


def test_strict_leaves_nothing_of_a_load(lake, file, tmp_path: Path) -> None:
    with pytest.raises(pda.RejectedRowsError, match="1 of 2 rows"):
        lake.ingest(file([wire("a"), "nope"]), strict=True, quarantine_to=tmp_path / "rejected.ndjson")
    assert not lake.exists
    assert json.loads((tmp_path / "rejected.ndjson").read_text("utf-8"))["raw"] == "nope"
    assert not [name for name in files_below(tmp_path / "lake") if "lock" not in name]


def test_a_load_that_fails_leaves_the_lake_as_it_was(lake, file, tmp_path: Path) -> None:
    lake.ingest(file([wire("a")]))
    before = files_below(tmp_path / "lake")
    whole = gzip.compress(ndjson([wire(str(n), input_file_id=str(n * 7919)) for n in range(30_000)]))
    for content, name in ((whole[:-1000], "cut.ndjson.gz"), (b"", "empty.ndjson")):
        with pytest.raises(pda.SourceError, match=r"is cut off|is empty"):
            lake.ingest([file([wire("b")], "b.ndjson"), file(content, name)] if content else file(content, name))
    assert files_below(tmp_path / "lake") == before
    assert credits_of(lake) == {"a": 3}


def test_a_source_may_be_a_path_a_list_an_iterator_a_table_and_a_lake(lake, file, tmp_path: Path) -> None:
    a, b, c = (file([wire(id)], f"{id}.ndjson") for id in "abc")
    lake.ingest(Path(a))
    lake.ingest([Path(a), b])
    lake.ingest(path for path in [b, c])
    lake.ingest(pda.load(c).runs.with_columns(id=pl.lit("d")))
    assert lake.loads()["source"].to_list() == [a, f"{a} and 1 more", f"{b} and 1 more", "table"]
    other = pda.Lake(tmp_path / "other")
    assert other.ingest(lake).inserted == 4
    assert other.ingest(str(tmp_path / "lake")).unchanged == 4
    assert other.loads()["source"].to_list() == [str(tmp_path / "lake")]
    assert pda.load(other).runs.equals(pda.load(lake).runs)


def test_a_lakes_files_are_never_taken_for_files_of_runs(lake, file, tmp_path: Path) -> None:
    lake.ingest(file([wire("a", credits=1)], "in/a.ndjson"))
    for source in (tmp_path, tmp_path / "lake" / "runs"):
        with pytest.raises(pda.SourceError, match="is a Delta table"):
            pda.load(source)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("https://me:s3cret@example.org/runs.ndjson?X-Amz-Signature=s3cret#s3cret", "https://example.org/runs.ndjson"),
        (["s3://bucket/a.ndjson?versionId=s3cret"], "s3://bucket/a.ndjson"),
        (["a.ndjson", "b.ndjson", "c.ndjson"], "a.ndjson and 2 more"),
        ("-", "standard input"),
    ],
)
def test_the_ledger_names_a_source_without_what_it_must_keep_to_itself(source: Any, named: str) -> None:
    assert name_of([source] if isinstance(source, str) else source) == named


def test_the_ledger_says_what_each_load_was(lake, file) -> None:
    import hashlib

    import polydoc_analytics

    path = file([wire("a", target_language="de"), wire("b", target_language="fr"), "nope"])
    result = lake.ingest(path)
    [row] = lake.loads().to_dicts()
    stored = list(LedgerRow.__dataclass_fields__)
    assert list(row) == [*stored[:16], "erased", *stored[16:]], "erased follows from the other counts"
    assert stored[16] == "conflicts"
    assert (row["number"], row["load"], row["kind"], row["source"]) == (1, result.load, "ingest", path)
    assert row["content_hash"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert {name: row[name] for name in result} == dict(result)
    assert row["started_at"] < row["committed_at"] <= datetime.now(UTC)
    assert (row["runs"], row["new_quarantined"], row["languages"]) == (2, 1, ["de", "fr"])
    assert (row["runs_version"], row["history_version"], row["quarantine_version"]) == (1, 0, 1)
    created = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert row["created_low"] == row["created_high"] == int(created.timestamp()) * 1_000_000
    assert (row["tool_version"], row["format_version"]) == (polydoc_analytics.__version__, 1)


def test_the_history_says_between_which_loads_a_state_held(lake, file) -> None:
    names = [lake.ingest(file([wire("a", credits=n)], f"{n}.ndjson")).load for n in (1, 2, 3)]
    rows = lake.history().sort("credits").select("credits", "load", "superseded_by").rows()
    assert rows == [(1, names[0], names[1]), (2, names[1], names[2])]


def test_other_readers_of_delta_see_the_same_rows(lake, file, tmp_path: Path) -> None:
    import duckdb
    from deltalake import DeltaTable

    lake.ingest(file([wire("a", credits=1), wire("b")]))
    lake.ingest(file([wire("a", credits=2), wire("c")], "2.ndjson"))
    expected = [("a", 2), ("b", 3), ("c", 3)]
    folder = str(tmp_path / "lake" / "runs")
    by_polars = pl.scan_delta(folder).select("id", "credits").sort("id").collect()
    assert by_polars.rows() == expected
    files = [file.removeprefix("file://") for file in DeltaTable(folder).file_uris()]
    sql = f"select id, credits from read_parquet({files}) order by id"
    assert duckdb.connect().sql(sql).fetchall() == expected
    with pda.connect(lake) as db:
        assert db.sql("select id, credits from runs order by id").rows() == expected


def edited(log: Path, change: Any) -> None:
    """Write a log entry again with its actions changed."""
    actions = [change(json.loads(line)) for line in log.read_text("utf-8").splitlines()]
    log.write_text("".join(json.dumps(action) + "\n" for action in actions), "utf-8")


@pytest.mark.parametrize("table", ["runs", "loads"])
@pytest.mark.parametrize("feature", ["deletionVectors", "columnMapping"])
def test_a_table_with_features_that_cannot_be_read_right_is_refused(
    lake, file, tmp_path: Path, table: str, feature: str
) -> None:
    def with_feature(action: dict[str, Any]) -> dict[str, Any]:
        features = {"readerFeatures": [feature], "writerFeatures": [feature]}
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        return {"protocol": protocol} if "protocol" in action else action

    lake.ingest(file([wire("a")]))
    edited(tmp_path / "lake" / table / "_delta_log" / f"{0:020}.json", with_feature)
    for read in (lambda: pda.connect(lake), lambda: lake.ingest(file([wire("b")], "b.ndjson"))):
        with pytest.raises(pda.LakeError, match=f"was written with {feature}, which cannot be read right") as refused:
            read()
        assert len(str(refused.value).splitlines()) == 1


def test_a_lake_of_another_format_is_refused(lake, file, tmp_path: Path) -> None:
    def of_format(description: str) -> Any:
        return lambda action: (
            {"metaData": action["metaData"] | {"description": description}} if "metaData" in action else action
        )

    lake.ingest(file([wire("a")]))
    log = tmp_path / "lake" / "loads" / "_delta_log" / f"{0:020}.json"
    for description, said in (("polydoc-analytics lake, format 2", "is format 2"), ("sales", "is no lake of this")):
        edited(log, of_format(description))
        with pytest.raises(pda.LakeError, match=said):
            pda.connect(lake)


def test_there_is_no_lake_where_nothing_was_loaded(tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "nothing")
    for ask in (lake.snapshot, lake.loads, lake.compact, lambda: lake.erase("acme"), lambda: pda.connect(lake)):
        with pytest.raises(pda.LakeError, match=r"^no lake at .*; `polydoc-analytics ingest` or `sync` makes one"):
            ask()
    assert files_below(tmp_path) == set()


def mended(lines: Iterable[str], old: str, new: str) -> bytes:
    entries = [json.loads(line) for line in lines]
    return ndjson([entry | {"raw": entry["raw"].replace(old, new)} for entry in entries])


def test_quarantined_rows_can_be_mended_and_loaded(lake, file, tmp_path: Path) -> None:
    from polydoc_analytics.cli import run

    header = "id,account_id,created_at,finished_at,status,target_language,input_file_id\n"
    row = "c,acme,2026-03-02T10:00:00Z,2026-03-02T10:00:05Z,Done,de,in\n"
    lake.ingest([file([wire("a"), wire("b", status="Done")]), file((header + row).encode(), "runs.csv")])
    out = tmp_path / "rejected.ndjson"
    assert run(["lake", "quarantine", "--lake", str(tmp_path / "lake"), "--out", str(out)]) == 0
    lines = out.read_text("utf-8").splitlines()
    assert sorted(json.loads(line).get("header", "") for line in lines) == ["", header.strip()]
    result = lake.ingest(file(mended(lines, "Done", "Succeeded"), "mended.ndjson"))
    assert (result.inserted, result.quarantined) == (2, 0)
    assert pda.load(lake).runs.select("id", "status").sort("id").rows() == [(id, "Succeeded") for id in "abc"]


def test_a_dash_is_the_standard_input_even_where_a_lake_has_that_name(tmp_path: Path, monkeypatch, file) -> None:
    from polydoc_analytics.lake.resolve import LakeRef, resolve
    from polydoc_analytics.loaders.options import ReadOptions

    monkeypatch.chdir(tmp_path)
    pda.Lake("./-").ingest(file([wire("a")]))
    assert not isinstance(resolve("-", ReadOptions("ndjson")), LakeRef)
    assert isinstance(resolve("./-"), LakeRef)

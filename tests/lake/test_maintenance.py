"""Keeping a lake: compaction changes no figure, erasure leaves nothing of an account, an export is whole or none."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pyarrow.parquet as pq
import pytest
from support.lakes import credits_of, files_below
from support.repetitions import Soak
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.lake import maintenance
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.model.epoch import to_us as us

ALICE = "3f6b1c7e-3a7f-4b8e-9d1c-1f2e3d4c5b6a"
BOB = "3f6b1c7e-3a7f-4b8e-9d1c-1f2e3d4c5b6b"


@pytest.fixture
def lake(tmp_path: Path) -> pda.Lake:
    return pda.Lake(tmp_path / "lake")


def data_files(lake: pda.Lake, table: str = "runs") -> list[str]:
    return [file.name for file in LakeTable(lake.place, table).open().files()]


def test_what_compaction_would_do_is_said_before_it_is_done(lake, file, tmp_path: Path) -> None:
    for n, row in enumerate([wire("a", credits=1), wire("a", credits=2), wire("b"), wire("c")]):
        lake.ingest(file([row], f"{n}.ndjson"))
    before = files_below(tmp_path / "lake")
    plan = lake.plan_compaction()
    assert plan.is_needed
    assert {name: len(files) for name, files in plan.small.items()} == {"runs": 3, "history": 0, "quarantine": 0}
    assert files_below(tmp_path / "lake") == before
    assert lake.compact() == plan
    assert (len(data_files(lake)), len(data_files(lake, "history"))) == (1, 1)
    assert not lake.plan_compaction().is_needed
    assert lake.loads()["kind"].to_list() == ["ingest"] * 4 + ["compact"]
    assert credits_of(lake) == {"a": 2, "b": 3, "c": 3}
    assert (credits_of(lake, as_of=1), credits_of(lake, as_of=3)) == ({"a": 1}, {"a": 2, "b": 3})


def test_a_compacted_file_is_sorted_zstd_and_knows_which_load_brought_each_run(lake, file, tmp_path: Path) -> None:
    for month in (3, 1, 2):
        lake.ingest(file([wire(str(month), created_at=f"2026-0{month}-01T00:00:00Z")], f"{month}.ndjson"))
    lake.compact()
    [name] = data_files(lake)
    with pq.ParquetFile(tmp_path / "lake" / "runs" / name) as whole:
        assert whole.metadata.row_group(0).column(0).compression == "ZSTD"
        table = whole.read()
    assert table["id"].to_pylist() == ["1", "2", "3"]
    loads = lake.loads()["load"].to_list()
    assert table["load"].to_pylist() == [loads[1], loads[2], loads[0]]


def test_a_reader_that_has_pinned_a_snapshot_goes_on_reading(lake, file) -> None:
    lake.ingest(file([wire("a")]))
    with pda.connect(lake) as db:
        lake.ingest(file([wire("a", credits=9), wire("b")], "2.ndjson"))
        lake.compact()
        assert db.sql("select id, credits from runs").rows() == [("a", 3)]


@pytest.mark.parametrize("days", [6, 0, -1])
def test_a_retention_of_less_than_a_week_is_refused(lake, file, days: int) -> None:
    lake.ingest(file([wire("a")]))
    with pytest.raises(pda.UsageError, match=f"retention of {days} days: .*give at least 7"):
        lake.compact(days)


def test_many_small_files_are_put_together_without_being_asked(lake, file) -> None:
    with mock.patch.object(maintenance, "MANY_FILES", 2):
        results = [lake.ingest(file([wire(str(n), credits=n)], f"{n}.ndjson")) for n in range(4)]
    assert lake.loads()["kind"].to_list() == ["ingest", "ingest", "ingest", "compact", "ingest"]
    assert [result.number for result in results] == [1, 2, 3, 5]
    assert [sorted(credits_of(lake, as_of=n)) for n in (1, 2, 3, 4, 5)] == [
        ["0"], ["0", "1"], ["0", "1", "2"], ["0", "1", "2"], ["0", "1", "2", "3"],
    ]  # fmt: skip


def two_accounts(lake: pda.Lake, file: Any) -> None:
    """Two loads in which two accounts have runs, superseded states and rejected rows."""
    rows = [
        wire(f"{name}-{n}", account_id=account, credits=n, target_language=language)
        for name, account, language in (("alice", ALICE, "is"), ("bob", BOB, "de"))
        for n in range(1, 4)
    ]
    bad = [wire("x", account_id=account, status="Done") for account in (ALICE, BOB)]
    lake.ingest(file([*rows, *bad], f"{ALICE}.ndjson"))
    lake.ingest(file([{**row, "credits": row["credits"] + 10} for row in rows[::2]], "later.ndjson"))


def bytes_below(folder: Path) -> bytes:
    """All bytes of all files, and all values of all Parquet files."""
    content = b""
    for path in folder.rglob("*"):
        if path.is_file():
            content += path.read_bytes()
            if path.suffix == ".parquet":
                content += str(pq.read_table(path).to_pylist()).encode()
    return content


def test_an_erased_account_leaves_no_byte_and_other_accounts_keep_their_figures(lake, file, tmp_path: Path) -> None:
    two_accounts(lake, file)
    assert ALICE.encode() in bytes_below(tmp_path / "lake")

    def figures(as_of: int | None) -> pl.DataFrame:
        with pda.connect(lake, as_of=as_of) as db:
            return db.view("usage_by_account").filter(pl.col("account_id") != ALICE)

    before = {as_of: figures(as_of) for as_of in (1, *([2] if Soak.is_on else []), None)}
    row = lake.erase(ALICE)
    assert row is not None
    assert row.kind == "erase"
    assert re.fullmatch(r"account with keyed SHA-256 [0-9a-f]{64}", row.source)
    assert hashlib.sha256(ALICE.encode()).hexdigest() not in row.source
    assert row.detail == "erased 3 runs, 2 superseded states, 2 quarantined rows"

    content = bytes_below(tmp_path / "lake")
    assert ALICE.encode() not in content
    assert BOB.encode() in content
    assert b"alice-1" not in content
    for as_of, frame in before.items():
        assert figures(as_of).equals(frame)
        with pda.connect(lake, as_of=as_of) as db:
            assert db.view("usage")["runs"][0] == db.counts.runs == 3
            assert (as_of and not Soak.is_on) or db.view("conservation")["holds"].all()
            assert db.view("usage_by_language")["language"].to_list() == ["de"]
    assert lake.loads().select("number", "runs").rows() == [(1, 3), (2, 3), (3, 3)]
    assert lake.damage().good is not None
    assert lake.erase(ALICE) is None
    assert lake.loads().height == 3


def test_the_ledger_bounds_the_instants_that_an_erasure_leaves(lake, file) -> None:
    def seen(name: str, account: str, day: int, **more: Any) -> dict[str, Any]:
        times = {"created_at": f"2026-03-{day:02d}T10:00:00Z", "finished_at": f"2026-03-{day:02d}T10:00:05Z"}
        return wire(name, account_id=account, **{**times, **more})

    running = {"status": "Running", "finished_at": None, "output_file_id": None}
    lake.ingest(file([seen("a", ALICE, 1), seen("b", BOB, 4, **running)], "1.ndjson"))
    lake.ingest(file([seen("b", BOB, 4), seen("c", ALICE, 9), seen("d", BOB, 6)], "2.ndjson"))
    lake.erase(ALICE)
    bounds = ["created_low", "created_high", "finished_low", "finished_high"]
    fourth, sixth = (us(datetime(2026, 3, day, 10, tzinfo=UTC)) for day in (4, 6))
    assert lake.loads().select(bounds).rows() == [
        (fourth, fourth, None, None),
        (fourth, sixth, fourth + 5_000_000, sixth + 5_000_000),
        (fourth, sixth, fourth + 5_000_000, sixth + 5_000_000),
    ]
    lake.erase(BOB)
    assert lake.loads().select(bounds).rows() == [(None,) * 4] * 4


@pytest.mark.parametrize("basis", ["created", "finished"])
def test_the_calendar_of_a_lake_is_of_the_runs_as_they_are_now(lake, file, basis: str) -> None:
    for day in (9, 4):  # the correction says that the run was of another day
        times = {"created_at": f"2026-03-{day:02d}T10:00:00Z", "finished_at": f"2026-03-{day:02d}T10:00:05Z"}
        lake.ingest(file([wire("a", **times)], f"{day}.ndjson"), correct=True)
    for as_of, day in ((1, 9), (2, 4), (None, 4)):
        with pda.connect(lake, as_of=as_of, date_basis=basis) as db:
            assert db.view("calendar")["day"].to_list() == [date(2026, 3, day)]


def test_what_was_erased_can_be_loaded_again_when_that_is_wanted(lake, file) -> None:
    path = file([wire("a", account_id=ALICE)])
    lake.ingest(path)
    lake.erase(ALICE)
    assert credits_of(lake) == {}
    assert lake.readmit(ALICE) is not None
    assert lake.ingest(path).inserted == 1


def test_an_account_is_not_mistaken_for_one_whose_id_begins_alike(lake, file) -> None:
    bad = [wire("x", account_id=account, status="Done") for account in ("acme", "acme-2", "")]
    lake.ingest(file([wire("a", account_id="acme"), wire("b", account_id="acme-2"), wire("c", account_id=""), *bad]))
    row = lake.erase("")
    assert row is not None
    assert row.detail == "erased 1 run, 0 superseded states, 0 quarantined rows"
    row = lake.erase("acme")
    assert row is not None
    assert row.detail == "erased 1 run, 0 superseded states, 1 quarantined row"
    assert [json.loads(raw)["account_id"] for raw in lake.quarantine()["raw"]] == ["acme-2", ""]
    assert credits_of(lake) == {"b": 3}


def test_an_account_is_found_in_rejected_rows_however_json_writes_it(lake, file) -> None:
    rows = ['{"id": 5, "account_id": "Zo\\u00e9"}', '{"id": 6, "account_id": "Zoé"}', '{"id": 7, "account_id": "Zoée"}']
    lake.ingest(file(rows))
    row = lake.erase("Zoé")
    assert row is not None
    assert row.detail == "erased 0 runs, 0 superseded states, 2 quarantined rows"
    assert [json.loads(raw)["id"] for raw in lake.quarantine()["raw"]] == [7]


def test_an_export_of_a_lake_is_its_runs_as_of_a_load(lake, file, tmp_path: Path) -> None:
    lake.ingest(file([wire("a", credits=1), wire("b", created_at="2026-02-28T23:59:59Z")]))
    lake.ingest(file([wire("a", credits=2), wire("c")], "2.ndjson"))
    staged = pda.export(lake, tmp_path / "now")
    assert dict(staged.counts) == {"read": 3, "runs": 3, "duplicates": 0, "quarantined": 0, "conflicts": 0}
    assert staged.snapshot is not None
    assert staged.snapshot.startswith("load 2 (")
    pda.export(str(tmp_path / "lake"), tmp_path / "then", as_of=1)
    assert credits_of(tmp_path / "now") == {"a": 2, "b": 3, "c": 3}
    assert credits_of(tmp_path / "then") == {"a": 1, "b": 3}
    assert pda.load(tmp_path / "then").runs.equals(pda.load(lake, as_of=1).runs)
    months = sorted(path.name for path in (tmp_path / "then").iterdir())
    assert months == ["_manifest.json", "created_month=2026-02", "created_month=2026-03"]
    with pda.connect(tmp_path / "now") as db:
        assert db.view("usage")["credits"][0] == 8


def test_a_half_done_export_is_never_mistaken_for_a_whole_one(lake, file, tmp_path: Path, monkeypatch) -> None:
    from polydoc_analytics.ingest.parquet import PartWriter

    lake.ingest(file([wire(str(n), created_at=f"2026-0{n}-01T00:00:00Z") for n in range(1, 4)], "in/runs.ndjson"))
    out = tmp_path / "out"
    pda.export(lake, out)
    whole = files_below(out)

    def disk_is_full(self: PartWriter) -> list[str]:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PartWriter, "flush", disk_is_full)
        with pytest.raises(OSError, match="No space left"):
            pda.export(lake, tmp_path / "new")
        with pytest.raises(OSError, match="No space left"):
            pda.export(lake, out, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "lake", "out"]
    assert files_below(out) == whole
    next(out.rglob("*.parquet")).unlink()
    with pytest.raises(pda.SourceError, match="is missing or not as exported"):
        pda.load(out)

"""A flipped bit is found by ``doctor`` and repaired; rows that another writer has put together are taken in."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
from support.lake_loads import Loaded, expected, glimpsed, left_overs, observed, write_load
from support.lakes import credits_of
from support.repetitions import Soak, slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics import Lake
from polydoc_analytics.cli import run
from polydoc_analytics.lake import delta_table
from polydoc_analytics.lake.doctor import examine
from polydoc_analytics.lake.schemas import TABLES


@pytest.fixture
def lake(loaded: Loaded, tmp_path: Path) -> Path:
    return loaded(tmp_path / "lake", 1, 2, 3)


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Flip one bit of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def newest_file(lake: Path, table: str) -> Path:
    load = Lake(lake).loads()["load"][-1]
    return next((lake / table).glob(f"part-{load}*.parquet"))


@pytest.mark.parametrize(
    ("table", "flips"),
    [("runs", 0), ("quarantine", 1), *(slow(table, 10) for table in TABLES)],
)
def test_a_flipped_bit_wherever_it_is_is_told_by_doctor_and_repaired(
    lake: Path, tmp_path: Path, table: str, flips: int
) -> None:
    path = newest_file(lake, table)
    chance = random.Random(22)
    whole = path.read_bytes()
    assert not Soak.is_on or examine(Lake(lake)).is_whole
    for _ in range(flips):
        path.write_bytes(whole)
        flip(path, chance.randrange(4, len(whole) - 8), chance.randrange(8))
        assert run(["doctor", "--lake", str(lake)]) == 1
    path.write_bytes(whole)
    flip(path, 40)  # in the first data page
    found = examine(Lake(lake))
    assert not found.is_whole
    assert f"{table}/{path.name}" in found.findings[0].what
    assert found.sections["damaged"] == [{"file": f"{table}/{path.name}"}]
    assert Lake(lake).repair().files == [f"{table}/{path.name}"]
    assert glimpsed(lake) == expected([1, 2])
    if table != "runs" and not Soak.is_on:
        return
    assert examine(Lake(lake)).is_whole
    assert Lake(lake).ingest(write_load(tmp_path, 3)).number is not None
    assert glimpsed(lake) == expected([1, 2, 3])
    assert not left_overs(lake)


def test_rows_of_a_changed_file_are_not_written_again(tmp_path: Path, file) -> None:
    lake = Lake(tmp_path / "lake")
    lake.ingest(file([wire(f"id-{n:04}", input_file_id=f"in-{n * 7919 % 1000}") for n in range(1000)]))
    lake.ingest(file([wire("z")], "z.ndjson"))
    path = max((tmp_path / "lake" / "runs").glob("*.parquet"), key=lambda path: path.stat().st_size)
    flip(path, path.stat().st_size // 3)
    uses = (
        lambda: lake.ingest(file([wire("id-0001", credits=9)], "2.ndjson")),
        lake.compact,
        lambda: lake.erase("acme"),
    )
    for use in uses:
        with pytest.raises(pda.LakeError, match=r"(its checksum differs|cannot be read: .*); `polydoc-analytics lake"):
            use()
    assert lake.loads().height == 2


def test_a_file_without_a_checksum_in_its_name_is_checked_by_its_pages(lake: Path) -> None:
    path = newest_file(lake, "runs")
    table = delta_table.LakeTable(Lake(lake).place, "runs").open()
    plain = path.with_name("part-00000-of-a-cluster.parquet")
    frame = pl.read_parquet(path).to_arrow()
    import pyarrow.parquet as pq

    pq.write_table(frame, plain, write_page_checksum=True)
    assert table.is_as_written(plain.name)
    flip(plain, 40)
    assert not table.is_as_written(plain.name)


class TestAnotherWriter:
    """Somebody else's OPTIMIZE and VACUUM have removed every file that the ledger pins."""

    def optimise(self, lake: Path, table: str = "runs", **vacuum: object) -> None:
        from deltalake import DeltaTable

        delta = DeltaTable(str(lake / table))
        delta.optimize.compact()
        delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)

    def test_its_rows_are_taken_in(self, lake: Path, tmp_path: Path) -> None:
        before = {name: frame.drop("created_at") for name, frame in {"h": Lake(lake).history()}.items()}
        for table in ("runs", "history", "quarantine"):
            self.optimise(lake, table)
        with pytest.raises(pda.LakeError, match="is missing, or not as it was written"):
            Lake(lake).snapshot()
        would = Lake(lake).damage()
        done = Lake(lake).repair()
        assert done == would
        assert done.good is not None
        assert (done.good.number, done.lost, done.gone) == (3, [], {})
        assert done.taken["runs"] == len(expected([1, 2, 3]))
        assert glimpsed(lake) == expected([1, 2, 3])
        assert Lake(lake).history().drop("created_at").equals(before["h"])
        assert Lake(lake).quarantine().height == 3
        last = Lake(lake).loads().row(-1, named=True)
        assert (last["kind"], last["runs"]) == ("repair", len(expected([1, 2, 3])))
        assert f"{done.taken['runs']} rows of runs taken in from another writer" in last["detail"]
        for number in (2, 4):
            Lake(lake).ingest(write_load(tmp_path, number))
        assert glimpsed(lake) == expected([1, 2, 3, 4])
        assert examine(Lake(lake)).is_whole
        Lake(lake).compact()
        assert not left_overs(lake)

    def test_rows_of_its_own_and_of_erased_accounts_are_left_out(self, tmp_path: Path, file) -> None:
        from deltalake import DeltaTable, write_deltalake

        lake = Lake(tmp_path / "lake")
        lake.ingest(file([wire("a"), wire("b", account_id="zeta")]))
        lake.ingest(file([wire("c")], "2.ndjson"))
        rows = pl.read_parquet(list((tmp_path / "lake" / "runs").glob("*.parquet")))
        lake.erase("zeta")
        theirs = pl.concat([rows, rows.filter(id="a").with_columns(id=pl.lit("d"), load=pl.lit("theirs"))])
        write_deltalake(str(tmp_path / "lake" / "runs"), theirs.to_arrow(), mode="overwrite")
        DeltaTable(str(tmp_path / "lake" / "runs")).vacuum(
            retention_hours=0, dry_run=False, enforce_retention_duration=False
        )
        done = lake.repair()
        assert (done.lost, done.gone, done.taken) == ([], {}, {"runs": 2})
        assert credits_of(lake) == {"a": 3, "c": 3}

    def test_what_it_has_lost_is_said(self, lake: Path, capsys) -> None:
        from deltalake import DeltaTable

        ids = sorted(expected([1, 2, 3]))
        delta = DeltaTable(str(lake / "runs"))
        delta.delete(f"id = '{ids[0]}'")
        self.optimise(lake)
        done = Lake(lake).damage()
        assert (done.gone, done.taken) == ({"runs": 1}, {"runs": len(ids) - 1})
        assert run(["lake", "repair", "--lake", str(lake), "--run"]) == 0
        said = capsys.readouterr().out
        assert "taken out with their files: 1 row of runs" in said
        assert f"taken in from files of another writer: {len(ids) - 1} rows of runs" in said
        assert sorted(observed(lake)) == ids[1:]


def test_a_damaged_file_after_an_erasure_costs_its_own_rows_alone(tmp_path: Path, file) -> None:
    lake = Lake(tmp_path / "lake")
    lake.ingest(file([wire("a"), wire("b", account_id="zeta")]))
    lake.ingest(file([wire("c", account_id="zeta")], "2.ndjson"))
    row = lake.erase("acme")
    assert row is not None
    next((tmp_path / "lake" / "runs").glob(f"part-{row.load}*.parquet")).unlink()
    done = lake.repair()
    assert (done.lost, done.gone) == ([], {"runs": 1})
    assert credits_of(lake) == {"c": 3}

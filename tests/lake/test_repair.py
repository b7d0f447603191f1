"""Damage is told in one line with the way back, looking changes nothing, and a repair loses as little as it can."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.lake_loads import child, expected, glimpsed, left_overs, observed, write_load
from support.repetitions import Soak, often, slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics import Lake
from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake import delta_table, maintenance
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.schemas import TABLES

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) * 2 // 3],
    "zeros": lambda content: bytes(len(content)),
    "garbage": lambda content: b"\x89PNG\r\n" + content[7:],
}


GOES_ON = (("history", "garbage"), ("loads", "empty"))
"""Damages of newest entries after whose repair more is loaded; `just soak` loads after each."""


@pytest.fixture(scope="module")
def five_loads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("five")
    with pytest.MonkeyPatch.context() as patched:
        # Rows that are held back get a file of their own, so that files of a load outlive the next one.
        patched.setattr("polydoc_analytics.ingest.dedup._FEW", -1)
        for number in range(1, 6):
            Lake(folder / "lake").ingest(write_load(folder, number))
    return folder


@pytest.fixture(scope="module")
def with_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of four loads, whose logs have a checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(delta_table._CONFIGURATION, "delta.checkpointInterval", "3")
        for number in range(1, 5):
            Lake(folder / "lake").ingest(write_load(folder, number))
    return folder / "lake"


@pytest.fixture
def lake(five_loads: Path, tmp_path: Path) -> Path:
    """A lake of five loads, each of which changed every table."""
    shutil.copytree(five_loads / "lake", tmp_path / "lake")
    return tmp_path / "lake"


def _newest_entry(lake: Path, table: str) -> Path:
    return max((lake / table / "_delta_log").glob("*.json"))


def _damage(path: Path, damage: str) -> None:
    path.write_bytes(DAMAGES[damage](path.read_bytes()))


def _content(lake: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in lake.rglob("*") if path.is_file() and "lock" not in path.name}


def _loaded_file(lake: Path, number: int, table: str = "runs") -> Path:
    """The file that a load has brought into a table, and that the newest version still holds."""
    load = Lake(lake).loads()["load"][number - 1]
    used = {file.name for file in delta_table.LakeTable(Lake(lake).place, table).open().files()}
    return next(path for path in (lake / table).glob(f"part-{load}-*.parquet") if path.name in used)


def _is_one_line_with_the_way_back(message: str, *words: str) -> None:
    assert "\n" not in message
    assert "`polydoc-analytics lake repair --lake " in message
    for word in words:
        assert word in message


class TestLogEntries:
    @pytest.mark.parametrize(
        ("table", "damage"),
        [
            ("runs", "zeros"),
            ("loads", "empty"),
            *(slow(table, damage) for table in TABLES for damage in DAMAGES),
        ],
    )
    def test_a_damaged_newest_entry_is_told_and_the_way_back_works(
        self, lake: Path, five_loads: Path, table: str, damage: str
    ) -> None:
        entry = _newest_entry(lake, table)
        _damage(entry, damage)
        before = _content(lake)
        name = f"{table}/_delta_log/{entry.name}"
        for use in (Lake(lake).snapshot, Lake(lake).loads, lambda: Lake(lake).ingest(write_load(five_loads, 6))):
            with pytest.raises(LakeError) as told:
                use()
            _is_one_line_with_the_way_back(str(told.value), name)
        would = Lake(lake).damage()
        assert would.entries == [name]
        assert _content(lake) == before
        done = Lake(lake).repair()
        assert done == would
        if table == "loads":
            # The row's file was on the disk before the entry that names it, so that nothing is lost.
            assert (done.good.number if done.good else None, done.lost) == (5, [])
            assert glimpsed(lake) == expected([1, 2, 3, 4, 5])
        else:
            assert done.good is not None
            assert (done.good.number, [row.number for row in done.lost]) == (4, [5])
            assert glimpsed(lake) == expected([1, 2, 3, 4])
        last = Lake(lake).loads().row(-1, named=True)
        assert (last["kind"], last["number"]) == ("repair", 6)
        assert not Lake(lake).damage().is_needed
        assert (next((lake / "_damaged").glob(f"*-{table}-*"))).is_file()
        if (table, damage) not in GOES_ON and not Soak.is_on:
            return
        assert Lake(lake).ingest(write_load(five_loads, 5)).number == (None if table == "loads" else 7)
        Lake(lake).ingest(write_load(five_loads, 6))
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5, 6])
        assert not left_overs(lake)

    @pytest.mark.parametrize("table", ["runs", slow("history"), slow("quarantine")])
    def test_an_entry_that_the_ledger_does_not_pin_heals_by_itself(
        self, lake: Path, tmp_path: Path, table: str
    ) -> None:
        version = int(_newest_entry(lake, table).stem) + 1
        (lake / table / "_delta_log" / f"{version:020}.json").write_bytes(b"")
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5])
        Lake(lake).ingest(write_load(tmp_path, 6))
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5, 6])
        assert not Lake(lake).damage().is_needed

    def test_an_older_entry_that_is_gone_or_empty_is_told_and_repaired(self, lake: Path, tmp_path: Path) -> None:
        entry = lake / "runs" / "_delta_log" / f"{2:020}.json"
        for damage in (lambda: entry.write_bytes(b""), entry.unlink):
            damage()
            with pytest.raises(LakeError) as told:
                Lake(lake).snapshot()
            _is_one_line_with_the_way_back(str(told.value), "runs")
        done = Lake(lake).repair()
        assert done.good is not None
        assert (done.good.number, [row.number for row in done.lost]) == (1, [5, 4, 3, 2])
        last = often(6, 3)
        for number in range(2, last + 1):
            Lake(lake).ingest(write_load(tmp_path, number))
        assert glimpsed(lake) == expected(list(range(1, last + 1)))

    @pytest.mark.parametrize(
        ("table", "damage"),
        [
            *(("loads", "gone"), ("history", "empty"), slow("quarantine", "gone")),
            *(slow("loads", "empty"), slow("history", "gone"), slow("quarantine", "empty")),
        ],
    )
    def test_an_older_entry_of_any_table_is_told(self, lake: Path, table: str, damage: str) -> None:
        as_of = {number: pda.connect(lake, as_of=number).view("usage") for number in (1, 5)}
        entry = lake / table / "_delta_log" / f"{1:020}.json"
        entry.unlink() if damage == "gone" else entry.write_bytes(b"")
        for use in (Lake(lake).snapshot, lambda: Lake(lake).snapshot(1)):
            with pytest.raises(LakeError) as told:
                use()
            _is_one_line_with_the_way_back(str(told.value), f"{table}/_delta_log/{1:020}.json")
        done = Lake(lake).repair()
        if table == "loads":  # the files of the ledger say all that its log said
            assert done.good is not None
            assert (done.good.number, done.lost) == (5, [])
            for number, usage in as_of.items():
                assert pda.connect(lake, as_of=number).view("usage").equals(usage)
        assert not Lake(lake).damage().is_needed

    @pytest.mark.parametrize(
        ("number", "damage"), [(5, "empty"), (5, "garbage"), (2, "gone"), slow(1, "cut off"), slow(4, "zeros")]
    )
    def test_a_damaged_file_of_the_ledger_costs_no_runs_and_no_look_back(
        self, lake: Path, number: int, damage: str
    ) -> None:
        was = {at: pda.load(Lake(lake), as_of=at).runs for at in range(1, 6)}
        loads = Lake(lake).loads()
        Lake(lake).remember("exports", {"kind": "files", "cursor": {"at": 1}})
        name = loads.filter(number=number)["load"].item()
        [file] = (lake / "loads").glob(f"part-{name}-ledger-*.parquet")
        file.unlink() if damage == "gone" else file.write_bytes(DAMAGES[damage](file.read_bytes()))
        done = Lake(lake).repair()
        assert (done.good.number if done.good else None, done.lost, done.gone) == (5, [], {})
        assert done.forgotten == [name]
        assert Lake(lake).source_state("exports") == {"kind": "files"}  # its next sync reads everything
        for at, runs in was.items():
            assert pda.load(Lake(lake), as_of=at).runs.equals(runs)
            with pda.connect(Lake(lake), as_of=at) as db:
                assert db.view("usage")["runs"].item() == db.counts.runs == runs.height
        now = Lake(lake).loads()
        assert now["number"].to_list() == [1, 2, 3, 4, 5, 6]
        assert now["load"].to_list()[:5] == loads["load"].to_list()
        bounds = ["runs", "created_low", "created_high", "runs_version", "history_version", "quarantine_version"]
        assert now.filter(number=number).select(bounds).equals(loads.filter(number=number).select(bounds))
        assert name in now["detail"].to_list()[5]
        assert not Lake(lake).damage().is_needed

    @pytest.mark.parametrize("damage", ["empty", slow("gone")])
    def test_a_ledger_in_one_file_costs_no_runs_either(self, lake: Path, damage: str) -> None:
        account = pda.load(Lake(lake)).runs["account_id"].sort()[0]
        Lake(lake).erase(account)
        before = pda.load(Lake(lake)).runs
        [file] = (lake / "loads").glob("*.parquet")
        file.unlink() if damage == "gone" else file.write_bytes(b"")
        done = Lake(lake).repair()
        assert (done.good.number if done.good else None, done.lost, len(done.forgotten)) == (6, [], 1)
        assert pda.load(Lake(lake)).runs.equals(before)
        assert Lake(lake).loads().select("number", "runs").rows() == [(6, before.height), (7, before.height)]
        with pda.connect(Lake(lake)) as db:
            assert db.view("conservation")["holds"].all()
        assert not Lake(lake).damage().is_needed

    def test_a_load_that_was_killed_stays_unknown_where_the_ledger_is_damaged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = (f"20260301-10000{second}-abcdef" for second in range(10))
        monkeypatch.setattr(maintenance, "new_load", lambda: next(names))
        lake = Lake(tmp_path / "lake")
        lake.ingest([wire("a", credits=1)])
        for row, is_killed in ((wire("killed"), True), (wire("a", credits=5), False), (wire("a", credits=9), True)):
            with monkeypatch.context() as patched:
                if is_killed:
                    patched.setattr(Ledger, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
                with pytest.raises(KeyboardInterrupt) if is_killed else nullcontext():
                    Lake(tmp_path / "lake").ingest([row])
        name = lake.loads()["load"].to_list()[-1]
        [file] = (tmp_path / "lake" / "loads").glob(f"part-{name}-ledger-*.parquet")
        file.write_bytes(b"")
        assert Lake(tmp_path / "lake").repair().forgotten == [name]
        for as_of, credited in ((1, 1), (2, 5), (None, 5)):
            runs = pda.load(Lake(tmp_path / "lake"), as_of=as_of).runs
            assert runs.select("id", "credits").rows() == [("a", credited)]

    def test_a_log_that_is_damaged_from_its_start_cannot_be_repaired(self, lake: Path) -> None:
        (lake / "runs" / "_delta_log" / f"{0:020}.json").write_bytes(b"")
        with pytest.raises(LakeError, match=r"damaged from its start; ingest into a new lake$"):
            Lake(lake).repair()

    @pytest.mark.parametrize(
        ("hit", "damage"),
        [
            ("_last_checkpoint", "cut off"),
            ("checkpoint", "empty"),
            slow("_last_checkpoint", "empty"),
            slow("checkpoint", "cut off"),
        ],
    )
    def test_a_damaged_checkpoint_loses_nothing(
        self, with_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hit: str, damage: str
    ) -> None:
        monkeypatch.setitem(delta_table._CONFIGURATION, "delta.checkpointInterval", "3")
        lake = tmp_path / "lake"
        shutil.copytree(with_checkpoints, lake)
        for table in ("runs", "loads"):
            log = lake / table / "_delta_log"
            _damage(log / hit if hit in os.listdir(log) else next(log.glob("*.checkpoint.parquet")), damage)
        if hit == "checkpoint":
            with pytest.raises(LakeError) as told:
                Lake(lake).snapshot()
            _is_one_line_with_the_way_back(str(told.value), "loads")
        else:
            assert glimpsed(lake) == expected([1, 2, 3, 4])
        done = Lake(lake).repair()
        assert done.good is not None
        assert (done.good.number, done.lost, done.gone) == (4, [], {})
        assert glimpsed(lake) == expected([1, 2, 3, 4])
        Lake(lake).ingest(write_load(tmp_path, 5))
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5])


class TestDataFiles:
    @pytest.mark.parametrize("damage", ["gone", slow("cut off"), slow("empty")])
    def test_a_damaged_file_of_the_newest_load_leads_back_to_the_load_before(
        self, lake: Path, tmp_path: Path, damage: str
    ) -> None:
        path = _loaded_file(lake, 5)
        if damage == "gone":
            path.unlink()
        else:
            _damage(path, damage)
        for use in (Lake(lake).snapshot, lambda: Lake(lake).ingest(write_load(tmp_path, 6))):
            with pytest.raises(LakeError) as told:
                use()
            _is_one_line_with_the_way_back(str(told.value), f"runs/{path.name}")
        done = Lake(lake).repair()
        assert done.good is not None
        assert (done.files, done.good.number, [row.number for row in done.lost]) == ([f"runs/{path.name}"], 4, [5])
        assert glimpsed(lake) == expected([1, 2, 3, 4])
        for number in (5, 6):
            assert Lake(lake).ingest(write_load(tmp_path, number)).number is not None
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5, 6])
        assert not left_overs(lake)

    def test_a_damaged_file_of_an_older_load_is_taken_out_and_no_other_load_is_lost(
        self, lake: Path, tmp_path: Path
    ) -> None:
        before = glimpsed(lake)
        path = _loaded_file(lake, 4)
        path.unlink()
        done = Lake(lake).repair()
        after = observed(lake)
        assert done.good is not None
        assert (done.good.number, done.lost) == (5, [])
        assert done.gone == {"runs": len(before) - len(after)}
        assert after.items() < before.items()
        last = Lake(lake).loads().row(-1, named=True)
        assert (last["kind"], last["runs"]) == ("repair", len(after))
        assert f"{done.gone['runs']} rows of runs lost with damaged files" in last["detail"]
        for again in range(1, 7):
            Lake(lake).ingest(write_load(tmp_path, again))
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5, 6])

    @pytest.mark.parametrize("table", ["history", "quarantine", "loads"])
    def test_a_missing_file_of_another_table_is_told_to_writers_and_repaired(
        self, lake: Path, tmp_path: Path, table: str
    ) -> None:
        max((lake / table).glob("*.parquet")).unlink()
        with pytest.raises(LakeError) as told:
            Lake(lake).ingest(write_load(tmp_path, 6))
        _is_one_line_with_the_way_back(str(told.value), table)
        done = Lake(lake).repair()
        assert [name.split("/")[0] for name in done.files] == [table]
        if table != "history" and not Soak.is_on:
            return
        for number in (5, 6):
            Lake(lake).ingest(write_load(tmp_path, number))
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5, 6])

    def test_a_lake_whose_only_load_is_damaged_keeps_the_rows_of_its_other_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "polydoc_analytics.ingest.dedup._FEW", -1
        )  # rows that are held back get a file of their own
        lake = tmp_path / "lake"
        Lake(lake).ingest(write_load(tmp_path, 1))
        _loaded_file(lake, 1).unlink()
        done = Lake(lake).repair()
        assert done.good is not None
        assert (done.good.number, done.lost) == (1, [])
        kept = glimpsed(lake)
        assert 0 < len(kept) < len(expected([1]))
        assert kept.items() <= expected([1]).items()
        Lake(lake).ingest(write_load(tmp_path, 1))
        assert glimpsed(lake) == expected([1])


class TestCommand:
    def test_repair_says_what_it_would_do_and_does_it_with_run(self, lake: Path, cli) -> None:
        name = _loaded_file(lake, 5)
        name.unlink()
        refused = cli("usage", lake)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith("error: ")
        _is_one_line_with_the_way_back(refused.err.strip(), name.name)
        before = _content(lake)
        would = cli("lake", "repair", "--lake", lake)
        assert would.code == 0, would.err
        assert f"damaged: runs/{name.name}\nwould go back to load 4\nto be loaded again: " in would.out
        assert "load-5.ndjson (load 5, " in would.out
        assert "nothing was changed; add --run to do it" in would.err
        assert _content(lake) == before
        done = cli("lake", "repair", "--lake", lake, "--run")
        assert done.code == 0, done.err
        assert "went back to load 4\n" in done.out
        assert cli("lake", "repair", "--lake", lake).out == "nothing is damaged\n"
        assert glimpsed(lake) == expected([1, 2, 3, 4])

    def test_there_is_nothing_to_repair_where_there_is_no_lake(self, tmp_path: Path, cli) -> None:
        for flag in ([], ["--run"]):
            done = cli("lake", "repair", "--lake", tmp_path / "none", *flag)
            assert (done.code, done.err.count("\n")) == (2, 1)
            assert "no lake at " in done.err
        assert not (tmp_path / "none").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one and a half megabytes."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


class TestDiskAndPermissions:
    @pytest.mark.parametrize("free_k", [12, slow(0), slow(4), slow(24), slow(32)])
    def test_a_full_disk_is_told_and_the_last_good_state_is_kept(
        self, small_disk: Path, tmp_path: Path, free_k: int
    ) -> None:
        lake = small_disk / "lake"
        for number in (1, 2):
            Lake(lake).ingest(write_load(tmp_path, number))
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        (small_disk / "filler").write_bytes(b"x" * (free - free_k * 1024))
        with pytest.raises(LakeError) as told:
            Lake(lake).ingest(write_load(tmp_path, 3))
        assert "\n" not in str(told.value)
        assert str(lake) in str(told.value)
        assert "no space left" in str(told.value).lower()
        assert glimpsed(lake) == expected([1, 2])
        (small_disk / "filler").unlink()
        Lake(lake).ingest(write_load(tmp_path, 3))
        assert glimpsed(lake) == expected([1, 2, 3])
        assert not left_overs(lake)

    def test_a_disk_that_is_full_from_the_start_leaves_no_half_lake(self, small_disk: Path, tmp_path: Path) -> None:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        (small_disk / "filler").write_bytes(b"x" * (free - 8 * 1024))
        with pytest.raises(LakeError, match=r"(?i)no space left"):
            Lake(small_disk / "lake").ingest(write_load(tmp_path, 1))
        (small_disk / "filler").unlink()
        Lake(small_disk / "lake").ingest(write_load(tmp_path, 1))
        assert glimpsed(small_disk / "lake") == expected([1])

    def test_a_lake_that_may_not_be_written_to_can_be_read(self, lake: Path, tmp_path: Path) -> None:
        if os.name == "nt":
            pytest.skip("folders have other permissions there")
        source = write_load(tmp_path, 6)
        for path in (*lake.rglob("*"), lake):
            path.chmod(0o555 if path.is_dir() else 0o444)
        script = """
import ctypes, os, sys
if os.geteuid() == 0:  # what makes root deaf to permissions is given up
    libc, head, rights = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(head, rights) == 0
    rights[0] &= ~0b1110
    assert libc.capset(head, rights) == 0
from polydoc_analytics.cli import run
print(run(["ingest", sys.argv[2], "--lake", sys.argv[1], "--quiet"]))
print(run(["ingest", sys.argv[2], "--lake", sys.argv[1] + "/new/lake", "--quiet"]))
print(run(["lake", "compact", "--lake", sys.argv[1], "--run"]))
print(run(["usage", sys.argv[1], "--csv"]))
"""
        output, errors = child(script, lake, source).communicate(timeout=60)
        assert output.splitlines()[:3] == ["2", "2", "2"], errors
        assert errors.splitlines()[:3] == [
            f"error: {lake}: cannot be written to: Permission denied",
            f"error: {lake}/new/lake: cannot be written to: Permission denied",
            f"error: {lake}: cannot be written to: Permission denied",
        ]
        assert output.splitlines()[-1] == "0"
        assert glimpsed(lake) == expected([1, 2, 3, 4, 5])

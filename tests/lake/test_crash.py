"""A load that is killed, or loses its machine's power, leaves a lake that is whole.

``just soak tests/lake/test_crash.py`` kills 20 and 200 times, too.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.lake_loads import Loaded, child, expected, glimpsed, left_overs, observed, write_load
from support.repetitions import slow

from polydoc_analytics import Lake
from polydoc_analytics.lake import delta_table, erasure
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.schemas import TABLES
from polydoc_analytics.lake.storage.interface import STAGING

_can_kill = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork, and POSIX signals")
LOADS = """
import os, signal, sys
from pathlib import Path
from polydoc_analytics import Lake
from polydoc_analytics.lake import delta_table, ledger, load
from polydoc_analytics.lake.storage import local
from support.lake_loads import write_load
import deltalake, duckdb, pandera.polars, polydoc_analytics.ingest.pipeline
folder, lake = Path(sys.argv[1]), sys.argv[2]
seen = 0

def step(fatal):
    # The process ends at the given step of its loads, as if somebody had killed it there.
    global seen
    seen += 1
    if seen == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def traced(owner, name, fatal):
    do = getattr(owner, name)
    def around(*args, **kwargs):
        step(fatal)
        try:
            return do(*args, **kwargs)
        finally:
            step(fatal)
    setattr(owner, name, around)

def loads(number, fatal):
    if fatal:
        for owner, name in (
            (os, "link"), (os, "fsync"), (os, "mkdir"),
            (delta_table.LakeTable, "create"), (delta_table.LakeTable, "add"),
            (deltalake.DeltaTable, "create_write_transaction"), (delta_table.LakeTable, "fsync"),
            (delta_table.LakeTable, "set_files"),
            (ledger.Ledger, "append"), (load, "write_table"), (load, "write_rows"), (local.LocalStorage, "fsync"),
            (local.LocalStorage, "remove"),
        ):
            traced(owner, name, fatal)
    while True:
        Lake(lake).ingest(write_load(folder, number))
        print("done", flush=True)
        number += 1

for line in sys.stdin:
    first, fatal = map(int, line.split())
    process = os.fork()  # the imports are done, and no thread has been started yet
    if not process:
        try:
            loads(first, fatal)
        finally:
            os._exit(1)
    print(process, flush=True)
    status = os.waitpid(process, 0)[1]
    print("killed" if os.WIFSIGNALED(status) else "failed", flush=True)
"""


class Loads:
    """Processes that load one file after the other into a lake, until they are killed."""

    def __init__(self, folder: Path, lake: Path) -> None:
        self._parent = child(LOADS, folder, lake)

    def kill(self, first: int, *, at_step: int = 0, after_s: float = 0) -> int:
        """Load from number ``first`` on, kill the process, and return how many loads were acknowledged."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{first} {at_step}\n")
        self._parent.stdin.flush()
        process = int(self._parent.stdout.readline())
        if not at_step:
            time.sleep(after_s)
            os.kill(process, signal.SIGKILL)
        done = 0
        while (line := self._parent.stdout.readline()) == "done\n":
            done += 1
        assert line == "killed\n"
        return done

    def close(self) -> None:
        """End the process from which the others come."""
        self._parent.communicate(timeout=30)


def _survives(folder: Path, kills: int, seed: int) -> None:
    lake, chance = folder / "lake", random.Random(seed)
    loads, done = Loads(folder, lake), 0
    for kill in range(kills):
        if kill % 2:
            done += loads.kill(done + 1, at_step=chance.randint(1, 300))
        else:
            done += loads.kill(done + 1, after_s=chance.uniform(0, 0.8))
        acknowledged, whole = list(range(1, done + 1)), list(range(1, done + 2))
        if (lake / "loads" / "_delta_log").exists():
            found, count = glimpsed(lake), Lake(lake).loads().filter(kind="ingest").height
            assert (found, count) in ((expected(acknowledged), done), (expected(whole), done + 1))
            assert Lake(lake).quarantine()["load"].n_unique() == count
        else:
            assert not done
        done += 1
        Lake(lake).ingest(write_load(folder, done))
        assert glimpsed(lake) == expected(whole)
        assert Lake(lake).quarantine().height == done
        assert not left_overs(lake)
    assert observed(lake) == expected(whole)
    loads.close()


@_can_kill
@pytest.mark.parametrize(("kills", "seed"), [(3, 2), slow(20, 3), slow(200, 4)])
def test_a_lake_survives_kills_wherever_they_come(tmp_path: Path, kills: int, seed: int) -> None:
    _survives(tmp_path, kills, seed)


class Disk:
    """What of a folder would be there after a loss of power: what was synced, as it was when it was synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: dict[int, int] = {}
        self.entries: dict[int, set[str]] = {}
        fsync = os.fsync

        def recording(handle: int) -> None:
            fsync(handle)
            status = os.fstat(handle)
            if os.path.isdir(f"/proc/self/fd/{handle}"):
                self.entries.setdefault(status.st_ino, set()).update(os.listdir(handle))
            else:
                self.files[status.st_ino] = status.st_size

        monkeypatch.setattr(os, "fsync", recording)

    def lacks(self, path: Path, top: Path) -> list[str]:
        """Return what would be missing of a file, or of the folders that lead to it from ``top``."""
        status = path.stat()
        missing = [] if self.files.get(status.st_ino) == status.st_size else [f"content of {path}"]
        while path != top:
            if path.name not in self.entries.get(path.parent.stat().st_ino, ()):
                missing.append(f"name of {path}")
            path = path.parent
        return missing

    def lacks_of_lake(self, lake: Path, top: Path) -> list[str]:
        """Return what would be missing of a lake: every log entry counts, and every file of the newest versions."""
        last = Lake(lake).loads().row(-1, named=True)
        missing = []
        for name in TABLES:
            for entry in sorted((lake / name / "_delta_log").iterdir()):
                missing += self.lacks(entry, top)
            table = LakeTable(Lake(lake).place, name).open(None if name == "loads" else last[f"{name}_version"])
            for file in table.files():
                missing += self.lacks(lake / name / file.name, top)
        return missing


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to see which file is synced")
class TestPowerLoss:
    def test_all_of_a_load_is_on_the_disk_when_it_is_done(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk, lake = Disk(monkeypatch), tmp_path / "new" / "folders" / "lake"
        for number in range(1, 4):
            Lake(lake).ingest(write_load(tmp_path, number))
            assert not disk.lacks_of_lake(lake, tmp_path)
        Lake(lake).remember("api", {"cursor": "x"})
        assert not disk.lacks(lake / "_sources" / "api.json", tmp_path)

    def test_checkpoints_are_on_the_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk, lake = Disk(monkeypatch), tmp_path / "lake"
        monkeypatch.setitem(delta_table._CONFIGURATION, "delta.checkpointInterval", "5")
        for number in range(1, 7):
            Lake(lake).ingest(write_load(tmp_path, number))
        assert list((lake / "loads" / "_delta_log").glob("*.checkpoint.parquet"))
        assert not disk.lacks_of_lake(lake, tmp_path)

    def test_files_are_on_the_disk_before_they_are_committed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from deltalake import DeltaTable

        disk, lake = Disk(monkeypatch), tmp_path / "lake"
        commit = DeltaTable.create_write_transaction

        def checked(table: DeltaTable, actions: list[object], *args: object, **kwargs: object) -> None:
            name = table.table_uri.rstrip("/").rsplit("/", 1)[-1]
            for action in actions:
                if type(action).__name__ == "AddAction":
                    assert not disk.lacks(lake / name / action.path, tmp_path)  # type: ignore[attr-defined]
            commit(table, actions, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(DeltaTable, "create_write_transaction", checked)
        for number in range(1, 4):
            Lake(lake).ingest(write_load(tmp_path, number))

    @pytest.mark.parametrize(
        ("table", "again"),
        [
            ("runs", "another load"),
            ("loads", "the same load"),
            *(slow(table, again) for table in TABLES for again in ("another load", "the same load")),
        ],
    )
    def test_what_a_killed_load_did_not_sync_is_synced_by_the_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, again: str
    ) -> None:
        disk, lake = Disk(monkeypatch), tmp_path / "lake"
        for number in (1, 3):
            Lake(lake).ingest(write_load(tmp_path, number))
        fsync = LakeTable.fsync

        def killed(self: LakeTable, version: int) -> None:
            if self.name == table:
                raise KeyboardInterrupt
            fsync(self, version)

        with monkeypatch.context() as patched:
            patched.setattr(LakeTable, "fsync", killed)
            with pytest.raises(KeyboardInterrupt):
                Lake(lake).ingest(write_load(tmp_path, 4))
        Lake(lake).ingest(write_load(tmp_path, 4 if again == "the same load" else 5))
        assert not disk.lacks_of_lake(lake, tmp_path)


@_can_kill
def test_ctrl_c_ends_a_load_with_130_and_leaves_nothing(loaded: Loaded, tmp_path: Path) -> None:
    lake = loaded(tmp_path / "lake", 1)
    before = sorted(str(path) for path in lake.rglob("*"))
    script = "import sys; sys.argv[0] = 'polydoc-analytics'; from polydoc_analytics.cli import main; main()"
    process = child(script, "ingest", "-", "--input-format", "ndjson", "--lake", lake, "--quiet")
    assert process.stdin is not None
    process.stdin.write('{"id": "a"')
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list((lake / STAGING).glob("*/runs")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (130, "", "")
    assert sorted(str(path) for path in lake.rglob("*")) == before


def test_a_load_that_somebody_came_before_is_taken_again(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that knows nothing of the lock commits between: all is undone and done once more, nothing is lost."""
    lake = loaded(tmp_path / "lake", 1, 2)
    add, came = LakeTable.add, []

    def late(self: LakeTable, *args: object, **kwargs: object) -> None:
        if self.name == "loads" and not came:
            came.append(True)
            LakeTable(self.place, "loads").open().invalidate_writers()
        add(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(LakeTable, "add", late)
    result = Lake(lake).ingest(write_load(tmp_path, 3))
    assert came
    assert result.number == 3
    assert glimpsed(lake) == expected([1, 2, 3])
    assert not left_overs(lake)


def test_an_erasure_that_was_killed_before_old_files_were_removed_is_finished_by_the_next(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = loaded(tmp_path / "lake", 1, 2, 3)

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "_remove_old_files", killed)
        with pytest.raises(KeyboardInterrupt):
            Lake(lake).erase("acme")
    assert list((lake / "runs").glob("*.parquet"))
    assert Lake(lake).erase("acme") is None
    assert not list((lake / "runs").glob("*.parquet"))
    assert not list((lake / "history").glob("*.parquet"))
    assert glimpsed(lake) == {}


@pytest.mark.parametrize("table", ["runs", "loads"])
def test_a_repair_that_was_killed_leaves_a_lake_that_goes_on(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    lake = loaded(tmp_path / "lake", 1, 2, 3)
    max((lake / table / "_delta_log").glob("*.json")).write_bytes(b"")

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "rewrite", killed)
        with pytest.raises(KeyboardInterrupt):
            Lake(lake).repair()
    Lake(lake).repair()
    for number in (3, 4):
        Lake(lake).ingest(write_load(tmp_path, number))
    assert glimpsed(lake) == expected([1, 2, 3, 4])
    assert not left_overs(lake)

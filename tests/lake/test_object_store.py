"""A lake in an object store, over HTTP: all that one on a disk can do, and writers that lose their lease."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.lake_loads import child, expected, glimpsed, observed, write_load
from support.object_store import CANARY
from support.repetitions import Soak, slow

from polydoc_analytics import Lake, connect
from polydoc_analytics.cli import run
from polydoc_analytics.errors import LakeError, PolydocError, QueryError
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.storage import object_store

URI = "s3://bucket/a lake/of runs"


def _objects(prefix: str = "") -> list[str]:
    import obstore

    store = Lake(URI).place._store  # type: ignore[attr-defined]
    return sorted(one["path"] for batch in obstore.list(store) for one in batch if one["path"].startswith(prefix))


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://bucket/lake#1", r"^s3://bucket/lake…: what stands behind # or \? would be left out; choose a prefix"),
        ("s3://bucket/lake?key=canary", r"^s3://bucket/lake…: what stands behind # or \? would be left out"),
        ("s3://bucket/a%20b", r"^s3://bucket/a%20b: the prefix of a lake may not hold %, \* or \[; choose another$"),
        ("s3://", r"^s3://: names no bucket, or a part of its prefix is empty, \. or \.\.$"),
        ("s3:///lake", r"^s3:///lake: names no bucket, or a part"),
        ("s3://bucket/a/../lake", r"^s3://bucket/a/../lake: names no bucket, or a part"),
        ("s3://bucket/a//lake", r"^s3://bucket/a//lake: names no bucket, or a part"),
        ("s3://bucket/lake[1]", r"the prefix of a lake may not hold %, \* or \["),
    ],
)
def test_a_prefix_that_its_parts_would_read_differently_is_refused_for_a_lake(
    uri: str, message: str, s3: dict[str, str]
) -> None:
    with pytest.raises(LakeError, match=message) as caught:
        Lake(uri)
    assert "canary" not in str(caught.value)
    assert _objects() == []


class TestAllOfIt:
    @pytest.mark.parametrize("loads", [2, slow(3)])
    def test_load_look_back_compact_and_erase(self, s3: dict[str, str], tmp_path: Path, loads: int) -> None:
        lake, numbers = Lake(URI), list(range(1, loads + 1))
        assert not lake.exists
        for number in numbers:
            assert lake.ingest(write_load(tmp_path, number)).number == number
        assert lake.ingest(write_load(tmp_path, loads)).number is None
        assert glimpsed(URI) == expected(numbers)
        for as_of in numbers[1:-1]:
            with connect(URI, as_of=as_of) as db:
                assert dict(db.sql("select id, credits from runs").iter_rows()) == expected(numbers[:as_of])
        assert lake.compact().is_needed
        with connect(lake, as_of=1) as db:
            assert dict(db.sql("select id, credits from runs").iter_rows()) == expected([1])
        assert lake.loads().height == loads + 1
        assert lake.quarantine().height == loads
        lake.remember("api", {"cursor": "c"})
        assert (lake.source_names(), lake.source_state("api")) == (["api"], {"cursor": "c"})
        row = lake.erase("acme")
        assert row is not None
        assert row.runs == 0
        assert glimpsed(URI) == {}
        assert not lake.damage().is_needed
        assert "_lock" not in _objects()

    def test_a_connection_asks_for_the_size_of_each_object_once(
        self, s3_lake: Callable[..., Lake], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from obstore.fsspec import FsspecStore

        s3_lake(URI, 1)
        asked: list[str] = []
        info = FsspecStore._info

        async def counted(store: Any, path: str, **options: Any) -> Any:
            asked.append(path)
            return await info(store, path, **options)

        monkeypatch.setattr(FsspecStore, "_info", counted)
        with connect(URI) as db:
            for name in ("runs", "usage", "usage_by_account", *(["conservation"] if Soak.is_on else [])):
                assert db.view(name).height
        read = [path for path in asked if "/runs/part-" in path]
        assert sorted(read) == sorted(f"{URI}/{name}" for name in _objects("runs/part-"))

    def test_storage_options_do_instead_of_the_environment(
        self, s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in s3:
            monkeypatch.delenv(name)
        lake = Lake(URI, storage_options=s3)
        lake.ingest(write_load(tmp_path, 1))
        with connect(lake) as db:
            assert dict(db.sql("select id, credits from runs").iter_rows()) == expected([1])

    def test_guard_rails_hold_and_forbid_other_objects_and_files(
        self, s3_lake: Callable[..., Lake], tmp_path: Path
    ) -> None:
        import obstore

        lake = s3_lake(URI, 1)
        place: Any = lake.place
        file = next(name for name in _objects("runs/") if name.endswith(".parquet"))
        obstore.put(place._store, "secret.parquet", bytes(obstore.get(place._store, file).bytes()))
        secret = tmp_path / "secret.csv"
        secret.write_text("a\n1\n")
        with connect(lake) as db:
            db.guard()
            assert db.sql("select count(*) as n from runs")["n"][0] == len(expected([1]))
            for other in (f"read_parquet('{URI}/secret.parquet')", f"read_csv('{secret}')", f"'{secret}'"):
                with pytest.raises(QueryError):
                    db.sql(f"select * from {other}")

    def test_the_command_line_takes_a_lake_by_its_uri(
        self, s3: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        told = []
        for arguments in (
            ("ingest", write_load(tmp_path, 1), "--lake", URI),
            ("usage", URI, "--csv"),
            ("query", URI, "select count(*) as n from runs"),
            ("doctor", "--lake", URI),
            ("lake", "history", "--lake", URI, "--json"),
        ):
            code = run(list(arguments))
            told.append(capfd.readouterr())
            assert code == 0, told[-1].err
        assert "load 1 is on the disk" in told[0].err
        assert str(len(expected([1]))) in told[2].out
        assert CANARY not in "".join(one.out + one.err for one in told)


class TestErrors:
    @pytest.mark.parametrize("uri", ["s3://bucket/nothing", "s3://no-such-bucket/lake"])
    def test_nothing_there_is_one_clear_line(
        self, s3: dict[str, str], uri: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(PolydocError) as told:
            Lake(uri).snapshot()
        assert "\n" not in str(told.value)
        assert uri in str(told.value)
        assert run(["usage", uri]) == 2
        shown = capfd.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        assert shown.err.count("\n") == 1
        assert uri in shown.err

    def test_a_missing_object_is_one_clear_line_and_repaired(
        self, s3_lake: Callable[..., Lake], tmp_path: Path
    ) -> None:
        lake = s3_lake(URI, 1, 2)
        load = lake.loads()["load"][1]
        lake.place.remove(next(name for name in _objects("runs/part-") if load in name))
        with pytest.raises(LakeError, match=r"is missing, or not as it was written; .*lake repair"):
            lake.snapshot()
        assert [row.number for row in lake.repair().lost] == [2]
        assert glimpsed(URI) == expected([1])
        if Soak.is_on:  # as in a folder
            lake.ingest(write_load(tmp_path, 2))
            assert glimpsed(URI) == expected([1, 2])

    def test_credentials_are_in_no_error_and_in_no_object(
        self, s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import obstore

        lake = Lake(URI, storage_options={"AWS_SECRET_ACCESS_KEY": CANARY})
        lake.ingest(write_load(tmp_path, 1))
        place: Any = lake.place
        for name in _objects():
            assert CANARY.encode() not in bytes(obstore.get(place._store, name).bytes())
        assert CANARY not in repr(lake) + lake.snapshot().text
        options = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_SECRET_ACCESS_KEY": CANARY}
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        out_of_reach = Lake(URI, storage_options=options)
        for use in (out_of_reach.snapshot, lambda: out_of_reach.ingest(write_load(tmp_path, 2))):
            with pytest.raises(LakeError) as told:
                use()
            assert "\n" not in str(told.value)
            assert CANARY not in str(told.value)


WRITER = """
import sys, time
from pathlib import Path
from polydoc_analytics import Lake
from polydoc_analytics.lake.storage import object_store as remote
from polydoc_analytics.lake.ledger import Ledger
from support.lake_loads import write_load
folder, uri, lease, pause = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
remote.LEASE_S = lease
append = Ledger.append
def slowly(*args):
    if pause:
        print("about to commit", flush=True)
        time.sleep(pause)
    append(*args)
Ledger.append = slowly
for number in map(int, sys.argv[5:]):
    Lake(uri).ingest(write_load(folder, number))
    print(number, flush=True)
"""


_can_stop = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")


class TestWriters:
    @pytest.mark.parametrize(("one", "other"), [([1, 2], [2, 3]), slow([1, 2, 3, 4], [3, 4, 5, 6])])
    def test_two_processes_write_at_once(
        self, s3: dict[str, str], tmp_path: Path, one: list[int], other: list[int]
    ) -> None:
        writers = [child(WRITER, tmp_path, URI, 30, 0, *numbers) for numbers in (one, other)]
        for writer in writers:
            _, errors = writer.communicate(timeout=120)
            assert writer.returncode == 0, errors
        everything = sorted({*one, *other})
        assert observed(URI) == expected(everything)
        assert Lake(URI).quarantine().height == len(everything)
        loads = Lake(URI).loads()
        assert loads["number"].to_list() == list(range(1, loads.height + 1))

    def test_a_lease_that_another_has_taken_is_neither_renewed_nor_released(
        self, s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import obstore

        monkeypatch.setattr(object_store, "LEASE_S", 0.1)
        place: Any = Lake(URI).place
        with place.lock():
            taken = obstore.put(place._store, "_lock", b"of another writer")["e_tag"]
            time.sleep(0.2)  # eight times as long as until it would be renewed
            assert obstore.head(place._store, "_lock")["e_tag"] == taken
        assert obstore.head(place._store, "_lock")["e_tag"] == taken

    def test_the_lease_of_a_dead_writer_is_taken_over_and_its_load_undone(
        self, s3_lake: Callable[..., Lake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        s3_lake(URI, 1)
        writer = child(WRITER, tmp_path, URI, 1, 60, 2)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "about to commit\n"
        writer.kill()
        writer.communicate(timeout=30)
        assert glimpsed(URI) == expected([1])
        monkeypatch.setattr(object_store, "LEASE_S", 1.0)
        said: list[str] = []
        since = time.monotonic()
        Lake(URI, notify=said.append).ingest(write_load(tmp_path, 3))
        assert time.monotonic() - since >= 1
        assert said == [f"{URI}: another process is writing to this lake; waiting for it"]
        assert glimpsed(URI) == expected([1, 3])
        known = set(Lake(URI).loads()["load"])
        assert all(any(load in name for load in known) for name in _objects() if name.endswith("-0.parquet"))

    @_can_stop
    def test_a_writer_that_has_lost_its_lease_changes_nothing_and_takes_its_load_again(
        self, s3_lake: Callable[..., Lake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is stopped just before it commits to the ledger, and goes on when another one has undone its work."""
        s3_lake(URI, 1)
        writer = child(WRITER, tmp_path, URI, 1, 0.2, 2)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "about to commit\n"
        writer.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(object_store, "LEASE_S", 1.0)
        Lake(URI).ingest(write_load(tmp_path, 3))
        assert glimpsed(URI) == expected([1, 3])
        writer.send_signal(signal.SIGCONT)
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
        assert glimpsed(URI) == expected([1, 2, 3])
        assert Lake(URI).quarantine().height == 3

    @_can_stop
    def test_a_writer_is_fenced_off_before_its_files_are_removed(
        self, s3_lake: Callable[..., Lake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The stopped writer goes on while the other one has undone its work, but not yet committed its own."""
        s3_lake(URI, 1)
        writer = child(WRITER, tmp_path, URI, 1, 0.2, 2)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "about to commit\n"
        writer.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(object_store, "LEASE_S", 1.0)
        add = LakeTable.add
        went_on = []

        def add_later(self: LakeTable, *args: Any, **kwargs: Any) -> None:
            if not went_on:
                went_on.append(True)
                writer.send_signal(signal.SIGCONT)
                time.sleep(1)
            add(self, *args, **kwargs)

        monkeypatch.setattr(LakeTable, "add", add_later)
        Lake(URI).ingest(write_load(tmp_path, 3))
        _, errors = writer.communicate(timeout=60)
        assert (went_on, writer.returncode) == ([True], 0), errors
        assert glimpsed(URI) == expected([1, 2, 3])


def test_the_scheme_of_a_lake_may_be_in_upper_case(s3_lake: Callable[..., Lake], tmp_path: Path) -> None:
    lake = s3_lake("S3://bucket/lake", 1)
    assert lake.ingest(write_load(tmp_path, 2)).number == 2
    assert glimpsed("s3://bucket/lake") == glimpsed("S3://bucket/lake") == expected([1, 2])


def test_a_plain_folder_of_a_bucket_is_read_as_files(s3: dict[str, str], tmp_path: Path, cli) -> None:
    import obstore

    store: Any = Lake("s3://bucket/exports").place
    obstore.put(store._store, "may.ndjson", Path(write_load(tmp_path, 1)))
    shown = cli("usage", "s3://bucket/exports/", "--csv")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines()[1].startswith(f"{len(expected([1]))},")

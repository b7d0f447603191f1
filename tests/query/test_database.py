"""Connecting: what is taken for now and for a zone, an erasure that comes between, and threads that import."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.paths import SAMPLE
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.errors import SnapshotGoneError
from polydoc_analytics.model.periods import instant_of

NOON = datetime(2026, 10, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("now", [NOON, "2026-10-31T12:00:00Z", "2026-10-31T13:00:00+01:00"])
def test_now_is_an_instant_or_a_text_of_one(now: Any) -> None:
    with pda.connect(pl.DataFrame([wire("a")]), period="this-month", now=now) as db:
        assert db.now == NOON
        assert db.interval.since == datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ("soon", "now 'soon' is no instant; expected one such as 2026-10-31T12:00:00Z"),
        ("2026-10-31T12:00:00", r"now \(2026-10-31T12:00:00\) has no offset"),
        (datetime(2026, 10, 31), r"now \(2026-10-31T00:00:00\) has no offset"),
        (date(2026, 10, 31), "not date"),
        (0, "not int"),
    ],
)
def test_what_is_no_instant_is_no_now(now: Any, message: str) -> None:
    for ask in (
        lambda: pda.connect(pl.DataFrame([wire("a")]), now=now),
        lambda: pda.interval(last="30d", now=now),
        lambda: pda.report(pl.DataFrame([wire("a")]), now=now),
    ):
        with pytest.raises(pda.UsageError, match=message):
            ask()


def test_now_is_the_present_where_none_is_given() -> None:
    assert abs((instant_of(None) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize("zone", [None, 0, b"UTC", UTC, ["UTC"]])
def test_what_is_no_name_is_no_time_zone(zone: Any) -> None:
    for ask in (
        lambda: pda.connect(pl.DataFrame([wire("a")]), timezone=zone),
        lambda: pda.interval(period="2026", timezone=zone),
    ):
        with pytest.raises(pda.UsageError, match=r"^a time zone is a name such as UTC or Europe/Lisbon, not [^\n]*$"):
            ask()


class TestErasureMeanwhile:
    def _lake(self, tmp_path: Path) -> pda.Lake:
        lake = pda.Lake(tmp_path / "lake")
        lake.ingest(pl.DataFrame([wire("a"), wire("b", account_id="other")]))
        return lake

    @pytest.mark.parametrize("views", [False, True])
    def test_the_new_snapshot_is_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, views: bool) -> None:
        lake = self._lake(tmp_path)
        snapshots = [lake.snapshot()]
        lake.erase("acme")
        real = pda.Lake.snapshot
        monkeypatch.setattr(
            pda.Lake, "snapshot", lambda self, *a, **k: snapshots.pop() if snapshots else real(self, *a, **k)
        )
        folder = tmp_path / "views"
        folder.mkdir()
        (folder / "mine.sql").write_text("-- T.\n-- grain: one\n-- x: runs\nselect runs as x from usage\n", "utf-8")
        with pda.connect(lake, views=folder if views else None) as db:
            assert db.view("runs")["id"].to_list() == ["b"]
        assert not snapshots

    def test_one_line_says_so_where_it_goes_on_and_where_it_comes_later(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lake = self._lake(tmp_path)
        with pda.connect(lake) as db, pda.connect(lake) as asked:
            asked.sql("select 1")
            old = lake.snapshot()
            lake.erase("acme")
            for ask in (lambda: db.view("usage"), lambda: db.sql("from runs"), lambda: asked.sql("from runs")):
                with pytest.raises(pda.LakeError, match=r"^[^\n]*lake: an erasure or .*connect again$"):
                    ask()
        monkeypatch.setattr(pda.Lake, "snapshot", lambda self, *a, **k: old)
        with pytest.raises(SnapshotGoneError):
            pda.connect(lake)


class TestThreads:
    def test_none_that_imports_is_left_behind_when_python_ends(self, file, monkeypatch: pytest.MonkeyPatch) -> None:
        begun: list[threading.Thread] = []
        real = threading.Thread.start

        def start(self: threading.Thread) -> None:
            begun.append(self)
            real(self)

        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(pda.SourceError):
            pda.load(file(b"id,status\na,Failed\n", "runs.csv"))
        with pytest.raises(pda.SourceError):
            pda.load("missing.csv")
        pda.load(SAMPLE)
        assert {thread.name for thread in begun} >= {"polydoc-import"}
        assert not [thread for thread in begun if thread.daemon and thread.name.startswith("polydoc")]
        assert sum(thread.name == "polydoc-import" for thread in begun) == 2  # none for what is missing

    def test_what_is_not_needed_any_more_is_not_imported(self, file) -> None:
        code = f"""
import sys, importlib, threading
import polydoc_analytics.loaders.read as loaders
begun, go = [], threading.Event()
real = loaders.import_module
def slow(name):
    begun.append(name)
    go.wait(60)
    return real(name)
loaders.import_module = slow
import polydoc_analytics as pda
try:
    pda.load({file(b"id,status" + bytes([10]) + b"a,Failed", "bad.csv")!r})
except pda.SourceError as error:
    print(type(error).__name__)
go.set()
for thread in threading.enumerate():
    if thread.name == "polydoc-import":
        thread.join()
print(begun)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout, done.stderr) == (0, "SourceError\n['polars']\n", "")


def test_threads_that_ask_beside_a_query_with_guard_rails_get_the_same() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with pda.connect(SAMPLE) as db, ThreadPoolExecutor(4) as pool:
        ways = (db.view, lambda name: db.sql(f"select * from {name}"), lambda name: db.fetch(f"select * from {name}"))
        found = [pool.submit(way, "usage") for _ in range(4) for way in ways]
        usage = db.view("usage")
        assert all(one.result().equals(usage) for one in found)

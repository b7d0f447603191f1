"""Many processes write to one lake while others read it: nothing is lost, nothing double, and every look is whole.

``just soak tests/lake/test_concurrent_writers.py`` has more writers, more loads and 200 snapshots meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from support.lake_loads import Loaded, child, expected, glimpsed, left_overs, observed, write_load
from support.processes import Process
from support.repetitions import Soak, slow

from polydoc_analytics import Lake, connect

WRITER = """
import sys
from pathlib import Path
from polydoc_analytics import Lake
from support.lake_loads import write_load
folder, lake = Path(sys.argv[1]), sys.argv[2]
for number in map(int, sys.argv[3:]):
    sys.stdin.readline()
    Lake(lake).ingest(write_load(folder, number))
    print(number, flush=True)
"""


def _numbers(writer: int, writers: int, loads: int) -> list[int]:
    """The loads of a writer: half of them are its own, half are brought by another one too, at another time."""
    return [1 + (writer * loads // 2 + k * 7) % (writers * loads // 2) for k in range(loads)]


def _look(lake: Path, *, at_length: bool) -> int:
    """Take a snapshot, which must be whole and agree with the ledger; return its number.

    ``at_length`` asks whether all views agree, too, which takes longer than all the rest.
    """
    snapshot = Lake(lake).snapshot()
    number = snapshot.row.number if snapshot.row else 0
    with connect(Lake(lake), as_of=number or None) as db:
        assert not at_length or db.view("conservation")["holds"].all()
        rows = db.sql("select count(*) as runs, count(distinct id) as ids from runs").row(0)
        if snapshot.row:
            assert rows == (snapshot.row.runs, snapshot.row.runs)
            assert db.snapshot == snapshot.text
    return number


@pytest.mark.parametrize(("count", "each", "looks"), [(3, 4, 12), slow(3, 6, 20), slow(4, 10, 20), slow(4, 10, 200)])
def test_processes_write_overlapping_loads_while_somebody_reads(
    tmp_path: Path, count: int, each: int, looks: int
) -> None:
    folder, lake = tmp_path, tmp_path / "lake"
    brought = [_numbers(writer, count, each) for writer in range(count)]
    everything = sorted({number for numbers in brought for number in numbers})
    for number in everything:
        write_load(folder, number)
    Lake(lake).ingest(write_load(folder, everything[0]))
    writers = [child(WRITER, folder, lake, *numbers) for numbers in brought]
    seen: list[int] = []
    while len(seen) < looks or any(writer.poll() is None for writer in writers):
        if len(seen) < each:  # no more than a load of each writer a look, however slow looks are
            _let_go_on(writers)
        seen.append(_look(lake, at_length=Soak.is_on or len(seen) % 10 == 5))
    for writer in writers:
        _ends_well(writer, each)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert observed(lake) == expected(everything)
    loads = Lake(lake).loads()
    assert loads["load"].is_unique().all()
    assert loads["number"].to_list() == list(range(1, loads.height + 1))
    assert (loads["committed_at"].diff().drop_nulls().dt.total_microseconds() > 0).all()
    # Each row was rejected, and entered, once, whoever else brought it too.
    assert Lake(lake).quarantine().height == len(everything)
    inserted, last = int(loads["inserted"].sum()), loads.row(-1, named=True)
    assert inserted == last["runs"] == len(expected(everything))
    assert not left_overs(lake)


def _let_go_on(writers: list[Process]) -> None:
    for writer in writers:
        assert writer.stdin
        with suppress(BrokenPipeError):  # it has ended, and how is asked at the end
            writer.stdin.write("\n")
            writer.stdin.flush()


def _ends_well(writer: Process, loads: int) -> None:
    output, errors = writer.communicate(timeout=120)
    assert writer.returncode == 0, errors
    assert len(output.splitlines()) == loads


def test_a_writer_that_waits_says_so(loaded: Loaded, tmp_path: Path) -> None:
    lake, said = loaded(tmp_path / "lake", 1), []
    script = """
import sys, time
from polydoc_analytics import Lake
with Lake(sys.argv[1]).place.lock():
    print("locked", flush=True)
    time.sleep(1.6)
"""
    other = child(script, lake)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    Lake(lake, notify=said.append).ingest(write_load(tmp_path, 2))
    other.communicate(timeout=30)
    assert said == [f"{lake}: another process is writing to this lake; waiting for it"]
    assert glimpsed(lake) == expected([1, 2])

"""Laws of loading: every row accounted for; order, repetition and splitting change nothing; parts sum to the whole."""

from __future__ import annotations

import io
import math
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repetitions import examples
from support.run_laws import bad_rows, load, merged_by_hand, quiet, runs
from support.runs import ndjson, wire

import polydoc_analytics as pda

ZONES = [
    "UTC",
    "Europe/Lisbon",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Tehran",
    "America/St_Johns",
]


rows = st.lists(runs() | bad_rows, min_size=1, max_size=40)


@quiet
@given(rows)
def test_every_row_is_accounted_for(some: list[Any]) -> None:
    loaded = load(ndjson(some))
    counts = loaded.counts
    assert counts.read == len(some) == counts.runs + counts.duplicates + counts.quarantined
    assert counts.runs == loaded.runs.height == loaded.runs["id"].n_unique()
    assert counts.quarantined == loaded.quarantine.height == sum(isinstance(row, str) for row in some)


@quiet
@given(rows, st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_repetition_and_splitting_change_nothing(some: list[Any], chance: Any, files: int) -> None:
    once = load(ndjson(some))
    shuffled = some + [row for row in some if chance.random() < 0.5]
    chance.shuffle(shuffled)
    again = load([ndjson(shuffled[at::files]) or b"\n" for at in range(files)])
    assert again.runs.equals(once.runs)
    assert again.conflicts == once.conflicts


@quiet
@given(rows)
def test_the_winner_of_each_run_is_the_one_of_the_merge_rule(some: list[Any]) -> None:
    loaded = load(ndjson(some))
    winners = merged_by_hand(some)
    assert {
        row["id"]: (row["status"], row["credits"], row["created_at"]) for row in loaded.runs.iter_rows(named=True)
    } == {id: (row["status"], row["credits"], datetime.fromisoformat(row["created_at"])) for id, row in winners.items()}
    finished = [row for row in some if isinstance(row, dict) and row["status"] != "Running"]
    differing = {id for id in winners if len({str(row) for row in finished if row["id"] == id}) > 1}
    # Two texts of one instant are one state, so the frame and not the text decides; here each instant has one text.
    assert set(loaded.conflicts) == differing


@examples(200, 4)
@given(rows, st.sampled_from(ZONES))
def test_parts_sum_to_the_whole_and_percentiles_are_numpys(some: list[Any], zone: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.ndjson"
        path.write_bytes(ndjson(some))
        with pda.connect(path, timezone=zone) as db:
            assert db.view("conservation")["holds"].all()
            frame, [total] = db.view("runs"), db.view("usage").to_dicts()
            per_day = db.view("usage_daily")
    assert total["runs"] == frame.height == per_day["runs"].sum()
    seconds = frame.filter((pl.col("status") == "Succeeded") & pl.col("duration_s").is_not_null())[
        "duration_s"
    ].to_numpy()
    for share in (50, 90, 95, 99):
        if len(seconds):
            assert total[f"p{share}_duration_s"] == pytest.approx(np.percentile(seconds, share), abs=1e-9)
        else:
            assert total[f"p{share}_duration_s"] is None
    known = [value for value in frame["credits"].to_list() if value is not None]
    assert total["credits"] == (sum(known) if known else (None if frame.height else 0))


@examples(400, 25)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_the_day_of_a_run_is_its_local_day_by_the_time_zone_database(moment: datetime, zone: str) -> None:
    from polydoc_analytics.model.timezones import offsets
    from polydoc_analytics.model.timezones import zone as load_zone

    instant = moment.replace(tzinfo=UTC)
    us = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    pieces = offsets(load_zone(zone), us - 10**15, us + 10**15)
    shift = next(offset for until, offset in pieces if until is None or us < until)
    assert (
        math.floor((us + shift) / 86_400_000_000)
        == (instant.astimezone(load_zone(zone)).date() - datetime(1970, 1, 1).date()).days
    )


@examples(200, 12)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=400), st.integers(1, 5))
def test_a_set_of_hashes_knows_what_it_has_seen(values: list[int], pieces: int) -> None:
    from polydoc_analytics.ingest.dedup import SeenHashes

    seen, known = SeenHashes(), set()
    for part in np.array_split(np.array(values, np.uint64) * np.uint64(2**40 + 1), pieces):
        new = set(part.tolist()) - known
        is_new = seen.add(part)
        assert sorted(part[is_new].tolist()) == sorted(new)  # one of equal ones, whichever
        known |= new
        if 0 in known:  # 0 marks an empty slot, and is kept as 1
            known |= {0, 1}


def test_rows_held_back_on_disk_are_merged_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from polydoc_analytics.ingest import dedup

    monkeypatch.setattr(dedup, "_SPILL_BYTES", 1)
    monkeypatch.setattr(dedup, "_RESOLVED_AT_ONCE", 7)
    content = [wire(str(n), status="Running", finished_at=None, credits=None) for n in range(50)]
    content += [wire(str(n)) for n in range(0, 50, 2)] + [wire(str(n), credits=9) for n in range(0, 50, 5)]
    loaded = load(ndjson(content))
    by_id = {row["id"]: (row["status"], row["credits"]) for row in loaded.runs.iter_rows(named=True)}
    assert by_id == {
        str(n): ("Succeeded", 9) if n % 5 == 0 else ("Succeeded", 3) if n % 2 == 0 else ("Running", None)
        for n in range(50)
    }
    assert loaded.counts.conflicts == 5


def test_a_million_ids_cost_few_bytes_each() -> None:
    from polydoc_analytics.ingest.dedup import SeenHashes

    seen = SeenHashes()
    hashes = np.random.default_rng(0).integers(1, 2**63, 1_000_000).astype(np.uint64)
    for start in range(0, len(hashes), 40_000):
        seen.add(hashes[start : start + 40_000])
    assert seen._slots.nbytes <= 17 * len(hashes)


def test_stdin_and_file_give_the_same(monkeypatch: pytest.MonkeyPatch, file) -> None:
    import sys

    content = ndjson([wire("a"), "nope"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert dict(pda.load("-", input_format="ndjson").counts) == dict(pda.load(file(content)).counts)

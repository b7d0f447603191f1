"""The merge rule at every tie, and the set of hashes while it grows; each told by another route than the code's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.lake_model import new_lake, thorough
from support.repetitions import Soak, examples
from support.run_laws import load, merged_by_hand, runs
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.ingest import dedup, nearby, pipeline
from polydoc_analytics.ingest.dedup import SeenHashes
from polydoc_analytics.loaders import validation

TIES: list[tuple[str, Any, Any]] = [
    ("finished_at", "2026-03-02T10:00:10Z", "2026-03-02T10:00:11Z"),
    ("status", "Failed", "Succeeded"),
    ("created_at", "2026-03-02T09:59:59.999999Z", "2026-03-02T10:00:00Z"),
    ("credits", 3, 4),
    ("output_tokens", 1200, 1201),
    ("input_tokens", 1000, 1001),
    ("output_file_id", "ouT", "out"),
    ("account_id", "acm", "acme"),
    ("target_language", "d", "de"),
    ("input_file_id", "IN", "in"),
]
"""Each column that decides, in the order in which they do: the lower value and the greater."""
NULLABLE = ("finished_at", "credits", "output_tokens", "input_tokens", "output_file_id")
CASES = [(at, low) for at, (name, low, _) in enumerate(TIES) for low in ((low, None) if name in NULLABLE else (low,))]


def tied(at: int, low: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two rows that are alike up to a column, where the first is greater; in all columns after it the second is."""
    winner, loser = wire("a"), wire("a")
    for n, (name, lower, greater) in enumerate(TIES):
        winner[name] = greater if n <= at else lower
        loser[name] = low if n == at else greater
    return winner, loser


tried = examples(200, 6)
FEW = (dedup._FEW, -1)
"""How many rows are few: as ever, so that Python decides between these; and none, so that a database does."""


@pytest.mark.parametrize("few", FEW)
def test_each_column_decides_where_those_before_it_tie(
    few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run for each case, all of them loaded together."""
    monkeypatch.setattr(dedup, "_FEW", few)
    pairs = [[row | {"id": f"{TIES[at][0]} against {low}"} for row in tied(at, low)] for at, low in CASES]
    winners, losers = ([pair[place] for pair in pairs] for place in (0, 1))
    assert list(merged_by_hand([*losers, *winners]).values()) == winners
    wanted = pda.load([json_file(tmp_path / "winners.ndjson", *winners)]).runs
    for name, first, then in (("up", losers, winners), ("down", winners, losers)):
        found = pda.load([json_file(tmp_path / f"{name}.ndjson", *first, *then)])
        assert_frame_equal(found.runs.sort("id"), wanted.sort("id"))
        assert sorted(found.conflicts) == sorted(row["id"] for row in winners)
        if few < 0 and not Soak.is_on:
            continue
        lake = pda.Lake(tmp_path / f"lake {name}")
        lake.ingest(json_file(tmp_path / f"{name}-1.ndjson", *first))
        result = lake.ingest(json_file(tmp_path / f"{name}-2.ndjson", *then))
        assert (result.updated, result.conflicts) == (len(pairs) if name == "up" else 0, len(pairs))
        assert_frame_equal(pda.load(lake).runs.sort("id"), wanted.sort("id"))


def json_file(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@st.composite
def tied_runs(draw: Any) -> dict[str, Any]:
    """A run of two ids and two values a column, so that rows tie in any number of columns."""
    values = {name: draw(st.sampled_from([low, high])) for name, low, high in TIES if name != "status"}
    values |= {name: draw(st.sampled_from([None, values[name]])) for name in NULLABLE}
    return wire(draw(st.sampled_from("ab")), status=draw(st.sampled_from(["Running", "Succeeded", "Failed"])), **values)


def wired(runs: Any) -> dict[str, dict[str, Any]]:
    """Runs of a frame in wire form."""
    return {row["id"]: row for row in runs.iter_rows(named=True)}


def instants(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if value and name in ("created_at", "finished_at") else value
        for name, value in row.items()
    }


@tried
@given(st.lists(tied_runs(), min_size=2, max_size=12))
def test_the_winner_is_the_one_of_the_rule_as_a_whole_where_rows_tie(some: list[Any]) -> None:
    wanted = {id: instants(row) for id, row in merged_by_hand(some).items()}
    for few in FEW:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dedup, "_FEW", few)
            assert wired(load(ndjson(some)).runs) == wanted


@tried
@given(st.lists(st.lists(runs(), max_size=8), min_size=1, max_size=4))
def test_few_rows_are_merged_as_many_are(files: list[list[Any]]) -> None:
    found = []
    for few in FEW:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dedup, "_FEW", few)
            found.append(load([ndjson([wire("one"), *rows]) for rows in files]))
    one, other = found
    assert one.runs.equals(other.runs)
    assert (one.counts, one.conflicts) == (other.counts, other.conflicts)


def in_groups(patch: pytest.MonkeyPatch, rows: int) -> None:
    """Let rows be merged in groups of so many."""
    real = validation.validate_batches

    def parted(batches: Any) -> Iterator[validation.ValidatedRows]:
        for group in real(batches):
            for at in range(0, group.runs.num_rows, rows):
                runs = group.runs.slice(at, rows)
                others = group.read - group.runs.num_rows
                yield (
                    group._replace(runs=runs, read=runs.num_rows)
                    if at
                    else group._replace(runs=runs, read=runs.num_rows + others)
                )

    patch.setattr(validation, "validate_batches", parted)


def conflicts_by_hand(some: list[dict[str, Any]]) -> list[str]:
    """Ids of runs that were seen finished in more than one way."""
    ways: dict[str, set[str]] = {}
    for row in some:
        if row["status"] != "Running":
            ways.setdefault(row["id"], set()).add(json.dumps(instants(row), default=str, sort_keys=True))
    return sorted(id for id, found in ways.items() if len(found) > 1)


@tried
@given(
    st.lists(st.one_of(runs(), tied_runs()), min_size=1, max_size=24),
    st.lists(st.integers(0, 23), max_size=12),
    st.integers(1, 9),
    st.sampled_from([1, 3, 4_096]),
    st.sampled_from([None, 1, 2]),
)
def test_rows_near_by_are_merged_as_any_others(
    some: list[Any], again: list[int], group: int, remembered: int, different_hashes: int | None
) -> None:
    """Rows come again, the groups are small, and where hashes are few, those of different ids are equal."""
    some = some + [some[at % len(some)] for at in again]
    wanted = {id: instants(row) for id, row in merged_by_hand(some).items()}
    real = dedup._hashes
    for few in FEW:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dedup, "_FEW", few)
            patch.setattr(nearby, "_REMEMBERED", remembered)
            in_groups(patch, group)
            if different_hashes:
                patch.setattr(dedup, "_hashes", lambda ids: real(ids) % np.uint64(different_hashes))
            found = load(ndjson(some))
        assert wired(found.runs) == wanted
        assert list(found.conflicts) == conflicts_by_hand(some)
        assert found.counts.duplicates == len(some) - len(wanted)


def test_files_are_not_read_again_where_rows_near_by_have_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 6,000 runs each fifth is seen Running before, each seventh comes twice, and each eleventh stays Running."""
    monkeypatch.setattr(pipeline, "_resolved", None)
    in_groups(monkeypatch, 1_000)
    rows = []
    for n in range(6_000):
        states = ["Running"] if n % 11 == 0 else ["Running"] * (n % 5 == 0) + ["Succeeded"] * (2 if n % 7 == 0 else 1)
        rows += [wire(f"run-{n}", status=status, finished_at=None) for status in states]
    loaded = pda.load([json_file(tmp_path / "runs.ndjson", *rows)])
    assert loaded.counts.runs == 6_000
    assert loaded.runs.filter(pl.col("status") == "Running").height == len(range(0, 6_000, 11))


@thorough
@given(st.lists(st.lists(tied_runs(), min_size=1, max_size=4), min_size=2, max_size=4))
def test_loads_of_rows_that_tie_leave_the_winner_of_the_rule(loads: list[list[Any]]) -> None:
    with new_lake() as (lake, files):
        for at, rows in enumerate(loads):
            path = files / f"{at}.ndjson"
            path.write_bytes(ndjson(rows))
            lake.ingest(path)
        wanted = merged_by_hand([row for rows in loads for row in rows])
        assert wired(pda.load(lake).runs) == {id: instants(row) for id, row in wanted.items()}


class TestSeenHashes:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the set begin so small that it grows eight times on the way to 150,000 hashes."""
        monkeypatch.setattr(dedup, "_FIRST_SLOTS", 1 << 10)
        monkeypatch.setattr(dedup, "_SLOTS_AT_ONCE", 1 << 8)

    def test_what_is_known_stays_known_while_it_grows(self) -> None:
        chance = np.random.default_rng(28)
        seen, known = SeenHashes(), set[int]()
        for size in (1, 500, 260, 300, 5_000, 3, 40_000, 100_000):
            fresh = chance.integers(0, 2**64, size, np.uint64)
            old = np.array(sorted(known)[:: max(1, len(known) // 1000)], np.uint64)
            hashes = np.concatenate([fresh, old, fresh[: size // 2]])
            chance.shuffle(hashes)
            added: list[int] = []
            for one, is_new in zip(hashes.tolist(), seen.add(hashes).tolist(), strict=True):
                assert is_new <= (one not in known)
                added += [one] if is_new else []
            assert len(added) == len(set(added))
            assert set(added) == set(fresh.tolist()) - known
            known |= set(added)
            assert seen.has(hashes).all()
            assert not seen.has(np.setdiff1d(chance.integers(0, 2**64, 1_000, np.uint64), hashes)).any()
        assert seen._slots.size > 1 << 17
        assert not seen.add(np.array(sorted(known), np.uint64)).any()

    def test_hashes_that_share_their_highest_bits_are_kept_apart_while_it_grows(self) -> None:
        seen = SeenHashes()
        hashes = np.concatenate(
            [np.arange(1, 700, dtype=np.uint64), np.uint64(2**64 - 1) - np.arange(700, dtype=np.uint64)]
        )
        for part in np.array_split(hashes, 9):
            assert seen.add(part).all()
        assert not seen.add(hashes).any()

    def test_a_load_whose_set_grows_counts_each_id_once(self) -> None:
        ids = [f"run-{n}" for n in range(3_000)]
        rows = [wire(id, credits=number) for number in (1, 2) for id in ids]
        with tempfile.TemporaryDirectory() as folder:
            parts = [Path(folder) / f"{n}.ndjson" for n in range(2)]
            for n, path in enumerate(parts):
                path.write_bytes(ndjson(rows[n * len(ids) : (n + 1) * len(ids)]))
            loaded = pda.load(folder)
        assert (loaded.counts.runs, loaded.counts.duplicates) == (len(ids), len(ids))
        assert loaded.runs["id"].n_unique() == len(ids)
        assert set(loaded.runs["credits"]) == {2}

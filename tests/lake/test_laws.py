"""Laws of the lake: what order, repetition, splitting, keeping and later loads may not change; a model says what is."""

from __future__ import annotations

from typing import Any
from unittest import mock

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from support.lake_model import Model, as_known, frames, new_lake, state, states_of, versions
from support.repetitions import Soak, examples
from support.run_laws import bad_rows, runs
from support.runs import ndjson

import polydoc_analytics as pda
from polydoc_analytics.lake import maintenance

loads = st.tuples(st.just("load"), st.lists(runs() | bad_rows, min_size=1, max_size=8))
corrections = st.tuples(st.just("correct"), st.lists(runs(), min_size=1, max_size=4))
again = st.tuples(st.just("again"), st.integers(0, 4))
keepings = st.tuples(st.just("compact"), st.none())
deeds = st.lists(loads | corrections | again | keepings, min_size=2, max_size=6)


def is_now(lake: pda.Lake, known: dict[str, pl.DataFrame]) -> bool:
    """Check whether some frames of a lake, by name, equal the newest."""
    now = frames(lake)
    return all(now[name].equals(frame) for name, frame in known.items())


@examples(30, 2)
@given(deeds, st.sampled_from([1, 50]), st.sampled_from(["acme", "zeta"]))
def test_a_lake_is_its_model_and_what_it_was(some: list[tuple[str, Any]], many_files: int, account: str) -> None:
    model, known, inserted, newest = Model(), {}, 0, 0
    loaded: list[tuple[list[Any], bool]] = []
    with new_lake() as (lake, files), mock.patch.object(maintenance, "MANY_FILES", many_files):
        for at, (deed, content) in enumerate(some):
            if deed == "compact":
                if not lake.exists:
                    continue
                lake.compact()
            else:
                if deed == "again":
                    if not loaded:
                        continue
                    rows, is_authority = loaded[content % len(loaded)]
                else:
                    rows, is_authority = content, deed == "correct"
                    loaded.append((rows, is_authority))
                path = files / f"{at}.ndjson"
                path.write_bytes(ndjson(rows))
                result = lake.ingest(path, correct=is_authority)
                expected = model.take(rows, is_authority=is_authority)
                assert {name: result[name] for name in expected} == expected
                assert result.read == sum(result[name] for name in (*list(expected)[:3], "duplicates", "quarantined"))
                inserted += result.inserted
                if result.number:
                    newest = result.number
                    known[newest] = frames(lake, as_of=newest)
                    assert not Soak.is_on or is_now(lake, known[newest])
            # One row an id at all times, of the model's state; and no state was lost.
            stored = pda.load(lake).runs
            assert sorted(states_of(stored), key=repr) == sorted(map(state, model.runs.values()), key=repr)
            assert stored.height == stored["id"].n_unique() == inserted
            history = lake.history()
            names = [name for name in history.columns if name not in ("load", "superseded_by", "is_corrected")]
            past = zip(states_of(history.select(names)), history["is_corrected"].to_list(), strict=True)
            assert sorted(past, key=repr) == sorted(model.past, key=repr)
        if not lake.exists:
            return
        assert is_now(lake, known[newest])
        assert not Soak.is_on or as_known(lake, known)
        lake.compact()
        assert as_known(lake, known)
        lake.erase(account)
        without = {
            number: {name: was[name].filter(pl.col("account_id") != account) for name in ("runs", "usage_by_account")}
            for number, was in known.items()
        }
        assert as_known(lake, without)
        assert account not in set(lake.history()["account_id"]) | set(pda.load(lake).runs["account_id"])


@examples(30, 2)
@given(st.lists(runs() | bad_rows, min_size=1, max_size=30), st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_repetition_and_batching_give_what_one_load_gives(some: list[Any], chance: Any, parts: int) -> None:
    shuffled = some + [row for row in some if chance.random() < 0.5]
    chance.shuffle(shuffled)
    with new_lake() as (lake, files):
        once = files / "once.ndjson"
        once.write_bytes(ndjson(some))
        expected = pda.load(once)
        results = []
        for at in range(parts):
            path = files / f"{at}.ndjson"
            path.write_bytes(ndjson(shuffled[at::parts]) or b"\n")
            results.append(lake.ingest(path))
        assert pda.load(lake).runs.equals(expected.runs)
        assert sum(result.inserted for result in results) == expected.counts.runs
        assert sum(result.read for result in results) == len(shuffled)
        quarantined = lake.quarantine()
        assert set(quarantined["raw"]) == {row for row in some if isinstance(row, str)}
        assert quarantined.height <= sum(isinstance(row, str) for row in shuffled)


@examples(30, 2)
@given(st.lists(runs(), min_size=1, max_size=20), st.lists(bad_rows, max_size=3), st.randoms(use_true_random=False))
def test_loading_twice_adds_no_version(some: list[Any], bad: list[str], chance: Any) -> None:
    with new_lake() as (lake, files):
        path = files / "runs.ndjson"
        path.write_bytes(ndjson([*bad, *some]))
        first = lake.ingest(path)
        before = versions(lake)
        shuffled = [*some, *some]
        chance.shuffle(shuffled)
        merged = pda.load(path).runs
        (files / "same.ndjson").write_bytes(path.read_bytes())
        merged.write_parquet(files / "runs.parquet")
        merged.with_columns(pl.col("created_at", "finished_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).write_csv(
            files / "runs.csv", quote_style="non_numeric"
        )
        for source in (path, files / "same.ndjson", files / "runs.parquet", files / "runs.csv", merged, lake):
            result = lake.ingest(source)
            assert (result.inserted, result.updated, result.number) == (0, 0, None)
            assert result.unchanged == first.inserted
        path.write_bytes(ndjson([*bad, *shuffled]))  # the same rows, and the same lines of the bad ones
        result = lake.ingest(path)
        assert (result.unchanged, result.quarantined, result.number) == (first.inserted, len(bad), None)
        assert result.duplicates == 2 * len(some) - first.inserted
        assert versions(lake) == before

"""Suspicious runs, counted by each rule of their own and by another route than SQL."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st
from support.repetitions import examples
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics import views

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CREATED, FINISHED = "2026-05-31T23:59:59Z", "2026-06-01T00:00:01Z"
TEXTS = ("id", "account_id", "target_language", "input_file_id", "output_file_id")
NUMBERS = ("credits", "input_tokens", "output_tokens")


@st.composite
def suspicious_runs(draw: Any) -> list[dict[str, Any]]:
    """Runs of few accounts, files and languages, so that many are charged twice, and some break several rules."""
    number = st.sampled_from([None, -1, 0, 3, 3, 3, 10**15, 10**15 + 1, -(10**15) - 1])
    count = draw(st.integers(1, 14))
    return [
        wire(
            draw(st.sampled_from(["", " ", "x\ufffd", "run"])) + str(at) * draw(st.integers(1, 2)),
            account_id=draw(st.sampled_from(["acme", "zeta", "ac", " ", "\ufffd"])),
            input_file_id=draw(st.sampled_from(["in", "mein", "n"])),
            target_language=draw(st.sampled_from(["de", "German", "fr", "13b", "und", " "])),
            output_file_id=draw(st.sampled_from([None, "", "out", "out", "\ufffd"])),
            status=draw(st.sampled_from(["Running", "Failed", "Succeeded", "Succeeded", "Succeeded"])),
            created_at=draw(st.sampled_from([CREATED, CREATED, FINISHED])),
            finished_at=draw(st.sampled_from([None, CREATED, FINISHED])),
            **{name: draw(number) for name in NUMBERS},
        )
        for at in range(count)
    ]


def by_hand(rows: list[dict[str, Any]]) -> dict[str, tuple[int, str | None]]:
    """How many runs each rule concerns, and the least id of them."""

    def key(row: dict[str, Any]) -> tuple[str, ...]:
        return row["account_id"], row["input_file_id"], pda.language(row["target_language"]).tag

    charged = [row for row in rows if row["status"] == "Succeeded" and (row["credits"] or 0) > 0]
    times = Counter(map(key, charged))
    found: dict[str, list[str]] = {}
    for row in rows:
        succeeded, finish = row["status"] == "Succeeded", row["finished_at"]
        texts = [row[name] for name in TEXTS if row[name] is not None]
        numbers = [row[name] for name in NUMBERS if row[name] is not None]
        rules = {
            "finished_before_created": finish is not None and finish < row["created_at"],
            "running_with_finished_at": row["status"] == "Running" and finish is not None,
            "succeeded_without_finished_at": succeeded and finish is None,
            "succeeded_without_output_file": succeeded and row["output_file_id"] is None,
            "succeeded_without_tokens": succeeded and None in (row["input_tokens"], row["output_tokens"]),
            "negative_number": any(number < 0 for number in numbers),
            "created_in_future": row["created_at"] == FINISHED,
            "empty_text": any(not text.strip(" ") for text in texts),
            "replaced_characters": any("\ufffd" in text for text in texts),
            "unknown_language": not pda.language(row["target_language"]).known,
            "charged_twice": row in charged and times[key(row)] > 1,
            "unlikely_number": any(abs(number) > 10**15 for number in numbers),
        }
        for rule, concerns in rules.items():
            found.setdefault(rule, []).extend([row["id"]] if concerns else [])
    return {rule: (len(ids), min(ids, default=None)) for rule, ids in found.items()}


_ALIKE = [wire(name, input_file_id="in", credits=3) for name in ("a", "b", "c", "d", "e")]
_ALIKE[2] |= {"target_language": "fr"}
_ALIKE[3] |= {"account_id": "zeta"}
_ALIKE[4] |= {"input_file_id": "mein"}
"""Two that are charged for the same, and three others that differ from them in one thing each."""


@examples(100, 8)
@example(rows=_ALIKE, different_hashes=1)
@given(rows=suspicious_runs(), different_hashes=st.integers(1, 2))
def test_each_rule_counts_the_runs_that_it_concerns(rows: list[dict[str, Any]], different_hashes: int) -> None:
    """Also where hashes are so few that runs of different accounts, files and languages have the same."""
    rows = list({row["id"]: row for row in rows}.values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.ndjson"
        path.write_bytes(ndjson(rows))
        with pda.connect(path, now=NOW) as db:
            sql = views.render(
                views.view("data_quality"), views.RenderContext(now="timestamptz '2026-06-01 00:00:00Z'")
            )
            assert sql.count("hash(account_id, input_file_id, language)") == 2
            few = f"(hash(account_id, input_file_id, language) % {different_hashes})"
            of_few = sql.replace("hash(account_id, input_file_id, language)", few)
            found = {rule: (runs, id) for rule, _, runs, id in db.fetch(of_few).rows()}
            shown = {row["rule"]: (row["runs"], row["example_id"]) for row in db.view("data_quality").to_dicts()}
    assert found == shown == by_hand(rows)


def test_a_run_that_was_not_charged_is_none_of_those_charged_twice(tmp_path: Path) -> None:
    """Beside two that were: one that failed, though it has credits, one without credits, and one of unknown credits."""
    path = tmp_path / "runs.ndjson"
    others = [wire("a", status="Failed", credits=3), wire("b", credits=0), wire("c", credits=None)]
    path.write_bytes(ndjson([*others, wire("d", credits=3), wire("e", credits=1)]))
    with pda.connect(path, now=NOW) as db:
        found = db.view("data_quality").row(by_predicate=pl.col("rule") == "charged_twice", named=True)
    assert (found["runs"], found["example_id"]) == (2, "d")

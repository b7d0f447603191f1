"""Requests: thirty chains worked out by hand, a slow sequential account of the definition, and the rates over both."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.repetitions import Soak, examples, slow
from support.runs import wire

import polydoc_analytics as pda

BEGIN = datetime(2026, 3, 2, 10, tzinfo=UTC)
STATUS = {"S": "Succeeded", "F": "Failed", "R": "Running"}
OUTCOME = {"S": "succeeded", "F": "failed", "R": "running"}


def run(chain: str, number: int, text: str, **changes: Any) -> dict[str, Any]:
    """A run such as ``F0-1:2``: Failed, created at minute 0, finished at minute 1, 2 credits; ``?`` is unknown."""
    times, _, credits_ = text[1:].partition(":")
    created, _, finished = times.partition("-")
    at = [
        None if minute == "" else f"{BEGIN + timedelta(minutes=int(minute)):%Y-%m-%dT%H:%M:%SZ}"
        for minute in (created, finished)
    ]
    return wire(
        f"{chain}-{number:02}",
        input_file_id=chain,
        status=STATUS[text[0]],
        created_at=at[0],
        finished_at=at[1],
        credits=None if credits_ in ("", "?") else int(credits_),
        **changes,
    )


# By chain: its runs, and of each request the attempts, the outcome, whether recovered, the minutes to the earliest
# success, the credits, those on failed attempts, the extra successes and their credits.
CHAINS: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {
    "one success": (["S0-5:3"], [(1, "S", False, 5, 3, 0, 0, 0)]),
    "one failure": (["F0-1:2"], [(1, "F", False, None, 2, 2, 0, 0)]),
    "one running": (["R0"], [(1, "R", False, None, None, 0, 0, 0)]),
    "second try": (["F0-1:2", "S3-5:4"], [(2, "S", True, 5, 6, 2, 0, 0)]),
    "third try": (["F0-1:2", "F2-3:1", "S9-12:4"], [(3, "S", True, 12, 7, 3, 0, 0)]),
    "given up": (["F0-1:2", "F2-3:1", "F4-5:0"], [(3, "F", False, None, 3, 3, 0, 0)]),
    "repeat": (["S0-5:3", "S10-12:3"], [(1, "S", False, 5, 3, 0, 0, 0), (1, "S", False, 2, 3, 0, 0, 0)]),
    "repeat fails": (["S0-5:3", "F10-11:1"], [(1, "S", False, 5, 3, 0, 0, 0), (1, "F", False, None, 1, 1, 0, 0)]),
    "repeat recovers": (
        ["S0-5:3", "F10-11:1", "S20-21:2"],
        [(1, "S", False, 5, 3, 0, 0, 0), (2, "S", True, 11, 3, 1, 0, 0)],
    ),
    # The second is created before the first has succeeded, and is there first.
    "overlap": (["S0-10:3", "S5-8:4"], [(2, "S", False, 8, 7, 0, 1, 4)]),
    "overlap, then repeat": (
        ["S0-10:3", "S5-8:4", "S20-21:5"],
        [(2, "S", False, 8, 7, 0, 1, 4), (1, "S", False, 1, 5, 0, 0, 0)],
    ),
    "repeat, submitted twice": (
        ["S0-5:3", "S10-20:1", "S12-15:2"],
        [(1, "S", False, 5, 3, 0, 0, 0), (2, "S", False, 5, 3, 0, 1, 2)],
    ),
    # The success at 30 comes between the second run and the third.
    "late success": (
        ["S0-30:3", "F5-6:1", "F40-41:1"],
        [(2, "S", False, 30, 4, 1, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    "late success, then repeats": (
        ["S0-30:3", "F5-6:1", "S35-36:1", "S50-51:1"],
        [(2, "S", False, 30, 4, 1, 0, 0), (1, "S", False, 1, 1, 0, 0, 0), (1, "S", False, 1, 1, 0, 0, 0)],
    ),
    "late success when another is created": (
        ["S0-10:3", "F5-6:1", "F10-11:1"],
        [(2, "S", False, 10, 4, 1, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    # It counts once: not again for the run at 50.
    "late success counts once": (
        ["S0-30:3", "F5-6:1", "F35-36:1", "F50-51:1"],
        [(2, "S", False, 30, 4, 1, 0, 0), (2, "F", False, None, 2, 2, 0, 0)],
    ),
    "two late successes": (
        ["S0-40:1", "S10-20:2", "F25-26:3", "F45-46:4"],
        [(2, "S", False, 20, 3, 0, 1, 2), (1, "F", False, None, 3, 3, 0, 0), (1, "F", False, None, 4, 4, 0, 0)],
    ),
    "success when the next is created": (
        ["S0-5:3", "F5-6:1"],
        [(1, "S", False, 5, 3, 0, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    # All at one instant: the order is that of the ids.
    "success at once, then a failure": (
        ["S0-0:3", "F0-1:1"],
        [(1, "S", False, 0, 3, 0, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    "failure, then a success at once": (["F0-1:1", "S0-0:3"], [(2, "S", True, 0, 4, 1, 0, 0)]),
    "success at once, then two failures": (
        ["S0-0:3", "F0-1:1", "F0-1:1"],
        [(1, "S", False, 0, 3, 0, 0, 0), (2, "F", False, None, 2, 2, 0, 0)],
    ),
    "success when two are created": (
        ["S0-5:3", "F5-6:1", "F5-7:1"],
        [(1, "S", False, 5, 3, 0, 0, 0), (2, "F", False, None, 2, 2, 0, 0)],
    ),
    "no finishing time": (
        ["S0-:3", "F3-4:1"],
        [(1, "S", False, 0, 3, 0, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    "no finishing time after a failure": (
        ["F0-1:1", "S2-:3", "F3-4:1"],
        [(2, "S", True, 2, 4, 1, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    "negative duration": (
        ["S10-5:3", "F12-13:1"],
        [(1, "S", False, 0, 3, 0, 0, 0), (1, "F", False, None, 1, 1, 0, 0)],
    ),
    "negative duration, then at once": (
        ["F0-3:1", "S5-2:3", "S5-9:4"],
        [(2, "S", True, 5, 4, 1, 0, 0), (1, "S", False, 4, 4, 0, 0, 0)],
    ),
    "running beside a success": (["R0", "S3-5:3"], [(2, "S", False, 5, 3, 0, 0, 0)]),
    "running after a failure": (["F0-1:1", "R2"], [(2, "R", False, None, 1, 1, 0, 0)]),
    "running after a success": (
        ["S0-5:3", "R7"],
        [(1, "S", False, 5, 3, 0, 0, 0), (1, "R", False, None, None, 0, 0, 0)],
    ),
    "unknown credits of a failure": (["F0-1:?", "S2-3:4"], [(2, "S", True, 3, 4, None, 0, 0)]),
    "unknown credits of the first success": (["S0-10:?", "S5-8:2"], [(2, "S", False, 8, 2, 0, 1, 2)]),
    "unknown credits of an extra success": (["S0-10:2", "S5-8:?"], [(2, "S", False, 8, 2, 0, 1, None)]),
    # The failure of minute 9 stands before the success of minute 1 in the order of creation.
    "many at once": (
        ["F0-9:1", "S1-20:2", "S2-4:3", "S3-30:4", "S25-26:5"],
        [(4, "S", True, 4, 10, 1, 2, 7), (1, "S", False, 1, 5, 0, 0, 0)],
    ),
}
SPELLINGS = ["de", "German", "Deutsch", "deutsch"]


def rows_of(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The requests of a file as :data:`CHAINS` has them."""
    letters = {outcome: letter for letter, outcome in OUTCOME.items()}
    return [
        (
            row["attempts"],
            letters[row["outcome"]],
            row["is_recovered"],
            None if row["wait_s"] is None else row["wait_s"] / 60,
            row["credits"],
            row["credits_on_failed_attempts"],
            row["extra_successes"],
            row["credits_on_extra_successes"],
        )
        for row in frame.sort("request").iter_rows(named=True)
    ]


@pytest.fixture(scope="module")
def requests() -> pl.DataFrame:
    """All chains in one source, each in spellings of one language, rows in no order."""
    rows = [
        run(chain, number, text, target_language=SPELLINGS[number % 4])
        for chain, (texts, _) in CHAINS.items()
        for number, text in enumerate(texts)
    ]
    random.Random(19).shuffle(rows)
    with pda.connect(rows) as db:
        return db.view("requests")


def test_there_are_thirty_chains_and_more() -> None:
    assert len(CHAINS) >= 30


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_that_is_worked_out_by_hand(requests: pl.DataFrame, chain: str) -> None:
    found = requests.filter(pl.col("input_file_id") == chain)
    assert rows_of(found) == CHAINS[chain][1]
    assert found["request"].to_list() == list(range(1, found.height + 1))
    assert found["is_repeat"].to_list() == [number > 0 for number in range(found.height)]
    assert found["language"].unique().to_list() == ["de"]
    assert found["language_name"].unique().to_list() == ["German"]


def test_a_request_is_named_by_its_first_run_and_dated_by_its_creation(requests: pl.DataFrame) -> None:
    [first, second] = requests.filter(pl.col("input_file_id") == "repeat recovers").sort("request").rows(named=True)
    assert (first["first_run_id"], second["first_run_id"]) == ("repeat recovers-00", "repeat recovers-01")
    assert second["first_created_at"] == BEGIN + timedelta(minutes=10)
    assert second["succeeded_at"] == BEGIN + timedelta(minutes=21)
    assert [str(second[name]) for name in ("day", "week", "month")] == ["2026-03-02", "2026-03-02", "2026-03-01"]
    assert (second["failed_attempts"], second["succeeded_runs"], second["running_runs"]) == (1, 1, 0)


def instant_of_success(row: dict[str, Any]) -> datetime | None:
    if row["status"] != "Succeeded":
        return None
    return max(row["created_at"], row["finished_at"] or row["created_at"])


def sequential(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The definition, run after run: every earlier run of the kind is asked when it succeeded."""
    kinds: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda one: (one["created_at"], one["id"])):
        kinds.setdefault((row["account_id"], row["language"], row["input_file_id"]), []).append(row)
    found = []
    for key, chain in kinds.items():
        requests: list[list[dict[str, Any]]] = []
        for at, row in enumerate(chain):
            is_new = at == 0
            for earlier in range(at):
                success = instant_of_success(chain[earlier])
                before = chain[at - 1]["created_at"]
                if success is None or success > row["created_at"]:
                    continue
                if success > before or (earlier == at - 1 and success == before):
                    is_new = True
            if is_new:
                requests.append([])
            requests[-1].append(row)
        found += [described(key, number, one) for number, one in enumerate(requests, start=1)]
    return found


def known(values: list[int | None]) -> int | None:
    """The sum of known values, null where there are some and none is known."""
    some = [value for value in values if value is not None]
    return sum(some) if some or not values else None


def described(key: tuple[str, str, str], number: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    successes = [row for row in runs if row["status"] == "Succeeded"]
    statuses = [row["status"] for row in runs]
    outcome = "succeeded" if successes else "running" if "Running" in statuses else "failed"
    instants = [instant_of_success(row) for row in successes]
    succeeded_at = min((one for one in instants if one is not None), default=None)
    first = runs[0]
    return {
        "account_id": key[0],
        "language": key[1],
        "input_file_id": key[2],
        "request": number,
        "first_run_id": first["id"],
        "first_created_at": first["created_at"],
        "outcome": outcome,
        "attempts": len(runs),
        "failed_attempts": statuses.count("Failed"),
        "succeeded_runs": len(successes),
        "running_runs": statuses.count("Running"),
        "is_recovered": bool(successes) and "Failed" in statuses[: statuses.index("Succeeded")],
        "is_first_try": statuses[0] == "Succeeded",
        "is_repeat": number > 1,
        "succeeded_at": succeeded_at,
        "wait_s": None if succeeded_at is None else (succeeded_at - first["created_at"]).total_seconds(),
        "credits": known([row["credits"] for row in runs]),
        "credits_on_failed_attempts": known([row["credits"] for row in runs if row["status"] == "Failed"]),
        "extra_successes": max(len(successes) - 1, 0),
        "credits_on_extra_successes": known([row["credits"] for row in successes[1:]]),
    }


minutes = st.integers(0, 12)
attempts = st.tuples(
    st.sampled_from("SSFFR"),
    minutes,
    st.one_of(st.none(), st.integers(-2, 15)),
    st.one_of(st.none(), st.integers(0, 5)),
    st.sampled_from(["acme", "zeta"]),
    st.sampled_from(["in", "other"]),
    st.sampled_from(["de", "German", "fr"]),
)


def wired(number: int, attempt: tuple[Any, ...]) -> dict[str, Any]:
    status, created, length, credits_, account, file, language = attempt
    at = BEGIN + timedelta(minutes=created)
    return wire(
        f"r{number:03}",
        account_id=account,
        input_file_id=file,
        target_language=language,
        status=STATUS[status],
        created_at=at.isoformat(),
        finished_at=None if length is None or status == "R" else (at + timedelta(minutes=length)).isoformat(),
        credits=credits_,
    )


@examples(300, 6)
@given(st.lists(attempts, max_size=60), st.randoms(use_true_random=False))
def test_requests_are_those_of_the_definition(attempts: list[tuple[Any, ...]], random: Any) -> None:
    rows = [wired(number, attempt) for number, attempt in enumerate(attempts)]
    random.shuffle(rows)
    with pda.connect(rows) as db:
        runs = db.view("runs").rows(named=True)
        expected = sequential(runs)
        found = db.view("requests")
        names = [name for name in expected[0] if name != "is_first_try"] if expected else found.columns[:1]
        assert found.select(names).rows(named=True) == sorted(
            ({name: one[name] for name in names} for one in expected),
            key=lambda one: (one["account_id"], one["language"], one["input_file_id"], one["request"]),
        )
        for view, key in (("request_rates", None), ("request_rates_by_account", "account_id")):
            for row in db.view(view).iter_rows(named=True):
                of = [one for one in expected if key is None or one[key] == row[key]]
                assert {name: row[name] for name in rates(of)} == pytest.approx(rates(of), nan_ok=False)
        if Soak.is_on:  # else of the month below, and in the laws of the whole program
            assert db.view("conservation")["holds"].all()


def rates(requests: list[dict[str, Any]]) -> dict[str, Any]:
    """The measures of request_rates, but for Wilson's bounds, from requests as rows."""
    outcomes = [one["outcome"] for one in requests]
    succeeded, failed = outcomes.count("succeeded"), outcomes.count("failed")
    finished = succeeded + failed
    first_try = sum(one["is_first_try"] for one in requests)
    recovered = sum(one["is_recovered"] for one in requests)
    waits = sorted(one["wait_s"] for one in requests if one["wait_s"] is not None)
    attempts = sum(one["attempts"] for one in requests)

    def sums(value: str, count: str | None) -> int | None:
        return known([one[value] for one in requests if count is None or one[count]])

    return {
        "requests": len(requests),
        "succeeded_requests": succeeded,
        "failed_requests": failed,
        "running_requests": outcomes.count("running"),
        "repeat_requests": sum(one["is_repeat"] for one in requests),
        "success_rate": succeeded / finished if finished else None,
        "first_try_successes": first_try,
        "first_try_rate": first_try / finished if finished else None,
        "recovered_requests": recovered,
        "recovery_rate": recovered / (recovered + failed) if recovered + failed else None,
        "attempts": attempts,
        "attempts_per_request": attempts / len(requests) if requests else None,
        "credits": sums("credits", None),
        "credits_on_failed_attempts": sums("credits_on_failed_attempts", "failed_attempts"),
        "extra_successes": sum(one["extra_successes"] for one in requests),
        "credits_on_extra_successes": sums("credits_on_extra_successes", "extra_successes"),
        "mean_wait_s": statistics.fmean(waits) if waits else None,
        "p50_wait_s": percentile(waits, 0.5),
        "p95_wait_s": percentile(waits, 0.95),
    }


def percentile(ordered: list[float], level: float) -> float | None:
    if not ordered:
        return None
    place = level * (len(ordered) - 1)
    at = math.floor(place)
    return ordered[at] + (place - at) * (ordered[min(at + 1, len(ordered) - 1)] - ordered[at])


@pytest.fixture(scope="module")
def month() -> list[dict[str, Any]]:
    """400 runs of one month, with chains across the ends of days and weeks."""
    rng = random.Random(7)
    return [
        wire(
            f"r{number:03}",
            account_id=rng.choice(["acme", "zeta"]),
            input_file_id=f"in{rng.randrange(40)}",
            target_language=rng.choice(["de", "German", "fr"]),
            status=(status := rng.choice(["Succeeded", "Failed", "Failed", "Running"])),
            created_at=(at := BEGIN + timedelta(minutes=rng.randrange(30 * 1440))).isoformat(),
            finished_at=None if status == "Running" else (at + timedelta(hours=rng.randrange(60))).isoformat(),
            credits=rng.choice([None, 1, 2, 3]),
        )
        for number in range(400)
    ]


@pytest.mark.parametrize("date_basis", [slow("created"), "finished"])
def test_requests_of_consecutive_intervals_sum_to_those_of_the_whole(
    month: list[dict[str, Any]], date_basis: Any
) -> None:
    """A request belongs to the day of its first run, with all of its attempts, whatever the date basis."""
    with pda.connect(month) as db:
        whole = db.view("requests")
        assert whole["attempts"].sum() == 400
        assert (whole["attempts"] > 1).sum() > 50
    parts = []
    for since, until in ((None, "2026-03-09"), ("2026-03-10", "2026-03-20"), ("2026-03-21", None)):
        with pda.connect(month, since=since, until=until, date_basis=date_basis) as db:
            parts.append(db.view("requests"))
            assert db.view("request_rates")["requests"].item() == parts[-1].height
            assert db.view("request_rates_weekly")["requests"].sum() == parts[-1].height
    if date_basis == "finished" or Soak.is_on:
        with pda.connect(month, since="2026-03-10", until="2026-03-20", date_basis=date_basis) as db:
            assert db.view("conservation")["holds"].all()
    keys = ["account_id", "language", "input_file_id", "request"]
    assert pl.concat(parts).sort(keys).equals(whole)


def test_filters_confine_requests_and_weeks_are_local(month: list[dict[str, Any]]) -> None:
    with pda.connect(month, timezone="Asia/Kolkata") as db:
        whole = db.view("requests")
        week = whole.filter(pl.col("first_created_at") < datetime(2026, 3, 8, 18, 30, tzinfo=UTC))
        assert db.view("request_rates_weekly")["requests"][0] == week.height
        months = db.view("request_rates_monthly")
        assert dict(months.select("period", "requests").rows()) == dict(whole["month"].value_counts().rows())
        by = db.view("request_rates_by_account_language")
        assert by.select("account_id", "language", "language_name").rows() == [
            ("acme", "de", "German"), ("acme", "fr", "French"), ("zeta", "de", "German"), ("zeta", "fr", "French"),
        ]  # fmt: skip
    with pda.connect(month, timezone="Asia/Kolkata", account="zeta", language="de") as db:
        chosen = whole.filter(pl.col("account_id") == "zeta", pl.col("language") == "de")
        assert db.view("requests").equals(chosen)


def test_without_requests_counts_are_zero_and_rates_unknown() -> None:
    with pda.connect([run("late", 0, "F0-1:?")], until="2026-01-01") as db:
        [row] = db.view("request_rates").rows(named=True)
    zeros = {name for name, value in row.items() if value == 0}
    assert zeros == {
        "requests", "succeeded_requests", "failed_requests", "running_requests", "repeat_requests",
        "first_try_successes", "recovered_requests", "attempts", "credits", "credits_on_failed_attempts",
        "extra_successes", "credits_on_extra_successes",
    }  # fmt: skip
    assert all(value is None for name, value in row.items() if name not in zeros)
    with pda.connect([run("late", 0, "F0-1:?")]) as db:
        [row] = db.view("request_rates").rows(named=True)
    assert (row["credits"], row["credits_on_failed_attempts"]) == (None, None)
    assert (row["success_rate"], row["success_rate_low"]) == (0, 0)
    assert row["success_rate_high"] == pytest.approx(1.96**2 / (1 + 1.96**2), abs=1e-4)  # Wilson's for 0 of 1


def test_a_cluster_finds_the_same_requests(cluster: str, month: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [run(chain, number, text) for chain, (texts, _) in CHAINS.items() for number, text in enumerate(texts)]
    pda.export(pl.DataFrame([*month, *rows], infer_schema_length=None), tmp_path / "runs")
    choices: dict[str, Any] = {"timezone": "Asia/Kolkata", "since": "2026-03-02", "until": "2026-03-20"}
    with (
        pda.connect(tmp_path / "runs", **choices) as here,
        pda.connect(tmp_path / "runs", **choices, engine="spark", remote=cluster) as there,
    ):
        names = ("request_rates_by_account_language", "request_rates_weekly", "conservation")
        for name in ("requests", *names) if Soak.is_on else ("requests", names[1]):
            assert_frame_equal(here.view(name), there.view(name), rel_tol=1e-9)

"""What moved a figure: causes that were planted, laws of the decomposition, and the sample by another route."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import REAL_RUNS, SAMPLE
from support.repetitions import Soak, examples, slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.query.decomposition import Amounts, Cell, decompose, effect_names, totals, whole

BEFORE, NOW = "2026-09-10T10:00:00Z", "2026-10-10T10:00:00Z"
PRESENT = "2026-11-02T00:00:00Z"


def runs(count: int, at: str, *, account: str = "acme", language: str = "de", **changes: Any) -> list[dict[str, Any]]:
    """So many runs of one cell, of 10 credits for 600 and 400 tokens unless the test says otherwise."""
    amounts = {"credits": 10, "input_tokens": 600, "output_tokens": 400, **changes}
    return [
        wire(
            f"{account}-{language}-{at}-{number}-{sorted(changes.items())}",
            account_id=account,
            target_language=language,
            created_at=at,
            finished_at=at,
            **amounts,
        )
        for number in range(count)
    ]


def explained(rows: list[dict[str, Any]], measure: str = "credits", **choices: Any) -> pda.Explanation:
    with pda.connect(rows, period="2026-10", now=PRESENT) as db:
        return db.explain(measure=measure, **choices)


def moved(found: pda.Explanation) -> dict[str, float]:
    """The effects that are not 0, rounded to the twelfth digit."""
    return {effect: round(value, 9) for effect, value in found.effects.rows() if abs(value) > 1e-9}


BASE = [*runs(4, BEFORE), *runs(2, BEFORE, account="zeta", language="fr")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Twice as many runs of every cell: 60 credits more, and nothing else.
        ([*runs(8, NOW), *runs(4, NOW, account="zeta", language="fr")], {"volume": 60}),
        # Runs half as long, at the same price of a token.
        (
            [
                *runs(4, NOW, credits=5, input_tokens=300, output_tokens=200),
                *runs(2, NOW, account="zeta", language="fr", credits=5, input_tokens=300, output_tokens=200),
            ],
            {"size": -30},
        ),
        # Three credits for two, of the same tokens.
        (
            [*runs(4, NOW, credits=15), *runs(2, NOW, account="zeta", language="fr", credits=15)],
            {"rate": 30},
        ),
        (
            [*runs(4, NOW), *runs(2, NOW, account="zeta", language="fr"), *runs(3, NOW, account="new")],
            {"new_accounts": 30},
        ),
        (runs(4, NOW), {"lost_accounts": -20}),
        (
            [*runs(4, NOW), *runs(2, NOW, account="zeta", language="fr"), *runs(1, NOW, language="fr")],
            {"new_languages": 10},
        ),
        (
            [*runs(4, NOW), *runs(1, NOW, account="zeta", language="ja")],
            {"new_languages": 10, "dropped_languages": -20},
        ),
        (
            [*runs(4, NOW), *runs(2, NOW, account="zeta", language="fr"), *runs(2, NOW, credits=7, output_tokens=None)],
            {"unpriced": 14},
        ),
        # A cell that is free now: its factor is 0, so its 20 credits cannot be taken apart.
        ([*runs(4, NOW), *runs(2, NOW, account="zeta", language="fr", credits=0)], {"not_decomposed": -20}),
        ([*runs(4, NOW), *runs(2, NOW, account="zeta", language="fr")], {}),
    ],
)
def test_a_cause_that_alone_moved_has_the_whole_difference(
    rows: list[dict[str, Any]], expected: dict[str, float]
) -> None:
    found = explained([*BASE, *rows])
    assert moved(found) == expected
    assert found.difference == sum(expected.values())


def test_a_shift_between_cells_of_different_prices_is_mix() -> None:
    """3 runs of 10 credits and 1 of 40 become 1 and 3: as many runs, the same prices, 60 credits more."""
    before = [*runs(3, BEFORE), *runs(1, BEFORE, language="fr", credits=40)]
    now = [*runs(1, NOW), *runs(3, NOW, language="fr", credits=40)]
    assert moved(explained([*before, *now])) == {"mix": 60}


def test_two_planted_causes_are_told_apart() -> None:
    """Every run twice, each 1.5 times as long: of 60 credits 180, by ln 2 and ln 1.5 parts of the 120."""
    now = [
        *runs(8, NOW, credits=15, input_tokens=900, output_tokens=600),
        *runs(4, NOW, account="zeta", language="fr", credits=15, input_tokens=900, output_tokens=600),
    ]
    found = moved(explained([*BASE, *now]))
    assert found.keys() == {"volume", "size"}
    assert found["volume"] == pytest.approx(120 * math.log(2) / math.log(3))
    assert found["size"] == pytest.approx(120 * math.log(1.5) / math.log(3))


def test_runs_that_cost_nothing_move_neither_volume_nor_mix() -> None:
    free_before, free_now = (runs(n, at, language="ja", credits=0) for n, at in ((2, BEFORE), (20, NOW)))
    now = [*runs(4, NOW), *runs(2, NOW, account="zeta", language="fr")]
    assert moved(explained([*BASE, *free_before, *now, *free_now])) == {}


def test_of_runs_and_tokens_the_same_is_known() -> None:
    now = [*runs(6, NOW), *runs(1, NOW, account="new"), *runs(1, NOW, language="fr")]
    assert moved(explained([*BASE, *now], "runs")) == {
        "continuing": 2, "new_accounts": 1, "new_languages": 1, "lost_accounts": -2,
    }  # fmt: skip
    assert moved(explained([*BASE, *now], "total_tokens")) == {
        "volume": 2000, "new_accounts": 1000, "new_languages": 1000, "lost_accounts": -2000,
    }  # fmt: skip


def test_the_sentence_says_the_greatest_causes_first() -> None:
    rows = [
        *(one for account in ("a", "b", "c") for one in runs(1, BEFORE, account=account, credits=200)),
        *runs(50, BEFORE),
        *runs(40, NOW),
        *runs(1, NOW, account="new", credits=230),
        *runs(1, NOW, account="other", credits=7, input_tokens=None),
    ]
    found = explained(rows)
    assert found.sentence == (
        "Credits fell by 463 (42 %): three accounts left (600), fewer runs took 100; "
        "two new accounts brought 230, other causes 7."
    )


def test_what_is_unknown_stays_unknown_and_is_said() -> None:
    found = explained([*runs(2, BEFORE, credits=None), *runs(3, NOW)])
    assert found.difference is None
    assert found.effects["difference"].null_count() == found.effects.height
    assert found.whole_effects == {}
    assert found.sentence == (
        "Credits of the period before are unknown, and so is what moved them. "
        "Not known, and in no figure: the credits of 2 finished runs of the period before."
    )
    partly = explained([*runs(2, BEFORE), *runs(1, BEFORE, account="zeta", credits=None), *runs(3, NOW)])
    assert partly.by_account.filter(pl.col("account_id") == "zeta").row(0, named=True)["before"] is None
    assert partly.sentence.endswith("the credits of 1 finished run of the period before.")


def test_from_a_period_without_runs_everything_is_new() -> None:
    found = explained(runs(3, NOW))
    assert (found.before.total, found.difference) == (0, 30)
    assert found.sentence == "Credits rose by 30: one new account brought 30."


def test_causes_of_one_direction_go_by_their_size() -> None:
    now = [*runs(5, NOW), *runs(2, NOW, account="zeta", language="fr"), *runs(9, NOW, account="new")]
    assert explained([*BASE, *now]).sentence == "Credits rose by 100 (167 %): one new account brought 90, more runs 10."


def test_a_difference_that_does_not_fit_64_bits_is_told_in_frames_and_exact_in_words() -> None:
    found = explained([*runs(1, BEFORE, credits=-(2**62)), *runs(1, NOW, credits=2**63 - 1)])
    assert found.difference == sum(found.whole_effects.values()) == 2**63 - 1 + 2**62
    assert found.sentence.startswith("Credits rose by 13,835,058,055,282,163,711:")
    for name in ("by_account", "by_language", "cells"):
        with pytest.raises(pda.SumError, match=r"^difference.* does not fit into 64 bits: 13,835,058,055,282,163,711;"):
            getattr(found, name)


def test_a_run_in_progress_is_not_said_to_be_unknown() -> None:
    running = runs(1, NOW, status="Running", credits=None, output_tokens=None)
    found = explained([*BASE, *runs(4, NOW), *runs(2, NOW, account="zeta", language="fr"), *running])
    assert found.now.unknown_runs == 0
    assert found.sentence == "Credits stayed at 60."


def test_an_account_one_language_of_which_is_unknown_has_the_sum_of_the_others() -> None:
    rows = [*BASE, *runs(2, BEFORE, language="fr", credits=None), *runs(4, NOW)]
    [acme] = explained(rows).by_account.filter(account_id="acme").rows(named=True)
    assert (acme["before"], acme["now"]) == (40, 40)


def test_tokens_are_known_where_either_count_is() -> None:
    now = [*runs(4, NOW, input_tokens=None, output_tokens=500), *runs(2, NOW, account="zeta", language="fr")]
    assert moved(explained([*BASE, *now], "total_tokens")) == pytest.approx({"size": -2000})


def test_a_period_in_progress_is_compared_with_the_same_days_of_the_one_before() -> None:
    rows = [
        *runs(1, "2026-09-05T00:00:00Z"),
        *runs(5, "2026-09-20T00:00:00Z"),
        *runs(2, "2026-10-05T00:00:00Z"),
        *runs(7, "2026-08-05T00:00:00Z"),
        *runs(9, "2026-08-20T00:00:00Z"),
    ]
    with pda.connect(rows, period="2026-10", now="2026-10-10T00:00:00Z") as db:
        assert db.explain(measure="runs").difference == 1
        assert db.explain(measure="runs", against="2026-08").difference == -5
        assert db.explain(measure="runs", period="last-month").difference == 6 - 16
    with pda.connect(rows) as db, pytest.raises(pda.UsageError, match="no beginning"):
        db.explain()
    with pda.connect(rows, period="2026-10") as db, pytest.raises(pda.UsageError, match="did you mean credits"):
        db.explain(measure="credit")


amounts = st.builds(
    lambda runs, priced, tokens, value, unpriced: (
        Amounts(runs, min(priced, runs), tokens, value, unpriced) if runs else Amounts()
    ),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 10**6),
    st.integers(-50, 10**6),
    st.integers(0, 99),
)
cells = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["de", "fr", "ja"])), st.tuples(amounts, amounts), min_size=1
).map(lambda found: [Cell(*key, *sides) for key, sides in found.items()])


@examples(300, 60)
@given(cells, st.randoms(use_true_random=False), st.sampled_from(["credits", "total_tokens"]))
def test_the_laws_of_a_decomposition(cells: list[Cell], random: Any, measure: str) -> None:
    if measure == "total_tokens":  # whose runs are all priced, and whose value is the tokens
        cells = [
            Cell(
                c.account_id,
                c.language,
                *(Amounts(s.runs, s.priced_runs, s.tokens, s.tokens) for s in (c.before, c.now)),
            )
            for c in cells
        ]
    found = totals(decompose(cells, measure), measure)
    assert tuple(found) == effect_names(measure)
    sums = [
        sum(one.value + one.unpriced for one in side) for side in zip(*((c.before, c.now) for c in cells), strict=True)
    ]
    gross = max(
        sum(abs(one.value) + one.unpriced for one in side)
        for side in zip(*((c.before, c.now) for c in cells), strict=True)
    )
    assert abs(math.fsum(found.values()) - (sums[1] - sums[0])) <= 1e-9 * max(gross, 1)
    shown = whole(list(found.values()), sums[1] - sums[0])
    assert sum(shown) == sums[1] - sums[0]
    assert all(abs(a - b) < 1 + 1e-6 for a, b in zip(shown, found.values(), strict=True))

    random.shuffle(cells)
    assert totals(decompose(cells, measure), measure) == found

    swapped = [Cell(c.account_id, c.language, c.now, c.before) for c in cells]
    partner = {
        "new_accounts": "lost_accounts", "lost_accounts": "new_accounts",
        "new_languages": "dropped_languages", "dropped_languages": "new_languages",
    }  # fmt: skip
    back = totals(decompose(swapped, measure), measure)
    assert {name: -back[partner.get(name, name)] for name in found} == found


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_whole_effects_are_opposite_when_the_periods_are_swapped(effects: list[float]) -> None:
    total = round(math.fsum(effects))
    assert [-value for value in whole([-effect for effect in effects], -total)] == whole(effects, total)


def test_the_largest_remainders_are_rounded_up() -> None:
    """Of 1.5, 2.3 and 3.2, which sum to 7, one unit is left after 1, 2 and 3; 1.5 has the largest remainder."""
    assert whole([1.5, 2.3, 3.2], 7) == [2, 2, 3]
    assert whole([-1.5, -2.3, -3.2], -7) == [-2, -2, -3]
    assert whole([0.5, 0.5], 1) == [1, 0]
    assert whole([2.6, -1.6], 1) == [3, -2]


def test_whole_effects_sum_to_the_total_also_where_an_effect_has_no_digits_for_it() -> None:
    assert sum(whole([2.0**60, 1.0], 2**60 + 10)) == 2**60 + 10


def test_effects_are_summed_exactly_in_any_order() -> None:
    parts = [1e16, 1.0, -1e16, 1.0]
    cells = [Cell(str(at), "de", Amounts(), Amounts(), effects={"volume": part}) for at, part in enumerate(parts)]
    assert totals(cells, "credits")["volume"] == totals(cells[::-1], "credits")["volume"] == 2


def integrated(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """The effects of one cell by integration: each factor grows at a steady rate from the one value to the other.

    The part of a factor is the integral of the product times that rate, by Simpson's rule over 200 steps.
    """
    product = lambda at: math.prod(before[name] ** (1 - at) * now[name] ** at for name in now)  # noqa: E731
    weights = [1, *([4, 2] * 100)[:-1], 1]
    mean = sum(w * product(at / 200) for at, w in enumerate(weights)) / 600
    return {name: mean * math.log(now[name] / before[name]) for name in now}


PARTS: dict[str, Any] = {
    "credits": lambda row: (row["input_tokens"] + row["output_tokens"], row["credits"]),
    "total_tokens": lambda row: ((row["input_tokens"] or 0) + (row["output_tokens"] or 0),) * 2,
    "runs": lambda row: (1, 1),
}
LACKS: dict[str, Any] = {
    "credits": lambda row: None in (row["credits"], row["input_tokens"], row["output_tokens"]),
    "total_tokens": lambda row: row["input_tokens"] is row["output_tokens"] is None,
    "runs": lambda row: False,
}


def by_hand(rows: list[dict[str, Any]], measure: str, starts: tuple[datetime, datetime, datetime]) -> dict[str, float]:
    """The effects of two periods, between three instants, from the rows with plain sums and by integration."""
    periods: tuple[dict[Any, list[dict[str, Any]]], ...] = (defaultdict(list), defaultdict(list))
    for row in rows:
        for start, end, found in zip(starts, starts[1:], periods, strict=False):
            if start <= row["created_at"] < end:
                found[row["account_id"], row["language"]].append(row)
    expected = dict.fromkeys(effect_names(measure), 0.0)
    factors: list[dict[Any, tuple[int, int, int]]] = []
    for found, sign in zip(periods, (-1, 1), strict=True):
        sums = {}
        for key, ones in found.items():
            parts = [PARTS[measure](row) for row in ones if not LACKS[measure](row)]
            sums[key] = (len(parts), sum(tokens for tokens, _ in parts), sum(value for _, value in parts))
            if measure == "credits":
                expected["unpriced"] += sign * sum(row["credits"] or 0 for row in ones if LACKS[measure](row))
        factors.append(sums)
    before, now = factors
    common = [key for key in before if key in now and all((*before[key], *now[key]))]
    volume = [sum(side[key][0] for key in common) for side in (before, now)]
    accounts = [{account for account, _ in side} for side in periods]
    for key in {*before, *now}:
        if measure == "runs" and key in before and key in now:
            expected["continuing"] += now[key][2] - before[key][2]
        elif key in common:
            sides = [
                {"volume": all_runs, "mix": side[key][0] / all_runs, "size": side[key][1] / side[key][0],
                 "rate": side[key][2] / side[key][1]}
                for side, all_runs in zip((before, now), volume, strict=True)
            ]  # fmt: skip
            for name, value in integrated(sides[1], sides[0]).items():
                if name in expected or value:
                    expected[name] += value
        elif key not in before:
            expected["new_languages" if key[0] in accounts[0] else "new_accounts"] += now[key][2]
        elif key not in now:
            expected["dropped_languages" if key[0] in accounts[1] else "lost_accounts"] -= before[key][2]
        else:
            expected["not_decomposed"] += now[key][2] - before[key][2]
    return expected


@pytest.mark.parametrize(
    ("source", "measure", "period", "starts"),
    [
        (SAMPLE, "credits", "2026-10", ("2026-09-01", "2026-10-01", "2026-11-01")),
        slow(SAMPLE, "total_tokens", "2026-10", ("2026-09-01", "2026-10-01", "2026-11-01")),
        (SAMPLE, "runs", "2026-10", ("2026-09-01", "2026-10-01", "2026-11-01")),
        (REAL_RUNS, "total_tokens", "2023-W52", ("2023-12-18", "2023-12-25", "2024-01-01")),
        slow(REAL_RUNS, "runs", "2023-W52", ("2023-12-18", "2023-12-25", "2024-01-01")),
    ],
    ids=lambda value: value if isinstance(value, str) else "sample" if value == SAMPLE else "real calls",
)
def test_an_explanation_by_another_route(source: Path, measure: str, period: str, starts: tuple[str, str, str]) -> None:
    with pda.connect(source, timezone="UTC", now=PRESENT) as db:
        languages = dict(db.sql("select target_language, language from runs").rows())
    rows = [row | {"language": languages[row["target_language"]]} for row in pda.load(source).runs.to_dicts()]
    expected = by_hand(rows, measure, tuple(datetime.fromisoformat(f"{day}T00:00Z") for day in starts))  # type: ignore[arg-type]
    assert sum(map(bool, expected.values())) >= 2
    with pda.connect(source, timezone="UTC", period=period, now=PRESENT) as db:
        found = db.explain(measure=measure)
    assert dict(found.effects.rows()) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert sum(found.whole_effects.values()) == found.difference == round(sum(expected.values()))
    for frame in (found.by_account, found.by_language):
        for name, value in expected.items():
            assert frame[name].sum() == pytest.approx(value, rel=1e-9, abs=1e-6)


def test_the_command_prints_the_sentence_and_whole_effects(file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    source = file([*BASE, *runs(8, NOW), *runs(2, NOW, account="zeta", language="fr")])
    call = ["explain", source, "--now", PRESENT, "--quiet"]
    assert run(call) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Credits rose by 40 (67 %): more runs brought ")
    assert printed.rstrip().endswith("40")
    assert run([*call, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in content["sections"]] == ["effects", "by_account", "by_language", "cells"]
    assert sum(content["whole_effects"].values()) == content["difference"] == 40
    assert (content["before"]["total"], content["now"]["total"]) == (60, 100)
    assert run([*call, "--csv", "--by", "account"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("acme,40,80,40,")
    assert run([*call, "--by", "day"]) == 2


def test_the_waterfall_goes_from_the_one_sum_to_the_other() -> None:
    chart = explained([*BASE, *runs(8, NOW), *runs(2, NOW, account="new")]).chart().to_dict()
    rows = chart["data"]["values"]
    assert [(row["label"], row["start"], row["end"]) for row in rows] == [
        ("period before", 0, 60), ("number of runs", 60, 100), ("new accounts", 100, 120),
        ("accounts that left", 120, 100), ("this period", 0, 100),
    ]  # fmt: skip


def test_a_cluster_explains_and_expects_the_same(cluster: str, tmp_path: Path) -> None:
    pda.export(SAMPLE, tmp_path / "runs")
    choices: dict[str, Any] = {"timezone": "Europe/Lisbon", "period": "2026-10", "now": "2026-10-20T10:00Z"}
    with (
        pda.connect(tmp_path / "runs", **choices) as here,
        pda.connect(tmp_path / "runs", **choices, engine="spark", remote=cluster) as there,
    ):
        assert there.explain().effects.equals(here.explain().effects)
        if Soak.is_on:
            assert there.explain(measure="total_tokens").sentence == here.explain(measure="total_tokens").sentence
            assert there.outlook().frame.equals(here.outlook().frame)
        assert there.outlook(by="account", measure="runs").frame.equals(
            here.outlook(by="account", measure="runs").frame
        )

"""Limits of rates: a rate is beyond one when it is more than chance makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.probability import exact
from support.repetitions import often

from polydoc_analytics.automation.alerts.thresholds import is_beyond, tail


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.2), (6, 16, 0.1), (11, 30, 0.2), (7, 100, 0.03), (90, 100, 0.8)])
def test_the_tail_is_the_sum_of_its_probabilities(k: int, n: int, p: float) -> None:
    assert tail(k, n, p) == pytest.approx(exact(k, n, p), rel=1e-10)


def row_of(failed: int, finished: int) -> dict[str, Any]:
    """A row of a usage view with so many failures, its interval by Wilson's formula."""
    z, p, n = 1.959963984540054, failed / finished, finished
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    low, high = ((middle + side * half) / (1 + z * z / n) for side in (-1, 1))
    return {
        "runs": n,
        "failed_runs": failed,
        "succeeded_runs": n - failed,
        "failure_rate_low": low if failed else 0.0,
        "failure_rate_high": high if failed < n else 1.0,
    }


@pytest.mark.parametrize("limit", [0.01, 0.03, 0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("side", ["above", "below"])
def test_of_windows_whose_true_rate_is_the_limit_fewer_than_one_in_forty_fire(limit: float, side: str) -> None:
    random = np.random.default_rng(20261031)
    windows = often(100_000, 20_000)
    sizes = random.integers(30, 400, windows)
    failed = random.binomial(sizes, limit)
    seen, counts = np.unique(np.stack([failed, sizes]), axis=1, return_counts=True)
    limits: dict[str, Any] = {"above": None, "below": None, "least_runs": 30} | {side: limit}
    fired = [is_beyond("failure_rate", row_of(int(k), int(n)), **limits) for k, n in seen.T]
    assert int(counts[fired].sum()) > 0 or (limit, side) in ((0.01, "below"), (0.9, "above"))
    assert int(counts[fired].sum()) < windows / 40

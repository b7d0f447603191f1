"""The attempts of a sample: runs that fail in one week, retries, and files that come twice or once more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from polydoc_analytics.model.epoch import DAY_US

SPIKE_LANGUAGE = "fr"
SPIKE_FIRST_DAY = date(2026, 10, 12)
SPIKE_LAST_DAY = date(2026, 10, 18)
SPIKE_FAILURE_RATE = 0.35
FAILURE_RATE = 0.03
RETRIED_SHARE = 2 / 3
"""Share of failures after which the client tries again, ten seconds to ten minutes later, until the third retry."""
RETRIES = 3
RETRY_FAILURE_RATE = 0.3
"""Share of retries that fail too: what made the first run fail is often still there."""
DOUBLED_SHARE = 0.01
"""Share of files that are submitted twice, within half a minute; both runs are charged."""
REPEATED_SHARE = 0.015
"""Share of files that were sent before, up to thirty days earlier, into the same language."""
QUANTILES = 4_096
RUN = np.dtype([(name, "<i8") for name in ("request", "created", "finished")] + [("failed", "?"), ("running", "?")])
"""A run: the number of its request, two instants in µs since 1970, and whether it failed or is still running."""

_EPOCH = date(1970, 1, 1).toordinal()
_SECOND_US = 1_000_000
_HOUR_US = 3_600 * _SECOND_US


@dataclass(frozen=True)
class Requests:
    """Requests in the order of submission: when, in µs, whether into the language of the spike, and their tokens.

    ``times`` are the quantiles of the time that a run takes, ``end_us`` is the end of the sample.
    """

    submitted: NDArray[np.int64]
    is_spike_language: NDArray[np.bool_]
    input_tokens: NDArray[np.int64]
    times: NDArray[np.int64]
    end_us: int

    def attempts(self, rng: np.random.Generator) -> NDArray[np.void]:
        """Run each request: first, again where the client submits twice, and again after failures."""
        first = latest = self._run(rng, np.arange(len(self.submitted)), self.submitted, FAILURE_RATE)
        double = first[(rng.random(len(first)) < DOUBLED_SHARE) & ~first["failed"]]
        pause = rng.integers(_SECOND_US, 30 * _SECOND_US, len(double))
        waves = [first, self._run(rng, double["request"], double["created"] + pause, FAILURE_RATE)]
        for _ in range(RETRIES):
            latest = latest[latest["failed"] & (rng.random(len(latest)) < RETRIED_SHARE)]
            pause = rng.integers(10 * _SECOND_US, 600 * _SECOND_US, len(latest))
            latest = self._run(rng, latest["request"], latest["finished"] + pause, RETRY_FAILURE_RATE)
            waves.append(latest)
        return np.concatenate(waves)

    def _run(
        self, rng: np.random.Generator, request: NDArray[np.int64], created: NDArray[np.int64], failure_rate: float
    ) -> NDArray[np.void]:
        count, day = len(request), created // DAY_US + _EPOCH
        is_spike = (day >= SPIKE_FIRST_DAY.toordinal()) & (day <= SPIKE_LAST_DAY.toordinal())
        rate = np.where(is_spike & self.is_spike_language[request], max(failure_rate, SPIKE_FAILURE_RATE), failure_rate)
        failed = rng.random(count) < rate
        milliroots = np.sqrt(self.input_tokens[request] * 1_000_000).astype(np.int64)
        duration = 1_500_000 + milliroots * 320 * self.times[rng.integers(0, QUANTILES, count)] // 1_000_000
        finished = created + np.where(failed, duration // 3, duration) + rng.integers(0, _SECOND_US, count)
        running = (rng.random(count) < 0.004) | (finished > self.end_us)
        running |= created + rng.integers(0, 8 * _HOUR_US, count) > self.end_us
        runs = np.empty(count, RUN)
        for name, values in zip(RUN.names or (), (request, created, finished, failed & ~running, running), strict=True):
            runs[name] = values
        return runs[created < self.end_us]


def originals(rng: np.random.Generator, submitted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose for each request the one whose file it sends: itself, or now and then one of the thirty days before."""
    is_repeat = rng.random(len(submitted)) < REPEATED_SHARE
    back = rng.random(len(submitted)) * np.minimum(submitted - submitted[0], 30 * DAY_US)
    earlier = np.searchsorted(submitted, submitted - back.astype(np.int64), "right") - 1
    return np.where(is_repeat & ~is_repeat[earlier], earlier, np.arange(len(submitted)))


def as_many(rng: np.random.Generator, runs: NDArray[np.void], count: int) -> NDArray[np.void]:
    """Draw so many runs, in the order of creation: those of requests at random, which are whole but for the last."""
    runs = runs[np.lexsort((runs["created"], runs["request"]))]
    attempts = np.bincount(runs["request"])
    nth = np.arange(len(runs)) - np.repeat(np.cumsum(attempts) - attempts, attempts)
    drawn = np.argsort(rng.random(len(attempts)), kind="stable")
    room = np.empty_like(attempts)
    room[drawn] = count - (np.cumsum(attempts[drawn]) - attempts[drawn])
    runs = runs[nth < room[runs["request"]]]
    return runs[np.argsort(runs["created"], kind="stable")]

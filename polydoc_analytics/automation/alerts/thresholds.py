"""When a figure is beyond a limit, and not by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

ONE_SIDED = 0.025
"""The share of windows with a true rate at the limit that may fire, at most: the side of a 95 % interval."""


def is_beyond(
    measure: str, row: Mapping[str, Any], *, above: float | None, below: float | None, least_runs: int
) -> bool | None:
    """Check whether a row of a usage or request_rates view is beyond a limit; None where it cannot be told.

    The failure rate is when the bound of its Wilson interval (Wilson 1927) is, and a true rate at the limit would give
    so extreme a count in fewer than 2.5 % of windows (the exact binomial tail, Clopper and Pearson 1934): Wilson's
    bound alone is passed more often than that where few failures are expected. Any other measure is when its value is.
    Of one that is unknown, or of fewer than ``least_runs`` (of finished ones, for the rate), it cannot be told. The
    success rate of requests is judged likewise, as a rate of failures below or above what is left of the limit.
    """
    if measure == "success_rate":
        row = {
            "failed_runs": row["failed_requests"],
            "succeeded_runs": row["succeeded_requests"],
            "failure_rate_low": None if row["success_rate_high"] is None else 1 - row["success_rate_high"],
            "failure_rate_high": None if row["success_rate_low"] is None else 1 - row["success_rate_low"],
        }
        above, below = (None if limit is None else 1 - limit for limit in (below, above))
        return is_beyond("failure_rate", row, above=above, below=below, least_runs=least_runs)
    if measure != "failure_rate":
        value = row[measure]
        if value is None or math.isnan(value) or row[counted_by(row)] < least_runs:
            return None
        return bool(value > above if above is not None else value < below)
    failed, finished = row["failed_runs"], row["failed_runs"] + row["succeeded_runs"]
    if finished < max(least_runs, 1):
        return None
    if above is not None:
        return bool(row["failure_rate_low"] > above) and tail(failed, finished, above) < ONE_SIDED
    assert below is not None
    return bool(row["failure_rate_high"] < below) and tail(finished - failed, finished, 1 - below) < ONE_SIDED


def exact(value: float) -> Fraction:
    """Convert a number to the fraction that it is written as: 0.1 is a tenth, which no float is."""
    return Fraction(repr(value))


def counted_by(row: Mapping[str, Any]) -> str:
    """Name the column that counts what a row is over: its runs, or its requests."""
    return "runs" if "runs" in row else "requests"


def tail(least: int, tries: int, p: float) -> float:
    """Return the probability of at least so many successes in n tries, each with probability p."""
    if least <= 0:
        return 1.0
    if p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    term = math.exp(
        math.lgamma(tries + 1)
        - math.lgamma(least + 1)
        - math.lgamma(tries - least + 1)
        + least * math.log(p)
        + (tries - least) * math.log1p(-p)
    )
    total, at = 0.0, least
    # Past the mean each term is smaller than the one before, and what is left soon does not count.
    while at <= tries and (term > total * 1e-17 or at < tries * p):
        total += term
        term *= (tries - at) / (at + 1) * p / (1 - p)
        at += 1
    return min(total, 1.0)

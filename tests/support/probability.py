"""Probabilities by their definitions, for expected values."""

from __future__ import annotations

from math import comb


def exact(k: int, n: int, p: float) -> float:
    """At least k successes in n tries, each with probability p."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))

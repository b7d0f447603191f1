"""Whether two contestants say the same: counts and sums exactly, rates and seconds to 1e-9."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

Table = list[list[Any]]
Answers = dict[str, Table]
_SUMS = 5
"""Of the columns after the key, the first five are counts and sums."""


def differences(ours: Answers, theirs: Answers) -> list[str]:
    """Differences of two answers; empty where they agree.

    Others know languages only as they were sent, so theirs are brought together here before they are compared; their
    rates and durations by language are of other groups, and not compared.
    """
    found = _differences("account", _by_key(ours["by_account"]), _by_key(theirs["by_account"]), exact=_SUMS)
    return found + _differences("language", _by_language(ours), _by_language(theirs), exact=_SUMS)


def _by_key(table: Table) -> dict[str, list[Any]]:
    return {key: values for key, *values in table}


def _by_language(answers: Answers) -> dict[str, list[Any]]:
    from polydoc_analytics.model.languages import language

    sums: dict[str, list[Any]] = defaultdict(lambda: [0] * _SUMS)
    for text, *values in answers["by_language"]:
        tag = language(text).tag
        sums[tag] = [a + (b or 0) for a, b in zip(sums[tag], values[:_SUMS], strict=True)]
    return sums


def _differences(what: str, ours: dict[str, list[Any]], theirs: dict[str, list[Any]], exact: int) -> list[str]:
    found = [f"{what} {key} is missing on one side" for key in ours.keys() ^ theirs.keys()]
    for key in ours.keys() & theirs.keys():
        for place, (a, b) in enumerate(zip(ours[key], theirs[key], strict=True)):
            same = (a or 0) == (b or 0) if place < exact else _close(a, b)
            if not same:
                found.append(f"{what} {key}, column {place + 1}: {a} here, {b} there")
    return found


def _close(a: float | None, b: float | None) -> bool:
    """True where two figures are equal; unknown is null or NaN."""
    if a is None or b is None or math.isnan(a) or math.isnan(b):
        return (a is None or math.isnan(a)) and (b is None or math.isnan(b))
    return math.isclose(a, b, rel_tol=1e-9)

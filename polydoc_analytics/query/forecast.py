"""The sum of the days ahead by the mean of the same weekday, and its interval from the rule's own earlier errors.

A day ahead is expected to bring the mean of the same weekday over the last eight whole weeks. How far the rule is off
is measured on the past (rolling origin, Tashman 2000): at every earlier day the same rule is asked for as many days
ahead, and its error is taken as a share of what it expected, so that growth does not make old errors small. The 80 %
interval is between the 10 % and 90 % quantiles of these errors, widened to hold what is expected. Errors over
overlapping days say less than as many independent ones: both levels move out by 0.2 ÷ (errors ÷ days ahead), and with
fewer errors than twice the days there is no interval.

Tashman, L. J. (2000), Out-of-sample tests of forecasting accuracy, International Journal of Forecasting 16(4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WEEKS = 8
HISTORY_DAYS = 7 * WEEKS
LEVEL = 0.8
_WIDENED = 0.2
_LEAST_SPANS = 2
Days = Sequence[float | None]
"""Daily values in order, without gaps; None is a day with runs, of which none knows the measure."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected values of the days ahead, and the bounds of their sum, None where the past is too short for them."""

    days: tuple[float, ...]
    low: float | None
    high: float | None

    @property
    def total(self) -> float:
        """The expected sum of the days ahead."""
        return math.fsum(self.days)


def forecast(history: Days, days_ahead: int) -> Forecast | None:
    """Expect the next days from all days before; None where there are fewer than eight weeks, or no known weekday."""
    if len(history) < HISTORY_DAYS:
        return None
    means = _weekday_means(history)
    ahead = [means[len(history) + at % 7] for at in range(days_ahead)]
    if None in ahead:
        return None
    days = tuple(value for value in ahead if value is not None)
    errors = _relative_errors(history, means, days_ahead)
    if len(errors) < _LEAST_SPANS * days_ahead:
        return Forecast(days, None, None)
    total, tail = math.fsum(days), (1 - LEVEL) / 2 - _WIDENED * days_ahead / len(errors)
    low, high = (total * (1 + _quantile(errors, min(max(level, 0), 1))) for level in (tail, 1 - tail))
    return Forecast(days, min(low, total), max(high, total))


def _weekday_means(history: Days) -> list[float | None]:
    """Return for each day, and the week ahead, the mean of the same weekday in the 56 days before; None if unknown."""
    means: list[float | None] = [None] * (len(history) + 7)
    # Whole numbers are added up as such: after an absurd one had come and gone, fractions would lack its last digits.
    sums: list[float] = [0] * len(means)
    counts = [0] * len(means)
    for at in range(7, len(means)):
        entering, leaving = history[at - 7], history[at - 7 - HISTORY_DAYS] if at >= 7 + HISTORY_DAYS else None
        sums[at] = sums[at - 7] + (entering or 0) - (leaving or 0)
        counts[at] = counts[at - 7] + (entering is not None) - (leaving is not None)
        if at >= HISTORY_DAYS and counts[at]:
            means[at] = sums[at] / counts[at]
    return means


def _relative_errors(history: Days, means: Sequence[float | None], days_ahead: int) -> list[float]:
    """List, in order, the errors at all earlier days as shares of what was expected, where both are known."""
    weeks, rest = divmod(days_ahead, 7)
    before: list[float] = [0]
    unknown = [0]
    for value in history:
        before.append(before[-1] + (value or 0))
        unknown.append(unknown[-1] + (value is None))
    errors = []
    for origin in range(HISTORY_DAYS, len(history) - days_ahead + 1):
        week = means[origin : origin + 7]
        if None in week or unknown[origin + days_ahead] > unknown[origin]:
            continue
        known = [value for value in week if value is not None]
        expected = weeks * math.fsum(known) + math.fsum(known[:rest])
        if expected > 0:
            errors.append((before[origin + days_ahead] - before[origin]) / expected - 1)
    return sorted(errors)


def _quantile(ordered: Sequence[float], level: float) -> float:
    """Return a quantile with linear interpolation at (n-1)p, as the views' percentiles have it."""
    place = level * (len(ordered) - 1)
    at = math.floor(place)
    return ordered[at] + (place - at) * (ordered[min(at + 1, len(ordered) - 1)] - ordered[at])

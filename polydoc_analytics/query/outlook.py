"""``Outlook``: where a period in progress is likely to end, as a frame and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.query.figure_texts import MEASURE_NAMES, Wording
from polydoc_analytics.query.forecast import HISTORY_DAYS
from polydoc_analytics.query.sums import frame_of_sums

if TYPE_CHECKING:
    import polars as pl

TOO_LITTLE_HISTORY = "too little history"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ending:
    """Where one account, or all, will end: what it has so far, what is expected, the interval, and its budget.

    ``before`` is the whole period before, None where the source begins later; ``expected`` is None where ``status``
    says why. ``used_up_on`` is the day on which the budget is, or is likely to be, used up within the period.
    """

    account_id: str | None
    so_far: int | None
    expected: float | None
    low: float | None
    high: float | None
    before: int | None
    budget: float | None
    used_up_on: date | None
    status: str | None

    @property
    def change(self) -> float | None:
        """The expected end against the period before, as a share: 0.1 is a tenth more."""
        if self.expected is None or self.before is None or self.before <= 0:
            return None
        return self.expected / self.before - 1


@dataclass(frozen=True)
class Outlook:
    """The outlook of ``measure`` for a period in progress; ``endings`` has a row for all, or one an account.

    ``history_days`` is how many whole days before today the source has.
    """

    measure: str
    interval: Interval
    now: datetime
    by: str | None
    history_days: int
    endings: tuple[Ending, ...]

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The endings: account_id, so_far, expected, low, high, before, change, budget, used_up_on, status.

        ``account_id`` is there by account alone. ``change`` is that of expected against before, as a share. ``status``
        is null, "too little history" or "unknown"; figures that it takes away are null.
        """
        import polars as pl

        schema: dict[str, Any] = {"account_id": pl.String, "so_far": pl.Int64}
        schema |= dict.fromkeys(("expected", "low", "high"), pl.Float64)
        schema |= {"before": pl.Int64, "change": pl.Float64, "budget": pl.Float64}
        schema |= {"used_up_on": pl.Date, "status": pl.String}
        rows = [{name: getattr(one, name) for name in schema} for one in self.endings]
        found = frame_of_sums(rows, schema)
        return found if self.by else found.drop("account_id")

    @cached_property
    def sentence(self) -> str:
        """The outlook in words, of the whole; by account those that are likely to use up their budget."""
        return sentence(self)


def sentence(of: Outlook, wording: Wording | None = None) -> str:
    """Phrase an outlook, of the whole in one sentence, by account one for each budget that is likely to be used up."""
    wording = wording or Wording()
    if of.by is None:
        return _whole(of, of.endings[0], wording)
    budgets = [one for one in of.endings if one.budget is not None]
    used_up = [one for one in budgets if one.used_up_on is not None]
    if not budgets:
        known = [one for one in of.endings if one.expected is not None]
        return f"An outlook for {wording.count(len(known))} of {counted(len(of.endings), 'account')}."
    used_up.sort(key=lambda one: (one.used_up_on or date.max, one.account_id or ""))
    said = [_budget(one, wording) for one in used_up] or ["No budget is likely to be used up."]
    silent = [one for one in budgets if one.used_up_on is None and one.status is not None]
    if silent:
        said.append(f"Of {counted(len(silent), 'budget')} it cannot be told: too little is known of the account.")
    return " ".join(said)


def _whole(of: Outlook, ending: Ending, wording: Wording) -> str:
    name = MEASURE_NAMES[of.measure]
    if ending.so_far is None:
        return f"{name} of the period are unknown, and so is where it will end."
    so_far = f"{name} are at {wording.count(ending.so_far)} so far"
    if ending.expected is None:
        if ending.status == "unknown":
            return f"{so_far}; those of the weeks before are unknown, so no end is expected."
        least = wording.count(HISTORY_DAYS)
        return f"{so_far}; too little history for an outlook: {wording.count(of.history_days)} days of {least}."
    assert of.interval.until is not None
    last = of.interval.end_of_whole_days
    end = "" if last is None else f" by the end of {wording.day(last - timedelta(days=1))}"
    text = f"{so_far}; {wording.count(round(ending.expected))} are expected{end}"
    if ending.low is not None and ending.high is not None:
        low, high = (wording.count(round(value)) for value in (ending.low, ending.high))
        text += f" (80 % interval {low} to {high})"
    else:
        text += " (the past is too short for an interval)"
    if ending.change is not None and ending.before is not None:
        more = "more" if ending.change >= 0 else "less"
        share = wording.share(abs(ending.change))
        text += f", {share} {more} than the {wording.count(ending.before)} of the period before"
    return f"{text}."


def _budget(ending: Ending, wording: Wording) -> str:
    assert ending.used_up_on is not None
    assert ending.budget is not None
    who = wording.account(ending.account_id or "")
    budget, day = wording.count(round(ending.budget)), wording.day(ending.used_up_on)
    if ending.so_far is not None and ending.so_far >= ending.budget:
        return f"{who} used up its budget of {budget} on {day}."
    return f"{who} is likely to use up its budget of {budget} on {day}."

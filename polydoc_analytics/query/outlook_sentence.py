"""The sentence of an outlook: so far, expected, the interval, against the period before; budgets that will not do."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from polydoc_analytics.model.plurals import counted
from polydoc_analytics.query.figure_texts import MEASURE_NAMES, Wording
from polydoc_analytics.query.forecast import HISTORY_DAYS

if TYPE_CHECKING:
    from polydoc_analytics.query.outlook import Ending, Outlook


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

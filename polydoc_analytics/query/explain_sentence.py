"""The sentence of an explanation: the difference, then its causes, the greatest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polydoc_analytics.model.plurals import noun
from polydoc_analytics.query.figure_texts import MEASURE_NAMES, Wording

if TYPE_CHECKING:
    from polydoc_analytics.query.explain import Explanation

_SHOWN = 4
_LEAST_PART = 0.1
"""Up to four causes are named on either side, each at least a tenth of the greatest of all; the others are summed."""
_IN_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PHRASES = {
    "volume": ("more runs", "fewer runs"),
    "size": ("longer files", "shorter files"),
    "rate": ("more credits per token", "fewer credits per token"),
    "not_decomposed": ("cells without a price or size to compare",) * 2,
    "unpriced": ("runs without token counts",) * 2,
    "continuing": ("accounts and languages of both periods",) * 2,
}
_MIX = {
    "credits": ("a shift to dearer accounts and languages", "a shift to cheaper accounts and languages"),
    "total_tokens": (
        "a shift to accounts and languages with longer files",
        "a shift to accounts and languages with shorter files",
    ),
}


def sentence(of: Explanation, wording: Wording | None = None) -> str:
    """Phrase an explanation; what is unknown on either side is said too."""
    wording = wording or Wording()
    return " ".join(filter(None, (_difference(of, wording), _unknown(of, wording))))


def _difference(of: Explanation, wording: Wording) -> str:
    name = MEASURE_NAMES[of.measure]
    before, now, difference = of.before.total, of.now.total, of.difference
    if before is None or now is None or difference is None:
        sides = [which for which, total in (("this period", now), ("the period before", before)) if total is None]
        return f"{name} of {' and '.join(sides)} are unknown, and so is what moved them."
    if not difference:
        head = f"{name} stayed at {wording.count(now)}"
    else:
        share = f" ({wording.share(abs(difference) / before)})" if before > 0 else ""
        head = f"{name} {'rose' if difference > 0 else 'fell'} by {wording.count(abs(difference))}{share}"
    causes = [(effect, value) for effect, value in of.whole_effects.items() if value]
    causes.sort(key=lambda one: -abs(one[1]))  # stable, so ties keep the order of the effects
    is_up = difference > 0 or (not difference and bool(causes) and causes[0][1] > 0)
    sides = [_listed(of, [one for one in causes if (one[1] > 0) == up], wording) for up in (is_up, not is_up)]
    said = "; ".join(filter(None, sides))
    return f"{head}: {said}." if said else f"{head}."


def _listed(of: Explanation, causes: Sequence[tuple[str, int]], wording: Wording) -> str:
    """List causes of one direction; the verb stands once, with the first cause that needs it."""
    greatest = max(map(abs, of.whole_effects.values()))
    shown = [one for one in causes if abs(one[1]) >= _LEAST_PART * greatest][:_SHOWN]
    parts, has_verb = [], False
    for effect, value in shown:
        amount = wording.count(abs(value))
        if effect == "lost_accounts" and value < 0:
            parts.append(f"{_counted(of, 'lost_account', 'account', 'accounts', wording)} left ({amount})")
            continue
        verb = "" if has_verb else "brought " if value > 0 else "took "
        parts.append(f"{_phrase(of, effect, value, wording)} {verb}{amount}")
        has_verb = True
    if len(shown) < len(causes):
        rest = wording.count(abs(sum(value for _, value in causes[len(shown) :])))
        verb = "" if has_verb else "brought " if causes[0][1] > 0 else "took "
        parts.append(f"other causes {verb}{rest}")
    return ", ".join(parts)


def _phrase(of: Explanation, effect: str, value: int, wording: Wording) -> str:
    if effect == "new_accounts":
        return _counted(of, "new_account", "new account", "new accounts", wording)
    if effect == "lost_accounts":
        return _counted(of, "lost_account", "account that left", "accounts that left", wording)
    if effect == "new_languages":
        return "languages new to their accounts"
    if effect == "dropped_languages":
        return "languages that accounts dropped"
    return (_MIX[of.measure] if effect == "mix" else _PHRASES[effect])[value < 0]


def _counted(of: Explanation, kind: str, one: str, many: str, wording: Wording) -> str:
    accounts = {cell.account_id for cell in of.decomposed if cell.kind == kind}
    count = len(accounts)
    words = _IN_WORDS[count] if count < len(_IN_WORDS) else wording.count(count)
    return f"{words} {noun(count, one, many)}"


def _unknown(of: Explanation, wording: Wording) -> str:
    sides = [
        f"{wording.count(side.unknown_runs)} finished {noun(side.unknown_runs, 'run')} of {which}"
        for which, side in (("this period", of.now), ("the period before", of.before))
        if side.unknown_runs
    ]
    return (
        f"Not known, and in no figure: the {MEASURE_NAMES[of.measure].lower()} of {' and '.join(sides)}."
        if sides
        else ""
    )

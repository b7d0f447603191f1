"""Additive decomposition of a difference between two periods into its causes (LMDI-I, Ang 2005), on plain numbers.

A cell is one account and language. Over the cells that both periods have, a measure is the product of factors: runs ×
share of the cell × tokens per run × credits per token. The effect of a factor is the sum over cells of
L(now, before) · ln(factor now / factor before), with the logarithmic mean L(a, b) = (a − b) / (ln a − ln b),
L(a, a) = a. Integers stay integers up to the logarithm, so effects do not depend on the order of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FACTORS = {"credits": ("volume", "mix", "size", "rate"), "total_tokens": ("volume", "mix", "size"), "runs": ()}
"""The factors of each measure, in the order of the product."""
CHANGED_CELLS = ("new_accounts", "lost_accounts", "new_languages", "dropped_languages")
REMAINDERS = {"credits": ("not_decomposed", "unpriced"), "total_tokens": ("not_decomposed",), "runs": ("continuing",)}
MEASURES = tuple(FACTORS)


def effect_names(measure: str) -> tuple[str, ...]:
    """List the effects that a measure's difference is split into, in the order in which they are shown."""
    return (*FACTORS[measure], *CHANGED_CELLS, *REMAINDERS[measure])


@dataclass(frozen=True, slots=True)
class Amounts:
    """The runs of a cell in one period.

    ``value`` is the measure over *priced* runs, those that know all of its factors: for credits the runs that know
    credits and both token counts, for tokens those that know any; ``priced_runs`` and ``tokens`` are over the same
    runs. ``unpriced`` is the measure over the other runs.
    """

    runs: int = 0
    priced_runs: int = 0
    tokens: int = 0
    value: int = 0
    unpriced: int = 0


@dataclass(frozen=True)
class Cell:
    """One account and language in two periods, and its share of each effect; effects that are left out are 0."""

    account_id: str
    language: str
    before: Amounts
    now: Amounts
    kind: str = ""
    effects: Mapping[str, float] = field(default_factory=dict)


NOTHING = Amounts()


def decompose(cells: Iterable[Cell], measure: str) -> list[Cell]:
    """Split the difference of each cell into effects; the cells come back by account and language.

    ``kind`` becomes ``common``, ``not_decomposed`` (a factor is zero or negative in either period), or for a cell of
    one period alone ``new_account``, ``lost_account``, ``new_language`` or ``dropped_language``. Volume and mix are
    over the common cells alone, so cells that cannot be decomposed move neither.
    """
    ordered = sorted(cells, key=lambda cell: (cell.account_id, cell.language))
    accounts_before = {cell.account_id for cell in ordered if cell.before.runs}
    accounts_now = {cell.account_id for cell in ordered if cell.now.runs}
    kinds = [_kind(cell, accounts_before, accounts_now, measure) for cell in ordered]
    common = [cell for cell, kind in zip(ordered, kinds, strict=True) if kind == "common"]
    runs_before = sum(cell.before.priced_runs for cell in common)
    runs_now = sum(cell.now.priced_runs for cell in common)
    return [
        Cell(
            cell.account_id,
            cell.language,
            cell.before,
            cell.now,
            kind,
            _effects(cell, kind, measure, runs_before, runs_now),
        )
        for cell, kind in zip(ordered, kinds, strict=True)
    ]


def totals(cells: Iterable[Cell], measure: str) -> dict[str, float]:
    """Sum each effect over cells, exactly rounded, so that their order does not matter."""
    cells = list(cells)
    return {name: math.fsum(cell.effects.get(name, 0.0) for cell in cells) for name in effect_names(measure)}


def whole(effects: Sequence[float], total: int) -> list[int]:
    """Round effects to whole numbers that sum to ``total``, by largest remainder; ties go to the first.

    Of the opposite effects and total the opposite numbers come back.
    """
    sign = _sign(effects, total)
    signed = [sign * effect for effect in effects]
    floors = [math.floor(effect) for effect in signed]
    # Beyond 2^53 an effect is no longer exact to a whole number; then each takes the same part of what is left.
    each, left = divmod(sign * total - sum(floors), len(floors))
    places = sorted(range(len(floors)), key=lambda at: (floors[at] - signed[at], at))
    for at in places[:left]:
        floors[at] += 1
    return [sign * (number + each) for number in floors]


def _sign(effects: Sequence[float], total: int) -> int:
    leading = next((value for value in (total, *effects) if value), 1)
    return 1 if leading > 0 else -1


def _kind(cell: Cell, accounts_before: set[str], accounts_now: set[str], measure: str) -> str:
    if not cell.before.runs:
        return "new_language" if cell.account_id in accounts_before else "new_account"
    if not cell.now.runs:
        return "dropped_language" if cell.account_id in accounts_now else "lost_account"
    sides = (cell.before, cell.now)
    if measure == "runs" or all(min(one.priced_runs, one.tokens, one.value) > 0 for one in sides):
        return "common"
    return "not_decomposed"


def _effects(cell: Cell, kind: str, measure: str, runs_before: int, runs_now: int) -> dict[str, float]:
    before, now = cell.before, cell.now
    effects = {"unpriced": float(now.unpriced - before.unpriced)} if measure == "credits" else {}
    difference = now.value - before.value
    if kind != "common":
        name = kind if kind == "not_decomposed" else f"{kind}s"
        return {**effects, name: float(difference)}
    if measure == "runs":
        return {**effects, "continuing": float(difference)}
    mean = _logarithmic_mean(now.value, before.value)
    ratios = {
        "volume": _log_ratio(runs_now, runs_before),
        "mix": _log_ratio(now.priced_runs * runs_before, before.priced_runs * runs_now),
        "size": _log_ratio(now.tokens * before.priced_runs, before.tokens * now.priced_runs),
        "rate": _log_ratio(now.value * before.tokens, before.value * now.tokens),
    }
    return effects | {name: mean * ratios[name] for name in FACTORS[measure]}


def _logarithmic_mean(a: int, b: int) -> float:
    return float(a) if a == b else (a - b) / _log_ratio(a, b)


def _log_ratio(a: int, b: int) -> float:
    """Return ln(a / b) of positive integers, exact to the last digits also where they are nearly equal.

    ln(a / b) and ln(b / a) are exact opposites.
    """
    if a < b:
        return -_log_ratio(b, a)
    return math.log1p((a - b) / b)

"""``Explanation``: the causes of a difference between two periods, as frames and as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.drawing import drawn
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.plurals import noun
from polydoc_analytics.query.decomposition import Amounts, Cell, effect_names, totals, whole
from polydoc_analytics.query.figure_texts import MEASURE_NAMES, Wording
from polydoc_analytics.query.sums import frame_of_sums

if TYPE_CHECKING:
    import altair
    import polars as pl

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


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two periods: its interval, the measure's sum of known values, and what is not known.

    ``total`` is None where there are runs and none knows the measure; ``unknown_runs`` are finished runs without it.
    """

    interval: Interval
    total: int | None
    runs: int
    unknown_runs: int


@dataclass(frozen=True)
class Explanation:
    """The causes of a difference of ``measure`` between two periods, whose effects sum to it.

    ``before`` and ``now`` are the two sides, ``decomposed`` the cells that both frames and sentence come from.
    """

    measure: str
    before: Side
    now: Side
    decomposed: tuple[Cell, ...]
    unknown_cells: frozenset[tuple[str, str, str]]
    """Side, account and language of cells that have runs, none of which knows the measure."""

    @property
    def difference(self) -> int | None:
        """By how much the measure rose; None where either side is unknown."""
        if self.now.total is None or self.before.total is None:
            return None
        return self.now.total - self.before.total

    @cached_property
    def effects(self) -> pl.DataFrame:
        """The effects: ``effect`` and ``difference``, null where either side is unknown.

        They are volume, mix, size and rate of the cells of both periods, new_accounts, lost_accounts, new_languages,
        dropped_languages, not_decomposed and unpriced, as far as the measure has them.
        """
        import polars as pl

        names = effect_names(self.measure)
        found = None if self.difference is None else totals(self.decomposed, self.measure)
        values = [None if found is None else found[name] for name in names]
        return pl.DataFrame({"effect": names, "difference": pl.Series(values, dtype=pl.Float64)})

    @cached_property
    def whole_effects(self) -> dict[str, int]:
        """The effects as whole numbers that sum to the difference exactly, by largest remainder; empty if unknown."""
        if self.difference is None:
            return {}
        found = totals(self.decomposed, self.measure)
        return dict(zip(found, whole(list(found.values()), self.difference), strict=True))

    @cached_property
    def by_account(self) -> pl.DataFrame:
        """Each account: account_id, before, now, difference, and a column an effect (:meth:`Explanation.effects`).

        ``before`` and ``now`` are sums, null where unknown, and so is ``difference``; shares of the effects are over
        the known values, so that those of all accounts sum to the effect.
        """
        return self._by("account_id", lambda cell: cell.account_id)

    @cached_property
    def by_language(self) -> pl.DataFrame:
        """Each language: language, and the columns of :meth:`Explanation.by_account` but the account.

        These are before, now, difference, and a column an effect (:meth:`Explanation.effects`).
        """
        return self._by("language", lambda cell: cell.language)

    @cached_property
    def cells(self) -> pl.DataFrame:
        """Each account and language: account_id, language, kind, runs_before, runs, then the columns of by_account.

        These are before, now, difference, and a column an effect (:meth:`Explanation.effects`). ``kind`` is common,
        new_account, lost_account, new_language, dropped_language or not_decomposed.
        """
        import polars as pl

        rows = [
            {
                "account_id": cell.account_id,
                "language": cell.language,
                "kind": cell.kind,
                "runs_before": cell.before.runs,
                "runs": cell.now.runs,
                **self._sums([cell]),
            }
            for cell in self.decomposed
        ]
        schema: dict[str, Any] = {"account_id": pl.String, "language": pl.String, "kind": pl.String}
        schema |= {"runs_before": pl.Int64, "runs": pl.Int64}
        return frame_of_sums(rows, schema | self._schema())

    @cached_property
    def sentence(self) -> str:
        """The causes in words, the greatest first, those that go the way of the difference before the others."""
        return sentence(self)

    def chart(self) -> altair.TopLevelMixin:
        """Return a waterfall of the effects, from one sum to the other, an Altair chart.

        Raises PolydocError without the extra ``[notebook]``, and where either sum is unknown.
        """
        chart: altair.TopLevelMixin = drawn("waterfall", self)
        return chart

    def _by(self, name: str, key: Callable[[Cell], str]) -> pl.DataFrame:
        import polars as pl

        groups: dict[str, list[Cell]] = {}
        for cell in self.decomposed:
            groups.setdefault(key(cell), []).append(cell)
        rows = [{name: one, **self._sums(groups[one])} for one in sorted(groups)]
        return frame_of_sums(rows, {name: pl.String, **self._schema()})

    def _sums(self, cells: Sequence[Cell]) -> dict[str, Any]:
        before, now = self._sum(cells, "before"), self._sum(cells, "now")
        difference = now - before if before is not None and now is not None else None
        sums: dict[str, Any] = {"before": before, "now": now, "difference": difference}
        return sums if self.difference is None else sums | totals(cells, self.measure)

    def _sum(self, cells: Sequence[Cell], side: str) -> int | None:
        """Sum the known values; None where there are runs and none is known, 0 without runs."""
        amounts: dict[tuple[str, str, str], Amounts] = {
            (side, cell.account_id, cell.language): getattr(cell, side) for cell in cells
        }
        present = {key for key, one in amounts.items() if one.runs}
        if present and present <= self.unknown_cells:
            return None
        return sum(one.value + one.unpriced for one in amounts.values())

    def _schema(self) -> dict[str, Any]:
        import polars as pl

        sums = dict.fromkeys(("before", "now", "difference"), pl.Int64)
        return {**sums, **dict.fromkeys(effect_names(self.measure), pl.Float64)}


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


def _counted(of: Explanation, kind: str, singular: str, plural: str, wording: Wording) -> str:
    accounts = {cell.account_id for cell in of.decomposed if cell.kind == kind}
    count = len(accounts)
    words = _IN_WORDS[count] if count < len(_IN_WORDS) else wording.count(count)
    return f"{words} {noun(count, singular, plural)}"


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

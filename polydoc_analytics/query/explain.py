"""``Database.explain``: what moved a figure between two periods, account by account and language by language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.comparison import Comparison, comparison
from polydoc_analytics.model.periods import Interval, interval
from polydoc_analytics.query.decomposition import (
    MEASURES,
    NOTHING,
    Amounts,
    Cell,
    decompose,
    effect_names,
    totals,
    whole,
)
from polydoc_analytics.query.explain_sentence import sentence

if TYPE_CHECKING:
    import altair
    import polars as pl

    from polydoc_analytics.query.database import Database

_PRICED = {
    "credits": "credits is not null and input_tokens is not null and output_tokens is not null",
    "total_tokens": "total_tokens is not null",
    "runs": "true",
}
_CELLS = """
    select
        account_id,
        language,
        count(*) as runs,
        count({measure}) as known_runs,
        count(*) filter (where {priced}) as priced_runs,
        coalesce(cast(sum(total_tokens) filter (where {priced}) as bigint), 0) as tokens,
        coalesce(cast(sum({measure}) filter (where {priced}) as bigint), 0) as value,
        coalesce(cast(sum({measure}) filter (where not ({priced})) as bigint), 0) as unpriced,
        count(*) filter (where status <> 'Running' and {measure} is null) as unknown_runs
    from run_facts_with_language
    group by account_id, language"""


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
        return pl.DataFrame(rows, schema=schema | self._schema())

    @cached_property
    def sentence(self) -> str:
        """The causes in words, the greatest first, those that go the way of the difference before the others."""
        return sentence(self)

    def chart(self) -> altair.TopLevelMixin:
        """Return a waterfall of the effects, from one sum to the other, an Altair chart.

        Raises PolydocError without the extra ``[notebook]``, and where either sum is unknown.
        """
        # By the package's public face, for charts are a room above.
        import polydoc_analytics as face

        chart: altair.TopLevelMixin = face.charts.waterfall(self)
        return chart

    def _by(self, name: str, key: Callable[[Cell], str]) -> pl.DataFrame:
        import polars as pl

        groups: dict[str, list[Cell]] = {}
        for cell in self.decomposed:
            groups.setdefault(key(cell), []).append(cell)
        rows = [{name: one, **self._sums(groups[one])} for one in sorted(groups)]
        return pl.DataFrame(rows, schema={name: pl.String, **self._schema()})

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


def check_measure(measure: str) -> str:
    """Return a measure that can be explained; raises UsageError with the nearest for another."""
    if measure not in MEASURES:
        raise UsageError(f"unknown measure '{measure}'{nearest(measure, MEASURES)}; expected {', '.join(MEASURES)}")
    return measure


def explain(db: Database, *, measure: str = "credits", against: str | None = None) -> Explanation:
    """Explain the difference of a measure between the period of ``db`` and the one before, or ``against``."""
    check_measure(measure)
    compared = _compared(db, against)
    with db.over(compared.before) as before, db.over(compared.now) as now:
        return explain_pair(before, now, measure)


def explain_pair(before: Database, now: Database, measure: str) -> Explanation:
    """Explain the difference of a measure between two databases over the same runs."""
    rows = {name: list(db.sql(_sql(measure)).iter_rows(named=True)) for name, db in (("before", before), ("now", now))}
    amounts: dict[str, dict[tuple[str, str], Amounts]] = {
        name: {(row["account_id"], row["language"]): _amounts(row) for row in rows[name]} for name in rows
    }
    earlier, later = amounts["before"], amounts["now"]
    cells = [Cell(*key, earlier.get(key, NOTHING), later.get(key, NOTHING)) for key in earlier.keys() | later.keys()]
    unknown = frozenset(
        (name, row["account_id"], row["language"]) for name in rows for row in rows[name] if not row["known_runs"]
    )
    side_before, side_now = _side(before.interval, rows["before"]), _side(now.interval, rows["now"])
    return Explanation(measure, side_before, side_now, tuple(decompose(cells, measure)), unknown)


def _compared(db: Database, against: str | None) -> Comparison:
    other = None if against is None else interval(period=against, timezone=db.timezone, now=db.now)
    if db.interval.since is None:
        raise UsageError("the period has no beginning, so none precedes it; give a period such as last-month")
    found = comparison(db.interval, db.now, other)
    if found is None:
        raise UsageError("the period has not begun yet; give one that has")
    return found


def _sql(measure: str) -> str:
    return _CELLS.format(measure="1" if measure == "runs" else measure, priced=_PRICED[measure])


def _side(over: Interval, rows: Iterable[dict[str, Any]]) -> Side:
    rows = list(rows)
    runs = sum(row["runs"] for row in rows)
    known = sum(row["known_runs"] for row in rows)
    total = sum(row["value"] + row["unpriced"] for row in rows) if known or not runs else None
    return Side(over, total, runs, sum(row["unknown_runs"] for row in rows))


def _amounts(row: dict[str, Any]) -> Amounts:
    return Amounts(row["runs"], row["priced_runs"], row["tokens"], row["value"], row["unpriced"])

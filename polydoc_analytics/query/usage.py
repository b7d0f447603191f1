"""The usage table: one of the usage views, ordered and shortened, with what was left out summed up from the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polydoc_analytics import views
from polydoc_analytics.errors import UsageError, nearest

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.row_table import RowTable


@dataclass(frozen=True)
class UsageTable:
    """The ``rows`` of the usage view ``view``.

    ``others`` is one row over all runs that these leave out, ``total`` one over all, and ``left_out`` how many rows
    were left out.
    """

    view: str
    keys: tuple[str, ...]
    rows: RowTable
    total: dict[str, Any]
    others: dict[str, Any] | None
    left_out: int

    @property
    def truncated(self) -> bool:
        """Check whether rows were left out."""
        return self.left_out > 0


def usage_table(
    db: Database,
    *,
    by: Sequence[str] = (),
    every: str | None = None,
    order: str | None = None,
    top: int | None = None,
    with_others: bool = False,
    total: dict[str, Any] | None = None,
) -> UsageTable:
    """Return the usage by some of account and language, every day, week or month.

    ``order`` is a column, or ``column:asc`` / ``column:desc``; measures descend by default. ``top`` keeps the first
    rows of that order, by default those with most runs, or the latest periods. Figures of ``others`` and ``total`` are
    computed from the runs, never from the rows: percentiles do not add up. ``total`` is that of another table of the
    same database, where there is one. Raises UsageError for an unknown column.
    """
    view = check_arguments(by, every, order)
    rows = db.rows(view.name)
    if total is None:
        total = next((db.rows("usage") if view.keys else rows).named())
    column, descending = _order(order, view)
    shown = rows
    if order is not None or top is not None:
        shown = rows.sort(column, descending=descending, keys=view.keys)
    if top is not None and top < rows.height:
        shown = shown.head(top)
    if order is None and every is not None:
        shown = shown.sort("period", keys=view.keys)
    left_out = rows.height - shown.height
    others = db.usage_of_the_rest(view, shown) if left_out and with_others else None
    return UsageTable(view.name, view.keys, shown, total, others, left_out)


def check_arguments(by: Sequence[str], every: str | None, order: str | None) -> views.View:
    """Return the view that the arguments of :func:`usage_table` choose; raises UsageError where they choose none."""
    view = views.view(views.usage_view_name(tuple(by), every))
    _order(order, view)
    return view


def _order(order: str | None, view: views.View) -> tuple[str, bool]:
    if order is None:
        return ("period" if view.every else "runs"), True
    column, _, direction = order.partition(":")
    if column not in view.columns:
        hint = nearest(column, view.columns)
        raise UsageError(f"unknown column '{column}' to order by{hint}; expected {', '.join(view.columns)}")
    if direction not in ("", "asc", "desc"):
        raise UsageError(f"unknown direction '{direction}'; expected {column}:asc or {column}:desc")
    return column, (column not in view.keys) if not direction else direction == "desc"

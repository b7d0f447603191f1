"""The cost beside credits, where the settings have a price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polydoc_analytics.config.settings import Settings
    from polydoc_analytics.query.row_table import RowTable
    from polydoc_analytics.query.usage import UsageTable


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a credit, and its currency as an ISO 4217 code."""

    per_credit: Decimal
    currency: str

    def cost(self, credits_: int | None) -> Decimal | None:
        """Multiply exactly; unknown credits have an unknown cost."""
        from polydoc_analytics.reports.money import cost

        return None if credits_ is None else cost(credits_, self.per_credit)


def price_of(settings: Settings) -> Price | None:
    """Read the price of the settings; None where they have none, or where what knows currencies is not installed."""
    if settings.branding.get("price_per_credit") is None or find_spec("babel") is None:
        return None
    from polydoc_analytics.reports.branding import branding

    found = branding(settings.branding, settings.folder)
    return None if found.price_per_credit is None else Price(found.price_per_credit, found.currency)


def with_cost(table: UsageTable, price: Price | None) -> UsageTable:
    """Put the exact cost after the credits of every row, of the others and of the total."""
    if price is None:
        return table
    others = table.others and {**table.others, "cost": price.cost(table.others["credits"])}
    total = {**table.total, "cost": price.cost(table.total["credits"])}
    costs = [price.cost(credits_) for credits_ in table.rows["credits"]]
    return replace(table, rows=_beside(table.rows, costs), others=others, total=total)


def as_text(rows: RowTable) -> RowTable:
    """Write costs as texts with all their digits, as JSON carries money."""
    if "cost" not in rows.columns:
        return rows
    from polydoc_analytics.reports.money import plain

    texts = [None if cost is None else plain(cost) for cost in rows["cost"]]
    return rows.with_column("cost", "text", texts)


def rounded(table: UsageTable, price: Price | None) -> UsageTable:
    """Round costs to the currency's decimals so that the rows and the others sum to the total as it is shown."""
    if price is None:
        return table
    from polydoc_analytics.reports.money import allotted
    from polydoc_analytics.reports.money import rounded as rounded_amount

    amounts: list[Decimal | None] = [*table.rows["cost"], *([table.others["cost"]] if table.others else [])]
    whole = table.total["cost"]
    if whole is None or not table.keys:
        lines = [None if amount is None else rounded_amount(amount, price.currency) for amount in amounts]
    else:
        lines = list(allotted(amounts, rounded_amount(whole, price.currency).shown, price.currency))
    shown = [None if line is None else line.shown for line in lines]
    total = {**table.total, "cost": None if whole is None else rounded_amount(whole, price.currency).shown}
    others = {**table.others, "cost": shown[-1]} if table.others else None
    return replace(table, rows=_beside(table.rows, shown[: table.rows.height]), others=others, total=total)


def _beside(rows: RowTable, costs: Sequence[Decimal | None]) -> RowTable:
    """Put costs behind the credits, all with as many decimals as the one that has most."""
    from polydoc_analytics.reports.money import of_one_scale

    return rows.with_column("cost", "decimal", of_one_scale(costs), after="credits")


def labels(price: Price | None) -> Mapping[str, Any]:
    """Name the column of costs by its currency."""
    return {} if price is None else {"cost": f"cost {price.currency}"}

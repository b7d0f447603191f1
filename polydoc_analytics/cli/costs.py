"""The cost beside credits, where the settings have a price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.config.settings import Settings
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
    costs = [price.cost(credits_) for credits_ in table.frame["credits"]]
    return replace(table, frame=_beside(table.frame, costs), others=others, total=total)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Write costs as texts with all their digits, as JSON carries money."""
    import polars as pl

    if "cost" not in frame.columns:
        return frame
    texts = [None if cost is None else f"{cost.normalize():f}" for cost in frame["cost"]]
    return frame.with_columns(pl.Series("cost", texts, pl.String))


def rounded(table: UsageTable, price: Price | None) -> UsageTable:
    """Round costs to the currency's decimals so that the rows and the others sum to the total as it is shown."""
    if price is None:
        return table
    from polydoc_analytics.reports.money import allotted
    from polydoc_analytics.reports.money import rounded as rounded_amount

    amounts: list[Decimal | None] = [*table.frame["cost"], *([table.others["cost"]] if table.others else [])]
    whole = table.total["cost"]
    if whole is None or not table.keys:
        lines = [None if amount is None else rounded_amount(amount, price.currency) for amount in amounts]
    else:
        lines = list(allotted(amounts, rounded_amount(whole, price.currency).shown, price.currency))
    shown = [None if line is None else line.shown for line in lines]
    total = {**table.total, "cost": None if whole is None else rounded_amount(whole, price.currency).shown}
    others = {**table.others, "cost": shown[-1]} if table.others else None
    return replace(table, frame=_beside(table.frame, shown[: table.frame.height]), others=others, total=total)


def _beside(frame: pl.DataFrame, costs: Sequence[Decimal | None]) -> pl.DataFrame:
    import polars as pl

    scale = max((-int(cost.as_tuple().exponent) for cost in costs if cost is not None), default=0)
    series = pl.Series("cost", costs, pl.Decimal(38, max(scale, 0)))
    frame = frame.drop("cost") if "cost" in frame.columns else frame
    return frame.insert_column(frame.columns.index("credits") + 1, series)


def labels(price: Price | None) -> Mapping[str, Any]:
    """Name the column of costs by its currency."""
    return {} if price is None else {"cost": f"cost {price.currency}"}

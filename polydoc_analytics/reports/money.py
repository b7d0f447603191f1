"""Amounts of money: exact, and rounded to a currency's decimals so that the lines of a table sum to its total."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN)


class Money(Decimal):
    """An exact amount; ``shown`` is it as documents show it, with the decimals of its currency."""

    __slots__ = ("shown",)

    shown: Decimal

    def __new__(cls, exact: Decimal, shown: Decimal) -> Money:
        """Make an amount of its exact value and of the one that is shown."""
        made = super().__new__(cls, exact)
        made.shown = shown
        return made


def decimals(currency: str) -> int:
    """Give the decimals of a currency: EUR 2, JPY 0, KWD 3."""
    from babel.numbers import get_currency_precision

    return int(get_currency_precision(currency))


def unit(currency: str) -> Decimal:
    """Give the least amount of a currency: EUR 0.01, JPY 1, KWD 0.001."""
    return Decimal(1).scaleb(-decimals(currency))


def cost(credits_: int, price: Decimal) -> Decimal:
    """Multiply: the exact price of an amount of credits."""
    return _EXACT.multiply(Decimal(credits_), price)


def rounded(exact: Decimal, currency: str) -> Money:
    """Round one amount, halves to the even digit."""
    return Money(exact, _EXACT.quantize(exact, unit(currency)))


def total(amounts: Sequence[Money | None]) -> Money | None:
    """Sum amounts as they are, exact ones and shown ones apart; None where none is known."""
    known = [one for one in amounts if one is not None]
    return Money(_sum(known), _sum([one.shown for one in known])) if known else None


def allotted(amounts: Sequence[Decimal | None], whole: Decimal, currency: str) -> list[Money | None]:
    """Round the lines of a table so that those shown sum to ``whole``, the total as it is shown.

    Each line is rounded for itself, halves to the even digit. What the lines then lack or have too much of is carried
    by those that rounding has moved farthest the other way, one least amount of the currency each; of equals by the
    first. ``whole`` is the rounded sum of the lines. A line that is None is unknown, and stays so.
    """
    step = unit(currency)
    lines = [None if amount is None else rounded(amount, currency) for amount in amounts]
    known = {at: line for at, line in enumerate(lines) if line is not None}
    rest = int(_EXACT.divide_int(_EXACT.subtract(whole, _sum([line.shown for line in known.values()])), step))
    sign = 1 if rest > 0 else -1
    farthest = sorted(known, key=lambda at: (-sign * _EXACT.subtract(known[at], known[at].shown), at))
    for at in farthest[: abs(rest)]:
        lines[at] = Money(known[at], _EXACT.add(known[at].shown, sign * step))
    return lines


def _sum(amounts: Sequence[Decimal]) -> Decimal:
    found = Decimal(0)
    for amount in amounts:
        found = _EXACT.add(found, amount)
    return found

"""Amounts of money: exact, and rounded to a currency's decimals so that the lines of a table sum to its total."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN)


class Money(Decimal):
    """An exact amount; ``shown`` is rounded to the decimals of its currency."""

    __slots__ = ("shown",)

    shown: Decimal

    def __new__(cls, exact: Decimal, shown: Decimal) -> Money:
        """Create an amount from its exact and its shown value."""
        money = super().__new__(cls, exact)
        money.shown = shown
        return money


def decimals(currency: str) -> int:
    """Decimals of a currency: EUR 2, JPY 0, KWD 3."""
    from babel.numbers import get_currency_precision

    return int(get_currency_precision(currency))


def unit(currency: str) -> Decimal:
    """Least amount of a currency: EUR 0.01, JPY 1, KWD 0.001."""
    return Decimal(1).scaleb(-decimals(currency))


def cost(credits_: int, price: Decimal) -> Decimal:
    """Exact price of an amount of credits."""
    return _EXACT.multiply(Decimal(credits_), price)


def plain(amount: Decimal) -> str:
    """Write an amount with all its digits, without exponent and trailing zeros."""
    return f"{_EXACT.normalize(amount):f}"


def of_one_scale(amounts: Sequence[Decimal | None]) -> list[Decimal | None]:
    """Write amounts with as many decimals as the one that has most."""
    scale = max((-int(amount.as_tuple().exponent) for amount in amounts if amount is not None), default=0)
    least = Decimal(1).scaleb(-max(scale, 0))
    return [None if amount is None else _EXACT.quantize(amount, least) for amount in amounts]


def rounded(exact: Decimal, currency: str) -> Money:
    """Round one amount, halves to the even digit; a zero has no sign."""
    return Money(exact, _EXACT.add(_EXACT.quantize(exact, unit(currency)), Decimal(0)))


def total(amounts: Sequence[Money | None]) -> Money | None:
    """Sum amounts as they are, exact ones and shown ones apart; None where none is known."""
    known = [amount for amount in amounts if amount is not None]
    return Money(_sum(known), _sum([amount.shown for amount in known])) if known else None


def allotted(amounts: Sequence[Decimal | None], whole: Decimal, currency: str) -> list[Money | None]:
    """Round the lines of a table so that they sum to ``whole``, the rounded total.

    Each line is rounded for itself, halves to the even digit. The difference to the total
    goes to the lines that rounding moved farthest the other way, one least amount of the currency each; among equals to
    the first. ``whole`` is the rounded sum of the lines. A line that is None is unknown, and stays so.
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
    result = Decimal(0)
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result

"""Bars over time as SVG: pictures of the same axes differ in the heights of their bars alone.

Vega takes 17 ms for a chart, and a thousand statements have few different axes. So it draws one picture for each, whose
bars all reach the top of the scale; those of an account are these, as high as its figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import ceil, floor, log10, sqrt
from typing import Any

_FULL_BAR = re.compile(r'<path d="M([^,]+),0h([^v]+)v([^h]+)h-\2Z"([^>]*)/>')
_FACTORS = ((10, sqrt(50)), (5, sqrt(10)), (2, sqrt(2)))
"""Steps between ticks, in powers of ten, and the least quotient of the scale and the number of ticks that has them."""
_Spec = Mapping[str, Any]


def as_svg(spec: _Spec, draw: Callable[[_Spec], str]) -> str:
    """Return bars over time as SVG, to the letter what ``draw`` returns for them; it is asked for full bars alone.

    Charts of other marks, and of values that are not whole or are negative, it draws as they are.
    """
    scale = _scale(spec)
    if scale is None:
        return draw(spec)
    measure, top = scale
    rows = spec["data"]["values"]
    # A picture is as wide as its first and its last bar ask for; between them, those without a value go afterwards.
    is_drawn = [row[measure] is not None or 0 < at < len(rows) - 1 for at, row in enumerate(rows)]
    full = [{**row, measure: top if drawn else None} for row, drawn in zip(rows, is_drawn, strict=True)]
    values = [row[measure] for row, drawn in zip(rows, is_drawn, strict=True) if drawn]
    left = iter(values)
    svg, bars = _FULL_BAR.subn(
        lambda bar: _bar(bar, next(left, None), top), draw({**spec, "data": {**spec["data"], "values": full}})
    )
    return svg if bars == len(values) else draw(spec)


def _scale(spec: _Spec) -> tuple[str, int] | None:
    """Return the measure of a chart's only bars and the top of its scale; None where it has others."""
    layers, rows = spec.get("layer", ()), spec.get("data", {}).get("values")
    if len(layers) != 1 or not isinstance(rows, list) or "x2" not in layers[0].get("encoding", {}):
        return None
    y = layers[0]["encoding"]["y"]
    values = [row[y["field"]] for row in rows if row[y["field"]] is not None]
    ticks = y.get("scale", {}).get("nice")
    if not ticks or any(not isinstance(value, int) or value < 0 for value in values) or max(values, default=0) < ticks:
        return None
    return y["field"], _nice(max(values), ticks)


def _nice(greatest: int, ticks: int) -> int:
    """Top of a scale from 0 that D3 extends to its next tick: a multiple of 1, 2 or 5 times a power of ten."""
    top, step = greatest, 0
    for _ in range(10):
        rough = top / ticks
        power = 10 ** floor(log10(rough))
        before, step = step, power * next((factor for factor, least in _FACTORS if rough / power >= least), 1)
        if step == before:
            break
        top = ceil(top / step) * step
    return top


def _bar(full: re.Match[str], value: int | None, top: int) -> str:
    if value is None:
        return ""
    x, width, height, look = full.groups()
    y = float(height) * (1 - value / top)
    return f'<path d="M{x},{_number(y)}h{width}v{_number(float(height) - y)}h-{width}Z"{look}/>'


def _number(number: float) -> str:
    return f"{Decimal(repr(number)):f}".removesuffix(".0")

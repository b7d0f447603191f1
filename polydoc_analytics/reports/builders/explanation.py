"""The chart of an explanation: from the sum of the period before, cause by cause, to that of this period."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polydoc_analytics.query.explanation import Explanation
from polydoc_analytics.reports.charts import category_charts, vega_lite

LABELS = {
    "volume": "number of runs",
    "mix": "mix of accounts and languages",
    "size": "tokens per run",
    "rate": "credits per token",
    "new_accounts": "new accounts",
    "lost_accounts": "accounts that left",
    "new_languages": "new languages of accounts",
    "dropped_languages": "languages dropped",
    "not_decomposed": "not decomposed",
    "unpriced": "runs without token counts",
    "continuing": "accounts and languages of both",
}
"""Names of the effects, as readers see them."""


def explanation_chart(of: Explanation, count: Callable[[int], str] = "{:,}".format) -> vega_lite.Spec:
    """Return the specification of a waterfall over the effects that are not 0, in whole numbers."""
    assert of.before.total is not None
    at = of.before.total
    rows: list[dict[str, Any]] = [_row("period before", 0, at, count(at), "total")]
    for effect, value in of.whole_effects.items():
        if value:
            sign, kind = ("+", "up") if value > 0 else ("−", "down")
            rows.append(_row(LABELS[effect], at, at + value, f"{sign}{count(abs(value))}", kind))
            at += value
    rows.append(_row("this period", 0, at, count(at), "total"))
    return category_charts.waterfall(rows)


def _row(label: str, start: int, end: int, text: str, kind: str) -> dict[str, Any]:
    return {"label": label, "start": start, "end": end, "text": text, "kind": kind}

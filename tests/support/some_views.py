"""Some of the views that stand for all where each costs much; `just soak` asks all."""

from __future__ import annotations

from typing import Any

from support.repetitions import slow

from polydoc_analytics.views import catalog

ONE_OF_EACH = [
    *("runs", "usage_daily_by_account", "usage_by_language", "durations_by_language", "requests"),
    *("request_rates_weekly", "accounts", "calendar", "data_quality", "coverage"),
]
"""A view or two of each file of SQL, but conservation, which is planned at length."""


def each_of_soak() -> list[Any]:
    """All views for a parametrised test, of which only one of each file is always tried."""
    return [name if name in ONE_OF_EACH else slow(name) for name in catalog()]

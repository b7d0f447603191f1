"""The part of a database that explanations and outlooks are made from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from polydoc_analytics.model.periods import Interval

if TYPE_CHECKING:
    import polars as pl


class PeriodViews(Protocol):
    """The views over the runs of an interval; :class:`polydoc_analytics.Database` has them."""

    @property
    def interval(self) -> Interval:
        """The interval of the views."""

    @property
    def now(self) -> datetime:
        """The instant that periods such as last-month start from."""

    @property
    def timezone(self) -> str:
        """The zone in which days begin."""

    def over(self, interval: Interval) -> AbstractContextManager[PeriodViews]:
        """Open the views over the same runs for another interval."""

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return the result of a SELECT of the package's own over the views."""

"""Instants as whole microseconds since 1970 UTC, as DuckDB and Arrow count them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000


def to_us(instant: datetime) -> int:
    """Convert an instant to µs since 1970 UTC, exactly."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Convert µs since 1970 UTC to an instant in UTC."""
    return EPOCH + timedelta(microseconds=us)

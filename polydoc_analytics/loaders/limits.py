"""The longest row that is read. A longer one is quarantined with its first 64 KiB, and its rest is passed over."""

from __future__ import annotations

from polydoc_analytics.config.row_size import LEAST_ROW_BYTES
from polydoc_analytics.config.settings import settings

__all__ = ["LEAST_ROW_BYTES", "longest_row", "too_long"]


def longest_row() -> int:
    """Maximum bytes of a row without its line end: ``longest_row`` of the settings in force.

    It reads the settings, so ask for it only where a row has more than LEAST_ROW_BYTES, which every setting admits.
    """
    return settings().longest_row_bytes


def too_long(longest: int) -> str:
    """Reason for a row of more than ``longest`` bytes."""
    size = f"{longest // 1024**2} MiB" if longest % 1024**2 == 0 else f"{longest:,} bytes"
    return f"is longer than {size}, the longest row that is read; see longest_row in the settings"

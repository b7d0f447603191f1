"""Charts that values of lower rooms draw of themselves; the package's public face names who draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CHARTS: dict[str, Callable[[Any], Any]] = {}


def draws(name: str, chart: Callable[[Any], Any]) -> None:
    """Name the function that draws charts of one kind."""
    _CHARTS[name] = chart


def drawn(name: str, value: Any) -> Any:
    """Draw a chart of a value."""
    return _CHARTS[name](value)

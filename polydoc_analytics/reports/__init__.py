"""Reports: frozen values from views, written in each format; the classes that plug-ins use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polydoc_analytics.reports.builders.context import Context
    from polydoc_analytics.reports.model import Report, Section
    from polydoc_analytics.reports.write import context

_HOMES = {"Context": "builders.context", "Report": "model", "Section": "model", "context": "write"}

__all__ = ["Context", "Report", "Section", "context"]


def __getattr__(name: str) -> Any:
    """Import a name on first use: a plug-in's builder needs no renderers."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

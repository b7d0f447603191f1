"""Report → bytes in each format. A renderer lays out and does no arithmetic."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from polydoc_analytics.config.choices import FORMATS
from polydoc_analytics.errors import UsageError, nearest, require_extra

if TYPE_CHECKING:
    from polydoc_analytics.reports.model import Report

_MODULES = {"html": "html", "pdf": "pdf", "xlsx": "xlsx", "md": "markdown", "json": "json"}


def render(report: Report, form: str) -> bytes:
    """Return a report in one of FORMATS; the same report gives the same bytes.

    Raises UsageError for an unknown format.
    """
    if form not in FORMATS:
        raise UsageError(f"unknown format '{form}'{nearest(form, FORMATS)}; expected {', '.join(FORMATS)}")
    require_extra("reports", "a report")
    content: bytes = import_module(f"{__name__}.{_MODULES[form]}").render(report)
    return content

"""Report → bytes in each format. A renderer lays out and does no arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from polydoc_analytics.config.choices import FORMATS
from polydoc_analytics.errors import UsageError, nearest, require_extra
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.reports.model import Report

_NAMED = 12
_MODULES = {"html": "html", "pdf": "pdf", "xlsx": "xlsx", "md": "markdown", "json": "json"}


def render(report: Report, form: str, missing: set[str] | None = None) -> bytes:
    """Return a report in one of FORMATS; the same report gives the same bytes.

    ``missing`` takes the characters that no font of a PDF has. Raises UsageError for an unknown format.
    """
    if form not in FORMATS:
        raise UsageError(f"unknown format '{form}'{nearest(form, FORMATS)}; expected {', '.join(FORMATS)}")
    require_extra("reports", "a report")
    draw = import_module(f"{__name__}.{_MODULES[form]}").render
    content: bytes = draw(report, missing) if form == "pdf" else draw(report)
    return content


def with_workbook(report: Report, formats: Sequence[str]) -> tuple[str, ...]:
    """Return formats, and xlsx where a document leaves rows out that it says are in the workbook."""
    tables = [section.table for section in report.sections if section.table is not None]
    is_needed = any(table.rest and len(table.rows) > table.shown for table in tables)
    return (*formats, "xlsx") if is_needed and "xlsx" not in formats else tuple(formats)


def missing_fonts(missing: set[str]) -> str:
    """Build the line on characters that no font has; it says whether the extra brings one of them."""
    from polydoc_analytics.reports.renderers.fonts import is_in_the_extra

    shown = " ".join(sorted(missing)[:_NAMED])
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    is_helped = any(map(is_in_the_extra, missing))
    extra = "pip install 'polydoc-analytics[fonts]', or" if is_helped else "nor does the extra [fonts];"
    return (
        f"{counted(len(missing), 'character')} written as U+XXXX in PDF, for no font has {shown}{more}; "
        f"{extra} name a folder of fonts that have them as `fonts` of [branding]"
    )

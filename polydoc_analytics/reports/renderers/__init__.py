"""Report → bytes in each format. A renderer lays out and does no arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from polydoc_analytics.config.choices import FORMATS
from polydoc_analytics.errors import UsageError, nearest, require_extra
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.reports.model import Report
    from polydoc_analytics.reports.renderers.typesetting import Typesetter

_NAMED = 12
_MODULES = {"html": "html", "pdf": "pdf", "xlsx": "xlsx", "md": "markdown", "json": "json"}


@dataclass
class MissingLetters:
    """Letters that no font of a PDF has: characters, which are written as U+XXXX, and all letters of languages.

    Documents in such a language are in English as PDF.
    """

    characters: set[str] = field(default_factory=set)
    languages: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """Word it in one line each, which says whether the extra ``[fonts]`` brings what is missing."""
        from babel import Locale

        from polydoc_analytics.reports.messages import letters
        from polydoc_analytics.reports.renderers.fonts import is_in_the_extra

        for language in sorted(self.languages):
            advice = _advice(any(map(is_in_the_extra, letters(language))))
            name = Locale.parse(language).english_name
            yield f"PDFs that would be in {name} are in English, for no font has its letters; {advice}"
        if self.characters:
            shown = " ".join(sorted(self.characters)[:_NAMED])
            more = f" and {len(self.characters) - _NAMED:,} more" if len(self.characters) > _NAMED else ""
            said = f"{counted(len(self.characters), 'character')} written as U+XXXX in PDF"
            yield f"{said}, for no font has {shown}{more}; {_advice(any(map(is_in_the_extra, self.characters)))}"


def render(
    report: Report, form: str, missing: MissingLetters | None = None, set_type: Typesetter | None = None
) -> bytes:
    """Return a report in one of FORMATS; the same report gives the same bytes.

    ``missing`` takes what no font of a PDF has; ``set_type`` is what sets a PDF, if not this process. Raises
    UsageError for an unknown format.
    """
    if form not in FORMATS:
        raise UsageError(f"unknown format '{form}'{nearest(form, FORMATS)}; expected {', '.join(FORMATS)}")
    require_extra("reports", "a report")
    draw = import_module(f"{__name__}.{_MODULES[form]}").render
    if form != "pdf":
        content: bytes = draw(report)
        return content
    missing = missing or MissingLetters()
    if report.in_english is not None:
        missing.languages.add(report.words.language)
    printed: bytes = draw(report.in_english or report, missing.characters, set_type)
    return printed


def with_workbook(report: Report, formats: Sequence[str]) -> tuple[str, ...]:
    """Return formats, and xlsx where a document leaves rows out that it says are in the workbook."""
    tables = [section.table for section in report.sections if section.table is not None]
    is_needed = any(table.rest and len(table.rows) > table.shown for table in tables)
    return (*formats, "xlsx") if is_needed and "xlsx" not in formats else tuple(formats)


def _advice(is_helped: bool) -> str:
    extra = "pip install 'polydoc-analytics[fonts]', or" if is_helped else "nor does the extra [fonts];"
    return f"{extra} name a folder of fonts that have them as `fonts` of [branding]"

"""What the tests of reports share: building one, and reading numbers and text back from each format."""

from __future__ import annotations

import html
import io
import json
import re
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polydoc_analytics as pda
from polydoc_analytics.reports.model import Report
from polydoc_analytics.reports.renderers import FORMATS, render

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def built(source: Any, kind: str = "overview", *, now: datetime = NOW, **choices: Any) -> Report:
    own = {name: choices.pop(name) for name in ("branding", "accounts") if name in choices}
    with pda.connect(source, now=now, **choices) as db:
        return pda.build(db, kind, **own)


def section(report: Report, name: str) -> Any:
    return next(one for one in report.sections if one.name == name)


def rows(report: Report, name: str) -> list[dict[str, Any]]:
    table = section(report, name).table
    return [dict(zip([c.name for c in table.columns], row, strict=True)) for row in table.rows]


def figures(report: Report) -> dict[str, Any]:
    return {figure.name: figure.value.number for figure in section(report, "key_figures").figures}


def everything(report: Report) -> dict[str, bytes]:
    return {form: render(report, form) for form in FORMATS}


def pdf_text(content: bytes) -> str:
    import pypdf

    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def sheets(content: bytes) -> dict[str, list[list[Any]]]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content))
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


def page_text(content: bytes) -> str:
    """The words of a page, without its scripts and styles."""
    text = re.sub(rb"<(script|style)\b.*?</\1>", b" ", content, flags=re.DOTALL).decode("utf-8")
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def squeezed(text: str) -> str:
    """A text without white space, and letters in their plainest form, as PDF readers differ in both."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def as_json(content: bytes) -> Any:
    return json.loads(content)


def written(paths: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}

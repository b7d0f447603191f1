"""What the tests of reports share: building one, and reading numbers and text back from each format."""

from __future__ import annotations

import html
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from support.paths import SAMPLE

import polydoc_analytics as pda
from polydoc_analytics.reports.model import Report
from polydoc_analytics.reports.renderers import FORMATS, render

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


_OF_THE_SAMPLE: dict[str, Report] = {}


def built(source: Any, kind: str = "overview", *, now: datetime = NOW, **choices: Any) -> Report:
    """A report; it is frozen, so that one of the sample is built once for all tests that ask for the same.

    A test in which something else is built than elsewhere gives the sample's path as a text.
    """
    if not isinstance(source, Path) or source != SAMPLE:
        return _built(source, kind, now, choices)
    key = repr((kind, now, sorted(choices.items())))
    if key not in _OF_THE_SAMPLE:
        _OF_THE_SAMPLE[key] = _built(source, kind, now, choices)
    return _OF_THE_SAMPLE[key]


def _built(source: Any, kind: str, now: datetime, choices: dict[str, Any]) -> Report:
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


class Rendered(Mapping[str, bytes]):
    """A report in every format, each written when it is first asked for."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._written: dict[str, bytes] = {}

    def __getitem__(self, form: str) -> bytes:
        if form not in FORMATS:
            raise KeyError(form)
        if form not in self._written:
            self._written[form] = render(self._report, form)
        return self._written[form]

    def __iter__(self) -> Iterator[str]:
        return iter(FORMATS)

    def __len__(self) -> int:
        return len(FORMATS)


_WRITTEN: dict[int, Rendered] = {}


def everything(report: Report) -> Rendered:
    """A report in every format; one of the sample that tests share is written once in each."""
    if not any(report is one for one in _OF_THE_SAMPLE.values()):
        return Rendered(report)
    return _WRITTEN.setdefault(id(report), Rendered(report))


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


HOSTILE = {
    "script": "</script><img src=x onerror=alert(1)>",
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+1",
    "long": "x" * 10_000,
    "long words": "word " * 2_000,
    "arabic": "مرحبا بالعالم",
    "override": "abc\u202edef",
    "emoji": "🎉 party 👩‍👩‍👧",
    "cjk": "日本語のアカウント",
    "lines": "one\ntwo\r\nthree\tfour",
    "markdown": "[link](javascript:alert(1)) | **bold** <b>",
    "quotes": "\"double\" 'single' \\back",
    "typst": '#import "x" $a$ *b* @c',
    "template": "{{ 7 * 7 }} {% raw %}",
    "control": "bell\x07 null\x00",
    "private": "\ue000",
    "separators": "a\u2028b\u2029c",
    "surrogate": "\ud800 lone",
    "empty": "",
    "blank": "   ",
}


def many_accounts(count: int) -> pa.Table:
    n = list(range(count * 2))
    instant = pa.array([1_772_445_600_000_000 + 60_000_000 * one for one in n], pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "id": [f"run-{one}" for one in n],
            "account_id": [f"account-{one % count:05}" for one in n],
            "created_at": instant,
            "finished_at": instant,
            "status": ["Succeeded"] * len(n),
            "target_language": ["de", "fr", "ja"] * (len(n) // 3) + ["de"] * (len(n) % 3),
            "credits": [one % 7 for one in n],
            "input_tokens": [100] * len(n),
            "output_tokens": [120] * len(n),
            "input_file_id": ["in"] * len(n),
            "output_file_id": ["out"] * len(n),
        }
    )

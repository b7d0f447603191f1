"""A report as JSON: the envelope of every command's --json, with sections."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from polydoc_analytics.reports.model import Head, Report, Section


def render(report: Report) -> bytes:
    """Return the report as UTF-8 JSON: raw numbers, days as ISO texts, instants in UTC with Z, money as text."""
    content = {
        "schema_version": 1,
        "report": report.kind,
        "timezone": report.timezone,
        "since": _value(report.since),
        "until": _value(report.until),
        "date_basis": report.date_basis,
        "snapshot": report.snapshot,
        "filters": {name: list(values) for name, values in report.filters.items()},
        "counts": dict(report.counts),
        "truncated": False,
        "title": report.title,
        "period": report.period,
        "made_at": _value(report.made_at),
        "version": report.version,
        "locale": report.words.locale,
        "currency": report.words.currency or None,
        "files": [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in report.files],
        **_head(report.head),
        "facts": [{"label": label, "text": text} for label, text in report.facts],
        "sections": [_section(section) for section in report.sections],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")


def _head(head: Head | None) -> dict[str, Any]:
    if head is None:
        return {}
    facts = [{"label": label, "text": text} for label, text in head.facts]
    return {"head": {"issuer": list(head.issuer), "facts": facts, "notice": head.notice}}


def _section(section: Section) -> dict[str, Any]:
    content: dict[str, Any] = {"name": section.name, "title": section.title, "text": list(section.text)}
    if section.figures:
        content["figures"] = [
            {
                "name": figure.name,
                "label": figure.label,
                "value": _value(figure.value.number),
                "unit": figure.unit or None,
                "before": _value(figure.before.number) if figure.before else None,
                "change": _value(figure.change.number) if figure.change else None,
                **({"year_to_date": _value(figure.year.number)} if figure.year else {}),
                "note": figure.note,
            }
            for figure in section.figures
        ]
    if section.charts:
        content["charts"] = [
            {"name": chart.name, "title": chart.title, "text": chart.sentence} for chart in section.charts
        ]
    table = section.table
    names = [column.name for column in table.columns] if table else []
    rows = table.rows if table else ()
    content["data"] = [dict(zip(names, map(_value, row), strict=True)) for row in rows]
    if table and table.total is not None:
        content["total"] = dict(zip(names, map(_value, table.total), strict=True))
    if section.notes:
        content["notes"] = list(section.notes)
    return content


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

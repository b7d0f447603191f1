"""The command ``doctor``: the state of the lake and its sources, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import output_of
from polydoc_analytics.cli.root import command
from polydoc_analytics.cli.shared import opened_lake, print_json


@command()
def doctor(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    now: opt.Now = None,
) -> int:
    """Examine the lake, its sources and its schedule: what is in doubt, and what to do. Exits with 1 on damage.

    Example: polydoc-analytics doctor --lake lake

    Example: polydoc-analytics doctor --json
    """
    import polars as pl

    from polydoc_analytics.cli.json_values import json_value
    from polydoc_analytics.cli.tables import two_columns
    from polydoc_analytics.lake.doctor import examine

    out = output_of(printing)
    settings = opt.configured(where.config)
    kinds = {name: source.kind for name, source in settings.sources.items()}
    target, at = opened_lake(where.lake, settings, out), opt.parsed_now(now)
    examined = examine(target, kinds, at)
    if settings.reports or settings.alerts:
        from polydoc_analytics.automation import plans
        from polydoc_analytics.automation.doctor import schedule_findings

        examined = examined.with_findings(schedule_findings(target, plans(settings), at))
    if out.format == "json":
        findings = [{"level": each.level, "what": each.what, "do": each.do} for each in examined.findings]
        parts = [{"name": name, "data": json_value(rows)} for name, rows in examined.sections.items()]
        sections = [{"name": "lake", "data": [examined.figures]}, {"name": "findings", "data": findings}, *parts]
        print_json({"schema_version": 1, "report": "doctor", "sections": sections})
        return 0 if examined.is_whole else 1
    figures = {name.replace("_", " "): value for name, value in examined.figures.items()}
    for row in (figures, *examined.sections.get("sources", ())):
        for name in ("created from", "created to", "last_success_at"):
            if row.get(name):
                row[name] = datetime.fromisoformat(row[name])
    out = replace(out, timezone=settings.timezone)
    print(two_columns("What the lake holds", figures, out.width, out.timezone))
    for name, rows in examined.sections.items():
        if rows:
            print()
            title = name.replace("_", " ").capitalize()
            out.table(pl.DataFrame(rows, infer_schema_length=None), title=title, more="--json")
    print()
    marks = {"good": ("ok   ", ""), "doubt": ("look ", "warning"), "bad": ("BAD  ", "error")}
    for finding in examined.findings:
        mark, style = marks[finding.level]
        out.write(mark, style)
        print(f" {finding.what}" + (f"\n      → {finding.do}" if finding.do else ""))
    return 0 if examined.is_whole else 1

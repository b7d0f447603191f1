"""The first charts of a report as pictures, for mails."""

from __future__ import annotations

from polydoc_analytics.reports.model import Report

_SCALE = 1.5


def pictures(report: Report, max_pictures: int) -> dict[str, bytes]:
    """Return the first charts of a report by name, as PNG; characters that no font has are written as U+XXXX."""
    from polydoc_analytics.reports.charts import export, palette
    from polydoc_analytics.reports.renderers.drawn import DrawnInCharts

    drawn = DrawnInCharts(())
    charts = [chart for section in report.sections for chart in section.charts][:max_pictures]
    return {
        chart.name: export.as_png(drawn.all(palette.branded(chart.spec, report.look.accent, report.look.warm)), _SCALE)
        for chart in charts
    }

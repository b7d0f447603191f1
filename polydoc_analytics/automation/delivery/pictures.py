"""The first charts of a report as pictures, for mails."""

from __future__ import annotations

from functools import partial

from polydoc_analytics.reports.model import Report

_SCALE = 2.0
_WIDTH = 460
"""Pixels: on a phone, where a picture is 340 wide, its texts can still be read."""


def pictures(report: Report, english: Report | None, max_pictures: int) -> dict[str, bytes]:
    """Return the first charts of a report by name, as PNG; those of ``english`` where no font has its letters.

    Other characters that no font has are written as U+XXXX.
    """
    from polydoc_analytics.reports.charts import export, palette
    from polydoc_analytics.reports.renderers.drawn import Drawn, can_draw
    from polydoc_analytics.reports.renderers.outlines import has_other_letters, outlined

    folders = report.look.fonts
    if english is not None and not can_draw(report.words.language, folders):
        report = english
    drawn, redrawn = Drawn(folders), partial(outlined, folders=folders, is_drawn=has_other_letters)
    charts = [chart for section in report.sections for chart in section.charts][:max_pictures]
    export.measure_with(folders)
    made = {}
    for chart in charts:
        spec = drawn.all(palette.branded(chart.spec, report.look.accent, report.look.warm))
        made[chart.name] = export.as_png(spec | ({"width": _WIDTH} if chart.is_fluid else {}), _SCALE, redrawn)
    return made

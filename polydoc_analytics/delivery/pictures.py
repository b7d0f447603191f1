"""The first charts of a report as pictures, for mails."""

from __future__ import annotations

from functools import cache

from polydoc_analytics.content import Report

_SCALE = 1.5


def pictures(report: Report, most: int) -> dict[str, bytes]:
    """Return the first charts of a report by name, as PNG."""
    import vl_convert

    from polydoc_analytics.renderers import colours
    from polydoc_analytics.renderers.html import VEGA_LITE

    _register()
    charts = [chart for section in report.sections for chart in section.charts][:most]
    return {
        chart.name: vl_convert.vegalite_to_png(
            colours.branded(chart.spec, report.look), vl_version=VEGA_LITE, scale=_SCALE, allowed_base_urls=[]
        )
        for chart in charts
    }


@cache
def _register() -> None:
    import vl_convert

    from polydoc_analytics.renderers import fonts

    vl_convert.register_font_directory(str(fonts.files()[0].parent))

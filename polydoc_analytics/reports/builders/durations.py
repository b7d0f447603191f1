"""How long runs took: a histogram on a logarithmic scale, computed from the runs, and ranges by language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.charts import vega_lite
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Chart

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

_BINS_PER_DECADE = 8


def histogram(db: Database) -> list[dict[str, Any]]:
    """Histogram of the durations of Succeeded runs: low and high in seconds (eight bins a decade), and runs.

    Durations of 0 and less are left out: the scale is logarithmic.
    """
    rows = db.fetch(f"""
        select cast(floor({_BINS_PER_DECADE} * log10(duration_us / 1000000.0)) as integer) as bin, count(*) as runs
        from run_facts
        where status = 'Succeeded' and duration_us > 0
        group by bin
        order by bin""")
    return [
        {"low": 10 ** (bin_ / _BINS_PER_DECADE), "high": 10 ** ((bin_ + 1) / _BINS_PER_DECADE), "runs": runs}
        for bin_, runs in rows.rows()
    ]


def duration_chart(context: Context) -> Chart:
    """Return the histogram of durations with the median and the 95th percentile marked."""
    usage, rows = context.usage, histogram(context.db)
    marks = [
        {"value": usage[name], "text": f"{label} {context.text(usage[name], 'seconds')} s"}
        for name, label in (("p50_duration_s", "median"), ("p95_duration_s", "95th"))
        if rows and usage[name] is not None and usage[name] > 0
    ]
    return Chart(
        "durations", "How long succeeded runs took", _sentence(context), vega_lite.duration_histogram(rows, marks=marks)
    )


def _sentence(context: Context) -> str:
    usage = context.usage
    if usage["p50_duration_s"] is None:
        return "No run has succeeded with a known finishing time."
    if usage["succeeded_runs"] == 1:
        return f"The one succeeded run took {context.text(usage['max_duration_s'], 'seconds')} s."
    half, most, longest = (
        context.text(usage[name], "seconds") for name in ("p50_duration_s", "p95_duration_s", "max_duration_s")
    )
    return f"Half of the succeeded runs took at most {half} s, 95% at most {most} s, and the longest {longest} s."


def ranges(context: Context, languages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return median and 95th percentile of the languages that know them, for a chart; the slowest first."""
    timed = sorted(
        (row for row in languages if row["p50_duration_s"] is not None),
        key=lambda row: (-row["p50_duration_s"], row["language"]),
    )
    labels = [context.labels.language(row["language"], IN_CHARTS) for row in timed]
    return [
        {
            "label": label,
            "p50": row["p50_duration_s"],
            "p95": row["p95_duration_s"],
            "text": context.text(row["succeeded_runs"], "count"),
        }
        for label, row in zip(labels, timed, strict=True)
    ]


def statuses(db: Database) -> list[dict[str, Any]]:
    """Return the rows of the view ``durations``, Succeeded first."""
    return sorted(records(db.view("durations")), key=lambda row: row["status"] != "Succeeded")

"""Failures in words and as a chart: which languages fail beyond chance, and where failures rose from week to week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polydoc_analytics.model.plurals import noun
from polydoc_analytics.reports.builders.context import Context, is_small
from polydoc_analytics.reports.builders.tables import TOP
from polydoc_analytics.reports.charts import category_charts
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Chart

_MIN_FAILURES = 3
_MULTIPLES = {2: "doubled", 3: "tripled", 4: "quadrupled"}


def failure_chart(context: Context, languages: Sequence[Mapping[str, Any]]) -> Chart:
    """Return rates with their intervals for the languages that have most runs, the worst first."""
    rated = [row for row in languages if row["failure_rate"] is not None][:TOP]
    rated.sort(key=lambda row: (-row["failure_rate"], row["language"]))
    labels = [_name(context, row) for row in rated]
    rows = [
        {
            "label": label,
            "rate": row["failure_rate"],
            "low": row["failure_rate_low"],
            "high": row["failure_rate_high"],
            "rate_text": context.text(row["failure_rate"], "rate"),
            "low_text": context.text(row["failure_rate_low"], "rate"),
            "high_text": context.text(row["failure_rate_high"], "rate"),
            "text": f"{_count(context, row['failed_runs'])} of {_count(context, _finished(row))} failed",
            "small": is_small(row["failure_rate_low"], row["failure_rate_high"]),
        }
        for label, row in zip(labels, rated, strict=True)
    ]
    spec = category_charts.failure_rates(rows, overall=context.usage["failure_rate"])
    about = "The dashed line is the rate of all runs; hollow dots are small samples."
    title = "Failure rate with its 95% interval, by language"
    return Chart("failure_rates", title, f"{worst(context, rated)} {about}", spec, live="failures")


def worst(context: Context, languages: Sequence[Mapping[str, Any]]) -> str:
    """Sentence on the languages whose failure rate is significantly above that of all runs."""
    overall = context.usage["failure_rate"]
    if overall is None:
        return "No run has finished, so there is no failure rate."
    beyond = [row for row in languages if row["failure_rate_low"] > overall]
    if not context.usage["failed_runs"]:
        return "No run failed."
    if overall == 1:
        return "Every finished run failed."
    if not beyond:
        return f"No language fails beyond chance more often than all runs do ({context.text(overall, 'rate')})."
    said = [f"{_name(context, row)} ({context.text(row['failure_rate'], 'rate')})" for row in beyond[:3]]
    more = f" and {len(beyond) - 3} more" if len(beyond) > 3 else ""
    verb = noun(len(beyond), "fails", "fail")
    return (
        f"{_joined(said)}{more} {verb} more often than all runs together ({context.text(overall, 'rate')}), "
        "beyond what chance explains."
    )


def risen(context: Context, weeks: Sequence[Mapping[str, Any]]) -> str:
    """Sentence on the greatest rise of a failure rate between two whole weeks whose intervals do not overlap."""
    before: dict[str, Mapping[str, Any]] = {}
    rises: list[tuple[float, Mapping[str, Any], Mapping[str, Any]]] = []
    for row in sorted(weeks, key=lambda row: (row["language"], row["period"])):
        last = before.get(row["language"])
        before[row["language"]] = row
        if last is None or last["end"] != row["period"] or last["is_partial"] or row["is_partial"]:
            continue
        if last["failure_rate_high"] is None or row["failure_rate_low"] is None:
            continue
        if row["failed_runs"] >= _MIN_FAILURES and row["failure_rate_low"] > last["failure_rate_high"]:
            rises.append((row["failure_rate_low"] - last["failure_rate_high"], row, last))
    if not rises:
        return "In no language did the failure rate rise beyond chance from one whole week to the next."
    _, now, last = max(rises, key=lambda rise: rise[0])
    times = round(now["failure_rate"] / last["failure_rate"]) if last["failure_rate"] else 0
    verb = _MULTIPLES.get(times, f"rose {times}-fold" if times > 4 else "rose")
    return (
        f"Failures {verb} in {_name(context, now)} in the week of {context.words.day(now['period'])}: "
        f"{_of(context, now)}, against {_of(context, last)} the week before."
    )


def _of(context: Context, row: Mapping[str, Any]) -> str:
    rate = context.text(row["failure_rate"], "rate")
    return f"{_count(context, row['failed_runs'])} of {context.counted(_finished(row), 'finished run')} ({rate})"


def _finished(row: Mapping[str, Any]) -> int:
    return int(row["succeeded_runs"] + row["failed_runs"])


def _name(context: Context, row: Mapping[str, Any]) -> str:
    return context.labels.language(row["language"], IN_CHARTS)


def _count(context: Context, number: int) -> str:
    return context.text(number, "count")


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

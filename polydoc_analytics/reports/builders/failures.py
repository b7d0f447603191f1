"""Failures in words and as a chart: which languages fail beyond chance, and where failures rose from week to week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polydoc_analytics.model.plurals import noun
from polydoc_analytics.reports.builders.context import Context, is_small
from polydoc_analytics.reports.builders.tables import TOP
from polydoc_analytics.reports.charts import vega_lite
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Chart

_LEAST_FAILURES = 3
_MULTIPLES = {2: "doubled", 3: "tripled", 4: "quadrupled"}


def failure_chart(context: Context, languages: Sequence[Mapping[str, Any]]) -> Chart:
    """Return rates with their intervals for the languages that have most runs, the worst first."""
    rated = [one for one in languages if one["failure_rate"] is not None][:TOP]
    rated.sort(key=lambda one: (-one["failure_rate"], one["language"]))
    labels = [_name(context, one) for one in rated]
    rows = [
        {
            "label": label,
            "rate": one["failure_rate"],
            "low": one["failure_rate_low"],
            "high": one["failure_rate_high"],
            "text": f"{_count(context, one['failed_runs'])} of {_count(context, _finished(one))} failed",
            "small": is_small(one["failure_rate_low"], one["failure_rate_high"]),
        }
        for label, one in zip(labels, rated, strict=True)
    ]
    spec = vega_lite.failure_rates(rows, overall=context.usage["failure_rate"])
    about = "The dashed line is the rate of all runs; hollow dots are small samples."
    title = "Failure rate with its 95% interval, by language"
    return Chart("failure_rates", title, f"{worst(context, rated)} {about}", spec, live="failures")


def worst(context: Context, languages: Sequence[Mapping[str, Any]]) -> str:
    """Say which languages fail more often than all runs do, beyond chance."""
    overall = context.usage["failure_rate"]
    if overall is None:
        return "No run has finished, so there is no failure rate."
    beyond = [one for one in languages if one["failure_rate_low"] > overall]
    if not context.usage["failed_runs"]:
        return "No run failed."
    if overall == 1:
        return "Every finished run failed."
    if not beyond:
        return f"No language fails beyond chance more often than all runs do ({context.text(overall, 'rate')})."
    said = [f"{_name(context, one)} ({context.text(one['failure_rate'], 'rate')})" for one in beyond[:3]]
    more = f" and {len(beyond) - 3} more" if len(beyond) > 3 else ""
    verb = noun(len(beyond), "fails", "fail")
    return (
        f"{_joined(said)}{more} {verb} more often than all runs together ({context.text(overall, 'rate')}), "
        "beyond what chance explains."
    )


def risen(context: Context, weeks: Sequence[Mapping[str, Any]]) -> str:
    """Say in which language failures rose most from one week to the next, both weeks whole and intervals apart."""
    before: dict[str, Mapping[str, Any]] = {}
    found: list[tuple[float, Mapping[str, Any], Mapping[str, Any]]] = []
    for one in sorted(weeks, key=lambda one: (one["language"], one["period"])):
        last = before.get(one["language"])
        before[one["language"]] = one
        if last is None or last["end"] != one["period"] or last["is_partial"] or one["is_partial"]:
            continue
        if last["failure_rate_high"] is None or one["failure_rate_low"] is None:
            continue
        if one["failed_runs"] >= _LEAST_FAILURES and one["failure_rate_low"] > last["failure_rate_high"]:
            found.append((one["failure_rate_low"] - last["failure_rate_high"], one, last))
    if not found:
        return "In no language did the failure rate rise beyond chance from one whole week to the next."
    _, now, last = max(found, key=lambda rise: rise[0])
    times = round(now["failure_rate"] / last["failure_rate"]) if last["failure_rate"] else 0
    verb = _MULTIPLES.get(times, f"rose {times}-fold" if times > 4 else "rose")
    return (
        f"Failures {verb} in {_name(context, now)} in the week of {context.words.day(now['period'])}: "
        f"{_of(context, now)}, against {_of(context, last)} the week before."
    )


def _of(context: Context, one: Mapping[str, Any]) -> str:
    rate = context.text(one["failure_rate"], "rate")
    return f"{_count(context, one['failed_runs'])} of {context.counted(_finished(one), 'finished run')} ({rate})"


def _finished(one: Mapping[str, Any]) -> int:
    return int(one["succeeded_runs"] + one["failed_runs"])


def _name(context: Context, one: Mapping[str, Any]) -> str:
    return context.labels.language(one["language"], IN_CHARTS)


def _count(context: Context, number: int) -> str:
    return context.text(number, "count")


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

"""How the schedule of a lake is: what was not delivered, what is held or waits, and reports that never ran."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from polydoc_analytics.automation import Plans
from polydoc_analytics.automation.delivery.messages import Delivery
from polydoc_analytics.automation.delivery.outbox import notices
from polydoc_analytics.automation.delivery.outcome_groups import by_outcome
from polydoc_analytics.automation.schedule.due import missing
from polydoc_analytics.automation.schedule.jobs import Job, JobStore
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.config.tables import Report
from polydoc_analytics.lake.doctor import Finding
from polydoc_analytics.lake.lake import Lake

_RECENT = timedelta(days=35)
"""Failures that are older are history: the next month's report has taken their place."""
_LATE = timedelta(hours=1)
_SCHEDULER = "let cron, systemd or another clock call `polydoc-analytics schedule due`"


def schedule_findings(lake: Lake, plans: Plans, now: datetime) -> list[Finding]:
    """Examine the jobs and notices of a lake by its ledger; nothing is changed, nothing is sent."""
    store = StateStore(lake)
    job_store = JobStore(store)
    findings: list[Finding] = []
    for plan in plans.reports.values():
        findings += _of_clock(lake, job_store, plan, now)
    for job in job_store.jobs():
        if job.is_open or now - datetime.fromisoformat(job.due_at) <= _RECENT:
            findings += _of_job(job)
    for notice in notices(store):
        if now - datetime.fromisoformat(notice["made_at"]) <= _RECENT:
            findings += _of_notice(notice)
    return findings


def _of_clock(lake: Lake, job_store: JobStore, plan: Report, now: datetime) -> Iterator[Finding]:
    """Yield whether a report has never run, or is due for so long that nobody can be looking."""
    if job_store.progress(plan.name) is None:
        first = next(plan.cron.after(now))
        yield Finding("doubt", f"report {plan.name} has never run; it is next due {_text(first)}", _SCHEDULER)
        return
    late = [job for job in missing(lake, job_store, plan, now) if job.state != "skipped"]
    if late and now - datetime.fromisoformat(late[0].due_at) > _LATE:
        due = datetime.fromisoformat(late[0].due_at)
        what = f"report {plan.name} {late[0].period} was due {_text(due)} and no scheduler has looked since"
        yield Finding("doubt", what, _SCHEDULER)


def _of_job(job: Job) -> Iterator[Finding]:
    name = f"report {job.report} {job.period}"
    send = f"`polydoc-analytics report --rerun {job.report} {job.period} --send --all`"
    if job.state == "held":
        yield Finding("doubt", f"{name} is {job.note}", f"sync the source, or send it as it is: {send}")
    elif job.state == "waiting":
        yield Finding("doubt", f"{name} {job.note}", "sync the source; it is sent, or held, after its `wait`")
    elif job.state == "retrying":
        yield Finding("doubt", f"{name} {job.note}", _next(job.next_try_at))
    elif job.state == "failed" and not job.editions:
        yield Finding("doubt", f"{name} {job.note}", f"mend that, then {send}")
    yield from _of_deliveries(name, job.editions[-1].deliveries if job.editions else [], f"mend that, then {send}")


def _of_notice(notice: dict[str, object]) -> Iterator[Finding]:
    deliveries = [Delivery.of(stored) for stored in notice["deliveries"]]  # type: ignore[attr-defined]
    title = notice["letter"]["title"]  # type: ignore[index]
    yield from _of_deliveries(f"notice '{title}'", deliveries, "mend that; it is not sent again, `alerts list` has it")


def _of_deliveries(name: str, deliveries: list[Delivery], do: str) -> Iterator[Finding]:
    bad = [one for one in deliveries if one.tries and one.state in ("failed", "uncertain")]
    for group in by_outcome(bad):
        state = "may not have arrived" if group.state == "uncertain" else "was not delivered"
        what = f"{name} {state}: {group.target} to {group.receivers}: {group.answer}"
        yield Finding("doubt", what, _next(group.next_try_at) if group.next_try_at else do)


def _next(at: str | None) -> str:
    return f"it is tried again {_text(datetime.fromisoformat(at))} at the next `schedule due`" if at else _SCHEDULER


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"

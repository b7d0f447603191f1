"""Jobs that are due: each period that a report's schedule has reached, once; the oldest of too many are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from polydoc_analytics.automation.delivery.messages import key_of
from polydoc_analytics.automation.schedule.jobs import Job, JobStore, Progress
from polydoc_analytics.config.tables import Report
from polydoc_analytics.errors import UsageError
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.cron import period_of
from polydoc_analytics.model.epoch import from_us
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.timezones import start_of_day, zone

_FIRST_SEEN = timedelta(hours=1)
"""A report begins with what was due in the hour before it was first seen, so that a scheduler that is started at the
very minute does not come too late for it."""


def begins(plan: Report, now: datetime) -> datetime:
    """Return the instant after which a report that no scheduler has seen is due."""
    if plan.start is None:
        return now - _FIRST_SEEN
    first = start_of_day(plan.start, zone(plan.timezone))
    return from_us(first - 1)


def new_job(lake: Lake, plan: Report, period: str, interval: Interval, due_at: datetime) -> Job:
    """Return a job that is due at an instant and not in the ledger yet."""
    assert interval.since is not None
    assert interval.until is not None
    since, until = interval.since.isoformat(), interval.until.isoformat()
    identity = key_of("job", lake.id, plan.name, plan.kind, period)
    return Job(plan.name, period, since, until, plan.timezone, due_at.isoformat(), id=identity)


def missing(lake: Lake, job_store: JobStore, plan: Report, now: datetime) -> list[Job]:
    """Return the jobs that are due and not in the ledger, in order; of too many the older are skipped.

    A job whose only editions were made before its period had ended is due nevertheless, and one that a clock which was
    ahead has skipped.
    """
    new = []
    for period, interval, due in _due(job_store, job_store.progress(plan.name), plan, now):
        job = job_store.job(plan.name, period)
        if job is None:
            new.append(new_job(lake, plan, period, interval, due))
        elif not job.is_open and ((job.editions and _came_early(job)) or _is_skipped_ahead(job, now)):
            job.state, job.due_at, job.note, job.finished_at = "due", due.isoformat(), "", None
            new.append(job)
    for job in new[: -plan.catch_up]:
        job.state, job.finished_at = "skipped", now.isoformat()
        job.note = f"missed, and catch_up is {plan.catch_up}; `polydoc-analytics report --rerun --send` sends it"
    return new


def enrol(lake: Lake, job_store: JobStore, plan: Report, now: datetime) -> list[Job]:
    """Enter what is due into the ledger, and return the report's open jobs in the order in which they were due.

    A job's record is written before the report's progress: whoever is killed in between enrols the same jobs again.
    """
    before = job_store.progress(plan.name)
    progress = before or Progress()
    periods = [period for period, _, _ in _due(job_store, before, plan, now)]
    for new in missing(lake, job_store, plan, now):
        job_store.save(new)
    known = list(dict.fromkeys([*progress.open, *periods]))
    jobs = [job for period in known if (job := job_store.job(plan.name, period)) and job.is_open]
    start = plan.start.isoformat() if plan.start else None
    through = max(now, datetime.fromisoformat(progress.through)) if progress.through else now
    after = Progress(through.isoformat(), [job.period for job in jobs], start)
    if periods or before is None or not before.through or (after.open, after.start) != (before.open, before.start):
        job_store.save_progress(plan.name, after)
    return sorted(jobs, key=lambda job: job.due_at)


def open_jobs(job_store: JobStore, plan: Report, progress: Progress | None) -> list[Job]:
    """Return the open jobs of a report in the order in which they were due."""
    jobs = [job_store.job(plan.name, period) for period in (progress.open if progress else ())]
    return sorted((job for job in jobs if job and job.is_open), key=lambda job: job.due_at)


def _due(
    job_store: JobStore, progress: Progress | None, plan: Report, now: datetime
) -> Iterator[tuple[str, Interval, datetime]]:
    """Yield each period that came due since the last time, with its interval and when it was first due.

    A ``start`` that is new in the settings is where it begins, however far the report has come. Where that is ahead of
    now, for a clock was, it is what is due after the last job of before now.
    """
    after = begins(plan, now)
    if progress and progress.through:
        through = datetime.fromisoformat(progress.through)
        if through > now:
            jobs = [job for job in job_store.jobs(plan.name) if not _is_skipped_ahead(job, now)]
            dues = [datetime.fromisoformat(job.due_at) for job in jobs]
            through = max((due for due in dues if due <= now), default=now)
        is_new = plan.start is not None and progress.start != plan.start.isoformat()
        after = min(after, through) if is_new else through
    seen = set()
    for due in plan.cron.between(after, now):
        try:
            period, interval = period_of(plan.period, due, plan.timezone)
        except UsageError:  # a day that the zone's clocks have skipped
            continue
        if period not in seen:
            seen.add(period)
            yield period, interval, due


def _is_skipped_ahead(job: Job, now: datetime) -> bool:
    """Check whether a job was skipped at an instant that has not come yet."""
    is_skipped = job.state == "skipped" and job.finished_at is not None
    return is_skipped and datetime.fromisoformat(job.finished_at or "") > now


def _came_early(job: Job) -> bool:
    until = job.interval[1]
    return all(datetime.fromisoformat(edition.made_at) < until for edition in job.editions)

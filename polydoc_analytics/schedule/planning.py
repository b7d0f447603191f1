"""What is due: every period that a report's schedule has come to, once, the oldest of too many skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from polydoc_analytics.plan import ReportPlan
from polydoc_analytics.plan.cron import period_of
from polydoc_analytics.schedule.ledger import Book, Job, Progress
from polydoc_analytics.zones import start_of_day, zone

_FIRST_SEEN = timedelta(hours=1)
"""A report begins with what was due in the hour before it was first seen, so that a scheduler that is started at the
very minute does not come too late for it."""


def begins(plan: ReportPlan, now: datetime) -> datetime:
    """Return the instant after which a report that no scheduler has seen is due."""
    if plan.start is None:
        return now - _FIRST_SEEN
    first = start_of_day(plan.start, zone(plan.timezone))
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=first - 1)


def missing(book: Book, plan: ReportPlan, now: datetime) -> list[Job]:
    """Return the jobs that are due and not in the ledger, in order; of too many the older are skipped."""
    progress = book.progress(plan.name)
    after = datetime.fromisoformat(progress.through) if progress else begins(plan, now)
    found: dict[str, Job] = {}
    for due in plan.cron.between(after, now):
        name, interval = period_of(plan.period, due, plan.timezone)
        assert interval.since is not None
        assert interval.until is not None
        since, until = interval.since.isoformat(), interval.until.isoformat()
        found.setdefault(name, Job(plan.name, name, since, until, plan.timezone, due.isoformat()))
    new = [job for job in found.values() if book.job(plan.name, job.period) is None]
    for job in new[: -plan.catch_up]:
        job.state = "skipped"
        job.note = f"missed, and catch_up is {plan.catch_up}; `polydoc-analytics report --rerun` makes it"
    return new


def enrol(book: Book, plan: ReportPlan, now: datetime) -> list[Job]:
    """Enter what is due into the ledger, and return the report's open jobs in the order in which they were due.

    A job's record is written before the report's progress: whoever is killed in between enrols the same jobs again.
    """
    progress = book.progress(plan.name) or Progress((begins(plan, now)).isoformat())
    through = datetime.fromisoformat(progress.through)
    if through > now:  # a clock that went back, or a rehearsal with a later one
        return opened(book, plan, progress)
    periods = [period_of(plan.period, due, plan.timezone)[0] for due in plan.cron.between(through, now)]
    for new in missing(book, plan, now):
        book.save(new)
    known = list(dict.fromkeys([*progress.open, *periods]))
    jobs = [job for period in known if (job := book.job(plan.name, period)) and job.is_open]
    after = Progress(now.isoformat(), [job.period for job in jobs])
    if periods or after.open != progress.open or book.progress(plan.name) is None:
        book.save_progress(plan.name, after)
    return sorted(jobs, key=lambda job: job.due_at)


def opened(book: Book, plan: ReportPlan, progress: Progress | None) -> list[Job]:
    """Return the open jobs of a report in the order in which they were due."""
    jobs = [book.job(plan.name, period) for period in (progress.open if progress else ())]
    return sorted((job for job in jobs if job and job.is_open), key=lambda job: job.due_at)

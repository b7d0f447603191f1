"""The tables of ``schedule history``: jobs, deliveries, files and notices, with accounts by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from polydoc_analytics.automation.delivery.messages import Delivery
from polydoc_analytics.automation.delivery.outcome_groups import OutcomeGroup, by_outcome
from polydoc_analytics.automation.schedule.jobs import Job
from polydoc_analytics.model.plurals import counted

Row = dict[str, Any]


def tables(jobs: Sequence[Job], notices: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, list[Row]]:
    """Build the rows of each table by its title; what has no rows is left out."""
    built = {
        "Jobs": list(map(_job_row, jobs)),
        "Deliveries": [row for job in jobs for row in _delivery_rows(job, names)],
        "Files": [row for job in jobs for row in _file_rows(job, names)],
        "Notices": [row for notice in notices for row in _notice_rows(notice)],
    }
    return {title: rows for title, rows in built.items() if rows}


def changes(jobs: Iterable[Job]) -> Iterator[str]:
    """Yield what each edition says of the one before."""
    for job in jobs:
        for edition in job.editions:
            for sentence in edition.changes:
                yield f"{job.report} {job.period}, edition {edition.number}: {sentence}"


def _job_row(job: Job) -> Row:
    edition = job.editions[-1] if job.editions else None
    return {
        "report": job.report,
        "period": job.period,
        "state": job.state,
        "due_at": _time(job.due_at),
        "editions": len(job.editions),
        "made_at": _time(edition.made_at) if edition else None,
        "snapshot": edition.snapshot if edition else None,
        "note": job.note or None,
    }


def _delivery_rows(job: Job, names: Mapping[str, str]) -> Iterator[Row]:
    for edition in job.editions:
        for group in by_outcome(edition.deliveries):
            # What went well has a line for each receiver; one error that hit many has one line.
            several = group.state == "sent" or len(group.deliveries) == 1
            for part in by_outcome_of_each(group) if several else [group]:
                accounts = {delivery.account for delivery in part.deliveries}
                yield {
                    "report": job.report,
                    "period": job.period,
                    "edition": edition.number,
                    "account": _account(accounts.pop(), names)
                    if len(accounts) == 1
                    else counted(len(accounts), "account"),
                    **_outcome(part),
                }


def by_outcome_of_each(group: OutcomeGroup) -> Iterator[OutcomeGroup]:
    """Split a group into one for each delivery, with the answer in full."""
    for delivery in group.deliveries:
        yield from by_outcome([delivery])


def _file_rows(job: Job, names: Mapping[str, str]) -> Iterator[Row]:
    for edition in job.editions:
        for document in edition.documents:
            for file, known in document.files.items():
                yield {
                    "file": file,
                    "edition": edition.number,
                    "account": _account(document.account, names),
                    "bytes": known["bytes"],
                    "sha256": known["sha256"],
                }


def _notice_rows(notice: Mapping[str, Any]) -> Iterator[Row]:
    for group in by_outcome(Delivery.of(stored) for stored in notice["deliveries"]):
        yield {"notice": notice["letter"]["title"], "made_at": _time(notice["made_at"]), **_outcome(group)}


def _outcome(group: OutcomeGroup) -> Row:
    return {
        "target": group.target,
        "receiver": group.receivers,
        "state": group.state,
        "tries": group.tries,
        "next_try_at": _time(group.next_try_at),
        "answer": group.answer or None,
    }


def _account(account: str, names: Mapping[str, str]) -> str:
    return names.get(account, account) or "all"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""The ledger of jobs: one small durable file for each report and period, and for each report which of them are open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from polydoc_analytics.automation.delivery.messages import Attempt, Delivery
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.lake.lake import Lake

FINAL = ("sent", "uncertain", "failed", "skipped")


@dataclass(slots=True)
class Document:
    """One document of an edition: whose (empty: everybody's), its letter, its files and the pictures of its charts.

    ``files`` maps names to SHA-256 and bytes. ``figures`` is the file of its figures as they were made, ``digest``
    their SHA-256; both are empty in editions of before they were kept.
    """

    account: str
    letter: str
    files: dict[str, dict[str, Any]]
    charts: dict[str, str]
    figures: str = ""
    digest: str = ""


@dataclass(slots=True)
class Edition:
    """An edition: the documents made of a period at an instant, their snapshot, files and deliveries.

    ``load`` is the number of the lake's load, ``changes`` says what is other than in the edition before. ``kind``,
    ``since``, ``until``, ``timezone`` and ``date_basis`` are those of its report; empty: those of its job. ``left_out``
    says which accounts have no statement, for a sum does not fit.
    """

    number: int
    made_at: str
    snapshot: str
    load: int | None
    is_incomplete: bool
    folder: str
    documents: list[Document] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    kind: str = ""
    since: str = ""
    until: str = ""
    timezone: str = ""
    date_basis: str = ""
    left_out: str = ""

    def paths(self) -> list[str]:
        """Return its files on the store."""
        found = [f"{self.folder}/{name}" for document in self.documents for name in document.files]
        for document in self.documents:
            found += [document.letter, *document.charts.values(), *filter(None, (document.figures,))]
        return found


@dataclass(slots=True)
class Job:
    """One report over one period. Instants are ISO texts in UTC.

    ``state`` is due, waiting (for data), held (data did not come), retrying, sending, sent, uncertain, failed or
    skipped; ``tries`` are those to make it, ``note`` says what there is to know. ``id`` is made of the lake's own id,
    the report's name and kind, and the period.
    """

    report: str
    period: str
    since: str
    until: str
    timezone: str
    due_at: str
    state: str = "due"
    note: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    next_try_at: str | None = None
    tries: list[Attempt] = field(default_factory=list)
    editions: list[Edition] = field(default_factory=list)
    id: str = ""

    @property
    def is_open(self) -> bool:
        """Check whether there is still something to do."""
        return self.state not in FINAL

    @property
    def interval(self) -> tuple[datetime, datetime]:
        """The half-open period in UTC."""
        return datetime.fromisoformat(self.since), datetime.fromisoformat(self.until)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Job:
        """Return the job that was stored."""
        editions = [
            Edition(
                **{
                    **one,
                    "documents": [Document(**document) for document in one["documents"]],
                    "deliveries": [Delivery.of(delivery) for delivery in one["deliveries"]],
                }
            )
            for one in stored["editions"]
        ]
        return cls(**{**stored, "tries": [Attempt(**one) for one in stored["tries"]], "editions": editions})


@dataclass(slots=True)
class Progress:
    """How far a report has come: the instant up to which what was due has a job, and the periods that are open.

    ``through`` is None until a scheduler has seen the report; ``start`` is the day of the settings that it honours.
    """

    through: str | None = None
    open: list[str] = field(default_factory=list)
    start: str | None = None


class JobStore:
    """The ledger on a lake's store. Only who holds the store's lock writes."""

    def __init__(self, store: StateStore) -> None:
        self.store = store

    def job(self, report: str, period: str) -> Job | None:
        """Return a job; None where there is none."""
        stored = self.store.read(f"jobs/{report}/{period}.json")
        return Job.of(stored) if stored else None

    def save(self, job: Job) -> None:
        """Make a job's record durable."""
        self.store.write(f"jobs/{job.report}/{job.period}.json", job)

    def progress(self, report: str) -> Progress | None:
        """Return how far a report has come; None where no scheduler has seen it."""
        stored = self.store.read(f"reports/{report}.json")
        return Progress(**stored) if stored else None

    def save_progress(self, report: str, progress: Progress) -> None:
        """Make durable how far a report has come."""
        self.store.write(f"reports/{report}.json", progress)

    def jobs(self, report: str | None = None) -> list[Job]:
        """Return the jobs of a report, or of all that ever had one, in the order in which they were due."""
        reports = [report] if report else self.store.names("reports")
        found = [self.job(name, period) for name in reports for period in self.store.names(f"jobs/{name}")]
        return sorted((one for one in found if one), key=lambda job: (job.due_at, job.report, job.period))


def documents_of(lake: Lake, account: str) -> list[str]:
    """Return the files that were made of reports for one account, by their paths in the lake; an erasure keeps them."""
    store = StateStore(lake)
    documents = [
        (edition, document)
        for job in JobStore(store).jobs()
        for edition in job.editions
        for document in edition.documents
        if document.account == account
    ]
    return [f"{store.shown}/{edition.folder}/{name}" for edition, document in documents for name in document.files]

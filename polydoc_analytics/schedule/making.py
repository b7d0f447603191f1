"""An edition: the documents of a report over a period, from one snapshot, kept before anything is sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from polydoc_analytics.config import Settings, account_names
from polydoc_analytics.content import Report, Section
from polydoc_analytics.delivery.parcels import Enclosed, Letter, Parcel
from polydoc_analytics.delivery.shelf import Shelf
from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.plan import ReportPlan
from polydoc_analytics.schedule.ledger import Document, Edition, Job

if TYPE_CHECKING:
    from polydoc_analytics.engine import Database
    from polydoc_analytics.engines.scope import DateBasis
    from polydoc_analytics.reports.context import Context

_CHARTS = 2
_FIGURES = 12


@dataclass(frozen=True)
class Made:
    """A document before it is written: whose it is, the report, and the stem of its files' names."""

    account: str
    report: Report
    stem: str


@contextmanager
def opened(
    lake: Lake, settings: Settings, plan: ReportPlan, job: Job, now: datetime, load: int | None
) -> Iterator[Database]:
    """Yield the views over a job's period as of a load."""
    from polydoc_analytics.engine import connect

    since, until = job.interval
    with connect(
        lake,
        as_of=load,
        timezone=plan.timezone,
        since=since,
        until=until,
        account=plan.accounts or None,
        date_basis=cast("DateBasis", settings.date_basis),
        now=now,
        views=settings.views,
        **settings.cluster,
    ) as db:
        yield db


def make(
    shelf: Shelf,
    lake: Lake,
    settings: Settings,
    plan: ReportPlan,
    job: Job,
    now: datetime,
    *,
    lacks: Sequence[str] = (),
    pictures: bool = False,
) -> Edition:
    """Make the next edition of a job from the lake as it is, write its files to the shelf, and return it.

    ``lacks`` are the sources that have not been synced past the end of the period: then it is marked as incomplete.
    With ``pictures`` the first charts are drawn for mails.
    The same snapshot and instant give the same bytes. What was made before of the same number is replaced.
    """
    from polydoc_analytics.schedule.changes import Changes

    row = lake.snapshot().row
    load = row.number if row else None
    number = len(job.editions) + 1
    before = job.editions[-1] if job.editions else None
    folder = f"editions/{job.report}/{job.period}/{number}"
    with opened(lake, settings, plan, job, now, load) as db:
        changes = Changes.between(lake, settings, plan, job, before, db) if before else None
        edition = Edition(number, now.isoformat(), db.snapshot or "", load, bool(lacks), folder)
        edition.changes = list(changes.sentences()) if changes else []
        for made in _documents(db, settings, plan, job):
            report = _marked(made.report, number, lacks, changes.section(made.account) if changes else None)
            stem = made.stem if number == 1 else f"{made.stem}_edition-{number}"
            edition.documents.append(
                _written(shelf, folder, replace(made, report=report, stem=stem), plan, job, number, pictures)
            )
    return edition


def _documents(db: Database, settings: Settings, plan: ReportPlan, job: Job) -> Iterator[Made]:
    from polydoc_analytics.branding import branding
    from polydoc_analytics.reporting import context
    from polydoc_analytics.reports import builder
    from polydoc_analytics.reports.statement import account_data, index, statement_of

    names = {**db.account_names, **account_names(settings.accounts)}
    found: Context = context(db, branding=branding(settings.branding, settings.folder), accounts=names)
    stem = f"{plan.name}_{job.period}"
    if not plan.per_account:
        yield Made("", builder(plan.kind)(found), stem)
        return
    accounts = [row[0] for row in db.sql("select account_id from usage_by_account order by account_id").rows()]
    stems = {account: f"{stem}_{_file_name(account)}" for account in accounts}
    for data in account_data(found, accounts):
        yield Made(data.account_id, statement_of(found, data), stems[data.account_id])
    yield Made("", index(found, stems), stem)


def _file_name(account: str) -> str:
    """Return an account as part of a file's name; two never share one, on disks that ignore case either."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", account.lower())[:64]
    return (
        plain if plain == account else f"{plain}-{hashlib.sha256(account.encode('utf-8', 'replace')).hexdigest()[:12]}"
    )


def _marked(report: Report, number: int, lacks: Sequence[str], changes: Section | None) -> Report:
    marks = [f"Edition {number}"] if number > 1 else []
    facts = report.facts
    if lacks:
        said = f"{', '.join(lacks)} had not been synced past the end of the period"
        marks.append(f"Incomplete: {said}")
        facts = (("Incomplete", f"{said} when this was made; figures may still grow."), *facts)
    sections = (changes, *report.sections) if changes else report.sections
    subtitle = ". ".join(filter(None, (*marks, report.subtitle)))
    return replace(report, subtitle=subtitle, facts=facts, sections=sections)


def _written(
    shelf: Shelf, folder: str, made: Made, plan: ReportPlan, job: Job, number: int, with_pictures: bool
) -> Document:
    from polydoc_analytics.renderers import render

    files = {}
    for form in plan.formats:
        file = Enclosed(f"{made.stem}.{form}", render(made.report, form))
        shelf.write_bytes(f"{folder}/{file.name}", file.content)
        files[file.name] = {"sha256": file.sha256, "bytes": len(file.content)}
    charts = {}
    if with_pictures:
        from polydoc_analytics.delivery.pictures import pictures

        for name, picture in pictures(made.report, _CHARTS).items():
            charts[name] = f"{folder}/{made.stem}.{name}.png"
            shelf.write_bytes(charts[name], picture)
    letter = f"{folder}/{made.stem}.letter.json"
    shelf.write(letter, _letter(made.report, plan, job, number, charts).stored())
    return Document(made.account, letter, files, charts)


def _letter(report: Report, plan: ReportPlan, job: Job, number: int, charts: Mapping[str, str]) -> Letter:
    figures = []
    for figure in (figure for section in report.sections for figure in section.figures):
        notes = [f"{figure.change.text} against {figure.before.text}"] if figure.change and figure.before else []
        value = f"{figure.value.text} {figure.unit}".strip()
        figures.append((figure.label, value, "; ".join(filter(None, (*notes, figure.note)))))
    drawn = {chart.name: chart for section in report.sections for chart in section.charts}
    data: dict[str, Any] = {
        "report": plan.name,
        "kind": report.kind,
        "period": job.period,
        "since": job.since,
        "until": job.until,
        "timezone": plan.timezone,
        "edition": number,
        "snapshot": report.snapshot,
    }
    return Letter(
        "report",
        report.title,
        report.period,
        tuple(filter(None, (report.subtitle, *next((s.text for s in report.sections if s.name == "editions"), ())))),
        tuple(figures[:_FIGURES]),
        tuple((drawn[name].title, drawn[name].sentence, name) for name in charts),
        data,
    )


def parcel(shelf: Shelf, job: Job, edition: Edition, document: Document) -> Parcel:
    """Return a document as it was made; raises LakeError where its files are not what the ledger says."""
    files = []
    for name, known in document.files.items():
        file = Enclosed(name, shelf.read_bytes(f"{edition.folder}/{name}"))
        if file.sha256 != known["sha256"]:
            raise LakeError(f"{shelf.shown}/{edition.folder}/{name}: is not what was made; make it anew with --rerun")
        files.append(file)
    places = {
        "report": job.report,
        "period": job.period,
        "edition": str(edition.number),
        "account": document.account or "all",
    }
    stored = shelf.read(document.letter)
    if stored is None:
        raise LakeError(f"{shelf.shown}/{document.letter}: is missing; make the report anew with --rerun")
    charts = {name: shelf.read_bytes(path) for name, path in document.charts.items()}
    return Parcel(Letter.of(stored), datetime.fromisoformat(edition.made_at), tuple(files), charts, places)

"""An edition: the documents of a report over a period, from one snapshot, kept before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from polydoc_analytics.automation.delivery.messages import Attachment, Message, Package, brand_of
from polydoc_analytics.automation.schedule.edition_diff import Change, ChangeWording, EditionComparison
from polydoc_analytics.automation.schedule.figures import BY_ACCOUNT, HEADLINE, Row, figures_of, headlines, stored
from polydoc_analytics.automation.schedule.jobs import Document, Edition, Job
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.config import tables
from polydoc_analytics.config.settings import Settings
from polydoc_analytics.errors import LakeError, SumError
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.filenames import file_name
from polydoc_analytics.reports.formatting import ENGLISH_LOCALE, display_text
from polydoc_analytics.reports.messages import ENGLISH
from polydoc_analytics.reports.model import Report, Section
from polydoc_analytics.reports.renderers import MissingLetters, render, with_workbook

if TYPE_CHECKING:
    from polydoc_analytics.config.choices import DateBasis
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.reports.builders.context import Context

_CHARTS = 2
_FIGURES = 12
_MAIL_LOGOS = ("image/png", "image/jpeg")
"""Kinds of logo that mail programs show; for one of another kind the sender's name stands there."""


@dataclass(frozen=True)
class Draft:
    """A document before it is written: whose it is, the report, the stem of its files' names, and its figures.

    ``english`` is the same report in English, where it is in another language: editions are compared by its words.
    """

    account: str
    report: Report
    stem: str
    figures: tuple[Row, ...] = ()
    account_name: str = ""
    english: Report | None = None


@contextmanager
def views_over(
    lake: Lake, settings: Settings, plan: tables.Report, job: Job, now: datetime, load: int | None
) -> Iterator[Database]:
    """Yield the views over a job's period as of a load; its days are those of the job's zone."""
    from polydoc_analytics.query.connect import connect

    since, until = job.interval
    with connect(
        lake,
        as_of=load,
        timezone=job.timezone,
        since=since,
        until=until,
        account=plan.accounts or None,
        date_basis=cast("DateBasis", settings.date_basis),
        now=now,
        views=settings.views,
        accounts=settings.accounts,
        **settings.cluster,
    ) as db:
        yield db


@dataclass(frozen=True)
class Maker:
    """Makes the next edition of a job from the lake as it is.

    ``missing_sources`` have brought nothing from past the end of the period: then it is marked as incomplete. With
    ``pictures`` the first charts are drawn for mails. The same snapshot and instant give the same bytes.
    """

    store: StateStore
    lake: Lake
    settings: Settings
    plan: tables.Report
    job: Job
    now: datetime
    missing_sources: Sequence[str] = ()
    pictures: bool = False
    notify: Callable[[str], None] = field(default=lambda _: None)

    def make(self) -> Edition:
        """Write the edition's files to the store, and return it. What was made before of its number is replaced."""
        edition, missing = self._edition(), MissingLetters()
        for made in self.documents(edition):
            edition.documents.append(self._written(made, edition, missing))
        for line in missing.lines():
            self.notify(line)
        return edition

    def preview(self, write: Callable[[str, bytes], None]) -> Edition:
        """Give the names and bytes of the files that the edition would have to ``write``; the store is left alone."""
        edition, missing = self._edition(), MissingLetters()
        for made in self.documents(edition):
            for form in with_workbook(made.report, self.plan.formats):
                write(f"{made.stem}.{form}", render(made.report, form, missing))
        for line in missing.lines():
            self.notify(line)
        return edition

    def documents(self, edition: Edition) -> Iterator[Draft]:
        """Yield the documents of an edition, everybody's last, and enter into it what has changed."""
        job = self.job
        before = job.editions[-1] if job.editions else None
        compared = EditionComparison.with_edition(self.store, self.lake, job, before, edition) if before else None
        row = self.lake.snapshot().row
        edition.load = row.number if row else None
        with views_over(self.lake, self.settings, self.plan, job, self.now, edition.load) as db:
            edition.snapshot = db.snapshot or ""
            totals = headlines(db)
            emptied = self._emptied(db, before)
            totals |= {one: Row(BY_ACCOUNT, (one,), dict.fromkeys(HEADLINE, 0)) for one in emptied}
            for made in _documents(db, self.settings, self.plan, job, edition, emptied):
                names_accounts = any(
                    column.name == "account_id"
                    for section in made.report.sections
                    if section.table
                    for column in section.table.columns
                )
                own = [totals[made.account]] if made.account in totals else []
                if not made.account and not names_accounts:
                    own = list(totals.values())
                figures = figures_of(made.english or made.report, own)
                changes: list[Change] = []
                if compared:
                    if not made.account:
                        compared.gone(one for one in totals if one)
                    changes = compared.of(made.account, figures)
                printed = made.report.in_english
                versions = []
                for version, english in ((made.report, made.english), *([(printed, None)] if printed else [])):
                    section = None
                    if compared:
                        section = compared.section(made.account, changes, ChangeWording(version, english))
                    versions.append(_marked(version, edition.number, self.missing_sources, section))
                report = replace(versions[0], in_english=versions[-1] if printed else None)
                yield replace(made, report=report, figures=figures)
        edition.changes = compared.sentences() if compared else []

    def _emptied(self, db: Database, before: Edition | None) -> list[str]:
        """List the accounts that have no runs any more, and had a statement: they are sent what is left, nothing."""
        if before is None or not self.plan.per_account:
            return []
        refused, chosen = self.lake.refused_accounts(), db.filters.accounts
        present = {one for (one,) in db.fetch("select account_id from usage_by_account").rows()}
        # Documents of an account that was erased have no files any more, and no account.
        held = {one.account for one in before.documents if one.account and one.files}
        held = {one for one in held if not chosen or one in chosen}
        return sorted(one for one in held - present if not refused.holds(one))

    def _edition(self) -> Edition:
        job, number = self.job, len(self.job.editions) + 1
        folder = f"editions/{job.report}/{job.period}/{number}"
        return Edition(
            number,
            self.now.isoformat(),
            "",
            None,
            bool(self.missing_sources),
            folder,
            kind=self.plan.kind,
            since=job.since,
            until=job.until,
            timezone=job.timezone,
            date_basis=self.settings.date_basis,
        )

    def _written(self, draft: Draft, edition: Edition, missing: MissingLetters) -> Document:
        store, folder = self.store, edition.folder
        files = {}
        for form in with_workbook(draft.report, self.plan.formats):
            file = Attachment(f"{draft.stem}.{form}", render(draft.report, form, missing))
            store.write_bytes(f"{folder}/{file.name}", file.content)
            files[file.name] = {"sha256": file.sha256, "bytes": len(file.content)}
        charts = {}
        if self.pictures:
            from polydoc_analytics.automation.delivery.pictures import pictures

            english = draft.english or draft.report.in_english
            for name, picture in pictures(draft.report, english, _CHARTS).items():
                charts[name] = f"{folder}/{draft.stem}.{name}.png"
                store.write_bytes(charts[name], picture)
            if draft.report.look.logo_type in _MAIL_LOGOS:
                charts["logo"] = f"{folder}/{draft.stem}.logo"
                store.write_bytes(charts["logo"], draft.report.look.logo)
        letter = f"{folder}/{draft.stem}.letter.json"
        brand = brand_of(self.settings) | {"account": display_text(draft.account_name) if draft.account_name else ""}
        message = _message(draft.report, self.plan, self.job, edition.number, charts)
        store.write(letter, replace(message, brand=brand).stored())
        figures = Attachment(f"{draft.stem}.figures.json", stored(draft.figures))
        store.write_bytes(f"{folder}/{figures.name}", figures.content)
        return Document(draft.account, letter, files, charts, f"{folder}/{figures.name}", figures.sha256)


def _documents(
    db: Database, settings: Settings, plan: tables.Report, job: Job, edition: Edition, emptied: Sequence[str]
) -> Iterator[Draft]:
    from polydoc_analytics.reports.branding import branding
    from polydoc_analytics.reports.builders import builder
    from polydoc_analytics.reports.builders.statement import statement_of
    from polydoc_analytics.reports.builders.statement_data import account_data, data_without_runs
    from polydoc_analytics.reports.builders.statement_index import index
    from polydoc_analytics.reports.write import context

    shown: Context = context(db, branding=branding(settings.branding, settings.folder), accounts=settings.accounts)
    stem = f"{plan.name}_{job.period}"
    suffix = f"_edition-{edition.number}" if edition.number > 1 else ""
    if not plan.per_account:
        yield Draft("", builder(plan.kind)(shown), f"{stem}{suffix}")
        return
    accounts = [row[0] for row in db.fetch("select account_id from usage_by_account order by account_id").rows()]
    stems = {account: f"{plan.kind}_{shown.slug_of(account)}{suffix}" for account in (*accounts, *emptied)}
    in_english = replace(shown, customers={}, branding=replace(shown.branding, locale=ENGLISH_LOCALE))
    unfit: SumError | None = None
    try:
        for data in chain(data_without_runs(shown, emptied), account_data(shown, accounts)):
            report = statement_of(shown, data, edition.number)
            is_english = report.words.language == ENGLISH
            english = None if is_english else statement_of(in_english, data, edition.number)
            name = shown.names.get(data.account_id, "")
            yield Draft(data.account_id, report, stems[data.account_id], account_name=name, english=english)
    except SumError as error:
        unfit = error  # the index and the ledger say so; the other accounts get their statements
        edition.left_out = f"no statement for {counted(len(error.accounts), 'account')}: {error}"
    yield Draft("", index(shown, stems, unfit), f"{stem}{suffix}")


def _marked(report: Report, number: int, missing_sources: Sequence[str], changes: Section | None) -> Report:
    say, facts, head = report.words.gettext, report.facts, report.head
    marks = [say("Edition {number}", number=number)] if number > 1 else []
    if head and number > 1:
        replaced = say("{number}, replaces edition {before}", number=number, before=number - 1)
        head = replace(head, facts=(*head.facts, (say("Edition"), replaced)))
    if missing_sources:
        sources = ", ".join(missing_sources)
        marks.append(say("Incomplete: {sources} had brought nothing from past the end of the period", sources=sources))
        said = say(
            "{sources} had brought nothing from past the end of the period when this was made; figures may still grow.",
            sources=sources,
        )
        facts = ((say("Incomplete"), said), *facts)
    sections = (changes, *report.sections) if changes else report.sections
    subtitle = ". ".join(filter(None, (*marks, report.subtitle)))
    return replace(report, subtitle=subtitle, facts=facts, sections=sections, head=head)


def _message(report: Report, plan: tables.Report, job: Job, number: int, charts: Mapping[str, str]) -> Message:
    figures = []
    for figure in (figure for section in report.sections if not section.is_empty for figure in section.figures):
        notes = []
        if figure.change and figure.before:
            change, before = figure.change.text, figure.before.text
            notes.append(report.words.gettext("{change} against {before}", change=change, before=before))
        value = f"{figure.value.text} {figure.unit}".strip()
        figures.append((figure.label, value, "; ".join(filter(None, (*notes, figure.note)))))
    drawn = {chart.name: chart for section in report.sections for chart in section.charts}
    data: dict[str, Any] = {
        "report": plan.name,
        "kind": report.kind,
        "period": job.period,
        "since": job.since,
        "until": job.until,
        "timezone": job.timezone,
        "edition": number,
        "snapshot": report.snapshot,
    }
    return Message(
        "report",
        report.title,
        report.period,
        tuple(filter(None, (report.subtitle, *_said(report)))),
        tuple(figures[:_FIGURES]),
        tuple((drawn[name].title, drawn[name].sentence, name) for name in charts if name in drawn),
        data,
        locale=report.words.locale if report.words.language != ENGLISH else "",
    )


def _said(report: Report) -> Iterator[str]:
    """Yield the sentences of a report that a message has too: what changed, and that there is nothing to show."""
    for section in report.sections:
        if section.name == "editions" or section.is_empty:
            yield from section.text


def package_of(store: StateStore, job: Job, edition: Edition, document: Document) -> Package:
    """Return a document as it was made; raises LakeError where its files are not what the ledger says."""
    files = []
    for name, known in document.files.items():
        file = Attachment(name, store.read_bytes(f"{edition.folder}/{name}"))
        if file.sha256 != known["sha256"]:
            raise LakeError(f"{store.shown}/{edition.folder}/{name}: is not what was made; make it anew with --rerun")
        files.append(file)
    places = {
        "report": job.report,
        "period": job.period,
        "edition": str(edition.number),
        "account": file_name(document.account) if document.account else "all",
    }
    stored = store.read(document.letter)
    if stored is None:
        raise LakeError(f"{store.shown}/{document.letter}: is missing; make the report anew with --rerun")
    charts = {name: store.read_bytes(path) for name, path in document.charts.items()}
    return Package(Message.of(stored), datetime.fromisoformat(edition.made_at), tuple(files), charts, places)

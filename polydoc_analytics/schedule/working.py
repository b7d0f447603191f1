"""One pass of a scheduler: what is due is entered, made and sent, in order, until it is done or has to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from polydoc_analytics.alerts.checking import Checked, check
from polydoc_analytics.config import Settings
from polydoc_analytics.delivery.outbox import deliver_all, put
from polydoc_analytics.delivery.parcels import Delivery, Letter, Parcel, Try, key_of
from polydoc_analytics.delivery.sending import OUTPUT, PUTS, Clock, back_off, deliver, deliveries_to, output_target
from polydoc_analytics.delivery.shelf import Shelf
from polydoc_analytics.errors import PolydocError, SourceError
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.plan import Plans, ReportPlan, TargetPlan
from polydoc_analytics.schedule.ledger import Book, Document, Edition, Job, Progress
from polydoc_analytics.schedule.making import make, parcel
from polydoc_analytics.schedule.planning import enrol, missing, opened

Tell = Callable[[str], None]
_SUMMARIES = ("slack", "webhook")
"""Kinds that hear once of statements for many accounts, not once an account."""


@dataclass
class Pass:
    """What a pass did: the jobs that it worked on, what the alerts said, and notices that reached nobody."""

    jobs: list[Job] = field(default_factory=list)
    alerts: Checked | None = None
    lost: list[Any] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Tell whether a job ended without being sent, or a notice reached nobody."""
        return bool(self.lost) or any(job.state in ("failed", "uncertain") for job in self.jobs)


@dataclass
class Scheduler:
    """Does the jobs of a lake. ``clock`` gives the instant of now, ``stop`` tells whether to end at the next step."""

    lake: Lake
    settings: Settings
    plans: Plans
    clock: Clock
    tell: Tell = field(default=lambda _: None)
    stop: Callable[[], bool] = field(default=lambda: False)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.lake)
        self.book = Book(self.shelf)

    def due(self) -> Pass:
        """Do what is due, as the one scheduler of the lake, and return what was done.

        The sources of ``[schedule] sync`` are synced first; one that fails is said, and the jobs that need it wait.
        Jobs are done in the order in which they were due; a report's later job waits for an earlier one that is to be
        tried again. Raises LakeError where there is no lake.
        """
        self._sync()
        self.lake.raise_if_none()
        with self.shelf.lock(self.tell):
            done = Pass(lost=list(deliver_all(self.shelf, self.plans, self.clock)))
            jobs = [job for plan in self.plans.reports.values() for job in enrol(self.book, plan, self.clock())]
            waiting: set[str] = set()
            for job in sorted(jobs, key=lambda job: (job.due_at, job.report)):
                if job.report in waiting or self.stop():
                    continue
                self._advance(self.plans.reports[job.report], job)
                done.jobs.append(job)
                if not job.is_open:
                    self._close(job)
                elif job.state != "held":
                    waiting.add(job.report)
            if self.plans.schedule.alerts and not self.stop():
                done.alerts = check(self.lake, self.settings, self.plans, self.clock)
                done.lost += done.alerts.lost
            else:
                done.lost += deliver_all(self.shelf, self.plans, self.clock)
        return done

    def _sync(self) -> None:
        from polydoc_analytics.configured import sources
        from polydoc_analytics.sync import sync

        known = sources(self.settings)
        for name in self.plans.schedule.sync:
            if self.stop():
                return
            try:
                sync(self.lake, known[name], tell=self.tell)
            except PolydocError as error:
                self.tell(f"{name}: {error}")

    def planned(self) -> list[Job]:
        """Return the jobs that a pass would work on or skip, in order; nothing is changed, nothing synced."""
        now = self.clock()
        found = []
        for plan in self.plans.reports.values():
            found += opened(self.book, plan, self.book.progress(plan.name)) + missing(self.book, plan, now)
        return sorted(found, key=lambda job: (job.due_at, job.report))

    def wakes_at(self) -> datetime | None:
        """Return when there is next something to do by the clock; None where nothing is planned."""
        now = self.clock()
        found = [next(plan.cron.after(now)) for plan in self.plans.reports.values()]
        for plan in self.plans.reports.values():
            jobs = opened(self.book, plan, self.book.progress(plan.name))
            found += [datetime.fromisoformat(job.next_try_at) for job in jobs if job.next_try_at]
        return min(found, default=None)

    def rerun(self, name: str, period: str, *, send: bool) -> Job:
        """Make a new edition of a period, which says what changed against the one before, and send it if asked to.

        Its files go to the report's ``output`` in any case. Raises UsageError for a report or period that means
        nothing, SourceError where the edition before is still being sent.
        """
        from polydoc_analytics.plan.cron import interval_named

        plan = self.plans.report(name)
        self.lake.raise_if_none()
        with self.shelf.lock(self.tell):
            job = self.book.job(name, period)
            now = self.clock()
            if job is None:
                found = interval_named(period, plan.timezone)
                assert found.since is not None
                assert found.until is not None
                job = Job(
                    name, period, found.since.isoformat(), found.until.isoformat(), plan.timezone, now.isoformat()
                )
            elif job.is_open and job.editions:
                raise SourceError(
                    f"{name} {period}: is still being sent; try again when `schedule show {name}` says sent"
                )
            edition = self._edition(plan, job, now, self._lacks(plan, job), send=send)
            job.editions.append(edition)
            job.state = "sending"
            progress = self.book.progress(name) or Progress(now.isoformat())
            self.book.save(job)
            self.book.save_progress(name, Progress(progress.through, list(dict.fromkeys([*progress.open, period]))))
            self._send(plan, job)
            if not job.is_open:
                self._close(job)
        return job

    def _close(self, job: Job) -> None:
        progress = self.book.progress(job.report)
        if progress and job.period in progress.open:
            left = [period for period in progress.open if period != job.period]
            self.book.save_progress(job.report, Progress(progress.through, left))

    def _advance(self, plan: ReportPlan, job: Job) -> None:
        now = self.clock()
        if job.next_try_at and now < datetime.fromisoformat(job.next_try_at):
            return
        if job.state != "sending" and not self._make(plan, job, now):
            return
        self._send(plan, job)

    def _make(self, plan: ReportPlan, job: Job, now: datetime) -> bool:
        """Make the first edition, if its data are there; tell whether there is one to be sent."""
        if job.tries and job.tries[-1].outcome == "making":
            job.tries[-1].outcome, job.tries[-1].answer = "failed", "the process ended while it was made"
            if self._give_up(job, now):
                return False
        lacks = self._lacks(plan, job)
        if lacks and now < datetime.fromisoformat(job.due_at) + plan.wait:
            return self._waits(job, "waiting", f"waits for {', '.join(lacks)}")
        if lacks and plan.incomplete == "hold":
            said = f"held: {', '.join(lacks)} not synced past the end of the period"
            if job.state != "held":
                self._notify(job, said)
            return self._waits(job, "held", said)
        job.started_at = job.started_at or now.isoformat()
        job.tries.append(Try(now.isoformat(), "making"))
        job.state, job.next_try_at = "due", None
        self.book.save(job)
        try:
            edition = self._edition(plan, job, now, lacks, send=True)
        except Exception as error:
            # Whatever it is, the next report must not fall with this one, and somebody is to hear of it.
            why = str(error) if isinstance(error, PolydocError) else f"{type(error).__name__}: {error}"
            job.tries[-1].outcome, job.tries[-1].answer = "failed", " ".join(why.split())[:500]
            if not self._give_up(job, now):
                job.state = "retrying"
                wait = back_off(self.plans.schedule, len(job.tries))
                job.next_try_at = (now + wait).isoformat()
                job.note = f"could not be made: {job.tries[-1].answer}"
                self.book.save(job)
            return False
        job.tries[-1].outcome = "made"
        job.editions.append(edition)
        job.state, job.note = "sending", "incomplete" if lacks else ""
        self.book.save(job)
        return True

    def _edition(self, plan: ReportPlan, job: Job, now: datetime, lacks: list[str], *, send: bool) -> Edition:
        pictures = send and any(self.plans.targets[name].kind == "email" for name in plan.deliver)
        edition = make(self.shelf, self.lake, self.settings, plan, job, now, lacks=lacks, pictures=pictures)
        edition.deliveries = self._deliveries(plan, job, edition, send=send)
        return edition

    def _waits(self, job: Job, state: str, note: str) -> bool:
        if (job.state, job.note) != (state, note):
            job.state, job.note = state, note
            self.book.save(job)
        return False

    def _give_up(self, job: Job, now: datetime) -> bool:
        if len(job.tries) < self.plans.schedule.attempts:
            return False
        job.note = f"could not be made, {len(job.tries)} times: {job.tries[-1].answer}"
        self._notify(job, job.note)
        job.state, job.finished_at, job.next_try_at = "failed", now.isoformat(), None
        self.book.save(job)
        return True

    def _lacks(self, plan: ReportPlan, job: Job) -> list[str]:
        """Return the sources that a job needs and that were not synced past the end of its period."""
        until = job.interval[1]
        found = []
        for name in plan.needs:
            state = self.lake.source_state(name)
            cursor = state.get("cursor") or {}
            synced = cursor.get("synced_to") or state.get("last_success_at")
            if synced is None or datetime.fromisoformat(synced) < until:
                found.append(name)
        return found

    def _targets(self, plan: ReportPlan) -> dict[str, TargetPlan]:
        targets = {name: self.plans.targets[name] for name in plan.deliver}
        return ({OUTPUT: output_target(plan.output)} if plan.output else {}) | targets

    def _deliveries(self, plan: ReportPlan, job: Job, edition: Edition, *, send: bool) -> list[Delivery]:
        from polydoc_analytics.delivery.contacts import contact_of

        targets = self._targets(plan)
        found = []
        for document in edition.documents:
            chosen = [one for name, one in targets.items() if send or name == OUTPUT]
            contacts = None
            if plan.per_account:
                # The index is for those who send; a mail with everybody's figures would go to nobody.
                without = _SUMMARIES if document.account else ("email",)
                chosen = [one for one in chosen if one.kind not in without]
                contacts = contact_of(document.account)
            parts = ("report", job.report, job.period, str(edition.number), document.account)
            found += deliveries_to(chosen, parts, contacts)
        return found

    def _send(self, plan: ReportPlan, job: Job) -> None:
        edition, targets = job.editions[-1], self._targets(plan)
        documents = {one.account: one for one in edition.documents}
        for delivery in edition.deliveries:
            if self.stop():
                return
            document = documents[delivery.account]

            def load(document: Document = document) -> Parcel:
                return parcel(self.shelf, job, edition, document)

            def save(delivery: Delivery = delivery) -> None:
                if delivery.kind not in PUTS:  # of those :meth:`_settle` saves what became of them, all at once
                    self.book.save(job)

            deliver(delivery, targets.get(delivery.target), load, save, self.clock, self.plans.schedule)
        self._settle(job, edition)

    def _settle(self, job: Job, edition: Edition) -> None:
        still = [one for one in edition.deliveries if one.is_open]
        if still:
            job.next_try_at = min(one.next_try_at or self.clock().isoformat() for one in still)
            job.note = "; ".join(f"{one.target}: {one.tries[-1].answer}" for one in still if one.tries)
            self.book.save(job)
            return
        states = {one.state for one in edition.deliveries}
        state = "uncertain" if "uncertain" in states else "failed" if "failed" in states else "sent"
        if state == "sent" and all(one.target == OUTPUT for one in edition.deliveries):
            state = "made" if self.plans.reports[job.report].deliver else "sent"
        bad = [one for one in edition.deliveries if one.state in ("uncertain", "failed")]
        note = "; ".join(f"{one.target}: {one.state}: {one.tries[-1].answer}" for one in bad)
        job.note = note or ("incomplete" if edition.is_incomplete else "")
        if bad:
            self._notify(job, f"was not delivered to all: {note}")
        job.state, job.next_try_at, job.finished_at = state, None, self.clock().isoformat()
        self.book.save(job)

    def _notify(self, job: Job, text: str) -> None:
        """Put into the outbox what went wrong, before the ledger says so: at worst it is put there twice, as one."""
        said = f"{job.report} {job.period}: {text}"
        self.tell(said)
        if not self.plans.schedule.tell:
            return
        identity = key_of("failure", job.report, job.period, str(len(job.editions)), text)
        data = {"report": job.report, "period": job.period, "note": text}
        letter = Letter("failure", f"Report {job.report} {job.period} needs attention", "", (said,), (), (), data)
        put(self.shelf, self.plans, identity, letter, self.plans.schedule.tell, self.clock())

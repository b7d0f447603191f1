"""One pass of a scheduler: what is due is entered, made and sent, in order, until it is done or has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from polydoc_analytics.automation import Plans
from polydoc_analytics.automation.alerts.evaluate import CheckResult, check
from polydoc_analytics.automation.delivery.messages import Attempt, Delivery, Message, Package, brand_of, key_of
from polydoc_analytics.automation.delivery.outbox import deliver_all, enqueue, outbox_lane
from polydoc_analytics.automation.delivery.outcome_groups import by_outcome
from polydoc_analytics.automation.delivery.parallel import Lane, Task, run_parallel
from polydoc_analytics.automation.delivery.send import PUTS, Clock, back_off, deliveries_to, is_time, output_target
from polydoc_analytics.automation.schedule.due import enrol, missing, new_job, open_jobs
from polydoc_analytics.automation.schedule.editions import Maker, package_of
from polydoc_analytics.automation.schedule.jobs import Document, Edition, Job, JobStore, Progress
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.config.choices import OUTPUT
from polydoc_analytics.config.settings import Settings
from polydoc_analytics.config.tables import AnyTarget, Report
from polydoc_analytics.errors import PolydocError, SourceError
from polydoc_analytics.lake.freshness import brought
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.cron import interval_named
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.formatting import display_text

Notify = Callable[[str], None]
_MAX_NAMED = 5
_SUMMARIES = ("slack", "webhook")
"""Kinds that hear once of statements for many accounts, not once an account."""


@dataclass
class RunSummary:
    """Summary of one scheduler run: its jobs, the alerts' result, notices that reached nobody, syncs that failed."""

    jobs: list[Job] = field(default_factory=list)
    alerts: CheckResult | None = None
    lost: list[Any] = field(default_factory=list)
    failed_syncs: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Check whether a job ended without being sent, or a notice reached nobody."""
        return bool(self.lost) or any(job.state in ("failed", "uncertain") for job in self.jobs)


@dataclass
class Scheduler:
    """Does the jobs of a lake. ``clock`` gives the instant of now, ``stop`` tells whether to end at the next step."""

    lake: Lake
    settings: Settings
    plans: Plans
    clock: Clock
    notify: Notify = field(default=lambda _: None)
    stop: Callable[[], bool] = field(default=lambda: False)

    def __post_init__(self) -> None:
        self.store = StateStore(self.lake)
        self.job_store = JobStore(self.store)

    def due(self) -> RunSummary:
        """Do what is due, as the one scheduler of the lake, and return what was done.

        The sources of ``[schedule] sync`` are synced first; one that fails is said, and the jobs that need it wait.
        Each report's jobs are done in the order in which they were due; a later one waits for an earlier one that is to
        be tried again. Deliveries are made side by side. Raises LakeError where there is no lake.
        """
        self.lake.raise_if_none()
        done = RunSummary()
        self._sync(done)
        with self.store.lock(self.notify):
            jobs = {
                plan.name: enrol(self.lake, self.job_store, plan, self.clock()) for plan in self.plans.reports.values()
            }
            lanes = [outbox_lane(self.store, self.plans, done.lost)]
            for name in sorted((name for name in jobs if jobs[name]), key=lambda name: (jobs[name][0].due_at, name)):
                lanes.append(self._lane(self.plans.reports[name], jobs[name], done))
            run_parallel(lanes, self.clock, self.plans.schedule, self.stop)
            done.jobs.sort(key=lambda job: (job.due_at, job.report))
            if self.plans.schedule.alerts and not self.stop():
                done.alerts = check(self.lake, self.settings, self.plans, self.clock)
                done.lost += done.alerts.lost
            else:
                done.lost += deliver_all(self.store, self.plans, self.clock)
        return done

    def _lane(self, plan: Report, jobs: list[Job], done: RunSummary) -> Lane:
        """Do a report's jobs one after the other: each is made, its deliveries go out, and it is settled."""
        for job in jobs:
            done.jobs.append(job)
            if self._is_ready(plan, job):
                yield self._tasks(plan, job)
                self._conclude(job, job.editions[-1])
            if not job.is_open:
                self._close(job)
            elif job.state != "held":
                return

    def _sync(self, done: RunSummary) -> None:
        from polydoc_analytics.ingest.connectors import sources
        from polydoc_analytics.lake.sync import sync

        known = sources(self.settings)
        for name in self.plans.schedule.sync:
            if self.stop():
                return
            try:
                sync(self.lake, known[name], notify=self.notify)
            except PolydocError as error:
                done.failed_syncs.append(f"{name}: {error}")

    def planned(self) -> list[Job]:
        """Return the jobs that a pass would work on or skip, in order; nothing is changed, nothing synced."""
        now = self.clock()
        found = []
        for plan in self.plans.reports.values():
            found += open_jobs(self.job_store, plan, self.job_store.progress(plan.name)) + missing(
                self.lake, self.job_store, plan, now
            )
        return sorted(found, key=lambda job: (job.due_at, job.report))

    def wakes_at(self) -> datetime | None:
        """Return when there is next something to do by the clock; None where nothing is planned."""
        now = self.clock()
        found = [next(plan.cron.after(now)) for plan in self.plans.reports.values()]
        for plan in self.plans.reports.values():
            jobs = open_jobs(self.job_store, plan, self.job_store.progress(plan.name))
            found += [datetime.fromisoformat(job.next_try_at) for job in jobs if job.next_try_at]
        return min(found, default=None)

    def preview(
        self, name: str, period: str, write: Callable[[str, bytes], None], *, timezone: str | None = None
    ) -> Edition:
        """Give the files of what the next edition of a period would be to ``write``, by their names, and return it.

        It is no edition: the ledger is left alone, and what is due stays due. Raises UsageError for a report or period
        that means nothing.
        """
        plan = self.plans.report(name)
        self.lake.raise_if_none()
        job = self._job(plan, period, timezone)
        return self._maker(plan, job, self._missing_sources(plan, job)).preview(write)

    def rerun(self, name: str, period: str, *, everybody: bool = False, timezone: str | None = None) -> Job:
        """Make a new edition of a period, and send it to those whose figures are other than what they were sent.

        With ``everybody`` it goes to all. Its days are those of the edition that it repeats, or of ``timezone``. Where
        nobody's figures have changed nothing is made. Raises UsageError for a report or period that means nothing,
        SourceError where the edition before is still being sent.
        """
        plan = self.plans.report(name)
        self.lake.raise_if_none()
        with self.store.lock(self.notify):
            job = self._job(plan, period, timezone)
            if job.is_open and job.editions:
                raise SourceError(
                    f"{name} {period}: is still being sent; try again when `schedule show {name}` says sent"
                )
            edition = self._edition(plan, job, self._missing_sources(plan, job))
            if job.editions and not everybody:
                edition.deliveries = _news(job, edition)
                if not any(one.is_open for one in edition.deliveries):
                    for path in edition.paths():
                        self.store.remove(path)
                    self.notify(f"{name} {period}: nobody's figures have changed, so nothing is sent; --all sends it")
                    return job
            job.editions.append(edition)
            job.state = "sending"
            progress = self.job_store.progress(name) or Progress()
            # The period is open before it is a job: whoever is killed in between has begun nothing.
            open_ = list(dict.fromkeys([*progress.open, period]))
            self.job_store.save_progress(name, Progress(progress.through, open_, progress.start))
            self.job_store.save(job)

            def lane() -> Lane:
                yield self._tasks(plan, job)
                self._conclude(job, edition)

            run_parallel([lane()], self.clock, self.plans.schedule, self.stop)
            if not job.is_open:
                self._close(job)
        return job

    def _job(self, plan: Report, period: str, timezone: str | None) -> Job:
        """Return the job of a period, or a new one; its days are those of its last edition unless a zone is given."""
        job = self.job_store.job(plan.name, period)
        if job is None:
            interval = interval_named(period, timezone or plan.timezone)
            zoned = plan.model_copy(update={"timezone": timezone or plan.timezone})
            return new_job(self.lake, zoned, period, interval, self.clock())
        if timezone and timezone != job.timezone:
            interval = interval_named(period, timezone)
            assert interval.since is not None
            assert interval.until is not None
            self.notify(f"{plan.name} {period}: days are those of {timezone}, before of {job.timezone}")
            job.timezone, job.since, job.until = timezone, interval.since.isoformat(), interval.until.isoformat()
        elif not timezone and plan.timezone != job.timezone:
            self.notify(
                f"{plan.name} {period}: days are those of {job.timezone}, as before, though the settings now say "
                f"{plan.timezone}; --timezone takes another"
            )
        return job

    def _close(self, job: Job) -> None:
        progress = self.job_store.progress(job.report)
        if progress and job.period in progress.open:
            left = [period for period in progress.open if period != job.period]
            self.job_store.save_progress(job.report, Progress(progress.through, left, progress.start))

    def _is_ready(self, plan: Report, job: Job) -> bool:
        """Check whether there is an edition to be sent now; it is made if its time has come."""
        now = self.clock()
        if not is_time(job.next_try_at, now):
            return False
        return job.state == "sending" or self._make(plan, job, now)

    def _make(self, plan: Report, job: Job, now: datetime) -> bool:
        """Make the first edition, if its data are there; tell whether there is one to be sent."""
        if job.tries and job.tries[-1].outcome == "making":
            job.tries[-1].outcome, job.tries[-1].answer = "failed", "the process ended while it was made"
            if self._give_up(job, now):
                return False
        missing_sources = self._missing_sources(plan, job)
        if missing_sources and now < datetime.fromisoformat(job.due_at) + plan.wait:
            return self._waits(job, "waiting", f"waits for {', '.join(missing_sources)}")
        if missing_sources and plan.incomplete == "hold":
            said = f"held: {', '.join(missing_sources)} brought nothing from past the end of the period"
            if job.state != "held":
                self._report_failure(job, said)
            return self._waits(job, "held", said)
        job.started_at = job.started_at or now.isoformat()
        job.tries.append(Attempt(now.isoformat(), "making"))
        job.state, job.next_try_at = "due", None
        self.job_store.save(job)
        try:
            edition = self._edition(plan, job, missing_sources)
        except Exception as error:
            # Whatever it is, the next report must not fall with this one, and somebody is to hear of it.
            why = str(error) if isinstance(error, PolydocError) else f"{type(error).__name__}: {error}"
            job.tries[-1].outcome, job.tries[-1].answer = "failed", " ".join(why.split())[:500]
            if not self._give_up(job, now):
                job.state = "retrying"
                wait = back_off(self.plans.schedule, len(job.tries))
                job.next_try_at = (now + wait).isoformat()
                job.note = f"could not be made: {job.tries[-1].answer}"
                self.job_store.save(job)
            return False
        job.tries[-1].outcome = "made"
        job.editions.append(edition)
        job.state, job.note = "sending", "incomplete" if missing_sources else ""
        self.job_store.save(job)
        return True

    def _maker(self, plan: Report, job: Job, missing_sources: list[str], *, pictures: bool = False) -> Maker:
        return Maker(
            self.store, self.lake, self.settings, plan, job, self.clock(), missing_sources, pictures, self.notify
        )

    def _edition(self, plan: Report, job: Job, missing_sources: list[str]) -> Edition:
        pictures = any(self.plans.targets[name].kind == "email" for name in plan.deliver)
        edition = self._maker(plan, job, missing_sources, pictures=pictures).make()
        edition.deliveries = self._deliveries(plan, job, edition)
        return edition

    def _waits(self, job: Job, state: str, note: str) -> bool:
        if (job.state, job.note) != (state, note):
            job.state, job.note = state, note
            self.job_store.save(job)
        return False

    def _give_up(self, job: Job, now: datetime) -> bool:
        if len(job.tries) < self.plans.schedule.attempts:
            return False
        job.note = f"could not be made, {len(job.tries)} times: {job.tries[-1].answer}"
        self._report_failure(job, job.note)
        job.state, job.finished_at, job.next_try_at = "failed", now.isoformat(), None
        self.job_store.save(job)
        return True

    def _missing_sources(self, plan: Report, job: Job) -> list[str]:
        """Return the sources that a job needs and that have brought nothing from past the end of its period."""
        from polydoc_analytics.ingest.connectors import sources

        known = sources(self.settings)
        until, now = job.interval[1], self.clock()
        return [name for name in plan.needs if not brought(self.lake, name, now).reaches(until + known[name].lag)]

    def _targets(self, plan: Report) -> dict[str, AnyTarget]:
        targets = {name: self.plans.targets[name] for name in plan.deliver}
        return ({OUTPUT: output_target(plan.output)} if plan.output else {}) | targets

    def _deliveries(self, plan: Report, job: Job, edition: Edition) -> list[Delivery]:
        from polydoc_analytics.automation.delivery.contacts import ContactBook

        targets, book = self._targets(plan), ContactBook()
        # The lake's id and the kind keep two lakes, or two kinds of one name, apart at whoever takes both.
        parts = ("report", self.lake.id, job.report, plan.kind, job.period, str(edition.number))
        found = []
        for document in edition.documents:
            chosen = list(targets.values())
            contacts = None
            if plan.per_account:
                # The index is for those who send; a mail with everybody's figures would go to nobody.
                without = _SUMMARIES if document.account else ("email",)
                chosen = [one for one in chosen if one.kind not in without]
                contacts = book.of(document.account)
            found += deliveries_to(chosen, parts, document.account, contacts)
        return found

    def _tasks(self, plan: Report, job: Job) -> list[Task]:
        edition, targets = job.editions[-1], self._targets(plan)
        documents = {one.account: one for one in edition.documents}

        def task(delivery: Delivery, document: Document) -> Task:
            def load() -> Package:
                return package_of(self.store, job, edition, document)

            def save() -> None:
                if delivery.kind not in PUTS:  # of those :meth:`_conclude` saves what became of them, all at once
                    self.job_store.save(job)

            return Task(delivery, targets.get(delivery.target), load, save)

        return [task(one, documents[one.account]) for one in edition.deliveries if one.is_open]

    def _conclude(self, job: Job, edition: Edition) -> None:
        still = [one for one in edition.deliveries if one.is_open]
        if still:
            job.next_try_at = min(one.next_try_at or self.clock().isoformat() for one in still)
            tried = by_outcome(one for one in still if one.tries)
            job.note = "; ".join(group.sentence(with_state=False) for group in tried)
            self.job_store.save(job)
            return
        states = {one.state for one in edition.deliveries}
        state = "uncertain" if "uncertain" in states else "failed" if "failed" in states else "sent"
        bad = [one for one in edition.deliveries if one.state in ("uncertain", "failed")]
        note = "; ".join(group.sentence() for group in by_outcome(bad))
        plan = self.plans.reports.get(job.report)
        nobodys = [] if plan is None or edition.left_out else list(_without_runs(plan, edition))
        parts = [note, edition.left_out, *nobodys, *_without_address(edition)]
        job.note = "; ".join(filter(None, [*parts, "incomplete" if edition.is_incomplete else ""]))
        if bad:
            self._report_failure(job, f"was not delivered to all: {note}")
        if edition.left_out:
            self._report_failure(job, edition.left_out)
        job.state, job.next_try_at, job.finished_at = state, None, self.clock().isoformat()
        self.job_store.save(job)

    def _report_failure(self, job: Job, text: str) -> None:
        """Put into the outbox what went wrong, before the ledger says so: at worst it is put there twice, as one."""
        said = f"{job.report} {job.period}: {text}"
        self.notify(said)
        if not self.plans.schedule.tell:
            return
        identity = key_of("failure", self.lake.id, job.report, job.period, str(len(job.editions)), text)
        data = {"report": job.report, "period": job.period, "note": text}
        message = Message(
            "failure",
            f"Report {job.report} {job.period} needs attention",
            "",
            (said,),
            (),
            (),
            data,
            brand_of(self.settings),
        )
        enqueue(self.store, self.plans, identity, message, self.plans.schedule.tell, self.clock())


def _without_address(edition: Edition) -> Iterator[str]:
    """Yield for each target of which accounts it has no contact, so that nobody got their statements."""
    skipped = [one for one in edition.deliveries if one.state == "skipped"]
    for target in dict.fromkeys(one.target for one in skipped):
        yield f"{target}: no address for {_named([one.account for one in skipped if one.target == target])}"


def _without_runs(plan: Report, edition: Edition) -> Iterator[str]:
    """Yield which of the accounts that a report names have no statement, or that there is none at all."""
    made = {document.account for document in edition.documents}
    if plan.per_account and (missing := [account for account in plan.accounts if account not in made]):
        yield f"no runs of {_named(missing)}"
    elif plan.per_account and made == {""}:
        yield "no account has runs"


def _named(accounts: list[str]) -> str:
    more = ", …" if len(accounts) > _MAX_NAMED else ""
    return f"{counted(len(accounts), 'account')}: {', '.join(map(display_text, accounts[:_MAX_NAMED]))}{more}"


def _news(job: Job, edition: Edition) -> list[Delivery]:
    """List the deliveries of documents whose figures are other than those that last reached their receivers."""
    reached: dict[tuple[str, str, str], str] = {}
    for before in job.editions:
        sent = {document.account: document.digest for document in before.documents}
        reached |= {_to(one): sent.get(one.account, "") for one in before.deliveries if one.state == "sent"}
    digests = {document.account: document.digest for document in edition.documents}
    return [one for one in edition.deliveries if reached.get(_to(one)) != digests[one.account]]


def _to(delivery: Delivery) -> tuple[str, str, str]:
    return delivery.target, delivery.receiver, delivery.account

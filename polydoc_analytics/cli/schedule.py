"""The commands of the schedule: do what is due, once or in a loop, and see what is planned and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.alerts import DryRun
from polydoc_analytics.cli.lake import LakeUri, opened_lake
from polydoc_analytics.cli.root import app
from polydoc_analytics.cli.shared import print_json
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.automation.schedule.jobs import Job
    from polydoc_analytics.automation.schedule.scheduler import RunSummary, Scheduler

schedule_app = typer.Typer(
    help="Do what is due, and see what is planned and what was done.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(schedule_app, name="schedule")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A report of the settings.", show_default=False)]
_LONGEST_SLEEP_S = 300.0
_SHOWN = 5


@schedule_app.command()
def due(
    lake: LakeUri = None,
    dry_run: DryRun = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> int:
    """Do what is due and exit, for cron, systemd, Kubernetes and Airflow: exit 3 when something reached nobody.

    A second scheduler on the same lake waits for the first, and finds nothing left to do.

    Example: polydoc-analytics schedule due --config polydoc-analytics.toml
    """
    out = opt.output(json, False, False, quiet, no_color)
    scheduler = _scheduler(lake, config, now, out)
    if dry_run:
        jobs = scheduler.planned()
        if out.format == "json":
            _print(scheduler, "schedule due", [_row(job) for job in jobs])
        for job in jobs if out.format != "json" else ():
            print(f"{job.report} {job.period}: {job.state}, due {job.due_at}")
        out.say(f"{counted(len(jobs), 'job')}; nothing was done")
        return 0
    done = scheduler.due()
    if out.format == "json":
        _print(scheduler, "schedule due", [_row(job) for job in done.jobs])
    _say(done, out)
    return 3 if done.is_bad else 0


@schedule_app.command()
def run(
    lake: LakeUri = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> int:
    """Do what is due, again and again, in the foreground, until SIGTERM or Ctrl-C; what is under way is finished."""
    import signal
    import threading
    from datetime import UTC, datetime

    from polydoc_analytics.errors import PolydocError

    out = opt.output(False, False, False, quiet, no_color)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    scheduler = _scheduler(lake, config, None, out, stop=ended.is_set)
    out.say("waiting for what is due; SIGTERM or Ctrl-C ends it")
    while not ended.is_set():
        try:
            _say(scheduler.due(), out)
        except PolydocError as error:
            out.warn(f"{error}")  # a lake out of reach for a while must not end a service
        wakes = scheduler.wakes_at()
        left = (wakes - datetime.now(UTC)).total_seconds() if wakes else _LONGEST_SLEEP_S
        ended.wait(min(max(left, 1.0), _LONGEST_SLEEP_S))
    out.say("ended")
    return 0


@schedule_app.command("list")
def list_(
    lake: LakeUri = None,
    json: opt.Json = False,
    config: opt.Config = None,
    now: opt.Now = None,
) -> None:
    """List the reports of the settings: when they are next due, and how their last job ended."""
    out = opt.output(json, False, False, False, False)
    scheduler = _scheduler(lake, config, now, out)
    rows = []
    for plan in scheduler.plans.reports.values():
        jobs = scheduler.book.jobs(plan.name)
        last = jobs[-1] if jobs else None
        rows.append(
            {
                "report": plan.name,
                "kind": plan.kind,
                "schedule": plan.cron.text,
                "timezone": plan.timezone,
                "next_at": next(plan.cron.after(scheduler.clock())).isoformat(),
                "last_period": last.period if last else None,
                "last_due_at": last.due_at if last else None,
                "state": last.state if last else None,
                "note": last.note if last else "",
                "open": sum(job.is_open for job in jobs),
            }
        )
    if json:
        _print(scheduler, "schedule list", rows)
        return
    for row in rows:
        past = f"{row['last_period']} {row['state']}" if row["state"] else "no job yet"
        note = f" ({row['note']})" if row["note"] else ""
        print(f"{row['report']}: next {row['next_at']} ({row['schedule']}, {row['timezone']}); {past}{note}")


@schedule_app.command()
def show(
    name: Name,
    lake: LakeUri = None,
    json: opt.Json = False,
    config: opt.Config = None,
    now: opt.Now = None,
) -> None:
    """Show one report: its next times, its last jobs, their states and tries."""
    from itertools import islice

    out = opt.output(json, False, False, False, False)
    scheduler = _scheduler(lake, config, now, out)
    plan = scheduler.plans.report(name)
    upcoming = [due.isoformat() for due in islice(plan.cron.after(scheduler.clock()), _SHOWN)]
    jobs = scheduler.book.jobs(name)[-_SHOWN:]
    if json:
        tries = [{**_row(job), "tries": [_try(one) for one in job.tries]} for job in jobs]
        _print(scheduler, "schedule show", [{"report": name, "next": upcoming, "jobs": tries}])
        return
    print(f"{name}: {plan.kind}, {plan.period}, {plan.cron.text} in {plan.timezone}")
    for at in upcoming:
        print(f"    next {at}")
    for job in reversed(jobs):
        print(f"    {job.period} {job.state}, due {job.due_at}{f': {job.note}' if job.note else ''}")
        for one in job.tries:
            print(f"        {one.at} {one.outcome}{f': {one.answer}' if one.answer else ''}")


@schedule_app.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this report.", show_default=False)] = None,
    lake: LakeUri = None,
    top: opt.Top = None,
    json: opt.Json = False,
    config: opt.Config = None,
) -> None:
    """List the jobs, the newest first: every edition with its files, its receivers and what they answered; notices too.

    Example: polydoc-analytics schedule history weekly
    """
    from polydoc_analytics.automation.delivery.outbox import notices
    from polydoc_analytics.automation.schedule.jobs import JobStore
    from polydoc_analytics.automation.state_store import StateStore

    out = opt.output(json, False, False, False, False)
    target = opened_lake(lake, opt.configured(config), out, must_exist=True)
    shelf = StateStore(target)
    jobs = list(reversed(JobStore(shelf).jobs(name)))[:top]
    told = [] if name else list(reversed(notices(shelf)))[:top]
    if json:
        sections = [{"name": "jobs", "data": [_row(job) for job in jobs]}, {"name": "notices", "data": told}]
        head = {"schema_version": 1, "report": "schedule history", "lake": target.place.shown}
        print_json(head | {"sections": sections})
        return
    for job in jobs:
        print(f"{job.report} {job.period}: {job.state}, due {job.due_at}{f' ({job.note})' if job.note else ''}")
        for edition in job.editions:
            mark = ", incomplete" if edition.is_incomplete else ""
            print(f"    edition {edition.number}, made {edition.made_at} from {edition.snapshot}{mark}")
            for line in edition.changes:
                print(f"        {line}")
            for document in edition.documents:
                for file, known in document.files.items():
                    print(f"        {file}  {known['bytes']:,} bytes  SHA-256 {known['sha256']}")
            for one in edition.deliveries:
                _print_delivery(one.target, one.receiver, one.state, one.tries)
    for notice in told:
        print(f"notice: {notice['letter']['title']}, {notice['made_at']}")
        for one in notice["deliveries"]:
            tries = counted(len(one["tries"]), "try", "tries")
            print(f"        {one['target']} {one['receiver']}: {one['state']}, {tries}")


def _print_delivery(target: str, receiver: str, state: str, tries: list[Any]) -> None:
    print(f"        {target} {receiver}: {state}")
    for one in tries:
        print(f"            {one.at} {one.outcome}: {one.answer}")


def _scheduler(lake: str | None, config: str | None, now: str | None, out: opt.Output, **more: Any) -> Scheduler:
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.schedule.scheduler import Scheduler

    settings = opt.configured(config)
    at = opt.parsed_now(now) if now else None
    return Scheduler(
        opened_lake(lake, settings, out, must_exist=True),
        settings,
        plans(settings),
        lambda: at or opt.parsed_now(None),
        out.say,
        **more,
    )


def _say(done: RunSummary, out: opt.Output) -> None:
    for job in done.jobs:
        out.say(f"{job.report} {job.period}: {job.state}{f' ({job.note})' if job.note else ''}")
    for one in done.alerts.started if done.alerts else ():
        out.warn(f"{one.alert}: {one.what}")
    for name in done.alerts.recovered if done.alerts else ():
        out.say(f"over: {name}")
    for notice in done.lost:
        out.warn(f"'{notice['letter']['title']}' reached nobody; see `polydoc-analytics schedule history`")


def _print(scheduler: Scheduler, report: str, rows: list[dict[str, Any]]) -> None:
    print_json({"schema_version": 1, "report": report, "lake": scheduler.lake.place.shown, "data": rows})


def _try(one: Any) -> dict[str, str]:
    return {"at": one.at, "outcome": one.outcome, "answer": one.answer}


def _row(job: Job) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(job), "is_open": job.is_open}

"""The commands of the schedule: run due jobs once or in a loop, list planned and past jobs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.alerts import DryRun
from polydoc_analytics.cli.completion import of_settings
from polydoc_analytics.cli.output import Output, output_of
from polydoc_analytics.cli.root import command, group
from polydoc_analytics.cli.shared import opened_lake, print_json
from polydoc_analytics.errors import UsageError, nearest, require_extra
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.automation.schedule.jobs import Job
    from polydoc_analytics.automation.schedule.scheduler import RunSummary, Scheduler

schedule_app = group("schedule", "Run what is due, and see what is planned and what was done.")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A report of the settings.", show_default=False, autocompletion=of_settings("reports")
    ),
]
LogFormat = Annotated[
    str, typer.Option("--log-format", metavar="text|json", help="How events are logged: text or json.")
]
_MAX_SLEEP_S = 300.0
_MAX_JOBS = 5


@command(schedule_app)
def due(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    dry_run: DryRun = False,
    now: opt.Now = None,
) -> int:
    """Run what is due and exit, for cron, systemd, Kubernetes and Airflow: exit 3 when something reached nobody.

    A second scheduler on the same lake waits for the first, and finds nothing left to do.

    Example: polydoc-analytics schedule due --config polydoc-analytics.toml

    Example: polydoc-analytics schedule due --dry-run
    """
    out = output_of(printing)
    scheduler = _scheduler(where.lake, where.config, now, out)
    if dry_run:
        jobs = scheduler.planned()
        if out.format == "json":
            _print(scheduler, "schedule due", [_row(job) for job in jobs])
        for job in jobs if out.format != "json" else ():
            zone = scheduler.plans.report(job.report).timezone
            print(f"{job.report} {job.period}: {job.state}, due {_local(job.due_at, zone)}")
        out.say(f"{counted(len(jobs), 'job')}; nothing was done")
        return 0
    done = scheduler.due()
    if out.format == "json":
        _print(scheduler, "schedule due", [_row(job) for job in done.jobs])
    _say_summary(done, out)
    return 3 if done.is_bad else 2 if done.alerts and done.alerts.errors else 0


@command(schedule_app)
def run(
    *,
    where: opt.LakeChoice,
    printing: opt.Noticing,
    log_format: LogFormat = "text",
) -> int:
    """Run what is due, again and again, in the foreground, until SIGTERM or Ctrl-C; a job under way is finished.

    It logs to standard error, a line with time and level for each event; `--log-format json` writes JSON objects.

    Example: polydoc-analytics schedule run --log-format json

    Example: polydoc-analytics schedule run --lake lake
    """
    import signal
    import threading
    from datetime import UTC, datetime

    from polydoc_analytics.cli.log_output import LOG_FORMATS, LogOutput
    from polydoc_analytics.errors import PolydocError

    plain = output_of(printing)
    log_format = opt.one_of("log format", log_format, LOG_FORMATS)
    out = LogOutput(plain.format, plain.quiet, plain.color, plain.width, log_format=log_format)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    scheduler = _scheduler(where.lake, where.config, None, out, stop=ended.is_set)
    out.say("waiting for what is due; SIGTERM or Ctrl-C ends it")
    while not ended.is_set():
        try:
            _say_summary(scheduler.due(), out)
        except PolydocError as error:
            out.error(f"{error}")  # a lake out of reach for a while must not end a service
        try:
            next_at = scheduler.wakes_at()
        except PolydocError:
            next_at = None
        left = (next_at - datetime.now(UTC)).total_seconds() if next_at else _MAX_SLEEP_S
        ended.wait(min(max(left, 1.0), _MAX_SLEEP_S))
    out.say("ended")
    return 0


@command(schedule_app, "list")
def list_(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    now: opt.Now = None,
) -> None:
    """List the reports of the settings: when they are next due, and how their last job ended.

    Example: polydoc-analytics schedule list

    Example: polydoc-analytics schedule list --json
    """
    out = output_of(printing)
    scheduler = _scheduler(where.lake, where.config, now, out)
    rows: list[dict[str, Any]] = []
    for plan in scheduler.plans.reports.values():
        jobs = scheduler.job_store.jobs(plan.name)
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
    if out.format == "json":
        _print(scheduler, "schedule list", rows)
        return
    for row in rows:
        past = f"{row['last_period']} {row['state']}" if row["state"] else "no job yet"
        note = f" ({row['note']})" if row["note"] else ""
        at = _local(row["next_at"], row["timezone"])
        print(f"{row['report']}: next {at} ({row['schedule']}, {row['timezone']}); {past}{note}")


def _local(at: str, timezone: str) -> str:
    from polydoc_analytics.cli.tables import local_text

    return local_text(datetime.fromisoformat(at), timezone)


@command(schedule_app)
def show(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    name: Name,
    now: opt.Now = None,
) -> None:
    """Show one report: its next times, its last jobs, their states and tries.

    Example: polydoc-analytics schedule show weekly

    Example: polydoc-analytics schedule show weekly --json
    """
    from itertools import islice

    out = output_of(printing)
    scheduler = _scheduler(where.lake, where.config, now, out)
    plan = scheduler.plans.report(name)
    upcoming = [due.isoformat() for due in islice(plan.cron.after(scheduler.clock()), _MAX_JOBS)]
    jobs = scheduler.job_store.jobs(name)[-_MAX_JOBS:]
    if out.format == "json":
        tries = [{**_row(job), "tries": [_attempt(attempt) for attempt in job.tries]} for job in jobs]
        _print(scheduler, "schedule show", [{"report": name, "next": upcoming, "jobs": tries}])
        return
    print(f"{name}: {plan.kind}, {plan.period}, {plan.cron.text} in {plan.timezone}")
    for at in upcoming:
        print(f"    next {_local(at, plan.timezone)}")
    for job in reversed(jobs):
        due_at = _local(job.due_at, plan.timezone)
        print(f"    {job.period} {job.state}, due {due_at}{f': {job.note}' if job.note else ''}")
        for attempt in job.tries:
            at = _local(attempt.at, plan.timezone)
            print(f"        {at} {attempt.outcome}{f': {attempt.answer}' if attempt.answer else ''}")


@command(schedule_app)
def history(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Only this report.", show_default=False, autocompletion=of_settings("reports")
        ),
    ] = None,
    top: opt.Top = None,
) -> None:
    """List the jobs, the newest first: editions, their files, their receivers and what they answered; notices too.

    An error that hit many receivers is one line. `--json` has every edition and try.

    Example: polydoc-analytics schedule history weekly

    Example: polydoc-analytics schedule history --top 5 --json
    """
    import polars as pl

    from polydoc_analytics.automation.delivery.outbox import notices
    from polydoc_analytics.automation.schedule.jobs import JobStore
    from polydoc_analytics.automation.state_store import StateStore
    from polydoc_analytics.cli.schedule_history import changes, tables
    from polydoc_analytics.cli.tables import terminal_table
    from polydoc_analytics.config.settings import account_names

    out = output_of(printing)
    settings = opt.configured(where.config)
    target = opened_lake(where.lake, settings, out, must_exist=True)
    store = StateStore(target)
    jobs = list(reversed(JobStore(store).jobs(name)))[:top]
    known = [report.name for report in settings.reports]
    if name and not jobs and name not in known:
        expected = ", ".join(known) or "one that has a job"
        raise UsageError(f"unknown report '{name}'{nearest(name, known)}; expected {expected}")
    sent = [] if name else list(reversed(notices(store)))[:top]
    if out.format == "json":
        sections = [{"name": "jobs", "data": [_row(job) for job in jobs]}, {"name": "notices", "data": sent}]
        head = {"schema_version": 1, "report": "schedule history", "lake": target.place.shown}
        print_json(head | {"sections": sections})
        return
    built = tables(jobs, sent, {**target.account_names(), **account_names(settings.accounts)})
    parts = [
        terminal_table(
            pl.DataFrame(rows, infer_schema_length=None),
            title=title,
            width=out.width,
            timezone=settings.timezone,
            more="--json",
        )
        for title, rows in built.items()
    ]
    print("\n\n".join([*parts, *("\n".join(lines) for lines in [list(changes(jobs))] if lines)]) or "no jobs yet")


def _scheduler(lake: str | None, config: str | None, now: str | None, out: Output, **more: Any) -> Scheduler:
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.schedule.scheduler import Scheduler

    require_extra("schedule", "a schedule")
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


def _say_summary(summary: RunSummary, out: Output) -> None:
    for error in summary.failed_syncs:
        out.error(error)
    for job in summary.jobs:
        say = out.error if job.state in ("failed", "uncertain") else out.say
        say(f"{job.report} {job.period}: {job.state}{f' ({job.note})' if job.note else ''}")
    for error in summary.alerts.errors if summary.alerts else ():
        out.error(error)
    for alert in summary.alerts.started if summary.alerts else ():
        out.warn(f"{alert.alert}: {alert.sentence}")
    for name in summary.alerts.recovered if summary.alerts else ():
        out.say(f"over: {name}")
    for notice in summary.lost:
        out.error(f"'{notice['letter']['title']}' reached nobody; see `polydoc-analytics schedule history`")


def _print(scheduler: Scheduler, report: str, rows: list[dict[str, Any]]) -> None:
    print_json({"schema_version": 1, "report": report, "lake": scheduler.lake.place.shown, "data": rows})


def _attempt(attempt: Any) -> dict[str, str]:
    return {"at": attempt.at, "outcome": attempt.outcome, "answer": attempt.answer}


def _row(job: Job) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(job), "is_open": job.is_open}

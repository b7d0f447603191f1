"""The command ``report``: reads its flags, asks the package for a report, and says what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.root import app
from polydoc_analytics.cli.shared import connected, one_or_many
from polydoc_analytics.cli.terminal import print_bytes
from polydoc_analytics.config.settings import Settings
from polydoc_analytics.errors import UsageError, refuse_address
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.automation.schedule.jobs import Edition
    from polydoc_analytics.automation.schedule.scheduler import Scheduler

_KIND = "overview, statement (of one --account, or --all-accounts), languages, quality, or one of your own."


@app.command()
def report(
    source: Annotated[list[str] | None, typer.Argument(help=opt.SOURCE_HELP, show_default=False)] = None,
    kind: Annotated[str, typer.Option("--kind", help=_KIND)] = "overview",
    formats: Annotated[str, typer.Option("--format", help="Some of html,pdf,xlsx,md,json.")] = "html",
    out_folder: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The folder to write to; - prints one format.")
    ] = ".",
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", help="One statement for each account, and an index.")
    ] = False,
    rerun: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--rerun", metavar="NAME PERIOD", help="A report of the settings anew (2026-10); a look, in --out."
        ),
    ] = None,
    send: Annotated[
        bool,
        typer.Option("--send", help="With --rerun: make it an edition, for those whose figures have changed."),
    ] = False,
    everybody: Annotated[bool, typer.Option("--all", help="With --send: to everybody, changed or not.")] = False,
    since: opt.Since = None,
    until: opt.Until = None,
    last: opt.Last = None,
    period: opt.Period = None,
    timezone: opt.Timezone = None,
    account: opt.Account = None,
    language: opt.LanguageTag = None,
    date_basis: opt.DateBasis = None,
    as_of: opt.AsOf = None,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    partial: opt.Partial = False,
    strict: opt.Strict = False,
    quarantine: opt.Quarantine = None,
    views: opt.Views = None,
    engine: opt.Engine = None,
    remote: opt.Remote = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> int:
    """Write a report: HTML to read, PDF to send, XLSX to reckon with, Markdown, JSON.

    Figures are compared with the preceding period of the same kind, to date where the period is in progress.

    Example: polydoc-analytics report exports/ --period last-month --format html,pdf --out reports/
    """
    from polydoc_analytics.lake.resolve import resolve
    from polydoc_analytics.loaders.options import ReadOptions
    from polydoc_analytics.reports.branding import branding
    from polydoc_analytics.reports.builders import builder
    from polydoc_analytics.reports.renderers import render
    from polydoc_analytics.reports.write import checked_all, checked_formats, context, hashed, statements, write

    out = opt.output(False, False, False, quiet, no_color)
    refuse_address(out_folder)
    settings = opt.configured(config, timezone, date_basis, views, engine, remote)
    if rerun is not None or not source:
        if everybody and not send:
            raise UsageError("--all goes with --send, which sends a new edition to those whose figures have changed")
        return _rerun(rerun, source, send, everybody, timezone, Path(out_folder), out, settings, now)
    if send or everybody:
        raise UsageError("--send and --all go with --rerun, whose report says to whom it is delivered")
    wanted = checked_formats(formats)
    make = builder(kind)
    if out_folder == "-" and len(wanted) > 1:
        raise UsageError(f"--out - prints one format, and {len(wanted)} are asked for; give one with --format")
    if all_accounts:
        checked_all(kind)
        if out_folder == "-":
            raise UsageError("--all-accounts writes many files; give a folder with --out")
    brand = branding(settings.branding, settings.folder)
    resolved = resolve(one_or_many(source), ReadOptions(input_format))
    with (
        hashed(resolved, settings.engine) as files,
        connected(
            resolved,
            out,
            settings,
            since=since,
            until=until,
            last=last,
            period=period,
            as_of=as_of,
            account=account,
            language=language,
            now=now,
            input_format=input_format,
            assume_utc=assume_utc,
            partial=partial,
            strict=strict,
            quarantine=quarantine,
            views=settings.views,
            **settings.cluster,
        ) as db,
    ):
        found = context(db, branding=brand, accounts=settings.accounts, files=files.result())
        if all_accounts:
            with opt.progress(out) as update:
                paths = statements(found, wanted, Path(out_folder), update)
            out.say(f"{counted(len(paths), 'file')}; the index: {', '.join(map(str, paths[: len(wanted)]))}")
            return 0
        made = make(found)
    if out_folder == "-":
        print_bytes(render(made, wanted[0]))
        return 0
    for path in write(made, wanted, Path(out_folder)):
        out.say(str(path))
    return 0


def _rerun(
    rerun: tuple[str, str] | None,
    source: list[str] | None,
    send: bool,
    everybody: bool,
    timezone: str | None,
    folder: Path,
    out: opt.Output,
    settings: Settings,
    now: str | None,
) -> int:
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.schedule.scheduler import Scheduler
    from polydoc_analytics.cli.lake import opened_lake

    if rerun is None:
        raise UsageError(
            "which source? give a file, folder or lake; or --rerun NAME PERIOD of a report of the settings"
        )
    if source:
        raise UsageError("--rerun takes its runs from the lake of the settings; leave the source out")
    if folder == Path("-"):
        raise UsageError("--rerun writes files under their own names; give a folder with --out")
    lake, at = opened_lake(None, settings, out, must_exist=True), opt.parsed_now(now)
    scheduler = Scheduler(lake, settings, plans(settings), lambda: at, out.say)
    if not send:
        return _preview(scheduler, rerun, timezone, folder, out)
    before = scheduler.book.job(*rerun)
    job = scheduler.rerun(*rerun, everybody=everybody, timezone=timezone)
    if before and len(before.editions) == len(job.editions):
        return 0
    edition = job.editions[-1]
    out.say(f"{job.report} {job.period}, edition {edition.number}: {job.state}")
    _say_changes(edition, out)
    for document in edition.documents:
        for name in document.files:
            print(f"{edition.folder}/{name}")
    return 0 if job.state == "sent" else 3


def _preview(scheduler: Scheduler, rerun: tuple[str, str], timezone: str | None, folder: Path, out: opt.Output) -> int:
    from polydoc_analytics.reports.write import write_bytes

    written: list[Path] = []
    edition = scheduler.preview(
        *rerun, lambda name, content: written.append(write_bytes(folder / name, content)), timezone=timezone
    )
    out.say(f"{' '.join(rerun)}: a look, and no edition; --send makes it edition {edition.number} and sends it")
    _say_changes(edition, out)
    for path in written:
        print(path)
    return 0


def _say_changes(edition: Edition, out: opt.Output) -> None:
    for line in edition.changes or (["no figure has changed"] if edition.number > 1 else []):
        out.say(f"    {line}")

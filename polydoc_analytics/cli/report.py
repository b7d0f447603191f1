"""The command ``report``: write a report, or make one of the settings anew."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import completion
from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import Output, output_of, progress
from polydoc_analytics.cli.root import command
from polydoc_analytics.cli.shared import connected, one_or_many, opened_lake, source_or_default
from polydoc_analytics.cli.terminal import print_bytes
from polydoc_analytics.config.settings import Settings
from polydoc_analytics.errors import PolydocError, UsageError, refuse_address, require_extra
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    from polydoc_analytics.automation.schedule.jobs import Edition
    from polydoc_analytics.automation.schedule.scheduler import Scheduler
    from polydoc_analytics.reports.renderers import MissingLetters

_KIND = "overview, statement (of one --account, or --all-accounts), languages, quality, or one of your own."
_OF_A_RERUN = ("timezone", "date_basis", "now", "config")
"""Flags of every report that one of the settings takes too; its other choices stand there."""


@command()
def report(
    *,
    printing: opt.Noticing,
    choice: opt.Choice,
    reading: opt.StrictReading,
    answering: opt.Answering,
    source: opt.Source = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help=_KIND, autocompletion=completion.kinds)
    ] = "overview",
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMATS",
            help="Some of html,pdf,xlsx,md,json.",
            autocompletion=completion.lists_of("html", "pdf", "xlsx", "md", "json"),
        ),
    ] = "html",
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
    show: Annotated[bool, typer.Option("--open", help="Open the page (or the first file) when it is written.")] = False,
    watch: Annotated[
        int | None,
        typer.Option(
            "--watch",
            metavar="SECONDS",
            min=5,
            help="Write it anew again and again; an open page follows, with its filters. Ctrl-C ends.",
        ),
    ] = None,
    views: opt.Views = None,
) -> int:
    """Write a report: HTML to read, PDF to send, XLSX to calculate with, Markdown, JSON.

    Figures are compared with the preceding period of the same kind, to date where the period is in progress.
    ``--period this-month --watch 60 --open`` keeps it up to date in a browser.

    Example: polydoc-analytics report exports/ --period last-month --format html,pdf --out reports/

    Example: polydoc-analytics report exports/ --kind statement --all-accounts --period 2026-10 --out statements/
    """
    from polydoc_analytics.lake.resolve import resolve
    from polydoc_analytics.loaders.options import ReadOptions
    from polydoc_analytics.reports.branding import branding
    from polydoc_analytics.reports.builders import builder
    from polydoc_analytics.reports.renderers import MissingLetters, render
    from polydoc_analytics.reports.write import (
        charts_started,
        checked_all,
        checked_formats,
        context,
        hashed,
        statements,
        write,
    )

    out = output_of(printing)
    refuse_address(out_folder)
    require_extra("reports" if rerun is None else "schedule", "a report")
    settings = opt.configured(
        reading.config, choice.timezone, choice.date_basis, views, answering.engine, answering.remote
    )
    if everybody and not send:
        raise UsageError("--all goes with --send, which sends a new edition to those whose figures have changed")
    if rerun is not None:
        if source:
            raise UsageError("--rerun takes its runs from the lake of the settings; leave the source out")
        own = {"kind": kind != "overview", "format": formats != "html", "all_accounts": all_accounts}
        given = {**vars(choice), **vars(reading), **own, "open": show, "watch": watch}
        if ignored := [key for key, value in given.items() if value and key not in _OF_A_RERUN]:
            raise UsageError(f"--{ignored[0].replace('_', '-')} says nothing beside --rerun; leave it out")
        return _rerun(rerun, send, everybody, Path(out_folder), choice, settings, out)
    if send or everybody:
        raise UsageError("--send and --all go with --rerun, whose report says to whom it is delivered")
    wanted = checked_formats(formats)
    build = builder(kind)
    if out_folder == "-" and len(wanted) > 1:
        raise UsageError(f"--out - prints one format, and {len(wanted)} are asked for; give one with --format")
    if all_accounts:
        checked_all(kind)
        if out_folder == "-":
            raise UsageError("--all-accounts writes many files; give a folder with --out")
    brand = branding(settings.branding, settings.folder)
    sources = one_or_many(source_or_default(source, settings, out))
    if (watch or show) and (out_folder == "-" or all_accounts):
        raise UsageError("--open and --watch go with one report that is written to a folder")
    if watch and sources == "-":
        raise UsageError("--watch reads its source again and again, which standard input cannot give")

    def written() -> list[Path]:
        resolved = resolve(sources, ReadOptions(reading.input_format))
        with (
            hashed(resolved, settings.engine) as files,
            connected(
                resolved, out, settings, choice=choice, reading=reading, views=settings.views, **settings.cluster
            ) as db,
            charts_started(wanted),
        ):
            report_context = context(db, branding=brand, accounts=settings.accounts, files=files)
            missing = MissingLetters()
            if all_accounts:
                with progress(out) as update:
                    paths = statements(report_context, wanted, Path(out_folder), update, missing)
                _say_missing(missing, out)
                out.say(f"{counted(len(paths), 'file')}; the index: {', '.join(map(str, paths[: len(wanted)]))}")
                return paths
            content = replace(build(report_context), reload_s=watch or 0)
        if out_folder == "-":
            print_bytes(render(content, wanted[0], missing))
            _say_missing(missing, out)
            return []
        paths = write(content, wanted, Path(out_folder), missing=missing)
        for path in paths:
            out.say(str(path))
        _say_missing(missing, out)
        return paths

    paths = written()
    if show:
        webbrowser.open(paths[0].resolve().as_uri())
    if watch:
        _repeat(written, watch, out)
    return 0


def _say_missing(missing: MissingLetters, out: Output) -> None:
    for line in missing.lines():
        out.say(line)


def _repeat(write: Callable[[], object], seconds: int, out: Output) -> None:
    """Write again and again until Ctrl-C; where that fails, it is said, and the last good report stays."""
    with suppress(KeyboardInterrupt):
        while True:
            sleep(seconds)
            try:
                write()
            except PolydocError as error:
                out.warn(f"{error}; the report stays as it was, and is tried again in {seconds} s")


def _rerun(
    rerun: tuple[str, str],
    send: bool,
    everybody: bool,
    folder: Path,
    choice: opt.Choice,
    settings: Settings,
    out: Output,
) -> int:
    from polydoc_analytics.automation import plans
    from polydoc_analytics.automation.schedule.scheduler import Scheduler
    from polydoc_analytics.model.cron import name_as_stored

    if folder == Path("-"):
        raise UsageError("--rerun writes files under their own names; give a folder with --out")
    lake, at = opened_lake(None, settings, out, must_exist=True), opt.parsed_now(choice.now)
    scheduler = Scheduler(lake, settings, plans(settings), lambda: at, out.say)
    name, period = rerun
    # One period must have one name in the ledger, whatever it is called here, or it would be sent twice.
    rerun = name, name_as_stored(period, choice.timezone or scheduler.plans.report(name).timezone or "UTC", at)
    if not send:
        return _preview(scheduler, rerun, choice.timezone, folder, out)
    before = scheduler.job_store.job(*rerun)
    job = scheduler.rerun(*rerun, everybody=everybody, timezone=choice.timezone)
    if before and len(before.editions) == len(job.editions):
        return 0
    edition = job.editions[-1]
    out.say(f"{job.report} {job.period}, edition {edition.number}: {job.state}")
    _say_changes(edition, out)
    for document in edition.documents:
        for name in document.files:
            print(f"{edition.folder}/{name}")
    return 0 if job.state == "sent" else 3


def _preview(scheduler: Scheduler, rerun: tuple[str, str], timezone: str | None, folder: Path, out: Output) -> int:
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


def _say_changes(edition: Edition, out: Output) -> None:
    for line in edition.changes or (["no figure has changed"] if edition.number > 1 else []):
        out.say(f"    {line}")

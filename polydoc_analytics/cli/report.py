"""The command ``report``: reads its flags, asks the package for a report, and says what it wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.root import app
from polydoc_analytics.cli.shared import connected, one_or_many
from polydoc_analytics.errors import UsageError

_KIND = "overview, statement (of one --account, or --all-accounts), languages, quality, or one of your own."


@app.command()
def report(
    source: opt.Source,
    kind: Annotated[str, typer.Option("--kind", help=_KIND)] = "overview",
    formats: Annotated[str, typer.Option("--format", help="Some of html,pdf,xlsx,md,json.")] = "html",
    out_folder: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The folder to write to; - prints one format.")
    ] = ".",
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", help="One statement for each account, and an index.")
    ] = False,
    since: opt.Since = None,
    until: opt.Until = None,
    last: opt.Last = None,
    period: opt.Period = None,
    timezone: opt.Timezone = None,
    account: opt.Account = None,
    language: opt.LanguageTag = None,
    date_basis: opt.DateBasis = None,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    strict: opt.Strict = False,
    quarantine: opt.Quarantine = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> None:
    """Write a report: HTML to read, PDF to send, XLSX to reckon with, Markdown, JSON.

    Figures are compared with the preceding period of the same kind, to date where the period is in progress.

    Example: polydoc-analytics report exports/ --period last-month --format html,pdf --out reports/
    """
    from polydoc_analytics.branding import branding
    from polydoc_analytics.renderers import render
    from polydoc_analytics.reporting import checked_all, checked_formats, context, hashed, statements, write
    from polydoc_analytics.reports import builder

    out = opt.output(False, False, False, quiet, no_color)
    settings = opt.configured(config, timezone, date_basis)
    wanted = checked_formats(formats)
    make = builder(kind)
    if out_folder == "-" and len(wanted) > 1:
        raise UsageError(f"--out - prints one format, and {len(wanted)} are asked for; give one with --format")
    if all_accounts:
        checked_all(kind)
        if out_folder == "-":
            raise UsageError("--all-accounts writes many files; give a folder with --out")
    brand = branding(settings.branding, settings.folder)
    with (
        hashed(one_or_many(source), input_format) as files,
        connected(
            source,
            out,
            settings,
            since=since,
            until=until,
            last=last,
            period=period,
            account=account,
            language=language,
            now=now,
            input_format=input_format,
            assume_utc=assume_utc,
            strict=strict,
            quarantine=quarantine,
        ) as db,
    ):
        found = context(db, branding=brand, accounts=settings.accounts, files=files.result())
        if all_accounts:
            with opt.progress(out) as update:
                paths = statements(found, wanted, Path(out_folder), update)
            out.say(f"{len(paths):,} files; the index: {', '.join(map(str, paths[: len(wanted)]))}")
            return
        made = make(found)
    if out_folder == "-":
        sys.stdout.buffer.write(render(made, wanted[0]))
        return
    for path in write(made, wanted, Path(out_folder)):
        out.say(str(path))

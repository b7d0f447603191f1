"""The command that brings the sources of the configuration into the lake."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.lake import LakeUri, opened_lake, report_load
from polydoc_analytics.cli.root import app
from polydoc_analytics.errors import PolydocError, UsageError, nearest


@app.command()
def sync(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Sources of the settings; default: all of them.")
    ] = None,
    lake: LakeUri = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again, not only what is new.")] = False,
    partial: opt.Partial = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> int:
    """Bring sources of the settings into the lake: the API, PostgreSQL, or files that are new or have changed.

    What they say of the present replaces what is stored, which moves to the history; what disappears there stays here.
    A source that fails is said, the others are synced all the same, and the exit code is 2.

    Example: polydoc-analytics sync api --lake lake
    """
    from polydoc_analytics.ingest.connectors import sources
    from polydoc_analytics.lake.sync import sync as synced

    out = opt.output(json, False, False, quiet, no_color)
    settings = opt.configured(config)
    known = sources(settings)
    if not known:
        raise UsageError("no source is configured; add a table such as [sources.api] to polydoc-analytics.toml")
    for name in names or ():
        if name not in known:
            raise UsageError(f"unknown source '{name}'{nearest(name, known)}; expected {', '.join(known)}")
    target = opened_lake(lake, settings, out)
    exit_code = 0
    for name in names or known:
        try:
            with opt.progress(out) as update:
                result = synced(target, known[name], full=full, partial=partial, progress=update, tell=out.say)
        except PolydocError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            exit_code = max(exit_code, error.exit_code)
            continue
        out.say(f"{name}:")
        report_load(out, target, result, f"sync {name}")
    return exit_code

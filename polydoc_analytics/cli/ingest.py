"""The commands that load into a lake: ``ingest`` any source, ``sync`` those of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.completion import of_settings
from polydoc_analytics.cli.output import Output, output_of, progress
from polydoc_analytics.cli.root import ENGINE, command
from polydoc_analytics.cli.shared import one_or_many, opened_lake, print_json, say_passed_over
from polydoc_analytics.errors import PolydocError, UsageError, nearest
from polydoc_analytics.model.plurals import counted, noun

if TYPE_CHECKING:
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.lake.load import LoadResult

_ENGINE_HELP = "duckdb, or spark for folders that `export` wrote, of any size."


@command()
def ingest(
    *,
    printing: opt.JsonPrinting,
    source: opt.GivenSource,
    reading: opt.StrictReading,
    lake: opt.LakeUri = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="The source is the authority: its runs replace what is stored.")
    ] = False,
    engine: Annotated[str, opt.flag(ENGINE, "--engine", "ENGINE", _ENGINE_HELP)] = "duckdb",
    remote: opt.Remote = None,
) -> None:
    """Load a source into the lake: all of it, or nothing where it fails. Loading twice changes nothing.

    Example: polydoc-analytics ingest exports/ --lake lake

    Example: polydoc-analytics ingest corrections.ndjson --lake lake --correct
    """
    out = output_of(printing)
    settings = opt.configured(reading.config)
    target = opened_lake(lake, settings, out)
    with progress(out) as update:
        result = target.ingest(
            one_or_many(source),
            correct=correct,
            input_format=reading.input_format,
            assume_utc=reading.assume_utc,
            partial=reading.partial,
            strict=reading.strict,
            quarantine_to=reading.quarantine,
            progress=update,
            engine=engine,
            remote=remote or (settings.remote if engine == "spark" else None),
        )
    report_load(out, target, result, "ingest")


@command()
def sync(
    *,
    where: opt.LakeChoice,
    printing: opt.JsonPrinting,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Sources of the settings; default: all of them.", autocompletion=of_settings("sources")
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again, not only what is new.")] = False,
    partial: opt.Partial = False,
) -> int:
    """Bring sources of the settings into the lake: the API, PostgreSQL, or files that are new or have changed.

    Their present rows replace what is stored, which moves to the history; what disappears there stays here.
    A source that fails is named, the others are synced all the same, and the exit code is 2.

    Example: polydoc-analytics sync api --lake lake

    Example: polydoc-analytics sync --lake lake --full
    """
    from polydoc_analytics.ingest.connectors import sources
    from polydoc_analytics.lake.sync import sync as synced

    out = output_of(printing)
    settings = opt.configured(where.config)
    known = sources(settings)
    if not known:
        raise UsageError("no source is configured; add a table such as [sources.api] to polydoc-analytics.toml")
    for name in names or ():
        if name not in known:
            raise UsageError(f"unknown source '{name}'{nearest(name, known)}; expected {', '.join(known)}")
    target = opened_lake(where.lake, settings, out)
    exit_code = 0
    for name in names or known:
        try:
            with progress(out) as update:
                result = synced(target, known[name], full=full, partial=partial, progress=update, notify=out.say)
        except PolydocError as error:
            out.error(f"{name}: {error}")
            exit_code = max(exit_code, error.exit_code)
            continue
        out.say(f"{name}:")
        report_load(out, target, result, f"sync {name}")
    return exit_code


def report_load(out: Output, lake: Lake, result: LoadResult, report: str) -> None:
    """Print how a load accounts for its rows."""
    if out.format == "json":
        head = {"schema_version": 1, "report": report, "lake": lake.place.shown, "snapshot": result.snapshot}
        named = {"load": result.load, "number": result.number}
        print_json(head | {"counts": dict(result), "data": [named | dict(result)]})
    names = ["inserted", "updated", "unchanged", "duplicates", "quarantined"]
    names += ["erased"] if result.erased else []
    parts = (f"{result[name]:,} {noun(result[name], 'duplicate') if name == 'duplicates' else name}" for name in names)
    text = f"{counted(result.read, 'row')} read: {', '.join(parts)}"
    out.say(text + (f", {result.conflicts:,} in conflict" if result.conflicts else ""))
    if result.rejection:
        out.warn(result.rejection)
    say_passed_over(out, result.passed_over)
    done = (
        f"load {result.number} is on the disk"
        if result.number
        else f"nothing changed, the lake is at {result.snapshot}"
    )
    out.say(f"{lake.place.shown}: {done}")

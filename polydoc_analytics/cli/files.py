"""The commands over files of runs: check them, export them as Parquet, and make a sample."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import Output, output_of, progress
from polydoc_analytics.cli.root import command
from polydoc_analytics.cli.shared import (
    as_of_text,
    connected,
    envelope,
    one_or_many,
    print_json,
    say_counts,
    say_passed_over,
    source_or_default,
)
from polydoc_analytics.errors import SumError, UsageError
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.config.settings import Settings
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.row_table import RowTable


@command()
def check(
    source: opt.Source = None,
    *,
    printing: opt.JsonPrinting,
    reading: opt.Reading,
    timezone: opt.Timezone = None,
    now: opt.Now = None,
) -> int:
    """Account for every row of a source: read, merged, quarantined and why, and what looks suspicious.

    Exits with 1 when any row was quarantined.

    Example: polydoc-analytics check exports/ --quarantine rejected.ndjson

    Example: polydoc-analytics check exports/ --json
    """
    out = output_of(printing)
    choice = opt.Choice(timezone=timezone, now=now)
    settings = opt.configured(reading.config, timezone)
    with connected(source, replace(out, quiet=True), settings, choice=choice, reading=reading, watched=out) as db:
        rules = db.rows("data_quality")
        try:
            identities, overflow = db.rows("conservation"), None
        except SumError as error:
            identities, overflow = None, error
        if printing.json:
            _print_check_json(db, out, rules, identities, overflow)
        else:
            _print_check(db, out, rules, identities, overflow)
        return 1 if db.counts.quarantined else 0


def _print_check_json(
    db: Database, out: Output, rules: RowTable, identities: RowTable | None, overflow: SumError | None
) -> None:
    from polydoc_analytics.ingest.quarantine import rows_by_reason
    from polydoc_analytics.query.row_table import RowTable

    if overflow is not None:
        out.warn(f"identities are not worked out: {overflow}")
    sections: dict[str, RowTable | pl.DataFrame] = {
        "quarantine_by_reason": rows_by_reason(db.quarantine),
        "quarantine": db.quarantine,
        "data_quality": rules,
        "conservation": RowTable({}, ()) if identities is None else identities,
    }
    print_json(envelope("check", db, None, sections=sections))


def _print_check(
    db: Database, out: Output, rules: RowTable, identities: RowTable | None, overflow: SumError | None
) -> None:
    from polydoc_analytics.ingest.quarantine import rows_by_reason
    from polydoc_analytics.query.row_table import RowTable

    counts = RowTable({"rows": "text", "count": "integer"}, list(db.counts.items()))
    tables: dict[str, RowTable | pl.DataFrame] = {f"Every row accounted for{as_of_text(db)}": counts}
    if db.counts.quarantined:
        tables["Quarantined, by reason"] = rows_by_reason(db.quarantine)
        tables["Quarantined, the first rows"] = db.quarantine.head(5).select("source", "line", "reason")
    if db.conflicts:
        tables["Finished in more than one way, the first"] = RowTable(
            {"id": "text"}, [(one,) for one in db.conflicts[:5]]
        )
    concerned = [row for row, runs in zip(rules.rows, rules["runs"], strict=True) if runs > 0]
    tables["Valid, but suspicious"] = RowTable(rules.kinds, concerned)
    for at, (title, frame) in enumerate(tables.items()):
        print(end="\n" if at else "")
        out.table(frame, title=title, more="--json")
    if identities is None:
        print(f"\nNo identity is worked out: {overflow}.")
    else:
        held = f"{identities['holds'].count(True)} of {identities.height} identities hold"
        print(f"\n{held} (days, accounts and languages sum to the total).")


@command()
def export(
    source: opt.Source = None,
    *,
    printing: opt.JsonPrinting,
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="The folder, or FILE.duckdb, to write.", show_default=False)
    ],
    choice: opt.Choice,
    reading: opt.StrictReading,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    contract: Annotated[
        bool, typer.Option("--contract", help="Write a data contract (ODCS) beside it, DEST.odcs.yaml.")
    ] = False,
    views: opt.Views = None,
) -> None:
    """Write checked, merged runs as zstd Parquet in created_month=YYYY-MM/ (UTC) with a manifest.

    The folder appears when it is whole. Any tool reads it: duckdb -c "select * from 'runs/**/*.parquet'"

    DEST that ends in .duckdb is a database file for BI tools: runs, languages, accounts and all views with their
    meaning. The flags of interval, filters and views are for it alone.

    Example: polydoc-analytics export exports/ runs/ --overwrite

    Example: polydoc-analytics export lake october/ --as-of 1
    """
    from polydoc_analytics.query.duckdb_file import is_database_name

    out = output_of(printing)
    settings = opt.configured(reading.config, choice.timezone, choice.date_basis, views)
    if is_database_name(destination):
        with connected(source, out, settings, choice=choice, reading=reading, views=settings.views) as db:
            written = db.export(destination, overwrite=overwrite, contract=contract)
            if printing.json:
                data = [{"path": destination, "runs": written.runs, "bytes": written.bytes}]
                print_json(envelope("export", db, None) | {"data": data})
        out.say(f"{destination}: {counted(written.runs, 'run')} and {written.views} views, {written.bytes:,} bytes")
        return
    _raise_if_for_database(choice, views)
    _export_parquet(source, destination, out, settings, reading, choice.as_of, overwrite=overwrite, contract=contract)


def _raise_if_for_database(choice: opt.Choice, views: str | None) -> None:
    given = {**vars(choice), "views": views}
    for name in ("account", "language", "date_basis", "since", "until", "last", "period", "views"):
        if given[name]:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is for a DEST that ends in .duckdb alone; Parquet has every run")


def _export_parquet(
    source: list[str] | None,
    destination: str,
    out: Output,
    settings: Settings,
    reading: opt.StrictReading,
    as_of: str | None,
    *,
    overwrite: bool,
    contract: bool,
) -> None:
    from polydoc_analytics.ingest.results import Staged
    from polydoc_analytics.query.export import export as write

    with progress(out) as update:
        staged = write(
            one_or_many(source_or_default(source, settings, out)),
            destination,
            input_format=reading.input_format,
            assume_utc=reading.assume_utc,
            partial=reading.partial,
            strict=reading.strict,
            overwrite=overwrite,
            quarantine_to=reading.quarantine,
            progress=update,
            as_of=as_of,
            timezone=settings.timezone,
            contract=contract,
        )
    assert isinstance(staged, Staged)
    files, size = len(staged.manifest.parts), sum(part.bytes for part in staged.manifest.parts)
    if out.format == "json":
        data = [{"path": part.path, "runs": part.rows, "bytes": part.bytes} for part in staged.manifest.parts]
        head = {"schema_version": 1, "report": "export", "snapshot": staged.snapshot}
        print_json(head | {"counts": dict(staged.counts), "data": data})
    say_counts(out, staged.counts, staged.rejection, staged.snapshot)
    say_passed_over(out, staged.passed_over)
    out.say(f"{destination}: {counted(staged.manifest.rows, 'run')} in {counted(files, 'file')}, {size:,} bytes")


@command()
def sample(
    file: Annotated[str, typer.Argument(metavar="OUT", help="The NDJSON file to write, or - for standard output.")],
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="How many runs.")] = 2_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same runs.")] = 0,
    broken: Annotated[int, typer.Option("--broken", metavar="N", help="How many lines that break a rule to add.")] = 0,
    *,
    printing: opt.Noticing,
) -> None:
    """Write realistic synthetic runs as NDJSON.

    Clients try again within minutes after two in three failures, up to three times; now and then they submit a file
    twice, or send it again later.

    Example: polydoc-analytics sample runs.ndjson --runs 500

    Example: polydoc-analytics sample broken.ndjson --runs 50 --broken 3 --seed 1
    """
    from polydoc_analytics.loaders.sample import write_sample

    out = output_of(printing)
    with progress(out) as update:
        report = (lambda done: update(done, runs)) if update else None
        target = sys.stdout.buffer if file == "-" else file
        write_sample(target, runs=runs, seed=seed, broken=broken, progress=report)
    if file != "-":
        out.say(f"{file}: {counted(runs, 'run')}")

"""The commands over files of runs: each reads its flags, asks the package, and prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.root import app
from polydoc_analytics.cli.shared import (
    as_of_text,
    connected,
    envelope,
    named,
    one_or_many,
    print_json,
    print_json_rows,
    print_plain,
    say_counts,
    say_passed_over,
)
from polydoc_analytics.errors import QueryError, SumError, UsageError
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.database import Database

_MOST_ROWS = 20
_MOST_PERIODS = 62
_MOST_SECTION_ROWS = 10
_MOST_CELLS = 5_000_000


@app.command()
def usage(
    source: opt.Source,
    by: Annotated[list[str] | None, typer.Option("--by", help="account, language, or account,language.")] = None,
    every: Annotated[str | None, typer.Option("--every", help="day, week or month.")] = None,
    since: opt.Since = None,
    until: opt.Until = None,
    last: opt.Last = None,
    period: opt.Period = None,
    timezone: opt.Timezone = None,
    account: opt.Account = None,
    language: opt.LanguageTag = None,
    date_basis: opt.DateBasis = None,
    as_of: opt.AsOf = None,
    top: opt.Top = None,
    order: opt.Order = None,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    partial: opt.Partial = False,
    strict: opt.Strict = False,
    quarantine: opt.Quarantine = None,
    engine: opt.Engine = None,
    remote: opt.Remote = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    markdown: opt.Markdown = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> None:
    """Show who used how many tokens and credits, in which languages, how often it failed and how long it took.

    Without --by and --every: the total, then accounts and languages. Counts and sums are exact; percentiles are over
    Succeeded runs, in seconds; an en dash is an unknown figure.

    Example: polydoc-analytics usage exports/ --by account --period last-month --timezone Europe/Lisbon
    """
    from polydoc_analytics.query.usage import check_arguments

    out = opt.output(json, csv, markdown, quiet, no_color)
    keys = tuple(key.strip() for key in ",".join(by).split(",")) if by else ()
    check_arguments(keys, every, order)
    settings = opt.configured(config, timezone, date_basis, None, engine, remote)
    with connected(
        source,
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
        **settings.cluster,
    ) as db:
        try:
            _show_usage(db, out, settings.accounts, keys, every, order, top)
        except SumError as error:
            # The figures of the other accounts are no worse for it.
            with db.without(error.accounts) as rest:
                _show_usage(rest, out, settings.accounts, keys, every, order, top)
            raise


def _show_usage(
    db: Database,
    out: opt.Output,
    accounts: str | None,
    keys: Sequence[str],
    every: str | None,
    order: str | None,
    top: int | None,
) -> None:
    from polydoc_analytics.query.usage import usage_table

    is_table = out.format == "table"
    if not keys and every is None and out.format in ("table", "markdown"):
        _print_overview(db, out, accounts, top or _MOST_SECTION_ROWS, order)
        return
    most = top or ((_MOST_PERIODS if every else _MOST_ROWS) if is_table else None)
    table = usage_table(db, by=keys, every=every, order=order, top=most, with_others=is_table)
    if out.format == "json":
        print_json(envelope("usage", db, table.frame, truncated=table.truncated))
    elif is_table:
        _print_usage(db, table, out, accounts)
    else:
        print_plain(named(table.frame, db, accounts) if out.format == "markdown" else table.frame, out)


@app.command()
def query(
    source: opt.Source,
    sql: Annotated[str, typer.Argument(help="One SELECT over the views; see `polydoc-analytics views`.")],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds after which the query is stopped.")] = 300,
    since: opt.Since = None,
    until: opt.Until = None,
    last: opt.Last = None,
    period: opt.Period = None,
    timezone: opt.Timezone = None,
    account: opt.Account = None,
    language: opt.LanguageTag = None,
    date_basis: opt.DateBasis = None,
    as_of: opt.AsOf = None,
    top: opt.Top = None,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    partial: opt.Partial = False,
    strict: opt.Strict = False,
    quarantine: opt.Quarantine = None,
    views: opt.Views = None,
    engine: opt.Engine = None,
    remote: opt.Remote = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    markdown: opt.Markdown = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> None:
    """Run one SELECT over the views, under guard rails: it reads the source's files and nothing else.

    Example: polydoc-analytics query exports/ "select language, failure_rate from usage_by_language order by 2 desc"
    """
    out = opt.output(json, csv, markdown, quiet, no_color)
    settings = opt.configured(config, timezone, date_basis, views, engine, remote)
    if not timeout > 0:  # nor is NaN
        raise UsageError(f"timeout {timeout:g} is no length of time; expected seconds above 0")
    with connected(
        source,
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
    ) as db:
        frame = db.sql(sql, timeout_s=timeout)
        shown = frame.head(top) if top else frame
        if out.format in ("table", "markdown") and shown.height * shown.width > _MOST_CELLS:
            raise QueryError(f"{counted(shown.height, 'row')} are too many for a table; add --top, --csv or --json")
        if out.format == "json":
            print_json_rows(envelope("query", db, None, truncated=shown.height < frame.height), shown)
        elif out.format == "table":
            from polydoc_analytics.cli.tables import terminal_table

            title = f"{counted(frame.height, 'row')}{as_of_text(db)}"
            print(terminal_table(shown, title=title, width=out.width))
        else:
            print_plain(shown, out)


@app.command()
def views(
    name: Annotated[str | None, typer.Argument(help="A view, for its columns.", show_default=False)] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print CREATE VIEW statements, to take elsewhere.")] = False,
    dialect: Annotated[
        str, typer.Option("--dialect", help="With --sql: duckdb, spark, databricks, postgres or snowflake.")
    ] = "duckdb",
    table: Annotated[str, typer.Option("--table", help="With --sql: your table of runs, one row a run.")] = "runs",
    timezone: opt.Timezone = None,
    folder: opt.Views = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    markdown: opt.Markdown = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """List the views, the package's and your own, describe one's columns, or print their SQL."""
    import polars as pl

    from polydoc_analytics import views as catalog
    from polydoc_analytics.cli.tables import terminal_table
    from polydoc_analytics.views.custom import catalog_with

    out = opt.output(json, csv, markdown, False, no_color)
    settings = opt.configured(config, timezone, views=folder)
    known = catalog_with(settings.views)
    chosen = [catalog.view(name, known)] if name else list(known.values())
    if sql:
        from polydoc_analytics.views.ddl import statements, with_those_below

        wanted = with_those_below(chosen[0], known) if name else chosen
        print(statements(wanted, dialect, table=table, timezone=settings.timezone))
        return
    if name:
        [view] = chosen
        rows = [{"column": column, "meaning": meaning} for column, meaning in view.columns.items()]
        title = f"{view.name}: {view.title} Grain: {view.grain}."
    else:
        rows = [{"view": view.name, "grain": view.grain} for view in chosen]
        title = "Views over the runs; `polydoc-analytics views NAME` describes one's columns."
    frame = pl.DataFrame(rows)
    if out.format == "json":
        print_json({"schema_version": 1, "report": "views", "data": rows})
    elif out.format == "table":
        print(terminal_table(frame, title=title, width=out.width))
    else:
        print_plain(frame, out)


@app.command()
def check(
    source: opt.Source,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    partial: opt.Partial = False,
    quarantine: opt.Quarantine = None,
    timezone: opt.Timezone = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> int:
    """Account for every row of a source: read, merged, quarantined and why, and what looks suspicious.

    Exits with 1 when any row was quarantined.
    """
    import polars as pl

    from polydoc_analytics.cli.tables import terminal_table

    out = opt.output(json, False, False, quiet, no_color)
    silent = opt.Output(out.format, True, out.color, out.width)
    with connected(
        source,
        silent,
        opt.configured(config, timezone),
        now=now,
        input_format=input_format,
        assume_utc=assume_utc,
        partial=partial,
        quarantine=quarantine,
        watched=out,
    ) as db:
        rules = db.view("data_quality")
        try:
            identities, unfit = db.view("conservation"), None
        except SumError as error:
            identities, unfit = None, error
        rejected = db.quarantine
        kinds = _by_reason(rejected)
        if json:
            sections = {
                "quarantine_by_reason": kinds,
                "quarantine": rejected,
                "data_quality": rules,
                "conservation": pl.DataFrame() if identities is None else identities,
            }
            if unfit is not None:
                out.warn(f"identities are not worked out: {unfit}")
            print_json(envelope("check", db, None, sections=sections))
        else:
            counts = pl.DataFrame([{"rows": name, "count": count} for name, count in db.counts.items()])
            tables = [terminal_table(counts, title=f"Every row accounted for{as_of_text(db)}", width=out.width)]
            if db.counts.quarantined:
                tables.append(terminal_table(kinds, title="Quarantined, by reason", width=out.width))
                first = rejected.head(5).select("source", "line", "reason")
                tables.append(terminal_table(first, title="Quarantined, the first rows", width=out.width))
            if db.conflicts:
                ids = pl.DataFrame({"id": list(db.conflicts[:5])})
                tables.append(terminal_table(ids, title="Finished in more than one way, the first", width=out.width))
            concerned = rules.filter(pl.col("runs") > 0)
            tables.append(terminal_table(concerned, title="Valid, but suspicious", width=out.width))
            print("\n\n".join(tables))
            if identities is None:
                print(f"\nNo identity is worked out: {unfit}.")
            else:
                held = f"{identities['holds'].sum()} of {identities.height} identities hold"
                print(f"\n{held} (days, accounts and languages sum to the total).")
        return 1 if db.counts.quarantined else 0


@app.command()
def export(
    source: opt.Source,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="The folder to write.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    as_of: opt.AsOf = None,
    timezone: opt.Timezone = None,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    partial: opt.Partial = False,
    strict: opt.Strict = False,
    quarantine: opt.Quarantine = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Write checked, merged runs as zstd Parquet in created_month=YYYY-MM/ (UTC) with a manifest.

    The folder appears when it is whole. Any tool reads it: duckdb -c "select * from 'runs/**/*.parquet'"
    """
    from polydoc_analytics.query.export import export as write

    out = opt.output(json, False, False, quiet, no_color)
    settings = opt.configured(config, timezone)
    with opt.progress(out) as update:
        staged = write(
            one_or_many(source),
            destination,
            input_format=input_format,
            assume_utc=assume_utc,
            partial=partial,
            strict=strict,
            overwrite=overwrite,
            quarantine_to=quarantine,
            progress=update,
            as_of=as_of,
            timezone=settings.timezone,
        )
    files, size = len(staged.manifest.parts), sum(part.bytes for part in staged.manifest.parts)
    if json:
        data = [{"path": part.path, "runs": part.rows, "bytes": part.bytes} for part in staged.manifest.parts]
        head = {"schema_version": 1, "report": "export", "snapshot": staged.snapshot}
        print_json(head | {"counts": dict(staged.counts), "data": data})
    say_counts(out, staged.counts, staged.rejection, staged.snapshot)
    say_passed_over(out, staged.passed_over)
    out.say(f"{destination}: {counted(staged.manifest.rows, 'run')} in {counted(files, 'file')}, {size:,} bytes")


@app.command()
def sample(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The NDJSON file to write, or - for standard output.")],
    runs: Annotated[int, typer.Option("--runs", help="How many runs.")] = 2_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same runs.")] = 0,
    broken: Annotated[int, typer.Option("--broken", help="How many lines that break a rule to add.")] = 0,
    quiet: opt.Quiet = False,
) -> None:
    """Write realistic synthetic runs as NDJSON."""
    from polydoc_analytics.loaders.sample import write_sample

    talk = opt.output(False, False, False, quiet, False)
    with opt.progress(talk) as update:
        report = (lambda done: update(done, runs)) if update else None
        target = sys.stdout.buffer if out == "-" else out
        write_sample(target, runs=runs, seed=seed, broken=broken, progress=report)
    if out != "-":
        talk.say(f"{out}: {counted(runs, 'run')}")


def _by_reason(rejected: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    from polydoc_analytics.ingest.quarantine import reason_kind

    reasons = rejected["reason"].value_counts(name="rows")  # first, for many rows share one
    kinds = reasons.with_columns(pl.col("reason").map_elements(reason_kind, return_dtype=pl.String))
    return kinds.group_by("reason").agg(pl.sum("rows")).sort("rows", "reason", descending=[True, False])


def _period_text(db: Database) -> str:
    """Say which interval a table covers, in local days where it begins or ends with one."""
    from polydoc_analytics.model.timezones import zone

    def text(bound: datetime, *, is_end: bool) -> str:
        local = bound.astimezone(zone(db.timezone))
        if local.time() == time(0):
            return (local.date() - timedelta(days=is_end)).isoformat()
        return local.strftime("%Y-%m-%d %H:%M")

    since, until = db.interval.since, db.interval.until
    if since is None and until is None:
        return f"all runs, days in {db.timezone}"
    first = f"from {text(since, is_end=False)}" if since else ""
    last = f"to {text(until, is_end=True)}" if until else ""
    return f"{' '.join(part for part in (first, last) if part)}, {db.timezone}"


def _print_usage(db: Database, table: Any, out: opt.Output, accounts: str | None) -> None:
    from polydoc_analytics import views as catalog
    from polydoc_analytics.cli.tables import terminal_table

    title = f"{catalog.view(table.view).title.split(':')[0]}, {_period_text(db)}{as_of_text(db)}"
    if left_out := db.filters.without_accounts:
        title += f", without {counted(len(left_out), 'account')}"
    last: list[dict[str, Any]] = []
    if table.keys:
        if table.others is not None:
            last.append({**table.others, table.keys[0]: f"others ({table.left_out:,})"})
        last.append({**table.total, table.keys[0]: "total"})
    frame = named(table.frame, db, accounts)
    keys = _shown_keys(frame, table.keys)
    print(terminal_table(frame, title=title, width=out.width, keys=keys, last=last, is_usage=True))


def _shown_keys(frame: pl.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return the keys, and the names that stand beside them."""
    return [name for name in frame.columns if name in keys or name in ("account_name", "language_name")]


def _print_overview(db: Database, out: opt.Output, accounts: str | None, rows: int, order: str | None) -> None:
    from polydoc_analytics.query.usage import usage_table

    is_table = out.format == "table"
    tables = [
        usage_table(
            db,
            by=by,
            order=order if by else None,
            top=rows if by and is_table else None,
            with_others=is_table,
        )
        for by in ((), ("account",), ("language",))
    ]
    for at, table in enumerate(tables):
        if at:
            print()
        if is_table:
            _print_usage(db, table, out, accounts)
        else:
            print_plain(named(table.frame, db, accounts), out)

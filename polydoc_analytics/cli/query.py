"""The commands over the views: ``query`` asks them, ``views`` lists and describes them and prints their SQL."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import completion
from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import output_of
from polydoc_analytics.cli.root import command
from polydoc_analytics.cli.shared import as_of_text, connected, envelope, print_frame, print_json, print_json_rows
from polydoc_analytics.errors import QueryError, UsageError, not_utf8
from polydoc_analytics.model.plurals import counted

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.database import Database

_SQL = "One SELECT over the views, or - for standard input; see `polydoc-analytics views`."
_MAX_ROWS = 200
_MAX_CELLS = 5_000_000


@command()
def query(
    source: opt.Source = None,
    *,
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help=_SQL, show_default=False)] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help="Read the SQL from a file.")] = None,
    choice: opt.Choice,
    reading: opt.StrictReading,
    answering: opt.Answering,
    printing: opt.Printing,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Seconds after which the query is stopped.")
    ] = 300,
    top: opt.Top = None,
    views: opt.Views = None,
) -> None:
    """Run one SELECT over the views, under guard rails: it reads the source's files and nothing else.

    The SQL is the last argument, ``-`` for standard input, or in a --file.

    Example: polydoc-analytics query exports/ "select language, failure_rate from usage_by_language order by 2 desc"

    Example: polydoc-analytics query exports/ --file report.sql --csv
    """
    out = output_of(printing)
    settings = opt.configured(
        reading.config, choice.timezone, choice.date_basis, views, answering.engine, answering.remote
    )
    source, text = _source_and_sql(source, sql, file)
    if not timeout > 0:  # also rejects NaN
        raise UsageError(f"timeout {timeout:g} is no length of time; expected seconds above 0")
    with connected(
        source, out, settings, choice=choice, reading=reading, views=settings.views, **settings.cluster
    ) as db:
        frame = _answer(db, text, timeout)
        rows = frame.head(top) if top else frame
        if out.format in ("table", "markdown") and rows.height * rows.width > _MAX_CELLS:
            raise QueryError(f"{counted(rows.height, 'row')} are too many for a table; add --top, --csv or --json")
        if out.format == "json":
            print_json_rows(envelope("query", db, None, truncated=rows.height < frame.height), rows)
        else:
            out = replace(out, timezone=db.timezone)
            first = rows.head(_MAX_ROWS) if out.format == "table" and sys.stdout.isatty() and not top else rows
            print_frame(first, out, f"{counted(frame.height, 'row')}{as_of_text(db)}")
            if more := rows.height - first.height:
                out.say(f"{counted(more, 'more row')}; --top N, --csv or --json have them")


def _source_and_sql(source: list[str] | None, sql: str | None, file: str | None) -> tuple[list[str] | None, str]:
    """Tell the sources from the SQL, which is in a file, on standard input, or the last argument."""
    if file is not None:
        return [*(source or ()), *([sql] if sql else ())] or None, _read_sql(file)
    if sql is None or (not source and os.path.exists(sql) and sql != "-"):
        raise UsageError("Missing argument 'SQL'; give a SELECT, - for standard input, or --file FILE")
    if sql != "-":
        return source, sql
    if source and "-" in source:
        raise UsageError("standard input is the source already; give the SQL as an argument or in a --file")
    return source, sys.stdin.read()


def _read_sql(file: str) -> str:
    try:
        return Path(file).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(file, error) from None


def _answer(db: Database, sql: str, timeout: float) -> pl.DataFrame:
    """Run the SQL; where it is refused, the line and the place in it are printed under the error."""
    try:
        return db.sql(sql, timeout_s=timeout)
    except QueryError as error:
        if error.excerpt:
            raise QueryError(f"{error}\n{error.excerpt}") from None
        raise


@command()
def views(
    *,
    printing: opt.Printing,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A view, for its columns.", show_default=False, autocompletion=completion.views
        ),
    ] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print CREATE VIEW statements, to take elsewhere.")] = False,
    dialect: Annotated[
        str,
        typer.Option(
            "--dialect",
            metavar="DIALECT",
            help="With --sql: duckdb, spark or postgres.",
            autocompletion=completion.among("duckdb", "spark", "postgres"),
        ),
    ] = "duckdb",
    table: Annotated[
        str, typer.Option("--table", metavar="NAME", help="With --sql: your table of runs, one row a run.")
    ] = "run",
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="NAME", help="With --sql: the schema of the views.")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="With --sql: what the views' names begin with.")
    ] = "",
    languages: Annotated[
        str | None,
        typer.Option("--languages", metavar="SOURCE", help="With --sql: a source whose languages are written out."),
    ] = None,
    timezone: opt.Timezone = None,
    folder: opt.Views = None,
    config: opt.Config = None,
) -> None:
    """List the views, the package's and your own, describe one's columns, or print their SQL.

    Example: polydoc-analytics views usage_by_account

    Example: polydoc-analytics views usage_by_account --sql --dialect spark
    """
    import polars as pl

    from polydoc_analytics import views as catalog
    from polydoc_analytics.views.custom import catalog_with

    out = output_of(printing)
    if sql and out.format != "table":
        raise UsageError(f"--sql and --{out.format} contradict each other; give one of them")
    of_sql = {"dialect": dialect != "duckdb", "table": table != "run", "schema": schema, "prefix": prefix}
    if not sql and (given := [flag for flag, value in {**of_sql, "languages": languages}.items() if value]):
        raise UsageError(f"--{given[0]} goes with --sql; add that, or leave it out")
    settings = opt.configured(config, timezone, views=folder)
    known = catalog_with(settings.views)
    if sql:
        from polydoc_analytics.query.ddl_target import target
        from polydoc_analytics.views.ddl import base_statement, is_base, statements

        where = target(
            dialect=dialect,
            table=table,
            timezone=settings.timezone,
            schema=schema,
            prefix=prefix,
            languages=languages,
            accounts=settings.accounts,
        )
        if name and is_base(name):
            print(base_statement(name, where))
            return
        print(statements([catalog.view(name, known)] if name else known.values(), where, known))
        return
    wanted = [catalog.view(name, known)] if name else list(known.values())
    if name:
        [view] = wanted
        rows = [{"column": column, "meaning": meaning} for column, meaning in view.columns.items()]
        title = f"{view.name}: {view.title} Grain: {view.grain}."
    else:
        rows = [{"view": view.name, "grain": view.grain} for view in wanted]
        title = "Views over the runs; `polydoc-analytics views NAME` describes one's columns."
    if out.format == "json":
        print_json({"schema_version": 1, "report": "views", "data": rows})
    else:
        print_frame(pl.DataFrame(rows), out, title, is_wrapped=True)

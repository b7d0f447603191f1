"""``connect()``: the views over any source, in an in-memory DuckDB or on a cluster over Spark Connect."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from polydoc_analytics.config.choices import DateBasis
from polydoc_analytics.errors import (
    SnapshotGoneError,
    UsageError,
    translated,
)
from polydoc_analytics.lake.resolve import Source, resolve
from polydoc_analytics.loaders.options import Progress, ReadOptions
from polydoc_analytics.query.database import Database
from polydoc_analytics.query.engines.scope import Engine, Scope
from polydoc_analytics.query.options import Filters, Match, ViewOptions, view_options
from polydoc_analytics.query.relation import AsOf, open_for_cluster, open_relation

_MAX_TRIES = 5
"""An erasure may remove a lake's files between the choice of a snapshot and the look into its files."""


@translated()
def connect(
    source: Any,
    *,
    timezone: str = "UTC",
    since: str | date | datetime | None = None,
    until: str | date | datetime | None = None,
    last: str | None = None,
    period: str | None = None,
    account: str | Iterable[str] | None = None,
    language: str | Iterable[str] | None = None,
    match: Match = "exact",
    date_basis: DateBasis = "created",
    now: str | datetime | None = None,
    input_format: str | None = None,
    assume_utc: bool = False,
    partial: bool = False,
    strict: bool = False,
    quarantine_to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    as_of: int | str | date | datetime | None = None,
    views: str | os.PathLike[str] | None = None,
    accounts: Any = None,
    engine: str = "duckdb",
    remote: str | None = None,
) -> Database:
    """Return the views over a source: a path, glob, folder, list, URI, table or lake.

    Parquet is scanned in place once a pass has proven types, hard rules and unique ids; a folder that ``export`` has
    written and a lake skip the pass; everything else is loaded and merged first. ``as_of`` gives a lake's figures as
    they were known as of a load (its number or name) or an instant (a day: its end in ``timezone``). How files are read
    is up to ``input_format``, ``assume_utc``, ``partial``, ``strict``, ``quarantine_to`` and ``progress``, those of
    :func:`polydoc_analytics.load`. ``now`` (default: the current time) is what periods such as last-month start from.

    ``since``, ``until``, ``last`` and ``period`` choose the interval (see :func:`polydoc_analytics.interval`), whose
    days are local to ``timezone``; ``date_basis`` says whether a run belongs to the instant at which it was created
    or finished. ``account`` and ``language`` confine all views. By default they are exact ids and tags; with
    ``match="named"`` they may be names of accounts and languages (French), and with ``"typed"`` an account may also be
    the unique beginning of an id, and a filter that matches no run is an error that names the nearest.

    ``views`` is a folder of your own views: ``NAME.sql`` with a header as the package's have (a title, ``grain: …``,
    each column with its meaning) and one SELECT over the package's views and each other. ``accounts`` are names of
    accounts, which the column ``account_name`` shows: a CSV or a table with the columns account_id and name, or a
    mapping by account id; they come before those that a lake knows.

    ``engine`` is duckdb, in this process, or spark: a cluster over Spark Connect at ``remote``, ``sc://HOST:PORT`` and
    then ``;token=…`` where it is needed. The source is then a lake or a folder written by ``export`` that the cluster
    sees under the same path or URI; it reads it, and only results come here.

    Raises SourceError where the source cannot be read or the cluster be reached, UsageError where an argument means
    nothing, QueryError where a view of your own fails or has other columns than its header says.
    """
    read = ReadOptions(input_format, assume_utc, partial, strict, quarantine_to, progress)
    view = view_options(
        timezone=timezone,
        since=since,
        until=until,
        last=last,
        period=period,
        account=account,
        language=language,
        match=match,
        date_basis=date_basis,
        now=now,
        views=views,
        accounts=accounts,
        engine=engine,
        remote=remote,
    )
    return open_database(resolve(source, read), read, view, as_of)


def open_database(source: Source, read: ReadOptions, view: ViewOptions, as_of: AsOf = None) -> Database:
    """Open the views over a resolved source, once more where files of a lake have gone meanwhile."""
    for tries_left in reversed(range(_MAX_TRIES)):
        with ExitStack() as stack, suppress(*([SnapshotGoneError] if tries_left else [])):
            make: Callable[[Scope], Engine]
            if view.remote is None:
                runs = stack.enter_context(open_relation(source, read, as_of, view.interval.timezone))
                make = _duckdb
            else:
                _raise_if_loading(read)
                runs = open_for_cluster(source, as_of, view.interval.timezone)
                make = functools.partial(_spark, view.remote)
            runs = replace(runs, account_names={**runs.account_names, **view.account_names})
            return Database(_filtered(Scope(runs, view), make), make, stack)
    raise AssertionError("the last try raises")


def _filtered(scope: Scope, make: Callable[[Scope], Engine]) -> Scope:
    """Resolve the filters that may be names among the runs."""
    from polydoc_analytics.query.filters import resolved_filters

    filters = scope.view.filters
    if filters.match == "exact" or not (filters.accounts or filters.languages):
        return scope

    def accounts() -> list[str]:
        everything = replace(scope.view, filters=Filters(), views={})
        engine = make(replace(scope, view=everything))
        try:
            return engine.rows("select distinct account_id from observed")["account_id"]
        finally:
            engine.close()

    filters = resolved_filters(
        filters,
        accounts=accounts,
        names=scope.runs.account_names,
        languages=scope.languages,
        is_strict=filters.match == "typed",
    )
    return replace(scope, view=replace(scope.view, filters=filters))


def _raise_if_loading(read: ReadOptions) -> None:
    for name in ("input_format", "assume_utc", "partial", "strict", "quarantine_to"):
        if getattr(read, name):
            raise UsageError(f"{name} applies to loading only; engine spark reads a lake or an export as is")


def _duckdb(scope: Scope) -> Engine:
    from polydoc_analytics.query.engines.duckdb import DuckEngine

    return DuckEngine(scope)


def _spark(remote: str, scope: Scope) -> Engine:
    from polydoc_analytics.query.engines.spark import SparkEngine

    return SparkEngine(scope, remote)

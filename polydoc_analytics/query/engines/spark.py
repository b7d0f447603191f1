"""A cluster over Spark Connect: Apache Spark, Databricks, EMR, Sail. Only results come over the network."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from polydoc_analytics import views as catalog
from polydoc_analytics.errors import QueryError, UsageError
from polydoc_analytics.ingest.manifest import Scan
from polydoc_analytics.lake.spark.session import Session
from polydoc_analytics.model.epoch import DAY_US
from polydoc_analytics.model.schema import COLUMNS, NAMES
from polydoc_analytics.model.sql_names import SQL_TYPES
from polydoc_analytics.model.timezones import DAYS_BEFORE_1970
from polydoc_analytics.query.engines.scope import Scope, base_tables, with_language
from polydoc_analytics.query.row_table import RowTable
from polydoc_analytics.views import custom
from polydoc_analytics.views.dialects.portability import check, parsed, tables
from polydoc_analytics.views.dialects.transpile import to_spark

if TYPE_CHECKING:
    import polars as pl
    from pyspark.sql import DataFrame
    from sqlglot import exp

_KINDS = SQL_TYPES["spark"]
_SCHEMA = ", ".join(f"{c.name} {_KINDS[c.kind]}" for c in COLUMNS) + ", load string, superseded_by string"
_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMP WITH TIME ZONE"}


_BELOW = {
    "run_facts_with_language": ("run_facts",),
    "all_run_facts_with_language": ("all_run_facts",),
    "all_request_facts": ("all_run_facts_with_language",),
    "request_facts": ("all_request_facts",),
}
"""The base views that base views are built on."""


class SparkEngine:
    """Temporary views in a session of one's own, each created when it is first asked for."""

    name = "spark"

    def __init__(self, scope: Scope, remote: str) -> None:
        self._scope = scope
        self._made: set[str] = set()
        self._session = Session(remote)
        try:
            with self._session.asking(QueryError):
                self._create_sources()
            self._create(view.name for view in scope.view.views.values() if view.file is not None)
        except BaseException:
            self._session.close()
            raise

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return the result of a SELECT of the package's own; raises QueryError where it fails."""
        return self.query(sql)

    def query(self, sql: str, timeout_s: float | None = None, max_bytes: int | None = None) -> pl.DataFrame:
        """Return the result of one SELECT; raises QueryError where it is not portable, fails or takes too long.

        The cluster's client fetches a result as a whole, of whatever size.
        """
        tree = parsed(sql)
        check(tree)
        return self._fetch(tree, timeout_s)

    def rows(self, sql: str) -> RowTable:
        """Return the result of a SELECT of the package's own as Python's values; raises QueryError where it fails."""
        return RowTable.of(self.query(sql))

    def over_rows(self, sql: str, name: str, rows: RowTable) -> RowTable:
        """Return the result of a SELECT of the package's own that also reads a few ``rows`` under a name."""
        with self._session.asking(QueryError) as spark:
            spark.createDataFrame(rows.frame().to_arrow()).createOrReplaceTempView(name)
            try:
                return RowTable.of(self._fetch(parsed(sql), None, extra_table=name))
            finally:
                spark.catalog.dropTempView(name)

    def types(self, view: catalog.View) -> dict[str, str]:
        """Return the type of each column of a view, as DuckDB calls it."""
        self._create([view.name])
        with self._session.asking(QueryError) as spark:
            return {name: _TYPES.get(kind, kind.upper()) for name, kind in spark.table(view.name).dtypes}

    def guard(self) -> None:
        """Do nothing: a query reads the views alone in any case, for it is parsed before it leaves."""

    def raw(self) -> Any:
        """Return the session, all views in it."""
        self._create(self._scope.view.views)
        return self._session.spark

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def _fetch(self, tree: exp.Expr, timeout_s: float | None, extra_table: str = "") -> pl.DataFrame:
        import polars as pl

        self._create(tables(tree) - {extra_table})
        text = to_spark(tree)
        with self._session.asking(QueryError) as spark:
            table = self._within(timeout_s, lambda: spark.sql(text).toArrow())
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _within(self, timeout_s: float | None, work: Any) -> Any:
        if timeout_s is None:
            return work()
        done: list[Any] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:  # it is raised again below, where it is awaited
                failed.append(error)

        thread = threading.Thread(target=run, name="polydoc-query", daemon=True)
        thread.start()
        thread.join(min(timeout_s, threading.TIMEOUT_MAX))
        if thread.is_alive():
            self._session.spark.interruptAll()
            thread.join(2)  # it may import what tells of the end, which must not go on while Python ends
            raise QueryError(f"the query took longer than {timeout_s:g} s and was stopped; see --timeout")
        if failed:
            raise failed[0]
        return done[0]

    def _create(self, names: Iterable[str]) -> None:
        """Create the views of these names that are not there yet, and those that they are built on."""
        for name in sorted(names):
            if name in self._made:
                continue
            view: catalog.View | None = None
            below: tuple[str, ...] = _BELOW.get(name, ())
            if name in _BASE_VIEWS:
                sql = _BASE_VIEWS[name](self._scope)
            else:
                view = catalog.view(name, self._scope.view.views)
                text = catalog.render(view, self._scope.render_context)
                if view.file is not None:
                    check(parsed(text), f"{view.file}: ")
                below, sql = _carried(text)
            self._create(below)
            with self._session.asking(QueryError) as spark:
                spark.sql(f"create or replace temporary view {name} as {sql}").toArrow()
                if view is not None and view.file is not None:
                    custom.check_columns(view, spark.table(name).columns)
            self._made.add(name)

    def _create_sources(self) -> None:
        """Create what the base views are over: all runs, and the language of each text that was sent."""
        spark = self._session.spark
        found = [self._scanned(scan) for scan in self._scope.runs.scans]
        runs = found[0] if found else spark.createDataFrame([], _SCHEMA)
        for more in found[1:]:
            runs = runs.unionAll(more)
        runs.select(*NAMES).createOrReplaceTempView("observed")
        self._made.add("observed")
        for name, columns, rows in base_tables(self._scope):
            schema = ", ".join(f"{column} {_KINDS[kind]}" for column, kind in columns.items())
            spark.createDataFrame(rows, schema).createOrReplaceTempView(name)
            self._made.add(name)

    def _scanned(self, scan: Scan) -> DataFrame:
        rows = self._session.spark.read.schema(_SCHEMA).parquet(*map(_there, scan.files))
        return rows.where(scan.where) if scan.where else rows


def _there(file: str) -> str:
    """Return a file's path as the cluster is to find it; raises UsageError where it would take it for a pattern."""
    if set(file) & set("*?[]{}\\"):
        raise UsageError(f"{file}: a cluster takes * ? [ ] {{ }} for a pattern; give the folder another name")
    return file if "://" in file else os.path.abspath(file)


@lru_cache(maxsize=256)
def _carried(sql: str) -> tuple[tuple[str, ...], str]:
    """Return the tables that a query in DuckDB's dialect reads, and the query in Spark's."""
    tree = parsed(sql)
    return tuple(tables(tree)), to_spark(tree)


_BASE_VIEWS: dict[str, Callable[[Scope], str]] = {
    "run_facts": lambda scope: _run_facts(scope),
    "run_facts_with_language": lambda _: with_language("run_facts"),
    "all_run_facts": lambda scope: _run_facts(scope.over_all_time),
    "all_run_facts_with_language": lambda _: with_language("all_run_facts"),
    "run_history": lambda scope: _carried(scope.history)[1],
    "all_request_facts": lambda scope: _carried(catalog.all_request_facts(scope.render_context))[1],
    "request_facts": lambda scope: _carried(scope.request_facts)[1],
}
"""The SQL of the base views by name: the runs that count and all of them, and the requests over these."""


def _run_facts(scope: Scope) -> str:
    names = ", ".join(NAMES)
    basis = f"unix_micros({scope.dated_by})"
    where = scope.where and to_spark(parsed(f"select * from observed {scope.where}").args["where"])
    # Subqueries, for the offsets of many years are a long text, and it would be planned wherever it stands.
    return f"""
        select
            {names},
            cast(
                coalesce(cast(input_tokens as decimal(20, 0)) + output_tokens, input_tokens, output_tokens)
                as bigint
            ) as total_tokens,
            unix_micros(finished_at) - unix_micros(created_at) as duration_us,
            day,
            date_add(day, -cast((day_number + 3) % 7 as int)) as week,
            date_add(day, 1 - dayofmonth(day)) as month
        from (
            select *, date_add(date '1970-01-01', cast(day_number - {DAYS_BEFORE_1970} as int)) as day
            from (
                select *, ({basis} + {scope.shift_us(basis, "div")}) div {DAY_US} as day_number
                from observed
                {where}
            )
        )"""

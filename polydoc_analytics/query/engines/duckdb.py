"""DuckDB: an in-memory database over the runs' files, in this process."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from polydoc_analytics import views as catalog
from polydoc_analytics.errors import PolydocError, QueryError, first_line, is_foreign
from polydoc_analytics.ingest.pipeline import scratch
from polydoc_analytics.model.epoch import DAY_US
from polydoc_analytics.model.schema import NAMES
from polydoc_analytics.model.sql_names import SQL_TYPES, path_literal, quoted, without_progress_bar
from polydoc_analytics.model.timezones import DAYS_BEFORE_1970
from polydoc_analytics.query.engines.results import (
    GB,
    bounded_memory,
    few_rows_of,
    frame_of,
    own_frame_of,
    own_rows_of,
    table_of,
)
from polydoc_analytics.query.engines.scope import BASE_TABLES, Scope, base_tables, with_language
from polydoc_analytics.query.row_table import RowTable
from polydoc_analytics.query.run_relation import no_runs
from polydoc_analytics.views.comments import comments

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_GUARDED_MEMORY = "3GB"
"""DuckDB's share of the 4 GB that a query is promised to keep to; its result takes up to one more.

With 2.5 GB, DuckDB puts the durations of 100 M runs by 20,000 accounts into files again and again, and gives up.
"""
_QUERY_GROWTH = 4 * GB
_SPILLED = "16GB"
_FEW_RUNS = 20_000
"""Over no more runs than these, a query is so quick that it may be asked twice."""
_PLACE = re.compile(r"^LINE (?P<line>\d+): (?P<text>.*)\n(?P<caret> *)\^", re.MULTILINE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
# An inner join, which is as fast as none: the table holds every text there is, and `conservation` shows it.


_FACTS = ("run_facts", "all_run_facts")
_SUFFIX = "_with_language"
_REQUESTS = ("all_request_facts", "request_facts")
_KEPT = "kept_places"
"""A table that requests are worked out from, and that suspicious runs are found by once it is there."""
_BASE_VIEWS = (*_FACTS, *(name + _SUFFIX for name in _FACTS), "run_history", *_REQUESTS)
_WORD = re.compile(r"\w+")
_FROM = re.compile(r"\b(?:from|join)\s+(\w+)")
_LISTING = re.compile(r"(?i)\b(?:show|describe|summarize|information_schema|duckdb_\w+|pg_\w+|sqlite_\w+|pragma\w*)\b")


class DuckEngine:
    """Views in an in-memory DuckDB, which puts what does not fit in memory into a temporary folder of its own."""

    name = "duckdb"

    def __init__(self, scope: Scope, *, is_raw: bool = False) -> None:
        self._scope = scope
        self._is_raw = is_raw
        self._is_guarded = False
        self._is_sealed = False
        self._is_described = False
        self._lock = threading.RLock()
        self._creating = threading.RLock()
        self._context = scope.render_context
        if scope.is_everything and not is_raw:
            self._context = replace(self._context, kept_places=_KEPT)
        self._names = frozenset((*BASE_TABLES, *_BASE_VIEWS, *scope.view.views))
        self._created: set[str] = set()
        self._uris: dict[str, str] = {}
        self._shown: Callable[[str], str] = str
        with ExitStack() as stack:
            spilled = stack.enter_context(scratch())
            self._con = duckdb.connect(config={"temp_directory": str(spilled), "max_temp_directory_size": _SPILLED})
            stack.callback(self._con.close)
            scope.runs.prepare(self._con)
            self._con.execute("set timezone = 'UTC'")
            self._con.execute("set python_enable_replacements = false")
            without_progress_bar(self._con)
            own = [view for view in scope.view.views.values() if view.file is not None]
            if is_raw:
                self._create_all()
            else:
                with self._errors():
                    self._observe()
                if own:
                    self._create_own(own)
            self._stack = stack.pop_all()

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return the result of a SELECT of the package's own; raises QueryError where it fails."""
        with self._lock, self._errors():
            text = self._with_views(sql)
            few = few_rows_of(self._con.execute(text)) if self._scope.runs.counts.runs <= _FEW_RUNS else None
            return own_frame_of(self._con.sql(text)) if few is None else few

    def rows(self, sql: str) -> RowTable:
        """Return the result of a SELECT of the package's own as Python's values; raises QueryError where it fails."""
        with self._lock, self._errors():
            found = own_rows_of(self._con.execute(self._with_views(sql)))
        return RowTable.of(self.fetch(sql)) if found is None else found

    def query(self, sql: str, timeout_s: float | None = None, max_bytes: int | None = None) -> pl.DataFrame:
        """Return the result of one SELECT of a user's; raises QueryError where it fails, or does more than read.

        It is so too where it takes longer than ``timeout_s``, and where its result is larger than ``max_bytes``.
        """
        from polydoc_analytics.views.dialects.read_only_sql import check_reads_only

        self._guard()
        growth = None if max_bytes is None else _QUERY_GROWTH
        with self._lock, self._errors(sql), self._stopped_after(timeout_s), bounded_memory(growth):
            check_reads_only(self._con, sql)
            self._create_named_in(sql)
            try:
                table = self._read_only(sql, max_bytes)
            except duckdb.CatalogException:
                if not self._create_all():
                    raise
                table = self._read_only(sql, max_bytes)  # the hint names the nearest of all views
        return frame_of(table)

    def _read_only(self, sql: str, max_bytes: int | None) -> pa.Table:
        # Whatever the check had overlooked could not change the connection's own tables either.
        self._con.execute("begin transaction read only")
        try:
            return table_of(self._con.sql(sql), max_bytes)
        finally:
            with suppress(duckdb.Error):
                self._con.execute("rollback")

    def _with_views(self, sql: str) -> str:
        """Put the views that a SELECT of the package's own reads before it, and create the base views below them.

        A view is planned when it is created and once more when it is read, and most are read once.
        """
        bodies: dict[str, str] = {}
        with self._creating:
            self._collect(sql, bodies)
        views = ", ".join(f"{name} as not materialized ({body})" for name, body in bodies.items())
        return f"with {views} {sql}" if bodies else sql

    def _collect(self, sql: str, bodies: dict[str, str]) -> None:
        """Add the SQL of the views that a text reads and that are not there yet, each behind those it is built on."""
        for name in self._below(sql):
            if name in self._created or name in bodies:
                continue
            if name in self._scope.view.views:
                body = self._body(name)
                self._collect(body, bodies)
                bodies[name] = body
            else:
                self._create([name])

    def _create_named_in(self, sql: str) -> None:
        """Create the views and tables that a text names; all of them where it may list what there is."""
        with self._creating:
            if not self._created >= self._names:
                if _LISTING.search(sql):
                    self._create_all()
                else:
                    self._create(self._names.intersection(_WORD.findall(sql.lower())))

    def _create(self, names: Iterable[str]) -> None:
        """Create views and tables that are not there yet, each after those that it is built on."""
        for name in names:
            if name in self._created:
                continue
            view = self._scope.view.views.get(name)
            if name in BASE_TABLES:
                self._create_table(name, *self._tables[name])
            elif view is not None and view.file is not None:
                from polydoc_analytics.views import custom

                if not self._is_raw:
                    self._restrict()
                custom.create(self._con, view)
            else:
                body = self._body(name)
                self._create(self._below(body))
                self._con.execute(f"create {'table' if name == _KEPT else 'view'} {name} as {body}")
            self._created.add(name)

    def _create_own(self, own: Sequence[catalog.View]) -> None:
        """Create a user's views, each after those that its text names; raises QueryError where one fails."""
        self._guard()
        others = self._names.difference(view.name for view in own)
        for view in own:
            try:
                self._create(others.intersection(_WORD.findall(view.template.lower())))
                self._create([view.name])
            except QueryError as error:
                # Of what is not there the hint names the nearest of all views.
                if "Catalog Error" not in str(error) or not self._create_all():
                    raise

    def _create_all(self) -> bool:
        """Create all views and tables that are not there yet; False where there was none to create."""
        with self._creating:
            if self._created >= self._names:
                return False
            # Else the table of places would be made with the views, for queries that may never come.
            self._context = self._scope.render_context
            # Bound to no runs at first, and to days of UTC: each of them would look into the files, and go through the
            # zone's offsets, which are hundreds where a run is of the year 9999.
            self._con.execute(f"create or replace view observed as {no_runs()}")
            for name in _FACTS:
                self._con.execute(f"create or replace view {name} as {_run_facts(self._facts_scope(name), '0')}")
            self._created.update(_FACTS)
            # Views over requests are bound to their columns alone, for to plan this long query with each takes time.
            requests = self._base("all_request_facts")
            self._create(self._below(requests))
            columns = _columns_of(self._con.sql(requests))
            for name in _REQUESTS:
                self._con.execute(f"create or replace view {name} as {columns}")
            self._created.update(_REQUESTS)
            views = sorted(
                self._scope.view.views.values(), key=lambda view: view.file is not None
            )  # one's own are last
            self._create((*BASE_TABLES, *_BASE_VIEWS, *(view.name for view in views)))
            for name in (*_FACTS, *_REQUESTS):
                self._con.execute(f"create or replace view {name} as {self._base(name)}")
            with self._errors():
                self._observe()
            return True

    def _below(self, sql: str) -> list[str]:
        """List the views and tables that a text of the package's own reads."""
        # No view of the user's, whose name a CTE may have.
        views = {name for name, view in self._scope.view.views.items() if view.file is None}
        return sorted(views.union(BASE_TABLES, _BASE_VIEWS, [_KEPT]).intersection(_FROM.findall(sql)))

    def _body(self, name: str) -> str:
        """Build the SQL of a view of the package's own, or of a base view."""
        view = self._scope.view.views.get(name)
        if view is None:
            return self._base(name)
        # To keep them for one query alone would take longer than to look for the few that it needs.
        return catalog.render(view, self._context if _KEPT in self._created else self._scope.render_context)

    def _base(self, name: str) -> str:
        """Build the SQL of a base view."""
        if name in _FACTS:
            over = self._facts_scope(name)
            return _run_facts(over, over.shift_us(f"epoch_us({over.dated_by})", "//"))
        if name == _KEPT:
            context = self._scope.render_context
            return catalog.repeated_places(context, context.all_runs)
        if name == "run_history":
            return self._scope.history
        if name == "all_request_facts":
            return catalog.all_request_facts(self._context)
        if name == "request_facts":
            return self._scope.request_facts
        return with_language(name.removesuffix(_SUFFIX))

    def _facts_scope(self, name: str) -> Scope:
        return self._scope if name == "run_facts" else self._scope.over_all_time

    @cached_property
    def _tables(self) -> dict[str, tuple[Mapping[str, str], Sequence[tuple[Any, ...]]]]:
        """The base tables by name: kinds of their columns, and rows."""
        return {name: (columns, rows) for name, columns, rows in base_tables(self._scope)}

    @contextmanager
    def _errors(self, sql: str | None = None) -> Iterator[None]:
        """Raise what fails in a query as QueryError, on one line, or as SnapshotGoneError where files have gone."""
        try:
            yield
        except MemoryError:
            raise QueryError("out of memory: the query, or a single value of it, needs more than there is") from None
        except Exception as error:
            if isinstance(error, PolydocError) or not (isinstance(error, OSError) or is_foreign(error)):
                raise
            self._scope.runs.raise_if_gone()
            refused = QueryError(self._shown(first_line(error)))
            refused.excerpt = self._excerpt(error, sql)
            raise refused from None

    def _excerpt(self, error: BaseException, sql: str | None) -> str:
        """Extract the line of SQL that DuckDB refuses, with a caret under the place; empty where it names none."""
        match, lines_before = _PLACE.search(str(error)), 0
        if match is None and sql is not None and isinstance(error, duckdb.BinderException | duckdb.CatalogException):
            # A relation's error has no place; that of a statement has one.
            try:
                self._con.execute(f"explain\n{sql}")
            except duckdb.Error as located:
                match, lines_before = _PLACE.search(str(located)), 1
        if match is None:
            return ""
        lead = f"line {int(match['line']) - lines_before}: "
        column = len(match["caret"]) - len(f"LINE {match['line']}: ")
        return f"{lead}{match['text']}\n{' ' * (len(lead) + max(column, 0))}^"

    def over_rows(self, sql: str, name: str, rows: RowTable) -> RowTable:
        """Return the result of a SELECT of the package's own that also reads a few ``rows`` under a name."""
        with self._lock, self._creating:
            self._create_table(name, rows.kinds, rows.rows)
            try:
                return self.rows(sql)
            finally:
                self._con.execute(f"drop table {name}")

    def types(self, view: catalog.View) -> dict[str, str]:
        """Return the type of each column of a view."""
        with self._lock, self._errors():
            self._create_named_in(view.name)
            return {row[0]: row[1] for row in self._con.execute(f"describe {view.name}").fetchall()}

    def guard(self) -> None:
        """Put up guard rails for all that follows, for :meth:`raw` as well."""
        self._is_sealed = True
        self._guard()

    def _guard(self) -> None:
        """From now on nothing but the source's files can be read, and nothing be changed."""
        with self._lock:
            if not self._is_guarded:
                self._restrict()
                with self._errors():
                    self._observe()

    def _restrict(self) -> None:
        """Leave DuckDB no file but the source's, through an object that has no way to write them."""
        if self._is_guarded:
            return
        self._is_guarded = True
        files = self._scope.runs.files
        if self._scope.runs.is_local:
            from polydoc_analytics.lake.storage.read_only_files import ReadOnlyFiles

            opened = ReadOnlyFiles(files)
            self._con.register_filesystem(opened)
            self._uris = dict(zip(map(path_literal, files), map(quoted, opened.uris), strict=True))
            self._shown = opened.shown
            files = opened.uris
        for setting in (
            f"memory_limit = '{_GUARDED_MEMORY}'",
            f"allowed_paths = [{', '.join(map(quoted, files))}]",
            "enable_external_access = false",
            "autoload_known_extensions = false",
            "autoinstall_known_extensions = false",
            "allow_community_extensions = false",
            "lock_configuration = true",
        ):
            self._con.execute(f"set {setting}")

    def _observe(self) -> None:
        """Let the views see the source's runs."""
        runs = self._scope.runs
        relation = _LITERAL.sub(lambda found: self._uris.get(found[0], found[0]), runs.relation)
        self._con.execute(f"create or replace view observed as select {runs.columns} from {relation}")

    def raw(self) -> duckdb.DuckDBPyConnection:
        """Return a connection without guard rails, its views and their columns carrying their meaning as comments."""
        engine = self if self._is_raw or self._is_sealed else self._raw
        engine._create_all()
        with engine._creating:
            if not engine._is_described:
                for view in self._scope.view.views.values():
                    engine._con.execute("\n".join(comments(view.name, view.described, view.columns)))
                engine._is_described = True
        return engine._con

    @cached_property
    def _raw(self) -> DuckEngine:
        """The same views once more: what a database may do holds for all of its connections."""
        engine = DuckEngine(self._scope, is_raw=True)
        self._stack.callback(engine.close)
        return engine

    def close(self) -> None:
        """Close the connection, and remove what it has put into its temporary folder."""
        self._stack.close()

    @contextmanager
    def _stopped_after(self, timeout_s: float | None) -> Iterator[None]:
        if timeout_s is None:
            yield
            return
        is_done, is_late = threading.Event(), threading.Event()

        def interrupt() -> None:
            # Again and again: an interrupt that comes while the query is still being planned is forgotten.
            if not is_done.wait(min(timeout_s, threading.TIMEOUT_MAX)):
                is_late.set()
                self._con.interrupt()
                while not is_done.wait(0.05):
                    self._con.interrupt()

        watch = threading.Thread(target=interrupt, name="polydoc-timeout", daemon=True)
        watch.start()
        try:
            yield
        except Exception:
            if is_late.is_set():
                raise QueryError(f"the query took longer than {timeout_s:g} s and was stopped; see --timeout") from None
            raise
        finally:
            is_done.set()
            watch.join()

    def _create_table(self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
        definitions = ", ".join(f"{column} {SQL_TYPES['duckdb'][kind]}" for column, kind in columns.items())
        self._con.execute(f"create table {name} ({definitions})")
        if rows:
            types = (SQL_TYPES["duckdb"][kind] for kind in columns.values())
            values = ", ".join(f"unnest(?::{one}[])" for one in types)
            by_column = [list(column) for column in zip(*rows, strict=True)]
            self._con.execute(f"insert into {name} select {values}", by_column)


def _columns_of(relation: duckdb.DuckDBPyRelation) -> str:
    """Return SQL of no rows with the columns of a query."""
    columns = zip(relation.columns, relation.types, strict=True)
    return f"select {', '.join(f'cast(null as {kind}) as {name}' for name, kind in columns)} where false"


def _run_facts(scope: Scope, shift: str) -> str:
    """Return SQL for the runs that count; ``shift`` is the µs that make the instant that dates them a local one."""
    names = ", ".join(NAMES)
    # Subqueries, for the offsets of many years are a long text, and it would be planned wherever it stands.
    return f"""
        select
            {names},
            coalesce(input_tokens + output_tokens, input_tokens, output_tokens) as total_tokens,
            epoch_us(finished_at) - epoch_us(created_at) as duration_us,
            {_date("day_number")} as day,
            {_date("day_number - (day_number + 3) % 7")} as week,
            cast(date_trunc('month', {_date("day_number")}) as date) as month
        from (
            select *, (epoch_us({scope.dated_by}) + {shift}) // {DAY_US} as day_number
            from observed
            {scope.where}
        )"""


def _date(day: str) -> str:
    """Return SQL for a date from a day number that is counted from DAYS_BEFORE_1970."""
    return f"(date '1970-01-01' + cast({day} - {DAYS_BEFORE_1970} as integer))"

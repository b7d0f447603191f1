"""DuckDB: an in-memory database over the runs' files, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from polydoc_analytics import views as catalog
from polydoc_analytics.engines.scope import Scope
from polydoc_analytics.errors import QueryError, first_line
from polydoc_analytics.opening import no_runs
from polydoc_analytics.schema import NAMES
from polydoc_analytics.sql import quoted, without_progress_bar
from polydoc_analytics.views import own
from polydoc_analytics.zones import DAY_US, DAYS_BEFORE_1970

if TYPE_CHECKING:
    import polars as pl

_GUARDED_MEMORY = "4GB"
# An inner join, which is as fast as none: the table holds every text there is, and `conservation` shows it.
_RUN_FACTS_WITH_LANGUAGE = """
    select run_facts.*, languages.language, languages.language_name, languages.is_known_language
    from run_facts inner join languages using (target_language)"""


class DuckEngine:
    """Views in an in-memory DuckDB."""

    name = "duckdb"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._con = duckdb.connect(":memory:")
        try:
            scope.runs.prepare(self._con)
            self._con.execute("set timezone = 'UTC'")
            self._con.execute("set python_enable_replacements = false")
            without_progress_bar(self._con)
            self._create_languages()
            # The views are bound to no runs at first, and to days of UTC: each of them would look into the files, and
            # go through the zone's offsets, which are hundreds where a run is of the year 9999.
            self._con.execute(f"create view observed as {no_runs()}")
            self._con.execute(f"create view run_facts as {_run_facts(scope, '0')}")
            self._con.execute(f"create view run_facts_with_language as {_RUN_FACTS_WITH_LANGUAGE}")
            for view in scope.views.values():
                if view.file is not None:
                    own.create(self._con, view)
                else:
                    self._con.execute(f"create view {view.name} as {catalog.render(view, scope.setting)}")
            shift = scope.shift_us(f"epoch_us({scope.dated_by})", "//")
            self._con.execute(f"create or replace view run_facts as {_run_facts(scope, shift)}")
            observed = f"select {scope.runs.columns} from {scope.runs.relation}"
            self._con.execute(f"create or replace view observed as {observed}")
        except BaseException:
            self._con.close()
            raise

    def fetch(self, sql: str, timeout_s: float | None = None) -> pl.DataFrame:
        """Return the result of one SELECT; raises QueryError where it fails or takes too long."""
        import polars as pl

        try:
            statements = self._con.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("expected exactly one SELECT statement")
            with self._interrupted_after(timeout_s):
                table = self._con.sql(sql).to_arrow_table()
            frame = pl.from_arrow(table)
        except duckdb.InterruptException:
            raise QueryError(f"the query took longer than {timeout_s:g} s and was stopped; see --timeout") from None
        except duckdb.Error as error:
            raise QueryError(first_line(error)) from None
        except pl.exceptions.PolarsError as error:
            raise QueryError(
                f"the result makes no table, give its columns names and plain types: {first_line(error)}"
            ) from None
        assert isinstance(frame, pl.DataFrame)
        return frame

    def over_rows(self, sql: str, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the result of a SELECT of the package's own that also reads a few ``rows`` under a name."""
        self._con.register(name, rows.to_arrow())
        try:
            return self.fetch(sql)
        finally:
            self._con.unregister(name)

    def types(self, view: catalog.View) -> dict[str, str]:
        """Return the type of each column of a view."""
        return {row[0]: row[1] for row in self._con.execute(f"describe {view.name}").fetchall()}

    def guard(self) -> None:
        """Put up guard rails: from now on nothing but the source's files can be read, and nothing be changed."""
        paths = ", ".join(quoted(path) for path in self._scope.runs.files)
        for setting in (
            f"memory_limit = '{_GUARDED_MEMORY}'",
            f"allowed_paths = [{paths}]",
            "enable_external_access = false",
            "autoload_known_extensions = false",
            "autoinstall_known_extensions = false",
            "allow_community_extensions = false",
            "lock_configuration = true",
        ):
            self._con.execute(f"set {setting}")

    def raw(self) -> duckdb.DuckDBPyConnection:
        """Return the connection, its views and their columns carrying their meaning as comments."""
        for view in self._scope.views.values():
            self._con.execute(f"comment on view {view.name} is {quoted(f'{view.title} Grain: {view.grain}.')}")
            for column, meaning in view.columns.items():
                self._con.execute(f'comment on column {view.name}."{column}" is {quoted(meaning)}')
        return self._con

    def close(self) -> None:
        """Close the connection."""
        self._con.close()

    @contextmanager
    def _interrupted_after(self, timeout_s: float | None) -> Iterator[None]:
        if timeout_s is None:
            yield
            return
        is_done = threading.Event()

        def interrupt() -> None:
            # Again and again: an interrupt that comes while the query is still being planned is forgotten.
            if not is_done.wait(min(timeout_s, threading.TIMEOUT_MAX)):
                self._con.interrupt()
                while not is_done.wait(0.05):
                    self._con.interrupt()

        watch = threading.Thread(target=interrupt, name="polydoc-timeout", daemon=True)
        watch.start()
        try:
            yield
        finally:
            is_done.set()
            watch.join()

    def _create_languages(self) -> None:
        """Create the table that maps each text that was sent to a language."""
        self._con.execute(
            "create table languages "
            "(target_language varchar, language varchar, language_name varchar, is_known_language boolean)"
        )
        rows = [(text, found.tag, found.name, found.known) for text, found in self._scope.languages.items()]
        if rows:
            import pyarrow as pa

            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            self._con.register("rows_of_languages", pa.table(columns, names=["a", "b", "c", "d"]))
            self._con.execute("insert into languages select * from rows_of_languages")
            self._con.unregister("rows_of_languages")


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

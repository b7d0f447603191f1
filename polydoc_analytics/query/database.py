"""``Database``: the views over one source, for one interval, zone and choice of accounts and languages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from polydoc_analytics import views as catalog
from polydoc_analytics.errors import (
    QueryError,
    SumError,
    UsageError,
    translating,
)
from polydoc_analytics.model.periods import Interval, interval
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.model.schema import INTEGERS
from polydoc_analytics.model.summary import Summarised
from polydoc_analytics.query.engines.scope import Engine, Scope
from polydoc_analytics.query.options import names_given
from polydoc_analytics.query.row_table import RowTable
from polydoc_analytics.safe_text import on_one_line

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    from pyspark.sql.connect.session import SparkSession

    from polydoc_analytics.query.duckdb_file import DatabaseFile
    from polydoc_analytics.query.explanation import Explanation
    from polydoc_analytics.query.outlook import Outlook

_R = TypeVar("_R")
RESULT_BYTES = 1_000_000_000
"""How large a query's result may be, as Arrow holds it."""
_OVERFLOW = re.compile(r"(?i)overflow|out of range|out_of_range")


@translating()
class Database(Summarised):
    """The views over one source, for one interval, time zone and choice of accounts and languages.

    ``interval`` is half-open in UTC; ``snapshot`` names that of a lake; ``account_names`` are those that a lake knows
    and those that were given, by account id; ``catalog`` has the views by name, the user's own among them. ``counts``
    accounts for the rows that were read, ``quarantine`` holds the rejected ones and ``rejection`` says in words what
    they are; ``passed_over`` names the files of a folder that were not read, and says why. Close it, or use it in
    a ``with`` block, to remove what was loaded to temporary files.
    """

    def __init__(self, scope: Scope, make: Callable[[Scope], Engine], stack: ExitStack) -> None:
        runs = scope.runs
        self.interval = scope.view.interval
        self.filters = scope.view.filters
        self.date_basis = scope.view.date_basis
        self.now = scope.view.now
        self.counts = runs.counts
        self.conflicts = runs.conflicts
        self.snapshot = runs.snapshot
        self.rejection = runs.rejection
        self.passed_over = runs.passed_over
        self.account_names = runs.account_names
        self.catalog = scope.view.views
        self._runs = runs
        self._scope = scope
        self._make = make
        self._engine = make(scope)
        stack.callback(self._engine.close)
        self._stack = stack.pop_all()

    def _summary(self) -> dict[str, str]:
        counts, interval, filters = self.counts, self.interval, self.filters
        rows = f"{counted(counts.duplicates, 'duplicate')}, {counts.quarantined:,} quarantined"
        found = {"source": f"{counted(counts.runs, 'run')} as of {self.snapshot}"} if self.snapshot else {}
        found = found or {"source": f"{counted(counts.runs, 'run')}, {rows}"}
        found["interval"] = interval.text or "all runs"
        found["days in"] = f"{self.timezone}, by when runs were {self.date_basis}"
        for name, chosen in (("accounts", filters.accounts), ("languages", filters.languages)):
            found |= {name: ", ".join(chosen)} if chosen else {}
        return found | {"views": f"{len(self.catalog)} on {self.engine}"}

    def __enter__(self) -> Database:
        """Return the database itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connection and remove temporary files."""
        self._stack.close()

    @property
    def engine(self) -> str:
        """The engine's name: duckdb or spark."""
        return self._engine.name

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A raw connection of its own, its views and their columns carrying their meaning as comments.

        No guard rails are on it: it can write files and read any others, among them those of the source. What is
        created in it, :meth:`sql` does not see. Raises UsageError where the engine is another.
        """
        connection: duckdb.DuckDBPyConnection = self._raw("duckdb")
        return connection

    @property
    def spark(self) -> SparkSession:
        """The session with the cluster, all views in it as temporary views, for Spark's own SQL and frames.

        Raises UsageError where the engine is another.
        """
        session: SparkSession = self._raw("spark")
        return session

    def _raw(self, name: str) -> Any:
        if self._engine.name != name:
            raise UsageError(f"these views are on {self._engine.name}; there is no {name} connection to them")
        return self._engine.raw()

    @cached_property
    def loads(self) -> pl.DataFrame | None:
        """The ledger of a lake up to the snapshot, see :meth:`polydoc_analytics.Lake.loads`; None for other sources."""
        import polars as pl

        lake = self._runs.lake
        return None if lake is None else lake.loads().filter(pl.col("number") <= self._runs.load_number)

    @cached_property
    def quarantine(self) -> pl.DataFrame:
        """The rejected rows: source, line, reason and raw; of a lake those of all its loads up to the snapshot."""
        from polydoc_analytics.ingest.quarantine import COLUMNS, empty_frame

        if self.loads is None or self._runs.lake is None:
            return empty_frame() if self._runs.quarantine is None else self._runs.quarantine
        return self._runs.lake.quarantine().join(self.loads, on="load", how="semi").select(*COLUMNS)

    @property
    def timezone(self) -> str:
        """The name of the time zone in which days, weeks and months begin."""
        return self.interval.timezone

    @property
    def language_names(self) -> dict[str, str]:
        """English names by language tag."""
        return {found.tag: found.name for found in self._scope.languages.values()}

    @property
    def runs_without_date(self) -> int:
        """How many runs of the chosen accounts and languages are in no view, for their date is unknown.

        Each run has its creation; with the date basis finished, the date is finished_at.
        """
        if self.date_basis == "created":
            return 0
        [runs] = self._engine.rows(f"select count(*) as runs from ({self._scope.undated}) as undated")["runs"]
        return int(runs)

    def over(self, interval: Interval) -> Database:
        """Return the views over the same runs for another interval; close it before this one."""
        return self._with(interval=interval)

    def without(self, accounts: str | Iterable[str]) -> Database:
        """Return the views over the same runs but for those of some accounts; close it before this one."""
        left_out = (*self.filters.without_accounts, *names_given("accounts", accounts))
        filters = replace(self.filters, without_accounts=left_out)
        return self._with(filters=filters)

    def _with(self, **options: Any) -> Database:
        view = replace(self._scope.view, **options)
        return Database(replace(self._scope, view=view), self._make, ExitStack())

    def account_ids(self) -> list[str]:
        """Return the ids of all accounts of the source, sorted, whatever the filters and the interval."""
        sql = "select distinct account_id from observed order by account_id"
        return self._fetched(lambda: self._engine.rows(sql))["account_id"]

    def view(self, name: str) -> pl.DataFrame:
        """Return the whole view ``name`` as a Polars frame, ordered by its keys.

        :meth:`views` lists the names, :meth:`describe` the columns.
        """
        sql = self._whole_view(name)
        return self._fetched(lambda: self._engine.fetch(sql))

    def with_total(self, name: str) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Return a view of usage or request_rates by keys, ordered by them, and the row of that view without keys.

        Both come from one pass over the runs, with the figures that each view has by itself. Raises UsageError for
        another view.
        """
        import polars as pl

        view = catalog.view(name)
        if not view.keys or not name.startswith(("usage", "request_rates")):
            raise UsageError(f"{name} has no total beside it; name a view of usage or request_rates by keys")
        sql = catalog.render(view, self._scope.render_context, with_total=True)
        both = self._fetched(lambda: self._engine.fetch(sql))
        is_total = pl.all_horizontal(pl.col(view.keys).is_null())
        total = both.filter(is_total).drop(*view.keys, *catalog.NAME_COLUMNS.values(), "is_partial", strict=False)
        return both.filter(~is_total).sort(view.ordered_by), total.row(0, named=True)

    def rows(self, name: str) -> RowTable:
        """Return the whole view ``name`` as :meth:`view` does, as Python's own values, without importing Polars."""
        sql = self._whole_view(name)
        return self._fetched(lambda: self._engine.rows(sql))

    def _whole_view(self, name: str) -> str:
        view = catalog.view(name, self.catalog)
        order = f" order by {', '.join(view.ordered_by)}" if view.ordered_by else ""
        return f"select * from {view.name}{order}"

    def sql(self, text: str, *, timeout_s: float | None = None, max_bytes: int | None = RESULT_BYTES) -> pl.DataFrame:
        """Return the result of one SELECT, ``text``, over the views as a Polars frame.

        It reads the views and nothing else: the engine gets no way to write a file or to read another. :attr:`duckdb`
        is for whatever is more. Values that Polars does not hold, such as intervals, come as DuckDB's texts of them.

        Raises QueryError with the engine's own words where the query fails, does more than read, takes longer than
        ``timeout_s`` seconds, or has a result of more than ``max_bytes``; None is for any size.
        """
        return self._fetched(lambda: self._engine.query(text, timeout_s, max_bytes))

    def fetch(self, sql: str) -> pl.DataFrame:
        """Return the result of a SELECT over the views that is trusted, such as one of a report, as a Polars frame.

        It has no guard rails, so that files are read at full speed: :meth:`sql` is for what a person types.
        """
        return self._fetched(lambda: self._engine.fetch(sql))

    def _fetched(self, fetch: Callable[[], _R]) -> _R:
        """Return a result; where a number is too great for it, name the run that makes it so."""
        try:
            return fetch()
        except QueryError as error:
            runs = self._unlikely_runs() if _OVERFLOW.search(str(error)) else []
            if not runs:
                raise
            first = max(runs, key=lambda run: max(abs(run[name] or 0) for name in INTEGERS))
            name = max(INTEGERS, key=lambda name: abs(first[name] or 0))
            accounts = tuple(dict.fromkeys(run["account_id"] for run in runs))
            run, account = on_one_line(first["id"]), on_one_line(first["account_id"])
            raise SumError(
                f"a sum does not fit into 64 bits: run '{run}' of account '{account}' has "
                f"{first[name]:,} {name}; load it again with the right number, or choose accounts without such runs "
                f"({error})",
                accounts,
            ) from None

    def _unlikely_runs(self) -> list[dict[str, Any]]:
        """List the runs of the interval that have such numbers; where none has, those of all time, as of requests."""
        names = ", ".join(INTEGERS)
        rows: list[dict[str, Any]] = []
        for facts in ("run_facts", "all_run_facts"):
            sql = f"select id, account_id, {names} from {facts} where {catalog.is_unlikely()} order by account_id, id"
            rows = rows or list(self._engine.fetch(sql).iter_rows(named=True))
        return rows

    def explain(
        self, *, measure: str = "credits", period: str | None = None, against: str | None = None
    ) -> Explanation:
        """Explain what moved a measure since the period before: an Explanation, whose effects sum to the difference.

        ``measure`` is credits, runs or total_tokens. ``period`` is one such as last-month, by default the interval of
        the database; ``against`` is another than the one before it. A period in progress is compared with the same
        days of the other. Credits are the product of runs (``volume``), an account's and language's share of them
        (``mix``), tokens per run (``size``) and credits per token (``rate``); see the documentation of figures.

        Raises UsageError for another measure, for a period that has not begun, and for one without a beginning.
        """
        from polydoc_analytics.query.explain import explain

        if period is None:
            return explain(self, measure=measure, against=against)
        with self.over(interval(period=period, timezone=self.timezone, now=self.now)) as chosen:
            return explain(chosen, measure=measure, against=against)

    def outlook(
        self,
        *,
        period: str | None = None,
        measure: str = "credits",
        by: str | None = None,
        budget: str | os.PathLike[str] | Mapping[str, float] | None = None,
    ) -> Outlook:
        """Forecast where a period in progress will end: an Outlook, with what there is so far, expected and before.

        ``period`` is by default the interval of the database, or this-month where that has no bounds; ``measure`` is
        credits, runs or total_tokens; ``by`` may be account. ``budget`` is credits by account id, or a CSV file with
        the columns account_id and credits; with one, the outlook goes by account. Each day ahead is expected to bring
        the mean of the same weekday over the last eight whole weeks; the documentation of figures says the rest.

        Raises UsageError for a period that is not in progress, another measure or key, and what is no budget.
        """
        from polydoc_analytics.query.outlook_forecast import checked_budgets, outlook, read_budgets

        budgets: Mapping[str, float] | None = None
        if budget is not None:
            budgets = checked_budgets(budget) if isinstance(budget, Mapping) else read_budgets(budget)
        return outlook(self, period=period, measure=measure, by=by, budgets=budgets)

    def usage_of_the_rest(self, view: catalog.View, shown: RowTable | pl.DataFrame) -> dict[str, Any]:
        """Return the usage over all runs that belong to no row of ``shown``, rows of the usage view ``view``."""
        context = self._scope.render_context
        facts = context.facts_with_language if view.needs_language else context.facts
        columns = {key: view.every if key == "period" else key for key in view.keys}
        same = " and ".join(f"facts.{column} = shown_rows.{key}" for key, column in columns.items())
        rest = f"(select facts.* from {facts} as facts anti join shown_rows on {same})"
        sql = catalog.render(catalog.view("usage"), replace(context, facts=rest))
        keys = RowTable.of(shown).select(view.keys)
        return next(self._fetched(lambda: self._engine.over_rows(sql, "shown_rows", keys)).named())

    def export(
        self, destination: str | os.PathLike[str], *, overwrite: bool = False, contract: bool = False
    ) -> DatabaseFile:
        """Write the runs, languages, accounts and all views to the DuckDB file ``destination``, for BI tools.

        Interval, filters, date basis and zone are those of the database; the file's table ``about`` tells them. Any
        DuckDB from 1.1 on opens it, without this package. It appears when it is whole, in the place of an earlier
        export where ``overwrite`` is given. With ``contract`` a data contract is written beside it, in the Open Data
        Contract Standard, as ``DESTINATION.odcs.yaml``. Raises UsageError where the file exists or the engine is
        another than DuckDB, SourceError where it cannot be written, SumError where a number does not fit.
        """
        from polydoc_analytics.query.duckdb_file import write_database

        about = self._about()
        file = self._fetched(lambda: write_database(self.duckdb, self._scope, about, destination, overwrite=overwrite))
        if contract:
            from polydoc_analytics.query.data_contract import view_table, write_contract

            tables = [
                view_table(view.name, view.title, view.grain, self.describe(view.name).rows())
                for view in self.catalog.values()
            ]
            said = ("timezone", "since", "until", "date_basis")
            write_contract(destination, tables, {name: str(about[name][0]) for name in said if about[name][0]})
        return file

    def _about(self) -> dict[str, tuple[str | None, str]]:
        since, until = self.interval.since, self.interval.until
        return {
            "written_at": (self.now.isoformat(), "now, as the views know it"),
            "timezone": (self.timezone, "where days, weeks and months begin"),
            "since": (since.isoformat() if since else None, "begin of the interval, inclusive; null is the first run"),
            "until": (until.isoformat() if until else None, "end of the interval, exclusive; null is the last run"),
            "date_basis": (self.date_basis, "whether the instant that a run was created or finished dates it"),
            "accounts": (", ".join(self.filters.accounts) or None, "the only accounts in it; null is all"),
            "languages": (", ".join(self.filters.languages) or None, "the only languages in it; null is all"),
            "snapshot": (self.snapshot, "the load of the lake that the figures are as of; null for other sources"),
            "runs_without_date": (str(self.runs_without_date), "runs left out, for their date is unknown"),
            **{name: (str(count), "rows of the source") for name, count in self.counts.items()},
        }

    def guard(self) -> None:
        """Put up the guard rails of :meth:`sql` for all that follows, for :attr:`duckdb` as well."""
        self._engine.guard()

    def views(self) -> pl.DataFrame:
        """Return the dictionary of views: view, title and grain."""
        import polars as pl

        rows = [{"view": v.name, "title": v.title, "grain": v.grain} for v in self.catalog.values()]
        return pl.DataFrame(rows)

    def describe(self, name: str) -> pl.DataFrame:
        """Return the columns of a view: column, type and meaning."""
        import polars as pl

        view = catalog.view(name, self.catalog)
        types = self._engine.types(view)
        return pl.DataFrame([{"column": c, "type": types[c], "meaning": m} for c, m in view.columns.items()])

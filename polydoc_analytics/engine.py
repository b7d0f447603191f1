"""``connect()``: the views over any source, in an in-memory DuckDB."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from polydoc_analytics import views as catalog
from polydoc_analytics.errors import QueryError, UsageError, first_line, nearest
from polydoc_analytics.languages import Language, languages
from polydoc_analytics.loaders import Progress
from polydoc_analytics.opening import Runs, opened_runs
from polydoc_analytics.periods import Interval, interval
from polydoc_analytics.schema import NAMES
from polydoc_analytics.sql import quoted, without_progress_bar
from polydoc_analytics.views import own
from polydoc_analytics.zones import offsets, zone

if TYPE_CHECKING:
    import polars as pl

DateBasis = Literal["created", "finished"]
DATE_BASES = ("created", "finished")

_GUARDED_MEMORY = "4GB"
_DAY_US = 86_400_000_000
_DAYS_BEFORE_1970 = 7 * 114_286
"""A whole number of weeks that reaches back beyond year 1, so that day numbers are never negative."""
_RULES_ONLY_US = 4_102_444_800_000_000
_CYCLE_US = 146_097 * _DAY_US
"""The year 2100, from which on zones change by yearly rules or never, and the 400 years of the calendar's cycle."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which accounts and languages the views are confined to; empty means all."""

    accounts: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


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
    date_basis: DateBasis = "created",
    now: datetime | None = None,
    input_format: str | None = None,
    assume_utc: bool = False,
    strict: bool = False,
    quarantine_to: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    as_of: int | str | date | datetime | None = None,
    views: str | os.PathLike[str] | None = None,
) -> Database:
    """Return the views over a source: a path, glob, folder, list, URI, table or lake.

    Parquet is scanned in place once a pass has proven types, hard rules and unique ids; a folder that ``export`` has
    written and a lake skip the pass; everything else is loaded and merged first. ``as_of`` gives a lake's figures as
    they were known as of a load (its number or name) or an instant (a day: its end in ``timezone``). How files are read
    is up to ``input_format``, ``assume_utc``, ``strict``, ``quarantine_to`` and ``progress``, those of
    :func:`polydoc_analytics.load`. ``now`` (default: the current time) is what periods such as last-month start from.

    ``since``, ``until``, ``last`` and ``period`` choose the interval (see :func:`polydoc_analytics.interval`), whose
    days are local to ``timezone``; ``date_basis`` says whether a run belongs to the instant at which it was created
    or finished. ``account`` and ``language`` (exact tags) confine all views.

    ``views`` is a folder of your own views: ``NAME.sql`` with a header as the package's have (a title, ``grain: …``,
    each column with its meaning) and one SELECT over the package's views and each other.

    Raises SourceError where the source cannot be read, UsageError where an argument means nothing, QueryError where a
    view of your own fails or has other columns than its header says.
    """
    if date_basis not in DATE_BASES:
        hint = nearest(date_basis, DATE_BASES)
        raise UsageError(f"unknown date basis '{date_basis}'{hint}; expected {' or '.join(DATE_BASES)}")
    known = own.catalog_with(views)
    now = now or datetime.now(UTC)
    chosen = interval(since=since, until=until, last=last, period=period, timezone=timezone, now=now)
    filters = Filters(_names(account), _names(language))
    with ExitStack() as stack:
        runs = stack.enter_context(
            opened_runs(
                source,
                input_format=input_format,
                assume_utc=assume_utc,
                strict=strict,
                quarantine_to=quarantine_to,
                progress=progress,
                as_of=as_of,
                timezone=timezone,
            )
        )
        return Database(runs, chosen, filters, date_basis, now, stack, known)


def _names(given: str | Iterable[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


class Database:
    """The views over one source, for one interval, time zone and choice of accounts and languages.

    ``interval`` is half-open in UTC; ``snapshot`` names that of a lake; ``account_names`` are those that a lake knows,
    by account id; ``catalog`` has the views by name, the user's own among them. ``counts`` accounts for the rows that
    were read, ``quarantine`` holds the rejected ones and ``rejection`` says in words what they are. Close it, or use it
    in a ``with`` block, to remove what was loaded to temporary files.
    """

    def __init__(
        self,
        runs: Runs,
        interval: Interval,
        filters: Filters,
        date_basis: DateBasis,
        now: datetime,
        stack: ExitStack,
        views: Mapping[str, catalog.View] | None = None,
    ) -> None:
        self.interval = interval
        self.filters = filters
        self.date_basis = date_basis
        self.now = now
        self.counts = runs.counts
        self.conflicts = runs.conflicts
        self.snapshot = runs.snapshot
        self.rejection = runs.rejection
        self.account_names = runs.account_names
        self.catalog = catalog.catalog() if views is None else views
        self._runs = runs
        self._con = stack.enter_context(duckdb.connect(":memory:"))
        runs.prepare(self._con)
        self._con.execute("set timezone = 'UTC'")
        self._con.execute("set python_enable_replacements = false")
        without_progress_bar(self._con)
        known = languages(runs.languages)
        self._language_names = {found.tag: found.name for found in known.values()}
        self._create_languages(known)
        self._create_facts(known)
        setting = self._setting()
        for view in self.catalog.values():
            if view.file is not None:
                own.create(self._con, view)
            else:
                self._con.execute(f"create view {view.name} as {catalog.render(view, setting)}")
        self._stack = stack.pop_all()

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
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """The raw connection, its views and their columns carrying their meaning as comments."""
        for view in self.catalog.values():
            self._con.execute(f"comment on view {view.name} is {quoted(f'{view.title} Grain: {view.grain}.')}")
            for column, meaning in view.columns.items():
                self._con.execute(f'comment on column {view.name}."{column}" is {quoted(meaning)}')
        return self._con

    @cached_property
    def loads(self) -> pl.DataFrame | None:
        """The ledger of a lake up to the snapshot, see :meth:`polydoc_analytics.Lake.loads`; None for other sources."""
        import polars as pl

        lake = self._runs.lake
        return None if lake is None else lake.loads().filter(pl.col("number") <= self._runs.load_number)

    @cached_property
    def quarantine(self) -> pl.DataFrame:
        """The rejected rows: source, line, reason and raw; of a lake those of all its loads up to the snapshot."""
        if self.loads is None or self._runs.lake is None:
            return self._runs.quarantine
        rows = self._runs.lake.quarantine().join(self.loads, on="load", how="semi")
        return rows.select(self._runs.quarantine.columns)

    @property
    def timezone(self) -> str:
        """The name of the time zone in which days, weeks and months begin."""
        return self.interval.timezone

    @property
    def language_names(self) -> dict[str, str]:
        """English names by language tag."""
        return self._language_names

    @property
    def runs_without_date(self) -> int:
        """How many runs leave every view because their date (finished_at, with that date basis) is unknown."""
        if self.date_basis == "created":
            return 0
        [(runs,)] = self._con.execute("select count(*) from observed where finished_at is null").fetchall()
        return int(runs)

    def over(self, interval: Interval) -> Database:
        """Return the views over the same runs for another interval; close it before this one."""
        return Database(self._runs, interval, self.filters, self.date_basis, self.now, ExitStack(), self.catalog)

    def view(self, name: str) -> pl.DataFrame:
        """Return the whole view ``name`` as a Polars frame, ordered by its keys.

        :meth:`views` lists the names, :meth:`describe` the columns.
        """
        view = catalog.view(name, self.catalog)
        order = f" order by {', '.join(view.keys)}" if view.keys else ""
        return self._fetch(f"select * from {view.name}{order}")

    def sql(self, text: str, *, timeout_s: float | None = None) -> pl.DataFrame:
        """Return the result of one SQL query, ``text``, over the views as a Polars frame.

        Raises QueryError with the engine's own words where the query fails, or takes longer than ``timeout_s`` seconds.
        """
        return self._fetch(text, timeout_s)

    def usage_of_the_rest(self, view: catalog.View, shown: pl.DataFrame) -> dict[str, Any]:
        """Return the usage over all runs that belong to no row of ``shown``, rows of the usage view ``view``."""
        setting = self._setting()
        facts = setting.facts_with_language if view.needs_language else setting.facts
        columns = {key: view.every if key == "period" else key for key in view.keys}
        same = " and ".join(f"facts.{column} = shown_rows.{key}" for key, column in columns.items())
        rest = f"(select facts.* from {facts} as facts anti join shown_rows on {same})"
        self._con.register("shown_rows", shown.select(view.keys).to_arrow())
        try:
            sql = catalog.render(catalog.view("usage"), replace(setting, facts=rest))
            return self._fetch(sql).row(0, named=True)
        finally:
            self._con.unregister("shown_rows")

    def guard(self) -> None:
        """Put up guard rails: from now on nothing but the source's files can be read, and nothing be changed."""
        paths = ", ".join(quoted(path) for path in self._runs.files)
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

    def views(self) -> pl.DataFrame:
        """Return the dictionary of views: view, title and grain."""
        import polars as pl

        rows = [{"view": v.name, "title": v.title, "grain": v.grain} for v in self.catalog.values()]
        return pl.DataFrame(rows)

    def describe(self, name: str) -> pl.DataFrame:
        """Return the columns of a view: column, type and meaning."""
        import polars as pl

        view = catalog.view(name, self.catalog)
        types = {row[0]: row[1] for row in self._con.execute(f"describe {view.name}").fetchall()}
        return pl.DataFrame([{"column": c, "type": types[c], "meaning": m} for c, m in view.columns.items()])

    def _fetch(self, text: str, timeout_s: float | None = None) -> pl.DataFrame:
        import polars as pl

        try:
            statements = self._con.extract_statements(text)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("expected exactly one SELECT statement")
            with self._interrupted_after(timeout_s):
                table = self._con.sql(text).to_arrow_table()
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

    def _create_languages(self, known: dict[str, Language]) -> None:
        """Create the table that maps each text that was sent to a language."""
        self._con.execute(
            "create table languages "
            "(target_language varchar, language varchar, language_name varchar, is_known_language boolean)"
        )
        rows = [(text, found.tag, found.name, found.known) for text, found in known.items()]
        if rows:
            import pyarrow as pa

            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            self._con.register("rows_of_languages", pa.table(columns, names=["a", "b", "c", "d"]))
            self._con.execute("insert into languages select * from rows_of_languages")
            self._con.unregister("rows_of_languages")

    def _create_facts(self, known: dict[str, Language]) -> None:
        """Create the base views: all runs, those of the interval and filters, and these with their languages."""
        self._con.execute(f"create view observed as select {self._runs.columns} from {self._runs.relation}")
        basis = f"{self.date_basis}_at"
        bounds = self._runs.finished_us if self.date_basis == "finished" else self._runs.created_us
        conditions = [] if self.date_basis == "created" else ["finished_at is not null"]
        if self.interval.since is not None:
            conditions.append(f"{basis} >= {_instant(self.interval.since)}")
        if self.interval.until is not None:
            conditions.append(f"{basis} < {_instant(self.interval.until)}")
        if self.filters.accounts:
            conditions.append(f"account_id in ({', '.join(map(quoted, self.filters.accounts))})")
        if self.filters.languages:
            texts = [text for text, found in known.items() if found.tag in self.filters.languages]
            conditions.append(f"target_language in ({', '.join(map(quoted, texts))})" if texts else "false")
        where = f"where {' and '.join(conditions)}" if conditions else ""
        names = ", ".join(f"observed.{name}" for name in NAMES)
        day = f"(epoch_us({basis}) + {self._shift_us(bounds)}) // {_DAY_US}"
        self._con.execute(f"""
            create view run_facts as
            select
                {names},
                coalesce(input_tokens + output_tokens, input_tokens, output_tokens) as total_tokens,
                epoch_us(finished_at) - epoch_us(created_at) as duration_us,
                {_date(day)} as day,
                {_date(f"{day} - ({day} + 3) % 7")} as week,
                cast(date_trunc('month', {_date(day)}) as date) as month
            from observed
            {where}""")
        # An inner join, which is as fast as none: the table holds every text there is, and `conservation` shows it.
        self._con.execute("""
            create view run_facts_with_language as
            select run_facts.*, languages.language, languages.language_name, languages.is_known_language
            from run_facts inner join languages using (target_language)""")

    def _shift_us(self, bounds: tuple[int, int] | None) -> str:
        """Return SQL for what makes a UTC instant a local one, counted from _DAYS_BEFORE_1970."""
        basis = f"epoch_us({self.date_basis}_at)"
        base = _DAYS_BEFORE_1970 * _DAY_US
        if bounds is None:
            return str(base)
        low = bounds[0] if self.interval.since_us is None else max(bounds[0], self.interval.since_us)
        high = bounds[1] if self.interval.until_us is None else min(bounds[1], self.interval.until_us)
        if high >= _RULES_ONLY_US + _CYCLE_US:
            # Only yearly rules are left by then, and the calendar repeats itself after 400 years.
            basis = f"({basis} - greatest(({basis} - {_RULES_ONLY_US}) // {_CYCLE_US}, 0) * {_CYCLE_US})"
            high = _RULES_ONLY_US + _CYCLE_US
            low = min(low, _RULES_ONLY_US)
        return _choice(basis, base, offsets(zone(self.timezone), low, max(low, high)))

    def _setting(self) -> catalog.Setting:
        first, end = self.interval.first_whole_day, self.interval.end_of_whole_days
        ends = None
        if end is not None:
            monday = date.fromordinal(max(end.toordinal() - end.weekday(), 1))
            ends = {
                "day": end.isoformat(),
                "week": monday.isoformat(),
                "month": end.replace(day=1).isoformat(),
            }
        return catalog.Setting(
            facts="run_facts",
            facts_with_language="run_facts_with_language",
            now=_instant(self.now.astimezone(UTC)),
            first_whole_day=first.isoformat() if first else None,
            end_of_whole_days=ends,
        )


def _choice(basis: str, base: int, pieces: Sequence[tuple[int | None, int]]) -> str:
    """Return SQL that finds an instant's offset by halves, so that many pieces cost little more than few."""
    if len(pieces) == 1:
        return str(base + pieces[0][1])
    middle = len(pieces) // 2
    earlier, later = _choice(basis, base, pieces[:middle]), _choice(basis, base, pieces[middle:])
    return f"case when {basis} < {pieces[middle - 1][0]} then {earlier} else {later} end"


def _date(day: str) -> str:
    """Return SQL for a date from a day number that is counted from _DAYS_BEFORE_1970."""
    return f"(date '1970-01-01' + cast({day} - {_DAYS_BEFORE_1970} as integer))"


def _instant(instant: datetime) -> str:
    return f"timestamptz '{instant.astimezone(UTC).isoformat(sep=' ')}'"

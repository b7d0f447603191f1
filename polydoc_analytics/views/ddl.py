"""The views as CREATE VIEW statements for a database of one's own, its base views over its own table of runs included.

They cover all of time, and date runs by when they were created.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.epoch import DAY_US
from polydoc_analytics.model.languages import Language
from polydoc_analytics.model.schema import COLUMNS, NAMES
from polydoc_analytics.model.sql_names import SQL_TYPES, quoted
from polydoc_analytics.model.sql_template import fill
from polydoc_analytics.model.timezones import DAYS_BEFORE_1970, choice, offsets, zone
from polydoc_analytics.views import RenderContext, View, all_request_facts, render
from polydoc_analytics.views.comments import comments
from polydoc_analytics.views.dialects.portability import check, parsed, tables
from polydoc_analytics.views.dialects.transpile import to_postgres, to_spark

_EVERYTHING = RenderContext()
"""The views over all of time, where all runs are those of the interval."""
_FIRST_US, _LAST_US = 0, 4_102_444_800_000_000
_STATEMENT = re.compile(r"^-- (\w+): (.*)\ncreate view \1 as\n(.*?);$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"\b(from|join) (\w+)\b(?!\()(?: as (\w+)\b)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a dialect writes what the base views need.

    ``micros`` is an instant in µs since 1970 UTC, ``quotient`` one of integers, ``day`` the date of a number of days
    since 1970. ``transpile`` carries DuckDB's SQL over. Comments are statements of their own, or stand in the view.
    """

    micros: str
    quotient: str
    day: str
    transpile: Callable[[str], str]
    is_cast: bool = False
    has_inline_comments: bool = False


def _to_spark(sql: str) -> str:
    return to_spark(parsed(sql), pretty=True)


def _to_postgres(sql: str) -> str:
    return to_postgres(parsed(sql))


_EPOCH_DAY = "date '1970-01-01'"
DIALECTS = {
    "duckdb": Dialect("epoch_us({})", "{} // {}", f"{_EPOCH_DAY} + cast({{}} as integer)", str),
    "spark": Dialect(
        "unix_micros({})",
        "{} div {}",
        f"date_add({_EPOCH_DAY}, cast({{}} as int))",
        _to_spark,
        has_inline_comments=True,
    ),
    "postgres": Dialect(
        "cast(extract(epoch from {}) * 1000000 as bigint)",
        "{} / {}",
        f"{_EPOCH_DAY} + cast({{}} as integer)",
        _to_postgres,
        is_cast=True,
    ),
}
"""The dialects that a test runs the statements in: exact percentiles as aggregates, and exact microseconds."""


def dialect(name: str) -> Dialect:
    """Return a dialect; raises UsageError, with those that there are, where it is none of them."""
    try:
        return DIALECTS[name]
    except KeyError:
        hint = "; Databricks takes those of spark" if name == "databricks" else nearest(name, DIALECTS)
        raise UsageError(
            f"the views are not written for dialect '{name}'{hint}; expected {', '.join(DIALECTS)}, "
            "in which a test runs them"
        ) from None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the views are to be: the dialect, the table of runs, and the schema and prefix of the views' names.

    Days begin in ``timezone``. ``languages`` maps texts as sent to languages, ``account_names`` ids to names.
    """

    dialect: str = "duckdb"
    table: str = "run"
    timezone: str = "UTC"
    schema: str | None = None
    prefix: str = ""
    languages: Mapping[str, Language] | None = None
    account_names: Mapping[str, str] | None = None

    def name(self, view: str) -> str:
        """Name a view in the database."""
        return f"{self.schema}.{self.prefix}{view}" if self.schema else f"{self.prefix}{view}"


@dataclass(frozen=True, slots=True)
class _Statement:
    name: str
    title: str
    sql: str
    columns: Mapping[str, str]
    is_own: bool = True


def statements(views: Iterable[View], target: Target, known: Mapping[str, View]) -> str:
    """Return CREATE OR REPLACE VIEW statements for views of ``known`` and what they are built on, that first.

    Each view and its columns carry their meaning as comments. Raises UsageError for an unknown dialect or zone, and
    where a view would take the place of the table of runs, QueryError for a view of the user's own that is not
    portable to another dialect.
    """
    dialect(target.dialect)
    every = _every_statement(target, known)
    wanted = _with_those_below([view.name for view in views], every)
    for name in wanted:
        if target.name(name).lower() == target.table.replace('"', "").lower():
            raise UsageError(
                f"the view {target.name(name)} would take the place of the table; "
                "give the views another --schema, or a --prefix"
            )
    return _preamble(target) + "\n\n".join(_created(every[name], target, set(every)) for name in wanted)


def base_statement(name: str, target: Target) -> str:
    """Return the statement of a base view alone, such as ``languages``, to run again when it has changed."""
    every = _every_statement(target, {})
    return _created(every[name], target, set(every))


def is_base(name: str) -> bool:
    """Check whether a view is a base view, on which others are built."""
    return name in _base_names()


@cache
def _base_names() -> frozenset[str]:
    return frozenset(name for name, _, _ in _STATEMENT.findall(_base_text()))


@cache
def _base_text() -> str:
    return resources.files("polydoc_analytics.views").joinpath("base/elsewhere.sql").read_text("utf-8")


def _every_statement(target: Target, known: Mapping[str, View]) -> dict[str, _Statement]:
    found = {name: _Statement(name, title, sql, {}) for name, title, sql in _STATEMENT.findall(_base(target))}
    for view in known.values():
        found[view.name] = _Statement(
            view.name, view.described, render(view, _EVERYTHING), view.columns, view.file is None
        )
        if view.file is not None and target.dialect != "duckdb":
            check(parsed(view.template), f"{view.file}: ")
    return found


def _with_those_below(names: Iterable[str], every: Mapping[str, _Statement]) -> list[str]:
    """List statements and those that they are built on, in the order in which they must be run."""
    needed, found = list(names), set()
    while needed:
        name = needed.pop()
        if name in every and name not in found:
            found.add(name)
            statement = every[name]
            below = {table for _, table, _ in _TABLE.findall(statement.sql)}
            needed += below if statement.is_own else tables(parsed(statement.sql))
    return [name for name in every if name in found]


def _preamble(target: Target) -> str:
    return (
        f"-- The views of polydoc-analytics for {target.dialect}, over {target.table}, one row a run; "
        "a test runs them there.\n"
        f"-- Days begin in {target.timezone}, by its offsets of 1970 to 2099. Texts compare by code point.\n"
    )


def _created(statement: _Statement, target: Target, known: set[str]) -> str:
    chosen = dialect(target.dialect)
    is_base = not statement.columns
    name, body = target.name(statement.name), _moved(statement, target, known)
    # The base view of runs is written in the dialect itself.
    text = body if statement.name == "run_facts" else chosen.transpile(body)
    if is_base:
        return f"-- {statement.title}\ncreate or replace view {name} as\n{text};"
    # A user's own SQL may end in a comment, which would swallow the semicolon.
    end = ";" if statement.is_own else "\n;"
    if chosen.has_inline_comments:
        columns = ",\n".join(
            f"    {column} comment {_spark_literal(text)}" for column, text in statement.columns.items()
        )
        head = f"create or replace view {name} (\n{columns}\n)\ncomment {_spark_literal(statement.title)} as"
        return f"{head}\n{text}{end}"
    meaning = comments(name, statement.title, statement.columns)
    return "\n".join([f"create or replace view {name} as", f"{text}{end}", *meaning])


def _spark_literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _moved(statement: _Statement, target: Target, known: set[str]) -> str:
    """Return a statement's SQL with the names that the views have in the database."""
    if not (target.schema or target.prefix):
        return statement.sql
    if statement.is_own:
        return _TABLE.sub(
            lambda found: (
                f"{found[1]} {target.name(found[2])} as {found[3] or found[2]}" if found[2] in known else found[0]
            ),
            statement.sql,
        )
    return _moved_tree(statement.sql, target, known)


def _moved_tree(sql: str, target: Target, known: set[str]) -> str:
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    tree = parsed(sql)
    for scope in traverse_scope(tree):
        for table in scope.sources.values():
            if isinstance(table, exp.Table) and table.name in known and not table.db:
                moved = exp.to_table(target.name(table.name), alias=table.alias_or_name)
                table.replace(moved)
    return tree.sql("duckdb", pretty=True)


def _base(target: Target) -> str:
    chosen = dialect(target.dialect)
    shift = choice("created_us", 0, offsets(zone(target.timezone), _FIRST_US, _LAST_US))
    base = DAYS_BEFORE_1970 * DAY_US
    types = SQL_TYPES[target.dialect]
    casts = [f"cast({column.name} as {types[column.kind]}) as {column.name}" for column in COLUMNS]
    languages = [
        (text, found.tag, found.name if found.known else None, found.known)
        for text, found in (target.languages or {}).items()
    ]
    return fill(
        _base_text(),
        {
            "table": target.table,
            "all_request_facts": all_request_facts(_EVERYTHING),
            "imported": ",\n        ".join(["", *casts]).lstrip(",") if chosen.is_cast else "*",
            "columns": ",\n    ".join(textwrap.wrap(", ".join(NAMES), 112)).replace(",,", ","),
            "created_us": chosen.micros.format("created_at"),
            "finished_us": chosen.micros.format("finished_at"),
            "day_number": chosen.quotient.format(f"(created_us + {base} + {shift})", DAY_US),
            "day": chosen.day.format(f"day_number - {DAYS_BEFORE_1970}"),
            "week": chosen.day.format(f"day_number - (day_number + 3) % 7 - {DAYS_BEFORE_1970}"),
            "month": "cast(date_trunc('month', day) as date)",
            "languages": _rows(
                {"target_language": "text", "language": "text", "language_name": "text", "is_known_language": "truth"},
                languages,
            ),
            "account_names": _rows(
                {"account_id": "text", "account_name": "text"}, list((target.account_names or {}).items())
            ),
        },
    )


def _rows(columns: Mapping[str, str], rows: Sequence[tuple[str | bool | None, ...]]) -> str:
    """Return a SELECT, in DuckDB's dialect, of rows that stand in it; of none where there are none."""
    nulls = tuple(None for _ in columns)
    selects: list[str] = []
    for row in rows or [nulls]:
        values = [_value(value, SQL_TYPES["duckdb"][kind]) for value, kind in zip(row, columns.values(), strict=True)]
        names = [f"{value} as {column}" for value, column in zip(values, columns, strict=True)]
        selects.append(f"select {', '.join(values if selects else names)}")
    return "\nunion all\n".join(selects) + ("" if rows else " where false")


def _value(value: str | bool | None, kind: str) -> str:
    if value is None:
        return f"cast(null as {kind})"
    return str(value).lower() if isinstance(value, bool) else quoted(value)

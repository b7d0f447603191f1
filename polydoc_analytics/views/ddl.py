"""The views as CREATE VIEW statements for a database of one's own, its base views over its own table of runs included.

They cover all of time, and date runs by when they were created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.epoch import DAY_US
from polydoc_analytics.model.schema import COLUMNS
from polydoc_analytics.model.timezones import DAYS_BEFORE_1970, choice, offsets, zone
from polydoc_analytics.views import RenderContext, View, all_request_facts, render
from polydoc_analytics.views.dialects.portability import check, parsed, tables
from polydoc_analytics.views.dialects.transpile import to_spark, to_standard

_SETTING = RenderContext()
_FIRST_US, _LAST_US = 0, 4_102_444_800_000_000
_TYPES = {"text": "text", "instant": "timestamp with time zone", "integer": "bigint"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a dialect says what the base view needs, and who has seen it run.

    ``micros`` is an instant in µs since 1970 UTC, ``divided`` a quotient of integers, ``day`` the date of a number of
    days since 1970, ``month`` the first day of a date's month.
    """

    micros: str
    divided: str
    day: str
    month: str
    carried: Callable[[str], str]
    is_verified: bool = False
    is_cast: bool = False


def _kept(sql: str) -> str:
    return sql


def _spark(dialect: str) -> Callable[[str], str]:
    return lambda sql: to_spark(parsed(sql), dialect, pretty=True)


def _standard(dialect: str, *, has_filter: bool) -> Callable[[str], str]:
    return lambda sql: to_standard(parsed(sql), dialect, has_filter=has_filter)


_SPARK = ("unix_micros({})", "({} div {})", "date_add(date '1970-01-01', cast({} as int))")
_MONTH = "cast(date_trunc('month', {}) as date)"
DIALECTS = {
    "duckdb": Dialect(
        "epoch_us({})", "({} // {})", "(date '1970-01-01' + cast({} as integer))", _MONTH, _kept, is_verified=True
    ),
    "spark": Dialect(*_SPARK, _MONTH, _spark("spark"), is_verified=True),
    "databricks": Dialect(*_SPARK, _MONTH, _spark("databricks")),
    "postgres": Dialect(
        "cast(extract(epoch from {}) * 1000000 as bigint)",
        "({} / {})",
        "(date '1970-01-01' + cast({} as integer))",
        _MONTH,
        _standard("postgres", has_filter=True),
        is_verified=True,
        is_cast=True,
    ),
    "snowflake": Dialect(
        "date_part(epoch_microsecond, {})",
        "trunc({} / {})",
        "dateadd(day, {}, date '1970-01-01')",
        _MONTH,
        _standard("snowflake", has_filter=False),
    ),
}
"""The dialects with an exact percentile as an aggregate and exact microseconds; others approximate one or the other."""


def dialect(name: str) -> Dialect:
    """Return a dialect; raises UsageError, with those that there are, where it is none of them."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise UsageError(
            f"the views are not written for dialect '{name}'{nearest(name, DIALECTS)}; expected {', '.join(DIALECTS)}, "
            "which have exact percentiles as aggregates"
        ) from None


def statements(views: Iterable[View], name: str, *, table: str = "runs", timezone: str = "UTC") -> str:
    """Return CREATE VIEW statements in a dialect over a table of runs, base views first, days in ``timezone``.

    ``table`` has the Run's columns. Raises UsageError for an unknown dialect or zone, QueryError for a view of the
    user's own that is not portable to another dialect.
    """
    chosen = dialect(name)
    requests = f"create view all_request_facts as\n{chosen.carried(all_request_facts(_SETTING))};"
    requests += "\n\ncreate view request_facts as\nselect *\nfrom all_request_facts;"
    parts = [_preamble(name, chosen, table, timezone), _base(chosen, table, timezone), requests]
    for view in views:
        sql = render(view, _SETTING)
        if view.file is not None and name != "duckdb":
            check(parsed(sql), f"{view.file}: ")
        header = "\n".join(f"-- {column}: {meaning}" for column, meaning in view.columns.items())
        # A user's own SQL may end in a comment, which would swallow the semicolon.
        end = "\n;" if view.file else ";"
        parts.append(
            f"-- {view.title}\n-- grain: {view.grain}\n{header}\ncreate view {view.name} as\n{chosen.carried(sql)}{end}"
        )
    return "\n\n".join(parts)


def with_those_below(view: View, views: Mapping[str, View]) -> list[View]:
    """Return a view and those of ``views`` that it is built on, in the order in which they must be created."""
    needed, found = [view.name], set()
    while needed:
        name = needed.pop()
        if name in views and name not in found:
            found.add(name)
            needed += tables(parsed(render(views[name], _SETTING)))
    return [one for one in views.values() if one.name in found]


def _preamble(name: str, chosen: Dialect, table: str, timezone: str) -> str:
    seen = "a test runs them there" if chosen.is_verified else "no test has run them there: compare a few figures first"
    names = ", ".join(column.name for column in COLUMNS)
    return f"""\
-- The views of polydoc-analytics for {name}; {seen}.
-- {table} holds one row a run, with the columns {names}.
-- languages maps each target_language of it to language, language_name and is_known_language (a boolean). Its rows:
--     polydoc-analytics query SOURCE "select * from languages" --csv
-- Days, weeks and months begin in {timezone}, whose offsets are those of the years 1970 to 2099.
-- Texts compare by code point: where the database has another collation, example ids and blank texts may differ."""


def _base(chosen: Dialect, table: str, timezone: str) -> str:
    micros = chosen.micros.format("created_at")
    shift = choice("created_us", 0, offsets(zone(timezone), _FIRST_US, _LAST_US))
    number = chosen.divided.format(f"(created_us + {DAYS_BEFORE_1970 * DAY_US} + {shift})", DAY_US)
    names = [column.name for column in COLUMNS]
    if chosen.is_cast:
        names = [f"cast({column.name} as {_TYPES[column.kind]}) as {column.name}" for column in COLUMNS]
    listed = ",\n    ".join(column.name for column in COLUMNS)
    week = f"day_number - (day_number + 3) % 7 - {DAYS_BEFORE_1970}"
    day = chosen.day.format(f"day_number - {DAYS_BEFORE_1970}")
    finished = chosen.micros.format("finished_at")
    text = "string" if chosen.micros.startswith("unix") else "varchar"
    return f"""\
create view run_facts as
select
    {listed},
    coalesce(input_tokens + output_tokens, input_tokens, output_tokens) as total_tokens,
    {finished} - created_us as duration_us,
    {day} as day,
    {chosen.day.format(week)} as week,
    {chosen.month.format(day)} as month
from (
    select
        counted.*,
        {number} as day_number
    from (
        select
            {f",{chr(10)}            ".join(names)},
            {micros} as created_us
        from {table}
    ) as counted
) as numbered;

create view run_facts_with_language as
select
    run_facts.*,
    languages.language,
    languages.language_name,
    languages.is_known_language
from run_facts
inner join languages on run_facts.target_language = languages.target_language;

create view run_history as
select account_id, created_at as dated_at
from run_facts;

create view language_names as
select language, min(language_name) as language_name
from languages
where is_known_language
group by language;

create view account_names as
select cast(null as {text}) as account_id, cast(null as {text}) as account_name
where false;"""

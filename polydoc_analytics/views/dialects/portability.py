"""The SQL that engines share: what means the same on them all, and what to write instead of the rest.

Views and queries are written in DuckDB's dialect. SQLGlot carries them to others; what it carries wrongly without a
word is refused here, before it runs. This is the one list of it: for views, queries and a user's own views.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import QueryError, first_line

if TYPE_CHECKING:
    from sqlglot import exp

_SAME = frozenset(
    re.findall(
        r"\w+",
        "abs and argmax argmin array avg case cast ceil coalesce concat contains corr count countif cumedist "
        "currenttimestamp datediff datefromparts day denserank epoch_us exists exp firstvalue floor greatest "
        "groupconcat hour if lag lastvalue lead least left length ln log logicaland logicalor lower max median "
        "min minute month ntile nullif or percentilecont percentrank pow quarter rank regrslope replace right "
        "round rownumber second sqrt startswith stddev stddevpop stddevsamp strposition substring sum "
        "timestamptrunc trim trycast upper variance variancepop year ",
    )
)
"""Functions, by SQLGlot's names of them, that a test holds to give the same on DuckDB and Spark."""
_OWN = frozenset({"hash"})
"""Functions for the package's own views only, since their values differ between engines."""
_FUNCTIONS = {
    "timetounix": "epoch() cuts fractions off elsewhere; write epoch_us(x) / 1000000",
    "dayofweek": "dayofweek() counts from another day elsewhere; write date_diff('day', week, day), 0 is Monday",
    "dayofweekiso": "isodow() is not known elsewhere; write date_diff('day', week, day) + 1",
    "timetostr": "strftime() has other letters elsewhere; write cast(day as varchar)",
    "currentdate": "current_date is another day in another zone; write the day, such as date '2026-10-31'",
    "date_sub": "date_sub() means something else elsewhere; write (epoch_us(b) - epoch_us(a)) / 1000000",
    "hash": "hash() gives other numbers elsewhere; compare the columns themselves",
    "attimezone": "AT TIME ZONE asks each engine's own database of zones; day, week and month are local already",
    "extract": "extract() gives other types elsewhere; write year(x), quarter(x), month(x) or epoch_us(x)",
    "anyvalue": "any_value() gives any; write min() or arg_min()",
    "approxquantile": "an approximation differs by engine; write quantile_cont()",
    "approxdistinct": "an approximation differs by engine; write count(distinct x)",
}
_PARTS = ("year", "quarter", "month", "day", "hour", "minute", "second")
BIGINT_IN_DUCKDB = frozenset({"rownumber", "rank", "denserank", "ntile", "length", "strposition", "datediff", *_PARTS})
"""Functions that give a BIGINT in DuckDB, and an INT in Spark."""
_NOT_EVERYWHERE = ("pivot", "lateral", "unnest", "lambda", "command", "tablesample", "columns")


def parsed(sql: str) -> exp.Expr:
    """Return the syntax tree of one SELECT in DuckDB's dialect; raises QueryError where it is none."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = [one for one in sqlglot.parse(sql, read="duckdb") if one is not None]
    except (SqlglotError, RecursionError) as error:
        raise QueryError(f"not understood as SQL: {first_line(error)}") from None
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise QueryError("expected exactly one SELECT statement")
    return found[0]


def check(tree: exp.Expr, what: str = "") -> None:
    """Raise QueryError where a query is not portable; ``what`` is put before the reason."""
    if found := differences(tree):
        raise QueryError(f"{what}{found[0]}")


def differences(tree: exp.Expr, *, is_own: bool = False) -> list[str]:
    """List the constructs of a query that may give other results elsewhere, each with its replacement.

    ``is_own`` is said of the package's own views.
    """
    return list(dict.fromkeys(_differences(tree, is_own)))


def _differences(tree: exp.Expr, is_own: bool) -> Iterator[str]:
    from sqlglot import exp

    rules = _rules()
    for node in tree.walk():
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.key
        for kind, holds, reason in rules:
            if isinstance(node, kind) and holds(node):
                yield reason
        if is_own and name in _OWN:
            continue
        if name in _FUNCTIONS:
            yield _FUNCTIONS[name]
        elif name in _NOT_EVERYWHERE:
            yield f"{name.upper()} is not known to mean the same elsewhere; write plain SELECTs and WHERE"
        elif isinstance(node, exp.Func) and name not in _SAME:
            shown = name if isinstance(node, exp.Anonymous) else node.sql_name().lower()
            yield f"{shown}() is not known to mean the same elsewhere; the documentation on scaling out lists what is"


_Rule = tuple[Any, Callable[[Any], bool], str]


def _rules() -> list[_Rule]:
    from sqlglot import exp

    parts = ("except_", "except", "replace", "rename")
    written = "doubles and instants are written in another way elsewhere; cast them to bigint, or take the day, first"
    return [
        (exp.Qualify, _always, "QUALIFY picks other rows elsewhere; write row_number() in a subquery and WHERE above"),
        (exp.Group, lambda one: bool(one.args.get("all")), "GROUP BY ALL is not known everywhere; name the columns"),
        (
            exp.Star,
            lambda one: any(one.args.get(part) for part in parts),
            "* EXCLUDE and * REPLACE are not known everywhere; name the columns",
        ),
        (exp.Distinct, lambda one: bool(one.args.get("on")), "DISTINCT ON is not known everywhere; write row_number()"),
        (exp.WindowSpec, _is_range, "RANGE over dates differs elsewhere; write ROWS, or join the days"),
        (exp.Log, lambda one: one.expression is None, "log() is ln() elsewhere; write log10() or ln()"),
        (
            exp.DateDiff,
            lambda one: str(one.args.get("unit") or "").upper() != "DAY",
            "date_diff() of other units than 'day' differs elsewhere; write (epoch_us(b) - epoch_us(a)) / 1000000",
        ),
        (
            exp.TimestampTrunc,
            lambda one: not (isinstance(one.parent, exp.Cast) and one.parent.to.is_type("date")),
            "date_trunc() has another type elsewhere; write cast(date_trunc(…) as date)",
        ),
        (
            (exp.Like, exp.ILike),
            lambda one: "\\" in one.expression.sql(),
            "a backslash in LIKE escapes elsewhere; write strpos(x, '…') > 0",
        ),
        (
            exp.Trim,
            lambda one: bool(one.args.get("position") or one.expression),
            "only trim(x) is known to mean the same elsewhere; write replace() or substr()",
        ),
        (
            exp.WithinGroup,
            lambda one: isinstance(one.this, exp.PercentileCont),
            "a percentile WITHIN GROUP is an approximation elsewhere; write quantile_cont(x, 0.5)",
        ),
        (exp.Cast, lambda one: one.to.is_type("text", "varchar") and _is_written(one.this), written),
        ((exp.DPipe, exp.Concat), lambda one: any(map(_is_written, one.iter_expressions())), written),
        (
            exp.Cast,
            lambda one: is_integer_type(one) and is_fraction(one.this),
            "a cast to an integer rounds here and cuts elsewhere; write cast(floor(x) as bigint) or cast(round(x) …)",
        ),
    ]


def _always(_: Any) -> bool:
    return True


def _is_range(window: exp.Expr) -> bool:
    bounds = [window.args.get("start"), window.args.get("end")]
    plain = ("UNBOUNDED", "CURRENT ROW", "None")
    return str(window.args.get("kind") or "").upper() == "RANGE" and any(str(one) not in plain for one in bounds)


def _is_written(node: exp.Expr) -> bool:
    """Check whether an expression is a fraction or an instant, which each engine writes as text in its own way."""
    from sqlglot import exp

    return is_fraction(node) or (isinstance(node, exp.Column) and node.name.lower().endswith("_at"))


def is_integer_type(cast: Any) -> bool:
    """Check whether a cast is to an integer."""
    from sqlglot import exp

    return cast.to.this in exp.DataType.INTEGER_TYPES


def is_fraction(node: exp.Expr) -> bool:
    """Check whether an expression may have a fraction, by what it is made of."""
    from sqlglot import exp

    if isinstance(node, exp.Floor | exp.Ceil | exp.Count | exp.IntDiv | exp.Length):
        return False
    if isinstance(node, exp.Round):
        return node.args.get("decimals") is not None
    if isinstance(node, exp.Div | exp.Avg | exp.Median | exp.PercentileCont | exp.Sqrt | exp.Ln | exp.Log | exp.Exp):
        return True
    if isinstance(node, exp.Literal):
        return not node.is_string and "." in node.name
    if isinstance(node, exp.Column):
        name = node.name.lower()
        return name.endswith(("_s", "_rate", "_rate_low", "_rate_high", "_share", "_per_1k_tokens"))
    if isinstance(node, exp.Cast):
        return not is_integer_type(node) and not node.to.is_type("text", "varchar", "boolean", "date")
    return any(map(is_fraction, node.iter_expressions()))


def tables(tree: exp.Expr) -> set[str]:
    """Return the names of the tables that a query reads, but for those that its own WITH clauses name.

    Raises QueryError for what is no plain name, such as a file or a function.
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    named: set[str] = set()
    try:
        scopes = traverse_scope(tree)
    except SqlglotError as error:
        raise QueryError(f"not understood as SQL: {first_line(error)}") from None
    for scope in scopes:
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                if not isinstance(source.this, exp.Identifier) or source.db or source.catalog:
                    raise QueryError(f"'{source.sql('duckdb')}' is no view; queries read the views alone")
                named.add(source.name.lower())
    return named

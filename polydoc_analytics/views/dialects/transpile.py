"""Portable SQL carried to other dialects by SQLGlot, with what it does not see to by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from polydoc_analytics.views.dialects.portability import BIGINT_IN_DUCKDB, is_fraction

if TYPE_CHECKING:
    from sqlglot import exp

_INTEGER = re.compile(r"(.*_)?(runs|tokens|credits|us)(_.*)?")
_SPACES = r"^\p{Zs}+|\p{Zs}+\z"


def to_spark(tree: exp.Expr, *, pretty: bool = False) -> str:
    """Return a portable query in Spark's dialect, with DuckDB's types and its answers.

    Percentiles are exact, sums of integers exact DECIMALs (a BIGINT would wrap unseen on Sail), quotients doubles.
    """
    from sqlglot import exp

    integers = _integer_aliases(tree)

    def carried(node: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.PercentileCont):
            return exp.Anonymous(this="PERCENTILE", expressions=[node.this, node.expression])
        if isinstance(node, exp.Sum) and _is_integer(node.this, integers):
            return exp.Sum(this=exp.cast(node.this, "decimal(38, 0)"))
        if isinstance(node, exp.CountIf):
            return exp.cast(node, "decimal(38, 0)", copy=True)
        if isinstance(node, exp.Div):
            return exp.Div(this=exp.cast(node.this, "double"), expression=node.expression)
        if isinstance(node, exp.Trim):
            pattern = exp.Literal.string(_SPACES)
            return exp.Anonymous(this="REGEXP_REPLACE", expressions=[node.this, pattern, exp.Literal.string("")])
        if isinstance(node, exp.Anonymous) and node.name.lower() in _BY_NAME:
            return exp.Anonymous(this=_BY_NAME[node.name.lower()], expressions=node.expressions)
        if isinstance(node, exp.Window) and node.this.key in BIGINT_IN_DUCKDB:
            return exp.cast(node, "bigint", copy=True)
        if node.key in BIGINT_IN_DUCKDB and not isinstance(node.parent, exp.Window):
            return exp.cast(node, "bigint", copy=True)
        if isinstance(node, exp.Floor | exp.Ceil) and is_fraction(node.this):
            return exp.cast(node, "double", copy=True)
        return None

    return _carried(tree, carried).sql("spark", pretty=pretty, copy=False)


_BY_NAME = {"epoch_us": "UNIX_MICROS", "hash": "XXHASH64"}


def to_postgres(tree: exp.Expr) -> str:
    """Return one of the package's own views in PostgreSQL's dialect.

    A list of percentiles becomes a column for each, and a hash an MD5.
    """
    from sqlglot import exp

    def carried(node: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.Alias) and isinstance(node.this, exp.PercentileCont):
            return None  # below, where one column becomes several
        if isinstance(node, exp.Bracket) and isinstance(node.this, exp.Column):
            at = node.expressions[0].name
            return exp.column(f"{node.this.name}_{int(at) + (node.args.get('offset') != 1)}")
        if isinstance(node, exp.Div):
            return exp.Div(this=exp.cast(node.this, "double"), expression=node.expression)
        if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
            seconds = exp.Extract(this=exp.var("epoch"), expression=node.expressions[0])
            return exp.cast(exp.Mul(this=seconds, expression=exp.Literal.number(1_000_000)), "bigint")
        if isinstance(node, exp.Anonymous) and node.name.lower() == "hash":
            first, *more = node.expressions
            for one in more:
                first = exp.DPipe(this=exp.DPipe(this=first, expression=exp.Literal.string("\x1f")), expression=one)
            return exp.MD5(this=first)
        return None

    postgres = _carried(tree, carried)
    for select in list(postgres.find_all(exp.Select)):
        select.set("expressions", [new for one in select.expressions for new in _each_percentile(one)])
    return postgres.sql("postgres", pretty=True, copy=False)


def _each_percentile(column: exp.Expr) -> list[exp.Expr]:
    from sqlglot import exp

    if not (isinstance(column, exp.Alias) and isinstance(column.this, exp.PercentileCont)):
        return [column]
    return [
        exp.alias_(
            exp.WithinGroup(
                this=exp.PercentileCont(this=part),
                expression=exp.Order(expressions=[exp.Ordered(this=column.this.this.copy())]),
            ),
            f"{column.alias}_{place}",
        )
        for place, part in enumerate(column.this.expression.expressions, start=1)
    ]


def _carried(tree: exp.Expr, change: Callable[[exp.Expr], exp.Expr | None]) -> exp.Expr:
    """Return a copy of a tree in which nodes are changed, each after those below it."""
    tree = tree.copy()
    for node in reversed(list(tree.bfs())):
        new = change(node)
        if new is not None:
            node.replace(new)
    return tree


def _integer_aliases(tree: exp.Expr) -> dict[str, bool]:
    """Return for each name that a query gives to a column whether it holds integers."""
    from sqlglot import exp

    found: dict[str, bool] = {}
    for alias in tree.find_all(exp.Alias):
        name = alias.alias.lower()
        found[name] = found.get(name, True) and _is_integer(alias.this, {})
    return found


def _is_integer(node: exp.Expr, aliases: dict[str, bool]) -> bool:
    """Check whether an expression is an integer, by what it is made of; of what is not known it is not."""
    from sqlglot import exp

    if isinstance(node, exp.Column):
        name = node.name.lower()
        known = name != "credits_per_1k_tokens" and bool(_INTEGER.fullmatch(name))
        return aliases.get(name, known) and (known or name in aliases)
    if isinstance(node, exp.Literal):
        return not node.is_string and node.name.isdigit()
    if isinstance(node, exp.Count | exp.CountIf) or node.key in BIGINT_IN_DUCKDB:
        return True
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in ("epoch_us", "unix_micros")
    if isinstance(node, exp.Cast):
        return node.to.this in exp.DataType.INTEGER_TYPES
    if isinstance(node, exp.Null):
        return True
    if isinstance(node, exp.Case):
        ends = [one.args["true"] for one in node.args["ifs"]] + [node.args.get("default") or exp.Null()]
        return all(_is_integer(one, aliases) for one in ends)
    parts = (
        exp.Add,
        exp.Sub,
        exp.Mul,
        exp.IntDiv,
        exp.Mod,
        exp.Paren,
        exp.Neg,
        exp.Coalesce,
        exp.Sum,
        exp.Min,
        exp.Max,
        exp.Abs,
    )
    if isinstance(node, (*parts, exp.Greatest, exp.Least, exp.Filter, exp.Window)):
        inner = [node.this] if isinstance(node, exp.Filter | exp.Window) else list(node.iter_expressions())
        return all(_is_integer(one, aliases) for one in inner)
    return False

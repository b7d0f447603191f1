"""A user's own views: a folder of ``.sql`` files over the package's views, and the errors that name file and line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import QueryError, SourceError, UsageError, not_utf8
from polydoc_analytics.views import View, catalog, parse_header
from polydoc_analytics.views.dialects.read_only_sql import refusal, serialised

if TYPE_CHECKING:
    import duckdb

BASE = (
    *("observed", "languages", "account_names", "language_names", "run_facts", "run_facts_with_language"),
    *("run_history", "all_run_facts", "all_run_facts_with_language", "all_request_facts", "request_facts"),
    *("kept_places", "rows_of_table", "shown_rows", "about"),
)
"""Names of the own tables of a connection and of a database file, reserved."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEYS = ("account_id", "language", "period")


def catalog_with(folder: str | os.PathLike[str] | None) -> Mapping[str, View]:
    """Return the package's views and those of a folder by name, in the order in which they build on each other.

    A file ``NAME.sql`` has the header of the package's own: title, grain, each column with its meaning; then one SELECT
    over other views. Raises SourceError where the folder cannot be read, UsageError, with file and line, for a header
    that says too little, a name that is taken, SQL that is not one SELECT, and views that build on each other in a
    circle. Whether its columns are those of the header is found when it is created.
    """
    if folder is None:
        return catalog()
    import duckdb

    with duckdb.connect(":memory:") as con:
        words = con.execute(
            "select keyword_name from duckdb_keywords() where keyword_category in ('reserved', 'type_function')"
        ).fetchall()
        views = {view.name: view for view in (_read(path, {word for (word,) in words}) for path in _files(folder))}
        trees = {name: _parsed(con, view) for name, view in views.items()}
    built_on = {name: set(_tables(tree, frozenset())) & views.keys() for name, tree in trees.items()}
    views = {name: replace(view, keys=_keys(view, trees[name])) for name, view in views.items()}
    ordered: dict[str, View] = {}
    for name in views:
        _put(name, views, built_on, ordered, ())
    return {**catalog(), **ordered}


def create(con: duckdb.DuckDBPyConnection, view: View) -> None:
    """Create a user's view; raises QueryError, with file and line, where it fails or has other columns than it says."""
    import duckdb

    # As many lines before the SELECT as in the file, so that the engine's line is the file's.
    above = "\n" * (2 + len(view.columns))
    try:
        con.execute(f"create view {view.name} as{above}{view.template}")
        columns = [row[0] for row in con.execute(f"describe {view.name}").fetchall()]
    except duckdb.Error as error:
        what, _, rest = str(error).partition("\nLINE ")
        line = re.match(r"\d+", rest)
        raise QueryError(
            f"{view.file}:{line.group() if line else 3 + len(view.columns)}: {' '.join(what.split())}"
        ) from None
    check_columns(view, columns)


def check_columns(view: View, columns: Sequence[str]) -> None:
    """Hold a user's view's header against its real columns; raises QueryError with file and line where they differ."""
    described = list(view.columns)
    for line, name in enumerate(described, start=3):
        if name not in columns:
            raise QueryError(
                f"{view.file}:{line}: column '{name}' is described but not selected; "
                f"the SELECT has {', '.join(columns)}"
            )
    for name in columns:
        if name not in described:
            raise QueryError(
                f"{view.file}:{2 + len(described)}: column '{name}' is selected but not described; "
                f"add a line `-- {name.lower()}: meaning`{'' if name == name.lower() else ', and select it so'}"
            )
    for line, (name, real) in enumerate(zip(described, columns, strict=True), start=3):
        if name != real:
            raise QueryError(
                f"{view.file}:{line}: column '{name}' is described where '{real}' is selected; give both one order"
            )


def _files(folder: str | os.PathLike[str]) -> list[Path]:
    shown = os.fspath(folder)
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix == ".sql" and path.name[0] != ".")
    except OSError as error:
        raise SourceError(f"{shown}: no folder of views can be read: {error.strerror}") from None
    if not files:
        raise SourceError(f"{shown}: holds no view; expected files NAME.sql")
    return files


def _read(path: Path, words: set[str]) -> View:
    name = path.stem
    if not _NAME.fullmatch(name):
        raise UsageError(f"{path}:1: a view is named by its file, in lower-case letters, digits and _; rename the file")
    if name in catalog() or name in BASE or name in words:
        whose = "the package's own view" if name in catalog() else "a word of SQL" if name in words else "a base table"
        raise UsageError(f"{path}:1: the name '{name}' is taken by {whose}; rename the file")
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    title, grain, columns, sql = parse_header(text, str(path))
    return View(name, title, grain, columns, sql.rstrip().rstrip(";").rstrip(), file=str(path))


def _parsed(con: duckdb.DuckDBPyConnection, view: View) -> Any:
    """Return the syntax tree of a view; raises UsageError where it is not one SELECT."""
    text = serialised(con, view.template)
    first = 3 + len(view.columns)
    try:
        tree = json.loads(text)
    except RecursionError:
        raise UsageError(f"{view.file}:{first}: is nested too deeply; build it on smaller views") from None
    if tree.get("error"):
        first += view.template.encode()[: int(tree.get("position") or 0)].count(b"\n")
        what = tree["error_message"] if tree["error_type"] == "parser" else "expected a SELECT"
        raise UsageError(f"{view.file}:{first}: {what}")
    if len(tree.get("statements", ())) != 1:
        raise UsageError(f"{view.file}:{first}: expected exactly one SELECT after the header")
    if why := refusal(text):
        raise UsageError(f"{view.file}:{first}: expected a SELECT; {why}")
    return tree["statements"][0]["node"]


def _keys(view: View, node: Any) -> tuple[str, ...]:
    """Return the columns to order a view by: none where it says itself how."""
    if any(one.get("type") == "ORDER_MODIFIER" for one in node.get("modifiers") or ()):
        return ()
    return tuple(key for key in _KEYS if key in view.columns)


def _tables(node: Any, hidden: frozenset[str]) -> Iterator[str]:
    """Yield the tables of a syntax tree, but for those that its own WITH clauses name."""
    if isinstance(node, list):
        for one in node:
            yield from _tables(one, hidden)
    if not isinstance(node, dict):
        return
    if node.get("type") == "RECURSIVE_CTE_NODE":
        hidden |= {node["cte_name"].lower()}
    for one in (node.get("cte_map") or {}).get("map", ()):
        yield from _tables(one["value"], hidden)
        hidden |= {one["key"].lower()}
    if node.get("type") == "BASE_TABLE" and node["table_name"].lower() not in hidden:
        yield node["table_name"].lower()
    for key, one in node.items():
        if key != "cte_map":
            yield from _tables(one, hidden)


def _put(
    name: str,
    views: Mapping[str, View],
    built_on: Mapping[str, set[str]],
    ordered: dict[str, View],
    above: tuple[str, ...],
) -> None:
    """Put a view after those that it is built on."""
    if name in above:
        circle = (*above[above.index(name) :], name)
        view = views[circle[-2]]
        text = view.template.lower().splitlines()
        line = next((at for at, one in enumerate(text, 3 + len(view.columns)) if re.search(rf"\b{name}\b", one)), 1)
        raise UsageError(f"{view.file}:{line}: views build on each other in a circle: {' on '.join(circle)}; break it")
    if name not in ordered:
        for one in sorted(built_on[name]):
            _put(one, views, built_on, ordered, (*above, name))
        ordered[name] = views[name]

"""A DuckDB file for BI tools: the runs that count, and all views over them, for one interval, zone and date basis."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics._version import __version__
from polydoc_analytics.errors import QueryError, SourceError, UsageError, first_line
from polydoc_analytics.loaders.atomic_write import fsync, fsync_folder, unfinished
from polydoc_analytics.model.sql_names import quoted

if TYPE_CHECKING:
    import duckdb

    from polydoc_analytics.query.engines.scope import Scope

SUFFIX = ".duckdb"
_STORAGE_VERSION = "v1.0.0"
"""The oldest format that DuckDB writes views in: BI tools come with older versions of it than this package."""
_TABLES = {
    "run_facts": "The runs that count, with their local day, week and month.",
    "all_run_facts": "Every run, be it outside of the interval, dated by its creation.",
    "run_history": "The instant of every run up to the end of the interval, by account.",
    "all_request_facts": "Every request, be it outside of the interval.",
    "languages": "The language of each text that was sent.",
    "language_names": "The English name of each language.",
    "account_names": "The name of each account.",
}
_KEYS = {"languages": "target_language", "language_names": "language", "account_names": "account_id"}
"""Keys of tables of the whole source; with filters, of the chosen runs alone: a customer may get the file."""


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """A database file that was written: its path, the runs in it, the number of its views, and its bytes."""

    path: Path
    runs: int
    views: int
    bytes: int


def is_database_name(destination: str | os.PathLike[str]) -> bool:
    """Check whether a destination is that of a database file."""
    return os.fspath(destination).lower().endswith(SUFFIX)


def write_database(
    con: duckdb.DuckDBPyConnection,
    scope: Scope,
    about: Mapping[str, tuple[str | None, str]],
    destination: str | os.PathLike[str],
    *,
    overwrite: bool,
) -> DatabaseFile:
    """Write the base tables of a connection, and all views over them, to a file that appears when it is whole.

    ``about`` becomes a table of that name: value and meaning by name. Raises UsageError where the file exists, unless
    ``overwrite`` is given and it is an earlier export, SourceError where it cannot be written, QueryError where a
    number does not fit.
    """
    import duckdb

    path = Path(destination)
    if path.exists():
        _raise_if_not_replaceable(path, overwrite)
    try:
        with _file_beside(path) as half:
            views = _base_views(scope)
            _write_tables(con, half, _TABLES.keys() - views.keys(), is_filtered=scope.is_filtered)
            with closing(duckdb.connect(str(half))) as file:
                file.execute("set timezone = 'UTC'")
                file.begin()  # else each of hundreds of statements waits for the disk
                _create_views(file, scope)
                _write_about(file, about)
                file.commit()
                [(runs,)] = file.execute("select count(*) from run_facts").fetchall()
                file.execute("checkpoint")
    except duckdb.IOException as error:
        raise SourceError(f"{path}: cannot be written: {first_line(error)}") from None
    except duckdb.Error as error:
        raise QueryError(first_line(error)) from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be written: {error.strerror}") from None
    return DatabaseFile(path, int(runs), len(scope.view.views), path.stat().st_size)


@contextmanager
def _file_beside(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that replaces ``path`` at the end; where the block raises, it is removed."""
    half = unfinished(path)
    try:
        yield half
        with open(half, "rb+") as file:
            fsync(file.fileno())
        os.replace(half, path)
        fsync_folder(path.parent)
    finally:
        for rest in (half, half.with_name(f"{half.name}.wal")):
            with suppress(OSError):
                rest.unlink()


def _raise_if_not_replaceable(path: Path, overwrite: bool) -> None:
    import duckdb

    if not overwrite:
        raise UsageError(f"{path}: exists already; replace it with --overwrite (overwrite=True)")
    try:
        with closing(duckdb.connect(str(path), read_only=True)) as file:
            file.execute("select value from about where name = 'package'")
    except duckdb.Error:
        raise UsageError(f"{path}: is no database file that this package has written, and is not replaced") from None


def _base_views(scope: Scope) -> dict[str, str]:
    """Return the SQL of the base views; some of _TABLES are views too where every run is in the interval."""
    from polydoc_analytics.query.engines.scope import with_language

    return {
        **({"all_run_facts": "select * from run_facts"} if scope.is_everything else {}),
        **({"run_history": "select account_id, created_at as dated_at from run_facts"} if scope.is_everything else {}),
        **{f"{name}_with_language": with_language(name) for name in ("run_facts", "all_run_facts")},
        "request_facts": scope.stored_request_facts,
    }


def _write_tables(con: duckdb.DuckDBPyConnection, half: Path, tables: Iterable[str], *, is_filtered: bool) -> None:
    name = "exported"
    con.execute(f"attach {quoted(str(half))} as {name} (storage_version {quoted(_STORAGE_VERSION)})")
    try:
        for table in tables:
            order = " order by created_at, id" if table == "run_facts" else ""
            key = _KEYS.get(table) if is_filtered else None
            chosen = f" where {key} in (select {key} from all_run_facts_with_language)" if key else ""
            con.execute(f"create table {name}.{table} as select * from {table}{chosen}{order}")
    finally:
        con.execute(f"detach {name}")


def _create_views(file: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    from polydoc_analytics.views import custom, render
    from polydoc_analytics.views.comments import comments

    base = _base_views(scope)
    for name, sql in base.items():
        file.execute(f"create view {name} as {sql}")
    for name, meaning in _TABLES.items():
        file.execute(comments(name, meaning, {}, "view" if name in base else "table")[0])
    for view in scope.view.views.values():
        if view.file is not None:
            custom.create(file, view)
        else:
            file.execute(f"create view {view.name} as {render(view, scope.render_context)}")
        file.execute("\n".join(comments(view.name, view.described, view.columns)))


def _write_about(file: duckdb.DuckDBPyConnection, about: Mapping[str, tuple[str | None, str]]) -> None:
    file.execute("create table about (name varchar, value varchar, meaning varchar)")
    rows = {"package": (f"polydoc-analytics {__version__}", "what wrote the file"), **about}
    file.executemany("insert into about values (?, ?, ?)", [[name, *row] for name, row in rows.items()])
    file.execute("comment on table about is 'What the views are of, and when they were written. Grain: one fact.'")

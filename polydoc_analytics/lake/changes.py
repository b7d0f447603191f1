"""The changes of a load: its runs compared with the lake's by the merge rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.errors import LakeError, first_line
from polydoc_analytics.lake.data_file import CHECKSUM_IN_NAME
from polydoc_analytics.lake.merge import ORDER, merge_queries
from polydoc_analytics.lake.schemas import table_schema
from polydoc_analytics.lake.storage.interface import Storage, way_back
from polydoc_analytics.model.sql_names import path_literal, without_progress_bar

if TYPE_CHECKING:
    import duckdb

_DUCKDB_TYPES = {
    "string": "varchar",
    "int64": "bigint",
    "timestamp[us, tz=UTC]": "timestamptz",
    "bool": "boolean",
    "list<item: string>": "varchar[]",
}
_OPTIONAL_TEXT = {"runs": "output_file_id", "history": "output_file_id"}


@dataclass(frozen=True, slots=True)
class Changes:
    """How many of a load's runs are inserted, updated and unchanged, and the ids that were finished in two ways.

    ``touched`` are the stored files that hold a run which is updated; they are to be written again without it.
    """

    inserted: int
    updated: int
    unchanged: int
    conflicts: tuple[str, ...]
    touched: tuple[str, ...]


class LoadComparison:
    """Staged runs (unique ids) held against stored ones, both as Parquet files, in a DuckDB connection of its own."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        staged: Sequence[str],
        stored: Sequence[str],
        history: Sequence[str],
        *,
        load: str,
        is_authority: bool,
    ) -> None:
        self._con = con
        self._queries = merge_queries(load, is_authority=is_authority)
        self._view("staged", f"select * from {scan(staged, 'runs')}")
        self._view("split", "select '' as id where false")  # known since they were staged
        self._view("stored", f"select * rename (filename as file) from {scan(stored, 'runs', with_file=True)}")
        self._view("past", f"select * from {scan(history, 'history')}")

    def changes(self) -> Changes:
        """Decide for each staged run; the tables of the merge are left in the connection."""
        con = self._con
        self._table("matched")
        files = [row[0] for row in con.execute("select distinct file from matched order by file").fetchall()]
        self._view("candidate_rows", f"select * from {scan(files, 'runs')}")
        for name in ("changed", "contest", "updated", "conflicts", "touched"):
            self._table(name)
        conflicts = con.execute("select id from conflicts order by id").fetchall()
        touched = tuple(row[0] for row in con.execute("select file from touched order by file").fetchall())
        self._view("touched_rows", f"select * from {scan(touched, 'runs')}")
        [(staged, matched, updated, _)] = con.execute(self._queries["counts"]).fetchall()
        return Changes(staged - matched, updated, matched - updated, tuple(row[0] for row in conflicts), touched)

    def new_rows(self) -> duckdb.DuckDBPyRelation:
        """Return the rows to be written: new and updated runs, and those that stay of the touched files."""
        return self._con.sql(f"select * from ({self._queries['new_rows']}) order by {ORDER}")

    def superseded_rows(self) -> duckdb.DuckDBPyRelation:
        """Return the states that this load supersedes, as rows of the history."""
        return self._con.sql(f"select * from ({self._queries['superseded']}) order by {ORDER}")

    def _table(self, name: str) -> None:
        self._con.execute(f"create temp table {name} as {self._queries[name]}")

    def _view(self, name: str, query: str) -> None:
        self._con.execute(f"create temp view {name} as {query}")


def scan(files: Sequence[str], table: str, *, with_file: bool = False) -> str:
    """Return SQL for the rows of Parquet files of a table of the lake, of which there may be none."""
    if files:
        names = ", ".join(map(path_literal, files))
        file = ", filename = true" if with_file else ""
        rows = f"read_parquet([{names}], hive_partitioning = false{file})"
        if table not in _OPTIONAL_TEXT or all(map(CHECKSUM_IN_NAME.search, files)):
            return rows
        # DuckDB 2.0.0 takes a text column whose statistics show one value for constant, and then finds every row where
        # it is asked for nulls. The files of other writers have such statistics, ours of optional texts have none.
        name = _OPTIONAL_TEXT[table]
        return f"(select * replace (substr({name}, 1) as {name}) from {rows})"
    columns = [f"cast(null as {_DUCKDB_TYPES[str(field.type)]}) as {field.name}" for field in table_schema(table)]
    columns += ["cast(null as varchar) as filename"] if with_file else []
    return f"(select {', '.join(columns)} where false)"


@contextmanager
def reading(place: Storage, work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that reads a lake's files; what DuckDB cannot read of them is a LakeError of one line."""
    import duckdb

    with connection(work) as con:
        place.prepare(con)
        try:
            yield con
        except duckdb.OutOfMemoryException as error:
            raise LakeError(f"{place.shown}: cannot be read: {first_line(error, 300)}") from None
        except duckdb.Error as error:
            raise LakeError(f"{place.shown}: cannot be read: {first_line(error, 200)}; {way_back(place)}") from None


def connection(work: Path, memory: str = "1GB") -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection that spills to a folder and takes times for UTC."""
    import duckdb

    con = duckdb.connect(config={"memory_limit": memory, "temp_directory": str(work)})
    con.execute("set timezone = 'UTC'")
    without_progress_bar(con)
    return con

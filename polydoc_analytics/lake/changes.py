"""What a load changes: its runs held against those that the lake has, decided by the merge rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.lake.schemas import RUN_COLUMNS, table_schema
from polydoc_analytics.merging import WINNER_ORDER
from polydoc_analytics.schema import NAMES
from polydoc_analytics.sql import quoted, without_progress_bar

if TYPE_CHECKING:
    import duckdb

_DIFFER = " or ".join(f"staged.{name} is distinct from stored.{name}" for name in NAMES)
_SAME = " and ".join(f"staged.{name} is not distinct from past.{name}" for name in NAMES)


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


class Comparison:
    """Staged runs (unique ids) held against stored ones, both as Parquet files, in a DuckDB connection of its own."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        staged: Sequence[str],
        stored: Sequence[str],
        past: Sequence[str],
        *,
        is_authority: bool,
    ) -> None:
        self._con = con
        self._staged = scan(staged, "runs")
        self._stored = stored
        self._past = past
        self._is_authority = is_authority

    def changes(self) -> Changes:
        """Decide for each staged run; the tables ``met``, ``updated`` and ``superseded`` are left in the connection."""
        con = self._con
        [(staged,)] = con.execute(f"select count(*) from {self._staged}").fetchall()
        con.execute(f"""
            create temp table met as
            select id, filename as file
            from {scan(self._stored, "runs", with_file=True)}
            semi join (select id from {self._staged}) as staged using (id)""")
        [(met,)] = con.execute("select count(*) from met").fetchall()
        files = [row[0] for row in con.execute("select distinct file from met order by file").fetchall()]
        con.execute(f"""
            create temp table differing as
            select staged.id
            from {scan(files, "runs")} as stored
            inner join {self._staged} as staged using (id)
            where {_DIFFER}""")
        # The stored run, and the staged one as a challenger.
        con.execute(f"""
            create temp table contest as
            select {RUN_COLUMNS}, load, false as is_staged
            from {scan(files, "runs")} semi join differing using (id)
            union all
            select {RUN_COLUMNS}, '', true
            from {self._staged} semi join differing using (id)""")
        con.execute("create temp table updated as " + self._updated())
        con.execute(f"""
            create temp table superseded as
            select {RUN_COLUMNS}, load from contest semi join updated using (id) where not is_staged""")
        conflicts = con.execute("""
            select id from contest group by id having bool_and(status <> 'Running') order by id""").fetchall()
        touched = con.execute("select distinct file from met semi join updated using (id) order by file").fetchall()
        [(updated,)] = con.execute("select count(*) from updated").fetchall()
        return Changes(
            staged - met, updated, met - updated, tuple(row[0] for row in conflicts), tuple(row[0] for row in touched)
        )

    def _updated(self) -> str:
        """Return SQL for the ids of runs that the staged one replaces."""
        if self._is_authority:
            return "select id from differing"
        wins = f"""
            select id
            from (
                select id, is_staged, row_number() over (partition by id order by {WINNER_ORDER}, is_staged) as place
                from contest
            )
            where place = 1 and is_staged"""
        if not self._past:
            return wins
        # What an authority has corrected stays corrected when an old file is loaded once more.
        return f"""
            with wins as ({wins})
            select id from wins
            anti join (
                select staged.id
                from (select * from contest where is_staged) as staged
                inner join {scan(self._past, "history")} as past using (id)
                where past.is_corrected and {_SAME}
            ) as corrected using (id)"""

    def new_rows(self, load: str, touched: Sequence[str]) -> duckdb.DuckDBPyRelation:
        """Return the rows to be written: new and updated runs, and those that stay of the touched files."""
        kept = ""
        if touched:
            kept = f"""
                union all
                select {RUN_COLUMNS}, load from {scan(touched, "runs")} anti join updated using (id)"""
        return self._con.sql(f"""
            select {RUN_COLUMNS}, '{load}' as load
            from {self._staged} anti join (select id from met anti join updated using (id)) as stays using (id)
            {kept}
            order by created_at, id""")

    def superseded_rows(self, load: str) -> duckdb.DuckDBPyRelation:
        """Return the states that this load supersedes, as rows of the history."""
        return self._con.sql(f"""
            select {RUN_COLUMNS}, load, '{load}' as superseded_by, {self._is_authority} as is_corrected
            from superseded order by created_at, id""")


def scan(files: Sequence[str], table: str, *, with_file: bool = False) -> str:
    """Return SQL for the rows of Parquet files of a table of the lake, of which there may be none."""
    if files:
        names = ", ".join(quoted(file) for file in files)
        file = ", filename = true" if with_file else ""
        return f"read_parquet([{names}], hive_partitioning = false{file})"
    types = {
        "string": "varchar",
        "int64": "bigint",
        "timestamp[us, tz=UTC]": "timestamptz",
        "bool": "boolean",
        "list<item: string>": "varchar[]",
    }
    columns = [f"cast(null as {types[str(field.type)]}) as {field.name}" for field in table_schema(table)]
    columns += ["cast(null as varchar) as filename"] if with_file else []
    return f"(select {', '.join(columns)} where false)"


def connection(work: Path, memory: str = "1GB") -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection that spills to a folder and takes times for UTC."""
    import duckdb

    con = duckdb.connect(config={"memory_limit": memory, "temp_directory": str(work)})
    con.execute("set timezone = 'UTC'")
    without_progress_bar(con)
    return con

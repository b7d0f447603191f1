"""One load by a cluster: Spark executes merge.sql and writes the files, this process commits them.

The rows stay with the cluster; to this process come counts, names of files and their Parquet footers. History, ledger
and commit are those of a load by DuckDB, so that both may write to one lake by turns.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import LakeError
from polydoc_analytics.ingest.manifest import FILE_ROWS
from polydoc_analytics.lake.data_file import DataFile, described
from polydoc_analytics.lake.erased_accounts import RefusedAccounts
from polydoc_analytics.lake.id_spellings import canonical_sql
from polydoc_analytics.lake.integrity import Whole
from polydoc_analytics.lake.ledger import snapshot_text
from polydoc_analytics.lake.load import LoadResult, Origin, ledger_row
from polydoc_analytics.lake.merge import merge_queries
from polydoc_analytics.lake.schemas import table_schema
from polydoc_analytics.lake.spark.exports import Exports, for_cluster
from polydoc_analytics.lake.storage.interface import STAGING, Storage
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.model.schema import NAMES
from polydoc_analytics.model.sql_names import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.connect.session import SparkSession

_TYPES = {"string": "string", "int64": "bigint", "timestamp[us, tz=UTC]": "timestamp", "bool": "boolean"}
_OF_STORED = [*NAMES, "load"]


@dataclass(frozen=True)
class ClusterLoad(Origin):
    """A load of exports by a cluster, which sees them and the lake as this machine does.

    ``shown`` is what messages call the cluster, ``work`` is a folder of this machine.
    """

    exports: Exports
    session: SparkSession
    shown: str
    work: Path

    def take(self, place: Storage, whole: Whole) -> LoadResult:
        """Take the load into a lake, durably; to be called under its lock. Nothing is written where nothing changes."""
        ledger, last = whole.ledger, whole.ledger.last
        runs, history, quarantine = (whole.tables[name] for name in ("runs", "history", "quarantine"))
        refusing = RefusedAccounts(place, ledger.rows)
        merge = _Merge(place, self, runs.files(), history.files(), refusing)
        counts = merge.decide()
        read = self.exports.manifest.rows
        inserted, updated = counts["staged"] - counts["matched"], counts["updated"]
        result = LoadResult(
            read,
            inserted,
            updated,
            counts["matched"] - updated,
            read - counts["staged"] - merge.refused,
            0,
            merge.refused,
            counts["conflicts"],
            snapshot=snapshot_text(last),
        )
        if not (inserted or updated):
            return result
        touched = merge.touched()
        stay = sum(file.rows for file in touched) - updated
        past = merge.rows("superseded", "history", updated)
        new = merge.rows("new_rows", "runs", inserted + updated + stay)
        if past:
            history.add_staged(self.name, past)
        runs.add_staged(self.name, new, [file.name for file in touched])
        versions = (runs.version, history.version, quarantine.version)
        origin = replace(self, source=refusing.strike(self.source))
        row = ledger_row(origin, result, last, self.exports.manifest, versions)
        ledger.append(row, self.work)
        return replace(result, load=self.name, number=row.number, snapshot=snapshot_text(row))


class _Merge:
    """The views of merge.sql in a session. Ids that are decided on are written to staging, and read from there."""

    def __init__(
        self,
        place: Storage,
        load: ClusterLoad,
        stored: list[DataFile],
        history: list[DataFile],
        refusing: RefusedAccounts,
    ) -> None:
        self._session = load.session
        self._place = place
        self._load = load
        self._shown = load.shown
        self._queries = merge_queries(load.name, is_authority=load.is_authority)
        self._stored = {file.name: file for file in stored}
        # A second try must not meet the files of the first.
        self._folder = f"{STAGING}/{load.name}/{secrets.token_hex(4)}"
        incoming = self._read(load.exports.files, load.exports.manifest.rows, "the exports", "runs")
        self.refused = 0
        if refusing:
            account = canonical_sql("account_id").replace("regexp_matches(", "regexp_like(")
            refused = refusing.refuse_sql(account, "account_id", "sha2({}, 256)")
            self.refused = incoming.where(refused).count()
            incoming = incoming.where(f"not ({refused})")
        _view(incoming.select(*NAMES), "incoming")
        _view(self._with_file(stored), "stored")
        paths = [for_cluster(place, f"history/{file.name}") for file in history]
        rows = sum(file.rows for file in history)
        _view(self._read(paths, rows, f"{place.shown}/history", "history"), "past")

    def decide(self) -> dict[str, int]:
        """Decide for each staged run; return the columns of the view ``counts``."""
        if self._load.exports.exports > 1:
            self._table("staged")
            self._query("split")
        else:  # one export holds no id twice
            _view(self._session.table("incoming"), "staged")
            _view(self._session.sql("select id from staged where false"), "split")
        self._table("matched")
        _view(self._of_files(self._names("select distinct file from matched")), "candidate_rows")
        self._table("changed")
        self._query("contest")
        self._table("updated")
        for name in ("conflicts", "touched"):
            self._query(name)
        [row] = self._session.sql(self._queries["counts"]).toArrow().to_pylist()
        return {name: int(row[name]) for name in ("staged", "matched", "updated", "conflicts")}

    def touched(self) -> list[DataFile]:
        """Return the stored files that hold an updated run, and let the cluster read them as ``touched_rows``."""
        names = self._names("select file from touched")
        _view(self._of_files(names), "touched_rows")
        return [self._stored[name] for name in names]

    def rows(self, name: str, table: str, rows: int) -> list[tuple[str, DataFile]]:
        """Write the rows of a view for a table of the lake; return what was written, with the names to be.

        Raises LakeError where that is not so many rows, or not of the table's columns.
        """
        if not rows:
            return []
        frame = self._session.sql(self._queries[name])
        files = ceil(rows / FILE_ROWS)
        frame = frame.repartitionByRange(files, "created_at", "id").sortWithinPartitions("created_at", "id")
        written = self._write(frame, name, table)
        found = sum(file.rows for _, file in written)
        if found != rows:
            raise LakeError(
                f"{self._shown}: wrote {counted(found, 'row')} of {name}, not {rows:,}; nothing was committed"
            )
        return written

    def _query(self, name: str) -> None:
        _view(self._session.sql(self._queries[name]), name)

    def _table(self, name: str) -> None:
        """Execute a view's query once, and let the view be what it gave."""
        frame = self._session.sql(self._queries[name])
        written = self._write(frame, name)
        if not written:
            _view(self._session.sql(f"select * from ({self._queries[name]}) where false"), name)
            return
        rows = sum(file.rows for _, file in written)
        _view(self._read([for_cluster(self._place, path) for path, _ in written], rows, name), name)

    def _write(self, frame: DataFrame, name: str, table: str | None = None) -> list[tuple[str, DataFile]]:
        import pyarrow.parquet as pq

        folder = f"{self._folder}/{name}"
        writer = frame.write.option("compression", "zstd").option("maxRecordsPerFile", FILE_ROWS)
        writer.parquet(for_cluster(self._place, folder))
        found: list[tuple[str, DataFile]] = []
        for file in sorted(self._place.files(folder), key=lambda file: file.name):
            if not file.name.endswith(".parquet") or file.name.startswith(("_", ".")):
                continue
            path = f"{folder}/{file.name}"
            with pq.ParquetFile(self._place.open_file(path)) as parquet:
                metadata = parquet.metadata
            if not metadata.num_rows:
                continue
            if table is not None:
                self._raise_if_other_columns(metadata.schema.to_arrow_schema(), table)
            new_name = f"part-{self._load.name}-{len(found)}.parquet"
            found.append((path, described(new_name, file.size, metadata)))
        return found

    def _raise_if_other_columns(self, schema: Any, table: str) -> None:
        found, expected = (
            [(field.name, str(field.type)) for field in fields] for fields in (schema, table_schema(table))
        )
        for have, want in zip(found, expected, strict=False):
            if have != want:
                raise LakeError(
                    f"{self._shown}: wrote {table} with {' '.join(have)}, not {' '.join(want)}; nothing was committed. "
                    "Let the server take spark.sql.parquet.outputTimestampType = TIMESTAMP_MICROS"
                )
        if len(found) != len(expected):
            raise LakeError(f"{self._shown}: wrote {len(found)} columns of {table}; nothing was committed")

    def _read(self, paths: Sequence[str], rows: int, what: str, table: str = "runs") -> DataFrame:
        """Return rows of Parquet files, once the cluster has counted as many as there are.

        Some engines take a file that they do not see for an empty one.
        """
        if not paths:
            return self._empty(table)
        frame = self._session.read.parquet(*paths)
        found = frame.count()
        if found != rows:
            raise LakeError(
                f"{self._shown}: sees {found:,} of {counted(rows, 'row')} of {what}; it must reach the same files "
                f"under the same names as this machine, such as {paths[0]}"
            )
        return frame

    def _empty(self, table: str) -> DataFrame:
        columns = [f"cast(null as {_TYPES[str(field.type)]}) as {field.name}" for field in table_schema(table)]
        return self._session.sql(f"select {', '.join(columns)} where false")

    def _names(self, query: str) -> list[str]:
        names: list[str] = sorted(self._session.sql(query).toArrow()["file"].to_pylist())
        if unknown := [name for name in names if name not in self._stored]:
            raise LakeError(f"{self._shown}: calls a file of the lake {unknown[0]}, which it is not called")
        return names

    def _of_files(self, names: Iterable[str]) -> DataFrame:
        files = [self._stored[name] for name in names]
        return self._stored_rows(files).select(*_OF_STORED)

    def _stored_rows(self, files: Sequence[DataFile]) -> DataFrame:
        paths = [for_cluster(self._place, f"runs/{file.name}") for file in files]
        return self._read(paths, sum(file.rows for file in files), f"{self._place.shown}/runs")

    def _with_file(self, files: list[DataFile]) -> DataFrame:
        """Return the stored rows with the names of their files."""
        from pyspark.errors import PySparkException

        rows = self._stored_rows(files)
        if not files:
            return rows.selectExpr(*_OF_STORED, "cast(null as string) as file")
        try:
            named = rows.selectExpr(*_OF_STORED, "_metadata.file_name as file")
            _ = named.schema  # has it resolved
        except PySparkException:  # an engine that does not tell: read file by file
            return self._file_by_file(files)
        return named

    def _file_by_file(self, files: list[DataFile]) -> DataFrame:
        if len(files) > 1:
            # In halves, so that the plan is as deep as it must be.
            middle = len(files) // 2
            return self._file_by_file(files[:middle]).unionAll(self._file_by_file(files[middle:]))
        path = for_cluster(self._place, f"runs/{files[0].name}")
        return self._session.read.parquet(path).selectExpr(*_OF_STORED, f"{quoted(files[0].name)} as file")


def _view(frame: DataFrame, name: str) -> None:
    frame.createOrReplaceTempView(name)

"""One Delta table of a lake: opened at a version, read as files, changed by one commit that may be lost to nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from polydoc_analytics.errors import LakeError, first_line
from polydoc_analytics.lake.data_file import CHECKSUM_IN_NAME, DataFile, checksum, data_file, is_readable, statistics
from polydoc_analytics.lake.schemas import FORMAT_VERSION, table_schema
from polydoc_analytics.lake.storage.interface import Storage, way_back
from polydoc_analytics.model.epoch import to_us

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_DESCRIPTION = f"polydoc-analytics lake, format {FORMAT_VERSION}"
_CONFIGURATION = {
    # As of any load is answered by the rows themselves, so nothing needs old versions; but what is pinned must stay.
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "50",
}
LOG = "_delta_log"
Decoded = TypeVar("Decoded")


class ConflictError(Exception):
    """Another process has committed to the table since it was opened."""


class FormatError(LakeError):
    """The table is whole, but of another format, or written with features that this program does not read."""


class LakeTable:
    """A Delta table of a lake. Deletion vectors, column mapping and other writers' features are refused."""

    def __init__(self, place: Storage, name: str) -> None:
        self.place = place
        self.name = name
        self._delta: DeltaTable | None = None
        self._files: tuple[int, list[DataFile]] | None = None

    def create(self) -> None:
        """Create the table, empty, where there is none."""
        from deltalake import DeltaTable

        try:
            self._delta = DeltaTable.create(
                f"{self.place.uri}/{self.name}",
                table_schema(self.name),
                mode="ignore",
                description=_DESCRIPTION,
                configuration=_CONFIGURATION,
                storage_options=self.place.storage_options,
            )
        except Exception as error:
            raise LakeError(f"{self.place.shown}: cannot be created: {first_line(error)}") from None
        self.place.fsync_folders([self.name])
        self.fsync(0)

    def open(self, version: int | None = None) -> LakeTable:
        """Open the table at a version, or at its newest one; raises LakeError where it cannot be read right."""
        from deltalake import DeltaTable

        uri = f"{self.place.uri}/{self.name}"
        self._files = None
        try:
            self._delta = DeltaTable(uri, version=version, storage_options=self.place.storage_options)
            protocol, metadata = self._delta.protocol(), self._delta.metadata()
        except Exception as error:
            raise LakeError(
                f"{self.place.shown}/{self.name}: cannot be opened: {first_line(error, 200)}; {way_back(self.place)}"
            ) from None
        features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
        refused = sorted(features & {"deletionVectors", "columnMapping", "v2Checkpoint", "typeWidening"})
        if refused:
            raise FormatError(
                f"{self.place.shown}/{self.name}: was written with {', '.join(refused)}, which cannot be read right; "
                "switch that off in the program that writes here, and rewrite the table"
            )
        written = (metadata.description or "").removeprefix("polydoc-analytics lake, format ")
        if written != str(FORMAT_VERSION):
            found = f"format {written}" if written.isdigit() else "no lake of this program"
            raise FormatError(
                f"{self.place.shown}: is {found}, and this program knows format {FORMAT_VERSION}; "
                "update polydoc-analytics, or ingest the sources into a new lake"
            )
        return self

    @property
    def delta(self) -> DeltaTable:
        """The table of the deltalake package, at the version that was opened."""
        if self._delta is None:
            self.open()
        assert self._delta is not None
        return self._delta

    @property
    def version(self) -> int:
        """The version that is open."""
        return int(self.delta.version())

    def files(self) -> list[DataFile]:
        """Return the files of the open version, in the order of their names."""
        import pyarrow as pa

        if self._files is not None and self._files[0] == self.version:
            return list(self._files[1])
        rows = pa.table(self.delta.get_add_actions(flatten=True)).to_pylist()
        found = []
        for row in rows:
            low, high = row.get("min.created_at"), row.get("max.created_at")
            created = (to_us(low), to_us(high)) if low is not None and high is not None else None
            found.append(DataFile(unquote(row["path"]), row["num_records"] or 0, row["size_bytes"], created))
        found.sort(key=lambda file: file.name)
        self._files = self.version, found
        return list(found)

    def paths(self) -> list[str]:
        """List the paths that DuckDB reads of the open version."""
        return [self.place.path(f"{self.name}/{file.name}") for file in self.files()]

    def add(self, load: str, paths: Sequence[Path], remove: Iterable[str] = (), *, is_rewrite: bool = False) -> None:
        """Move files of this machine into the table, and commit them in the place of those that are named."""
        added = self.publish(paths)
        self._commit(load, added, remove, is_rewrite=is_rewrite)

    def publish(self, paths: Sequence[Path]) -> list[DataFile]:
        """Move files of this machine into the table's folder, each named with the checksum of its bytes."""
        published = []
        for path in paths:
            with open(path, "rb") as content:
                name = f"{path.stem}-{checksum(content)}.parquet"
            published.append(replace(data_file(path), name=name))
            self.place.publish(path, f"{self.name}/{name}")
        return published

    def is_as_written(self, name: str) -> bool:
        """Check whether a file's bytes have the checksum in its name, or where it has none, whether its pages do.

        All of it is read. Pages without a checksum, as some clusters write, need only be readable.
        """
        match = CHECKSUM_IN_NAME.search(name)
        path = f"{self.name}/{name}"
        if match is None:
            return is_readable(self.place.open_file(path))
        with self.place.open_bytes(path) as content:
            return checksum(content) == match.group(1)

    def raise_if_not_as_written(self, names: Iterable[str]) -> None:
        """Raise LakeError where one of these files is not as it was written; before its rows are written again."""
        for name in names:
            if not self.is_as_written(name):
                raise not_as_written(self.place, f"{self.name}/{name}")

    def add_staged(self, load: str, staged: Sequence[tuple[str, DataFile]], remove: Iterable[str] = ()) -> None:
        """Commit files that lie elsewhere in the lake, under the names that they are to have in the table."""
        for name, file in staged:
            self.place.move(name, f"{self.name}/{file.name}")
        self._commit(load, [file for _, file in staged], remove, is_rewrite=False)

    def _commit(self, load: str, add: Sequence[DataFile], remove: Iterable[str], *, is_rewrite: bool) -> None:
        """Commit files on top of the open version, durably.

        Raises ConflictError where somebody else has committed since; then nothing is changed.
        """
        from deltalake import CommitProperties, PostCommitHookProperties
        from deltalake.exceptions import CommitFailedError, DeltaError
        from deltalake.transaction import AddAction, RemoveAction

        now_ms = time.time_ns() // 1_000_000
        actions: list[Any] = [
            AddAction(file.name, file.size, {}, now_ms, not is_rewrite, statistics(file)) for file in add
        ]
        actions += [RemoveAction(name, not is_rewrite, now_ms) for name in remove]
        before = self.version
        self.place.fsync([f"{self.name}/{file.name}" for file in add])
        try:
            self.delta.create_write_transaction(
                actions,
                "append",
                table_schema(self.name),
                commit_properties=CommitProperties(custom_metadata={"load": load}, max_commit_retries=0),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        except CommitFailedError as error:
            raise ConflictError(first_line(error)) from None
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"{self.place.shown}/{self.name}: cannot be committed to: {first_line(error, 200)}"
            ) from None
        self.delta.update_incremental()
        if self.version != before + 1:
            raise ConflictError(f"{self.name} is at version {self.version}, not {before + 1}")
        self.fsync(self.version)

    def invalidate_writers(self) -> None:
        """Commit nothing: whoever has opened the table before can commit to it no more."""
        self._commit("invalidate writers", (), (), is_rewrite=True)

    def set_files(self, load: str, files: Sequence[DataFile]) -> None:
        """Commit that the table is made of these files, which are in its folder; nothing where it is already."""
        now = {file.name for file in self.files()}
        then = {file.name for file in files}
        if now != then:
            add = [file for file in files if file.name not in now]
            self._commit(load, add, sorted(now - then), is_rewrite=False)

    def fsync(self, version: int) -> None:
        """Make a commit durable: its log entry, and the checkpoint that it may have set off."""
        names = [entry_name(self.name, version)]
        checkpoint = f"{self.name}/{LOG}/{version:020}.checkpoint.parquet"
        if self.place.is_local and self.place.exists(checkpoint):
            names += [checkpoint, f"{self.name}/{LOG}/_last_checkpoint"]
        self.place.fsync(names)


def rows_of_files(place: Storage, table: str, names: Iterable[str]) -> pa.Table:
    """Read all rows of files of a table; raises LakeError where one is missing or cannot be read.

    For tables that are read as a whole: a database takes longer to start than so few rows to read.
    """
    import pyarrow as pa

    files = [decoded_file(place, table, name, rows_of_content) for name in names]
    return pa.concat_tables([table_schema(table).empty_table(), *files])


def decoded_file(place: Storage, table: str, name: str, decode: Callable[[bytes, str], Decoded]) -> Decoded:
    """Read a file of a table and decode its bytes; raises LakeError where it is missing or cannot be decoded."""
    import pyarrow as pa

    where = f"{place.shown}/{table}/{name}"
    content = place.read(f"{table}/{name}")
    if content is None:
        raise LakeError(f"{where}: is missing; {way_back(place)}")
    try:
        return decode(content, table)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise LakeError(f"{where}: cannot be read: {first_line(error, 200)}; {way_back(place)}") from None


def rows_of_content(content: bytes, table: str) -> pa.Table:
    """Decode all rows of a file of a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = table_schema(table)
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        rows = file.read(use_threads=False)
    return rows if rows.schema.equals(schema) else rows.select(schema.names).cast(schema)


def not_as_written(place: Storage, name: str) -> LakeError:
    """Return the error for a file whose bytes have changed since it was written."""
    return LakeError(f"{place.shown}/{name}: is not as it was written, its checksum differs; {way_back(place)}")


def entry_name(table: str, version: int) -> str:
    """Return the name of a log entry below the lake."""
    return f"{table}/{LOG}/{version:020}.json"


def base_name(path: str) -> str:
    """Return the last part of a path or URI, as DuckDB gives it."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]

"""``Lake``: load again and again, lose nothing, read while others write, and look back in time."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import LakeError, UsageError, translating
from polydoc_analytics.ingest.pipeline import stage
from polydoc_analytics.lake import erasure, integrity, maintenance, repair
from polydoc_analytics.lake.delta_table import ConflictError, LakeTable, entry_name
from polydoc_analytics.lake.engines import is_spark
from polydoc_analytics.lake.erased_accounts import RefusedAccounts
from polydoc_analytics.lake.known_loads import known_load, result_of_known_load
from polydoc_analytics.lake.load import Content, Load, LoadResult
from polydoc_analytics.lake.location import is_lake, raise_if_among_sources, raise_if_no_place
from polydoc_analytics.lake.reader import LakeReader
from polydoc_analytics.lake.resolve import LakeRef, paths_of, resolve
from polydoc_analytics.lake.schemas import TABLES, LedgerRow
from polydoc_analytics.lake.spark.exports import exports_of
from polydoc_analytics.lake.spark.lake_session import spark_session
from polydoc_analytics.lake.spark.load import ClusterLoad
from polydoc_analytics.lake.spark.session import checked
from polydoc_analytics.lake.storage.interface import ACCOUNTS, SOURCES, json_text
from polydoc_analytics.lake.storage.local import LocalStorage
from polydoc_analytics.loaders.executor import in_background
from polydoc_analytics.loaders.files import name_of
from polydoc_analytics.loaders.options import Progress, ReadOptions
from polydoc_analytics.loaders.tables import Table
from polydoc_analytics.safe_text import display_address

_MAX_TRIES = 12

Notify = Callable[[str], None]


@translating(LakeError, "the lake cannot be read or written")
class Lake(LakeReader):
    """A lake in a folder or under a URI of an object store (s3://, gs://, az://), created when it is first written to.

    Writers queue for its lock, readers never wait: the last row of the ledger pins what they see.
    ``storage_options`` are those of the deltalake package; by default they come from the environment (AWS_…)
    and the AWS profile on this machine.
    ``notify`` is called with a sentence where a writer waits for another; ``talk`` is its earlier name.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, str] | None = None,
        notify: Notify | None = None,
        talk: Notify | None = None,
    ) -> None:
        super().__init__(uri, storage_options=storage_options)
        self._notify = notify or talk

    def raise_if_among(self, paths: Iterable[str]) -> None:
        """Raise LakeError where the lake lies in a folder that is to be loaded into it."""
        if isinstance(self.place, LocalStorage):
            raise_if_among_sources(Path(self.place.shown), paths)

    def ingest(
        self,
        source: Any,
        *,
        correct: bool = False,
        input_format: str | None = None,
        assume_utc: bool = False,
        partial: bool = False,
        strict: bool = False,
        quarantine_to: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        name: str | None = None,
        kind: str = "ingest",
        engine: str = "duckdb",
        remote: str | None = None,
    ) -> LoadResult:
        """Load a source (see :func:`polydoc_analytics.load`) into the lake: all of it or, where it fails, nothing.

        Returns how every row is accounted for: read = inserted + updated + unchanged + duplicates + quarantined
        + erased. Rows of an erased account are refused until :meth:`readmit`.

        With ``correct`` the source is the authority on the present: its runs replace what is stored, which moves to the
        history. Where nothing changes, no version is added. What was loaded is on the disk when this returns. ``name``
        is what the ledger calls the source, ``kind`` what it calls the load. With ``engine="spark"`` the source is one
        folder that ``export`` wrote, or many, and the Spark Connect server ``remote`` (sc://host:port) merges and
        writes; it must see the folders and the lake under the same names. Raises SourceError where the source cannot be
        read to its end, RejectedRowsError with ``strict`` where a row is rejected, LakeError where the lake cannot be
        written to.
        """
        if is_spark(engine):
            if input_format or assume_utc or partial or quarantine_to:
                raise UsageError("engine spark loads exports, whose rows were checked; how to read them cannot be said")
            return self._ingest_exports(source, correct, name, kind, remote)
        if remote:
            raise UsageError("a remote server is for engine spark; add --engine spark, or leave --remote out")
        options = ReadOptions(input_format, assume_utc, partial, strict, quarantine_to, progress)
        started = datetime.now(UTC)
        load = maintenance.new_load()
        self._raise_if_no_place()
        resolved = resolve(source, options, check_paths=self.raise_if_among)
        name = name or resolved.name
        content = Content(resolved, options)
        is_plain = not (correct or strict or quarantine_to)
        past = self._past()
        if is_plain and (known := known_load(past, content)):
            return replace(result_of_known_load(self.place, known), passed_over=content.passed_over)
        readable = Table((resolved.lake.snapshot(),)) if isinstance(resolved, LakeRef) else resolved
        with self.place.staging(load) as folder, in_background(content.digest) as begin:
            begin()
            runs, work = folder / "runs", folder / "work"
            runs.mkdir()
            work.mkdir()
            refusing = RefusedAccounts(self.place, past)
            staged = stage(readable, runs, work, options, load=load, refusing=refusing or None, also_import=("duckdb",))
            refused = frozenset(refusing.erasures)
            ours = Load(load, kind, name, correct, started, content, staged, runs, work, refused)
            result: LoadResult
            result, tables = self._exclusively(lambda whole: (ours.take(self.place, whole), whole.tables))
        if result.number:
            self._tidy(tables)
        return result

    def _ingest_exports(
        self, source: Any, correct: bool, name: str | None, kind: str, remote: str | None
    ) -> LoadResult:
        remote = checked(remote)
        started = datetime.now(UTC)
        load = maintenance.new_load()
        names = paths_of(source)
        self.raise_if_among(names)
        self._raise_if_no_place()
        exports = exports_of(names)
        remote_shown = display_address(remote)
        with spark_session(remote) as session, self.place.staging(load) as folder:
            name = name or name_of(names)
            ours = ClusterLoad(load, kind, name, correct, started, exports, session, remote_shown, folder)
            result: LoadResult
            try:
                result, tables = self._exclusively(lambda whole: (ours.take(self.place, whole), whole.tables))
            finally:
                with suppress(Exception):  # the next load does it
                    self.place.clear_staging(load)
        if result.number:
            self._tidy(tables)
        return result

    def _raise_if_no_place(self) -> None:
        """Raise LakeError where the lake cannot be made where it is."""
        if isinstance(self.place, LocalStorage) and not self.exists:
            raise_if_no_place(Path(self.place.shown))

    def _tidy(self, tables: Mapping[str, LakeTable]) -> None:
        """Put small files together where the load has left many; that it fails is no failure of it, which is done."""
        try:
            if any(len(maintenance.small_files(table)) > maintenance.MANY_FILES for table in tables.values()):
                self._keep(lambda folder, load, whole: maintenance.compact(whole, folder, load, None))
        except LakeError as error:
            if self._notify:
                self._notify(f"{error} (while its small files were put together; the load is in the lake)")

    def _keep(self, do: Callable[[Path, str, integrity.Whole], Any]) -> Any:
        """Do work on the lake's files under its lock, with a folder for new ones and the name of a load."""
        self.raise_if_none()
        load = maintenance.new_load()
        with self.place.staging(load) as folder:
            return self._exclusively(lambda whole: do(folder, load, whole))

    def plan_compaction(self, retention_days: int = maintenance.LEAST_RETENTION_DAYS) -> maintenance.Compaction:
        """Plan a :meth:`compact`, without doing it."""
        self.snapshot()
        return maintenance.plan_compaction(self.place, retention_days)

    upkeep = plan_compaction
    """The earlier name of :meth:`plan_compaction`."""

    def compact(self, retention_days: int = maintenance.LEAST_RETENTION_DAYS) -> maintenance.Compaction:
        """Put small files together, sorted by created_at, and remove what no snapshot of the last days needs.

        The figures as of every load stay what they were. Returns what was done; raises UsageError for a retention of
        less than seven days.
        """
        done = self.plan_compaction(retention_days)
        self._keep(lambda folder, load, whole: maintenance.compact(whole, folder, load, retention_days))
        return done

    def erase(self, account: str, *, keep_documents: bool = False) -> LedgerRow | None:
        """Remove an account everywhere: runs, history, quarantine, names of files, the memory of sources, old files.

        A UUID is found in any spelling. The ledger records that it was done, with a hash of the account's id that is
        keyed by a secret of the lake, and rows of the account are refused from then on. So are removed what schedules
        and alerts remember of it and the documents made for it alone, unless ``keep_documents``. Returns that row of
        the ledger, or None where the lake holds nothing of the account.
        """
        row: LedgerRow | None = self._keep(
            lambda folder, load, whole: erasure.erase(self.place, account, folder, load, whole)
        )
        erasure.erase_from_schedule(self.place, account, keep_documents=keep_documents)
        return row

    def readmit(self, account: str) -> LedgerRow | None:
        """Let an erased account in again, from the next load on; returns the row that the ledger gets.

        None where the account is not refused.
        """
        row: LedgerRow | None = self._keep(
            lambda folder, load, whole: erasure.readmit(self.place, account, folder, load, whole.ledger)
        )
        return row

    def refused_accounts(self) -> RefusedAccounts:
        """Return the accounts whose rows are refused, for they were erased; none where there is no lake."""
        return RefusedAccounts(self.place, self._past())

    def _past(self) -> tuple[LedgerRow, ...]:
        """Return the rows of the ledger; none where there is no lake. Raises LakeError where it is damaged."""
        return integrity.whole_ledger(self.place).rows if is_lake(self.place) else ()

    def damage(self) -> repair.Repair:
        """Find damage, and plan a :meth:`repair`, without doing it."""
        self.raise_if_none()
        return repair.damage(self.place)

    def changed_files(self) -> list[str]:
        """Return the data files whose bytes have changed since they were written, by their names in the lake.

        All that the newest load pins is read for it. A reader does not look, for it would take it too long: see to it
        with ``doctor``.
        """
        last = self.snapshot().row
        tables = [LakeTable(self.place, name).open(last.version_of(name) if last else 0) for name in integrity.PINNED]
        tables.append(LakeTable(self.place, "loads").open())
        return [f"{table.name}/{file}" for table in tables for file in integrity.changed_files(self.place, table)]

    def repair(self) -> repair.Repair:
        """Make the lake whole again: put aside what is damaged, and go back to the last load that is whole.

        Where that would lose loads that are whole themselves, the damaged files are taken out instead. The result says
        what was lost; the ledger records it, and the sources of what was lost are to be loaded again, as the next sync
        of each does.
        """
        self.raise_if_none()
        load = maintenance.new_load()
        with self.place.staging(load) as folder, self.place.lock(self._notify):
            return repair.repair(self.place, folder, load)

    def _exclusively(self, write: Callable[[integrity.Whole], Any]) -> Any:
        """Write under the lake's lock, and once more where somebody who does not know the lock came between."""
        for attempt in range(_MAX_TRIES):
            try:
                with self.place.lock(self._notify):
                    self._create()
                    return write(integrity.undo_unfinished(self.place))
            except ConflictError:
                time.sleep(random.uniform(0.2, 1) * min(2**attempt, 32) * 0.05)
        raise LakeError(f"{self.place.shown}: others keep writing to this lake; try again later")

    def _create(self) -> None:
        if self.place.exists(entry_name("loads", 1)):  # whoever made that had the tables on the disk before
            return
        for name in TABLES:
            LakeTable(self.place, name).create()

    def remember(self, name: str, state: Mapping[str, Any]) -> None:
        """Replace what the lake remembers of the source ``name`` by ``state``, durably; erased accounts are struck."""
        self.place.write(f"{SOURCES}/{name}.json", json_text(self.refused_accounts().strike_all(dict(state))))

    def name_accounts(self, names: Mapping[str, str]) -> None:
        """Add names of accounts, by account id, to those that are known; a new name replaces an old one."""
        with self.place.lock(self._notify):
            refusing = self.refused_accounts()
            admitted = {account: name for account, name in names.items() if not refusing.holds(account)}
            self.place.write(ACCOUNTS, json_text({**self.account_names(), **admitted}))

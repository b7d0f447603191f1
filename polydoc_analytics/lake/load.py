"""One load on its way into a lake: held against what is there, written, and entered into the ledger."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from polydoc_analytics._version import __version__
from polydoc_analytics.errors import SourceError
from polydoc_analytics.ingest.manifest import Export, Manifest, Part
from polydoc_analytics.ingest.parquet import WRITE_OPTIONS
from polydoc_analytics.ingest.quarantine import Quarantine
from polydoc_analytics.ingest.results import CountsByName, Staged
from polydoc_analytics.lake.changes import Changes, LoadComparison, reading, scan
from polydoc_analytics.lake.delta_table import base_name
from polydoc_analytics.lake.erased_accounts import RefusedAccounts
from polydoc_analytics.lake.integrity import Whole
from polydoc_analytics.lake.ledger import committed_after, snapshot_text, write_rows
from polydoc_analytics.lake.parquet import write_table
from polydoc_analytics.lake.resolve import Source
from polydoc_analytics.lake.schemas import FORMAT_VERSION, LedgerRow
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.input_file import Input
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.recognition import PassedOver
from polydoc_analytics.loaders.validation import Rejected
from polydoc_analytics.model.sql_names import quoted
from polydoc_analytics.model.summary import Summarised


@dataclass(frozen=True, repr=False)
class LoadResult(Summarised, CountsByName):
    """How a load accounts for its rows: read = inserted + updated + unchanged + duplicates + quarantined + erased.

    ``erased`` are rows of accounts that were erased from the lake, which are refused until they are readmitted.
    ``conflicts`` are the runs that were seen finished in more than one way, within the load or against the lake.
    ``load`` and ``number`` name the load's row in the ledger; they are None where it changed nothing, so that none was
    written.
    ``snapshot`` says what the lake is after it, ``rejection`` in words what was quarantined; ``passed_over`` names the
    files of a folder that were not read, and says why.
    """

    read: int
    inserted: int
    updated: int
    unchanged: int
    duplicates: int
    quarantined: int
    erased: int
    conflicts: int

    load: str | None = None
    number: int | None = None
    snapshot: str = ""
    rejection: str = ""
    conflict_ids: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()

    def _summary(self) -> dict[str, str]:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.items() if count and name != "read")
        load = {"load": f"{self.number} is on the disk"} if self.number else {"lake": f"unchanged at {self.snapshot}"}
        return {"rows read": f"{self.read:,}{f': {counts}' if counts else ''}"} | load


@dataclass(frozen=True)
class Origin:
    """The origin of a load, for its row in the ledger: see LedgerRow."""

    name: str
    kind: str
    source: str
    is_authority: bool
    started_at: datetime


@dataclass(frozen=True)
class Load(Origin):
    """A load whose rows are checked, merged with each other and staged as files of this machine.

    ``runs`` is the folder of those files, ``work`` one for others. ``refused`` are the erased accounts, by what the
    ledger calls them, whose rows were refused when it was staged.
    """

    content: Content
    staged: Staged
    runs: Path
    work: Path
    refused: frozenset[str] = frozenset()

    def take(self, place: Storage, whole: Whole) -> LoadResult:
        """Take the load into a lake, durably; to be called under its lock. Nothing is written where nothing changes."""
        ledger, last = whole.ledger, whole.ledger.last
        refusing = RefusedAccounts(place, ledger.rows)
        staged = self.staged if refusing.erasures.keys() <= self.refused else _without(refusing, self.staged, self.work)
        counted, manifest = staged.counts, staged.manifest
        runs, history, quarantine = (whole.tables[name] for name in ("runs", "history", "quarantine"))
        stored = runs.paths()
        staged_files = [str(staged.folder / part.path) for part in manifest.parts]
        is_compared = bool(stored and staged_files)
        known_rejected = quarantine.paths() if counted.quarantined else []
        database: Any = reading(place, self.work) if is_compared or known_rejected else nullcontext()
        with database as con:
            compared, changes = None, Changes(counted.runs, 0, 0, (), ())
            if is_compared:
                compared = LoadComparison(
                    con, staged_files, stored, history.paths(), load=self.name, is_authority=self.is_authority
                )
                changes = compared.changes()
            rejected = _new_rejected(con, staged, known_rejected) if counted.quarantined else []
            conflicts = tuple(sorted({*staged.conflicts, *changes.conflicts}))
            result = LoadResult(
                counted.read,
                changes.inserted,
                changes.updated,
                changes.unchanged,
                counted.duplicates,
                counted.quarantined,
                staged.refused,
                len(conflicts),
                snapshot=snapshot_text(last),
                rejection=staged.rejection,
                conflict_ids=conflicts,
                passed_over=self.staged.passed_over,
            )
            if not (changes.inserted or changes.updated or rejected):
                return result
            touched = [base_name(file) for file in changes.touched]
            runs.raise_if_not_as_written(touched)
            if rejected:
                path = self.work / f"part-{self.name}.parquet"
                write_rows([{"load": self.name, **row._asdict()} for row in rejected], path, "quarantine")
                quarantine.add(self.name, [path])
            if compared is not None and changes.updated:
                past = write_table(compared.superseded_rows(), "history", self._folder("past"), self.name)
                history.add(self.name, past)
            written = [Path(file) for file in staged_files]
            if compared is not None and (changes.updated or changes.unchanged):
                rows = compared.new_rows()
                written = write_table(rows, "runs", self._folder("merged"), self.name)
            if changes.inserted or changes.updated:
                runs.add(self.name, written, touched)
        versions = (runs.version, history.version, quarantine.version)
        origin = replace(self, source=refusing.strike(self.source))
        row = ledger_row(origin, result, last, manifest, versions, new_quarantined=len(rejected), content=self.content)
        ledger.append(row, self.work)
        return replace(result, load=self.name, number=row.number, snapshot=snapshot_text(row))

    def _folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=name, dir=self.work))  # a second try must not meet the files of the first


def ledger_row(
    origin: Origin,
    result: LoadResult,
    last: LedgerRow | None,
    manifest: Manifest,
    versions: tuple[int, int, int],
    *,
    new_quarantined: int = 0,
    content: Content | None = None,
) -> LedgerRow:
    """Return the row of the ledger for a load; ``versions`` are those of runs, history and quarantine after it."""
    created = _wider(manifest.created_us, (last.created_low, last.created_high) if last else None)
    finished = _wider(manifest.finished_us, (last.finished_low, last.finished_high) if last else None)
    return LedgerRow(
        number=last.number + 1 if last else 1,
        load=origin.name,
        kind=origin.kind,
        source=origin.source,
        content_hash=content.digest() if content else None,
        content_bytes=content.size if content else None,
        is_authority=origin.is_authority,
        started_at=origin.started_at,
        committed_at=committed_after(last),
        read=result.read,
        inserted=result.inserted,
        updated=result.updated,
        unchanged=result.unchanged,
        duplicates=result.duplicates,
        quarantined=result.quarantined,
        new_quarantined=new_quarantined,
        conflicts=result.conflicts,
        runs=(last.runs if last else 0) + result.inserted,
        runs_version=versions[0],
        history_version=versions[1],
        quarantine_version=versions[2],
        created_low=created[0],
        created_high=created[1],
        finished_low=finished[0],
        finished_high=finished[1],
        languages=sorted({*(last.languages if last else ()), *manifest.languages}),
        detail=None,
        tool_version=__version__,
        format_version=FORMAT_VERSION,
    )


def _wider(a: tuple[int, int] | None, b: tuple[int | None, int | None] | None) -> tuple[int | None, int | None]:
    """Return bounds that hold both of two."""
    lows = [bounds[0] for bounds in (a, b) if bounds is not None and bounds[0] is not None]
    highs = [bounds[1] for bounds in (a, b) if bounds is not None and bounds[1] is not None]
    return min(lows, default=None), max(highs, default=None)


class Content:
    """The bytes of local files and how they are to be read: their size, and a hash that is worked out once.

    ``size`` is None, and there is no hash, for what is not in local files.
    """

    def __init__(self, source: Source, options: ReadOptions) -> None:
        files = source.files if isinstance(source, Export) else source if isinstance(source, Files) else Files()
        is_utc = options.assume_utc or files.assume_utc
        self._options = (options.input_format, is_utc, *(options.partial,) * options.partial)
        self._digest: str | None = None
        is_local = all(one.is_local and os.path.isfile(one.path) for one in files)
        self._files = files if is_local else Files()
        self.passed_over = self._files.passed_over
        self.size = sum(one.size for one in self._files) if self._files else None

    def digest(self) -> str | None:
        """Return a SHA-256; that of one file, read as usual, is the file's own. Reads the files the first time."""
        if self._digest is None and self._files:
            digests = [_sha256(one) for one in self._files]
            self._digest = digests[0]
            if len(digests) > 1 or self._options != (None, False):
                self._digest = hashlib.sha256(repr((sorted(digests), self._options)).encode()).hexdigest()
        return self._digest


def _sha256(file: Input) -> str:
    try:
        with open(file.path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{file.name}: cannot be read: {error.strerror}") from None


def _new_rejected(con: Any, staged: Staged, known: list[str]) -> list[Rejected]:
    """Select the rejected rows that are not in the files of the lake's quarantine yet."""
    rows = list(staged.quarantine)
    seen: set[tuple[Any, ...]] = set()
    if known:
        names = ", ".join(quoted(source) for source in sorted({row.source for row in rows}))
        stored = f"select source, line, reason, raw from {scan(known, 'quarantine')} where source in ({names})"
        seen.update(con.sql(stored).fetchall())
    new = []
    for row in rows:
        key = (row.source, row.line, row.reason, row.raw)
        if key not in seen:
            seen.add(key)
            new.append(row)
    return new


def _without(refusing: RefusedAccounts, staged: Staged, work: Path) -> Staged:
    """Remove the rows of accounts that were erased since staging."""
    folder = Path(tempfile.mkdtemp(prefix="admitted", dir=work))
    parts, gone = [], 0
    for part in staged.manifest.parts:
        table = pq.read_table(staged.folder / part.path)
        left = refusing.runs(table)
        gone += table.num_rows - left.num_rows
        if left.num_rows:
            pq.write_table(left, folder / part.path, **WRITE_OPTIONS)
            parts.append(Part(part.path, left.num_rows, (folder / part.path).stat().st_size))
    quarantine = Quarantine(folder)
    quarantine.add(refusing.rejected(list(staged.quarantine)))
    refused = gone + staged.counts.quarantined - quarantine.rows
    counts = replace(staged.counts, runs=staged.counts.runs - gone, quarantined=quarantine.rows)
    manifest = replace(staged.manifest, parts=tuple(parts))
    return replace(
        staged, folder=folder, manifest=manifest, counts=counts, quarantine=quarantine, refused=staged.refused + refused
    )

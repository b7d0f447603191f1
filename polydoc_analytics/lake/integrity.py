"""Whether a lake is whole: damage is told with the way back, what a killed load left is undone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.delta_table import LOG, LakeTable, entry_name
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.storage.interface import DAMAGED, Storage, way_back
from polydoc_analytics.model.plurals import counted

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")
_PART = re.compile(r"(?:part|past)-(\d{8}-\d{6}-[0-9a-f]{6})(?:-\d+|-ledger)?(?:-[0-9a-f]{8})?\.parquet(?:#\d+)?")
_HALF_WRITTEN = re.compile(r"_commit_.*\.tmp|.*#\d+")
_NEWEST = 3
"""Log entries that are read to see that they are whole, the newest; of the older, which were on the disk long ago, the
sizes alone are seen.
"""
PINNED = ("runs", "history", "quarantine")


def whole_ledger(place: Storage) -> Ledger:
    """Return the ledger of a lake whose newest log entries are whole.

    Raises LakeError where one that the lake needs is gone, empty or cut off, as after a loss of power. What lies beyond
    the versions that the ledger pins is needed by nobody, and the next writer clears it away.
    """
    _raise_if_damaged(place, "loads", None)
    ledger = Ledger(place)
    for table in PINNED:
        _raise_if_damaged(place, table, ledger.last.version_of(table) if ledger.last else 0)
    return ledger


def _raise_if_damaged(place: Storage, table: str, up_to: int | None) -> None:
    for version in damaged_entries(place, table, up_to):
        name = entry_name(table, version)
        what = "is damaged: empty or cut off" if place.exists(name) else "is gone"
        raise LakeError(f"{place.shown}/{name}: {what}; {way_back(place)}")


def raise_if_files_damaged(place: Storage, table: LakeTable, rows: int | None = None) -> None:
    """Raise LakeError where a data file of the open version is missing or of another size than it was written with.

    Also where the files do not hold so many ``rows`` as the ledger says, as where an older log entry was lost.
    """
    for name in damaged_files(place, table):
        raise LakeError(f"{place.shown}/{table.name}/{name}: is missing, or not as it was written; {way_back(place)}")
    found = sum(file.rows for file in table.files())
    if rows is not None and rows != found:
        raise LakeError(f"{place.shown}/{table.name}: holds {counted(found, 'row')}, not {rows:,}; {way_back(place)}")


def entry_sizes(place: Storage, table: str, name: re.Pattern[str] = _ENTRY) -> dict[int, int]:
    """Return the bytes of the entries of a table's log (or of its checkpoints) by version."""
    files = ((name.fullmatch(file.name), file.size) for file in place.files(f"{table}/{LOG}"))
    return {int(match.group(1)): size for match, size in files if match}


def damaged_entries(place: Storage, table: str, up_to: int | None = None) -> list[int]:
    """Return the versions of a table's log, up to one of them, that are gone or empty, or the newest not whole.

    An entry older than the newest checkpoint is not looked at: nobody reads it.
    """
    if not place.is_local:  # an object store shows an object when all of it is there
        return []
    sizes = entry_sizes(place, table)
    last = max(sizes, default=-1) if up_to is None else up_to
    since = max((version for version in entry_sizes(place, table, _CHECKPOINT) if version <= last), default=-1)
    return [
        version
        for version in range(since + 1, last + 1)
        if not sizes.get(version) or (version > last - _NEWEST and not is_whole(place.read(entry_name(table, version))))
    ]


def damaged_log(place: Storage, table: str) -> tuple[list[str], int | None]:
    """Return the names of all that is damaged in a table's log, and the first version that cannot be read for it.

    An entry older than the newest checkpoint that is whole is not looked at: nobody reads it.
    """
    if not place.is_local:
        return [], None
    names, since = [], 0
    last = f"{table}/{LOG}/_last_checkpoint"
    if place.exists(last) and not is_whole(place.read(last)):
        names.append(last)
    files = [file.name for file in place.files(f"{table}/{LOG}")]
    for file in files:
        match = _CHECKPOINT.fullmatch(file)
        if match and _is_parquet(place.path(f"{table}/{LOG}/{file}")):
            since = max(since, int(match.group(1)))
        elif match:
            names.append(f"{table}/{LOG}/{file}")
    there = entry_sizes(place, table)
    bad = [
        version
        for version in range(since, max(there, default=-1) + 1)
        if version not in there or not is_whole(place.read(entry_name(table, version)))
    ]
    return [*names, *(entry_name(table, version) for version in bad)], min(bad, default=None)


def _is_parquet(path: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_table(path, columns=["protocol"])
    except (OSError, pa.ArrowException):
        return False
    return True


def put_aside(place: Storage, table: str, names: Iterable[str], since: int | None) -> None:
    """Move what is damaged in a table's log to the folder of damaged files, with all that came ``since`` a version."""
    moved = set(names)
    if moved or since is not None:
        moved.add(f"{table}/{LOG}/_last_checkpoint")
    if since is not None:
        for file in place.files(f"{table}/{LOG}"):
            match = _ENTRY.fullmatch(file.name) or _CHECKPOINT.fullmatch(file.name)
            if match and int(match.group(1)) >= since:
                moved.add(f"{table}/{LOG}/{file.name}")
    now = datetime.now(UTC)
    # The newest first: what is left of a log that was being put aside has no gap.
    for name in sorted(moved, reverse=True):
        content = place.read(name)
        if content is not None:
            place.write(f"{DAMAGED}/{now:%Y%m%d-%H%M%S}-{table}-{name.rsplit('/', 1)[-1]}", content)
            place.remove(name)


def is_ours(file: str) -> bool:
    """Check whether a data file has a name that this program gives."""
    return _PART.fullmatch(file) is not None


def damaged_files(place: Storage, table: LakeTable) -> list[str]:
    """Return the data files of the open version that are missing or have another size."""
    sizes = {file.name: file.size for file in place.files(table.name)}
    return [file.name for file in table.files() if sizes.get(file.name) != file.size]


def changed_files(place: Storage, table: LakeTable) -> list[str]:
    """Return the data files of the open version whose bytes have changed since they were written; all are read.

    Those that are missing or of another size are not among them.
    """
    damaged, stored = set(damaged_files(place, table)), LakeTable(place, table.name)
    return [file.name for file in table.files() if file.name not in damaged and not stored.is_as_written(file.name)]


def is_whole(content: bytes | None) -> bool:
    """Check whether the content of a log entry is whole; None is an entry that is gone since the log was listed."""
    if content is None:
        return True
    try:
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
    except ValueError:
        return False
    return bool(lines) and all(isinstance(line, dict) for line in lines)


class Whole(NamedTuple):
    """The ledger of a lake and its other tables by name, each at its newest version, which the ledger pins."""

    ledger: Ledger
    tables: dict[str, LakeTable]


def undo_unfinished(place: Storage) -> Whole:
    """Bring the tables back to what the ledger pins, and remove the files of loads that it does not know.

    A load that was killed may have committed to some tables, but not to the ledger; and what it has committed may not
    have been on the disk yet, so that is seen to first. To be called under the lock; what it returns is true as long.
    """
    place.clear_staging()
    ledger = whole_ledger(place)
    last = ledger.last
    known = {row.load for row in ledger.rows}
    for name in PINNED:
        version = last.version_of(name) if last else 0
        if any(newer > version for newer in damaged_entries(place, name)):
            put_aside(place, name, (), version + 1)
    fsync_newest(place)
    tables = []
    for name in PINNED:
        newest = LakeTable(place, name).open()
        version = last.version_of(name) if last else 0
        pinned = newest if newest.version == version else LakeTable(place, name).open(version)
        raise_if_files_damaged(place, pinned, (last.runs if last else 0) if name == "runs" else None)
        tables.append((newest, pinned))
    reverted = [(table, pinned) for table, pinned in tables if _names(table) != _names(pinned)]
    left = {table.name: left_overs(place, table, known) for table in (*(table for table, _ in tables), ledger.table)}
    if not place.is_local and (reverted or any(left.values())):
        # Whoever left this may have lost its lease and live on: from now on it cannot commit to the ledger.
        ledger.table.invalidate_writers()
    for table, pinned in reverted:
        table.set_files("undo", pinned.files())
        left[table.name] = left_overs(place, table, known)
    for name, files in left.items():
        for file in files:
            place.remove(f"{name}/{file}")
    return Whole(ledger, {table.name: table for table, _ in tables})


def _names(table: LakeTable) -> set[str]:
    return {file.name for file in table.files()}


def fsync_newest(place: Storage) -> None:
    """Make the newest commit of every table durable; whoever made it may have been killed before it could do so."""
    for name in ("loads", *PINNED):
        versions = entry_sizes(place, name) if place.is_local else {}
        if versions:
            LakeTable(place, name).fsync(max(versions))


def left_overs(place: Storage, table: LakeTable, known: Iterable[str]) -> list[str]:
    """Return the names of what was left in a table's folder by loads that are not in the ledger, or half written."""
    known = set(known)
    used = _names(table)
    found = []
    for file in place.files(table.name):
        match = _PART.fullmatch(file.name)
        is_half = match is not None and "#" in file.name
        if match and file.name not in used and (is_half or match.group(1) not in known):
            found.append(file.name)
    found += [f"{LOG}/{file.name}" for file in place.files(f"{table.name}/{LOG}") if _HALF_WRITTEN.fullmatch(file.name)]
    return found

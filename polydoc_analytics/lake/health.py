"""Whether a lake is whole: damage is told with the way back, what a killed load left is undone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.places import Place
from polydoc_analytics.lake.tables import Table

_ENTRY = re.compile(r"(\d{20})\.json")
_PART = re.compile(r"(?:part|past)-(\d{8}-\d{6}-[0-9a-f]{6})(?:-\d+|-ledger)?\.parquet")
_NEWEST = 3
"""So many of the newest log entries are read to see that they are whole; what is older was on the disk long ago."""
PINNED = ("runs", "history", "quarantine")


def raise_if_damaged(place: Place) -> None:
    """Raise LakeError where a newest log entry of the lake is empty or cut off, as after a loss of power."""
    for table in ("loads", *PINNED):
        for version in damaged_entries(place, table):
            name = entry_name(table, version)
            raise LakeError(
                f"{place.shown}/{name}: is damaged: empty or cut off; "
                f"`polydoc-analytics lake repair --lake {place.shown}` goes back to the last load that is whole"
            )


def raise_if_files_damaged(place: Place, table: Table) -> None:
    """Raise LakeError where a data file of the open version is missing or of another size than it was written with."""
    for name in damaged_files(place, table):
        raise LakeError(
            f"{place.shown}/{table.name}/{name}: is missing, or not as it was written; "
            f"`polydoc-analytics lake repair --lake {place.shown}` goes back to the last load that is whole"
        )


def damaged_entries(place: Place, table: str) -> list[int]:
    """Return the versions among the newest log entries of a table that are not whole."""
    if not place.is_local:  # an object store shows an object when all of it is there
        return []
    versions = sorted(
        int(match.group(1)) for file in place.files(f"{table}/_delta_log") if (match := _ENTRY.fullmatch(file.name))
    )
    return [version for version in versions[-_NEWEST:] if not _is_whole(place.read(entry_name(table, version)))]


def damaged_files(place: Place, table: Table) -> list[str]:
    """Return the data files of the open version that are missing or have another size."""
    if not place.is_local:
        return []
    sizes = {file.name: file.size for file in place.files(table.name)}
    return [file.name for file in table.files() if sizes.get(file.name) != file.size]


def entry_name(table: str, version: int) -> str:
    """Return the name of a log entry below the lake."""
    return f"{table}/_delta_log/{version:020}.json"


def _is_whole(content: bytes | None) -> bool:
    if not content or not content.strip():
        return False
    try:
        return all(isinstance(json.loads(line), dict) for line in content.splitlines() if line.strip())
    except ValueError:
        return False


def undo_unfinished(place: Place, ledger: Ledger) -> None:
    """Bring the tables back to what the ledger pins, and remove the files of loads that it does not know.

    A load that was killed may have committed to some tables, but not to the ledger. To be called under the lock.
    """
    last = ledger.last
    known = {row.load for row in ledger.rows}
    for name in PINNED:
        table = Table(place, name).open()
        pinned = Table(place, name).open(last.version_of(name) if last else 0)
        if {file.name for file in table.files()} != {file.name for file in pinned.files()}:
            table.revert(pinned.version)
        remove_unknown(place, table, known)
    remove_unknown(place, ledger.table, known)


def remove_unknown(place: Place, table: Table, known: Iterable[str]) -> list[str]:
    """Remove the files of a table that loads have left which are not in the ledger; return their names."""
    known = set(known)
    used = {file.name for file in table.files()}
    removed = []
    for file in place.files(table.name):
        match = _PART.fullmatch(file.name)
        if match and match.group(1) not in known and file.name not in used:
            place.remove(f"{table.name}/{file.name}")
            removed.append(file.name)
    return removed

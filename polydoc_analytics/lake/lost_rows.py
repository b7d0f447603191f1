"""Rows of the ledger that were lost with its damaged files, rebuilt from the logs and the other tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from polydoc_analytics._version import __version__
from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.changes import reading
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.integrity import PINNED
from polydoc_analytics.lake.schemas import FORMAT_VERSION, LedgerRow
from polydoc_analytics.lake.states import bounds_of, languages_of, states_by_load
from polydoc_analytics.lake.storage.interface import Storage

_LEDGER_FILE = re.compile(r"part-(\d{8}-\d{6}-[0-9a-f]{6})-ledger(?:-[0-9a-f]{8})?\.parquet")
_LOAD = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_MOMENT = timedelta(microseconds=1)
_UNKNOWN = "what it did was lost with a damaged file of the ledger"


def is_ledger_file(name: str) -> bool:
    """Check whether a file has a name of the ledger's."""
    return _LEDGER_FILE.fullmatch(name) is not None


def rebuilt_rows(place: Storage, logs: Storage, damaged: Iterable[str], rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Rebuild the rows of loads that are lost with damaged files of the ledger; empty where that cannot be done.

    ``rows`` are those that can be read, ``logs`` has the logs that can. What a row pins, how many runs there were and
    when, is found in the other tables; how its rows were accounted for is not. Without it nobody would know the runs
    of the newest load, nor hide those of another from a look back at the loads before.
    """
    written = {match.group(1) for name in damaged if (match := _LEDGER_FILE.fullmatch(name))}
    lost = written.difference(row.load for row in rows)
    if not lost:
        return []
    try:
        commits = {name: _commits(logs, name) for name in PINNED}
        order = _Order(_commits(logs, "loads"))
        found: list[LedgerRow] = []
        for load in sorted(lost, key=order.place, reverse=True):
            row = _pinning(load, commits, order, [*rows, *found])
            if any(row.number == other.number for other in (*rows, *found)):
                return []
            found.insert(0, row)
        return _counted(place, logs, found, rows)
    except LakeError:
        return []


def _commits(logs: Storage, name: str) -> list[tuple[int, str | None]]:
    """List the versions of a table and the loads that made them, in order; None where it was none."""
    history = LakeTable(logs, name).open().delta.history()
    return sorted((int(one["version"]), one.get("load")) for one in history)


class _Order:
    """The order of loads: that in which the ledger's log has them, or of their names where it begins later."""

    def __init__(self, commits: Sequence[tuple[int, str | None]]) -> None:
        self._versions = {by: version for version, by in commits if by is not None and _LOAD.fullmatch(by)}

    def place(self, load: str) -> tuple[int, str]:
        """Sort key of a load; those that the log does not know come first."""
        return self._versions.get(load, -1), load

    def number(self, load: str) -> int:
        """Return how many loads the log has up to one."""
        return sum(self.place(other) <= self.place(load) for other in self._versions)

    def is_by(self, other: str, load: str) -> bool:
        """Check whether one load is another, or came before it.

        A load that the log does not know is older than the log, or was killed before it was in the ledger.
        """
        if load not in self._versions:
            return other <= load
        if other not in self._versions:
            return other < min(self._versions)
        return self.place(other) <= self.place(load)


def _pinning(
    load: str, commits: dict[str, list[tuple[int, str | None]]], order: _Order, rows: Sequence[LedgerRow]
) -> LedgerRow:
    """Return the row of a load with the versions that it pinned, a number before the next load's, and no counts."""
    after = [row for row in rows if not order.is_by(row.load, load)]
    later = min(after, key=lambda row: row.number, default=None)
    earlier = [row for row in rows if later is None or row.number < later.number]
    last = max(earlier, key=lambda row: row.number, default=None)
    number = later.number - 1 if later else max(last.number + 1 if last else 1, order.number(load))
    at = datetime.strptime(load[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    at = max(at, last.committed_at + _MOMENT) if last else at
    at = min(at, later.committed_at - _MOMENT) if later else at
    versions = {f"{name}_version": _version_of(load, commits[name], order) for name in PINNED}
    zeros = ("read", "inserted", "updated", "unchanged", "duplicates", "quarantined", "new_quarantined", "conflicts")
    return LedgerRow(
        number=number,
        load=load,
        kind="repair",
        source="",
        content_hash=None,
        content_bytes=None,
        is_authority=False,
        started_at=at,
        committed_at=at,
        runs=0,
        created_low=None,
        created_high=None,
        finished_low=None,
        finished_high=None,
        languages=[],
        detail=_UNKNOWN,
        tool_version=__version__,
        format_version=FORMAT_VERSION,
        **dict.fromkeys(zeros, 0),
        **versions,
    )


def _version_of(load: str, commits: Sequence[tuple[int, str | None]], order: _Order) -> int:
    """Return the newest version that a load made, or that was there before it.

    What follows it without a load's name is the same rows still: a vacuum, or what undid a load that was killed.
    """
    found = commits[0][0] if commits else 0
    for version, by in commits:
        is_next = version == found + 1
        if order.is_by(by, load) if by is not None and _LOAD.fullmatch(by) else is_next:
            found = version
    return found


def _counted(place: Storage, logs: Storage, found: Sequence[LedgerRow], rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Return rows with how many runs there were after them, of which instants and languages."""
    known = sorted((*rows, *found), key=lambda row: row.number)
    numbers = {row.load: row.number for row in known}
    runs, history = (_whole_files(place, logs, name, known[-1].version_of(name)) for name in ("runs", "history"))
    with reading(place, Path()) as con:
        states, languages = states_by_load(con, runs, history), sorted(languages_of(con, runs, history))
    counted = []
    for row in found:
        there = [some for some in states if some.were_there(row.number, numbers)]
        count = sum(some.count for some in there)
        counted.append(replace(row, runs=count, languages=languages, **bounds_of(there)))
    return counted


def _whole_files(place: Storage, logs: Storage, name: str, version: int) -> list[str]:
    sizes = {file.name: file.size for file in place.files(name)}
    files = LakeTable(logs, name).open(version).files()
    return [place.path(f"{name}/{file.name}") for file in files if sizes.get(file.name) == file.size]

"""Loads of the same bytes: found by size and hash, and not done again where that can change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from polydoc_analytics._version import __version__
from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake import integrity, maintenance
from polydoc_analytics.lake.ledger import Ledger, snapshot_text
from polydoc_analytics.lake.load import Content, LoadResult
from polydoc_analytics.lake.schemas import LedgerRow
from polydoc_analytics.lake.storage.interface import Storage


def known_load(past: Sequence[LedgerRow], content: Content) -> LedgerRow | None:
    """Return the load of the ledger that brought the same bytes, where loading them again can change nothing.

    Merging is idempotent, and what an authority has corrected since stays corrected. But what was erased would come
    back, what was lost must, and another version of this program may read the bytes differently.
    """
    if content.size is None:
        return None
    for row in reversed(past):
        if row.kind in ("erase", "readmit", "repair"):
            return None
        # Files of another size need not be read to tell that they are others.
        is_alike = row.content_bytes == content.size and row.tool_version == __version__
        if is_alike and row.content_hash == content.digest():
            return row
    return None


def result_of_known_load(place: Storage, known: LedgerRow) -> LoadResult:
    """Return the result of loading the same bytes again: every row is unchanged, a duplicate or refused."""
    integrity.fsync_newest(place)  # whoever brought it may have been killed before it could do so
    with suppress(LakeError), place.staging(maintenance.new_load()):
        pass  # what it has staged is removed
    last = Ledger(place).last
    unchanged = known.inserted + known.updated + known.unchanged
    return LoadResult(
        known.read,
        0,
        0,
        unchanged,
        known.duplicates,
        known.quarantined,
        known.erased,
        known.conflicts,
        snapshot=snapshot_text(last),
    )

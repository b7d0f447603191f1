"""Rows of one run that come close together: a state and the finished run behind it, or one row twice.

Where a finished row has been passed on, its earlier states lose against it, and a row that is the same in every column
adds nothing. So these are dropped at once, and only others have to be decided between when everything has been read.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polydoc_analytics.ingest.masks import Integers, Mask, chosen
from polydoc_analytics.model.schema import NAMES, arrow_schema

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]

_REMEMBERED = 4_096
"""Rows of a group that are compared with those of the next, so that it does not matter where a group ends."""
_PLACE_BITS = 16


class Nearby:
    """The rows of a group and the end of the group before it, compared by the hashes of their ids, then by the ids."""

    def __init__(self) -> None:
        self._open, self._open_hashes = self._end, self._end_hashes = _nothing()
        self._end_is_passed_on = np.zeros(0, bool)

    def undecided(self, runs: pa.Table, hashes: Hashes, is_passed_on: Mask) -> tuple[pa.Table, Hashes]:
        """Take in a group, of which some rows are passed on; return rows of the group before that are undecided."""
        runs = runs.select(NAMES)
        held, held_hashes = self._open, self._open_hashes
        new, new_hashes = chosen(runs, ~is_passed_on), hashes[~is_passed_on]
        if len(held_hashes) or len(new_hashes):
            passed_on = pa.concat_tables([self._end, runs])
            passed_hashes = np.concatenate([self._end_hashes, hashes])
            which = np.concatenate([self._end_is_passed_on, is_passed_on])
            rows, row_hashes = pa.concat_tables([held, new]), np.concatenate([held_hashes, new_hashes])
            is_left = ~_lose(rows, row_hashes, passed_on, passed_hashes, which)
            before, after = is_left[: len(held_hashes)], is_left[len(held_hashes) :]
            held, held_hashes = chosen(held, before), held_hashes[before]
            new, new_hashes = chosen(new, after), new_hashes[after]
        self._open, self._open_hashes = new, new_hashes
        self._end = runs.slice(max(runs.num_rows - _REMEMBERED, 0))
        self._end_hashes, self._end_is_passed_on = hashes[-_REMEMBERED:], is_passed_on[-_REMEMBERED:]
        return held, held_hashes

    def rest(self) -> tuple[pa.Table, Hashes]:
        """Return the rows of the last group that are undecided."""
        return self._open, self._open_hashes


def _nothing() -> tuple[pa.Table, Hashes]:
    return arrow_schema().empty_table(), np.zeros(0, np.uint64)


def _lose(rows: pa.Table, hashes: Hashes, passed_on: pa.Table, passed_hashes: Hashes, which: Mask) -> Mask:
    """Mask of the rows that lose against some row passed on, whatever else is seen of their runs."""
    at, partners = _matches(hashes, passed_hashes, which)
    loses = np.zeros(len(hashes), bool)
    if not len(at):
        return loses
    is_partner = np.zeros(len(passed_hashes), bool)
    is_partner[partners] = True
    places = (np.cumsum(is_partner) - 1)[partners]
    ones, others = rows.take(_indices(at)), chosen(passed_on, is_partner).combine_chunks().take(_indices(places))
    is_same = {name: _is_same(ones[name], others[name]) for name in NAMES}
    is_state: Mask = pc.equal(ones["status"], "Running").to_numpy(zero_copy_only=False)
    loses[at] = is_same["id"] & (is_state | np.logical_and.reduce(list(is_same.values())))
    return loses


def _matches(hashes: Hashes, among: Hashes, which: Mask) -> tuple[Integers, Integers]:
    """Find hashes in the chosen ones of others; return their places here and there."""
    shift = np.uint64(64 - _PLACE_BITS)
    is_wanted = np.zeros(1 << _PLACE_BITS, bool)
    is_wanted[hashes >> shift] = True
    candidates = np.flatnonzero(which & is_wanted[among >> shift])
    if not len(candidates):
        return candidates, candidates
    candidates = candidates[np.argsort(among[candidates])]
    ordered = among[candidates]
    places = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    found = np.flatnonzero(ordered[places] == hashes)
    return found, candidates[places[found]]


def _indices(places: Integers) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places)])


def _is_same(ones: pa.ChunkedArray, others: pa.ChunkedArray) -> Mask:
    """Mask of the rows in which both values are equal, or both null."""
    both_null = pc.and_(pc.is_null(ones), pc.is_null(others))
    is_same: Mask = pc.or_(pc.fill_null(pc.equal(ones, others), False), both_null).to_numpy(zero_copy_only=False)
    return is_same

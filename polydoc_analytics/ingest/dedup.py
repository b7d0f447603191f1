"""Merging observations: of the rows that were seen of one run, the one that holds.

A run is seen more than once: first Running, then finished; in two exports; in a correction. The winner, taken whole, is
the first in WINNER_ORDER, so that any permutation, duplication or re-batching of the same rows gives the same table.

Memory: 11 to 21 bytes a run, for the hashes of the ids. Runs themselves are passed on at once; only those
that another row may yet displace (Running ones) or that may displace another (ids seen before) are held back, on disk,
unless a row near by has decided already. Of the rows held back, those whose ids nothing else has are runs as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polydoc_analytics.ingest.masks import Mask, chosen
from polydoc_analytics.ingest.merge_rule import WINNER_ORDER, winner_key
from polydoc_analytics.ingest.nearby import Hashes, Nearby
from polydoc_analytics.model.schema import INSTANTS, NAMES, arrow_schema
from polydoc_analytics.model.sql_names import path_literal

if TYPE_CHECKING:
    import duckdb

_SPILL_BYTES = 64 * 1024 * 1024
_MAX_LOAD = 0.75
_FIRST_SLOTS = 1 << 21
_FEW_SLOTS = 1 << 16
"""Enough for a load of few runs, for which the memory of many slots takes up to 30 ms to get."""
_SLOTS_AT_ONCE = 1 << 17
_RESOLVED_AT_ONCE = 200_000
_FEW, _FEW_BYTES = 2_000, 4 * 1024 * 1024
"""Rows that Python decides between in less time than a database takes to start."""


class SeenHashes:
    """A set of 64-bit hashes that takes whole arrays at once: open addressing, linear probing, 0 is an empty slot.

    A hash's slot is given by its highest bits, and hashes are put in by their order, so that neighbours in an array
    are neighbours in memory, also while the set grows.
    """

    def __init__(self) -> None:
        self._slots: Hashes = np.zeros(0, np.uint64)
        self._count = 0

    def add(self, hashes: Hashes) -> Mask:
        """Add hashes; return a mask of the new ones, of which equal ones in the array count once."""
        if not len(self._slots):
            has_few = len(hashes) < _FEW_SLOTS // 2
            self._slots = np.zeros(min(_FIRST_SLOTS, _FEW_SLOTS) if has_few else _FIRST_SLOTS, np.uint64)
        while (self._count + len(hashes)) > _MAX_LOAD * len(self._slots):
            self._grow()
        order = np.argsort(hashes)
        ordered = np.maximum(hashes[order], np.uint64(1))
        is_first = np.ones(len(hashes), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
        is_new = np.zeros(len(hashes), bool)
        is_new[order[is_first]] = self._insert(ordered[is_first])
        self._count += int(np.count_nonzero(is_new))
        return is_new

    def has(self, hashes: Hashes) -> Mask:
        """Return a mask of the hashes that were added."""
        slots = self._slots
        is_known = np.zeros(len(hashes), bool)
        left = np.arange(len(hashes) if len(slots) else 0)
        hashes = np.maximum(hashes, np.uint64(1))[left]
        last = len(slots) - 1
        at = (hashes >> np.uint64(64 - last.bit_length())).astype(np.int64)
        while len(left):
            is_here = slots[at] == hashes
            is_known[left[is_here]] = True
            is_left = ~is_here & (slots[at] != 0)
            left, hashes, at = left[is_left], hashes[is_left], (at[is_left] + 1) & last
        return is_known

    def _grow(self) -> None:
        old = self._slots
        self._slots = np.zeros(len(old) * 2, np.uint64)
        # From its end, and cut off piece by piece: so both tables together take little more memory than the new one.
        for start in range(len(old) - _SLOTS_AT_ONCE, -1, -_SLOTS_AT_ONCE):
            piece = old[start:]
            self._insert(piece[piece != 0])
            del piece
            old.resize(start, refcheck=False)

    def _insert(self, hashes: Hashes) -> Mask:
        """Insert distinct hashes; return a mask of the new ones."""
        slots = self._slots
        last = len(slots) - 1
        at = (hashes >> np.uint64(64 - last.bit_length())).astype(np.int64)
        is_new = np.zeros(len(hashes), bool)
        left = np.arange(len(hashes))
        while len(left):
            is_empty = slots[at] == 0
            slots[at[is_empty]] = hashes[is_empty]
            is_stored = slots[at] == hashes
            is_new[left[is_empty & is_stored]] = True
            is_left = ~is_stored
            left, hashes, at = left[is_left], hashes[is_left], (at[is_left] + 1) & last
        return is_new


class Merge:
    """The merging of one load: rows go in batch by batch, and those that may yet be displaced are held back."""

    def __init__(self, folder: Path) -> None:
        self._seen = SeenHashes()
        self._nearby = Nearby()
        self._held: list[pa.Table] = []
        self._held_hashes: list[Hashes] = []
        self._held_bytes = 0
        self._spilled: list[str] = []
        self._folder = folder
        self._alone = arrow_schema().empty_table()
        self.may_be_written = False
        """Whether some row held back may be of a run that was passed on; known at the end."""

    def add(self, runs: pa.Table) -> Mask:
        """Add rows; return a mask of those that are finished and whose id is new. The others are held back."""
        is_finished: Mask = pc.not_equal(runs["status"], "Running").to_numpy(zero_copy_only=False)
        hashes = _hashes(runs["id"])
        is_new = is_finished.copy()
        is_new[is_finished] = self._seen.add(hashes[is_finished])
        self._hold(*self._nearby.undecided(runs, hashes, is_new))
        return is_new

    def _hold(self, rows: pa.Table, hashes: Hashes) -> None:
        if not rows.num_rows:
            return
        self._held.append(rows)
        self._held_hashes.append(hashes)
        self._held_bytes += rows.nbytes
        if self._held_bytes > _SPILL_BYTES:
            path = str(self._folder / f"held-{len(self._spilled)}.parquet")
            pq.write_table(pa.concat_tables(self._held), path, compression="zstd", compression_level=1)
            self._spilled.append(path)
            self._held, self._held_bytes = [], 0

    def end(self) -> None:
        """Take note that everything was added, and part the rows held back whose ids nothing else has."""
        self._hold(*self._nearby.rest())
        hashes = np.concatenate([np.zeros(0, np.uint64), *self._held_hashes])
        is_seen = self._seen.has(hashes)
        self.may_be_written = bool(is_seen.any())
        self._seen = SeenHashes()  # of no use from here on, and the largest thing in memory
        if self._held and not self._spilled:
            order = np.argsort(hashes)
            is_repeat = np.zeros(len(hashes), bool)
            is_repeat[order[1:]] = hashes[order[1:]] == hashes[order[:-1]]
            is_repeat[order[:-1]] |= hashes[order[1:]] == hashes[order[:-1]]
            held, is_alone = pa.concat_tables(self._held), ~(is_seen | is_repeat)
            self._alone, others = chosen(held, is_alone), chosen(held, ~is_alone)
            self._held, self._held_bytes = [others], others.nbytes

    @property
    def has_few(self) -> bool:
        """Whether there are only few rows to decide between, all of them in memory."""
        is_small = self._held_bytes <= _FEW_BYTES and not self._spilled
        return is_small and sum(rows.num_rows for rows in self._held) <= _FEW

    def resolve_few(self, written_of: Callable[[pa.Array], pa.Table]) -> Resolved:
        """Decide as :meth:`resolve_conflicts` does, without a database; ``written_of`` returns written rows by ids."""
        held = pa.concat_tables([arrow_schema().empty_table(), *self._held])
        written = written_of(pc.unique(held["id"])) if self.may_be_written else held.slice(0, 0)
        members: dict[str, list[tuple[dict[str, Any], int | None]]] = {}
        for table, is_held in ((held, True), (written, False)):
            for at, row in enumerate(_rows_of(table)):
                members.setdefault(row["id"], []).append((row, at if is_held else None))
        late, conflicts, displaced = [], [], 0
        for id_, rows in members.items():
            finished = {tuple(row.values()) for row, _ in rows if row["status"] != "Running"}
            if len(finished) > 1:
                conflicts.append(id_)
            _, place = max(rows, key=lambda member: (winner_key(member[0]), member[1] is None))
            if place is not None:
                late.append(place)
                displaced += any(other is None for _, other in rows)
        winners = held.take(pa.array(late, pa.int64()))
        return self._resolved(winners, {"": displaced} if displaced else {}, sorted(conflicts))

    def _resolved(self, winners: pa.Table, displaced: dict[str, int], conflicts: list[str]) -> Resolved:
        late = pa.concat_tables([self._alone, winners]).sort_by([("created_at", "ascending"), ("id", "ascending")])
        return Resolved(late, displaced, conflicts)

    def resolve_conflicts(self, con: duckdb.DuckDBPyConnection, written: list[str]) -> Resolved:
        """Decide between the rows held back and those written to Parquet files; return the changes to make there."""
        if not any(rows.num_rows for rows in self._held) and not self._spilled:
            return self._resolved(arrow_schema().empty_table(), {}, [])
        held = pa.concat_tables(self._held) if self._held else arrow_schema().empty_table()
        con.register("held_in_memory", held)
        names = ", ".join(NAMES)
        parts = [f"select {names} from held_in_memory"]
        if self._spilled:
            parts.append(f"select {names} from read_parquet([{_paths(self._spilled)}])")
        con.execute(f"create temp view held as {' union all '.join(parts)}")
        con.execute("create temp table held_ids as select distinct id from held")
        seen = f"select {names}, true as is_held, null::varchar as file from held"
        if written and self.may_be_written:
            seen += f"""
                union all
                select {names}, false, filename
                from read_parquet([{_paths(written)}], filename = true, hive_partitioning = false)
                semi join held_ids using (id)"""
        # On disk where it is large; then a part of the ids at a time, for what ranks them stays in memory as a whole.
        con.execute(f"create temp table seen as {seen}")
        [(ids,)] = con.execute("select count(*) from held_ids").fetchall()
        passes = -(-ids // _RESOLVED_AT_ONCE)
        for part in range(passes):
            con.execute(f"""
                {"insert into" if part else "create temp table"} winners {"" if part else "as"}
                with
                members as (select * from seen where hash(id) % {passes} = {part}),
                ranked as (
                    select *, row_number() over (partition by id order by {WINNER_ORDER}, is_held) as place
                    from members
                ),
                files as (
                    select id, max(file) as file,
                        count(distinct hash({names})) filter (where status <> 'Running') > 1 as is_conflict
                    from members group by id
                )
                select ranked.*, files.file as written_in, files.is_conflict
                from ranked join files using (id)
                where place = 1 and (is_held or is_conflict)""")
        late = con.sql(f"select {names} from winners where is_held").to_arrow_table().cast(arrow_schema())
        replaced = con.execute("""
            select written_in, count(*) from winners where is_held and written_in is not null group by written_in""")
        files: dict[str, int] = dict(replaced.fetchall())
        conflicts = con.execute("select id from winners where is_conflict order by id").fetchall()
        return self._resolved(late, files, [row[0] for row in conflicts])


def _paths(paths: list[str]) -> str:
    return ", ".join(map(path_literal, paths))


def _hashes(texts: pa.ChunkedArray) -> Hashes:
    import polars as pl  # here, for reading begins before it is imported

    hashes: Hashes = pl.Series(texts).hash().to_numpy()
    return hashes


def _rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Convert runs to dicts, with instants in µs, as which they are compared more quickly."""
    for name in INSTANTS:
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.int64()))
    rows: list[dict[str, Any]] = table.select(NAMES).to_pylist()
    return rows


class Resolved:
    """The outcome of a merge: rows still to be written, how many rows they displace in which files, conflicts."""

    def __init__(self, late: pa.Table, files: dict[str, int], conflicts: list[str]) -> None:
        self.late = late
        self.files = files
        self.conflicts = conflicts

"""Rejected rows as data: kept with source, line, reason and text, counted by reason, written so they can be mended."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from polydoc_analytics.errors import UsageError, refuse_address, unwritable
from polydoc_analytics.loaders.atomic_write import atomic_write
from polydoc_analytics.loaders.formats.quarantine_file import quarantine_line
from polydoc_analytics.loaders.run_parser import well_formed
from polydoc_analytics.loaders.validation import Rejected

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("source", "line", "reason", "raw")
_SPILL_BYTES = 16 * 1024 * 1024
_MOST_KINDS = 1_000
_QUOTED = re.compile(r"'[^']*'")
_AT = re.compile(r" at character \d+")


def schema() -> dict[str, type[pl.DataType]]:
    """Build the schema of a frame of rejected rows."""
    import polars as pl

    return {name: pl.Int64 if name == "line" else pl.String for name in COLUMNS}


def empty_frame() -> pl.DataFrame:
    """Build the frame of rejected rows of a source that has none."""
    import polars as pl

    return pl.DataFrame(schema=schema())


class Quarantine:
    """The rejected rows of one load, in the order in which they were read; on disk where they are many."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "quarantine.ndjson"
        self._file: IO[str] | None = None
        self._held: list[Rejected] = []
        self._held_bytes = 0
        self.rows = 0
        self.kinds: Counter[str] = Counter()
        self.first: list[Rejected] = []

    def add(self, rejected: Iterable[Rejected]) -> None:
        """Take rows in; U+FFFD stands for what UTF-8 cannot hold, such as a byte of a file's name."""
        for row in map(_well_formed, rejected):
            self.rows += 1
            kind = reason_kind(row.reason)
            self.kinds[kind if kind in self.kinds or len(self.kinds) < _MOST_KINDS else "other reasons"] += 1
            if len(self.first) < 5:
                self.first.append(row)
            self._held.append(row)
            self._held_bytes += len(row.raw) + len(row.reason) + 200
        if self._held_bytes > _SPILL_BYTES:
            if self._file is None:
                self._file = open(self._path, "w", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
            self._file.writelines(quarantine_line(row) + "\n" for row in self._held)
            self._held, self._held_bytes = [], 0

    def __iter__(self) -> Iterator[Rejected]:
        """Yield the rows, each with the header that it came with."""
        if self._file is not None:
            for line in self.lines():
                yield Rejected(**json.loads(line))
        else:
            yield from self._held

    def lines(self) -> Iterator[str]:
        """Yield the rows as lines of NDJSON that can be mended and loaded again."""
        if self._file is not None:
            self._flush()
            with open(self._path, encoding="utf-8") as file:
                yield from file
        for row in self._held:
            yield quarantine_line(row) + "\n"

    def write(self, path: str) -> None:
        """Write the rows to a file, which appears under its name when it is whole.

        Raises UsageError where it cannot be written, OutputError where there is no space for it.
        """
        _write(path, self.lines())

    def frame(self) -> pl.DataFrame:
        """Return the rows as a frame of source, line (1-based), reason and raw."""
        import polars as pl

        held = [{"source": r.source, "line": r.line, "reason": r.reason, "raw": r.raw} for r in self._held]
        frame = pl.DataFrame(held, schema=schema())
        if self._file is None:
            return frame
        self._flush()
        frames = []
        with open(self._path, "rb") as file:
            while some := file.readlines(_SPILL_BYTES):  # the whole text and its rows at once take much memory
                frames.append(pl.read_ndjson(b"".join(some), schema=schema()))
        return pl.concat([*frames, frame])

    def _flush(self) -> None:
        if self._file is not None and not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def write_rejected(path: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows (source, line, reason, raw, header) to a file that can be mended and loaded again."""
    _write(path, (quarantine_line(Rejected(**row)) + "\n" for row in rows))


def _write(path: str, lines: Iterable[str]) -> None:
    refuse_address(path)
    if path == "-":  # which is standard output elsewhere, where the rows cannot go beside what is printed
        raise UsageError("-: rejected rows are written to a file; give its name")
    try:
        with atomic_write(path) as file:
            file.writelines(line.encode("utf-8", "replace") for line in lines)
    except OSError as error:
        raise unwritable(path, error) from None


def _well_formed(row: Rejected) -> Rejected:
    if row.raw.isascii() and row.reason.isascii() and row.source.isascii() and (row.header or "").isascii():
        return row
    header = None if row.header is None else well_formed(row.header)
    return Rejected(well_formed(row.source), row.line, well_formed(row.reason), well_formed(row.raw), header)


@lru_cache(1024)
def reason_kind(reason: str) -> str:
    """Strip the values from a reason, so that rows can be counted by it."""
    return _AT.sub("", _QUOTED.sub("'…'", reason))


def rows_by_reason(rejected: pl.DataFrame) -> pl.DataFrame:
    """Count rejected rows by the kind of their reason: reason and rows, the most frequent first."""
    # As reason_kind, on the whole column: reasons that quote values can all be different.
    kinds = rejected["reason"].str.replace_all(_QUOTED.pattern, "'…'").str.replace_all(_AT.pattern, "")
    return kinds.value_counts(name="rows").sort("rows", "reason", descending=[True, False])

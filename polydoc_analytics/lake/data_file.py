"""A Parquet file of a lake's table: its rows, bounds and bytes, as the log keeps them, and its checksum."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from polydoc_analytics.model.epoch import from_us, to_us
from polydoc_analytics.model.schema import MAX_INSTANT_US

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

CHECKSUM_IN_NAME = re.compile(r"-([0-9a-f]{8})\.parquet")
"""The checksum in the name of a file that this program has written."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table: its name below it, its rows and bytes, and its least and greatest created_at."""

    name: str
    rows: int
    size: int
    created_us: tuple[int, int] | None = None


def checksum(content: IO[bytes]) -> str:
    """Return the CRC-32 of all of a file, as hexadecimal digits."""
    found = 0
    while block := content.read(1 << 20):
        found = zlib.crc32(block, found)
    return f"{found:08x}"


def is_readable(file: Any, columns: Sequence[str] | None = None) -> bool:
    """Check whether every page of a Parquet file, or of some columns, can be read, and has its checksum if any."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            rows = sum(batch.num_rows for batch in parquet.iter_batches(columns=columns, use_threads=False))
            return bool(rows == parquet.metadata.num_rows)
    except (OSError, ValueError, pa.ArrowException):
        return False


def data_file(path: Path) -> DataFile:
    """Return a Parquet file of this machine as a file of a table."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return described(path.name, os.path.getsize(path), file.metadata)


def described(name: str, size: int, metadata: FileMetaData) -> DataFile:
    """Read the statistics of a Parquet file's own metadata."""
    created = None
    if "created_at" in metadata.schema.names:
        at = metadata.schema.names.index("created_at")
        bounds = [metadata.row_group(n).column(at).statistics for n in range(metadata.num_row_groups)]
        known = [bound for bound in bounds if bound is not None and bound.has_min_max]
        if known and len(known) == len(bounds):
            created = to_us(min(b.min for b in known)), to_us(max(b.max for b in known))
    return DataFile(name, metadata.num_rows, size, created)


def statistics(file: DataFile) -> str:
    """Return the statistics that the log keeps: rows and created_at alone, so that no id or account stands in it."""
    statistics: dict[str, Any] = {"numRecords": file.rows}
    if file.created_us is not None:
        low, high = file.created_us
        # The log keeps milliseconds; a bound may lie further out, never further in.
        statistics["minValues"] = {"created_at": _instant_text(low // 1000 * 1000)}
        statistics["maxValues"] = {"created_at": _instant_text(-(-high // 1000) * 1000)}
        statistics["nullCount"] = {"created_at": 0}
    return json.dumps(statistics)


def _instant_text(us: int) -> str:
    return from_us(min(us, MAX_INSTANT_US)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

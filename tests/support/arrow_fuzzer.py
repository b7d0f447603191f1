"""Parquet and Arrow files with bytes changed, loaded and opened by `python -m support.arrow_fuzzer SEED N`.

Prints one line of JSON a file, before it is read and after it, so that a file that ends the process is known.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
from support.memory import peak_mb

import polydoc_analytics as pda

_ROWS = 60


def _runs(is_dictionary: bool) -> pa.Table:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    at = range(_ROWS)
    instant = pa.timestamp("us", "UTC")
    columns = {
        "id": pa.array([f"run-{i:04}" for i in at]),
        "account_id": pa.array([f"account-{i % 5}" for i in at]),
        "created_at": pa.array([start + timedelta(hours=7 * i) for i in at], instant),
        "finished_at": pa.array([start + timedelta(hours=7 * i, seconds=9) if i % 7 else None for i in at], instant),
        "status": pa.array(["Succeeded" if i % 7 else "Running" for i in at]),
        "target_language": pa.array(["de" if i % 3 else "fr" for i in at]),
        "credits": pa.array([i if i % 7 else None for i in at], pa.int64()),
        "input_tokens": pa.array([100 * i for i in at]),
        "input_file_id": pa.array([f"in-{i}" for i in at]),
        "output_file_id": pa.array([f"out-{i}" if i % 7 else None for i in at]),
    }
    if is_dictionary:
        for name in ("account_id", "status", "target_language"):
            columns[name] = columns[name].dictionary_encode()
    return pa.table(columns)


def forms() -> Iterator[tuple[str, bytes]]:
    """Yield the same runs as files of each kind: the ending of the name, and the content."""
    for is_dictionary in (False, True):
        table = _runs(is_dictionary)
        for compression, version, has_checksums in (
            ("none", "1.0", False),
            ("snappy", "1.0", True),
            ("zstd", "2.0", False),
        ):
            content = io.BytesIO()
            pq.write_table(
                table,
                content,
                compression=compression,
                data_page_version=version,
                write_page_checksum=has_checksums,
                row_group_size=25,
            )
            yield "parquet", content.getvalue()
        for new in (pa.ipc.new_file, pa.ipc.new_stream):
            for codec in (None, "zstd"):
                content = io.BytesIO()
                with new(content, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
                    writer.write_table(table, 25)
                yield "arrow", content.getvalue()


def changed(content: bytes, choice: random.Random) -> bytes:
    """Cut a file off, take bytes out of it, or change some, more often near its end, where the footer is."""
    octets = bytearray(content)
    kind = choice.random()
    if kind < 0.1:
        return bytes(octets[: choice.randrange(len(octets))])
    if kind < 0.2:
        start = choice.randrange(len(octets))
        del octets[start : start + choice.randrange(1, 64)]
        return bytes(octets)
    for _ in range(choice.choice([1, 1, 2, 4, 16])):
        near_end = choice.random() < 0.4
        at = len(octets) - 1 - choice.randrange(min(len(octets), 2_000)) if near_end else choice.randrange(len(octets))
        bit = octets[at] ^ (1 << choice.randrange(8))
        octets[at] = choice.choice([0, 0xFF, 0x7F, 0x80, bit, choice.randrange(256)])
    return bytes(octets)


def answers(path: Path) -> list[str]:
    """Load a file, and open it; return how its rows are accounted for, or the line that refuses it."""
    found = []
    try:
        counts = pda.load(path).counts
        assert counts.read == counts.runs + counts.duplicates + counts.quarantined
        found.append(f"{counts.read} rows")
    except pda.PolydocError as error:
        found.append(_line(error))
    try:
        with pda.connect(path) as db:
            runs = db.view("runs")
            assert db.counts.runs == runs.height == db.view("usage")["runs"].item()
            found.append(f"{db.counts.read} rows")
    except pda.PolydocError as error:
        found.append(_line(error))
    assert not any("\n" in one for one in found), found
    return found


def _line(error: pda.PolydocError) -> str:
    assert error.exit_code == 2, error
    return str(error)


def main(seed: int, files: int) -> None:
    choice = random.Random(seed)
    sources = list(forms())
    for number in range(files):
        ending, content = choice.choice(sources)
        path = Path(f"changed-{number}.{ending}")
        path.write_bytes(changed(content, choice))
        print(json.dumps({"file": path.name}), flush=True)
        print(json.dumps({"answers": answers(path)}), flush=True)
        path.unlink()
    print(json.dumps({"most_memory_mb": peak_mb()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

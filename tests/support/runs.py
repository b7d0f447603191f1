"""Runs in wire form, and files of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from polydoc_analytics.model.schema import NAMES


def wire(id: str = "a", **changes: Any) -> dict[str, Any]:  # noqa: A002 - the column's name
    """A run in wire form: Succeeded, into German, ten seconds long, unless the test says otherwise."""
    run: dict[str, Any] = {
        "id": id,
        "account_id": "acme",
        "created_at": "2026-03-02T10:00:00Z",
        "finished_at": "2026-03-02T10:00:10Z",
        "status": "Succeeded",
        "target_language": "de",
        "credits": 3,
        "input_tokens": 1000,
        "output_tokens": 1200,
        "input_file_id": "in",
        "output_file_id": "out",
    }
    return {key: value for key, value in (run | changes).items() if value is not ...}


def ndjson(rows: Iterable[dict[str, Any] | str | bytes]) -> bytes:
    """Rows as lines; texts and bytes go in as they are."""

    def line(row: dict[str, Any] | str | bytes) -> bytes:
        if isinstance(row, bytes):
            return row
        return (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)).encode("utf-8", "surrogatepass")

    return b"".join(line(row) + b"\n" for row in rows)


RUNNING = {"status": "Running", "finished_at": None, "credits": None, "output_file_id": None}


def zstd(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


CSV_HEADER = ",".join(NAMES)

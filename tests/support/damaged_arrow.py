"""Tables whose memory is not what it says, to be read in a process of its own, which such memory would end."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.model.schema import NAMES, TEXTS


def columns(rows: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """Runs in wire form as typed Arrow arrays."""
    found: dict[str, pa.Array] = {}
    for name in NAMES:
        values = [row.get(name) for row in rows]
        if name in ("created_at", "finished_at"):
            instants = [None if value is None else datetime.fromisoformat(value) for value in values]
            found[name] = pa.array(instants, pa.timestamp("us", "UTC"))
        else:
            found[name] = pa.array(values, pa.string() if name in TEXTS else pa.int64())
    return found


def damaged() -> dict[str, Any]:
    """Four runs each: tables whose memory is not what it says, and Arrow files and streams (bytes) of such."""

    def table(accounts: pa.Array) -> pa.Table:
        return pa.table({**columns([wire(f"r{at}") for at in range(4)]), "account_id": accounts})

    def texts(*offsets: int) -> pa.Array:
        bounds = pa.py_buffer(np.array(offsets, np.int32))
        return pa.Array.from_buffers(pa.string(), 4, [None, bounds, pa.py_buffer(b"abcdefgh")])

    far = pa.Array.from_buffers(pa.int32(), 4, [None, pa.py_buffer(np.array([0, 1, 2**30, 1], np.int32))])
    view = (100).to_bytes(4, "little").ljust(16, b"\0")  # a long text, of a buffer that ends before it
    views = pa.Array.from_buffers(pa.string_view(), 4, [None, pa.py_buffer(view * 4), pa.py_buffer(b"abc")])
    found: dict[str, Any] = {
        "offsets beyond the text": table(texts(0, 2, 2**30, 6, 8)),
        "offsets that go back": table(texts(0, 6, 2, 6, 8)),
        "indices beyond the dictionary": table(pa.DictionaryArray.from_arrays(far, pa.array(["a", "b"]), safe=False)),
        "a view beyond its buffer": table(views),
    }
    sound = table(pa.array([f"acct-{at}" for at in range(4)]))
    before, after = (np.array(bounds, np.int32).tobytes() for bounds in ([0, 6, 12, 18, 24], [0, 6, 2**30, 18, 24]))
    for new in (pa.ipc.new_file, pa.ipc.new_stream):
        content = io.BytesIO()
        with new(content, sound.schema) as writer:
            writer.write_table(sound)
        assert content.getvalue().count(before) == 1
        found[new.__name__] = content.getvalue().replace(before, after)
    return found


def read_damaged() -> None:
    """Load, connect to and ingest what is damaged; print a line for each."""
    for at, (name, source) in enumerate(damaged().items()):
        if isinstance(source, bytes):
            Path(f"{at}.arrow").write_bytes(source)
            source = f"{at}.arrow"
        for do in (pda.load, pda.connect, pda.Lake("lake").ingest):
            try:
                do(source)
                print(f"{name}: no error")
            except pda.SourceError as error:
                print(f"{name}: {error}", flush=True)

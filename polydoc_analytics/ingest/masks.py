"""Rows of a table chosen by a mask of NumPy, and distinct values, without numpy.ma.

Arrow, Polars and `np.unique` import it for any array of NumPy's that they are given, which takes 25 ms.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
Integers = np.ndarray[tuple[int], np.dtype[np.int64]]


def chosen(runs: pa.Table, which: Mask) -> pa.Table:
    """Return the rows for which a mask is true, in their order."""
    bits = pa.py_buffer(np.packbits(which, bitorder="little"))
    return runs.filter(pa.Array.from_buffers(pa.bool_(), len(which), [None, bits]))


def distinct(values: Integers) -> list[int]:
    """Return the distinct values, sorted."""
    found: list[int] = pc.unique(
        pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
    ).to_pylist()
    return sorted(found)

"""Frames of sums that are added up in Python, where whole numbers have no end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import SumError
from polydoc_analytics.safe_text import on_one_line

if TYPE_CHECKING:
    import polars as pl


def frame_of_sums(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Make a frame of rows; raises SumError where a whole number does not fit into 64 bits."""
    import polars as pl

    for row in rows:
        for name, value in row.items():
            if schema[name] == pl.Int64 and value is not None and not -(2**63) <= value < 2**63:
                account = row.get("account_id")
                of = "" if account is None else f" of account '{on_one_line(account)}'"
                raise SumError(
                    f"{name}{of} does not fit into 64 bits: {value:,}; `polydoc-analytics check` names runs with "
                    "unlikely numbers: load them again with the right ones, or choose accounts without such runs",
                    () if account is None else (account,),
                )
    return pl.DataFrame(rows, schema=schema)

"""Parse columns of number texts as strictly as :func:`run_parser.integer` parses one."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from polydoc_analytics.loaders import run_parser

_PLAIN_INTEGER = r"^-?(?:0|[1-9][0-9]{0,17})(?:\.0+)?$"


def integers(texts: pl.Series) -> tuple[pa.Array | pa.ChunkedArray, dict[int, str]]:
    """Parse number texts as an int64 array; the reasons of those refused, by row (their integer is null)."""
    is_plain = texts.str.contains(_PLAIN_INTEGER)
    plain = pl.select(pl.when(is_plain).then(texts.str.replace(r"\.0+$", ""))).to_series()
    values = plain.cast(pl.Int64, strict=False)
    rows = (texts.is_not_null() & values.is_null()).arg_true()
    reasons: dict[int, str] = {}
    parsed: list[int | None] = []
    for row, text in zip(rows.to_list(), texts.gather(rows).to_list(), strict=True):
        try:
            parsed.append(run_parser.integer(text))
        except run_parser.Refusal as refusal:
            parsed.append(None)
            reasons[row] = str(refusal)
    return values.scatter(rows, pl.Series(parsed, dtype=pl.Int64)).to_arrow(), reasons

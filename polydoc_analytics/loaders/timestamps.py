"""Whole columns of datetime texts, turned into instants as strictly as :func:`run_parser.instant` does one by one."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from polydoc_analytics.loaders import run_parser
from polydoc_analytics.model.schema import MAX_INSTANT_US, MIN_INSTANT_US

_UTC = pa.timestamp("us", "UTC")
_DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_ZONE = "(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
_FRACTION = r"(?:\.[0-9]{1,6})?"
_WIRE = f"^{_DAY}T{_TIME}{_FRACTION}{_ZONE}$"
_TABLE = f"^{_DAY}[T ]{_TIME}{_FRACTION}(?:{_ZONE}|[+-](?:[01][0-9]|2[0-3]))$"
_LONG_FRACTION = r"(\.[0-9]{6})[0-9]+"


def instants(
    texts: pl.Series, *, assume_utc: bool = False, table: bool = False
) -> tuple[pa.ChunkedArray | pa.Array, dict[int, str]]:
    """Parse datetime texts as a timestamp[us, UTC] array; the reasons of refused texts, by row (their instant is null).

    Null texts give null instants and no refusal.
    """
    pattern = _TABLE if table else _WIRE
    plain = texts.str.contains(pattern)
    if not plain.all(ignore_nulls=True):
        shortened = texts.str.replace(_LONG_FRACTION, "$1")
        if table:
            shortened = shortened.str.replace(" UTC$", "Z")  # as BigQuery writes it
        plain = shortened.str.contains(pattern)
        if not plain.all(ignore_nulls=True):
            return _mixed(texts, shortened, plain, assume_utc=assume_utc, table=table)
        texts = shortened
    try:
        parsed = pc.cast(texts.to_arrow(compat_level=pl.CompatLevel.oldest()), _UTC)
    except pa.ArrowInvalid:  # a day that does not exist, such as 30 February
        return _mixed(texts, texts, plain, assume_utc=assume_utc, table=table)
    low, high = (v.as_py() for v in pc.min_max(pc.cast(parsed, pa.int64())).values())
    if low is not None and (low < MIN_INSTANT_US or high > MAX_INSTANT_US):
        return _mixed(texts, texts, plain & False, assume_utc=assume_utc, table=table)
    return parsed, {}


def _mixed(
    texts: pl.Series, shortened: pl.Series, plain: pl.Series, *, assume_utc: bool, table: bool
) -> tuple[pa.Array, dict[int, str]]:
    """Parse the plain texts together and every other one by the exact judge."""
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(shortened))
    days = shortened.str.slice(0, 10).zip_with(plain.fill_null(False), nothing)
    real = days.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    together = shortened.zip_with(real, nothing).to_arrow(compat_level=pl.CompatLevel.oldest())
    parsed = pl.Series(pc.cast(pc.cast(together, _UTC), pa.int64()))
    outside = (parsed < MIN_INSTANT_US) | (parsed > MAX_INSTANT_US)
    left = (texts.is_not_null() & (parsed.is_null() | outside.fill_null(False))).arg_true()
    errors: dict[int, str] = {}
    parsed_alone: list[int | None] = []
    for row, text in zip(left.to_list(), texts.gather(left).to_list(), strict=True):
        try:
            parsed_alone.append(run_parser.instant(text, assume_utc=assume_utc, table=table))
        except run_parser.Refusal as refusal:
            parsed_alone.append(None)
            errors[row] = str(refusal)
    values = parsed.scatter(left, pl.Series(parsed_alone, dtype=pl.Int64))
    return pc.cast(values.to_arrow(), _UTC), errors

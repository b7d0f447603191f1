"""Frames as output: terminal tables that fit, Markdown, CSV and JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.plurals import noun
from polydoc_analytics.reports.formatting import UNKNOWN, plain
from polydoc_analytics.safe_text import on_one_line

if TYPE_CHECKING:
    import polars as pl

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_GAP = 2
_FEW_COLUMNS = 3
_MIN_TEXT = 16
_MIN_CELL = 4

_LABELS = {
    "account_id": "account",
    "account_name": "name",
    "language_name": "name",
    "is_partial": "partial",
    "succeeded_runs": "succeeded",
    "failed_runs": "failed",
    "running_runs": "running",
    "failure_rate": "fail %",
    "failure_rate_low": "low %",
    "failure_rate_high": "high %",
    "input_tokens": "tokens in",
    "output_tokens": "tokens out",
    "total_tokens": "tokens",
    "credits_per_1k_tokens": "credits/1k",
    "mean_duration_s": "mean s",
    "min_duration_s": "min s",
    "p50_duration_s": "p50 s",
    "p90_duration_s": "p90 s",
    "p95_duration_s": "p95 s",
    "p99_duration_s": "p99 s",
    "max_duration_s": "max s",
    "known_share": "known %",
    "last_success_at": "last success",
    "last_error": "last error",
}
_USAGE_PRIORITY = (
    "runs",
    "credits",
    "failure_rate",
    "input_tokens",
    "output_tokens",
    "p50_duration_s",
    "p95_duration_s",
    "failed_runs",
    "running_runs",
    "is_partial",
    "credits_per_1k_tokens",
    "mean_duration_s",
)
"""The measures that a terminal table of usage shows, the most wanted first; the rest are in --json and --csv."""
_PERCENT = ("failure_rate", "failure_rate_low", "failure_rate_high", "known_share")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    label: str
    cells: list[str]
    is_number: bool
    is_whole: bool
    is_key: bool

    @property
    def width(self) -> int:
        return max(_width(text) for text in (self.label, *self.cells))


def terminal_table(
    frame: pl.DataFrame,
    *,
    title: str,
    width: int,
    keys: Sequence[str] = (),
    last: Sequence[Mapping[str, Any]] = (),
    is_usage: bool = False,
) -> str:
    """Format a frame as a table that fits ``width`` columns, with rows such as "others" and "total" under a rule.

    Numbers are grouped by thousands and aligned, rates are in percent, unknown values are an en dash. Columns are left
    out where the width does not suffice, and of usage the measures of lesser interest; the title says so.
    """
    names = [*keys, *(name for name in _USAGE_PRIORITY if name in frame.columns)] if is_usage else frame.columns
    title = on_one_line(title)
    columns = [_column(frame, name, last, name in keys) for name in names]
    shown = _fitting(columns, width)
    left_out = len(frame.columns) - len(shown)
    note = f"  ({left_out} more {noun(left_out, 'column')} with --json or --csv)" if left_out else ""
    shown = _narrowed(shown, width)
    rule = "─" * min(width, sum(c.width + _GAP for c in shown) - _GAP)
    lines = [_truncated(title + note, width) if width < len(title + note) else title + note, rule]
    lines.append(_line([c.label for c in shown], shown))
    lines.append(rule)
    rows = [[c.cells[at] for c in shown] for at in range(frame.height + len(last))]
    lines += [_line(row, shown) for row in rows[: frame.height]]
    if last:
        lines.append(rule)
        lines += [_line(row, shown) for row in rows[frame.height :]]
    elif not frame.height:
        lines.append("no rows")
    return "\n".join(line.rstrip() for line in lines)


def two_columns(title: str, rows: Mapping[str, Any], width: int) -> str:
    """Format names and their values, one a line, under a title and a rule, fitting ``width`` columns."""
    broadest = max(len(name) for name in rows)
    lines = [_truncated(f"{name:{broadest + _GAP}}{cell(value)}", width) for name, value in rows.items()]
    title = _truncated(title, width)
    return "\n".join([title, "─" * max(map(_width, (title, *lines))), *lines])


def _column(frame: pl.DataFrame, name: str, last: Sequence[Mapping[str, Any]], is_key: bool) -> _Column:
    values = [*frame[name].to_list(), *(row.get(name) for row in last)]
    is_number = frame.schema[name].is_numeric()
    if frame.schema[name].is_float():
        cells = _decimals(values, 100 if name in _PERCENT else 1, 1 if name in _PERCENT else 2)
    else:
        cells = [cell(value) for value in values]
    is_whole = is_number or frame.schema[name].is_temporal()
    return _Column(name, _LABELS.get(name) or on_one_line(name), cells, is_number, is_whole, is_key)


def _decimals(values: Sequence[float | None], factor: int, digits: int) -> list[str]:
    return [UNKNOWN if value is None or math.isnan(value) else f"{value * factor:,.{digits}f}" for value in values]


def cell(value: Any) -> str:
    """Format one value for a table, on one line."""
    in_short = plain(value)
    if in_short is not None:
        return in_short
    if isinstance(value, float):
        return _decimals([value], 1, 2)[0]
    if isinstance(value, Decimal):
        return f"{value:,}"
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return cell(value.astimezone(UTC).replace(tzinfo=None)) + "Z"
        return value.isoformat(sep=" ", timespec="seconds")
    return on_one_line(bytes_text(value) if isinstance(value, bytes) else str(value))


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    kept = list(columns)
    while len(kept) > 2 and sum(_min_width(c) + _GAP for c in kept) - _GAP > width:
        at = max(i for i, column in enumerate(kept) if not column.is_key or i == len(kept) - 1)
        kept.pop(at)
    return kept


def _min_width(column: _Column) -> int:
    return column.width if column.is_whole else min(column.width, _MIN_TEXT)


def _narrowed(columns: list[_Column], width: int) -> list[_Column]:
    """Truncate the texts of text columns, the widest first, until the table fits."""
    columns = list(columns)
    least = [_MIN_CELL if not c.is_whole and len(columns) <= _FEW_COLUMNS else _min_width(c) for c in columns]
    while (over := sum(c.width + _GAP for c in columns) - _GAP - width) > 0:
        texts = [i for i, c in enumerate(columns) if c.width > least[i]]
        if not texts:
            break
        at = max(texts, key=lambda i: columns[i].width)
        column = columns[at]
        target = max(least[at], column.width - over)
        cells = [_truncated(text, target) for text in column.cells]
        columns[at] = replace(column, cells=cells, label=_truncated(column.label, target))
    return columns


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _truncated(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1).rstrip() + "…"


def _line(cells: Sequence[str], columns: Sequence[_Column]) -> str:
    parts = []
    for text, column in zip(cells, columns, strict=True):
        padding = " " * (column.width - _width(text))
        parts.append(padding + text if column.is_number else text + padding)
    return (" " * _GAP).join(parts)


def markdown_table(frame: pl.DataFrame) -> str:
    """Format a frame as a Markdown table, numbers grouped and aligned right, unknown values as an en dash."""
    rule = ["---:" if frame.schema[name].is_numeric() else "---" for name in frame.columns]
    names = [_escaped(on_one_line(name)) for name in frame.columns]
    lines = [names, rule, *([_escaped(cell(value)) for value in row] for row in frame.iter_rows())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def bytes_text(value: bytes) -> str:
    r"""Format bytes as DuckDB does: printable ASCII as it is, any other byte as \xFF."""
    return "".join(chr(one) if 32 <= one < 127 and one not in b"\\\"'" else f"\\x{one:02X}" for one in value)


def csv_text(frame: pl.DataFrame, *, with_header: bool = True) -> str:
    """Format a frame as CSV; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    import json

    import polars as pl

    for name, kind in frame.schema.items():
        if kind.is_nested() or kind == pl.Binary:
            values = [json_value(value) for value in frame[name].to_list()]
            written = [value if value is None or kind == pl.Binary else json.dumps(value) for value in values]
            frame = frame.with_columns(pl.Series(name, written, pl.String))
        elif kind in (pl.Categorical, pl.Enum):
            frame = frame.with_columns(pl.col(name).cast(pl.String))
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    guarded = [
        pl.when(pl.any_horizontal(pl.col(name).str.starts_with(mark) for mark in _FORMULA))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    ]
    return frame.with_columns(guarded).write_csv(include_header=with_header)


def json_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Convert a frame's rows to JSON values: dates and instants as ISO 8601 texts, instants in UTC with Z."""
    return [{name: json_value(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]


def json_value(value: Any) -> Any:
    """Convert a value to one that JSON has; NaN and infinity are null."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)  # an engine's sum of whole numbers
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(json_value(key)): json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(part) for part in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return bytes_text(value) if isinstance(value, bytes) else str(value)


def instant_text(instant: datetime) -> str:
    """Format an instant as RFC 3339 text in UTC with Z."""
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC)
    return instant.replace(tzinfo=None).isoformat() + "Z"

"""Frames as output: terminal tables that fit, Markdown and CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from polydoc_analytics.cli.json_values import bytes_text, json_value
from polydoc_analytics.model.plurals import noun
from polydoc_analytics.query.row_table import NUMBERS, TIMES, RowTable
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
    "cost",
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


_FAILURES = ("failure_rate", "failed_runs")
"""Measures that are coloured where they are not 0."""
Line = list[tuple[str, str]]
"""A line of a table in pieces, each with its style: heading, failure, or an empty text."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    label: str
    cells: list[str]
    is_number: bool
    is_whole: bool
    is_key: bool
    failed: frozenset[int] = frozenset()
    """The rows whose cell is of failures."""

    @property
    def width(self) -> int:
        return max(_width(text) for text in (self.label, *self.cells))


def terminal_table(frame: RowTable | pl.DataFrame, **arguments: Any) -> str:
    """Format a frame as a table, as plain text; the arguments are those of :func:`table_lines`."""
    return "\n".join("".join(text for text, _ in line) for line in table_lines(frame, **arguments))


def table_lines(
    frame: RowTable | pl.DataFrame,
    *,
    title: str,
    width: int,
    keys: Sequence[str] = (),
    last: Sequence[Mapping[str, Any]] = (),
    is_usage: bool = False,
    columns: Sequence[str] = (),
    labels: Mapping[str, str] = MappingProxyType({}),
    timezone: str = "UTC",
    is_wrapped: bool = False,
    more: str = "--json or --csv",
) -> list[Line]:
    """Format a frame as a table that fits ``width`` columns, with rows such as "others" and "total" under a rule.

    Numbers are grouped by thousands and aligned, rates are in percent, instants are local to ``timezone``, unknown
    values are an en dash. Unless ``columns`` names them, columns are left out where the width does not suffice, and
    of usage the measures of lesser interest; the title says so, and that the flags ``more`` show them. With
    ``is_wrapped`` long texts go on in further lines.
    """
    frame = RowTable.of(frame)
    priority = [*keys, *(name for name in _USAGE_PRIORITY if name in frame.columns)]
    names = [*keys, *(name for name in columns if name not in keys)] if columns else frame.columns
    names = priority if is_usage and not columns else names
    title = on_one_line(title)
    made = [_column(frame, name, last, name in keys, labels, timezone) for name in names]
    kept = made if columns else _fitting(made, width)
    left_out = len(frame.columns) - len(kept)
    note = f"  ({left_out} more {noun(left_out, 'column')} with {more})" if left_out and not columns else ""
    kept = kept if is_wrapped else _narrowed(kept, width)
    widths = _wrapped_widths(kept, width) if is_wrapped else [column.width for column in kept]
    rule: Line = [("─" * min(width, sum(widths) + _GAP * (len(kept) - 1)), "")]
    heads = _wrap(title, width) if is_wrapped else [_truncated(title + note, width)]
    lines: list[Line] = [*([(head, "heading")] for head in heads), rule]
    lines += [_line([column.label for column in kept], kept, widths), rule]
    for at in range(frame.height + len(last)):
        lines += [rule] if last and at == frame.height else []
        texts = [column.cells[at] for column in kept]
        styles = ["failure" if at in column.failed else "" for column in kept]
        wrapped = [_wrap(text, width) for text, width in zip(texts, widths, strict=True)] if is_wrapped else None
        if wrapped is None:
            lines.append(_line(texts, kept, widths, styles))
        else:
            deepest = max(map(len, wrapped))
            parts = ([cell[line] if line < len(cell) else "" for cell in wrapped] for line in range(deepest))
            lines += [_line(part, kept, widths) for part in parts]
    if not last and not frame.height:
        lines.append([("no rows", "")])
    return lines


def _wrapped_widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Give the last column what the others leave of the width."""
    widths = [column.width for column in columns]
    others = sum(widths[:-1]) + _GAP * (len(widths) - 1)
    return [*widths[:-1], max(min(widths[-1], width - others), _MIN_TEXT)]


def _wrap(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width) or [""]


def two_columns(title: str, rows: Mapping[str, Any], width: int, timezone: str) -> str:
    """Format names and their values, one a line, under a title and a rule, fitting ``width`` columns."""
    broadest = max(len(name) for name in rows)
    lines = [_truncated(f"{name:{broadest + _GAP}}{cell(value, timezone)}", width) for name, value in rows.items()]
    title = _truncated(title, width)
    return "\n".join([title, "─" * max(map(_width, (title, *lines))), *lines])


def _column(
    frame: RowTable,
    name: str,
    last: Sequence[Mapping[str, Any]],
    is_key: bool,
    labels: Mapping[str, str],
    timezone: str,
) -> _Column:
    kind = frame.kinds[name]
    values = [*frame[name], *(row.get(name) for row in last)]
    is_number = kind in NUMBERS
    if kind == "float":
        cells = _decimals(values, 100 if name in _PERCENT else 1, 1 if name in _PERCENT else 2)
    else:
        cells = [cell(value, timezone) for value in values]
    is_whole = is_number or kind in TIMES
    label = labels.get(name) or _LABELS.get(name) or on_one_line(name)
    failed = frozenset(at for at, value in enumerate(values) if value) if name in _FAILURES else frozenset()
    return _Column(name, label, cells, is_number, is_whole, is_key, failed)


def _decimals(values: Sequence[float | None], factor: int, digits: int) -> list[str]:
    return [UNKNOWN if value is None or math.isnan(value) else f"{value * factor:,.{digits}f}" for value in values]


def cell(value: Any, timezone: str = "UTC") -> str:
    """Format one value for a table, on one line; instants are local to ``timezone``, to the second."""
    in_short = plain(value)
    if in_short is not None:
        return in_short
    if isinstance(value, float):
        return _decimals([value], 1, 2)[0]
    if isinstance(value, Decimal):
        return f"{value:,}"
    if isinstance(value, datetime):
        return local_text(value, timezone)
    return on_one_line(bytes_text(value) if isinstance(value, bytes) else str(value))


def local_text(instant: datetime, timezone: str = "UTC") -> str:
    """Format an instant for people: local to ``timezone``, to the second, with the offset; without a zone as it is."""
    if instant.tzinfo is None:
        return instant.isoformat(sep=" ", timespec="seconds")
    from polydoc_analytics.model.timezones import local, zone

    text = local(instant, zone(timezone)).isoformat(sep=" ", timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if timezone == "UTC" else f"{text[:19]} {text[19:]}"


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


def _line(
    cells: Sequence[str], columns: Sequence[_Column], widths: Sequence[int], styles: Sequence[str] | None = None
) -> Line:
    parts: Line = []
    for at, (text, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        padding = " " * (width - _width(text))
        gap = " " * _GAP if at else ""
        style = styles[at] if styles else ""
        if column.is_number:
            parts += [(gap + padding, ""), (text, style)]
        else:
            parts += [(gap, ""), (text, style), (padding if at < len(columns) - 1 else "", "")]
    return _stripped(parts)


def _stripped(parts: Line) -> Line:
    """Drop the spaces at the end of a line."""
    while parts and not parts[-1][0].strip():
        parts.pop()
    return [*parts[:-1], (parts[-1][0].rstrip(), parts[-1][1])] if parts else []


def markdown_table(frame: pl.DataFrame) -> str:
    """Format a frame as a Markdown table, numbers grouped and aligned right, unknown values as an en dash."""
    rule = ["---:" if frame.schema[name].is_numeric() else "---" for name in frame.columns]
    names = [_escaped(on_one_line(name)) for name in frame.columns]
    lines = [names, rule, *([_escaped(cell(value)) for value in row] for row in frame.iter_rows())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


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

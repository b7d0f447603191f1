"""Batches of rows from loaders, validated by pandera: the one place where a row becomes a run or is rejected."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pyarrow as pa

from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.run_parser import MISSING
from polydoc_analytics.model.schema import (
    INSTANTS,
    NAMES,
    REQUIRED,
    STATUSES,
    arrow_schema,
    pandera_schema,
    polars_schema,
)

if TYPE_CHECKING:
    import polars as pl

MAX_RAW_BYTES = 64 * 1024
_ROWS_AT_ONCE = 100_000
_BYTES_AT_ONCE = 64 * 1024 * 1024
_MAX_CHARACTERS = 100
"""More than a reason shows, and than a status has."""


class Rejected(NamedTuple):
    """One quarantined row: source, line, every reason, its text (truncated at 64 KiB) and, for CSV, the header."""

    source: str
    line: int
    reason: str
    raw: str
    header: str | None = None


class RowLocator(NamedTuple):
    """Locates the rows of one block: the source's name, and functions for a row's line and raw text."""

    source: str
    line: Callable[[int], int]
    raw: Callable[[int], str | bytes]
    header: str | None = None

    def rejected(self, row: int, reason: str) -> Rejected:
        """Build the rejected row for a row of this block."""
        return Rejected(self.source, self.line(row), reason, truncate(self.raw(row)), self.header)


class Batch:
    """Rows read from one place of one source: accepted runs (the Run's Arrow schema) and rejected rows.

    ``table`` has the Run's columns in order; ``errors`` are the reasons that decoding has found, by row and column;
    ``rejected`` are the rows that could not even be put into the table, and ``lines`` is how many lines were read.
    pandera judges the table when the rows are first asked for, so that decoding need not wait until pandera is
    imported, and several batches can be judged at once.
    """

    def __init__(
        self,
        table: pa.Table,
        place: RowLocator,
        errors: Mapping[int, Mapping[str, str]] | None = None,
        rejected: Sequence[Rejected] = (),
        lines: int = 0,
    ) -> None:
        self.read: int = table.num_rows + len(rejected)
        self.lines = lines
        self.unreadable: Sequence[Rejected] = rejected
        self._table = table
        self._place = place
        self._errors = errors
        self._placed: Callable[[Rejected], Rejected] | None = None
        self._verdict: tuple[pa.Table, list[Rejected]] | None = None

    @property
    def nbytes(self) -> int:
        """Size of the rows in memory."""
        return int(self._table.nbytes) + sum(len(row.raw) for row in self.unreadable)

    @property
    def runs(self) -> pa.Table:
        """The rows that are Runs."""
        return self._checked[0]

    @property
    def rejected(self) -> list[Rejected]:
        """The rows that are none, in the order of their lines, each with every reason that applies to it."""
        return self._checked[1]

    def offset_lines(self, lines: int) -> None:
        """Shift line numbers by the number of lines that stand before these."""
        if lines:
            line = self._place.line
            self._place = self._place._replace(line=lambda row: line(row) + lines)
            self.unreadable = [row._replace(line=row.line + lines) for row in self.unreadable]

    def divide(self, sources: Sequence[str], lines: Sequence[int], before: Sequence[int]) -> None:
        """Divide the lines among several sources: how many come from each, and how many stand before them there."""
        ends = list(accumulate(lines))

        def placed(row: Rejected) -> Rejected:
            at = bisect_left(ends, row.line)
            return row._replace(source=sources[at], line=row.line - (ends[at] - lines[at]) + before[at])

        self._placed = placed

    @property
    def _checked(self) -> tuple[pa.Table, list[Rejected]]:
        if self._verdict is None:
            validate_together([self])
        assert self._verdict is not None
        return self._verdict

    def _separate(self, failures: Iterable[tuple[int, str, str]]) -> None:
        """Separate runs from rejected rows, given row, column and reason of each failure that pandera has found."""
        reasons = dict(self._errors or {})
        for row, column, reason in failures:
            if column not in (of_row := reasons.get(row, {})):
                reasons[row] = {**of_row, column: reason}
        if not reasons:
            self._verdict = _as_runs(self._table), self._in_order(self.unreadable)
            return
        bad = sorted(reasons)
        texts: dict[int, str] = {}  # of reasons that rows share
        rejected = []
        for row in bad:
            text = texts.get(id(reasons[row]))
            if text is None:
                text = texts[id(reasons[row])] = reason_of_row(reasons[row])
            rejected.append(self._place.rejected(row, text))
        import polars as pl

        keep = pl.repeat(True, self._table.num_rows, eager=True).scatter(bad, False)
        runs = _as_runs(self._table.filter(keep.to_arrow()))
        self._verdict = runs, self._in_order([*rejected, *self.unreadable])

    def _in_order(self, rejected: Iterable[Rejected]) -> list[Rejected]:
        """Sort rejected rows by line, and name the source of each where the lines come from several."""
        rows = sorted(rejected, key=lambda row: row.line)
        return rows if self._placed is None else list(map(self._placed, rows))


def validate_together(batches: Sequence[Batch]) -> None:
    """Validate the rows of several batches in one call of pandera, each of which costs some milliseconds."""
    import polars as pl

    starts = [0, *accumulate(batch._table.num_rows for batch in batches)]
    by_batch: list[list[tuple[int, str, str]]] = [[] for _ in batches]
    table = pa.concat_tables([batch._table for batch in batches])
    if table.nbytes > _BYTES_AT_ONCE:
        table = _with_short_texts(table)
    for row, column, reason in _failures(cast("pl.DataFrame", pl.from_arrow(table, rechunk=False))):
        at = bisect_right(starts, row) - 1
        by_batch[at].append((row - starts[at], column, reason))
    for batch, failures in zip(batches, by_batch, strict=True):
        batch._separate(failures)


@cache
def judge_nothing() -> None:
    """Let pandera judge no rows, once a process, for it imports more when it judges for the first time."""
    pandera_schema().validate(polars_schema().to_frame())


def _with_short_texts(table: pa.Table) -> pa.Table:
    """Truncate long texts: they are copied several times, and no rule needs all of one."""
    import pyarrow.compute as pc

    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(at, field, pc.utf8_slice_codeunits(table.column(at), 0, _MAX_CHARACTERS))
    return table


class ValidatedRows(NamedTuple):
    """Several batches together: their runs, their rejected rows, and the number of rows read."""

    runs: pa.Table
    rejected: list[Rejected]
    read: int


def validate_batches(batches: Iterable[Batch]) -> Iterator[ValidatedRows]:
    """Validate batches in groups of some size, and yield each group in the order of its batches."""
    group: list[Batch] = []
    read = size = 0
    for batch in chain(batches, [None]):
        if batch is not None:
            group.append(batch)
            read += batch.read
            size += batch.nbytes
        if group and (batch is None or read >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE):
            validate_together(group)
            rejected = [row for one in group for row in one.rejected]
            yield ValidatedRows(pa.concat_tables([one.runs for one in group]), rejected, read)
            group, read, size = [], 0, 0


def reason_of_row(reasons: Mapping[str, str]) -> str:
    """Join the reasons of a row's columns, in the order of the columns."""
    return "; ".join(f"{name}: {reasons[name]}" for name in NAMES if name in reasons)


def empty_batch(*rejected: Rejected, lines: int = 0) -> Batch:
    """Build a batch of rejected rows alone."""
    place = RowLocator("", lambda row: row, lambda row: "")
    return Batch(loose_schema().empty_table(), place, None, rejected, lines)


def truncate(raw: str | bytes) -> str:
    """Truncate raw text to 64 KiB of UTF-8, with U+FFFD for invalid bytes."""
    if isinstance(raw, str):
        if len(raw) * 4 <= MAX_RAW_BYTES:
            return raw
        raw = raw.encode("utf-8", "replace")
    elif len(raw) * 3 <= MAX_RAW_BYTES:
        return raw.decode("utf-8", "replace")
    # Cut twice: the sign for an invalid byte takes three.
    kept = raw[:MAX_RAW_BYTES].decode("utf-8", "replace").encode()
    return kept[:MAX_RAW_BYTES].decode("utf-8", "ignore")


def with_instants(
    table: pa.Table, *, assume_utc: bool = False, forms_of_tables: bool = False
) -> tuple[pa.Table, dict[int, dict[str, str]]]:
    """Convert text columns of datetimes to instants; also returns the reasons of refused values, by row and column."""
    import polars as pl

    from polydoc_analytics.loaders.timestamps import instants

    errors: dict[int, dict[str, str]] = {}
    for name in INSTANTS:
        at = table.schema.get_field_index(name)
        texts = pl.Series(table.column(at))
        parsed, refusals = instants(texts, assume_utc=assume_utc, table=forms_of_tables)
        table = table.set_column(at, loose_schema().field(name), parsed)
        for row, reason in refusals.items():
            errors.setdefault(row, {})[name] = reason
    return table, errors


def _as_runs(table: pa.Table) -> pa.Table:
    """Cast to the Run's schema, whose required columns are not nullable."""
    return pa.Table.from_arrays(table.columns, schema=arrow_schema())


def _failures(frame: pl.DataFrame) -> Iterable[tuple[int, str, str]]:
    """Yield row, column and reason of each hard rule that is broken.

    Nulls are counted here, and pandera is given some value in their place: it takes much memory for each failure.
    """
    schema = pandera_schema()  # before pandera's own import below, which would not be quiet
    import pandera.errors
    import polars as pl

    for name in REQUIRED:
        if frame[name].null_count():
            yield from ((row, name, MISSING) for row in frame[name].is_null().arg_true())
            some = STATUSES[0] if frame.schema[name] == pl.String else 0
            frame = frame.with_columns(pl.col(name).fill_null(pl.lit(some).cast(frame.schema[name])))
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        for case in errors.failure_cases.iter_rows(named=True):
            if case["index"] is None:
                raise TypeError(f"a loader broke the Run schema: {case['column']}: {case['failure_case']}") from None
            yield case["index"], case["column"], run_parser.not_a_status(case["failure_case"])


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    """Build a table of the Run's schema from the fields of :func:`run_parser.run_fields` (instants in µs)."""
    schema = loose_schema()
    return pa.table(
        [
            pa.array([row[name] for row in rows], pa.int64()).cast(schema.field(name).type)
            if name in INSTANTS
            else pa.array([row[name] for row in rows], schema.field(name).type)
            for name in NAMES
        ],
        schema=schema,
    )


@cache
def loose_schema() -> pa.Schema:
    """Build the Run's Arrow schema as it is before validation: every column is nullable."""
    return pa.schema([column.with_nullable(True) for column in arrow_schema()])

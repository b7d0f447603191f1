"""A small result as Python's own values, so that a table of usage is printed without importing Polars: 0.1 s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from decimal import Decimal

    import polars as pl

Kind = Literal["text", "truth", "integer", "float", "decimal", "date", "instant", "other"]
NUMBERS = ("integer", "float", "decimal")
TIMES = ("date", "instant")
_POLARS_DIGITS = 38


@dataclass(frozen=True)
class RowTable:
    """Rows as tuples, and the kind of each column by its name, in the order of the columns."""

    kinds: Mapping[str, Kind]
    rows: Sequence[tuple[Any, ...]]

    @classmethod
    def of(cls, table: RowTable | pl.DataFrame) -> RowTable:
        """Take the rows of a Polars frame; what is a RowTable already is returned as it is."""
        if isinstance(table, RowTable):
            return table
        return cls({name: _kind(dtype) for name, dtype in table.schema.items()}, table.rows())

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.kinds)

    @property
    def height(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def __getitem__(self, name: str) -> list[Any]:
        """Return the values of a column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def named(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows, each by the names of its columns."""
        names = self.columns
        return (dict(zip(names, row, strict=True)) for row in self.rows)

    def select(self, names: Iterable[str]) -> RowTable:
        """Keep some columns, in the order of their names."""
        names = list(names)
        places = [self.columns.index(name) for name in names]
        return RowTable(
            {name: self.kinds[name] for name in names}, [tuple(row[at] for at in places) for row in self.rows]
        )

    def drop(self, name: str) -> RowTable:
        """Leave a column out, where it is there."""
        return self.select(column for column in self.kinds if column != name)

    def with_column(self, name: str, kind: Kind, values: Iterable[Any], after: str | None = None) -> RowTable:
        """Put a column in the place of one of the same name, or behind the column ``after``."""
        values = list(values)
        by_name = {column: (self.kinds[column], self[column]) for column in self.kinds}
        if name in by_name:
            by_name[name] = (kind, values)
        else:
            items = list(by_name.items())
            items.insert(self.columns.index(after) + 1 if after else len(items), (name, (kind, values)))
            by_name = dict(items)
        kinds = {column: kind for column, (kind, _) in by_name.items()}
        return RowTable(kinds, list(zip(*(values for _, values in by_name.values()), strict=True)))

    def head(self, rows: int) -> RowTable:
        """Keep the first rows."""
        return RowTable(self.kinds, self.rows[:rows])

    def sort(self, column: str, *, descending: bool = False, keys: Sequence[str] = ()) -> RowTable:
        """Order by a column, rows that are alike in it by ``keys``; what is unknown comes last."""
        at, places = self.columns.index(column), [self.columns.index(key) for key in keys]
        rows = sorted(self.rows, key=lambda row: [(row[place] is None, row[place]) for place in places])
        known = [row for row in rows if row[at] is not None]
        known.sort(key=lambda row: row[at], reverse=descending)
        return RowTable(self.kinds, [*known, *(row for row in rows if row[at] is None)])

    def frame(self) -> pl.DataFrame:
        """Return the rows as a Polars frame; raises TypeError where a column is of no plain kind.

        Decimals of more digits than Polars holds are texts.
        """
        import polars as pl

        for name, kind in self.kinds.items():
            if kind == "decimal" and _digits(self[name]) > _POLARS_DIGITS:
                texts = [None if value is None else f"{value:f}" for value in self[name]]
                return self.with_column(name, "text", texts).frame()
        types: dict[Kind, Any] = {
            "text": pl.String,
            "truth": pl.Boolean,
            "integer": pl.Int64,
            "float": pl.Float64,
            "date": pl.Date,
            "instant": pl.Datetime("us", "UTC"),
        }
        schema: dict[str, Any] = {}
        for name, kind in self.kinds.items():
            if kind == "decimal":
                scales = (-int(value.as_tuple().exponent) for value in self[name] if value is not None)
                schema[name] = pl.Decimal(38, max(max(scales, default=0), 0))
            elif kind in types:
                schema[name] = types[kind]
            else:
                raise TypeError(f"column '{name}' is of no kind that a frame is made of")
        return pl.DataFrame(self.rows, schema=schema, orient="row")


def _digits(values: Iterable[Decimal | None]) -> int:
    """Count the digits that decimals take in one column, before the point and behind it."""
    known = [value for value in values if value is not None]
    before = max((value.adjusted() + 1 for value in known), default=0)
    return max(before, 1) + max((-int(value.as_tuple().exponent) for value in known), default=0)


def _kind(dtype: Any) -> Kind:
    """Find the kind of a column of a Polars frame."""
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "float"
    if dtype.is_numeric():
        return "decimal"
    if dtype.is_temporal():
        return "date" if str(dtype) == "Date" else "instant"
    return {"String": "text", "Boolean": "truth"}.get(str(dtype), "other")  # type: ignore[return-value]

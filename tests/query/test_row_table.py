"""Rows as Python's own values are ordered, parted and framed as a Polars frame is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydoc_analytics.query.row_table import RowTable

_FRAME = pl.DataFrame(
    {
        "account_id": ["b", "a", "c"],
        "runs": [2, 2, None],
        "rate": [0.5, None, 0.25],
        "day": [date(2026, 1, 2), None, date(1, 1, 1)],
        "is_partial": [True, False, None],
    }
)


def test_a_frame_comes_back_as_it_was() -> None:
    table = RowTable.of(_FRAME)
    assert table.kinds == {
        "account_id": "text",
        "runs": "integer",
        "rate": "float",
        "day": "date",
        "is_partial": "truth",
    }
    assert table.frame().equals(_FRAME)
    assert table.frame().schema == _FRAME.schema
    assert list(table.named()) == _FRAME.to_dicts()
    assert RowTable.of(table) is table


def test_columns_are_kept_left_out_put_in_and_replaced() -> None:
    table = RowTable.of(_FRAME).select(["runs", "account_id"])
    assert table.rows == [(2, "b"), (2, "a"), (None, "c")]
    assert table.drop("runs").columns == table.drop("runs").drop("runs").columns == ["account_id"]
    costs = [Decimal("1.50"), None, Decimal("2.00")]
    table = table.with_column("cost", "decimal", costs, after="runs")
    assert (table.columns, table["cost"]) == (["runs", "cost", "account_id"], costs)
    assert table.frame()["cost"].dtype == pl.Decimal(38, 2)
    table = table.with_column("cost", "text", ["1.5", None, "2"])
    assert (table.columns, table["cost"], table.kinds["cost"]) == (
        ["runs", "cost", "account_id"],
        ["1.5", None, "2"],
        "text",
    )


_ROWS = st.lists(st.tuples(st.text(), st.none() | st.integers(-3, 3)), unique_by=lambda row: row[0], max_size=8)


@given(_ROWS, st.booleans())
def test_rows_are_ordered_as_polars_orders_them(rows: list[tuple[str, int | None]], descending: bool) -> None:
    frame = pl.DataFrame(rows, schema={"key": pl.String, "value": pl.Int64}, orient="row")
    ordered = RowTable.of(frame).sort("value", descending=descending, keys=["key"])
    expected = frame.sort("value", "key", descending=[descending, False], nulls_last=True)
    assert ordered.rows == expected.rows()


@pytest.mark.parametrize(("nines", "dtype"), [(20, pl.Decimal(38, 18)), (21, pl.String)], ids=["38 digits", "39"])
def test_decimals_of_more_digits_than_polars_holds_are_texts(nines: int, dtype: pl.DataType) -> None:
    costs = [f"{'9' * nines}.{'9' * 18}", "-0.5", None]
    table = RowTable({"cost": "decimal"}, [(None if cost is None else Decimal(cost),) for cost in costs])
    found = table.frame()["cost"]
    assert found.dtype == dtype
    assert [None if cost is None else Decimal(cost) for cost in found] == [row[0] for row in table.rows]


def test_a_column_of_no_plain_kind_makes_no_frame() -> None:
    table = RowTable.of(pl.DataFrame({"tags": [["a"]]}))
    assert table.kinds == {"tags": "other"}
    with pytest.raises(TypeError, match="tags"):
        table.frame()

"""The difference of two states of a lake: figures that changed by account and language, and the runs behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.errors import SumError
from polydoc_analytics.lake.changes import reading
from polydoc_analytics.model.languages import languages
from polydoc_analytics.model.schema import NAMES
from polydoc_analytics.safe_text import on_one_line

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from polydoc_analytics.lake.snapshot import Snapshot
    from polydoc_analytics.lake.storage.interface import Storage

FIGURES = {
    "runs": "count(*)",
    "succeeded_runs": "count(*) filter (where status = 'Succeeded')",
    "failed_runs": "count(*) filter (where status = 'Failed')",
    "running_runs": "count(*) filter (where status = 'Running')",
    "credits": "sum(credits)",
    "input_tokens": "sum(input_tokens)",
    "output_tokens": "sum(output_tokens)",
}
"""The figures that are compared; sums are over known values."""
_SIDES = ("before", "after")
_SHOWN = ("status", "credits", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class LakeDiff:
    """The changes between two states of a lake, named by ``before`` and ``after``.

    ``figures`` is a Polars frame with a row for each figure that differs: account_id, language, figure, before, after
    and change. A figure is runs, succeeded_runs, failed_runs, running_runs, credits, input_tokens or output_tokens; a
    sum is over known values, null where there are runs and none is known, and 0 over no runs.

    ``runs`` has a row for each run that differs: change (added, removed or changed), id, account_id, language, fields
    (the names of the columns that differ, separated by commas), and status, credits, input_tokens and output_tokens
    with ``_before`` and ``_after``. Account and language are those after, for a removed run those before.
    """

    before: str
    after: str
    figures: pl.DataFrame
    runs: pl.DataFrame


def compare(before: Snapshot, after: Snapshot) -> LakeDiff:
    """Compare two snapshots of one lake."""
    with reading(after.place, Path()) as con:
        texts = {text for side in (before, after) if side.row for text in side.row.languages}
        _create_languages(con, sorted(texts))
        for name, side in zip(_SIDES, (before, after), strict=True):
            con.execute(f"""
                create view runs_{name} as
                select runs.*, languages.language
                from (select {side.columns} from {side.relation}) as runs
                left join languages using (target_language)""")
        figures, runs = _frame(con, _figures_sql()), _frame(con, _runs_sql())
    return LakeDiff(before.text, after.text, _in_64_bits(figures, after.place), runs)


def _create_languages(con: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    con.execute("create temp table languages (target_language varchar, language varchar)")
    rows = [(text, found.tag) for text, found in languages(texts).items()]
    if rows:
        con.executemany("insert into languages values (?, ?)", rows)


def _frame(con: duckdb.DuckDBPyConnection, sql: str) -> pl.DataFrame:
    import polars as pl

    frame = pl.from_arrow(con.sql(sql).to_arrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _in_64_bits(figures: pl.DataFrame, place: Storage) -> pl.DataFrame:
    """Cast figures to 64 bits; raises SumError where a sum, or the change of one, does not fit."""
    import polars as pl

    numbers = (*_SIDES, "change")
    fitting = figures.with_columns(pl.col(numbers).cast(pl.Int64, strict=False))
    is_unfit = [figures[name].is_not_null() & fitting[name].is_null() for name in numbers]
    unfit = figures.filter(is_unfit[0] | is_unfit[1] | is_unfit[2])
    if unfit.height:
        accounts = tuple(unfit["account_id"].unique(maintain_order=True))
        raise SumError(
            f"{place.shown}: {unfit['figure'][0]} of account '{on_one_line(accounts[0])}', or their change, do not fit "
            f"into 64 bits; `polydoc-analytics check {place.shown}` names the runs: `ingest --correct` them with the "
            "right numbers",
            accounts,
        )
    return fitting


def _figures_sql() -> str:
    """Write SQL for the figures of each account and language on both sides, one row a figure that differs."""
    measures = ", ".join(f"{sql} as {name}" for name, sql in FIGURES.items())
    places = {name: place for place, name in enumerate(FIGURES)}
    # A side without runs has sums of 0; with runs, none of them known, they are unknown.
    rows = " union all ".join(
        f"""
        select
            account_id, language, {place} as place, '{name}' as figure,
            case when figures_before.runs is null then 0 else figures_before.{name} end as before,
            case when figures_after.runs is null then 0 else figures_after.{name} end as after
        from figures_before full join figures_after using (account_id, language)"""
        for name, place in places.items()
    )
    grouped = ", ".join(
        f"figures_{side} as (select account_id, language, {measures} from runs_{side} group by account_id, language)"
        for side in _SIDES
    )
    return f"""
        with {grouped}, figures as ({rows})
        select account_id, language, figure, before, after, after - before as change
        from figures
        where before is distinct from after
        order by account_id, language, place"""


def _runs_sql() -> str:
    """Write SQL for the runs that differ in any column, with the names of these columns."""
    compared = [name for name in NAMES if name != "id"]
    differs = " or ".join(f"runs_before.{name} is distinct from runs_after.{name}" for name in compared)
    fields = ", ".join(
        f"case when runs_before.{name} is distinct from runs_after.{name} then '{name}' end" for name in compared
    )
    sides = ", ".join(f"runs_{side}.{name} as {name}_{side}" for name in _SHOWN for side in _SIDES)
    return f"""
        select
            case when runs_before.id is null then 'added' when runs_after.id is null then 'removed' else 'changed' end
                as change,
            id,
            coalesce(runs_after.account_id, runs_before.account_id) as account_id,
            coalesce(runs_after.language, runs_before.language) as language,
            case
                when runs_before.id is not null and runs_after.id is not null then concat_ws(', ', {fields})
            end as fields,
            {sides}
        from runs_before full join runs_after using (id)
        where runs_before.id is null or runs_after.id is null or {differs}
        order by account_id, id"""

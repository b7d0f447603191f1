"""The index of statements: every account with its totals and its file, for whoever sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from polydoc_analytics.errors import SumError
from polydoc_analytics.reports.builders.context import Context, records
from polydoc_analytics.reports.builders.tables import keys, measures, table_row
from polydoc_analytics.reports.model import Column, Report, Section, Table
from polydoc_analytics.reports.money import total as sum_of


def index(context: Context, files: Mapping[str, str], unfit: SumError | None = None) -> Report:
    """Return the index of the statements of all accounts, sorted by name; ``files`` are their names by account.

    The accounts of ``unfit`` have no statement, and are left out; the index says so.
    """
    if unfit is None:
        return _index(context, files)
    without = context.counted(
        len(unfit.accounts), "account has no statement and is", "accounts have no statement and are"
    )
    with context.db.without(unfit.accounts) as rest:
        return _index(replace(context, db=rest), files, f"{without} left out here: {unfit}.")


def _index(context: Context, files: Mapping[str, str], *more: str) -> Report:
    columns = (
        *keys(context, "account_id"),
        *measures(context, "runs", "credits", "cost"),
        Column("file", "file", "text"),
    )
    frame = context.db.fetch("select account_id, runs, credits from usage_by_account order by account_id")
    ordered = sorted(records(frame), key=lambda row: (context.account(row["account_id"]).casefold(), row["account_id"]))
    rows = tuple(table_row(context, columns, row, file=files[row["account_id"]]) for row in ordered)
    # What is due is what the statements say, so the whole is their sum.
    due = sum_of([context.money(credits_) for credits_ in frame["credits"]])
    total = table_row(context, columns, context.usage, **{columns[0].name: "total"}, cost=due)
    if not rows:
        nothing = Section("accounts", "Statements", (context.nothing(), *more))
        return context.report("statements", "Index of statements", [nothing])
    text = f"{context.counted(len(rows), 'account has', 'accounts have')} runs in the period, and a statement each."
    table = Table(columns, rows, 1000, None, total, "accounts")
    return context.report(
        "statements", "Index of statements", [Section("accounts", "Statements", (text, *more), table=table)]
    )

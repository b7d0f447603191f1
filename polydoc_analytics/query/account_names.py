"""Names of accounts from what a user has of them: a CSV, a table or a mapping."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from polydoc_analytics.errors import UsageError, first_line
from polydoc_analytics.safe_text import on_one_line

ACCOUNT_ID = "account_id"
NAME_COLUMNS = ("name", "account_name")


def names_of(accounts: Any) -> dict[str, str]:
    """Return names by account id from a mapping, a CSV or a table with the columns account_id and name.

    ``account_name`` is taken for ``name`` too; accounts without a name, or with a blank one, are left out. Raises
    SourceError where a CSV cannot be read or lacks a column, UsageError for a table without them or anything else.
    """
    if accounts is None:
        return {}
    if isinstance(accounts, Mapping):
        return _named(accounts.items())
    if isinstance(accounts, str | os.PathLike):
        from polydoc_analytics.config.settings import account_names

        return account_names(os.fspath(accounts))
    if hasattr(accounts, "collect") and not hasattr(accounts, "__arrow_c_stream__"):
        accounts = accounts.collect()
    if not hasattr(accounts, "__arrow_c_stream__"):
        raise UsageError(
            f"accounts are a CSV, a table or a mapping of names by account id, not {type(accounts).__name__}"
        )
    import pyarrow as pa

    try:
        table = pa.table(accounts)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(f"accounts: cannot be read as a table: {first_line(error)}") from None
    name = next((column for column in NAME_COLUMNS if column in table.column_names), None)
    if ACCOUNT_ID not in table.column_names or name is None:
        found = ", ".join(map(str, table.column_names))
        raise UsageError(f"accounts: expected the columns {ACCOUNT_ID} and {NAME_COLUMNS[0]}, found {found}")
    return _named(zip(table[ACCOUNT_ID].to_pylist(), table[name].to_pylist(), strict=True))


def _named(pairs: Any) -> dict[str, str]:
    from polydoc_analytics.loaders.run_parser import well_formed

    names: dict[str, str] = {}
    for account_id, given in pairs:
        if account_id is None or given is None:
            continue
        account, name = well_formed(str(account_id)), well_formed(str(given).strip())
        if account and name and names.setdefault(account, name) != name:
            shown, first, second = map(on_one_line, (account, names[account], name))
            raise UsageError(f"accounts: account {shown} has two names, '{first}' and '{second}'")
    return names

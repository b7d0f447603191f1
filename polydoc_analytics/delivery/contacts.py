"""Who gets the statement of an account: a CSV with the columns account_id and email."""

from __future__ import annotations

import csv
from collections.abc import Callable

from polydoc_analytics.errors import SourceError
from polydoc_analytics.plan import TargetPlan


def contact_of(account: str) -> Callable[[TargetPlan], str | None]:
    """Return what gives an account's address among the contacts of a target; None where there is none."""
    return lambda target: contacts(target.values["contacts"]).get(account)


def contacts(path: str) -> dict[str, str]:
    """Return addresses by account id; raises SourceError where the file cannot be read or lacks a column."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if not {"account_id", "email"} <= set(columns):
                raise SourceError(f"{path}: expected the columns account_id and email, found {', '.join(columns)}")
            return {row["account_id"]: row["email"].strip() for row in rows if row["email"] and row["email"].strip()}
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None

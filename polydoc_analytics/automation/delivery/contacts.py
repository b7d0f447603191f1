"""Who gets the statement of an account: a CSV with the columns account_id and email, several addresses in a cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from polydoc_analytics.config.addresses import is_address
from polydoc_analytics.config.csv_file import csv_rows
from polydoc_analytics.config.tables import Email
from polydoc_analytics.errors import SourceError


@dataclass(frozen=True)
class Contacts:
    """Addresses by account id, each once, and what is wrong with the file, a sentence a fault."""

    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


class ContactBook:
    """The contacts of targets. Each file is read once: all statements of an edition go by one state of it."""

    def __init__(self) -> None:
        self._read = cache(contacts)

    def of(self, account: str) -> Callable[[Email], tuple[str, ...]]:
        """Build the look-up of an account's addresses in a target's contacts."""
        return lambda target: self._read(target.contacts).addresses.get(account, ()) if target.contacts else ()


def contacts(path: str) -> Contacts:
    """Return who is in the file; addresses in a cell are parted by a comma or a semicolon.

    A comma needs no quotation marks where the address is the last column: further cells are further addresses.

    The addresses of an account that has several rows are put together. What is no address stands among the others, so
    that it is known as not delivered to. Raises SourceError where the file cannot be read or lacks a column.
    """
    columns, rows = csv_rows(path)
    if not {"account_id", "email"} <= set(columns):
        raise SourceError(f"{path}: expected the columns account_id and email, found {', '.join(columns)}")
    found: dict[str, dict[str, None]] = {}
    faults: list[str] = []
    for row in rows:
        account = row.cells["account_id"].strip()
        if not account:
            faults.append(f"{row.where}: has no account_id")
            continue
        # Else addresses of the rows behind it, which are other accounts', would count as this one's.
        row.raise_if_broken("account_id", "email")
        if account in found:
            faults.append(f"{row.where}: account {account} has a row already; all its addresses are taken")
        cells = [row.cells["email"]]
        if row.further and columns[-1] == "email":
            cells += row.further
        elif row.further:
            faults.append(f"{row.where}: has more cells than there are columns")
        addresses = [one.strip() for cell in cells for one in re.split(r"[,;]", cell) if one.strip()]
        faults += [f"{row.where}: '{one}' is no address" for one in addresses if not is_address(one)]
        found.setdefault(account, {}).update(dict.fromkeys(addresses))
    return Contacts({account: tuple(addresses) for account, addresses in found.items()}, tuple(faults))

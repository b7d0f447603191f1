"""Whether the accounts that the settings speak of are those of the lake: contacts, names, budgets."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from polydoc_analytics.automation import Plans
from polydoc_analytics.automation.delivery.contacts import contacts
from polydoc_analytics.config.settings import Settings, account_names
from polydoc_analytics.config.tables import Email
from polydoc_analytics.errors import PolydocError
from polydoc_analytics.lake.changes import connection
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.plurals import noun

_NAMED = 5


@dataclass(frozen=True)
class AccountCheck:
    """Problems with the accounts of the settings, and remarks that are no problems, as sentences."""

    faults: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def check_accounts(lake: Lake | None, settings: Settings, plans: Plans) -> AccountCheck:
    """Check contacts, names and budgets; against the accounts of the lake where there is one."""
    found = AccountCheck()
    known = _accounts_of(lake) if lake else None
    _check_contacts(plans, known, found)
    _check_names(settings, known, found)
    for alert in plans.alerts.values():
        found.doubts.extend(
            _unknown(f"[[alerts]] {alert.name}: budgets", getattr(alert, "accounts", None) or (), known)
        )
    for report in plans.reports.values():
        found.doubts.extend(_unknown(f"[[reports]] {report.name}: accounts", report.accounts, known))
    return found


def speaks_of_accounts(settings: Settings, plans: Plans) -> bool:
    """Check whether the settings name any account, in themselves or in a file."""
    given = [getattr(target, "contacts", None) for target in plans.targets.values()]
    given += [getattr(alert, "accounts", None) for alert in plans.alerts.values()]
    return bool(settings.accounts) or any(given) or any(report.accounts for report in plans.reports.values())


def _accounts_of(lake: Lake) -> set[str]:
    with connection(Path()) as con:
        lake.place.prepare(con)
        return {row[0] for row in con.sql(f"select distinct account_id from {lake.snapshot().relation}").fetchall()}


def _check_contacts(plans: Plans, known: set[str] | None, check: AccountCheck) -> None:
    used = {name for one in plans.reports.values() if one.per_account for name in one.deliver}
    for target in plans.targets.values():
        if not isinstance(target, Email) or not target.contacts:
            continue
        where = f"[delivery.{target.name}]"
        try:
            found = contacts(target.contacts)
        except PolydocError as error:
            check.doubts.append(f"{where}: {error}")
            continue
        check.faults.extend([f"{where}: {fault}" for fault in found.faults])
        check.doubts.extend(_unknown(f"{where}: contacts", found.addresses, known))
        if target.name in used:
            without = sorted(account for account in known or () if not found.addresses.get(account))
            check.doubts.extend(_said(f"{where}: no contact for", without))


def _check_names(settings: Settings, known: set[str] | None, check: AccountCheck) -> None:
    if not settings.accounts:
        return
    try:
        names = account_names(settings.accounts)
        with open(settings.accounts, encoding="utf-8-sig", newline="") as file:
            counts = Counter(row["account_id"] for row in csv.DictReader(file))
    except PolydocError as error:
        check.doubts.append(str(error))
        return
    several = [name for name, count in counts.items() if count > 1]
    check.faults.extend(_said(f"{settings.accounts}: several rows of", several))
    check.doubts.extend(_unknown(f"{settings.accounts}: names", names, known))


def _unknown(what: str, accounts: Iterable[str], known: set[str] | None) -> Iterator[str]:
    if known is not None:
        where, _, things = what.rpartition(": ")
        yield from _said(f"{where}: {things} name accounts that the lake does not know:", sorted({*accounts} - known))


def _said(what: str, accounts: list[str]) -> Iterator[str]:
    if accounts:
        more = f" and {len(accounts) - _NAMED:,} more" if len(accounts) > _NAMED else ""
        plain = "" if what.endswith(":") else f" {noun(len(accounts), 'account')}"
        yield f"{what}{plain} {', '.join(accounts[:_NAMED])}{more}"

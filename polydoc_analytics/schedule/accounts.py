"""Whether the accounts that the settings speak of are those of the lake: contacts, names, budgets."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from polydoc_analytics.config import Settings, account_names
from polydoc_analytics.counting import noun
from polydoc_analytics.delivery.contacts import contacts
from polydoc_analytics.errors import PolydocError
from polydoc_analytics.lake.changes import connection
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.plan import Plans

_NAMED = 5


def account_doubts(lake: Lake | None, settings: Settings, plans: Plans) -> list[str]:
    """Return what is wrong with the accounts of the settings, a sentence a fault; the lake's where there is one."""
    known = _accounts_of(lake) if lake else None
    return [*_of_contacts(plans, known), *_of_names(settings, known), *_of_plans(plans, known)]


def speaks_of_accounts(settings: Settings, plans: Plans) -> bool:
    """Tell whether the settings name any account, in themselves or in a file."""
    given = [target.values.get("contacts") for target in plans.targets.values()]
    given += [alert.values.get("accounts") for alert in plans.alerts.values()]
    return bool(settings.accounts) or any(given) or any(report.accounts for report in plans.reports.values())


def _accounts_of(lake: Lake) -> set[str]:
    with connection(Path()) as con:
        lake.place.prepare(con)
        return {row[0] for row in con.sql(f"select distinct account_id from {lake.snapshot().relation}").fetchall()}


def _of_contacts(plans: Plans, known: set[str] | None) -> Iterator[str]:
    used = {name for one in plans.reports.values() if one.per_account for name in one.deliver}
    for target in plans.targets.values():
        if not target.values.get("contacts"):
            continue
        where = f"[delivery.{target.name}]"
        try:
            found = contacts(target.values["contacts"])
        except PolydocError as error:
            yield f"{where}: {error}"
            continue
        yield from (f"{where}: {fault}" for fault in found.faults)
        yield from _unknown(f"{where}: contacts", found.addresses, known)
        if target.name in used:
            without = sorted(account for account in known or () if not found.addresses.get(account))
            yield from _said(f"{where}: no contact for", without)


def _of_names(settings: Settings, known: set[str] | None) -> Iterator[str]:
    if not settings.accounts:
        return
    try:
        names = account_names(settings.accounts)
        with open(settings.accounts, encoding="utf-8-sig", newline="") as file:
            counts = Counter(row["account_id"] for row in csv.DictReader(file))
    except PolydocError as error:
        yield str(error)
        return
    yield from _said(f"{settings.accounts}: several rows of", [name for name, count in counts.items() if count > 1])
    yield from _unknown(f"{settings.accounts}: names", names, known)


def _of_plans(plans: Plans, known: set[str] | None) -> Iterator[str]:
    for alert in plans.alerts.values():
        yield from _unknown(f"[[alerts]] {alert.name}: budgets", alert.values.get("accounts") or (), known)
    for report in plans.reports.values():
        yield from _unknown(f"[[reports]] {report.name}: accounts", report.accounts, known)


def _unknown(what: str, accounts: Iterable[str], known: set[str] | None) -> Iterator[str]:
    if known is not None:
        where, _, things = what.rpartition(": ")
        yield from _said(f"{where}: {things} name accounts that the lake does not know:", sorted({*accounts} - known))


def _said(what: str, accounts: list[str]) -> Iterator[str]:
    if accounts:
        more = f" and {len(accounts) - _NAMED:,} more" if len(accounts) > _NAMED else ""
        plain = "" if what.endswith(":") else f" {noun(len(accounts), 'account')}"
        yield f"{what}{plain} {', '.join(accounts[:_NAMED])}{more}"

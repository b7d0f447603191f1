"""Whether what the settings name is there: secrets, files, contacts, and the accounts of the lake."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from polydoc_analytics.automation import Plans
from polydoc_analytics.automation.delivery.contacts import contacts
from polydoc_analytics.config.csv_file import csv_rows
from polydoc_analytics.config.settings import Settings, account_names, problem_text
from polydoc_analytics.config.tables import Email, Files
from polydoc_analytics.errors import PolydocError
from polydoc_analytics.lake.changes import connection
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.model.plurals import noun
from polydoc_analytics.safe_text import display_variable

_MAX_NAMED = 5

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class SettingsCheck:
    """Faults of the settings, and doubts, which may be meant so; each a sentence with the file's line."""

    settings: Settings
    faults: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add_fault(self, location: Location, text: str) -> None:
        """Add what is wrong at a place in the file."""
        self.faults.append(problem_text(self.settings.file, location, text))

    def add_doubt(self, location: Location, text: str) -> None:
        """Add what may be wrong at a place in the file."""
        self.doubts.append(problem_text(self.settings.file, location, text))


def check_settings(lake: Lake | None, settings: Settings, plans: Plans) -> SettingsCheck:
    """Check what the settings name in the environment, on the disk and, where there is one, in the lake."""
    check = SettingsCheck(settings)
    _check_secrets(settings, plans, check)
    _check_files(settings, plans, check)
    known = _accounts_of(lake) if lake else None
    _check_contacts(plans, known, check)
    _check_names(settings, known, check)
    for section, key, tables in (("alerts", "budgets", plans.alerts), ("reports", "accounts", plans.reports)):
        names = [table.get("name") for table in settings.content.get(section, ())]
        for name, table in tables.items():
            what = f"[[{section}]] {name}: {key} name"
            location = (section, names.index(name), "accounts")
            _doubt_unknown(check, location, what, getattr(table, "accounts", None) or (), known)
    return check


def speaks_of_accounts(settings: Settings, plans: Plans) -> bool:
    """Check whether the settings name any account, in themselves or in a file."""
    given = [getattr(target, "contacts", None) for target in plans.targets.values()]
    given += [getattr(alert, "accounts", None) for alert in plans.alerts.values()]
    return bool(settings.accounts) or any(given) or any(report.accounts for report in plans.reports.values())


def _check_secrets(settings: Settings, plans: Plans, check: SettingsCheck) -> None:
    for section, tables in (("sources", settings.sources), ("delivery", plans.targets)):
        for name, table in tables.items():
            for key, variable in table:
                if key.endswith("_env") and variable and not os.environ.get(variable):
                    text = f"the environment variable {display_variable(variable)} is not set here; it holds the secret"
                    check.add_fault((section, name, key), f"[{section}.{name}]: {text}")


def _check_files(settings: Settings, plans: Plans, check: SettingsCheck) -> None:
    for name, source in settings.sources.items():
        if not isinstance(source, Files):
            continue
        for path in [source.path] if isinstance(source.path, str) else source.path:
            if "://" not in path and not _is_there(path):
                check.add_doubt(("sources", name, "path"), f"[sources.{name}]: {path}: nothing is there yet")
    for name, target in plans.targets.items():
        if isinstance(target, Email) and target.ca_file and not os.path.isfile(target.ca_file):
            check.add_fault(("delivery", name, "ca_file"), f"[delivery.{name}]: {target.ca_file}: no such file")


def _is_there(path: str) -> bool:
    return os.path.exists(path) or any(glob.iglob(path, recursive=True))


def _accounts_of(lake: Lake) -> set[str]:
    with connection(Path()) as con:
        lake.place.prepare(con)
        return {row[0] for row in con.sql(f"select distinct account_id from {lake.snapshot().relation}").fetchall()}


def _check_contacts(plans: Plans, known: set[str] | None, check: SettingsCheck) -> None:
    used = {name for report in plans.reports.values() if report.per_account for name in report.deliver}
    for name, target in plans.targets.items():
        if not isinstance(target, Email) or not target.contacts:
            continue
        table, location = f"[delivery.{name}]", ("delivery", name, "contacts")
        try:
            found = contacts(target.contacts)
        except PolydocError as error:
            check.add_fault(location, f"{table}: {error}")
            continue
        for fault in found.faults:
            check.add_fault(location, f"{table}: {fault}")
        _doubt_unknown(check, location, f"{table}: contacts name", found.addresses, known)
        without = sorted(account for account in known or () if not found.addresses.get(account))
        if name in used and without:
            check.add_doubt(location, f"{table}: no contact for {noun(len(without), 'account')} {_listed(without)}")


def _check_names(settings: Settings, known: set[str] | None, check: SettingsCheck) -> None:
    if not settings.accounts:
        return
    location = ("accounts",)
    try:
        names = account_names(settings.accounts)
        counts = Counter(row.cells["account_id"].strip() for row in csv_rows(settings.accounts)[1])
    except PolydocError as error:
        check.add_fault(location, str(error))
        return
    several = [name for name, count in counts.items() if count > 1]
    if several:
        text = f"{settings.accounts}: several rows of {noun(len(several), 'account')} {_listed(several)}"
        check.add_fault(location, text)
    _doubt_unknown(check, location, f"{settings.accounts}: names name", names, known)


def _doubt_unknown(
    check: SettingsCheck, location: Location, what: str, accounts: Iterable[str], known: set[str] | None
) -> None:
    unknown = sorted({*accounts} - known) if known is not None else []
    if unknown:
        check.add_doubt(location, f"{what} accounts that the lake does not know: {_listed(unknown)}")


def _listed(accounts: list[str]) -> str:
    more = f" and {len(accounts) - _MAX_NAMED:,} more" if len(accounts) > _MAX_NAMED else ""
    return f"{', '.join(accounts[:_MAX_NAMED])}{more}"

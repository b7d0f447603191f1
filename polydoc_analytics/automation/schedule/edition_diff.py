"""Differences between editions: the figures of a new one against those kept with the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from polydoc_analytics.automation.schedule.figures import BY_ACCOUNT, WHOLE, Row, loaded
from polydoc_analytics.automation.schedule.jobs import Edition, Job
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.lake.erased_accounts import RefusedAccounts
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.model.plurals import counted
from polydoc_analytics.reports.formatting import display_text
from polydoc_analytics.reports.model import Column, Section, Table

_SHOWN = 50
_TOLD = 20
_SUMMARY = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that is other than before: in which table, of what, which measure, and both values.

    ``account`` is whose document it stands in; empty: everybody's.
    """

    table: str
    key: tuple[str, ...]
    measure: str
    before: Any
    now: Any
    account: str = ""

    def __str__(self) -> str:
        """Say it in one sentence."""
        whose = (self.account,) if self.account and self.account not in self.key else ()
        where = ", ".join(filter(None, (self.table, *map(display_text, (*whose, *self.key)))))
        measure = self.measure.replace("_", " ")
        head = f"{where}: {measure}" if where else measure
        return f"{head[:1].upper()}{head[1:]}: {_text(self.now)}, before {_text(self.before)}."


@dataclass
class Comparison:
    """The edition before, and what is found to be other than in it, document by document.

    ``notes`` say what else differs: the kind of the report, the zone of its days, accounts that were erased since.
    """

    store: StateStore
    edition: Edition
    refused: RefusedAccounts
    notes: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def with_edition(cls, store: StateStore, lake: Lake, job: Job, before: Edition, now: Edition) -> Comparison:
        """List the figures to compare with an edition."""
        since = before.load or 0
        erased = [row for row in Ledger(lake.place).rows if row.kind == "erase" and row.number > since]
        notes = [f"Edition {before.number} kept no figures, so they are not compared."] if _kept_none(before) else []
        sides = (
            ("kind", before.kind, now.kind),
            ("zone of days", before.timezone or job.timezone, now.timezone),
            ("date basis", before.date_basis, now.date_basis),
        )
        notes += [f"The {what} is {new}, before {old}." for what, old, new in sides if old and old != new]
        found = cls(store, before, lake.refused_accounts(), notes)
        if erased:
            which = counted(len(erased), "account was", "accounts were")
            notes.append(f"{which} erased since edition {before.number}; the totals are now without what was theirs.")
        return found

    def of(self, account: str, rows: Sequence[Row]) -> list[Change]:
        """Return, and remember, what is other of one document than in the edition before."""
        before = next((one for one in self.edition.documents if one.account == account), None)
        if _kept_none(self.edition):
            return []
        kept = self._kept(before.figures) if before and before.figures else ()
        found = [replace(one, account=account) for one in _changes(kept, rows)]
        self.changes += found
        return found

    def gone(self, accounts: Iterable[str]) -> None:
        """Remember the accounts that had a document in the edition before and have none now."""
        now = set(accounts)
        for document in self.edition.documents:
            if document.account and document.account not in now and not self.refused.holds(document.account):
                self.of(document.account, ())

    def sentences(self) -> list[str]:
        """Summarise the changes of the whole edition: totals first, shortened to a readable length."""
        ordered = sorted(self.changes, key=lambda one: (bool(one.account), one.table != WHOLE))
        said = [*self.notes, *(str(one) for one in ordered[:_TOLD])]
        if len(ordered) > _TOLD:
            said.append(f"{counted(len(ordered) - _TOLD, 'further figure has', 'further figures have')} changed.")
        return said

    def section(self, account: str, changes: Sequence[Change]) -> Section:
        """Summarise the changes against the edition before in a document; everybody's names all accounts."""
        shown = changes if account else self.changes
        first = f"This is a new edition; edition {self.edition.number} was made from {self.edition.snapshot}."
        totals = [str(one) for one in shown if one.table == WHOLE or (account and one.table == BY_ACCOUNT)]
        rest = len(shown) - len(totals)
        said = [*totals, *([f"{counted(rest, 'other figure has', 'other figures have')} changed."] if rest else [])]
        if not shown and not _kept_none(self.edition):
            said = ["No figure has changed."]
        columns = (
            Column("table", "table", "text"),
            Column("what", "of", "text"),
            Column("measure", "figure", "text"),
            Column("before", f"edition {self.edition.number}", "text"),
            Column("now", "now", "text"),
        )
        lines = tuple(
            (
                one.table,
                ", ".join(one.key) or one.account or "all",
                one.measure.replace("_", " "),
                _text(one.before),
                _text(one.now),
            )
            for one in shown
        )
        table = Table(columns, lines, _SHOWN, noun="changes") if lines else None
        return Section("editions", "What changed since the edition before", (first, *self.notes, *said), table=table)

    def _kept(self, name: str) -> tuple[Row, ...]:
        rows = loaded(self.store.read_bytes(name))
        return tuple(row for row in rows if not any(map(self.refused.holds, row.key)))


def _changes(before: Iterable[Row], now: Iterable[Row]) -> Iterator[Change]:
    old, new = ({(row.table, row.key): row.values for row in rows} for rows in (before, now))
    for table, key in dict.fromkeys((*new, *old)):
        was, is_now = old.get((table, key)), new.get((table, key))
        if was is None or is_now is None:
            yield Change(table, key, "row", _summary(was), _summary(is_now))
            continue
        for name in dict.fromkeys((*is_now, *was)):
            if was.get(name) != is_now.get(name):
                yield Change(table, key, name, was.get(name), is_now.get(name))


def _summary(values: Mapping[str, Any] | None) -> str:
    if values is None:
        return "not there"
    return ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in list(values.items())[:_SUMMARY])


def _kept_none(edition: Edition) -> bool:
    return bool(edition.documents) and not any(one.figures for one in edition.documents)


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else display_text(str(value))

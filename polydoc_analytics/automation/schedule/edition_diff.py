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
from polydoc_analytics.reports.messages import ENGLISH, N_
from polydoc_analytics.reports.model import Column, Report, Section, Table

_SHOWN = 50
_TOLD = 20
_SUMMARY = 3
_NOT_THERE = "not there"
_HEADLINES = {
    "runs": N_("Runs"),
    "succeeded_runs": N_("Succeeded runs"),
    "failed_runs": N_("Failed runs"),
    "credits": N_("Credits"),
    "total_tokens": N_("Tokens"),
    "row": N_("row"),
    BY_ACCOUNT: N_("Totals"),
    WHOLE: N_("Totals"),
}


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


class ChangeWording:
    """The words for changes in a document: those of its own tables where it is a translation of ``english``."""

    def __init__(self, report: Report, english: Report | None = None) -> None:
        self.words = report.words
        self._names = {name.replace("_", " "): self.words.gettext(label) for name, label in _HEADLINES.items()}
        for section, original in zip(report.sections, (english or report).sections, strict=True):
            self._names[original.title.lower()] = section.title
            for figure, same in zip(section.figures, original.figures, strict=True):
                self._names[same.label.lower()] = figure.label
            if section.table:
                self._names |= {column.name.replace("_", " "): column.label for column in section.table.columns}

    def sentence(self, change: Change) -> str:
        """Return a change in one sentence."""
        if self.words.language == ENGLISH:
            return str(change)
        return self.words.gettext(
            "{figure}: {now}, before {before}.",
            figure=self._name(change.measure),
            now=self._text(change.now),
            before=self._text(change.before),
        )

    def row(self, change: Change) -> tuple[str, ...]:
        """Return a change as a row: the table, what it is of, the figure, before and now."""
        key = ", ".join(change.key) or change.account or "all"
        if self.words.language == ENGLISH:
            measure = change.measure.replace("_", " ")
            return (change.table, key, measure, _text(change.before), _text(change.now))
        key = self.words.gettext("total") if change.key == ("total",) else key
        table, measure = self._name(change.table), self._name(change.measure)
        if change.measure != "row":
            return (table, key, measure, self._text(change.before), self._text(change.now))
        there, not_there = self.words.gettext("there"), self.words.gettext("not there")
        values = (not_there if value == _NOT_THERE else there for value in (change.before, change.now))
        return (table, key, measure, *values)

    def _name(self, name: str) -> str:
        return self._names.get(name.replace("_", " "), name)

    def _text(self, value: Any) -> str:
        if isinstance(value, bool):
            return self.words.text(value, "yes")
        return self.words.text(value, "ratio" if isinstance(value, float) else "count")


@dataclass
class EditionComparison:
    """The edition before, and what is found to be other than in it, document by document.

    ``notes`` say what else differs: the kind of the report, the zone of its days, accounts that were erased since.
    """

    store: StateStore
    edition: Edition
    refused: RefusedAccounts
    notes: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def with_edition(cls, store: StateStore, lake: Lake, job: Job, before: Edition, now: Edition) -> EditionComparison:
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

    def section(self, account: str, changes: Sequence[Change], wording: ChangeWording) -> Section:
        """Summarise the changes against the edition before in a document; everybody's names all accounts."""
        shown, words = changes if account else self.changes, wording.words
        number = self.edition.number
        first = words.gettext(
            "This is a new edition; edition {number} was made from {snapshot}.",
            number=number,
            snapshot=self.edition.snapshot,
        )
        totals = [wording.sentence(one) for one in shown if one.table == WHOLE or (account and one.table == BY_ACCOUNT)]
        said = list(totals)
        if rest := len(shown) - len(totals):
            said.append(
                words.ngettext("{count} other figure has changed.", "{count} other figures have changed.", rest)
            )
        if not shown and not _kept_none(self.edition):
            said = [words.gettext("No figure has changed.")]
        columns = (
            Column("table", words.gettext("table"), "text"),
            Column("what", words.gettext("of"), "text"),
            Column("measure", words.gettext("figure"), "text"),
            Column("before", words.gettext("edition {number}", number=number), "text"),
            Column("now", words.gettext("now"), "text"),
        )
        lines = tuple(map(wording.row, shown))
        table = Table(columns, lines, _SHOWN, noun="changes") if lines else None
        # What else differs is of the whole, and written for whoever runs it: in English, or not at all.
        notes = self.notes if words.language == ENGLISH else ()
        title = words.gettext("What changed since the edition before")
        return Section("editions", title, (first, *notes, *said), table=table)

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
        return _NOT_THERE
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

"""The context of report builders: the views, the comparison, names and formats; and helpers to build sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.comparison import Comparison, comparison
from polydoc_analytics.model.epoch import from_us
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.plurals import noun
from polydoc_analytics.model.sql_names import quoted
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.reports.branding import Branding
from polydoc_analytics.reports.builders.provenance import file_lines
from polydoc_analytics.reports.charts.labels import Labels
from polydoc_analytics.reports.customers import Customer
from polydoc_analytics.reports.filenames import file_name, name_slug, short_codes
from polydoc_analytics.reports.formatting import Formatter, display_text
from polydoc_analytics.reports.messages import N_
from polydoc_analytics.reports.model import Cube, Figure, Head, Kind, Report, Scalar, Section, SourceFile, Value
from polydoc_analytics.reports.money import Money, cost, rounded, unit

if TYPE_CHECKING:
    from concurrent.futures import Future

    import polars as pl

    from polydoc_analytics.query.database import Database

NO_RUNS = N_("There are no runs in the period.")
_BASIS = {
    "created": N_("A run belongs to the instant at which it was created."),
    "finished": N_("A run belongs to the instant at which it finished."),
}
_SMALL_SAMPLE = 0.2
"""Width of a rate's interval, 20 points, above which its sample counts as small."""


def is_small(low: float | None, high: float | None) -> bool:
    """Check whether a rate is of a small sample: its interval is wider than 20 points."""
    return low is not None and high is not None and high - low > _SMALL_SAMPLE


@dataclass(frozen=True)
class Context:
    """The input of report builders: views, formats, names.

    ``db`` has the views over the period; ``names`` are accounts' names by id, ``labels`` the labels
    of accounts and languages; ``made_at`` is when the report is made. ``listing`` are the files of the source, or a
    future of them.
    """

    db: Database
    words: Formatter
    branding: Branding
    names: Mapping[str, str]
    listing: Sequence[SourceFile] | Future[tuple[SourceFile, ...]]
    made_at: datetime
    labels: Labels
    customers: Mapping[str, Customer] = field(default_factory=dict)

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The files of the source; their hashes are awaited where they are still being computed."""
        return tuple(self.listing) if isinstance(self.listing, Sequence) else self.listing.result()

    @cached_property
    def comparison(self) -> Comparison | None:
        """The period to compare with; None where there is none, or the source begins too late for it."""
        compared = comparison(self.db.interval, self.made_at)
        first = self.first_run
        return (
            compared if compared and first and compared.before.since and first <= compared.before.since + _DAY else None
        )

    def nothing(self) -> str:
        """Sentence of a report that has nothing to show; it says which period the data cover."""
        first, last = self.first_run, self.last_run
        if first is None or last is None:
            return "There are no runs in the source."
        filters = self.db.filters
        whose = " of what the filters choose" if filters.accounts or filters.languages else ""
        tz = zone(self.db.timezone)
        days = [self.words.day(local(instant, tz).date()) for instant in (first, last)]
        covered = f"from {days[0]} to {days[1]}" if days[0] != days[1] else f"of {days[0]}"
        return f"There are no runs{whose} in the period; those of the source are {covered}."

    @cached_property
    def first_run(self) -> datetime | None:
        """When the earliest run of the whole source began (or finished, by the date basis)."""
        [(us,)] = self.db.fetch(f"select epoch_us(min({self.db.date_basis}_at)) from observed").rows()
        return None if us is None else from_us(us)

    @cached_property
    def last_run(self) -> datetime | None:
        """When the latest run of the whole source began (or finished, by the date basis)."""
        [(us,)] = self.db.fetch(f"select epoch_us(max({self.db.date_basis}_at)) from observed").rows()
        return None if us is None else from_us(us)

    @cached_property
    def usage(self) -> dict[str, Any]:
        """The row of the view ``usage``."""
        return self.db.view("usage").row(0, named=True)

    def account(self, account_id: str) -> str:
        """Label an account uniquely: its name, else its id, of which people read the beginning."""
        return self.labels.account(account_id)

    def language(self, tag: str) -> str:
        """Label a language uniquely: its English name, else the text that was sent."""
        return self.labels.language(tag)

    def value(self, number: Scalar, kind: Kind) -> Value:
        """Return a typed value with its text."""
        return Value(number, kind, self.words.text(number, kind))

    def text(self, number: Scalar, kind: Kind) -> str:
        """Return a number's text, for a sentence."""
        return self.words.text(number, kind)

    def money(self, amount: int | None) -> Money | None:
        """Price an amount of credits; None where it or the price is unknown."""
        price = self.branding.price_per_credit
        if amount is None or price is None:
            return None
        return rounded(cost(amount, price), self.branding.currency)

    def cost_figure(self, credits_: int | None) -> Figure:
        """Key figure: the cost of an amount of credits."""
        price = self.words.price(self.branding.price_per_credit or Decimal(0))
        return self.figure("cost", "Cost", self.money(credits_), "money", note=f"at {price} per credit", measure="cost")

    def figure(self, name: str, label: str, number: Scalar, kind: Kind, before: Scalar = None, **more: Any) -> Figure:
        """Return a key figure with its change against ``before``: relative, but in points where it is a rate."""
        return Figure(
            name,
            label,
            self.value(number, kind),
            before=None if before is None else self.value(before, kind),
            change=self._change(number, before, kind),
            **more,
        )

    def _change(self, number: Any, before: Any, kind: Kind) -> Value | None:
        if number is None or before is None:
            return None
        if kind == "rate":
            return self.value(number - before, "points")
        return self.value(float(number) / float(before) - 1, "change") if before > 0 else None

    def period_text(self, interval: Interval) -> str:
        """Return an interval in words: whole local days where it has them, instants where not."""
        tz = zone(interval.timezone)
        begins = None if interval.since is None else local(interval.since, tz)
        ends = None if interval.until is None else local(interval.until, tz)
        first = None if begins is None else self._edge(begins, interval.first_whole_day == begins.date())
        last = None
        if ends is not None:
            is_whole = interval.end_of_whole_days == ends.date() and not _time_of(ends)
            last = self._edge(ends - timedelta(days=1) if is_whole else ends, is_whole)
        if first and last:
            return first if first == last else self.say("{first} to {last}", first=first, last=last)
        if first:
            return self.say("since {first}", first=first)
        return self.say("until {last}", last=last) if last else self.say("all of time")

    def _edge(self, instant: datetime, is_whole: bool) -> str:
        return self.words.day(instant.date()) if is_whole else self.words.instant(instant)

    @cached_property
    def slug(self) -> str:
        """The period as part of a file's name: 2026-10, 2026, 2026-10-03_2026-10-09, all."""
        tz = zone(self.db.timezone)
        since, until = self.db.interval.since, self.db.interval.until
        first = local(since, tz).date() if since else None
        last = local(until - timedelta(microseconds=1), tz).date() if until else None
        if first is None or last is None:
            ends = [f"since-{first}"] if first else [f"until-{last}"] if last else ["all"]
            return ends[0]
        following = last + timedelta(days=1)
        if first.day == 1 and following.day == 1:
            if (following.year, following.month) == (first.year + first.month // 12, first.month % 12 + 1):
                return f"{first:%Y-%m}"
            if first.month == 1 and following == date(first.year + 1, 1, 1):
                return f"{first:%Y}"
        return str(first) if first == last else f"{first}_{last}"

    @cached_property
    def codes(self) -> dict[str, str]:
        """Short codes of all accounts of the source, by id."""
        ids = self.db.fetch("select distinct account_id from observed").to_series().to_list()
        return short_codes({*ids, *self.names, *self.db.filters.accounts})

    def code_of(self, account_id: str) -> str:
        """Return the short code of an account, unique in the source."""
        return self.codes.get(account_id) or short_codes([account_id])[account_id]

    @cached_property
    def slugs(self) -> dict[str, str]:
        """The parts of names of files for all accounts of the source, by id: period, name and code."""
        slugs = {one: self._slug(one, code) for one, code in self.codes.items()}
        counts = Counter(slugs.values())
        return {
            one: slug if counts[slug] == 1 else f"{self.slug}_{file_name(slug + one)}" for one, slug in slugs.items()
        }

    def _slug(self, account_id: str, code: str) -> str:
        return "_".join(filter(None, (self.slug, name_slug(self.names.get(account_id, "")), code)))

    def slug_of(self, account_id: str) -> str:
        """Build the unique part of a file's name for the period and an account."""
        return self.slugs.get(account_id) or self._slug(account_id, self.code_of(account_id))

    def report(
        self,
        kind: str,
        title: str,
        sections: Sequence[Section],
        *,
        subtitle: str = "",
        cube: Cube | None = None,
        facts: Sequence[tuple[str, str]] = (),
        only_account: str | None = None,
        slug: str = "",
        head: Head | None = None,
    ) -> Report:
        """Return the report: these sections under a title, with the facts that its figures rest on.

        With ``only_account`` data on others is left out: file names, and counts over the whole source.
        """
        from polydoc_analytics._version import __version__

        db = self.db
        return Report(
            kind=kind,
            title=title,
            subtitle=subtitle or self.branding.title,
            period=self.period_text(db.interval),
            slug=slug or self.slug,
            timezone=db.timezone,
            since=db.interval.since,
            until=db.interval.until,
            date_basis=db.date_basis,
            snapshot=db.snapshot,
            files=() if only_account is not None else self.files,
            filters={
                "account": db.filters.accounts if only_account is None else (only_account,),
                "language": db.filters.languages,
            },
            counts={} if only_account is not None else dict(db.counts),
            made_at=self.made_at,
            version=__version__,
            facts=(*self._facts(only_account is not None), *self._amounts(sections), *facts),
            sections=tuple(sections),
            words=self.words,
            look=self.branding.look,
            cube=cube,
            head=head,
        )

    def _amounts(self, sections: Sequence[Section]) -> list[tuple[str, str]]:
        """Fact on how amounts of money are rounded, where a table has some."""
        tables = [section.table for section in sections if section.table is not None]
        price = self.branding.price_per_credit
        if price is None or not any(column.kind == "money" for table in tables for column in table.columns):
            return []
        least = f"{self.words.decimal(unit(self.branding.currency))} {self.branding.currency}"
        said = self.say(
            "An amount is its credits times {price}, rounded to {least}, halves to the even digit. Where the rounded "
            "lines of a table would not add up to its total, those that rounding changed most carry the difference, "
            "{least} each. So the lines of each table add up to its total.",
            price=self.words.price(price),
            least=least,
        )
        return [(self.say("Amounts"), said)]

    def _facts(self, is_for_one_account: bool) -> list[tuple[str, str]]:
        from polydoc_analytics.reports.builders.provenance import combined

        db, say = self.db, self.say
        period = self.period_text(db.interval)
        facts = [
            (say("Period"), say("{period}, in the time zone {timezone}", period=period, timezone=db.timezone)),
            (say("Date basis"), say(_BASIS[db.date_basis])),
        ]
        if is_for_one_account and db.date_basis == "finished":
            facts.append((say("Left out"), say("Runs that have no finishing time are in no figure.")))
        elif not is_for_one_account and (left_out := db.runs_without_date):
            facts.append(("Left out", f"{self.counted(left_out, 'run')} without a finishing time"))
        for label, chosen in (("Only accounts", db.filters.accounts), ("Only languages", db.filters.languages)):
            if chosen and not is_for_one_account:
                facts.append((label, ", ".join(display_text(choice) for choice in chosen)))
        if db.snapshot is not None:
            facts.append((say("Snapshot"), db.snapshot))
        elif self.files and is_for_one_account:
            source = self.words.ngettext(
                "{count} file, SHA-256 over their hashes {sha256}",
                "{count} files, SHA-256 over their hashes {sha256}",
                len(self.files),
                sha256=combined(self.files),
            )
            facts.append((say("Source"), source))
        elif self.files:
            facts.append(("Source", "; ".join(file_lines(self.files))))
        else:
            facts.append((say("Source"), say("a table in memory")))
        facts.append((say("Made"), f"{self.words.instant(self.made_at)} ({db.timezone})"))
        refused = db.quarantine.height if db.loads is not None else db.counts.quarantined
        if is_for_one_account:
            if refused:
                unread = self.words.ngettext(
                    "{count} row of the whole source could not be read.",
                    "{count} rows of the whole source could not be read.",
                    refused,
                )
                facts.append((say("Rows"), unread))
        elif db.loads is not None:
            rows = f"{self.counted(db.counts.runs, 'run')}, from {self.counted(db.loads.height, 'load')} of "
            rows += f"{self.counted(int(db.loads['read'].sum()), 'row')}"
            facts.append(("Rows", f"{rows}; {self.counted(refused, 'row is', 'rows are')} in quarantine"))
        else:
            counts = db.counts
            parts = f"{self.counted(counts.runs, 'run')}, {self.counted(counts.duplicates, 'duplicate')}"
            parts += f", {self.text(counts.quarantined, 'count')} quarantined"
            conflicts = self.counted(counts.conflicts, "run")
            facts.append(("Rows", f"{self.text(counts.read, 'count')} read: {parts}; {conflicts} in conflict"))
        return facts

    def say(self, message: str, **values: Any) -> str:
        """Translate a message into the language of the report, and fill in its values."""
        return self.words.gettext(message, **values)

    def counted(self, count: int, singular: str, plural: str | None = None) -> str:
        """Return a count and the word that goes with it, see :func:`polydoc_analytics.model.plurals.noun`."""
        return f"{self.text(count, 'count')} {noun(count, singular, plural)}"

    def comparison_text(self) -> str:
        """Sentence on the period that changes are measured against."""
        compared = self.comparison
        if compared is None:
            if self.db.interval.since is None:
                return "No comparison: the period has no beginning, so none precedes it."
            return "No comparison: the source holds no whole preceding period."
        before = self.period_text(compared.before)
        now_days, before_days = compared.days
        if compared.is_to_date:
            same = "same " if now_days == before_days else ""
            differ = "" if same else " The numbers of days differ, and so do sums for that alone."
            return (
                f"The period is in progress. Changes compare its {self.counted(now_days, 'day')} up to "
                f"{self.words.instant(self.made_at)} with the {same}{self.counted(before_days, 'day')} before: "
                f"{before}.{differ}"
            )
        if compared.unit == "time":
            return f"Changes are against the same length of time before: {before}."
        if now_days == before_days:
            each = self.counted(before_days, "day")
            return f"Changes are against the preceding {compared.unit}: {before} ({each} each)."
        return (
            f"Changes are against the preceding {compared.unit}: {before}, which has "
            f"{self.counted(before_days, 'day')}; this one has {self.text(now_days, 'count')}."
        )

    def compared(self) -> tuple[Database, Database] | None:
        """Return the views over the period (to date) and over the one before; the caller closes both."""
        compared = self.comparison
        return None if compared is None else (self.db.over(compared.now), self.db.over(compared.before))


def _time_of(instant: datetime) -> bool:
    return bool(instant.hour or instant.minute or instant.second or instant.microsecond)


_DAY = timedelta(days=1)


def texts(values: Iterable[str]) -> str:
    """List of SQL string literals; ``null``, which matches nothing, where there are none."""
    return ", ".join(map(quoted, values)) or "null"


def records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows by column name."""
    return list(frame.iter_rows(named=True))

"""The content of a report: a frozen value that builders fill and renderers draw.

A report has sections; a section has sentences, key figures, charts and at most one table. Every number is computed
before it comes here; a renderer only lays it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from polydoc_analytics.reports.charts.palette import ACCENT, WARM
from polydoc_analytics.reports.formatting import Formatter, followed
from polydoc_analytics.reports.money import Money

Kind = Literal[
    "text",
    "status",
    "mark",
    "yes",
    "count",
    "rate",
    "change",
    "points",
    "seconds",
    "hours",
    "ratio",
    "money",
    "day",
    "month",
    "instant",
]
"""The unit of a value, which decides its format: ``rate`` 0.1 is 10%, ``change`` 0.1 is +10%, ``points`` 0.1 is +10
percentage points, ``seconds`` and ``ratio`` are numbers with two digits, ``hours`` 30.5 is 1 d 6 h, ``mark`` true is a
small sample, ``month`` is its first day, ``instant`` is UTC."""

Scalar = str | int | float | bool | Decimal | Money | date | datetime | None
NUMBERS: tuple[Kind, ...] = ("count", "rate", "change", "points", "seconds", "hours", "ratio", "money")


@dataclass(frozen=True, slots=True)
class Value:
    """A number, its kind, and its text in all formats that people read."""

    number: Scalar
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: its name, its value with its unit, what it is compared with, and a note in words.

    ``measure`` names the additive measure of the cube that it adds up, so that a page can let it follow filters.
    ``year`` is the value since the beginning of the year.
    """

    name: str
    label: str
    value: Value
    unit: str = ""
    before: Value | None = None
    change: Value | None = None
    note: str = ""
    measure: str = ""
    year: Value | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; an ``only_data`` column is in XLSX and JSON only."""

    name: str
    label: str
    kind: Kind
    only_data: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values. Formats for reading show the first ``shown`` of them, then ``others`` and ``total``.

    ``others`` sums up all rows that are not shown. XLSX and JSON hold every row, and no ``others``. ``live`` names the
    breakdown of the cube that its rows are, in the cube's order: ``account`` or ``language``, or ``day``, ``week`` or
    ``month``; ``places`` are their places there where the order is another. ``rest`` is the note of a document that
    leaves rows out, and then goes together with its workbook.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    shown: int
    others: tuple[Scalar, ...] | None = None
    total: tuple[Scalar, ...] | None = None
    noun: str = "rows"
    live: str = ""
    rest: str = ""
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SheetChart:
    """A spreadsheet's own chart over columns of the section's table; the chart's title where it has none."""

    form: Literal["column", "bar", "line"]
    category: str
    values: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification with its data inside, its caption, and how it may be drawn.

    ``live`` names the breakdown of the cube that it follows: ``time``, ``account``, ``language`` or
    ``failures``. ``is_fluid`` charts take the available width.
    """

    name: str
    title: str
    sentence: str
    spec: Mapping[str, Any]
    live: str = ""
    is_fluid: bool = True
    sheet: SheetChart | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report. ``is_list`` sections have their figures one below the other, as lines of a table.

    Where ``is_empty``, there is nothing to show but the text: the figures, which are 0 or unknown, are in XLSX and JSON
    only.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = ()
    is_list: bool = False
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a document that is signed off: lines on the issuer, facts as label and text, and a notice."""

    issuer: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Cube:
    """Additive measures by period, account and language, column by column, for a page that filters.

    ``first`` and ``last`` are the local days of the report's period. ``periods`` are first local days of what has
    runs, ``every`` is day, week or month; ``columns`` holds three columns of places in the labels and one for each
    measure. ``has_others`` names the keys (account, language) whose last place sums up all others. ``price`` is that of
    a credit, exact; None where there is none.
    """

    every: str
    first: date
    last: date
    periods: tuple[date, ...]
    accounts: tuple[str, ...]
    languages: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    has_others: tuple[str, ...] = ()
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a report was made from: its name without folders, its size, and its SHA-256 where it is known."""

    name: str
    bytes: int
    sha256: str | None


SVG = "image/svg+xml"


@dataclass(frozen=True, slots=True)
class Theme:
    """Look of a report: the brand's colours, the media type and bytes of its logo, folders of fonts."""

    accent: str = ACCENT
    warm: str = WARM
    logo_type: str = ""
    logo: bytes = b""
    fonts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report. ``since`` and ``until`` are half-open in UTC, open where None; ``made_at`` is UTC.

    ``facts`` say where the figures come from: label and text. ``cube`` is None where a page has no filters. An open
    page loads itself anew after ``reload_s`` seconds; never where that is 0. ``in_english`` is the same report for the
    PDF, where no font has the letters of its language.
    """

    kind: str
    title: str
    subtitle: str
    period: str
    slug: str
    timezone: str
    since: datetime | None
    until: datetime | None
    date_basis: str
    snapshot: str | None
    files: tuple[SourceFile, ...]
    filters: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, int]
    made_at: datetime
    version: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    words: Formatter
    look: Theme = field(default_factory=Theme)
    cube: Cube | None = None
    reload_s: int = 0
    head: Head | None = None
    in_english: Report | None = None

    @property
    def full_title(self) -> str:
        """The title with the period."""
        return f"{followed(self.title)}, {self.period}"

    @property
    def sender(self) -> str:
        """The line above the title; empty where the head has it as the issuer's name."""
        return "" if self.head and self.subtitle in self.head.issuer else self.subtitle

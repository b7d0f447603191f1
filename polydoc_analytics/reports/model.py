"""The content of a report: a frozen value that builders fill and renderers draw.

A report has sections; a section has sentences, key figures, charts and at most one table. Every number is computed
before it comes here; a renderer only chooses where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from polydoc_analytics.reports.formatting import Formatter
from polydoc_analytics.reports.money import Money

Kind = Literal[
    "text", "mark", "yes", "count", "rate", "change", "points", "seconds", "ratio", "money", "day", "instant"
]
"""The unit of a value, which decides its format: ``rate`` 0.1 is 10%, ``change`` 0.1 is +10%, ``points`` 0.1 is +10
percentage points, ``seconds`` and ``ratio`` are numbers with two digits, ``mark`` true is a small sample, ``instant``
is UTC."""

Scalar = str | int | float | bool | Decimal | Money | date | datetime | None
NUMBERS: tuple[Kind, ...] = ("count", "rate", "change", "points", "seconds", "ratio", "money")


@dataclass(frozen=True, slots=True)
class Value:
    """One figure: the number, what it is, and how every format that is read by people writes it."""

    number: Scalar
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: its name, its value with its unit, what it is compared with, and a note in words.

    ``measure`` names the additive measure of the cube that it adds up, so that a page can let it follow filters.
    """

    name: str
    label: str
    value: Value
    unit: str = ""
    before: Value | None = None
    change: Value | None = None
    note: str = ""
    measure: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; one that is ``only_data`` stands in XLSX and JSON alone."""

    name: str
    label: str
    kind: Kind
    only_data: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values. Formats for reading show the first ``shown`` of them, then ``others`` and ``total``.

    ``others`` stands for all rows that are not shown; ``on_pages`` is how many rows a page shows, where those are more
    than on paper, and what stands for the others there. XLSX and JSON hold every row, and no ``others``.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    shown: int
    others: tuple[Scalar, ...] | None = None
    total: tuple[Scalar, ...] | None = None
    noun: str = "rows"
    on_pages: tuple[int, tuple[Scalar, ...] | None] | None = None


@dataclass(frozen=True, slots=True)
class SheetChart:
    """A spreadsheet's own chart over columns of the section's table; the chart's title where it has none."""

    form: Literal["column", "bar", "line"]
    category: str
    values: tuple[str, ...]
    stacked: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification with its data inside, a sentence that says what it shows, and how it may be drawn.

    ``live`` is the name of the cube's breakdown that can refill it: ``time``, ``account``, ``language`` or
    ``failures``. ``is_fluid`` charts take the width that there is.
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
    """One part of a report."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cube:
    """Additive measures by period, account and language, column by column, for a page that filters.

    ``periods`` are first local days, ``every`` is day, week or month; ``columns`` holds three columns of places in the
    labels and one for each measure. The place of "others" is the last one where ``*_others`` is true.
    """

    every: str
    periods: tuple[date, ...]
    accounts: tuple[str, ...]
    languages: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a report was made from: its name without folders, its size, and its SHA-256 where it is known."""

    name: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Theme:
    """How a report looks: the brand's colours, its logo as a data URI's media type and bytes, folders of fonts."""

    accent: str = "#1f5fa8"
    warm: str = "#c2410c"
    logo_type: str = ""
    logo: bytes = b""
    fonts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report. ``since`` and ``until`` are half-open in UTC, open where None; ``made_at`` is UTC.

    ``facts`` are what a reader needs to defend the figures: label and text. ``cube`` is there where a page can filter.
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

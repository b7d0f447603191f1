"""A report as an Excel workbook: one sheet a section, real numbers and dates, Excel's own charts."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from unicodedata import east_asian_width

from polydoc_analytics.errors import PolydocError
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.reports.charts import palette
from polydoc_analytics.reports.formatting import UNKNOWN, display_text
from polydoc_analytics.reports.model import NUMBERS, Chart, Column, Head, Kind, Report, Scalar, Section, Table, Value
from polydoc_analytics.reports.money import Money, decimals
from polydoc_analytics.reports.renderers.table_rows import is_summed, small_sample_note, without_columns

MAX_ROWS = 1_048_576
MAX_CHARACTERS = 32_767
_A4 = 9
_LARGEST_EXACT = 2**53
_DIGITS = 15
_FEW = 5
_ROWS_OF_PAGE, _PAGE_WIDTH = 45, 150
_BASIS_WIDTH, _LINE_HEIGHT, _PADDING, _MAX_TEXT = 100, 15, 3, 70
_FORMATS: dict[Kind, str] = {
    "count": "#,##0",
    "rate": "0.0%",
    "change": "+0.0%;-0.0%;0.0%",
    "points": "0.0%",
    "seconds": "#,##0.00",
    "ratio": "#,##0.00",
    "hours": "#,##0.00",
    "day": "yyyy-mm-dd",
    "month": "mmmm yyyy",
    "instant": "yyyy-mm-dd hh:mm:ss",
}
_FIRST_YEAR = 1900
_ON_AXIS: dict[Kind, str] = {"day": "d mmm yyyy", "month": "mmm yyyy"}
_FORBIDDEN = re.compile(r"[\[\]:*?/\\']")


def render(report: Report, max_rows: int = MAX_ROWS) -> bytes:
    """Return the workbook. A table longer than ``max_rows`` goes on in further sheets.

    Instants stand in the report's time zone, for Excel knows none. Text is never a formula or a link.
    """
    import xlsxwriter

    content = io.BytesIO()
    options = {"in_memory": True, "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(content, options) as book:
        made = local(report.made_at, zone(report.timezone)).replace(tzinfo=None)
        issuer = report.head.issuer[0] if report.head and report.head.issuer else "Polydoc Analytics"
        book.set_properties({"title": report.full_title, "author": issuer, "created": made})
        writer = _Writer(book, report, max_rows)
        for section in report.sections:
            writer.section(section)
        writer.basis()
    return content.getvalue()


class _Writer:
    def __init__(self, book: Any, report: Report, most_rows: int) -> None:
        self._book, self._report, self._most_rows = book, report, most_rows
        self._names: set[str] = set()
        self._formats: dict[tuple[str, bool], Any] = {}
        self._title = book.add_format({"bold": True, "font_size": 14})
        head = {"bold": True, "bottom": 1, "font_color": palette.MUTED}
        self._head = book.add_format(head)
        self._head_of_fact = book.add_format({"font_color": palette.MUTED})
        # Beside the button of a filter, which covers the right end of a heading.
        self._head_with_button = book.add_format({**head, "align": "right", "indent": 2})
        self._head_of_numbers = book.add_format({**head, "align": "right"})

    def section(self, section: Section) -> None:
        if section.is_list:
            self._summary(section)
        elif section.figures:
            self._figures(section)
        if section.table is not None:
            self._table(section, section.table)
        elif not section.figures:
            sheet = self._sheet(section.title)
            sheet.set_column(0, 0, 110)
            for at, text in enumerate((*section.text, *section.notes)):
                self._write(sheet, at, 0, text, "text")

    def basis(self) -> None:
        """Write the facts behind the figures."""
        say = self._report.words.gettext
        sheet = self._sheet(say("Basis"))
        sheet.set_column(0, 0, 18)
        sheet.set_column(1, 1, _BASIS_WIDTH)
        report = self._report
        receiver = report.head.facts[0][1].splitlines()[0] if report.head and report.head.facts else report.subtitle
        for at, (label, text) in enumerate(
            ((say("Report"), report.title), (say("Made for"), receiver or UNKNOWN), *report.facts)
        ):
            said = display_text(text, MAX_CHARACTERS)
            sheet.set_row(at, _LINE_HEIGHT * -(-_cells(said) // _BASIS_WIDTH))
            sheet.write_string(at, 0, label, self._format("wrapped", False))
            sheet.write_string(at, 1, said, self._format("wrapped", False))

    def _summary(self, section: Section) -> None:
        """Write the first sheet of a document that is signed off: its head, and its figures line by line."""
        report, say = self._report, self._report.words.gettext
        head = report.head or Head()
        sheet = self._sheet(say("Summary"))
        sheet.set_column(0, 0, 34)
        lines = [(figure.value, figure.before, figure.change, figure.year) for figure in section.figures]
        sheet.set_column(1, 4, self._width_of(lines, 22))
        self._line(sheet, 0, report.title)
        row = 1
        for text in (*head.issuer, *([head.notice] if head.notice else [])):
            self._write(sheet, row, 0, text, "text")
            row += 1
        for label, text in head.facts:
            row += 1
            sheet.write_string(row, 0, label, self._head_of_fact)
            self._write(sheet, row, 1, ", ".join(text.splitlines()), "text")
        row += 2
        for text in section.text:
            self._write(sheet, row, 0, text, "text")
            row += 1
        labels = (say("this period"), say("previous period"), say("change"), say("year to date"))
        used = [at for at in range(len(labels)) if any(line[at] is not None for line in lines)]
        sheet.write_string(row, 0, section.title, self._head)
        for place, at in enumerate(used, start=1):
            sheet.write_string(row, place, labels[at], self._head_of_numbers)
        for figure, line in zip(section.figures, lines, strict=True):
            row += 1
            self._write(sheet, row, 0, figure.label, "text")
            for place, at in enumerate(used, start=1):
                if (value := line[at]) is not None:
                    self._write(sheet, row, place, value.number, value.kind)

    def _figures(self, section: Section) -> None:
        sheet = self._sheet(section.title)
        sheet.set_column(0, 0, 24)
        lines = [(figure.value, figure.before, figure.change) for figure in section.figures]
        sheet.set_column(1, 3, self._width_of(lines, 16))
        sheet.set_column(4, 4, 60)
        self._line(sheet, 0, section.title)
        row = 1
        for text in section.text:
            self._write(sheet, row, 0, text, "text")
            row += 1
        for at, label in enumerate(("figure", "value", "before", "change", "note")):
            sheet.write_string(row, at, label, self._head_of_numbers if 0 < at < 4 else self._head)
        for figure in section.figures:
            row += 1
            self._write(sheet, row, 0, f"{figure.label} ({figure.unit})" if figure.unit else figure.label, "text")
            self._write(sheet, row, 1, figure.value.number, figure.value.kind)
            for at, value in ((2, figure.before), (3, figure.change)):
                if value is not None:
                    self._write(sheet, row, at, value.number, value.kind)
            sheet.write_string(row, 4, display_text(figure.note) if figure.note else "", self._format("note", False))

    def _table(self, section: Section, table: Table) -> None:
        if self._report.head is not None:
            table = without_columns(table, lambda _, is_empty: is_empty)
        step = self._most_rows - 2
        for part, start in enumerate(range(0, max(len(table.rows), 1), step)):
            sheet = self._sheet(section.title)
            rows = table.rows[start : start + step]
            self._rows(sheet, table, rows, with_total=start + step >= len(table.rows))
            if part == 0:
                self._notes(sheet, section, table)
                for place, chart in enumerate(one for one in section.charts if one.sheet is not None):
                    self._chart(sheet, chart, table, min(len(rows), table.shown), place)

    def _rows(self, sheet: Any, table: Table, rows: tuple[tuple[Scalar, ...], ...], *, with_total: bool) -> None:
        columns = table.columns
        lines = (*rows, table.total) if with_total and table.total is not None else rows
        widths = [
            max(_width(column), self._longest((line[at] for line in lines), column.kind))
            for at, column in enumerate(columns)
        ]
        for at, column in enumerate(columns):
            sheet.set_column(at, at, widths[at])
            form = self._head_with_button if column.kind in NUMBERS else self._head
            sheet.write_string(0, at, _label(column, columns), form)
        sheet.freeze_panes(1, 1)
        sheet.repeat_rows(0)
        for place, row in enumerate(rows, start=1):
            for at, (value, column) in enumerate(zip(row, columns, strict=True)):
                self._write(sheet, place, at, value, column.kind)
        sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)
        # Beside a table that fills the page, notes and charts would make its print too small to read.
        if len(rows) > _ROWS_OF_PAGE or sum(widths) > _PAGE_WIDTH:
            sheet.print_area(0, 0, len(rows) + 1, len(columns) - 1)
        if with_total and table.total is not None:
            for at, (value, column) in enumerate(zip(table.total, columns, strict=True)):
                if is_summed(value, column):
                    self._write(sheet, len(rows) + 1, at, value, column.kind, is_bold=True)
                else:
                    sheet.write_blank(len(rows) + 1, at, None, self._format(column.kind, True))

    def _width_of(self, lines: Sequence[Sequence[Value | None]], least: int) -> int:
        """Width of columns of figures, in letters."""
        values = [value for line in lines for value in line if value is not None]
        return max(least, *(self._longest([value.number], value.kind) for value in values))

    def _longest(self, values: Iterable[Scalar], kind: Kind) -> int:
        """Width of a column that shows its values whole, in letters: Excel draws ### for a number that is wider.

        Very long texts are cut.
        """
        currency = self._report.words.currency
        longest = max((_letters(value, kind, currency) for value in values), default=0)
        return _PADDING + longest if kind in NUMBERS else min(longest, _MAX_TEXT)

    def _notes(self, sheet: Any, section: Section, table: Table) -> None:
        said = [*section.text, *(chart.sentence for chart in section.charts), *section.notes]
        said.append(small_sample_note(table.columns))
        text = "\n".join(one for one in said if one)
        if text:
            sheet.insert_textbox(
                1,
                len(table.columns) + 1,
                text,
                {"width": 480, "height": 40 + 18 * (len(text) // 75 + text.count("\n") + 1), "line": {"none": True}},
            )

    def _chart(self, sheet: Any, chart: Chart, table: Table, rows: int, place: int) -> None:
        native = chart.sheet
        if native is None or not rows:
            return
        names = [column.name for column in table.columns]
        if not {native.category, *native.values} <= set(names):
            return
        made = self._book.add_chart({"type": native.form})
        colours = (self._report.look.accent, self._report.look.warm)
        for value, colour in zip(native.values, colours, strict=False):
            at, category = names.index(value), names.index(native.category)
            made.add_series(
                {
                    "name": table.columns[at].label,
                    "categories": [sheet.get_name(), 1, category, rows, category],
                    "values": [sheet.get_name(), 1, at, rows, at],
                    "fill": {"color": colour},
                    "line": {"color": colour} if native.form == "line" else {"none": True},
                    "gap": 40,
                    "overlap": 100 if len(native.values) > 1 else 0,
                }
            )
        made.set_title({"name": native.title or chart.title, "name_font": {"size": 12, "bold": True}, "overlay": False})
        made.set_legend({"none": True} if len(native.values) == 1 else {"position": "top"})
        made.set_size({"width": 560, "height": max(300, 60 + 22 * rows) if native.form == "bar" else 300})
        kind = table.columns[names.index(native.category)].kind
        if kind in ("day", "month"):
            # As dates, and not as numbers; weeks and months are no days, so they stand side by side like texts.
            starts = [row[names.index(native.category)] for row in table.rows[:rows]]
            made.set_x_axis({"num_format": _ON_AXIS[kind], _axis_type(starts): True})
        if native.form == "column" and _are_few(table, [names.index(value) for value in native.values], rows):
            made.set_y_axis({"major_unit": 1})
        if native.form == "bar":
            made.set_y_axis({"reverse": True})
            made.set_x_axis({"major_gridlines": {"visible": False}, "visible": False})
        sheet.insert_chart(12 + 16 * place, len(table.columns) + 1, made)

    def _write(self, sheet: Any, row: int, at: int, value: Scalar, kind: Kind, *, is_bold: bool = False) -> None:
        form = self._format(kind, is_bold)
        code: int | None = 0
        if isinstance(value, Money):
            value = value.shown
        if value is None:
            code = sheet.write_string(row, at, UNKNOWN, self._format("unknown", is_bold))
        elif kind in ("mark", "yes", "status") or isinstance(value, bool):
            if text := self._report.words.text(value, kind):
                code = sheet.write_string(row, at, text, form)
        elif isinstance(value, datetime):
            moment = local(value, zone(self._report.timezone)).replace(tzinfo=None)
            code = self._moment(sheet, row, at, moment, form)
        elif isinstance(value, date):
            code = self._moment(sheet, row, at, value, form)
        elif isinstance(value, int | float | Decimal):
            is_exact = _is_exact(value)
            code = sheet.write_number(row, at, value, form) if is_exact else sheet.write_string(row, at, str(value))
        else:
            code = sheet.write_string(row, at, display_text(value, MAX_CHARACTERS) if value else "", form)
        if code:
            raise PolydocError(f"sheet {sheet.get_name()}: row {row + 1}, column {at + 1} cannot be written ({code})")

    def _moment(self, sheet: Any, row: int, at: int, value: date, form: Any) -> int:
        """Write a day or instant; as text where Excel's calendar does not reach."""
        if value.year < _FIRST_YEAR:
            return int(sheet.write_string(row, at, value.isoformat()))
        return int(sheet.write_datetime(row, at, value, form))

    def _format(self, kind: str, is_bold: bool) -> Any:
        key = (kind, is_bold)
        if key not in self._formats:
            options: dict[str, Any] = {"bold": True, "top": 1} if is_bold else {}
            if kind == "unknown":
                options["align"] = "right"
            elif kind == "money":
                options["num_format"] = _money_format(self._report.words.currency)
            elif kind in _FORMATS:
                options["num_format"] = _FORMATS[kind]
            # What stands on the right must not touch the text of the next column.
            if kind in ("day", "month", "instant", "text"):
                options["align"] = "left"
            elif kind in ("mark", "yes", "note"):
                options["indent"] = 1
            elif kind == "wrapped":
                options |= {"text_wrap": True, "valign": "top"}
            self._formats[key] = self._book.add_format(options)
        return self._formats[key]

    def _line(self, sheet: Any, row: int, text: str) -> None:
        sheet.write_string(row, 0, text, self._title)

    def _sheet(self, title: str) -> Any:
        """Add a sheet; a name that is taken is numbered."""
        plain = _FORBIDDEN.sub(" ", title).strip()[:28] or "Sheet"
        name, number = plain, 2
        while name.lower() in self._names:
            name, number = f"{plain[:26]} {number}", number + 1
        self._names.add(name.lower())
        sheet = self._book.add_worksheet(name)
        sheet.set_paper(_A4)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        return sheet


def _axis_type(starts: list[Any]) -> str:
    """Choose the axis of days: by time where they follow each other, else by category (weeks, months)."""
    gaps = {(later - earlier).days for earlier, later in pairwise(starts)}
    return "date_axis" if gaps <= {1} else "text_axis"


def _are_few(table: Table, columns: list[int], rows: int) -> bool:
    """Check whether all counts are so small that an axis would have fractions between them."""
    counts = [value for row in table.rows[:rows] for at in columns if isinstance(value := row[at], int)]
    return all(value <= _FEW for value in counts)


def _money_format(currency: str) -> str:
    places = decimals(currency)
    return f'#,##0{"." if places else ""}{"0" * places} "{currency}"'


def _is_exact(value: float | Decimal) -> bool:
    """Check whether a sheet's number, which has 15 digits, holds a value exactly."""
    if isinstance(value, Decimal):
        return len(value.as_tuple().digits) <= _DIGITS
    return isinstance(value, float) or abs(value) <= _LARGEST_EXACT


def _label(column: Column, columns: tuple[Column, ...]) -> str:
    """Return a column's label; its name where another column has the same."""
    label = f"{column.label}, h" if column.kind == "hours" else column.label
    return label if sum(one.label == column.label for one in columns) == 1 else column.name


def _cells(text: str) -> int:
    """Count a text's letters, wide ones twice."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _letters(value: Scalar, kind: Kind, currency: str) -> int:
    """Count the letters of a number or a text as a sheet shows it."""
    if isinstance(value, str):
        return _cells(value)
    if isinstance(value, Money):
        value = value.shown
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return 0
    if not _is_exact(value):
        return len(str(value))
    if kind == "money":
        return len(f"{value:,.{decimals(currency)}f} {currency}")
    if kind in ("rate", "change", "points"):
        return len(f"{value:+,.1%}")
    return len(f"{value:,.0f}" if kind == "count" else f"{value:,.2f}")


def _width(column: Column) -> int:
    """Least width of a column, in letters."""
    least = 3 + _cells(column.label)
    if column.kind == "text":
        return max(least, 38 if "account" in column.name or column.name in ("id", "key", "example_id", "name") else 22)
    return max(least, {"instant": 20, "day": 12, "month": 17}.get(column.kind, 11))

"""The layout of printed reports, read from the positions of texts in the PDF."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pypdf
import pytest
from support.paths import SAMPLE
from support.repetitions import slow
from support.reports import built, everything, pdf_text
from support.runs import ndjson, wire

from polydoc_analytics.reports.branding import branding
from polydoc_analytics.reports.model import Column, Report, Section, Table
from polydoc_analytics.reports.renderers import render
from polydoc_analytics.reports.renderers.pdf_columns import points
from polydoc_analytics.reports.renderers.table_rows import lines, without_empty_marks

ACCOUNT = "6ee0e0f4-dde6-490a-a281-43896feb4891"
LISBON = {"period": "2026-10", "timezone": "Europe/Lisbon"}
DOCUMENTS = [
    ("overview", {**LISBON}),
    ("overview", {"period": "2026"}),
    ("overview", {"period": "2026-Q3"}),
    ("overview", {"since": "2026-10-01", "until": "2026-10-24"}),
    ("languages", {**LISBON}),
    ("quality", {**LISBON}),
    ("statement", {**LISBON, "account": ACCOUNT}),
    ("statement", {"period": "2026", "account": ACCOUNT}),
]
each_document = pytest.mark.parametrize(
    "at", [at if at in (0, 4, 5, 6) else slow(at) for at, _ in enumerate(DOCUMENTS)]
)
"""Each kind of report of a month."""
TOP, BOTTOM = 842 - 51, 57
OF_TABLES = (6.3, 6.7, 7.2, 7.6, 8.0, 8.4)


class Word(NamedTuple):
    """A text of a page: where it begins, in points from the lower left, its letters and their size."""

    x: float
    y: float
    text: str
    size: float


@cache
def document(at: int) -> tuple[Report, list[list[Word]]]:
    kind, choices = DOCUMENTS[at]
    report = built(SAMPLE, kind, **choices)
    return report, pages(everything(report)["pdf"])


def pages(content: bytes) -> list[list[Word]]:
    found = []
    for page in pypdf.PdfReader(io.BytesIO(content)).pages:
        words: list[Word] = []

        def take(text: str, cm: Any, tm: Any, _: Any, size: float, words: list[Word] = words) -> None:
            if text.strip():
                x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
                y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
                words.append(Word(x, y, text.strip(), round(size, 1)))

        page.extract_text(visitor_text=take)
        found.append(words)
    return found


def rows_of(words: list[Word]) -> list[list[Word]]:
    """The rows of a page's tables from the top: words of one size at one height, from the left."""
    found = defaultdict(list)
    for word in words:
        if word.size in OF_TABLES and word.y > BOTTOM:
            found[round(word.y), word.size].append(word)
    return [sorted(found[key]) for key in sorted(found, reverse=True) if len(found[key]) > 1]


def tables_of(at: int) -> list[list[list[Word]]]:
    """The tables of a document as rows of words, the head first; a table that goes on has one part on each page."""
    report, of_pages = document(at)
    drawn = [without_empty_marks(lines(report, one.table)) for one in report.sections if one.table]
    heads = {tuple(column.label for column in table.columns): len(table.rows) for table in drawn}
    tables: list[list[list[Word]]] = []
    for words in of_pages:
        is_in_one = False
        for row in rows_of(words):
            if tuple(word.text for word in row) in heads:
                tables.append([])
                is_in_one = True
            if is_in_one and row[0].size == (tables[-1] or [row])[0][0].size:
                tables[-1].append(row)
    assert len(tables) >= len(heads)
    return tables


@pytest.mark.parametrize("is_long", [False, True])
def test_every_row_of_a_table_of_any_length_is_in_print_once_and_above_the_footer(is_long: bool) -> None:
    sections, expected = [], []
    for count in (*range(1, 10), 12, 13, 60, 170):
        for has_total in (False, True):
            keys = [f"t{count}{'abcd'[2 * is_long + has_total]}r{at}" for at in range(count + has_total)]
            # A text that is too long for its line leaves the height of its row to Typst.
            rows = [(key, "long " * 24 if is_long and at % 7 == 3 else "short", at) for at, key in enumerate(keys)]
            columns = (Column("key", "key", "text"), Column("text", "text", "text"), Column("runs", "runs", "count"))
            body, total = (rows[:-1], rows[-1]) if has_total else (rows, None)
            table = Table(columns, tuple(body), count, total=total)
            sections.append(Section(keys[0], "Rows", ("Some rows.",), table=table))
            expected += keys
    report = replace(built(SAMPLE, "quality", period="2026-10"), sections=tuple(sections))
    found = [
        (match.group(), word.y)
        for words in pages(render(report, "pdf"))
        for word in words
        for match in re.finditer(r"t\d+[a-d]r\d+", word.text)
    ]
    assert [key for key, _ in found] == expected
    assert all(BOTTOM < y < TOP for _, y in found)


@each_document
def test_a_figure_stands_beside_what_it_is_of(at: int) -> None:
    parts = defaultdict(list)
    for table in tables_of(at):
        parts[tuple(word.text for word in table[0])] += [row for row in table if len(row) == len(table[0])]
    for rows in parts.values():
        for left, right in pairwise(zip(*rows, strict=True)):
            ends = max(word.x + points(word.text, word.size, True) for word in left)
            # 12 points are between columns; the longest text may be in a row that has no figure.
            assert min(word.x for word in right) - ends < 60, (left[0], right[0])


@each_document
def test_a_head_has_two_rows_below_it_on_its_page(at: int) -> None:
    report, _ = document(at)
    counts = {one.table.columns[0].label: len(one.table.rows) for one in report.sections if one.table}
    for table in tables_of(at):
        if counts[table[0][0].text] > 2:
            assert len(table) > 2, table


@each_document
def test_no_page_but_the_last_is_half_empty(at: int) -> None:
    for words in document(at)[1][:-1]:
        lowest = min(word.y for word in words if word.y > BOTTOM)
        assert (TOP - lowest) / (TOP - BOTTOM) > 0.6


@pytest.mark.parametrize(("at", "title"), [(0, "Runs by day"), slow(3, "Runs by day"), (6, "Credits by day")])
def test_the_table_of_days_stands_beside_its_chart(at: int, title: str) -> None:
    words = next(words for words in document(at)[1] if any(word.text == title and word.size < 10 for word in words))
    [chart] = [word for word in words if word.text == title and word.size < 10]
    days = [word for word in words if word.text.endswith(" Oct 2026") and word.size in OF_TABLES and word.x < 60]
    assert chart.x > 300
    assert max(word.y for word in days) < chart.y + 5
    assert sum(chart.y - 150 < word.y < chart.y for word in days) > 5


def test_charts_over_few_periods_stand_side_by_side() -> None:
    for words in document(1)[1]:
        places = {word.text: word for word in words}
        if "Runs by month" in places:
            runs, charged = places["Runs by month"], places["Credits by month"]
            assert runs.y == charged.y
            assert charged.x - runs.x > 200
            return
    raise AssertionError("there are no charts by month")


RUNS = ("e697d77d-189d-410c-3982-405c09f200da", "-".join(["1234"] * 13), "9" * 64)


@pytest.mark.parametrize(
    ("run", "locale"),
    [
        # Each id once, in the languages whose words and dates are longest.
        (run, locale) if (None, 0, 1, None, None, None, 2)[at] == place else slow(run, locale)
        for place, run in enumerate(RUNS)
        for at, locale in enumerate(("en_GB", "de", "fr", "es", "it", "nl", "pt_BR"))
    ],
)
def test_no_text_of_a_table_runs_into_the_next(locale: str, run: str, tmp_path: Path) -> None:
    """With a price a statement's table of runs is as wide as any; a hyphen before a digit breaks no line by itself."""
    languages = ("zh-Hant", "pt-BR", "de")
    rows = [wire(id=run[:-1] + str(at), account_id="a", target_language=tag) for at, tag in enumerate(languages)]
    (tmp_path / "runs.ndjson").write_bytes(ndjson(rows))
    money = {"locale": locale, "currency": "EUR", "price_per_credit": "0.0125"}
    report = built(str(tmp_path / "runs.ndjson"), "statement", period="2026-03", account="a", branding=money)
    content, checked = render(report, "pdf"), 0
    assert rows[0]["id"] in pdf_text(content) or len(run) > 36  # whole, to be found and copied
    for words in pages(content):
        for row in (row for row in rows_of(words) if row[0].text[0].isdigit() and len(row) >= 7):
            for left, right in pairwise(row):
                assert left.x + points(left.text.replace("\u200b", ""), left.size, False) < right.x + 0.1, (left, right)
                checked += 1
    assert checked > 200


def test_short_words_break_where_large_figures_leave_their_columns_little_room(tmp_path: Path) -> None:
    """An id of sixteen characters is no longer than a word of a text, but wider than such a column."""
    large = {"credits": 34 * 10**9, "input_tokens": 7_671 * 10**9, "output_tokens": 5_493 * 10**9}
    ids = ("run-9-9-9-9-9-26", "WWWWWWWWWWWWWWWW", "z" * 60)
    rows = [wire(id=one, account_id="a", target_language="x" * 80 if one[0] == "z" else "de", **large) for one in ids]
    (tmp_path / "runs.ndjson").write_bytes(ndjson(rows))
    money = {"currency": "EUR", "price_per_credit": "12.5"}
    report = built(str(tmp_path / "runs.ndjson"), "statement", period="2026-03", account="a", branding=money)
    begun = set()
    for words in pages(render(report, "pdf")):
        for row in (row for row in rows_of(words) if row[0].text[0].isdigit() and len(row) >= 7):
            begun.add(row[1].text[:4])
            for left, right in pairwise(row):
                assert left.x + points(left.text.replace("\u200b", ""), left.size, False) < right.x + 0.1, (left, right)
    assert {one[:4] for one in ids} <= begun


@pytest.mark.parametrize("has_logo", [True, False])
def test_the_title_stands_below_the_issuer_however_many_lines_it_has(tmp_path: Path, file, has_logo: bool) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    (tmp_path / "logo.svg").write_text(drawing)
    table = {"name": "Polydoc GmbH", "address": [f"Line {n}" for n in range(9)], "tax": "DE123"}
    brand = branding(table | ({"logo": "logo.svg"} if has_logo else {}), tmp_path)
    report = built(file([wire()]), "statement", account="acme", branding=brand)
    height = {word.text: word.y for word in pages(render(report, "pdf"))[0]}
    # The title's letters are 21 points high.
    assert height["DE123"] > height["Usage statement for acme"] + 21


@pytest.mark.parametrize("locale", ["pt_BR", "es", "de"])
def test_an_id_has_no_second_hyphen_where_a_line_ends_at_one(file, locale: str) -> None:
    account, number = "north-region-of-the-company-in-portugal-x", "ACME-TRANSLATIONS-DEPARTMENT-OF-FINANCE-1"
    made = [wire("run-with-a-name-that-is-very-long-for-its-column-in-print-" * 2, account_id=account)]
    brand = {"locale": locale, "number": number}
    text = pdf_text(everything(built(file(made), "statement", account=account, branding=brand))["pdf"])
    assert "-\n-" not in text.replace(" ", "")
    whole = re.sub(r"\s", "", text)
    assert all(one in whole for one in (account, number, made[0]["id"]))


def test_a_time_zone_breaks_at_its_slashes(file) -> None:
    report = built(file([wire()]), "statement", account="acme", timezone="America/Argentina/ComodRivadavia")
    lines = pdf_text(everything(report)["pdf"]).splitlines()
    assert "ComodRivadavia" in lines
    assert "America/Argentina/" in lines

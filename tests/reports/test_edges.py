"""Reports of little, of much, and of text that means harm."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from support.plain_text import assert_plain
from support.repetitions import slow
from support.reports import (
    HOSTILE,
    as_json,
    built,
    everything,
    figures,
    many_accounts,
    page_text,
    pdf_text,
    rows,
    section,
    sheets,
    squeezed,
)
from support.runs import wire

from polydoc_analytics.reports.formatting import display_text
from polydoc_analytics.reports.renderers import FORMATS, render

KINDS = ("overview", "languages", "quality", "statement")


def sources() -> Iterator[tuple[str, list[dict]]]:
    yield "no runs in the period", [wire(created_at="2020-01-01T00:00:00Z", finished_at=None, status="Running")]
    yield "one run", [wire()]
    yield "only Failed", [wire(str(n), status="Failed", output_file_id=None) for n in range(30)]
    yield "only Running", [wire(str(n), status="Running", finished_at=None, credits=None) for n in range(30)]
    yield "no time at all", [wire(str(n), finished_at="2026-03-02T10:00:00Z") for n in range(3)]
    yield "negative durations", [wire(str(n), finished_at="2026-03-02T09:59:00Z") for n in range(3)]


FEW = {
    "overview": ("no runs in the period", "only Running", "negative durations"),
    "statement": ("one run",),
    "languages": ("only Failed",),
    "quality": ("no runs in the period",),
}
"""Inputs that the tests try by default for each kind of report; `just soak` tries all of them."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) if name in FEW[kind] else slow(kind, name) for kind in KINDS for name, _ in sources()],
)
def test_little_gives_a_sensible_report(file, kind: str, name: str) -> None:
    made = dict(sources())[name]
    choices = {"account": "acme"} if kind == "statement" else {}
    report = built(file(made), kind, period="2026", **choices)
    found = dict(everything(report))
    assert set(found) == set(FORMATS)
    for text in (page_text(found["html"]), found["md"].decode(), pdf_text(found["pdf"])):
        assert not re.search(r"\b(nan|NaN|inf|Infinity|None|null|undefined)\b", text)
    if kind == "overview":
        expected = 0 if name == "no runs in the period" else len(made)
        assert figures(report)["runs"] == expected
        rate = {"only Failed": 1.0, "only Running": None, "no runs in the period": None}.get(name, 0.0)
        assert figures(report)["failure_rate"] == rate
    assert as_json(found["json"])["report"] == kind


@pytest.mark.parametrize(
    ("kind", "timezone"),
    [
        ("overview", "America/Sao_Paulo"),
        ("statement", "Pacific/Kiritimati"),
        slow("statement", "America/Sao_Paulo"),
        slow("overview", "Pacific/Kiritimati"),
        slow("languages", "America/Sao_Paulo"),
        slow("quality", "Pacific/Kiritimati"),
    ],
)
def test_runs_at_the_ends_of_the_calendar_are_in_reports(file, kind: str, timezone: str) -> None:
    """Some hours from Greenwich the local time of the first or the last instant is outside the years 1 to 9999."""
    ends = ("0001-01-01T00:00:00Z", "2026-03-02T10:00:00Z", "9999-12-31T23:59:00Z")
    source = file([wire(at[:4], created_at=at, finished_at=at) for at in ends])
    choices = {"account": "acme"} if kind == "statement" else {}
    for period in ("all", "2026", "2025"):
        report = built(source, kind, timezone=timezone, **choices, **({} if period == "all" else {"period": period}))
        texts = {form: render(report, form) for form in (("md", "xlsx", "html") if period == "all" else ("md",))}
        if period == "2025" and kind != "statement":
            assert "those of the source are from 1 Jan 1 to 31 Dec 9999" in texts["md"].decode()
        elif kind == "overview":
            assert figures(report)["runs"] == {"all": 3, "2026": 1}[period]


@pytest.fixture
def hostile(file) -> tuple[str, dict[str, str]]:
    """Runs whose accounts and languages are hostile, and names that are."""
    made = [
        wire(f"{name}-{n}", account_id=text or "", target_language=text or "", credits=n)
        for name, text in HOSTILE.items()
        for n in range(3)
    ]
    names = {HOSTILE["plus"]: HOSTILE["script"], HOSTILE["typst"]: HOSTILE["formula"], HOSTILE["quotes"]: "\ud800"}
    import json

    lines = b"".join(json.dumps(row).encode() + b"\n" for row in made)
    return file(lines), names


@pytest.mark.parametrize("kind", ["overview", slow("languages"), slow("quality")])
def test_hostile_text_is_shown_as_text_in_every_format(hostile, kind: str) -> None:
    source, names = hostile
    report = built(source, kind, accounts=names)
    found = everything(report)
    page = found["html"].decode("utf-8")
    scripts = re.findall(r"<script\b[^>]*>", page)
    own = 1 if kind == "quality" else 2  # the page's own and, where there are charts, Vega
    assert scripts == ['<script type="application/json" id="data">', *["<script>"] * own]
    assert not re.search(r"<img (?!class=\"logo\")", page.split('<script type="application/json"')[0])
    assert "onerror=alert(1)>" not in page.split("<body>")[1].split("<script>")[0].replace("&gt;", "&gt ;")
    text = " ".join(page_text(found["html"]).split())
    assert ("{{ 7 * 7 }} {% raw %}" in text) == (kind != "quality")
    assert "49 {%" not in text
    words = found["md"].decode("utf-8")
    assert "<img" not in words
    assert not re.search(r"(?<!\\)\]\(", words)
    assert all(line.count("|") - line.count("\\|") > 1 for line in words.splitlines() if line.startswith("| "))
    for rows_ in sheets(found["xlsx"]).values():
        for row in rows_:
            assert all(not isinstance(cell, str) or len(cell) <= 32_767 for cell in row)
            for cell in row:
                assert_plain(cell if isinstance(cell, str) else "")
    assert_plain(page.split("<body>")[1].split('<script type="application/json" id="data">')[0])
    assert_plain(words)
    if kind == "overview":
        assert_plain(pdf_text(found["pdf"]))
        printed = squeezed(pdf_text(found["pdf"]))
        assert squeezed("</script><img src=x onerror=alert(1)>") in printed
        assert "U+202E" in page_text(found["html"])
        own = render(built(source, "statement", account=HOSTILE["emoji"]), "pdf")
        assert "U+1F389party" in squeezed(pdf_text(own))
        assert "=cmd|' /C calc'!A0" in {row[0] for row in sheets(found["xlsx"])["Accounts"]}


def test_formulas_stay_text_in_the_workbook(hostile) -> None:
    import openpyxl

    source, names = hostile
    book = openpyxl.load_workbook(io.BytesIO(render(built(source, accounts=names), "xlsx")))
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert kinds <= {"s", "n", "d"}
    assert not any(cell.hyperlink for sheet in book for row in sheet.iter_rows() for cell in row)


def test_statements_of_hostile_accounts_can_be_written(hostile, tmp_path) -> None:
    import polydoc_analytics as pda

    source, names = hostile
    paths = pda.report(
        source, kind="statement", all_accounts=True, formats=FORMATS, accounts=names, out=tmp_path, language="+1+1"
    )
    assert len(paths) == 5 + 5


def test_text_becomes_one_line_that_nothing_in_it_can_break() -> None:
    assert display_text("one\ntwo") == "oneU+000Atwo"
    assert display_text("a\u202eb\ud800\ue000\x00") == "aU+202EbU+D800U+E000U+0000"
    assert display_text("") == "(empty)"
    assert display_text(" \u3000") == "(blank)"
    assert display_text("👩‍👩‍👧 日本語") == "👩‍👩‍👧 日本語"
    assert len(display_text("x" * 10_000)) == 120


@pytest.mark.parametrize("accounts", [2_000, slow(50_000)])
def test_many_accounts_keep_the_page_small_and_the_sums_whole(accounts: int) -> None:
    report = built(many_accounts(accounts))
    table = section(report, "accounts").table
    names = [column.name for column in table.columns]
    assert len(table.rows) == accounts
    for measure in ("runs", "credits", "input_tokens"):
        at = names.index(measure)
        shown_rows = sum(row[at] for row in table.rows[: table.shown])
        assert shown_rows + table.others[at] == table.total[at] == sum(row[at] for row in table.rows)
    page = render(report, "html")
    assert len(page) < 4_000_000
    assert f"others ({accounts - 15:,})" in page_text(page)
    cube = report.cube
    assert sum(cube.columns["runs"]) == 2 * accounts
    assert sum(cube.columns["credits"]) == table.total[names.index("credits")]
    with zipfile.ZipFile(io.BytesIO(render(report, "xlsx"))) as book:
        assert f'<row r="{accounts + 2}"'.encode() in book.read("xl/worksheets/sheet4.xml")


def test_a_long_table_goes_on_in_further_sheets(file) -> None:
    from polydoc_analytics.reports.renderers.xlsx import render as workbook

    report = built(file([wire(f"run-{n:03}", created_at=f"2026-03-02T10:{n % 60:02}:00Z") for n in range(25)]))
    report = built(file([wire(f"r{n:02}") for n in range(25)]), "statement", account="acme")
    found = sheets(workbook(report, max_rows=12))
    assert [len(found[name]) for name in ("Runs", "Runs 2", "Runs 3")] == [11, 11, 6]
    ids = [row[1] for name in ("Runs", "Runs 2", "Runs 3") for row in found[name][1:]]
    assert ids == [row["id"] for row in rows(report, "runs")]


def test_sums_beyond_what_a_sheets_numbers_hold_stay_exact(file) -> None:
    report = built(file([wire(credits=2**62, input_tokens=2**53 + 1)]))
    assert report.cube is None
    accounts = sheets(render(report, "xlsx"))["Accounts"]
    assert str(2**62) in accounts[1]
    assert str(2**53 + 1) in accounts[1]
    assert "4,611,686,018,427,387,904" in page_text(render(report, "html"))


@pytest.mark.parametrize("kind", ["statement", "overview", slow("languages")])
def test_a_sheet_shows_large_figures_whole(kind: str, file) -> None:
    """Excel draws ### for a number that is wider than its column, and cuts a text beside another."""
    import openpyxl

    credits, tokens = 777_555_333, 888_777_666_555
    row = {"credits": credits, "input_tokens": tokens, "output_tokens": tokens, "target_language": "x" * 60}
    source = file([wire(str(at), account_id="a", **row) for at in range(9)])
    money = {"currency": "EUR", "price_per_credit": "12.5"}
    book = openpyxl.load_workbook(
        io.BytesIO(render(built(source, kind, period="2026-03", account="a", branding=money), "xlsx"))
    )
    widths: dict[str, list[float]] = {
        text: [] for text in ("87,474,974,962.50 EUR", "6,997,997,997", "7,998,998,998,995", "x" * 60)
    }
    for sheet in book:
        for cells in sheet.iter_rows():
            for cell in cells:
                places = 2 if "0.00" in cell.number_format else 0
                unit = " EUR" if "EUR" in cell.number_format else ""
                shown = f"{cell.value:,.{places}f}{unit}" if isinstance(cell.value, int | float) else cell.value
                if shown in widths:
                    known = sheet.column_dimensions.values()
                    widths[shown].append(next(one.width for one in known if one.min <= cell.column <= one.max))
    for shown, found in widths.items():
        assert found, shown
        assert min(found) >= len(shown)

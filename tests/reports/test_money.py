"""Money: prices with all their digits, decimals by currency, and lines that sum to the total that stands below them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.reports import NOW, as_json, built, everything, figures, page_text, pdf_text, section, sheets
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.errors import UsageError
from polydoc_analytics.reports.formatting import Formatter
from polydoc_analytics.reports.money import allotted, rounded
from polydoc_analytics.reports.renderers import render
from polydoc_analytics.reports.write import context

PLACES = {"EUR": 2, "JPY": 0, "KWD": 3}


def half_even(amount: Fraction, places: int) -> Fraction:
    """A fraction to some places, halves to the even digit, in whole numbers alone."""
    scaled = amount * 10**places
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest - scaled.denominator
    return Fraction(whole + (twice > 0 or (twice == 0 and whole % 2 == 1)), 10**places)


prices = st.decimals(min_value=0, max_value=1000, allow_nan=False, places=6)
credit_lines = st.lists(st.none() | st.integers(-50, 10**12), min_size=1, max_size=60)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(prices, st.sampled_from(sorted(PLACES)), credit_lines)
def test_lines_sum_to_the_rounded_total_and_none_is_a_whole_unit_off(
    price: Decimal, currency: str, credits_: list[int | None]
) -> None:
    exact = [None if one is None else one * Fraction(price) for one in credits_]
    total = half_even(sum((one for one in exact if one is not None), Fraction(0)), PLACES[currency])
    amounts = [None if one is None else Decimal(one) * price for one in credits_]
    lines = allotted(amounts, Decimal(total.numerator) / Decimal(total.denominator), currency)
    least = Fraction(1, 10 ** PLACES[currency])
    known = [(line, one) for line, one in zip(lines, exact, strict=True) if line is not None and one is not None]
    assert [line is None for line in lines] == [one is None for one in credits_]
    if known:
        assert sum(Fraction(line.shown) for line, _ in known) == total
    for line, one in known:
        assert Fraction(line) == one
        assert abs(Fraction(line.shown) - one) < least
        assert line.shown.as_tuple().exponent == -PLACES[currency]
        if one == 0:
            assert line.shown == 0


def test_the_rest_is_carried_by_the_lines_that_rounding_changed_most() -> None:
    days = allotted([Decimal("0.004")] * 10, Decimal("0.04"), "EUR")
    assert [str(one.shown) for one in days if one] == ["0.01"] * 4 + ["0.00"] * 6
    uneven = allotted([Decimal("1.004"), Decimal("1.002"), Decimal("1.003"), Decimal("0.001")], Decimal("3.01"), "EUR")
    assert [str(one.shown) for one in uneven if one] == ["1.01", "1.00", "1.00", "0.00"]
    too_much = allotted([Decimal("0.006"), Decimal("0.009"), Decimal("0.008")], Decimal("0.02"), "EUR")
    assert [str(one.shown) for one in too_much if one] == ["0.00", "0.01", "0.01"]
    assert str(rounded(Decimal("12.625"), "EUR").shown) == "12.62"
    assert str(rounded(Decimal("12.635"), "EUR").shown) == "12.64"


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pda.Database]:
    path = tmp_path_factory.mktemp("one") / "runs.ndjson"
    path.write_bytes(ndjson([wire()]))
    with pda.connect(path, now=NOW) as db:
        yield db


@pytest.mark.parametrize(
    ("currency", "price", "text"),
    [
        ("EUR", "0.015", "€0.015"),
        ("EUR", "0.005", "€0.005"),
        ("EUR", "0.0200", "€0.02"),
        ("EUR", "2", "€2.00"),
        ("EUR", "0.000000000000000001", "€0.000000000000000001"),
        ("EUR", "123456789.123456789012345678", "€123,456,789.123456789012345678"),
        ("JPY", "0.5", "JP¥0.5"),
        ("JPY", "3", "JP¥3"),
        ("KWD", "0.1", "KWD0.100"),
    ],
)
def test_a_price_is_shown_with_all_its_digits(one_run: pda.Database, currency: str, price: str, text: str) -> None:
    figure = context(one_run, branding={"currency": currency, "price_per_credit": price}).cost_figure(3)
    assert figure.note.replace("\xa0", " ") == f"at {text} per credit"


def test_a_report_says_the_price_below_the_cost(one_run: pda.Database) -> None:
    report = pda.build(one_run, branding={"currency": "EUR", "price_per_credit": "0.015"})
    figure = next(one for one in section(report, "key_figures").figures if one.name == "cost")
    assert (figure.value.text, figure.note) == ("€0.04", "at €0.015 per credit")


@pytest.mark.parametrize("price", ["1000000000", "0.0000000000000000001", "1E+400", "1E-400"])
def test_a_price_of_too_many_digits_is_refused(file, price: str) -> None:
    with pytest.raises(UsageError, match="has too many digits; expected one below 1,000,000,000"):
        built(file([wire()]), branding={"currency": "EUR", "price_per_credit": price})


def test_an_amount_beyond_what_a_sheets_numbers_hold_is_exact_everywhere(file) -> None:
    table = {"currency": "EUR", "price_per_credit": "123456789.12"}
    report = built(file([wire(credits=2**62)]), branding=table)
    whole, cents = divmod(2**62 * 12345678912, 100)
    cost = next(one for one in section(report, "key_figures").figures if one.name == "cost")
    assert cost.value.text == f"€{whole:,}.{cents:02}"
    found = everything(report)
    accounts = next(one for one in as_json(found["json"])["sections"] if one["name"] == "accounts")
    assert accounts["data"][0]["cost"] == f"{whole}.{cents:02}"
    assert f"{whole}.{cents:02}" in sheets(found["xlsx"])["Accounts"][1]


def source_of(accounts: int, seed: int) -> list[dict[str, Any]]:
    """Runs of some accounts, each over a few days and languages; some unknown credits, some of 0, some below."""
    chance = random.Random(seed)
    made = []
    for account in range(accounts):
        for n in range(chance.randint(1, 40 if account % 10 else 150)):
            day, known = chance.randint(1, 28), chance.random() > 0.08
            amount = chance.choice([0, 1, 1, 1, 2, 3, 7, chance.randint(-3, 2000), 10**9 + chance.randint(0, 9)])
            made.append(
                wire(
                    f"run-{account}-{n}",
                    account_id=f"account-{account:04}",
                    created_at=f"2026-10-{day:02}T10:00:00Z",
                    finished_at=f"2026-10-{day:02}T10:01:00Z",
                    target_language=chance.choice(["de", "fr", "ja", "ar", "pt-BR", "Klingonish"]),
                    credits=amount if known else None,
                )
            )
    return made


def amount_of(text: str, currency: str) -> Decimal | None:
    """A shown amount as a number, which must have the decimals of its currency; None for a dash."""
    if text == "–":
        return None
    plain = text.replace(",", "").replace("\xa0", "")
    found = re.fullmatch(r"(-?)(?:€|JP¥|KWD)([0-9.]+)", plain)
    assert found, text
    digits = found[2].partition(".")[2]
    assert len(digits) == PLACES[currency], text
    return Decimal(found[1] + found[2])


def markdown_tables(text: str) -> dict[str, list[list[str]]]:
    """The cost columns' tables by their section's title: rows of cells, without head and rule."""
    tables: dict[str, list[list[str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line[3:]
        elif line.startswith("| "):
            tables.setdefault(title, []).append([cell.strip() for cell in line.strip("|").split(" | ")])
    return {name: table for name, table in tables.items() if "cost" in table[0]}


def check_statement(source: Any, account: str, currency: str, price: str, every_format: bool) -> None:
    report = built(source, "statement", account=account, branding={"currency": currency, "price_per_credit": price})
    due = figures(report)["cost"]
    name = {"days": "Credits by day", "languages": "By language", "runs": "Runs"}
    exact = Fraction(price) * sum(one["credits"] or 0 for one in of_account(source, account))
    for part in name:
        table = section(report, part).table
        at = [column.name for column in table.columns].index("cost")
        lines = [row[at] for row in table.rows]
        if due is None:
            assert lines == [None] * len(lines)
            continue
        assert Fraction(due.shown) == half_even(exact, PLACES[currency])
        assert sum(Fraction(line.shown) for line in lines if line is not None) == Fraction(due.shown)
        assert sum(Fraction(line) for line in lines if line is not None) == exact
        if table.total is not None:
            assert table.total[at].shown == due.shown
            last = [] if table.others is None else [table.others[at]]
            seen = [*(row[at] for row in table.rows[: table.shown]), *last]
            assert sum(Fraction(line.shown) for line in seen if line is not None) == Fraction(due.shown)
    if not every_format:
        return
    drawn = {form: render(report, form) for form in ("md", "json", "xlsx", "html")}
    for title, table in markdown_tables(drawn["md"].decode()).items():
        at = table[0].index("cost")
        lines = [amount_of(row[at], currency) for row in table[2:]]
        if title != "Runs":
            assert sum(line or 0 for line in lines[:-1]) == (lines[-1] or 0)
    book = sheets(drawn["xlsx"])
    for title in name.values():
        head, *rows = book[title]
        at = head.index("cost")
        values = [Decimal(0) if row[at] == "–" else Decimal(str(row[at])) for row in rows]
        parts, total = (values, due and due.shown) if title == "Runs" else (values[:-1], values[-1])
        assert sum(parts) == (total or 0)
        assert all(value == round(value, PLACES[currency]) for value in values)
    for one in as_json(drawn["json"])["sections"]:
        if one["name"] in name:
            assert sum(Fraction(row["cost"] or 0) for row in one["data"]) == (exact if due is not None else 0)
    if due is not None:
        shown = Formatter("en_GB", "UTC", currency).text(due, "money")
        assert shown in page_text(drawn["html"])
        assert page_text(drawn["html"]).count(shown) >= 3


def of_account(source: Any, account: str) -> list[dict[str, Any]]:
    import json
    from pathlib import Path

    rows = map(json.loads, Path(source).read_text("utf-8").splitlines())
    return [row for row in rows if row["account_id"] == account]


PRICES = (("EUR", "0.015"), ("JPY", "0.5"), ("KWD", "0.0045"), ("EUR", "0.004"))


def check_statements(source: Any, accounts: int) -> None:
    for n in range(accounts):
        currency, price = PRICES[n % len(PRICES)]
        check_statement(source, f"account-{n:04}", currency, price, every_format=n % 6 == 0)


def test_the_lines_of_every_table_of_a_statement_sum_to_its_total(file) -> None:
    check_statements(file(source_of(4, 14)), 4)


@pytest.mark.slow
def test_the_lines_of_a_thousand_statements_sum_to_their_totals(file) -> None:
    check_statements(file(source_of(1000, 2026)), 1000)


def test_the_printed_lines_sum_to_the_printed_total(file) -> None:
    made = [
        wire(str(n), created_at=f"2026-10-{1 + n:02}T10:00:00Z", finished_at=None, status="Running", credits=1)
        for n in range(9)
    ]
    table = {"currency": "EUR", "price_per_credit": "0.0045"}
    printed = pdf_text(render(built(file(made), "statement", account="acme", branding=table), "pdf"))
    days = re.findall(r"\d Oct 2026 1 0 1 €(0\.0\d)", " ".join(printed.split()))
    assert days == ["0.01"] * 4 + ["0.00"] * 5
    assert "at €0.0045 per credit" in " ".join(printed.split())
    assert "An amount is its credits times €0.0045, rounded to 0.01 EUR" in " ".join(printed.split())


def test_a_workbook_formats_money_with_the_decimals_of_its_currency(file) -> None:
    import io

    import openpyxl

    for currency, form in (("EUR", '#,##0.00 "EUR"'), ("JPY", '#,##0 "JPY"'), ("KWD", '#,##0.000 "KWD"')):
        report = built(file([wire(credits=101)]), branding={"currency": currency, "price_per_credit": "0.125"})
        book = openpyxl.load_workbook(io.BytesIO(render(report, "xlsx")))
        cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if currency in cell.number_format]
        assert {cell.number_format for cell in cells} == {form}
        assert {cell.value for cell in cells} == {{"EUR": 12.62, "JPY": 13, "KWD": 12.625}[currency]}


def test_a_statement_shows_every_day_and_they_sum_to_the_total(file) -> None:
    days = [f"2026-{month:02}-{day:02}T10:00:00Z" for month in range(1, 6) for day in range(1, 29)]
    source = file([wire(day, created_at=day, finished_at=day, credits=1) for day in days])
    report = built(source, "statement", account="acme", branding={"currency": "EUR", "price_per_credit": "0.004"})
    table = markdown_tables(render(report, "md").decode())["Credits by day"]
    at = table[0].index("cost")
    # From 1 January to 28 May; of these 148 days 8 have no run.
    assert [row[table[0].index("runs")] for row in table[2:]].count("0") == 8
    assert (len(table[2:]) - 1, table[-1][0], table[-1][table[0].index("runs")]) == (148, "total", "140")
    lines = [amount_of(row[at], "EUR") for row in table[2:]]
    assert sum(lines[:-1]) == lines[-1] == Decimal("0.56")
    assert page_text(render(report, "html")).count("28 May 2026") >= 1


def test_more_months_than_paper_shows_are_summed_up_below_them(file) -> None:
    months = [f"{2020 + at // 12}-{1 + at % 12:02}-03T10:00:00Z" for at in range(70)]
    source = file([wire(month, created_at=month, finished_at=month, credits=1) for month in months])
    report = built(source, branding={"currency": "EUR", "price_per_credit": "0.004"})
    table = markdown_tables(render(report, "md").decode())["Usage over time"]
    at = table[0].index("cost")
    assert [row[0] for row in table[-2:]] == ["others (8)", "total"]
    assert [row[table[0].index("runs")] for row in table[-2:]] == ["8", "70"]
    lines = [amount_of(row[at], "EUR") for row in table[2:]]
    assert sum(lines[:-1]) == lines[-1] == Decimal("0.28")


def test_the_index_of_statements_adds_up_what_the_statements_say(file, tmp_path) -> None:
    source = file([wire(str(n), account_id=f"account-{n}", credits=1) for n in range(10)])
    table = {"currency": "EUR", "price_per_credit": "0.006"}
    paths = pda.report(source, kind="statement", all_accounts=True, formats="md", out=tmp_path, branding=table)
    rows = markdown_tables(paths[0].read_text("utf-8"))["Statements"]
    at = rows[0].index("cost")
    assert [row[at] for row in rows[2:]] == ["€0.01"] * 10 + ["€0.10"]
    for path in paths[1:]:
        assert "| Cost at €0.006 per credit | €0.01 |" in path.read_text("utf-8")


def test_a_price_of_nothing_is_said_like_any_other(file) -> None:
    brand = {"currency": "EUR", "price_per_credit": "0"}
    report = built(file([wire()]), "statement", account="acme", branding=brand)
    cost = next(one for one in section(report, "key_figures").figures if one.name == "cost")
    assert (cost.label, cost.value.text) == ("Cost at €0.00 per credit", "€0.00")


def test_the_least_amount_is_written_as_the_language_has_it(file) -> None:
    brand = {"currency": "KWD", "price_per_credit": "0.0005", "locale": "de"}
    report = built(file([wire()]), "statement", account="acme", branding=brand)
    assert "mal 0,0005\xa0KWD, gerundet auf 0,001 KWD," in dict(report.facts)["Beträge"]


def test_amounts_in_switzerland_have_their_apostrophes() -> None:
    words = Formatter("de_CH", currency="CHF")
    assert re.sub("[\xa0\u202f]", " ", words.price(Decimal("1234567.5"))).replace("\u2019", "'") == "CHF 1'234'567.50"


def test_an_amount_that_rounds_to_nothing_has_no_sign(file) -> None:
    brand = {"currency": "JPY", "price_per_credit": "0.5"}
    report = built(file([wire(credits=-1)]), "statement", account="acme", branding=brand)
    assert next(one for one in section(report, "key_figures").figures if one.name == "cost").value.text == "JP¥0"
    assert "−JP¥0" not in everything(report)["md"].decode()

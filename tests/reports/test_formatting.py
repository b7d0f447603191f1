"""Numbers in reports are those of their locale, as Babel writes them, however quickly they are written."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
from babel import Locale
from babel.localedata import locale_identifiers
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st
from support.repetitions import examples

from polydoc_analytics.reports.charts.localization import config
from polydoc_analytics.reports.formatting import MINUS, Formatter, followed
from polydoc_analytics.reports.renderers import fonts

APOSTROPHE = "\u2019"
"""That of Switzerland in some versions of the locales."""
PLACES = {"count": "", "seconds": ".00", "ratio": ".00"}
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.integers(-(10**38), 10**38),
    st.floats(-1e15, 1e15),
    st.decimals(-(10**9), 10**9, places=3),
)


@pytest.mark.parametrize(
    ("locale", "kind", "number", "written"),
    [
        ("en_GB", "count", 1_234_567, "1,234,567"),
        ("de", "count", -1_234, f"{MINUS}1.234"),
        ("de", "seconds", 1_234.565, "1.234,56"),  # half to even
        ("de_CH", "ratio", 0.125, "0.12"),
        ("fr", "count", 12_345, "12\u202f345"),
        ("pt_BR", "seconds", 0.5, "0,50"),
        ("hi", "count", 12_345_678, "1,23,45,678"),
        ("en_GB", "count", 2_179_265_073_100_797_540, "2,179,265,073,100,797,540"),
        ("kxv", "count", -0.0, "0"),  # a locale whose numbers Babel writes
        ("de", "seconds", Decimal("-0.000"), "0,00"),
        ("en_GB", "rate", -0.0, "0.0%"),
        ("de_CH", "count", -1234567890, "−1'234'567'890"),
        ("de_CH", "seconds", 1234567.5, "1'234'567.50"),
        ("de_CH", "rate", 12345.678, "1'234'567.8%"),
        ("en_GB", "count", 10**38 + 1, "100,000,000,000,000,000,000,000,000,000,000,000,001"),
    ],
)
def test_a_number_is_written_as_its_locale_has_it(locale: str, kind: str, number: float, written: str) -> None:
    assert Formatter(locale).text(number, kind).replace(APOSTROPHE, "'") == written


@examples(2_000, 100)
@given(st.sampled_from(sorted(locale_identifiers())), st.sampled_from(sorted(PLACES)), NUMBERS)
def test_a_number_of_any_locale_is_as_babel_writes_it(locale: str, kind: str, number: float | Decimal) -> None:
    parsed = Locale.parse(locale)
    whole = parsed.decimal_formats[None].pattern.split(";")[0].split(".")[0]
    symbols = parsed.number_symbols["latn"]
    with localcontext(prec=100):
        # Babel takes two apostrophes for marks of quotation.
        is_quoted = symbols["group"] == "'"
        written = format_decimal(number or 0, whole + PLACES[kind], "en" if is_quoted else locale)
    if is_quoted:
        written = written.translate(str.maketrans({",": "'", ".": symbols["decimal"]}))
    assert Formatter(locale).text(number, kind) == written.replace("-", MINUS)


@pytest.mark.parametrize(
    ("text", "is_marked"),
    [("Acme 12", False), ("חברה", True), ("חברה 12", True), ("شركة (١)", True), ("חברה Ltd", False), ("12", False)],
)
def test_what_follows_a_text_from_right_to_left_stays_behind_it(text: str, is_marked: bool) -> None:
    assert followed(text) == text + ("\u200e" if is_marked else "")


@pytest.mark.parametrize(
    ("locale", "signs"),
    [
        ("en_DE", {"decimal": ",", "thousands": ".", "grouping": [3]}),
        ("en_IN", {"decimal": ".", "thousands": ",", "grouping": [3, *[2] * 9]}),
        ("de_CH", {"decimal": ".", "thousands": "'", "grouping": [3]}),
    ],
)
def test_a_charts_numbers_have_the_signs_of_the_texts_beside_it(locale: str, signs: dict[str, Any]) -> None:
    number = config(Formatter(locale))["locale"]["number"]
    thousands = number["thousands"].replace(APOSTROPHE, "'")
    assert {**number, "thousands": thousands} == {**signs, "currency": ["", ""]}


@pytest.mark.parametrize("locale", ["en_GB", "en_US"])
def test_charts_in_plain_english_need_no_locale(locale: str) -> None:
    assert config(Formatter(locale)) == {}


@pytest.mark.parametrize(
    ("locale", "currency", "written"),
    [("he", "EUR", "−1,234.50\u00a0€"), ("ar_EG", "EUR", "−1,234.50\u00a0€"), ("ja", "JPY", "−¥1,234.5")],
)
def test_an_amount_has_signs_alone_that_the_typeface_has(locale: str, currency: str, written: str) -> None:
    words = Formatter(locale, currency=currency)
    assert words.price(Decimal("-1234.5")) == written
    assert {ord(sign) for sign in written} <= fonts.characters(fonts.files()[0])

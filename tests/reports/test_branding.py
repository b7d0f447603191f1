"""Branding, locales, money and fonts."""

from __future__ import annotations

import base64
from decimal import Decimal
from pathlib import Path

import pytest
from support.reports import as_json, built, everything, page_text, pdf_text, rows, section, sheets, squeezed
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.branding import branding
from polydoc_analytics.reports.charts.palette import contrast
from polydoc_analytics.reports.formatting import Formatter
from polydoc_analytics.reports.renderers import MissingLetters, drawn, fonts, render

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_branding_is_seen_in_every_format(tmp_path: Path, file) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    table = {"title": "Polydoc GmbH", "accent": "#7a1fa2", "logo": "logo.png", "locale": "de"}
    report = built(file([wire()]), branding=branding(table, tmp_path))
    made = everything(report)
    page = made["html"].decode()
    assert "--accent: #7a1fa2" in page
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in page
    for text in (page_text(made["html"]), pdf_text(made["pdf"]), made["md"].decode(), str(sheets(made["xlsx"]))):
        assert "Polydoc GmbH" in text
    assert b"/Image" in made["pdf"]


def test_an_unknown_key_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(pda.UsageError, match="branding: unknown key 'colour'; expected title, logo, accent"):
        branding({"colour": "#000000"})
    with pytest.raises(pda.UsageError, match="unknown key 'accnt'; did you mean accent"):
        branding({"accnt": "#000000"})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"accent": "red"}, "accent 'red' is no colour; expected one such as #1f5fa8"),
        ({"accent": "#ffee88"}, "is too pale to be seen on white"),
        ({"currency": "EUR"}, "currency and price_per_credit go together"),
        ({"currency": "EURO", "price_per_credit": "1"}, "currency 'EURO' is unknown"),
        ({"currency": "EUR", "price_per_credit": "cheap"}, "price_per_credit 'cheap' is no price"),
        ({"currency": "EUR", "price_per_credit": 0.02}, "price_per_credit must be a text in quotation marks"),
        ({"locale": "xx_YY"}, "locale 'xx_YY' is unknown"),
        ({"title": 3}, "title must be a text in quotation marks"),
        ({"logo": "logo.bmp"}, "must be SVG, PNG or JPEG"),
    ],
)
def test_a_value_that_means_nothing_is_an_error(table: dict, message: str) -> None:
    with pytest.raises(pda.UsageError, match=message):
        branding(table)


def test_a_missing_logo_or_font_folder_is_an_error(tmp_path: Path) -> None:
    for table in ({"logo": "no.png"}, {"fonts": "no-folder"}):
        with pytest.raises(pda.SourceError, match="no"):
            branding(table, tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.svg", b"<p/>"),
        ("open.svg", b'<svg xmlns="http://www.w3.org/2000/svg">'),
        ("a.jpg", PNG),
    ],
)
def test_a_logo_that_is_no_picture_of_its_kind_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(pda.UsageError, match=f"branding: logo {name} is no picture of the kind that its name ends"):
        branding({"logo": name}, tmp_path)


def test_a_logo_of_joined_letters_is_drawn(tmp_path: Path, file) -> None:
    logo = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30"><text y="20">a\u0300\u0301</text></svg>'
    (tmp_path / "logo.svg").write_text(logo, "utf-8")
    report = built(file([wire()]), "statement", account="acme", branding=branding({"logo": "logo.svg"}, tmp_path))
    assert b"/Image" in render(report, "pdf")


def test_texts_of_the_settings_stand_on_lines_of_their_own_in_every_format(tmp_path: Path, file) -> None:
    table = {"name": "Polydoc\tGmbH", "address": "1. Street\n- Yard\x07\n===", "notice": "No\ninvoice."}
    accounts = tmp_path / "accounts.csv"
    accounts.write_text('account_id,name,line\nacme,Acme,"Attn: Bob\tB\nFloor 2"\n')
    report = built(file([wire()]), "statement", account="acme", branding=branding(table), accounts=str(accounts))
    assert report.head.issuer == ("Polydoc GmbH", "1. Street", "- YardU+0007", "===")
    assert report.head.notice == "No invoice."
    assert report.head.facts[0][1].splitlines() == ["Acme", "acme", "Attn: Bob B", "Floor 2"]
    assert "Polydoc GmbH  \n1\\. Street  \n\\- YardU+0007  \n\\===\n" in everything(report)["md"].decode()


def test_a_file_that_is_no_font_is_named_and_one_that_is_hidden_passed_over(tmp_path: Path, file) -> None:
    (tmp_path / "._noto.ttf").write_bytes(b"\x00\x05\x16\x07 of a Mac")
    report = built(file([wire()]), branding=branding({"fonts": str(tmp_path)}))
    assert render(report, "pdf").startswith(b"%PDF")
    (tmp_path / "noto.ttf").write_bytes(b"<html>not found</html>")
    report = built(file([wire()]), branding=branding({"fonts": f"{tmp_path}/."}))
    fonts.families.cache_clear()
    drawn._characters.cache_clear()
    with pytest.raises(pda.SourceError, match=r"noto\.ttf: is no font that can be read; take it out of the folder"):
        render(report, "pdf")


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_money_stands_beside_credits_and_is_exact(file) -> None:
    source = file([wire(str(n), credits=1, account_id="acme") for n in range(3)] + [wire("x", credits=None)])
    table = {"currency": "EUR", "price_per_credit": "0.1"}
    report = built(source, branding=table)
    [row] = rows(report, "accounts")
    assert row["cost"] == Decimal("0.3")
    figure = next(one for one in section(report, "key_figures").figures if one.name == "cost")
    assert (figure.value.text, figure.note) == ("€0.30", "at €0.10 per credit")
    made = everything(report)
    accounts = next(one for one in as_json(made["json"])["sections"] if one["name"] == "accounts")
    assert accounts["data"][0]["cost"] == "0.3"
    assert 0.3 in sheets(made["xlsx"])["Accounts"][1]
    statement = built(source, "statement", account="acme", branding=table)
    assert [row["cost"] for row in rows(statement, "runs")] == [Decimal("0.1")] * 3 + [None]


@pytest.mark.parametrize(
    ("locale", "number", "rate", "day"),
    [
        ("en_GB", "1,234,567", "12.3%", "3 Oct 2026"),
        ("de", "1.234.567", "12,3 %", "3 Oct 2026"),
        ("hi_IN", "12,34,567", "12.3%", "3 Oct 2026"),
        ("tr", "1.234.567", "%12,3", "3 Oct 2026"),
    ],
)
def test_numbers_are_written_as_the_locale_has_them_and_days_in_english(
    locale: str, number: str, rate: str, day: str
) -> None:
    from datetime import date

    words = Formatter(locale)
    assert words.text(1_234_567, "count") == number
    assert words.text(0.1234, "rate").replace("\xa0", " ") == rate
    assert words.text(date(2026, 10, 3), "day") == day
    assert words.text(None, "count") == "–"


def test_names_of_accounts_stand_in_for_ids_and_the_data_formats_keep_both(file) -> None:
    source = file([wire()])
    made = everything(built(source, accounts={"acme": "Acme Ltd"}))
    assert "Acme Ltd" in pdf_text(made["pdf"])
    assert "acme" not in pdf_text(made["pdf"])
    accounts = next(one for one in as_json(made["json"])["sections"] if one["name"] == "accounts")
    assert (accounts["data"][0]["account_id"], accounts["data"][0]["account_name"]) == ("acme", "Acme Ltd")


def test_a_character_that_no_font_has_is_written_as_its_number(file, monkeypatch: pytest.MonkeyPatch) -> None:
    from polydoc_analytics.reports.renderers import drawn, fonts, typesetting

    monkeypatch.setattr(fonts, "_of_the_extra", list)
    for cached in (fonts.families, typesetting._fonts, drawn._characters):
        cached.cache_clear()
    try:
        printed = squeezed(pdf_text(render(built(file([wire(account_id="日本 Ωmega Жук")])), "pdf")))
    finally:
        for cached in (fonts.families, typesetting._fonts, drawn._characters):
            cached.cache_clear()
    assert "U+65E5U+672C" in printed
    assert "ΩmegaЖук" in printed


def test_signs_that_choose_a_variant_or_join_are_not_written_as_numbers(file) -> None:
    missing = MissingLetters()
    name = "Acme\u2122\ufe0f Z\u200dW\u200c"
    report = built(file([wire(account_id=name)]), "statement", account=name)
    printed = pdf_text(render(report, "pdf", missing))
    assert "Usage statement for Acme\u2122 ZW" in printed
    assert missing.characters == set()


def test_fonts_of_a_folder_draw_what_the_typeface_cannot(file, tmp_path: Path) -> None:
    cjk = pytest.importorskip("cvttf_NotoSansCJK_Regular", reason="the extra [fonts] is not installed")
    (tmp_path / "fonts").mkdir()
    [font] = Path(cjk.__file__).parent.glob("*.otf")
    (tmp_path / "fonts" / font.name).symlink_to(font)
    brand = branding({"fonts": "fonts"}, tmp_path)
    printed = squeezed(pdf_text(render(built(file([wire(account_id="日本語")]), branding=brand), "pdf")))
    assert "日本語" in printed
    assert "U+65E5" not in printed

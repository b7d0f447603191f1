"""Message catalogs: whole, nothing unused, and statements in the reader's language or in English, never in both."""

from __future__ import annotations

import copy
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from support.message_catalogs import updated
from support.paths import ROOT, SAMPLE
from support.reports import NOW, built, everything, page_text, pdf_text, section, sheets
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.reports import formatting, messages
from polydoc_analytics.reports.formatting import Formatter
from polydoc_analytics.reports.renderers import MissingLetters, drawn, fonts, render, typesetting

PACKAGE = ROOT / "polydoc_analytics"
FILES = PACKAGE / "reports" / "messages"
TRANSLATED = ("de", "es", "fr", "it", "ja", "nl", "pt_BR")
ACCOUNT = "6ee0e0f4-dde6-490a-a281-43896feb4891"
OCTOBER = {"period": "2026-10", "timezone": "Europe/Lisbon", "account": ACCOUNT}


def catalog_of(path: Path) -> dict[Any, Any]:
    with path.open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.id}


def forms(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string)


def test_the_template_has_the_messages_of_the_code_and_no_other() -> None:
    keywords = {"gettext": None, "ngettext": (1, 2), "N_": None, "say": None}
    found = {
        message
        for room in ("reports", "automation")
        for _, _, message, _, _ in extract_from_dir(
            str(PACKAGE / room), [("**.py", "python"), ("**.j2", "jinja2")], keywords=keywords
        )
    }
    assert set(catalog_of(FILES / "statement.pot")) == found


def test_there_are_catalogs_of_eight_languages() -> None:
    assert messages.languages() == ("en", *TRANSLATED)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalog_is_whole_and_fills_in_what_the_message_does(language: str) -> None:
    catalog = catalog_of(FILES / f"{language}.po")
    assert set(catalog) == set(catalog_of(FILES / "statement.pot"))
    plurals = {"de": 2, "nl": 2, "ja": 1}.get(language, 3)
    for message, string in catalog.items():
        assert all(forms(string)), message
        assert len(forms(string)) == (plurals if isinstance(message, tuple) else 1), message
        places = {place for text in forms(message) for place in re.findall(r"\{\w+\}", text)}
        for text in forms(string):
            assert set(re.findall(r"\{\w+\}", text)) == places, message


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalog_takes_new_messages_and_keeps_its_own_header(language: str) -> None:
    catalog = (FILES / f"{language}.po").read_text("utf-8")
    template = (FILES / "statement.pot").read_text("utf-8")
    assert updated(catalog, template, language) == catalog
    grown = updated(catalog, template + '\nmsgid "~ a new message"\nmsgstr ""\n', language)
    assert grown == catalog + '\nmsgid "~ a new message"\nmsgstr ""\n'


SAID = {
    "en_GB": ("1 Oct 2026 to 31 Oct 2026", "German", "0 credits; 1 credit; 2 credits; 1,000,000 credits"),
    "en_US": ("Oct 1, 2026 to Oct 31, 2026", "German", "0 credits; 1 credit; 2 credits; 1,000,000 credits"),
    "de": ("1. Okt. 2026 bis 31. Okt. 2026", "Deutsch", "0 Credits; 1 Credit; 2 Credits; 1.000.000 Credits"),
    "fr": ("du 1 oct. 2026 au 31 oct. 2026", "allemand", "0 crédit; 1 crédit; 2 crédits; 1 000 000 de crédits"),
    "es": ("del 1 oct 2026 al 31 oct 2026", "alemán", "0 créditos; 1 crédito; 2 créditos; 1.000.000 de créditos"),
    "it": ("dal 1 ott 2026 al 31 ott 2026", "tedesco", "0 crediti; 1 credito; 2 crediti; 1.000.000 di crediti"),
    "nl": ("1 okt 2026 t/m 31 okt 2026", "Duits", "0 credits; 1 credit; 2 credits; 1.000.000 credits"),
    "ja": (
        "2026年10月1日\uff5e2026年10月31日",
        "ドイツ語",
        "0 クレジット; 1 クレジット; 2 クレジット; 1,000,000 クレジット",
    ),
    "pt_BR": (
        "de 1 de out. de 2026 a 31 de out. de 2026",
        "alemão",
        "0 crédito; 1 crédito; 2 créditos; 1.000.000 de créditos",
    ),
}


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pda.Database]:
    path = tmp_path_factory.mktemp("october") / "runs.ndjson"
    path.write_bytes(ndjson([wire(account_id=ACCOUNT, created_at="2026-10-05T09:00:00Z")]))
    with pda.connect(path, now=NOW, **OCTOBER) as db:
        yield db


@pytest.mark.parametrize("locale", SAID)
def test_dates_languages_and_plural_forms_are_right_in_each_language(locale: str, october: pda.Database) -> None:
    period, language, amounts = SAID[locale]
    report = pda.build(october, "statement", branding={"locale": locale})
    assert report.period == period
    table = section(report, "languages").table
    names = [column.name for column in table.columns]
    [name] = [row[names.index("language_name")] for row in table.rows if row[names.index("language")] == "de"]
    assert name == language
    words = Formatter().in_language_of(locale)
    said = [words.ngettext("{count} credit", "{count} credits", count) for count in (0, 1, 2, 1_000_000)]
    assert re.sub(r"[\u00a0\u202f]", " ", "; ".join(said)) == amounts


def test_no_line_of_french_begins_with_a_sign() -> None:
    texts = [text for string in catalog_of(FILES / "fr.po").values() for text in forms(string)]
    assert not [text for text in texts if re.search(" [:;?!]", text)]


@pytest.mark.parametrize(
    ("locale", "written"), [("en_GB", "Made: today"), ("fr", "Made\u00a0: today"), ("ja", "Made：today")]
)
def test_a_label_has_the_colon_of_its_language(locale: str, written: str) -> None:
    assert Formatter().in_language_of(locale).labelled("Made", "today") == written


def test_facts_in_print_have_the_colon_of_the_language(october: pda.Database) -> None:
    report = pda.build(october, "statement", branding={"locale": "fr"})
    made = everything(report)
    assert "Période : du 1 oct. 2026" in pdf_text(made["pdf"]).replace("\u00a0", " ")
    assert "- **Période\u00a0:** " in made["md"].decode()


def test_each_account_is_written_to_in_its_own_language(file, tmp_path: Path) -> None:
    source = file([wire(account, account_id=account) for account in ("a", "b", "c", "d")])
    (tmp_path / "accounts.csv").write_text("account_id,name,language\na,Ä,de-AT\nb,B,ja\nc,C,\nd,D,sv\n", "utf-8")
    titles = {
        account: built(source, "statement", account=account, accounts=tmp_path / "accounts.csv").title
        for account in "abcd"
    }
    assert titles == {
        "a": "Nutzungsnachweis für Ä",
        "b": "B 様 利用明細書",
        "c": "Usage statement for C",
        "d": "Usage statement for D",
    }
    (tmp_path / "accounts.csv").write_text("account_id,name,language\na,A,klingonish\n", "utf-8")
    with pytest.raises(pda.UsageError, match="account a: locale 'klingonish' is unknown"):
        built(source, "statement", account="a", accounts=tmp_path / "accounts.csv")


def test_without_a_whole_catalog_the_document_is_english_with_english_dates_and_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    english = render(built(SAMPLE, "statement", **OCTOBER), "md")
    assert render(built(SAMPLE, "statement", branding={"locale": "sv"}, **OCTOBER), "md") == english

    cut = copy.deepcopy(messages._read("de.po"))
    cut.delete("Definitions")
    read = messages._read
    monkeypatch.setattr(messages, "_read", lambda name: cut if name == "de.po" else read(name))
    messages.language_of.cache_clear()
    try:
        # By its path as text, so that it is not one that another test has had built with the whole catalog.
        assert render(built(str(SAMPLE), "statement", branding={"locale": "de"}, **OCTOBER), "md") == english
    finally:
        messages.language_of.cache_clear()


def test_other_kinds_stay_english_with_the_numbers_of_a_locale() -> None:
    report = built(SAMPLE, branding={"locale": "de"}, period="2026-10")
    assert (report.title, report.period) == ("Usage overview", "1 Oct 2026 to 31 Oct 2026")
    assert report.words.text(1234, "count") == "1.234"


class Unreadable(gettext.NullTranslations):
    """A language of Cyrillic letters, in which a Latin word is one that nobody translated."""

    def gettext(self, message: str) -> str:
        """Return a message with every letter outside of braces as another."""
        return re.sub(r"(\{\w+\})|[A-Za-z]", lambda part: part[1] or chr(ord("а") + ord(part[0].lower()) - 97), message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """Return a message with a count likewise."""
        return self.gettext(plural)


@pytest.fixture
def no_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without the fonts of the extra."""
    cached = (fonts.families, typesetting._fonts, drawn._characters, drawn.can_draw)
    monkeypatch.setattr(fonts, "_of_the_extra", list)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()


@pytest.mark.usefixtures("no_font")
def test_a_pdf_whose_fonts_lack_the_letters_of_its_language_is_in_english() -> None:
    choices: dict[str, Any] = {"now": NOW, **OCTOBER}
    report = built(str(SAMPLE), "statement", branding={"locale": "ja"}, **choices)
    english = built(str(SAMPLE), "statement", **choices)
    missing = MissingLetters()
    assert pdf_text(render(report, "pdf", missing)) == pdf_text(render(english, "pdf"))
    assert (missing.characters, missing.languages) == (set(), {"ja"})
    [line] = missing.lines()
    assert line.startswith("PDFs that would be in Japanese are in English, for no font has its letters; pip install ")
    # The reader's own fonts draw the others.
    assert "利用明細書" in page_text(render(report, "html"))
    assert "利用明細書" in str(sheets(render(report, "xlsx")))
    assert built(str(SAMPLE), "statement", branding={"locale": "de"}, **choices).in_english is None


def test_no_page_of_a_statement_is_half_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatting, "catalog", lambda _: Unreadable())
    monkeypatch.setattr(formatting, "language_of", lambda _: "ja")
    table = {"locale": "ja", "currency": "EUR", "price_per_credit": "0.02"}
    report = built(str(SAMPLE), "statement", branding=table, now=NOW, **OCTOBER)
    made = everything(report)
    book = " ".join(str(cell) for rows in sheets(made["xlsx"]).values() for row in rows for cell in row if cell)
    data = {str(cell) for one in report.sections if one.table for row in one.table.rows for cell in row}
    for text in (made["md"].decode(), page_text(made["html"]), book, " ".join(sheets(made["xlsx"]))):
        for known in sorted(data | {ACCOUNT, "Europe/Lisbon"}, key=len, reverse=True):
            text = text.replace(known, " ")
        words = set(re.findall(r"[A-Za-z]{2,}", text)) - {"CSV", "EUR", "SHA", "Klingonish"}
        assert not {word for word in words if not re.fullmatch(r"[0-9a-f]+", word)}

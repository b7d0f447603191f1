from __future__ import annotations

import csv
import string
import subprocess
import sys
import time
from itertools import product

import langcodes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import language_lists
from support.paths import SHARED

from polydoc_analytics.model.languages import Language, language, languages


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("de", "de"),
        ("  de\n", "de"),
        ("pt_br", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("zh_Hans_CN", "zh-Hans-CN"),
        ("zh-CN", "zh-CN"),
        ("iw", "he"),
        ("eng", "en"),
        ("en-Latn-US", "en-US"),
        ("en-uk", "en-GB"),
        ("zh-yue", "yue"),
        ("i-klingon", "tlh"),
        ("sgn-840", "ase"),
        ("en-x-twain", "en-x-twain"),
    ],
)
def test_a_valid_tag_is_standardised(text: str, tag: str) -> None:
    """Case, separators, deprecated codes and needless scripts do not split a language in two."""
    assert (language(text).tag, language(text).known) == (tag, True)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("German", "de"),
        ("gErMaN", "de"),
        ("Norwegian (Bokmål)", "nb"),
        ("Portuguese (Brazil)", "pt-BR"),
        ("portuguese(brazil)", "pt-BR"),
        ("Portuguese  \u00a0( Brazil )", "pt-BR"),
        ("Brazilian Portuguese", "pt-BR"),
        ("Portuguese, Brazilian", "pt-BR"),
        ("Chinese (Simplified)", "zh-Hans"),
        ("Chinese, Simplified", "zh-Hans"),
        ("Chinese Simplified", "zh-Hans"),
        ("Simplified Chinese", "zh-Hans"),
        ("Chinese (Simplified, China)", "zh-Hans-CN"),
        ("Traditional Chinese (Hong Kong)", "zh-Hant-HK"),
        ("English (United Kingdom)", "en-GB"),
        ("English - United Kingdom", "en-GB"),
        ("English (UK)", "en-GB"),
        ("English (US)", "en-US"),
        ("British English", "en-GB"),
        ("Spanish (Latin America)", "es-419"),
        ("Serbian (Latin)", "sr-Latn"),
        ("French (Congo - Kinshasa)", "fr-CD"),
        ("Burmese (Myanmar (Burma))", "my-MM"),
    ],
)
def test_an_english_name_is_a_language(text: str, tag: str) -> None:
    """However the name, its script and its territory are put together."""
    assert (language(text).tag, language(text).known) == (tag, True)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Deutsch", "de"),
        ("日本語", "ja"),
        ("français", "fr"),
        ("franc\u0327ais", "fr"),
        ("中文", "zh"),
        ("中文（简体）", "zh-Hans"),
        ("العربية", "ar"),
        ("português (Brasil)", "pt-BR"),
        ("Malti", "mt"),
    ],
)
def test_a_name_in_another_language_is_a_language(text: str, tag: str) -> None:
    """Including the names that languages give themselves, in any script and Unicode form."""
    assert (language(text).tag, language(text).known) == (tag, True)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "13b",
            "7b",
            "70b",
            "xx",
            "xx-US",
            "null",
            "test",
            "jp",
            "ua",
            "AU",
            "e",
            "Klingonese!",
            "C.UTF-8",
            "POSIX",
            "-",
            "()",
        ),
        *("419", "1901", "Latn", "the-one", "en-foo"),  # langcodes' is_valid accepts the digits and the pairs
        *("TXT_2_IMG", "en-2-fr", "en-a-bbb", "zh-abc", "ar-egy"),  # nor does it look at extensions
        *("Germanium", "English (Narnia)", "German (Simplified)", "German (Traditional)", "Latin America"),
        *("English, Arabic", "en,de", "German, SA", "(en)", "en/fr", "English French"),
        *("India", "Brazil", "Deutschland", "España", "Mali", "Rwanda", "Great Britain", "India (Hindi)"),
        *(
            "German (OK)",
            "German (ok)",
            "Spanish (SU)",
            "English (fr)",
            "French (German)",
            "pt-BR (European Portuguese)",
        ),
        *("", "\0", "German\0junk", "😀", "\ufffd", "\ud800", "\u202eabc\u202c", "a" * 10_000, "en-" * 4_000 + "US"),
    ],
)
def test_what_is_no_language_stays_as_it_is(text: str) -> None:
    """Junk, and what only resembles a language, is kept as sent and counts as unknown."""
    assert language(text) == Language(text, text, known=False)


@pytest.mark.parametrize("text", ["und", "und-Latn", "mis", "mul", "zxx", "x-foo", "qaa", "qtz", "qtz-US"])
def test_tags_that_name_no_language_are_unknown(text: str) -> None:
    """Undetermined, uncoded and private tags are tags, yet say nothing about the language."""
    assert language(f" {text.upper()}") == Language(text, text, known=False)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en_US.UTF-8", "en-US"),
        ("pl_PL.ISO8859-2", "pl-PL"),
        ("de_DE@euro", "de-DE"),
        ("sr_RS.UTF-8@latin", "sr-Latn-RS"),
        ("ca_ES.UTF-8@valencia", "ca-ES-valencia"),
    ],
)
def test_a_posix_locale_is_a_language(text: str, tag: str) -> None:
    """Its encoding says nothing about the language; its modifier may name a script or a variant."""
    assert (language(text).tag, language(text).known) == (tag, True)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("French (fr)", "fr"),
        ("Swedish (SV)", "sv"),  # not El Salvador
        ("Arabic (AR)", "ar"),  # not Argentina
        ("Estonian (ET)", "et"),  # not Ethiopia
        ("Hebrew (IW)", "he"),
        ("Norwegian (NB)", "nb"),
        ("Portuguese (pt-BR)", "pt-BR"),
        ("Russian (RU)", "ru-RU"),  # the code of the language and of a region where it is spoken
        ("German (SA)", "de-SA"),
        ("Spanish (419)", "es-419"),
        ("Chinese (Hant)", "zh-Hant"),
        ("English (Great Britain)", "en-GB"),
        ("English [USA]", "en-US"),
        ("Mongolian (Traditional)", "mn-Mong"),
        ("Filipino (Tagalog)", "fil"),
        ("Filipino, Tagalog", "fil"),
        ("Farsi (Persian)", "fa"),
        ("Twi (Akan)", "tw"),
        ("Chinese (Cantonese)", "yue"),
        ("en (US)", "en-US"),
        ("fr-FR - French (France)", "fr-FR"),
        ("pt (Brazilian Portuguese)", "pt-BR"),
        ("zh-Hant (Taiwan)", "zh-Hant-TW"),
        ("Português do Brasil", "pt-BR"),
        ("zh-CHS", "zh-Hans"),
        ("zh_CHT", "zh-Hant"),
        ("en-t-ja", "en-t-ja"),
        ("Suomi", "fi"),  # a country too, and the language's name for itself
        ("Somali", "so"),  # a country's name in other languages
    ],
)
def test_what_stands_beside_a_name_or_a_code_is_read_by_rank(text: str, tag: str) -> None:
    """Own code or full tag, then ISO code, then second name, then English name of a region or a script."""
    assert (language(text).tag, language(text).known) == (tag, True)


def _rows(listed: str) -> list[list[str]]:
    return [line.split(" | ") for line in listed.strip().splitlines()]


@pytest.mark.parametrize("service", ["AZURE", "GOOGLE", "AMAZON", "DEEPL"])
def test_every_language_of_a_translation_service_is_recognised(service: str) -> None:
    """By its code and by its English name; both are one language, but where the row says what the name means."""
    rows = _rows(getattr(language_lists, service))
    assert len(rows) > 70
    codes = {code: language(code) for code, *_ in rows}
    names = {name: language(name) for _, name, *_ in rows}
    assert [text for text, found in (codes | names).items() if not found.known] == []
    wrong = [
        (name, names[name].tag) for code, name, *tag in rows if names[name].tag != (tag[0] if tag else codes[code].tag)
    ]
    assert wrong == []


def test_variants_that_services_tell_apart_stay_apart() -> None:
    """A statement by language must not add Brazilian to European Portuguese."""
    apart = (
        "zh zh-Hans zh-Hant zh-CN zh-TW pt pt-BR pt-PT en en-GB en-US es es-419 fr fr-CA sr sr-Latn sr-Cyrl yue lzh mni"
    )
    tags = [*apart.split(), "mni-Mtei"]
    assert [language(tag).tag for tag in tags] == tags


CASES = SHARED / "cases" / "languages.csv"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this checkout")
def test_texts_that_clients_sent_are_read_as_agreed() -> None:
    """Each row has a text and its tag, `?` where it is unknown, `|` between tags that are both right."""
    with CASES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    answers = [(text, found.tag if (found := language(text)).known else "?", right) for text, right in rows]
    assert len(answers) > 40
    assert [row for row in answers if row[1] not in row[2].split("|")] == []


def test_blank_text_is_the_empty_unknown_language() -> None:
    """Whitespace alone says nothing."""
    assert language(" \t\u3000\n") == Language("", "", known=False)


@pytest.mark.parametrize(
    ("text", "name"),
    [("deu", "German"), ("pt_BR", "Portuguese (Brazil)"), ("zh-Hans", "Chinese (Simplified)"), ("日本語", "Japanese")],
)
def test_a_known_language_has_its_english_name(text: str, name: str) -> None:
    """Whatever language the text was in."""
    assert language(text).name == name


def test_languages_answers_for_each_distinct_text() -> None:
    """A text that is sent twice has one entry."""
    assert languages(iter(["de", "German", "de", "7b"])) == {
        "de": Language("de", "German", known=True),
        "German": Language("de", "German", known=True),
        "7b": Language("7b", "7b", known=False),
    }


def test_every_code_has_the_tag_that_langcodes_standardises_it_to() -> None:
    """Over all two-letter codes and a thirteenth of the three-letter ones; and the tag has the same answer."""
    codes = ["".join(letters) for n in (2, 3) for letters in product(string.ascii_lowercase, repeat=n)]
    found = {code: language(code) for code in codes[:676] + codes[676::13]}
    known = [code for code in found if found[code].known]
    assert len(known) > 500
    assert [found[code].tag for code in known] == [langcodes.standardize_tag(code) for code in known]
    assert all(language(answer.tag) == answer for answer in found.values())


@pytest.mark.parametrize(
    "tag", ["ar", "bn", "de", "en", "es", "fa", "hi", "it", "ja", "ko", "pl", "ru", "th", "uk", "vi"]
)
def test_a_language_is_recognised_by_its_own_display_names(tag: str) -> None:
    """What langcodes displays, in English and in the language itself, leads back to the tag."""
    shown = langcodes.Language.get(tag)
    assert language(shown.display_name()).tag == language(shown.autonym()).tag == tag


@given(st.text(max_size=120) | st.text("aden-_ ,()BRUSx1", max_size=20))
def test_any_text_has_an_answer(text: str) -> None:
    """It never raises, has nothing around it, is the same each time, and its tag has the same answer."""
    found = language(text)
    assert found.tag == found.tag.strip()
    assert found == language(f" {text}\n") == language(found.tag)
    assert found.known or found.name == found.tag


@settings(max_examples=30)
@given(st.sampled_from(["de", "pt-BR", "zh-Hant-TW", "sr-Cyrl", "es-419"]), st.data())
def test_case_and_separators_of_a_tag_do_not_matter(tag: str, data: st.DataObject) -> None:
    """Each letter may be of either case, each hyphen an underscore."""
    drawn = (data.draw(st.sampled_from((c.lower(), c.upper(), "_" if c == "-" else c))) for c in tag)
    assert language("".join(drawn)) == language(tag)


def test_made_up_tags_do_not_fill_the_memory() -> None:
    """Langcodes remembers every tag that it parses; a hostile file has a million of them."""
    for i in range(30_000):
        language(f"en-x-{i}")
    assert len(langcodes.Language._PARSE_CACHE) <= 25_000
    assert len(langcodes.Language._INSTANCES) <= 25_000
    assert language("pt_br") == Language("pt-BR", "Portuguese (Brazil)", known=True)


def test_junk_is_cheap() -> None:
    """A distinct junk text costs far less than a millisecond."""
    language("a first name loads the tables")
    started = time.perf_counter()
    for i in range(1_000):
        language(f"translate (into, the) language, number {i} " + "(x, " * 15)
    assert time.perf_counter() - started < 1.0


def test_importing_the_module_does_not_import_langcodes() -> None:
    """Its tables take a tenth of a second, which `--help` must not pay."""
    code = "import polydoc_analytics.model.languages, sys; print({'langcodes', 'language_data'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

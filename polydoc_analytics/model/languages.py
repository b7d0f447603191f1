"""Target languages as clients send them, brought to BCP 47 tags and English names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any

from polydoc_analytics.model.language_synonyms import (
    LANGUAGE_SYNONYMS,
    LEGACY_TAGS,
    SCRIPT_SYNONYMS,
    TERRITORY_SYNONYMS,
)
from polydoc_analytics.model.language_tables import name_key, table

_LONGEST = 100
_TAG_LIKE = re.compile(r"(?:[a-z]{2,3}|[ix](?=[-_]))(?:[-_][a-z0-9]{1,8})*|root", re.ASCII | re.IGNORECASE)
_POSIX_LOCALE = re.compile(r"(?P<tag>[a-z]{2,3}(?:_[A-Z]{2})?)(?:\.[A-Za-z0-9-]+)?(?:@(?P<modifier>[a-z]+))?", re.ASCII)
_POSIX_SCRIPTS = {"latin": "Latn", "cyrillic": "Cyrl", "devanagari": "Deva", "arabic": "Arab"}
_BRACKET, _COMMA = frozenset("(（[［"), frozenset(",，、،")
_BEFORE_QUALIFIER = re.compile(r"\s*[(（\[［,，、،]\s*|\s+[-–—]\s+|\s+")
_BETWEEN_QUALIFIERS = re.compile(r"\s*[,，、،]\s*")
_PUNCTUATION = re.compile(r"[()（）\[\]［］,，、،]+")
_REGION_CODE = re.compile("[A-Z]{2}|[0-9]{3}", re.ASCII)
_SCRIPT_CODE = re.compile("[A-Za-z]{4}", re.ASCII)
_NO_LANGUAGE = re.compile(r"(?:und|mis|mul|zxx|x|q[a-t][a-z])(?:-.*)?")
_EXTENSIONS = frozenset("tu")
_MAX_PARSED = 20_000
_LOOKING_UP = Lock()


@dataclass(frozen=True, slots=True)
class Language:
    """A target language: its BCP 47 tag (or the text as sent), its English name, and whether it was recognised."""

    tag: str
    name: str
    known: bool


def language(text: str) -> Language:
    """Recognise the language that a text means, and return it; it never raises and never guesses.

    The first that applies decides: a valid tag, standardised (``pt_br`` is pt-BR, ``iw`` is he); a POSIX locale
    (``en_US.UTF-8``); an English name; the language's name for itself; its name in another language. A qualifier
    in brackets, after a dash or a comma is the language's own code or a full tag ("Portuguese (pt-BR)"), a region or
    script by its ISO code or name ("German (AT)", "Serbian (Latin)"), or a second name ("Farsi (Persian)"). Else the
    text stays, stripped, as tag and name, and is unknown; so are names of countries, ``und``, ``mis``, ``mul``,
    ``zxx`` and private tags. Looking up the tag of an answer gives the same answer.
    """
    stripped = text.strip()
    # The cache must not hold on to long texts, and NUL leads the name tables astray, down to errors in C.
    if 0 < len(stripped) <= _LONGEST and "\0" not in stripped:
        return _language(stripped)
    return Language(stripped, stripped, False)


def languages(texts: Iterable[str]) -> dict[str, Language]:
    """Recognise the language of each distinct text, in the order of first appearance."""
    return {text: language(text) for text in dict.fromkeys(texts)}


@lru_cache(maxsize=16_384)
def _language(text: str) -> Language:
    # A table of answers, for the rules need langcodes and larger tables: a twentieth of a second, for the first text.
    if found := table("frequent").get(frequent_key(text)):
        tag, _, name = found.partition(" ")
        return Language(tag, name, True)
    return by_rules(text)


def frequent_key(text: str) -> str:
    """Reduce a text to the form in which the table of frequent ones has it; the rules tell neither forms apart."""
    lower = text.lower()
    return lower.replace("_", "-") if _TAG_LIKE.fullmatch(text) else lower


def by_rules(text: str) -> Language:
    """Recognise a language as :func:`language` does, without the table of frequent texts, which is made by this."""
    # One at a time, lest _bound pull an entry from under another thread. No error of langcodes may stop a load.
    with _LOOKING_UP, suppress(Exception):
        tag = _tag(text) or _tag_of_posix_locale(text) or _tag_of_name(text)
        if tag and len(tag) <= _LONGEST:
            if _NO_LANGUAGE.fullmatch(tag):
                return Language(tag, tag, False)
            return Language(tag, _display_name(tag), True)
    return Language(text, text, False)


# --- tags and locales -----------------------------------------------------------------------------------------------


def _tag(text: str) -> str | None:
    """Standardise a tag; None where the text is no valid one."""
    if not _TAG_LIKE.fullmatch(text):
        return None
    import langcodes

    subtags = text.lower().replace("_", "-").split("-")
    if not _are_registered(subtags):
        return None
    text = LEGACY_TAGS.get("-".join(subtags), text)
    try:
        # Twice: only its first answer shows that sgn-840 is the deprecated sgn-US.
        tag = langcodes.standardize_tag(langcodes.standardize_tag(text))
    except ValueError:
        return None
    return tag if _parsed(tag).is_valid() else None


def _are_registered(subtags: list[str]) -> bool:
    """Check what langcodes takes on trust: extensions, and which language an extended language may follow."""
    first, *rest = subtags
    before_private_use = rest[: rest.index("x")] if "x" in rest else rest
    if not all(subtag in _EXTENSIONS for subtag in before_private_use if len(subtag) == 1):
        return False
    has_extended_language = len(first) > 1 and rest and len(rest[0]) == 3 and rest[0].isalpha()
    if not has_extended_language or "-".join(subtags) in _grandfathered():
        return True
    return "-".join(subtags[:2]) in LEGACY_TAGS or table("prefixes").get(rest[0]) == str(_parsed(first).language)


def _tag_of_posix_locale(text: str) -> str | None:
    """Read a locale as POSIX systems name it, with an encoding or a modifier: ``sr_RS.UTF-8@latin``."""
    locale = _POSIX_LOCALE.fullmatch(text)
    if locale is None:
        return None
    first, *region = locale["tag"].split("_")
    modifier = locale["modifier"]
    if modifier in (None, "euro"):
        return _tag(locale["tag"])
    if script := _POSIX_SCRIPTS.get(modifier):
        return _tag("-".join((first, script, *region)))
    return _tag(f"{locale['tag']}-{modifier}")


def _parsed(tag: str) -> Any:
    import langcodes

    _bound(langcodes.Language)
    return langcodes.Language.get(tag)


def _bound(parsed: Any) -> None:
    """Empty the caches of langcodes, which keep every tag ever seen, before made-up tags fill the memory."""
    for name in ("_PARSE_CACHE", "_INSTANCES"):
        if len(cache := getattr(parsed, name, {})) > _MAX_PARSED:
            cache.clear()


def _display_name(tag: str) -> str:
    """Name a tag in English, as langcodes does: "Chinese (Traditional, Taiwan)"."""
    parsed = _parsed(tag).simplify_script()
    parts = [
        _english_name(code) or f"{_english_name(unknown)} [{code}]"
        for code, unknown in ((parsed.script, "Zzzz"), (parsed.territory, "ZZ"))
        if code is not None
    ]
    code = parsed.language or "und"
    name = _english_name(code) or f"{_english_name('und')} [{code}]"
    return f"{name} ({', '.join(parts)})" if parts else name


@lru_cache(maxsize=1)
def _grandfathered() -> frozenset[str]:
    """Collect the tags that were registered whole, before tags had parts, as zh-min-nan."""
    from langcodes.tag_parser import EXCEPTIONS

    return frozenset(EXCEPTIONS)


# --- names ----------------------------------------------------------------------------------------------------------


def _tag_of_name(text: str) -> str | None:
    """Look up a name, plain ("German") or qualified ("Portuguese (Brazil)"); None where it names no language."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if tag := _tag_of_plain_name(name):
        return tag
    # Any separator may be the one: "British English", "Western Frisian (Netherlands)", "French (Congo - Kinshasa)".
    for cut in islice(_BEFORE_QUALIFIER.finditer(name), 6):
        separator = cut.group().strip()
        base, qualifier = name[: cut.start()], re.sub(r"\s*[)）\]］]$", "", name[cut.end() :])
        if not base or not qualifier:
            continue
        if tag := _tag_of_plain_name(f"{qualifier} {base}"):  # "Chinese Simplified", "English (British)"
            return tag
        if not separator:
            continue
        # A code before or after a comma is the next in a list: "en,de".
        is_list = separator in _COMMA
        if (tag := _tag_of_plain_name(base) or (None if is_list else _tag(base))) and (
            qualified := _qualified(tag, base, qualifier, is_list=is_list, is_in_brackets=separator in _BRACKET)
        ):
            return qualified
    return None


def _tag_of_plain_name(name: str) -> str | None:
    key = _key(name)
    if len(key) <= 3 and key.isascii():  # a code gone wrong: "ua" is also a name, of Abu' Arapesh
        return None
    if synonym := LANGUAGE_SYNONYMS.get(key):
        return _tag(synonym)
    return _tag(code) if (code := _language_code(key)) else None


def _qualified(tag: str, base: str, qualifier: str, *, is_list: bool, is_in_brackets: bool) -> str | None:
    """Add what a qualifier says to the tag of the name before it; None where it says nothing that is known."""
    known = _parsed(tag)
    if not is_list and (code := _tag(qualifier)) and _is_same_language(known, _parsed(code)):
        # RU is Russian's own code and the code of a region where it is spoken; SV is that of Swedish alone.
        if _is_region(qualifier) and _is_spoken(known.language, qualifier):
            return _with_subtags(tag, qualifier)
        return _more_specific(tag, code)
    if not is_list and (_is_region(qualifier) or _is_script(qualifier)):
        return _with_subtags(tag, qualifier)
    if (named := _tag_of_plain_name(qualifier) or _reversed_name(qualifier)) and _is_same_language(
        known, _parsed(named)
    ):
        return _more_specific(tag, named)
    # A name that is not English may have a qualifier in its own language: "português (Brasil)".
    naming = ("en",) if _is_english(base) else ("en", "und")
    subtags = _subtags(known, qualifier, naming, is_in_brackets=is_in_brackets)
    return _with_subtags(tag, subtags) if subtags else None


def _reversed_name(text: str) -> str | None:
    """Read a qualified name that stands as a qualifier: "pt-BR (Portuguese (Brazil))"."""
    return _tag_of_name(text + ")") if _BRACKET & set(text) else None


def _subtags(known: Any, text: str, naming: tuple[str, ...], *, is_in_brackets: bool) -> str | None:
    """Find the subtags of a script, a territory, or a script and a territory; None where one is unheard of."""
    # Outside brackets, a script or territory that is a language too is the next in a list: "English, Arabic".
    but_no_language = not is_in_brackets
    if code := _script(known, text, naming, but_no_language) or _territory(text, naming, but_no_language):
        return code
    first, *rest = _BETWEEN_QUALIFIERS.split(text)
    script = _script(known, first, naming, but_no_language)
    territory = _territory(" ".join(rest), naming, but_no_language)
    return f"{script}-{territory}" if script and territory else None


def _script(known: Any, name: str, naming: tuple[str, ...], but_no_language: bool) -> str | None:
    key = _key(name)
    if synonym := SCRIPT_SYNONYMS.get((str(known.language), key)):
        return synonym
    code = _code("script", key, naming, but_no_language)
    # Simplified and traditional are said of Chinese: "German (Simplified)" is no script.
    return None if code in ("Hans", "Hant") and str(known.maximize().script)[:3] != "Han" else code


def _territory(name: str, naming: tuple[str, ...], but_no_language: bool) -> str | None:
    key = _key(name)
    return TERRITORY_SYNONYMS.get(key) or _code("territory", key, naming, but_no_language)


def _is_region(text: str) -> bool:
    """Check for a registered code of a region in use, as AT and 419; not SU, CS or private ones."""
    return bool(_REGION_CODE.fullmatch(text)) and text in table("regions")


def _is_script(text: str) -> bool:
    return bool(_SCRIPT_CODE.fullmatch(text)) and bool(_english_name(text.title()))


def _is_spoken(code: str, region: str) -> bool:
    return f"{code}-{region}" in table("spoken")


def _is_same_language(first: Any, second: Any) -> bool:
    """Compare languages, where a member of a macrolanguage counts as it: Bokmål is Norwegian, Twi is Akan."""
    members, codes = table("macrolanguages"), (str(first.language), str(second.language))
    return codes[0] == codes[1] or members.get(codes[0]) == codes[1] or members.get(codes[1]) == codes[0]


def _more_specific(tag: str, other: str) -> str | None:
    """Choose the longer of two tags of one language, or the member; None where they contradict each other."""
    one, two = tag.split("-"), other.split("-")
    if one[0] != two[0]:
        member, whole = (one, two) if table("macrolanguages").get(one[0]) == two[0] else (two, one)
        return "-".join(member) if len(whole) == 1 else None
    shorter, longer = sorted((one, two), key=len)
    return "-".join(longer) if set(shorter) <= set(longer) else None


def _with_subtags(tag: str, subtags: str) -> str | None:
    """Add a script or a territory to a tag; None where it contradicts the one that the tag has."""
    known, added = _parsed(tag), _parsed(f"und-{subtags}")
    script, territory = known.script or added.script, known.territory or added.territory
    if (added.script or script, added.territory or territory) != (script, territory):
        return None
    return _tag("-".join(filter(None, (known.language, script, territory))))


# --- the tables of names --------------------------------------------------------------------------------------------


def _key(name: str) -> str:
    """Reduce a name to the form that the tables are keyed by; punctuation is a space, lest two words become one."""
    return name_key(" ".join(_PUNCTUATION.sub(" ", name).split()))


def _language_code(key: str) -> str | None:
    """Find the language with exactly this name: its English display name, else a name in any language."""
    if key in table("en_territory") or key in TERRITORY_SYNONYMS:
        return None
    # Not langcodes.find: it settles for a beginning, so that "Germanium" and "English (Narnia)" would be languages.
    # An English byname yields: "Malti" is one of Sauria Paharia, and Maltese for Maltese.
    if (code := table("en_language").get(key)) and _key(_english_name(code)) == key:
        return code
    code = table("und_language").get(key)
    # Suomi and Eesti are countries too, and what these languages call themselves.
    is_country = code and key in table("und_territory") and _key(table("own_names").get(code) or "") != key
    return None if is_country else code


def _is_english(name: str) -> bool:
    key = _key(name)
    return key in LANGUAGE_SYNONYMS or key in table("en_language") or bool(_tag(name))


def _code(category: str, key: str, naming: tuple[str, ...], but_no_language: bool) -> str | None:
    """Find the script or territory with exactly this name, in English or, if asked for, in any language."""
    for one in naming:
        if code := table(f"{one}_{category}").get(key):
            return None if but_no_language and key in table(f"{one}_language") else code
    return None


def _english_name(code: str) -> str:
    return table("english_names").get(code) or ""

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

_LONGEST = 100
_TAG_LIKE = re.compile(r"(?:[a-z]{2,3}|[ix](?=[-_]))(?:[-_][a-z0-9]{1,8})*|root", re.ASCII | re.IGNORECASE)
_BEFORE_QUALIFIER = re.compile(r"\s*[(（,，]\s*|\s+[-–—]\s+|\s+")
_BETWEEN_QUALIFIERS = re.compile(r"\s*[,，、،]\s*")
_NO_LANGUAGE = re.compile(r"(?:und|mis|x|q[a-t][a-z])(?:-.*)?")
# What BCP 47 lets an extended language follow, as in zh-gan; langcodes would take "the-one" for a tag too.
_EXTENDABLE = frozenset({"ar", "kok", "lv", "ms", "sgn", "sw", "uz", "zh"})
_MOST_PARSED = 20_000
_LOOKING_UP = Lock()


@dataclass(frozen=True, slots=True)
class Language:
    """A target language: its BCP 47 tag (or the text as sent), its English name, and whether it was recognised."""

    tag: str
    name: str
    known: bool


def language(text: str) -> Language:
    """Return the language that a text means; it never raises.

    A valid tag is standardised: ``pt_br`` is pt-BR, ``iw`` is he. Else the text is looked up among English names,
    then among all other languages' names: "Portuguese (Brazil)" is pt-BR, "Deutsch" is de. Else it stays, stripped,
    as tag and name, and is unknown; so are ``und``, ``mis`` and private tags. The tag of an answer has that answer.
    """
    stripped = text.strip()
    # The cache must not hold on to long texts, and NUL leads the name tables astray, down to errors in C.
    if 0 < len(stripped) <= _LONGEST and "\0" not in stripped:
        return _language(stripped)
    return Language(stripped, stripped, False)


def languages(texts: Iterable[str]) -> dict[str, Language]:
    """Return the language of each distinct text, in the order of first appearance."""
    return {text: language(text) for text in dict.fromkeys(texts)}


@lru_cache(maxsize=16_384)
def _language(text: str) -> Language:
    # One at a time, lest _bound pull an entry from under another thread. No error of langcodes may stop a load.
    with _LOOKING_UP, suppress(Exception):
        if found := _of_tag(text) or _of_name(text):
            return found
    return Language(text, text, False)


def _of_tag(text: str) -> Language | None:
    """Read a tag; None where the text is no valid one."""
    if not _TAG_LIKE.fullmatch(text):
        return None
    import langcodes

    _bound(langcodes.Language)
    try:
        # Twice: only its first answer shows that sgn-840 is the deprecated sgn-US.
        tag = langcodes.standardize_tag(langcodes.standardize_tag(text))
    except ValueError:
        return None
    found = langcodes.Language.get(tag)
    is_sound = all(found.language in _EXTENDABLE and langcodes.tag_is_valid(ext) for ext in found.extlangs or ())
    if not found.is_valid() or not is_sound or len(tag) > _LONGEST:
        return None
    if _NO_LANGUAGE.fullmatch(tag):
        return Language(tag, tag, False)
    return Language(tag, found.display_name(), True)


def _of_name(text: str) -> Language | None:
    """Look up a name, plain ("German") or qualified ("Portuguese (Brazil)"); None where it names no language."""
    if len(text) <= 3 and text.isascii():  # a code gone wrong: "ua" is also a name, of Abu' Arapesh
        return None
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if code := _code("language", name):
        return _of_tag(code)
    # Any separator may be the one: "British English", "Western Frisian (Netherlands)", "French (Congo - Kinshasa)".
    for cut in islice(_BEFORE_QUALIFIER.finditer(name), 6):
        base, qualifier = name[: cut.start()], re.sub(r"\s*[)）]$", "", name[cut.end() :])
        if code := _code("language", f"{qualifier} {base}"):  # "Chinese Simplified", "English (British)"
            return _of_tag(code)
        if not cut.group().isspace() and (code := _code("language", base)):
            subtags = _subtags(qualifier, is_in_brackets=cut.group().strip() in "(（")
            if subtags and _fits(code, subtags):
                return _of_tag(f"{code}-{subtags}")
    return None


def _subtags(text: str, *, is_in_brackets: bool) -> str | None:
    """Return the subtags of a script, a territory, or a script and a territory; None where one is unheard of."""
    # Outside brackets, a script or territory that is a language too is the next in a list: "English, Arabic".
    but_no = None if is_in_brackets else "language"
    code = _code("script", text, but_no) or _code("territory", text, but_no)
    if code or re.fullmatch("[A-Z]{2}", text):  # CLDR gives GB the short name "UK" but leaves out "US", its own code
        return code or text
    first, *rest = _BETWEEN_QUALIFIERS.split(text)
    script, territory = _code("script", first, but_no), _code("territory", " ".join(rest), but_no)
    return f"{script}-{territory}" if script and territory else None


def _fits(code: str, subtags: str) -> bool:
    """Tell whether simplified and traditional are said of Chinese: "German (Simplified)" is no script."""
    import langcodes

    return subtags[:4] not in ("Hans", "Hant") or str(langcodes.Language.get(code).maximize().script)[:3] == "Han"


def _code(category: str, name: str, but_no: str | None = None) -> str | None:
    """Return the subtag with exactly this name: its English display name, else a name in any language."""
    from language_data.names import code_to_names, get_trie_value, normalize_name

    # Not langcodes.find: it settles for a beginning, so that "Germanium" and "English (Narnia)" would be languages.
    key = normalize_name(name)
    for naming in ("en", "und"):
        names = _names(naming, category)
        code = str(get_trie_value(names, key)) if key in names else None
        # An English byname yields: "Malti" is one of Sauria Paharia, and Maltese for Maltese.
        if code and (naming == "und" or normalize_name(code_to_names(code).get("en", "")) == key):
            return None if but_no and key in _names(naming, but_no) else code
    return None


@lru_cache(maxsize=6)
def _names(naming: str, category: str) -> Any:
    from language_data.names import load_trie
    from language_data.util import data_filename

    return load_trie(data_filename(f"trie/{naming}/name_to_{category}.marisa"))


def _bound(parsed: Any) -> None:
    """Empty the caches of langcodes, which keep every tag ever seen, before made-up tags fill the memory."""
    for name in ("_PARSE_CACHE", "_INSTANCES"):
        if len(cache := getattr(parsed, name, {})) > _MOST_PARSED:
            cache.clear()

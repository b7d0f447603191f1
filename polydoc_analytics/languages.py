"""Target languages as clients send them, brought to BCP 47 tags and English names.

A valid tag is standardised; else the text is looked up among English display names, then among the names that
languages have in other languages; else it stays as it is, stripped, and counts as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_LONGEST_NAME = 100
_TAG_LIKE = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*", re.ASCII)
_QUALIFIED = re.compile(r"(.+?)\s*[(,]\s*(.+?)\s*\)?")
_UNKNOWN_PRIMARY = ("und", "mis")


@dataclass(frozen=True, slots=True)
class Language:
    """A target language: its BCP 47 tag (or the text as sent), its English name, and whether it was recognised."""

    tag: str
    name: str
    known: bool


@lru_cache(maxsize=16_384)
def language(text: str) -> Language:
    """Return the language that a text means; it never raises.

    ``pt_br`` is pt-BR, ``iw`` is he, "Portuguese (Brazil)" is pt-BR, "Deutsch" is de. A text that is not recognised
    stays, stripped, as tag and name. ``und``, ``mis`` and private tags name no language, hence unknown.
    """
    stripped = text.strip()
    unknown = Language(stripped, stripped, False)
    if not stripped or len(stripped) > _LONGEST_NAME:
        return unknown
    try:
        return _of_tag(stripped) or _of_english_name(stripped) or _of_any_name(stripped) or unknown
    except Exception:
        return unknown


def languages(texts: Iterable[str]) -> dict[str, Language]:
    """Return the language of each distinct text."""
    return {text: language(text) for text in dict.fromkeys(texts)}


def _of_tag(text: str) -> Language | None:
    """Read a tag; None where the text is no valid one."""
    if not _TAG_LIKE.fullmatch(text):
        return None
    import langcodes

    try:
        found = langcodes.Language.get(text)
    except (ValueError, LookupError):
        return None
    return _described(found) if found.is_valid() else None


def _described(found: object) -> Language:
    import langcodes

    assert isinstance(found, langcodes.Language)
    tag = langcodes.standardize_tag(found.to_tag())
    primary = tag.split("-")[0].lower()
    is_private = primary == "x" or (len(primary) == 3 and "qaa" <= primary <= "qtz")
    if primary in _UNKNOWN_PRIMARY or is_private:
        return Language(tag, tag, False)
    return Language(tag, langcodes.Language.get(tag).display_name(), True)


def _of_english_name(text: str) -> Language | None:
    """Look a text up among English display names: the language whose display name it is, or None."""
    from language_data.names import name_to_code

    candidates: list[str] = []
    if code := name_to_code("language", text, "en"):
        candidates.append(code)
    if (parts := _QUALIFIED.fullmatch(text)) and (code := name_to_code("language", parts.group(1), "en")):
        # "Chinese (Simplified, China)" names a script and a territory, in any order.
        qualifiers = [part.strip() for part in parts.group(2).split(",")]
        scripts = [s for part in qualifiers if (s := name_to_code("script", part, "en"))]
        territories = [t for part in qualifiers if (t := name_to_code("territory", part, "en"))]
        candidates += ["-".join((code, *scripts[:1], *territories[:1])), *(f"{code}-{s}" for s in scripts)]
        candidates += [f"{code}-{territory}" for territory in territories]
    for candidate in candidates:
        found = _of_tag(candidate)
        if found and _folded(found.name) == _folded(text):
            return found
    return None


def _folded(name: str) -> str:
    return " ".join(re.sub(r"[(),-]", " ", name.casefold().replace("’", "'")).split())


def _of_any_name(text: str) -> Language | None:
    """Look a text up among the names that languages have in any language."""
    import langcodes

    try:
        return _described(langcodes.find(text))
    except LookupError:
        return None

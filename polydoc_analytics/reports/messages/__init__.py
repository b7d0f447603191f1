"""Message catalogs of the statement and its mail: one gettext file ``LANGUAGE.po`` for each language but English.

``statement.pot`` lists the messages. A catalog that lacks one of them is not used: its readers get English.
"""

from __future__ import annotations

import gettext
from functools import cache
from importlib import resources
from io import BytesIO
from typing import Any

ENGLISH = "en"
_TEMPLATE = "statement.pot"


def N_(message: str) -> str:  # noqa: N802 - the name that extractors of messages know
    """Mark a message for extraction; it is translated where it is used."""
    return message


@cache
def catalog(language: str) -> gettext.NullTranslations:
    """Return the catalog of a language; that of English gives each message as it is."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo

    content = BytesIO()
    write_mo(content, _read(f"{language}.po"))
    content.seek(0)
    return gettext.GNUTranslations(content)


@cache
def language_of(locale: str) -> str:
    """Return the language of the most specific complete catalog for a locale; ``en`` where there is none."""
    from babel import Locale

    parsed = Locale.parse(locale)
    names = [f"{parsed.language}_{parsed.territory}"] if parsed.territory else []
    return next((name for name in (*names, parsed.language) if _is_complete(name)), ENGLISH)


def languages() -> tuple[str, ...]:
    """Return the languages that have a catalog, English first."""
    names = (file.name for file in resources.files(__name__).iterdir())
    return (ENGLISH, *sorted(name.removesuffix(".po") for name in names if name.endswith(".po")))


@cache
def letters(language: str) -> frozenset[str]:
    """Return the characters of the messages in a language."""
    texts = (message.string for message in _read(f"{language}.po") if message.id)
    return frozenset("".join("".join(text) for text in texts)) - {"\n"}


def _is_complete(language: str) -> bool:
    if language not in languages():
        return False
    if language == ENGLISH:
        return True
    found = _read(f"{language}.po")
    return all(_is_translated(found.get(message.id)) for message in _read(_TEMPLATE) if message.id)


def _is_translated(message: Any) -> bool:
    if message is None or message.fuzzy:
        return False
    return all(message.string) if isinstance(message.string, tuple | list) else bool(message.string)


@cache
def _read(name: str) -> Any:
    from babel.messages.pofile import read_po

    with resources.files(__name__).joinpath(name).open("rb") as file:
        return read_po(file, locale=name.removesuffix(".po") if name.endswith(".po") else None)

"""Labels of accounts and languages in a report: no two alike, in charts, tables and sentences."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from polydoc_analytics.model.languages import language
from polydoc_analytics.reports.filenames import UUID
from polydoc_analytics.reports.formatting import ShortId, display_text
from polydoc_analytics.reports.messages import ENGLISH

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

IN_CHARTS = 36
_IN_TABLES = 120
_MIN_PREFIX, _MAX_PREFIX = 8, 16
_OF_SUMS = re.compile(r"total|(all )?others( \([\d,]+\))?", re.IGNORECASE)
"""Names of the rows under a table and of the last bar of a chart."""
_OF_SCRIPTS = re.compile(
    r"__\w+__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|to(Locale)?String|valueOf"
)
"""Names that every object of a page's scripts has: Vega takes groups of such a name for there already."""


class Labels:
    """The labels of all accounts and languages of a source; ``names`` are accounts' names by id."""

    def __init__(self, db: Database, names: Mapping[str, str], naming: str = ENGLISH) -> None:
        self._db = db
        self._names = names
        self._naming = naming
        self._made: dict[tuple[str, int], dict[str, str]] = {}
        self._others: dict[str, Labels] = {naming: self}

    def in_language(self, naming: str) -> Labels:
        """Return the labels with the names that languages have in another language."""
        if naming not in self._others:
            self._others[naming] = Labels(self._db, self._names, naming)
        return self._others[naming]

    def account(self, account_id: str, max_width: int = _IN_TABLES) -> str:
        """Label of an account: its name, else its id, of which a chart has the beginning and a table shows it."""
        label = self._label("account", account_id, max_width)
        if label != account_id:
            is_id = max_width == _IN_TABLES and self._accounts.get(account_id) == account_id
            return ShortId(account_id, label) if is_id else label
        if account_id not in self._short_ids:
            return label
        short = self._short_ids[account_id]
        return ShortId(account_id, short) if max_width == _IN_TABLES else short

    def language(self, tag: str, max_width: int = _IN_TABLES) -> str:
        """Label of a language: its English name, else the text that was sent."""
        return self._label("language", tag, max_width)

    def _label(self, what: str, key: str, max_width: int) -> str:
        if (what, max_width) not in self._made:
            known = self._accounts if what == "account" else self._languages
            self._made[what, max_width] = unique(known, max_width)
        label = self._made[what, max_width].get(key, key)
        return label if max_width == _IN_TABLES else fitting(label, max_width)

    @cached_property
    def _accounts(self) -> dict[str, str]:
        ids = self._db.fetch("select distinct account_id from observed").to_series().to_list()
        return {one: self._names.get(one) or one for one in (*ids, *self._names)}

    @cached_property
    def _short_ids(self) -> dict[str, str]:
        """The beginnings of ids that are UUIDs, as long as tells each from all others and from every name."""
        prefixes = _prefixes(list(self._accounts))
        names = {name for key, name in self._accounts.items() if name != key}
        return {
            key: short
            for key, short in prefixes.items()
            if UUID.fullmatch(key) and key.startswith(short) and short not in names
        }

    @cached_property
    def _languages(self) -> dict[str, str]:
        names = {tag: name or tag for tag, name in self._db.language_names.items()}
        if self._naming == ENGLISH:
            return names
        return {tag: _name_in(self._naming, tag, name) if language(tag).known else name for tag, name in names.items()}


def _name_in(naming: str, tag: str, english: str) -> str:
    """Return the name of a language in another; the English one where it has none."""
    from babel import Locale

    names = Locale.parse(naming)
    code, *subtags = tag.split("-")
    name = names.languages.get(code, "")
    details = [names.scripts.get(one) or names.territories.get(one) or one for one in subtags]
    return (f"{name} ({', '.join(details)})" if details else name) if name else english


def unique(names: Mapping[str, str], max_width: int = _IN_TABLES) -> dict[str, str]:
    """Build unique labels by id: names, cut to ``max_width`` columns.

    Names that would look alike, or like a sum, and those of a page's scripts get the beginning of their id behind them,
    as much as tells it from all others; where that is long, digits of its SHA-256.
    """
    labels = dict(names)
    clashing = _clashing(labels, max_width)
    if clashing:
        prefixes = _prefixes(list(names))
        labels |= {key: _with(names[key], prefixes[key], max_width) for key in clashing}
        # A name may look like what another one has become.
        labels |= {key: _with(names[key], _digits(key, 12), max_width) for key in _clashing(labels, max_width)}
    return labels


def fitting(text: str, max_width: int) -> str:
    """Cut a text to so many columns, of which a wide character takes two."""
    clean = display_text(text, 4 * max_width)
    room = max_width
    for at, character in enumerate(clean):
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return clean[: max(at - 1, 1)] + "…"
    return clean


def _clashing(labels: Mapping[str, str], max_width: int) -> list[str]:
    """Ids whose labels look like another label, like a sum or like another id.

    A label that is its own id is not among them.
    """
    looks = {
        key: " ".join(unicodedata.normalize("NFKC", fitting(label, max_width)).split()) for key, label in labels.items()
    }
    counts = Counter(looks.values())
    of_ids = Counter(look for key, look in looks.items() if labels[key] == key)
    return [
        key
        for key, look in looks.items()
        if _OF_SUMS.fullmatch(look)
        or _OF_SCRIPTS.fullmatch(look)
        or (look != key and look in labels)
        or (counts[look] > 1 and not (labels[key] == key and of_ids[look] == 1))
    ]


def _with(name: str, told_apart: str, max_width: int) -> str:
    return f"{fitting(name, max_width - len(told_apart) - 3)} ({told_apart})"


def _prefixes(keys: list[str]) -> dict[str, str]:
    """Shortest unique prefix of each id."""
    ordered = sorted(keys)
    prefixes = {}
    for at, key in enumerate(ordered):
        beside = [_common(key, ordered[other]) for other in (at - 1, at + 1) if 0 <= other < len(ordered)]
        prefix = key[: max(_MIN_PREFIX, *(length + 1 for length in beside), 0)]
        prefixes[key] = display_text(prefix) if len(prefix) <= _MAX_PREFIX else _digits(key, 8)
    return prefixes


def _common(text: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def _digits(key: str, count: int) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:count]

"""Labels of accounts and languages in a report: no two alike, in charts, tables and sentences."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from polydoc_analytics.reports.formatting import shown

if TYPE_CHECKING:
    from polydoc_analytics.query.database import Database

IN_CHARTS = 36
_IN_TABLES = 120
_LEAST_PREFIX, _LONGEST_PREFIX = 8, 16
_OF_SUMS = re.compile(r"total|others \([\d,]+\)", re.IGNORECASE)
"""Names of the rows under a table and of the last bar of a chart."""


class Labels:
    """The labels of all accounts and languages of a source; ``names`` are accounts' names by id."""

    def __init__(self, db: Database, names: Mapping[str, str]) -> None:
        self._db = db
        self._names = names
        self._made: dict[tuple[str, int], dict[str, str]] = {}

    def account(self, account_id: str, most: int = _IN_TABLES) -> str:
        """Name an account: by its name, else by its id."""
        return self._label("account", account_id, most)

    def language(self, tag: str, most: int = _IN_TABLES) -> str:
        """Name a language: by its English name, else by the text that was sent."""
        return self._label("language", tag, most)

    def _label(self, what: str, key: str, most: int) -> str:
        if (what, most) not in self._made:
            known = self._accounts if what == "account" else self._languages
            self._made[what, most] = unique(known, most)
        label = self._made[what, most].get(key, key)
        return label if most == _IN_TABLES else fitting(label, most)

    @cached_property
    def _accounts(self) -> dict[str, str]:
        ids = self._db.sql("select distinct account_id from observed").to_series().to_list()
        return {one: self._names.get(one) or one for one in (*ids, *self._names)}

    @cached_property
    def _languages(self) -> dict[str, str]:
        return {tag: name or tag for tag, name in self._db.language_names.items()}


def unique(names: Mapping[str, str], most: int = _IN_TABLES) -> dict[str, str]:
    """Give each id a label, its name, so that no two look alike where they are cut to ``most`` columns.

    Names that would look alike, or like a sum, get the beginning of their id behind them, as much as tells it from all
    others; where that is long, digits of its SHA-256.
    """
    labels = dict(names)
    clashing = _clashing(labels, most)
    if clashing:
        prefixes = _prefixes(list(names))
        labels |= {key: _with(names[key], prefixes[key], most) for key in clashing}
        # A name may look like what another one has become.
        labels |= {key: _with(names[key], _digits(key, 12), most) for key in _clashing(labels, most)}
    return labels


def fitting(text: str, most: int) -> str:
    """Cut a text to so many columns, of which a wide character takes two."""
    clean = shown(text, 4 * most)
    room = most
    for at, character in enumerate(clean):
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return clean[: max(at - 1, 1)] + "…"
    return clean


def _clashing(labels: Mapping[str, str], most: int) -> list[str]:
    """Find the ids whose labels look alike, like a sum or like the id of another.

    One that is called by its id alone is what it says.
    """
    looks = {
        key: " ".join(unicodedata.normalize("NFKC", fitting(label, most)).split()) for key, label in labels.items()
    }
    counts = Counter(looks.values())
    of_ids = Counter(look for key, look in looks.items() if labels[key] == key)
    return [
        key
        for key, look in looks.items()
        if _OF_SUMS.fullmatch(look)
        or (look != key and look in labels)
        or (counts[look] > 1 and not (labels[key] == key and of_ids[look] == 1))
    ]


def _with(name: str, told_apart: str, most: int) -> str:
    return f"{fitting(name, most - len(told_apart) - 3)} ({told_apart})"


def _prefixes(keys: list[str]) -> dict[str, str]:
    """Give each id its shortest beginning that no other has."""
    ordered = sorted(keys)
    found = {}
    for at, key in enumerate(ordered):
        beside = [_common(key, ordered[other]) for other in (at - 1, at + 1) if 0 <= other < len(ordered)]
        prefix = key[: max(_LEAST_PREFIX, *(length + 1 for length in beside), 0)]
        found[key] = shown(prefix) if len(prefix) <= _LONGEST_PREFIX else _digits(key, 8)
    return found


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _digits(key: str, count: int) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:count]

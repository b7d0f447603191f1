"""Texts as fonts can draw them: characters that none has are written as U+XXXX."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from polydoc_analytics.reports.formatting import code_point
from polydoc_analytics.reports.messages import ENGLISH, letters
from polydoc_analytics.reports.renderers import fonts

_BREAKS = "\n\u200b"
"""Line breaks, and the zero-width space, at which a line can break."""
_UNSEEN = frozenset("\u200c\u200d") | frozenset(map(chr, range(0xFE00, 0xFE10)))
"""Joiners and choices of a variant: of a font that knows none of them, the letters alone are drawn."""


class Drawn:
    """Replacement of characters that no font has by U+XXXX."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self._known = _characters(folders)
        self.missing: set[str] = set()

    def text(self, text: str) -> str:
        """Return a text without characters that no font has."""
        if text.isascii():
            return text
        missing = {c for c in text if ord(c) not in self._known and c not in _BREAKS}
        if not missing:
            return text
        self.missing |= missing - _UNSEEN
        return text.translate({ord(c): "" if c in _UNSEEN else code_point(c) for c in missing})

    def all(self, part: Any) -> Any:
        """Return nested values with the replacement in every text."""
        if isinstance(part, str):
            return self.text(part)
        if isinstance(part, dict):
            return {key: self.all(value) for key, value in part.items()}
        return [self.all(value) for value in part] if isinstance(part, list | tuple) else part

    def rows(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the rows of a table with the replacement in every text."""
        return [list(row) if "".join(row).isascii() else list(map(self.text, row)) for row in rows]


@cache
def can_draw(language: str, folders: tuple[str, ...]) -> bool:
    """Check whether the fonts of print have the letters of a catalog of messages."""
    return language == ENGLISH or {ord(c) for c in letters(language)} <= _characters(folders)


@cache
def _characters(folders: tuple[str, ...]) -> frozenset[int]:
    return frozenset().union(*(fonts.characters(file) for file in fonts.print_files(folders)))

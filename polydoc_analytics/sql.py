"""Values as they stand in SQL that the package writes itself."""

from __future__ import annotations


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"

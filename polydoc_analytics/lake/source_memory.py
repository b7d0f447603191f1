"""A lake's memory of its sources: their names, and how far they were read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.storage.interface import SOURCES, Storage, json_of, json_text

_LONG_AGO = "1970-01-01T00:00:00Z"


def source_names(place: Storage) -> list[str]:
    """Return the names of the sources that were synced into a lake."""
    names = (file.name for file in place.files(SOURCES))
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def cursor_of(place: Storage, name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far a source was read, by its ``state``; raises LakeError where something else stands there."""
    cursor = state.get("cursor") or {}
    with suppress(AttributeError, TypeError, ValueError):
        synced_to = datetime.fromisoformat(cursor.get("synced_to", _LONG_AGO))
        if synced_to.tzinfo is not None and isinstance(cursor.get("files", {}), dict):
            return dict(cursor)
    raise LakeError(
        f"{place.shown}/{SOURCES}/{name}.json: does not say how far the source was read; remove it, and the source is "
        "read from its start"
    )


def forget_cursors(place: Storage) -> None:
    """Let the next sync of each source read everything: rows that it brought are not in the lake any more."""
    for name in source_names(place):
        path = f"{SOURCES}/{name}.json"
        try:
            state = json_of(place, path)
        except LakeError:  # a repair must not wait for what is told to remove
            place.remove(path)
            continue
        if state.pop("cursor", None):
            place.write(path, json_text(state))

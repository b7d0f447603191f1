"""A lake's memory of its sources: their names, and how far they were read."""

from __future__ import annotations

from polydoc_analytics.lake.storage.interface import SOURCES, Storage, json_of, json_text


def source_names(place: Storage) -> list[str]:
    """Return the names of the sources that were synced into a lake."""
    names = (file.name for file in place.files(SOURCES))
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def forget_cursors(place: Storage) -> None:
    """Let the next sync of each source read everything: rows that it brought are not in the lake any more."""
    for name in source_names(place):
        state = json_of(place, f"{SOURCES}/{name}.json")
        if state.pop("cursor", None):
            place.write(f"{SOURCES}/{name}.json", json_text(state))

"""Where a lake may lie: not on a file, in an export, among run files or in what is loaded into it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.errors import LakeError
from polydoc_analytics.loaders.input_file import MANIFEST, format_of

if TYPE_CHECKING:
    from polydoc_analytics.lake.storage.interface import Storage


def raise_if_file(folder: Path) -> None:
    """Raise LakeError where a lake's folder, or one above it, is a file."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise LakeError(f"{path}: is a file; a lake is a folder, choose another")


def raise_if_no_place(folder: Path) -> None:
    """Raise LakeError where a new lake would lie on a file, in an export, or among run files.

    A folder of runs that holds a lake could not be loaded any more.
    """
    from polydoc_analytics.ingest.manifest import FORMAT

    raise_if_file(folder)
    for path in (folder.absolute(), *folder.absolute().parents):
        manifest = path / MANIFEST
        if manifest.is_file() and f'"{FORMAT}"' in manifest.read_text("utf-8", "replace"):
            raise LakeError(f"{folder}: lies in the export {path}; choose a folder outside of it for the lake")
    names = sorted(name for name in os.listdir(folder) if format_of(name)) if folder.is_dir() else []
    if runs := [name for name in names if not name.startswith((".", "_")) and (folder / name).is_file()]:
        raise LakeError(f"{folder}: holds run files such as {runs[0]}; choose an empty or a new folder for the lake")


def raise_if_among_sources(folder: Path, paths: Iterable[str]) -> None:
    """Raise LakeError where a path is a folder that a lake lies in."""
    above = {folder.absolute(), *folder.absolute().parents}
    for path in paths:
        if os.path.isdir(path) and Path(path).absolute() in above:
            raise LakeError(
                f"{folder}: lies in {path}, which is to be loaded; choose a folder outside of it for the lake"
            )


def is_lake(place: Storage) -> bool:
    """Check whether there is a lake at a place."""
    return place.exists("loads/_delta_log")

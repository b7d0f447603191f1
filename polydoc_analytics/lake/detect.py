"""Where a lake is or may be, told without importing what a lake needs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import LakeError
from polydoc_analytics.loaders import is_table
from polydoc_analytics.loaders.input_file import MANIFEST, format_of

_SCHEMES = ("s3://", "gs://", "az://", "abfs://", "file://")


def may_be_lake(source: Any) -> bool:
    """Check whether a source is no table and no list, and as a path has a lake's folder, or as a URI may have one."""
    if not isinstance(source, str | os.PathLike):
        return not isinstance(source, list | tuple) and not is_table(source)
    text = os.fspath(source)
    if text == "-":  # the standard input
        return False
    if "://" in text:
        return text.startswith(_SCHEMES) and not format_of(text) and "*" not in text
    return os.path.isdir(os.path.join(text, "loads", "_delta_log"))


def raise_if_file(folder: Path) -> None:
    """Raise LakeError where a lake's folder, or one above it, is a file."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise LakeError(f"{path}: is a file; a lake is a folder, choose another")


def raise_if_no_place(folder: Path) -> None:
    """Raise LakeError where a new lake would lie on a file, in an export, or among run files.

    A folder of runs that holds a lake could not be loaded any more.
    """
    from polydoc_analytics.ingest.parquet import FORMAT

    raise_if_file(folder)
    for path in (folder.absolute(), *folder.absolute().parents):
        manifest = path / MANIFEST
        if manifest.is_file() and f'"{FORMAT}"' in manifest.read_text("utf-8", "replace"):
            raise LakeError(f"{folder}: lies in the export {path}; choose a folder outside of it for the lake")
    names = sorted(name for name in os.listdir(folder) if format_of(name)) if folder.is_dir() else []
    if runs := [name for name in names if not name.startswith((".", "_")) and (folder / name).is_file()]:
        raise LakeError(f"{folder}: holds run files such as {runs[0]}; choose an empty or a new folder for the lake")


def raise_if_among_sources(folder: Path, sources: Iterable[Any]) -> None:
    """Raise LakeError where a source is a folder that a lake lies in."""
    above = {folder.absolute(), *folder.absolute().parents}
    for source in sources:
        if isinstance(source, str | os.PathLike) and os.path.isdir(source) and Path(source).absolute() in above:
            raise LakeError(
                f"{folder}: lies in {os.fspath(source)}, which is to be loaded; choose a folder outside of it for the "
                "lake"
            )

"""Folders that ``export`` has written, as a cluster reads them: their manifests vouch for the rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polydoc_analytics.errors import LakeError, SourceError, UsageError, first_line
from polydoc_analytics.ingest.manifest import Manifest, manifest_of, not_as_exported
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.lake.storage.object_store import storage_of
from polydoc_analytics.loaders.input_file import MANIFEST


@dataclass(frozen=True, slots=True)
class Exports:
    """The checked runs of one export or many: their files as paths or URIs, and all manifests taken together.

    Ids are unique within an export, but one run may be in many.
    """

    files: tuple[str, ...]
    manifest: Manifest
    exports: int


def exports_of(names: Sequence[str]) -> Exports:
    """Read the manifests of exports, each a folder or a URI of an object store.

    Only manifests and listings are read. Raises SourceError where one is no export, or not as its manifest says.
    """
    if len({os.path.normpath(name) for name in names}) < len(names):
        raise UsageError("one export is named twice; name each once")
    files: list[str] = []
    manifests = []
    for name in names:
        place = _place(name)
        manifest = _manifest(place)
        manifests.append(manifest)
        files += [for_cluster(place, part.path) for part in manifest.parts]
    return Exports(tuple(files), _together(manifests), len(names))


def for_cluster(place: Storage, name: str) -> str:
    """Return where a cluster finds a file: at the same path or URI as this machine."""
    path = place.path(name)
    if "://" in path:
        return path
    absolute = Path(path).absolute().as_posix()
    return f"file://{absolute}" if absolute.startswith("/") else f"file:///{absolute}"


def _place(name: str) -> Storage:
    try:
        return storage_of(name, None)
    except LakeError as error:
        raise SourceError(str(error)) from None


def _manifest(place: Storage) -> Manifest:
    """Return the manifest of an export whose files are all there, and no others."""
    shown = f"{place.shown.rstrip('/')}/{MANIFEST}"
    try:
        text = place.read(MANIFEST)
        manifest = manifest_of(text, shown) if text is not None else None
        if manifest is None:
            raise SourceError(
                f"{place.shown}: is not a folder that `polydoc-analytics export` wrote, and engine spark loads nothing "
                "else; export it first"
            )
        folders = sorted({part.path.rsplit("/", 1)[0] for part in manifest.parts})
        sizes = {f"{folder}/{file.name}": file.size for folder in folders for file in place.files(folder)}
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{place.shown}: cannot be read: {first_line(error, 200)}") from None
    for part in manifest.parts:
        if sizes.pop(part.path, None) != part.bytes:
            raise not_as_exported(f"{place.shown.rstrip('/')}/{part.path}", shown)
    if sizes:
        raise SourceError(f"{place.shown}: {min(sizes)} is not in its manifest; export again")
    return manifest


def _together(manifests: list[Manifest]) -> Manifest:
    created = [bound for one in manifests if one.created_us for bound in one.created_us]
    finished = [bound for one in manifests if one.finished_us for bound in one.finished_us]
    return Manifest(
        tuple(part for one in manifests for part in one.parts),
        {},
        (min(created), max(created)) if created else None,
        (min(finished), max(finished)) if finished else None,
        tuple(sorted({text for one in manifests for text in one.languages})),
    )

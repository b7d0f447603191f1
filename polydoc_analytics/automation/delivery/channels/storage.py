"""Delivery into a folder or an object store: each file whole under its final name, and the same again at a repeat."""

from __future__ import annotations

import re
from collections.abc import Mapping

from polydoc_analytics.automation.delivery.messages import Delivery, Package
from polydoc_analytics.automation.delivery.outcomes import RefusedError
from polydoc_analytics.config.tables import Folder, Store
from polydoc_analytics.lake.storage.object_store import storage_of
from polydoc_analytics.model.plurals import counted


def send(target: Folder | Store, delivery: Delivery, package: Package) -> str:
    """Write the package's files, and return where they are. A notice has none, and is written as a text."""
    path = filled(target.uri if isinstance(target, Store) else target.path, package.places)
    files = {file.name: file.content for file in package.files}
    if not files:
        lines = [package.message.title, "", *package.message.text]
        lines += [": ".join(filter(None, row)) for row in package.message.figures]
        files = {f"notice_{package.made_at:%Y%m%dT%H%M%SZ}_{delivery.key[:8]}.txt": "\n".join(lines).encode() + b"\n"}
    # Whatever a place holds after a try that failed, a repeat puts the same files there.
    place = storage_of(path, None)
    for name, content in files.items():
        try:
            place.write(name, content)
        except OSError as error:
            raise RefusedError(f"{path}: cannot be written: {error.strerror or error}") from None
    return f"{counted(len(files), 'file')} in {place.shown}"


def filled(template: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders of a template; characters of a value beyond letters, digits, . - and _ become -.

    A value that begins with dots loses them, so that none leads out of its folder.
    """

    def value(match: re.Match[str]) -> str:
        return re.sub(r"[^\w.-]+", "-", values.get(match.group(1), ""), flags=re.ASCII).lstrip(".") or "-"

    return re.sub(r"\{([^{}]*)\}", value, template)

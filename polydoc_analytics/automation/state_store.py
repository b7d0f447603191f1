"""Small durable files beside a lake's tables, and the lock of the one scheduler that writes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polydoc_analytics.errors import LakeError, require_extra
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.lake.storage.interface import SCHEDULE
from polydoc_analytics.lake.storage.object_store import storage_of

_OWNER = "owner"


class StateStore:
    """The folder ``_schedule`` of a lake, on a disk or in an object store. A file is replaced whole, durably."""

    def __init__(self, lake: Lake) -> None:
        require_extra("schedule", "an alert or a schedule")
        self.place = storage_of(lake.place.path(SCHEDULE), lake.place.storage_options)
        self.shown = f"{lake.place.shown}/{SCHEDULE}"
        self._token: bytes | None = None

    @contextmanager
    def lock(self, notify: Any = None) -> Iterator[None]:
        """Be the one scheduler of the lake; loads into the lake go on meanwhile.

        In an object store the lock is a lease, which whoever sleeps too long loses: then nothing is written, and so
        nothing sent, any more, but LakeError raised.
        """
        with self.place.lock(notify):
            if not self.place.is_local:
                self._token = uuid.uuid4().hex.encode()
                self.place.write(_OWNER, self._token)
            try:
                yield
            finally:
                self._token = None

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file; None where there is none."""
        content = self.place.read(name)
        if content is None:
            return None
        try:
            return dict(json.loads(content))
        except ValueError:
            raise LakeError(f"{self.shown}/{name}: is not JSON; bring it back from a backup, or remove it") from None

    def write(self, name: str, content: Any) -> None:
        """Replace a JSON file; what it is to hold is a mapping or a dataclass."""
        from pydantic_core import to_json  # a tenth of the time of json's, for a job is written twice for each mail

        self.write_bytes(name, to_json(content, indent=1))

    def read_bytes(self, name: str) -> bytes:
        """Return a file's bytes; raises LakeError where there is none."""
        content = self.place.read(name)
        if content is None:
            raise LakeError(f"{self.shown}/{name}: is missing; bring it back from a backup")
        return content

    def write_bytes(self, name: str, content: bytes) -> None:
        """Replace a file."""
        if self._token is not None and self.place.read(_OWNER) != self._token:
            raise LakeError(f"{self.shown}: another scheduler has taken over, for this one was silent too long")
        try:
            self.place.write(name, content)
        except OSError as error:
            raise LakeError(f"{self.shown}/{name}: cannot be written: {error.strerror or error}") from None

    def names(self, folder: str) -> list[str]:
        """Return the names of the JSON files of a folder, without ``.json``, in order."""
        found = (file.name for file in self.place.files(folder))
        return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self.place.remove(name)

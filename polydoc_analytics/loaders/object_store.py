"""Object stores, s3://, gs:// and az://, through obstore: the one client for files of runs, lakes and deliveries."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from glob import has_magic
from typing import Any

from polydoc_analytics.errors import first_line
from polydoc_analytics.loaders.aws_profile import profile_options
from polydoc_analytics.loaders.remote import RangeFile

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss")
_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "ALLOW_HTTP")
_PIECE_BYTES = 1024 * 1024
_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


def open_store(uri: str, storage_options: Mapping[str, str] | None = None, **arguments: Any) -> Any:
    """Open the store at a URI, with options as the deltalake package has them, else from the environment (AWS_…)."""
    from obstore.store import from_url

    config, client = split_options(storage_options)
    address = f"gs://{uri.removeprefix('gcs://')}" if uri.startswith("gcs://") else uri
    return from_url(address, config=config, client_options=client, **arguments)  # type: ignore[call-overload]


def split_options(storage_options: Mapping[str, str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part options into those of the store and those of the HTTP client."""
    config: dict[str, Any] = {key.lower(): value for key, value in (storage_options or {}).items()}
    allow = next((config.pop(key.lower()) for key in _ALLOW_HTTP if key.lower() in config), None)
    allow = allow or next((os.environ[key] for key in _ALLOW_HTTP if key in os.environ), "false")
    return config, {"allow_http": allow.lower() == "true"}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a store: its URI, its size, and what a listing says of its state."""

    store: Any
    uri: str
    key: str
    size: int
    e_tag: str | None
    modified_at: datetime | None

    def pieces(self) -> Generator[bytes]:
        """Yield its bytes, piece by piece."""
        import obstore

        try:
            for piece in obstore.get(self.store, self.key).stream(min_chunk_size=_PIECE_BYTES):
                yield bytes(piece)
        except Exception as error:
            raise OSError(first_line(error, 300)) from None

    def ranges(self) -> RangeFile | None:
        """Open it for reads of ranges."""
        return RangeFile(self.size, self._range)

    def _range(self, start: int, end: int) -> bytes:
        import obstore

        try:
            return bytes(obstore.get_range(self.store, self.key, start=start, end=end))
        except Exception as error:
            raise OSError(first_line(error, 300)) from None

    def state(self) -> tuple[str | None, datetime | None]:
        """Return its entity tag and modification time."""
        return self.e_tag, self.modified_at


def objects_at(uri: str) -> tuple[str | None, list[StoredObject]]:
    """List the objects at a URI: one, those below a prefix, or those that match a glob, ordered by key.

    The first value is the key of the folder that they are in; None for one object and for a glob.
    Raises whatever obstore does.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    key = key.strip("/")
    address = f"{scheme}://{bucket}"
    store = open_store(address, profile_options(address), retry_config=_RETRIES)

    def listed(prefix: str) -> list[StoredObject]:
        import obstore

        metas = sorted(
            (meta for batch in obstore.list(store, prefix=prefix or None) for meta in batch), key=lambda m: m["path"]
        )
        folders = {meta["path"].rpartition("/")[0] for meta in metas}
        # Consoles put an empty object where they show a folder.
        return [found(meta) for meta in metas if meta["size"] or meta["path"] not in folders]

    def found(meta: Any) -> StoredObject:
        path = meta["path"]
        uri = f"{scheme}://{bucket}/{path}"
        return StoredObject(store, uri, path, meta["size"], meta["e_tag"], meta["last_modified"])

    if has_magic(key):
        segments = key.split("/")
        fixed = next(at for at, segment in enumerate(segments) if has_magic(segment))
        matches = listed("/".join(segments[:fixed]))
        return None, [one for one in matches if _is_match(one.key.split("/"), segments)]
    if key:
        import obstore

        with suppress(FileNotFoundError):
            return None, [found(obstore.head(store, key))]
    return key, listed(key)


def _is_match(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Check whether a path matches a glob; ** stands for any folders, or for all below where it is last."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return len(pattern) == 1 or any(_is_match(names[at:], pattern[1:]) for at in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _is_match(names[1:], pattern[1:])

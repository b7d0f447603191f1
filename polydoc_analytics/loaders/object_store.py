"""Object stores, s3://, gs:// and az://, through obstore: the one client for files of runs, lakes and deliveries."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from glob import has_magic
from typing import Any, NamedTuple

from polydoc_analytics.errors import first_line
from polydoc_analytics.loaders.aws_profile import profile_options
from polydoc_analytics.loaders.remote import ENCODINGS, RangeFile
from polydoc_analytics.safe_text import on_one_line

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss")
_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "ALLOW_HTTP")
_PIECE_BYTES = 1024 * 1024
_STATUS = "Server returned non-2xx status code: "
_SAID = re.compile(r"<Code>([^<]{1,100})</Code>.*?<Message>([^<]{1,200})</Message>", re.DOTALL)
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


def error_text(error: Exception) -> str:
    """Word an error of a store in one line: its status and what the store says of it, or else what the client says."""
    text = first_line(error)
    _, is_status, status = text.partition(_STATUS)
    if not is_status:
        is_plain = text.endswith("builder error") and "http://" in text
        return text[:300] + ("; set AWS_ALLOW_HTTP=true for an endpoint of plain http" if is_plain else "")
    said = words_of_store(str(error))
    status = status.partition(": <")[0].strip().rstrip(":")
    return f"{status}: {said}" if said else status[:300]


def words_of_store(text: str) -> str:
    """Extract the code and the message of a store's answer in XML; empty where it has none."""
    said = _SAID.search(text)
    return f"{said[1]}: {on_one_line(said[2].strip())}" if said else ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a store: its URI, its size, and what a listing says of its state."""

    store: Any
    uri: str
    key: str
    size: int
    e_tag: str | None
    modified_at: datetime | None

    @property
    def signs(self) -> tuple[()]:
        """Return none: an object is not one page of several."""
        return ()

    @property
    def is_empty(self) -> bool:
        """Check whether it holds no bytes."""
        return not self.size

    def pieces(self) -> Generator[bytes]:
        """Yield its bytes, piece by piece."""
        import obstore

        try:
            found = obstore.get(self.store, self.key)
            encoding = found.attributes.get("Content-Encoding", "").strip().lower()
            if encoding in ENCODINGS:
                for piece in found.stream(min_chunk_size=_PIECE_BYTES):
                    yield bytes(piece)
                return
        except Exception as error:
            raise OSError(error_text(error)) from None
        raise OSError(f"is in the encoding {on_one_line(encoding)[:20]}; expected gzip or none")

    def ranges(self) -> RangeFile | None:
        """Open it for reads of ranges."""
        return RangeFile(self.size, self._range)

    def _range(self, start: int, end: int) -> bytes:
        import obstore
        from obstore.exceptions import PreconditionError

        options: Any = {"range": (start, end)} | ({"if_match": self.e_tag} if self.e_tag else {})
        try:
            return bytes(obstore.get(self.store, self.key, options=options).bytes())
        except PreconditionError:
            pass
        except Exception as error:
            raise OSError(error_text(error)) from None
        raise OSError("the file has changed while it was read")

    def state(self) -> tuple[str | None, datetime | None]:
        """Return its entity tag and modification time."""
        return self.e_tag, self.modified_at


class Listing(NamedTuple):
    """Objects, ordered by key: ``folder`` is the key of the one that they are in, None for one object and for a glob.

    ``delta_tables`` are the folders of Delta tables beside them, by their URIs.
    """

    folder: str | None
    objects: list[StoredObject]
    delta_tables: tuple[str, ...] = ()


def objects_at(uri: str) -> Listing:
    """List the objects at a URI: one, those below a prefix, or those that match a glob.

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
        return [found(meta) for meta in metas if meta["size"] or not is_folder(meta["path"], folders)]

    def is_folder(path: str, folders: set[str]) -> bool:
        name = path.rpartition("/")[2]
        if path in folders or name.endswith("_$folder$"):  # as Hadoop names it
            return True
        return not name.startswith("_") and "." not in name and not is_there(path)

    def is_there(path: str) -> bool:
        """Check whether there is an object of this very name; a listing leaves out the / at its end."""
        import obstore

        try:
            obstore.head(store, path)
        except FileNotFoundError:
            return False
        return True

    def found(meta: Any) -> StoredObject:
        path = meta["path"]
        uri = f"{scheme}://{bucket}/{path}"
        return StoredObject(store, uri, path, meta["size"], meta["e_tag"], meta["last_modified"])

    if key and uri.endswith("/") and (below := listed(key)):
        return Listing(key, below, _delta_tables(below))
    if key:
        import obstore

        with suppress(FileNotFoundError):
            one = found(obstore.head(store, key))
            # Some stores have an empty object under the name of each folder.
            below = [] if one.size else listed(key)
            return Listing(key, below, _delta_tables(below)) if below else Listing(None, [one])
    if has_magic(key):
        segments = key.split("/")
        fixed = next(at for at, segment in enumerate(segments) if has_magic(segment))
        candidates = listed("/".join(segments[:fixed]))
        matches = [one for one in candidates if _is_match(one.key.split("/"), segments)]
        return Listing(None, matches, _delta_tables(candidates))
    below = listed(key)
    return Listing(key, below, _delta_tables(below))


def _delta_tables(objects: Iterable[StoredObject]) -> tuple[str, ...]:
    return tuple({one.uri.partition("/_delta_log/")[0] for one in objects if "/_delta_log/" in one.uri})


def _is_match(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Check whether a path matches a glob; ** stands for any folders, or for all below where it is last.

    As on a disk, a name that begins with . is matched by a pattern that does so, too, alone.
    """
    if not pattern:
        return not names
    if pattern[0] == "**":
        shown = next((at for at, name in enumerate(names) if name.startswith(".")), len(names))
        if len(pattern) == 1:
            return shown == len(names)
        return any(_is_match(names[at:], pattern[1:]) for at in range(shown + 1))
    is_shown = bool(names) and (not names[0].startswith(".") or pattern[0].startswith("."))
    return is_shown and fnmatchcase(names[0], pattern[0]) and _is_match(names[1:], pattern[1:])

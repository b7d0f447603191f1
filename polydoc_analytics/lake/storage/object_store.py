"""A lake under a prefix of an object store: conditional puts, a lease for its one writer, files read by ranges."""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from polydoc_analytics.errors import LakeError, refuse_blank
from polydoc_analytics.lake.storage.interface import STAGING, Storage, Stored
from polydoc_analytics.lake.storage.local import LocalStorage
from polydoc_analytics.loaders.aws_profile import profile_options
from polydoc_analytics.loaders.object_store import error_text, open_store, split_options

if TYPE_CHECKING:
    import duckdb

LEASE_S = 30.0
"""A lease that is not renewed for so long, by the clock of whoever waits for it, may be taken over."""
_LOCK = "_lock"
_SOON: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
"""Whether there is a lake is also asked of buckets that hold plain files."""


class RemoteStorage:
    """A prefix of an object store. What is put there is durable when the store has answered."""

    is_local = False

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:

        from polydoc_analytics.safe_text import display_address

        self.uri = uri.rstrip("/")
        self.shown = display_address(self.uri)
        if "#" in uri or "?" in uri:
            raise LakeError(f"{self.shown}…: what stands behind # or ? would be left out; choose a prefix without them")
        try:
            self.storage_options = dict(storage_options or profile_options(self.uri)) or None
            self._store = open_store(self.uri, self.storage_options)
            self._probe = open_store(self.uri, self.storage_options, retry_config=_SOON)
        except Exception as error:
            raise LakeError(f"{self.shown}: cannot be opened: {error_text(error)}") from None

    def path(self, name: str) -> str:
        """Return the URI of an object."""
        return f"{self.uri}/{name}"

    def exists(self, name: str) -> bool:
        """Check whether there is an object of this name, or one below it."""
        import obstore

        try:
            with suppress(FileNotFoundError):
                obstore.head(self._probe, name)
                return True
            return any(True for batch in obstore.list(self._probe, prefix=name, chunk_size=1) for _ in batch)
        except Exception as error:
            raise LakeError(f"{self.shown}: cannot be reached: {error_text(error)}") from None

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes; None where there is none."""
        import obstore

        try:
            return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace an object."""
        import obstore

        self._put(lambda: obstore.put(self._store, name, content))

    def publish(self, staged: Path, name: str) -> None:
        """Upload a file of this machine."""
        import obstore

        self._put(lambda: obstore.put(self._store, name, staged))

    def move(self, name: str, new_name: str) -> None:
        """Copy an object within the store; the first one goes with what else is staged."""
        import obstore

        self._put(lambda: obstore.copy(self._store, name, new_name))

    def open_file(self, name: str) -> Any:
        """Return a file that reads ranges of an object."""
        return self._filesystem().open(self.path(name))

    def open_bytes(self, name: str) -> Any:
        """Open an object."""
        return self.open_file(name)

    def _put(self, put: Callable[[], Any]) -> None:
        try:
            put()
        except Exception as error:
            raise LakeError(f"{self.shown}: cannot be written to: {error_text(error)}") from None

    def fsync(self, names: Iterable[str]) -> None:
        """Do nothing: an object that the store has acknowledged is durable."""

    def fsync_folders(self, names: Iterable[str]) -> None:
        """Do nothing: an object store knows no folders."""

    def files(self, folder: str) -> Iterator[Stored]:
        """Yield the objects of a folder, without those further below."""
        import obstore

        for found in obstore.list_with_delimiter(self._store, prefix=folder)["objects"]:
            name = found["path"].rsplit("/", 1)[-1]
            yield Stored(name, found["size"])

    def walk(self) -> Iterator[str]:
        """Yield the names of all objects below the prefix."""
        import obstore

        yield from sorted(one["path"] for batch in obstore.list(self._store) for one in batch)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        import obstore

        with suppress(FileNotFoundError):
            obstore.delete(self._store, name)

    def clear_staging(self, load: str | None = None) -> None:
        """Remove staged objects; of any load under the lease, for then their writers do not hold it any more."""
        import obstore

        prefix = f"{STAGING}/{load}" if load else STAGING
        names = [one["path"] for batch in obstore.list(self._store, prefix=prefix) for one in batch]
        if names:
            obstore.delete(self._store, names)

    @contextmanager
    def lock(self, notify: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the lake's lease, and renew it until the work is done.

        Every commit is conditional too, so that a writer that has lost its lease can change nothing.
        """
        lease = _Lease(self._store, self.shown)
        lease.acquire(notify)
        try:
            yield
        finally:
            lease.release()

    @contextmanager
    def staging(self, load: str) -> Iterator[Path]:
        """Yield a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix=f"polydoc-{load}-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a connection read objects by ranges, as DuckDB's wheel cannot by itself."""
        con.register_filesystem(self._filesystem())

    def _filesystem(self) -> Any:
        from obstore.fsspec import FsspecStore

        from polydoc_analytics.lake.storage.read_only_files import ReadOnly

        class Objects(ReadOnly, FsspecStore):
            """The objects of a store, which are only read. None is replaced, so each is asked for its size once."""

            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                self._known: dict[str, dict[str, Any]] = {}

            async def _info(self, path: str, **options: Any) -> dict[str, Any]:
                if path not in self._known:
                    self._known[path] = await super()._info(path, **options)
                return self._known[path]

            def modified(self, path: str) -> datetime:
                """Return the time at which an object was put there."""
                written: datetime = self.info(path)["last_modified"]
                return written

        protocol = self.uri.split("://", 1)[0]
        config, client = split_options(self.storage_options)
        return Objects(protocol, config=config, client_options=client)


class _Lease:
    """An object that only its holder may replace: created and renewed by conditional puts."""

    def __init__(self, store: Any, shown: str) -> None:
        self._store = store
        self._shown = shown
        self._tag: str | None = None
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="polydoc-lease", daemon=True)

    def acquire(self, notify: Callable[[str], None] | None) -> None:
        """Wait until nobody else holds the lease; one whose holder is silent for LEASE_S is taken over."""
        seen: str | None = None
        since = time.monotonic()
        told = False
        while not self._try(seen if time.monotonic() - since > LEASE_S else None):
            tag = self._tag_of_holder()
            if tag != seen:
                seen, since = tag, time.monotonic()
            if notify and not told:
                notify(f"{self._shown}: another process is writing to this lake; waiting for it")
                told = True
            time.sleep(random.uniform(0.05, 0.4))
        self._keeper.start()

    def _try(self, expired: str | None) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create" if expired is None else {"e_tag": expired}
        try:
            self._tag = obstore.put(self._store, _LOCK, self._content(), mode=mode)["e_tag"]
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            return False
        except Exception as error:
            raise LakeError(f"{self._shown}: cannot be written to: {error_text(error)}") from None
        return True

    def _tag_of_holder(self) -> str | None:
        import obstore

        with suppress(FileNotFoundError):
            return obstore.head(self._store, _LOCK)["e_tag"]
        return None

    def _content(self) -> bytes:
        return json.dumps({"renewed_at": datetime.now(UTC).isoformat(), "process": os.getpid()}).encode()

    def _keep(self) -> None:
        import obstore
        from obstore.exceptions import PreconditionError

        while not self._done.wait(LEASE_S / 4):
            try:
                self._tag = obstore.put(self._store, _LOCK, self._content(), mode={"e_tag": self._tag})["e_tag"]
            except (PreconditionError, FileNotFoundError):  # lost: the conditional commits will tell
                return
            except Exception:  # the store is out of reach for now
                continue

    def release(self) -> None:
        """Let go of the lease, if it is still held."""
        import obstore

        self._done.set()
        self._keeper.join()
        with suppress(Exception):
            if self._tag_of_holder() == self._tag:
                obstore.delete(self._store, _LOCK)


def storage_of(uri: str, storage_options: Mapping[str, str] | None) -> Storage:
    """Return the place that a path or URI names."""
    refuse_blank(uri, "the lake")
    if "://" not in uri:
        return LocalStorage(Path(uri))
    if uri[:7].lower() == "file://":
        path = uri[7:].removeprefix("localhost")
        if not path.startswith("/"):
            from polydoc_analytics.safe_text import display_address

            raise LakeError(
                f"{display_address(uri)}: names another host; give a path on this machine, as in file:///data/lake"
            )
        return LocalStorage(Path(path if os.path.lexists(path) else unquote(path)))
    scheme, _, rest = uri.partition("://")
    scheme = scheme.lower()
    if not {"", ".", ".."}.isdisjoint(rest.rstrip("/").split("/")):
        from polydoc_analytics.safe_text import display_address

        raise LakeError(f"{display_address(uri)}: names no bucket, or a part of its prefix is empty, . or ..")
    return RemoteStorage(f"{'gs' if scheme == 'gcs' else scheme}://{rest}", storage_options)

"""The sources that the configuration names: the service's API, its PostgreSQL, and files that come and go.

``[sources.NAME]`` has a ``kind``. Secrets stand there by the name of an environment variable alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from polydoc_analytics.config.settings import Settings, settings
from polydoc_analytics.errors import SourceError, UsageError, nearest
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.services import Service

_LENGTH = re.compile(r"([1-9]\d{0,4})([hdw])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 168}

Notify = Callable[[str], None]


class _Late:
    """A source that declares how late its rows come: ``complete_after``, such as 6h."""

    __slots__ = ()
    name: str
    complete_after: str | None

    @property
    def lag(self) -> timedelta:
        """How long after the end of a period the source may still bring rows of it."""
        return _length(self.name, "complete_after", self.complete_after) if self.complete_after else timedelta(0)


@dataclass(frozen=True, slots=True)
class ApiSource(_Late):
    """The service's REST API. It is the authority on the present; every sync fetches the whole list.

    With ``allow_http`` the token may go unencrypted to another machine.
    """

    kind: ClassVar[str] = "api"
    is_authority: ClassVar[bool] = True
    name: str
    base: str = "https://api.polydoc.ai"
    token_env: str = "POLYDOC_BEARER_AUTH"
    allow_http: bool = False
    complete_after: str | None = None

    def service(self, notify: Notify | None = None) -> Service:
        """Build the service whose list of runs is fetched to a file, and read from there."""

        def fetch(folder: Path, options: ReadOptions) -> Iterable[Any]:
            from polydoc_analytics.loaders.services import rest_api

            path = rest_api.fetched(
                self.base,
                secret(self.token_env, self.name),
                folder,
                allow_http=self.allow_http,
                is_partial=options.partial,
                progress=options.progress,
                tell=notify,
            )
            return rest_api.read(path, source=self.name, is_partial=options.partial)

        return Service(self.name, fetch)


@dataclass(frozen=True, slots=True)
class PostgresSource(_Late):
    """The service's PostgreSQL, or any table or query of the same columns. It is the authority on the present.

    ``look_back`` is how long before the last sync a run may have been created or finished that is read once more.
    ``account_names`` is a query with the columns account_id and name.
    """

    kind: ClassVar[str] = "postgres"
    is_authority: ClassVar[bool] = True
    name: str
    dsn_env: str = "POLYDOC_DSN"
    table: str | None = None
    query: str | None = None
    look_back: str = "3d"
    assume_utc: bool = False
    account_names: str | None = None
    complete_after: str | None = None

    @property
    def overlap(self) -> timedelta:
        """The length of ``look_back``."""
        return _length(self.name, "look_back", self.look_back)

    def service(self, since: datetime | None = None, ids: Iterable[str] = ()) -> Service:
        """Build the service of all runs, or of those created or finished ``since`` an instant and those of some ids."""

        def fetch(_: Path, options: ReadOptions) -> Iterable[Any]:
            from polydoc_analytics.loaders.services import postgres

            return postgres.read(
                secret(self.dsn_env, self.name),
                source=self.name,
                table=self.table,
                query=self.query,
                since=since,
                ids=ids,
                assume_utc=self.assume_utc,
            )

        return Service(self.name, fetch)

    def names_of_accounts(self) -> dict[str, str]:
        """Return names by account id; empty where no query for them is configured."""
        from polydoc_analytics.loaders.services import postgres

        if self.account_names is None:
            return {}
        return postgres.account_names(secret(self.dsn_env, self.name), self.account_names, source=self.name)


@dataclass(frozen=True, slots=True)
class FilesSource(_Late):
    """Files in a folder, a bucket or under a glob. With ``correct`` they are the authority, else they are merged."""

    kind: ClassVar[str] = "files"
    name: str
    path: str | tuple[str, ...]
    input_format: str | None = None
    assume_utc: bool = False
    correct: bool = False
    complete_after: str | None = None

    @property
    def is_authority(self) -> bool:
        """Check whether what these files say replaces what is stored."""
        return self.correct

    def paths(self) -> list[str]:
        """Return the paths, globs and URIs as given."""
        return [self.path] if isinstance(self.path, str) else list(self.path)


def _length(source: str, key: str, text: str) -> timedelta:
    match = _LENGTH.fullmatch(text)
    if not match:
        raise UsageError(f"source {source}: {key} '{text}' is no length of time; expected 12h, 3d or 2w")
    return timedelta(hours=int(match.group(1)) * _HOURS[match.group(2)])


Source = ApiSource | PostgresSource | FilesSource
KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (ApiSource, PostgresSource, FilesSource)}


def sources(found: Settings) -> dict[str, Source]:
    """Return the sources of the settings by name; raises UsageError for what means nothing, with what would."""
    return {name: _source(name, table, found) for name, table in found.sources.items()}


def source_named(text: str) -> Source | None:
    """Find the source of the configuration in force that a text names; None where there is no such, or a file is."""
    if not re.fullmatch(r"[\w-]+", text) or os.path.exists(text):
        return None
    return sources(settings()).get(text)


def secret(variable: str, source: str) -> str:
    """Return a secret from the environment; raises SourceError, which names the variable, where it is not set."""
    value = os.environ.get(variable)
    if not value:
        raise SourceError(f"source {source}: the environment variable {variable} is not set; it holds the secret")
    return value


def _source(name: str, table: Mapping[str, Any], found: Settings) -> Source:
    where = f"[sources.{name}]"
    if not re.fullmatch(r"[\w-]+", name):
        raise UsageError(f"{where}: a source's name has letters, digits, - and _ alone")
    kind = table.get("kind")
    if kind not in KINDS:
        raise UsageError(f"{where}: unknown kind '{kind}'{nearest(str(kind), KINDS)}; expected {', '.join(KINDS)}")
    known = {field.name: str(field.type) for field in fields(KINDS[kind]) if field.name != "name"}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "kind":
            continue
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'{nearest(key, known)}; expected {', '.join(known)}")
        values[key] = _value(where, key, value, known[key])
    if kind == "files":
        if "path" not in values:
            raise UsageError(f'{where}: needs a path, such as path = "exports/"')
        given = values["path"]
        values["path"] = found.path(given) if isinstance(given, str) else tuple(found.path(one) for one in given)
    source: Source = KINDS[kind](name, **values)
    _ = source.lag
    if isinstance(source, PostgresSource):
        if source.table is not None and source.query is not None:
            raise UsageError(f"{where}: give a table or a query, not both")
        _ = source.overlap
    return source


def _value(where: str, key: str, value: Any, kind: str) -> Any:
    if kind == "bool":
        if not isinstance(value, bool):
            raise UsageError(f"{where}: {key} must be true or false")
        return value
    if "tuple" in kind and isinstance(value, list) and all(isinstance(one, str) for one in value) and value:
        return tuple(_value(where, key, one, "str") for one in value)
    if not isinstance(value, str):
        raise UsageError(f"{where}: {key} must be a text in quotation marks")
    if not value.strip():
        raise UsageError(f"{where}: {key} is an empty text; give it a value or leave it out")
    return value

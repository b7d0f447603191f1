"""The sources that the configuration names: the service's API, its PostgreSQL, and files that come and go.

``[sources.NAME]`` has a ``kind``. Secrets stand there by the name of an environment variable alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from polydoc_analytics.config.settings import Settings, settings
from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.services import Service
from polydoc_analytics.safe_text import display_variable

Notify = Callable[[str], None]


class _Late:
    """A source that declares how late its rows come: ``complete_after``, such as 6h."""

    __slots__ = ()
    name: str
    complete_after: timedelta | None

    @property
    def lag(self) -> timedelta:
        """How long after the end of a period the source may still bring rows of it."""
        return self.complete_after or timedelta(0)


@dataclass(frozen=True, slots=True)
class ApiSource(_Late):
    """The service's REST API. It is the authority on the present; every sync fetches the whole list.

    With ``allow_http`` the token may go unencrypted to another machine.
    """

    kind: ClassVar[str] = "api"
    is_authority: ClassVar[bool] = True
    name: str
    base: str
    token_env: str
    allow_http: bool
    complete_after: timedelta | None

    def reads(self) -> list[Any]:
        """List nothing: all is read each time."""
        return []

    def service(self, notify: Notify | None = None) -> Service:
        """Build the service whose list of runs is fetched to a file, and read from there."""

        def fetch(folder: Path, options: ReadOptions) -> Iterable[Any]:
            from polydoc_analytics.loaders.services import rest_api

            path = rest_api.fetch_runs(
                self.base,
                secret(self.token_env, self.name),
                folder,
                allow_http=self.allow_http,
                is_partial=options.partial,
                progress=options.progress,
                notify=notify,
                token_variable=self.token_env,
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
    dsn_env: str
    table: str | None
    query: str | None
    look_back: timedelta
    assume_utc: bool
    account_names: str | None
    complete_after: timedelta | None

    @property
    def overlap(self) -> timedelta:
        """The length of ``look_back``."""
        return self.look_back

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

    def reads(self) -> list[Any]:
        """List what decides which rows are read, and how: where another is set, what was read before says nothing."""
        from polydoc_analytics.loaders.services.postgres_dsn import parsed

        return [parsed(secret(self.dsn_env, self.name)).place, self.table, self.query, self.assume_utc]

    def now(self) -> datetime:
        """Ask the database for its own time, by which it says when its rows were made."""
        from polydoc_analytics.loaders.services import postgres

        dsn = secret(self.dsn_env, self.name)
        return postgres.now(dsn, source=self.name, table=self.table, query=self.query)

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
    input_format: str | None
    assume_utc: bool
    correct: bool
    complete_after: timedelta | None

    @property
    def is_authority(self) -> bool:
        """Check whether what these files say replaces what is stored."""
        return self.correct

    def reads(self) -> list[Any]:
        """List what decides how rows are read: where another is set, what was read before says nothing."""
        return [self.input_format, self.assume_utc, self.correct]

    def paths(self) -> list[str]:
        """Return the paths, globs and URIs as given."""
        return [self.path] if isinstance(self.path, str) else list(self.path)


Source = ApiSource | PostgresSource | FilesSource
KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (ApiSource, PostgresSource, FilesSource)}


def sources(settings: Settings) -> dict[str, Source]:
    """Build the sources of the settings, by name."""
    return {
        name: KINDS[table.kind](name, **{key: value for key, value in table if key != "kind"})
        for name, table in settings.sources.items()
    }


def source_named(text: str) -> Source | None:
    """Find the source of the configuration in force that a text names; None where there is no such, or a file is."""
    if not re.fullmatch(r"[\w-]+", text) or os.path.exists(text):
        return None
    return sources(settings()).get(text)


def secret(variable: str, source: str) -> str:
    """Return a secret from the environment; raises SourceError, which names the variable, where it is not set."""
    value = os.environ.get(variable)
    if not value or not value.strip():
        name = display_variable(variable)
        raise SourceError(f"source {source}: the environment variable {name} is not set; it holds the secret")
    return value

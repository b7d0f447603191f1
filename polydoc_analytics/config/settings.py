"""Settings: flags win over the environment, the environment over ``polydoc-analytics.toml``, that over defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import SourceError, UsageError, nearest, not_utf8

FILE_NAME = "polydoc-analytics.toml"
PREFIX = "POLYDOC_ANALYTICS_"

_SIZE = re.compile(r"([1-9][0-9]{0,9}) ?(B|KiB|MiB|GiB)?", re.ASCII)
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
LEAST_ROW_BYTES = 64 * 1024
_MOST_ROW_BYTES = 1024**3

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a user.

    ``timezone`` and ``date_basis`` are those of every command, ``accounts`` is a CSV of account_id,name, ``lake`` the
    lake's folder or URI, ``locale`` that of reports where ``branding`` names none, ``views`` a folder of the user's own
    views, ``engine`` who answers (duckdb or spark) and ``remote`` where that is, ``longest_row`` the size beyond which
    a row is quarantined. The rest are tables as they stand in the file: ``branding``, ``schedule``, ``sources`` and
    ``delivery`` by name, and lists of ``reports`` and ``alerts``. Paths in the file are relative to ``folder``, where
    it lies.
    """

    timezone: str = "UTC"
    date_basis: str = "created"
    accounts: str | None = None
    lake: str | None = None
    locale: str | None = None
    views: str | None = None
    engine: str = "duckdb"
    remote: str | None = None
    longest_row: str = "64 MiB"
    branding: Table = field(default_factory=dict)
    sources: Mapping[str, Table] = field(default_factory=dict)
    schedule: Table = field(default_factory=dict)
    delivery: Mapping[str, Table] = field(default_factory=dict)
    reports: Sequence[Table] = ()
    alerts: Sequence[Table] = ()
    folder: Path = Path()

    @property
    def cluster(self) -> dict[str, Any]:
        """The arguments of ``connect`` that say who answers; a remote is left alone where DuckDB does."""
        return {"engine": self.engine, "remote": None if self.engine == "duckdb" else self.remote}

    @property
    def longest_row_bytes(self) -> int:
        """The size of ``longest_row``; raises UsageError where it is none between 64 KiB and 1 GiB."""
        match = _SIZE.fullmatch(self.longest_row)
        size = int(match.group(1)) * _UNITS[match.group(2) or "B"] if match else 0
        if not LEAST_ROW_BYTES <= size <= _MOST_ROW_BYTES:
            raise UsageError(
                f"longest_row '{self.longest_row}' is no size from 64 KiB to 1 GiB; expected such as 64 MiB"
            )
        return size

    def path(self, given: str) -> str:
        """Return a path of the file as seen from the working folder; URIs stay as they are."""
        return given if "://" in given else str(self.folder / given)


_TABLES = ("branding", "sources", "schedule", "delivery")
_LISTS = ("reports", "alerts")
TEXTS = tuple(f.name for f in fields(Settings) if f.name not in (*_TABLES, *_LISTS, "folder"))
_KEYS = (*TEXTS, *_TABLES, *_LISTS)


_chosen: str | None = None


def choose(file: str | None) -> None:
    """Make a file that of all that looks for settings in this process; None takes the choice back."""
    global _chosen
    _chosen = file


def settings(config: str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a configuration file (or the one in this folder) and the environment.

    Raises SourceError where the file cannot be read, UsageError where it holds an unknown key.
    """
    environment = os.environ if environment is None else environment
    config = config or _chosen
    path = Path(config or environment.get(f"{PREFIX}CONFIG") or FILE_NAME)
    content = _read(path) if path.exists() or config else {}
    for key, value in content.items():
        if key not in _KEYS:
            raise UsageError(f"{path}: unknown key '{key}'{nearest(key, _KEYS)}; expected {', '.join(_KEYS)}")
        if key in TEXTS and not isinstance(value, str):
            raise UsageError(f"{path}: {key} must be a text in quotation marks")
        if key in TEXTS and not value.strip():
            raise UsageError(f"{path}: {key} is an empty text; give it a value or leave it out")
        if key in _TABLES and not isinstance(value, dict):
            raise UsageError(f"{path}: {key} must be a table, [{key}]")
        if key in _LISTS and not (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
            raise UsageError(f"{path}: {key} must be a list of tables, [[{key}]]")
    for name, source in content.get("sources", {}).items():
        if not isinstance(source, dict):
            raise UsageError(f"{path}: sources.{name} must be a table, [sources.{name}]")
    found = Settings(**content, folder=path.parent)
    given = {key: value for key in TEXTS if (value := environment.get(PREFIX + key.upper()))}
    for key in ("accounts", "lake", "views"):
        if key not in given and content.get(key):
            given[key] = found.path(content[key])
    made = Settings(**{**content, **given}, folder=path.parent)
    _ = made.longest_row_bytes
    return replace(made, branding={"locale": made.locale, **made.branding}) if made.locale else made


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{path}: is not TOML: {error}") from None


def account_names(path: str | None) -> dict[str, str]:
    """Return names by account id from a CSV with the columns account_id and name (or account_name)."""
    return {} if path is None else by_account(path, ("name", "account_name"))


def by_account(path: str, columns: tuple[str, ...]) -> dict[str, str]:
    """Return by account id the values of a CSV's column, the first of ``columns`` that it has; blank ones are left out.

    Raises SourceError where the file cannot be read, is not UTF-8 or lacks a column.
    """
    import csv

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            found = rows.fieldnames or []
            wanted = next((column for column in columns if column in found), None)
            if "account_id" not in found or wanted is None:
                raise SourceError(f"{path}: expected the columns account_id and {columns[0]}, found {', '.join(found)}")
            values = ((row["account_id"], (row[wanted] or "").strip()) for row in rows)
            return {account: value for account, value in values if account and value}
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    except csv.Error as error:
        raise SourceError(f"{path}: cannot be read as CSV: {error}") from None

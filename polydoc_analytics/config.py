"""Settings: flags win over the environment, the environment over ``polydoc-analytics.toml``, that over defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from polydoc_analytics.errors import SourceError, UsageError, nearest

FILE_NAME = "polydoc-analytics.toml"
PREFIX = "POLYDOC_ANALYTICS_"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may set once: the time zone, the date basis, and a CSV of account_id,account_name."""

    timezone: str = "UTC"
    date_basis: str = "created"
    accounts: str | None = None


def settings(config: str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a configuration file (or the one in this folder) and the environment.

    Raises SourceError where the file cannot be read, UsageError where it holds an unknown key.
    """
    environment = os.environ if environment is None else environment
    path = Path(config or environment.get(f"{PREFIX}CONFIG") or FILE_NAME)
    known = [field.name for field in fields(Settings)]
    values: dict[str, str] = {}
    if path.exists() or config:
        for key, value in _read(path).items():
            if key not in known:
                raise UsageError(f"{path}: unknown key '{key}'{nearest(key, known)}; expected {', '.join(known)}")
            if not isinstance(value, str):
                raise UsageError(f"{path}: {key} must be a text in quotation marks")
            values[key] = value
        if "accounts" in values:
            values["accounts"] = str(path.parent / values["accounts"])
    for key in known:
        if given := environment.get(PREFIX + key.upper()):
            values[key] = given
    return Settings(**values)


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is not TOML: {error}") from None


def account_names(path: str | None) -> dict[str, str]:
    """Return names by account id from a CSV with the columns account_id and account_name (or name)."""
    if path is None:
        return {}
    import csv

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            name = next((column for column in ("name", "account_name") if column in columns), None)
            if "account_id" not in columns or name is None:
                raise SourceError(f"{path}: expected the columns account_id and name, found {', '.join(columns)}")
            return {row["account_id"]: row[name] for row in rows if row[name]}
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None

"""Settings: flags win over the environment, the environment over ``polydoc-analytics.toml``, that over defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polydoc_analytics.config.csv_file import rows_by_account
from polydoc_analytics.config.row_size import row_bytes
from polydoc_analytics.errors import SourceError, UsageError, not_utf8
from polydoc_analytics.safe_text import on_one_line

if TYPE_CHECKING:
    from polydoc_analytics.config.tables import AnyAlert, AnySource, AnyTarget, Report, Schedule

FILE_NAME = "polydoc-analytics.toml"
PREFIX = "POLYDOC_ANALYTICS_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a user.

    ``timezone`` and ``date_basis`` are those of every command, ``accounts`` is a CSV of account_id,name, ``lake`` the
    lake's folder or URI, ``locale`` that of reports where ``branding`` names none, ``views`` a folder of the user's own
    views, ``engine`` who answers (duckdb or spark) and ``remote`` where that is, ``longest_row`` the size beyond which
    a row is quarantined. ``sources`` and ``delivery`` are tables by name, ``reports`` and ``alerts`` lists of them, as
    models of ``config.tables``. ``content`` is the file as it was read, ``file`` its path.
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
    branding: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, AnySource] = field(default_factory=dict)
    schedule: Schedule | None = None
    delivery: Mapping[str, AnyTarget] = field(default_factory=dict)
    reports: Sequence[Report] = ()
    alerts: Sequence[AnyAlert] = ()
    content: Mapping[str, Any] = field(default_factory=dict)
    file: Path = Path(FILE_NAME)

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.file.parent

    @property
    def cluster(self) -> dict[str, Any]:
        """The arguments of ``connect`` that say who answers; a remote is left alone where DuckDB does."""
        return {"engine": self.engine, "remote": None if self.engine == "duckdb" else self.remote}

    @property
    def longest_row_bytes(self) -> int:
        """The size of ``longest_row``; raises UsageError for a size that is not between 64 KiB and 1 GiB."""
        return row_bytes(self.longest_row)


TEXTS = tuple(f.name for f in fields(Settings) if str(f.type) in ("str", "str | None"))


class SettingsError(UsageError):
    """A settings file with mistakes; ``problems`` has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more; `polydoc-analytics config check` lists all)" if problems[1:] else ""
        super().__init__(f"{problems[0]}{more}")
        self.problems = tuple(problems)


def settings(config: str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Load the settings from a file (or the one in this folder) and the environment.

    Raises SourceError for a file that cannot be read, SettingsError for one with mistakes.
    """
    found, problems = examined(config, environment)
    if problems:
        raise SettingsError(problems)
    return found


def examined(config: str | None = None, environment: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Load the settings, with all that is valid in them, and list the mistakes; see :func:`settings`."""
    environment = os.environ if environment is None else environment
    named = config or environment.get(CONFIG_VARIABLE)
    path = Path(named or FILE_NAME)
    found, problems = _of_file(path) if path.exists() or named else (Settings(file=path), [])
    given: dict[str, Any] = {key: value for key in TEXTS if (value := environment.get(PREFIX + key.upper()))}
    found = replace(found, **given)
    _ = found.longest_row_bytes
    return replace(found, branding={"locale": found.locale, **found.branding}) if found.locale else found, problems


def environment_problems(environment: Mapping[str, str] | None = None) -> list[str]:
    """List the mistakes in the settings of the environment, each with its variable."""
    from polydoc_analytics.config.validation import validate

    environment = os.environ if environment is None else environment
    given = {key: value for key in TEXTS if (value := environment.get(PREFIX + key.upper()))}
    return [f"{PREFIX}{key.upper()}: {text}" for key in given for _, text in validate({key: given[key]}, Path())[1]]


def problem_text(file: Path, location: tuple[str | int, ...], text: str) -> str:
    """Put before a problem the file and the line of what it is about, and all of it on one line."""
    text = on_one_line(text)
    if not file.exists():
        return text
    from polydoc_analytics.config.toml_lines import line_of

    line = line_of(_text(file), location)
    return f"{file}:{line}: {text}" if line else f"{file}: {text}"


def _of_file(path: Path) -> tuple[Settings, list[str]]:
    import tomllib

    from polydoc_analytics.config.validation import validate

    try:
        content = tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        raise SourceError(f"{path}: is not TOML: {error}") from None
    document, problems = validate(content, path.parent)
    plain = {key: value for key in TEXTS if (value := getattr(document, key)) is not None}
    found = Settings(
        **plain,
        branding=document.branding.model_dump(exclude_unset=True),
        sources=document.sources,
        schedule=document.schedule,
        delivery=document.delivery,
        reports=document.reports,
        alerts=document.alerts,
        content=content,
        file=path,
    )
    return found, sorted((problem_text(path, *problem) for problem in problems), key=_line)


def _line(problem: str) -> int:
    match = re.search(r":(\d+): ", problem)
    return int(match.group(1)) if match else 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")  # editors of Windows put a byte order mark before it
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None


def account_names(path: str | None) -> dict[str, str]:
    """Return names by account id from a CSV with the columns account_id and name (or account_name).

    Accounts without a name are left out. Raises SourceError where the file cannot be read, lacks a column, or it is
    unclear whose a name is.
    """
    if path is None:
        return {}
    columns, rows = rows_by_account(path)
    named = next((column for column in ("name", "account_name") if column in columns), None)
    if "account_id" not in columns or named is None:
        raise SourceError(f"{path}: expected the columns account_id and name, found {', '.join(columns)}")
    for row in rows.values():
        row.raise_if_broken("account_id", named)
    return {account: name for account, row in rows.items() if (name := row.cells[named].strip())}

"""Values, names and types as they stand in SQL that the package writes itself."""

from __future__ import annotations

import glob
from typing import Any


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def path_literal(path: str) -> str:
    """Return a file's path, or its URI, as a literal that names no other file: DuckDB reads patterns in paths."""
    return quoted(path if "://" in path else glob.escape(path))


def identifier(name: str) -> str:
    """Return a name as an identifier of SQL, in quotation marks."""
    return '"' + name.replace('"', '""') + '"'


SQL_TYPES = {
    "duckdb": {"text": "varchar", "instant": "timestamptz", "integer": "bigint", "truth": "boolean", "date": "date"},
    "spark": {"text": "string", "instant": "timestamp", "integer": "bigint", "truth": "boolean"},
    "postgres": {"text": "text", "instant": "timestamp with time zone", "integer": "bigint", "truth": "boolean"},
}
"""The types of SQL by dialect and kind of column."""


def without_progress_bar(con: Any) -> None:
    """Switch DuckDB's progress bar off.

    In a notebook without ipywidgets it is off already, and to say so raises.
    """
    [(is_on,)] = con.execute("select current_setting('enable_progress_bar')").fetchall()
    if is_on:
        con.execute("set enable_progress_bar = false")

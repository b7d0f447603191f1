"""The lines of a TOML file at which its tables and keys stand; Python's parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from functools import lru_cache
from typing import Any

Path = tuple[str | int, ...]
_ITEM = re.compile(r"""\s*(?:(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'#\s\[\]{},]+)\s*,)?\s*(?:\#.*)?""")
"""A line of a list that has one plain item and its comma, or none."""


def line_of(text: str, location: Path) -> int | None:
    """Find the 1-based line of a key or table, or of the innermost table around it; None where there is none."""
    lines = _lines(text)
    return next((lines[location[:size]] for size in range(len(location), 0, -1) if location[:size] in lines), None)


@lru_cache(maxsize=1)
def _lines(text: str) -> dict[Path, int]:
    """Map each path to the line where its statement begins.

    A statement, a header or ``key = value``, is the shortest run of lines that parses as TOML by itself.
    """
    found: dict[Path, int] = {}
    tables: Counter[Path] = Counter()
    table: Path = ()
    statement, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            first = number
        elif not _may_end(statement, line):
            statement += line + "\n"
            continue
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _header(parsed, tables)
            found.setdefault(table, first)
        else:
            _add(found, parsed, table, first)
        statement = ""
    return found


def _may_end(statement: str, line: str) -> bool:
    """Check whether a line may be the last of a statement; of a list of thousands, none is parsed with each item."""
    begin = statement.partition("\n")[0]
    for quotes in ('"""', "'''"):
        if begin.count(quotes) == 1:
            return quotes in line
    return not _ITEM.fullmatch(line)


def _header(parsed: Any, tables: Counter[Path]) -> Path:
    """Return the path of a header, with the index where it is one of a list; counts the tables of lists."""
    path: Path = ()
    while parsed:
        if isinstance(parsed, list):
            path = (*path, tables[path])
            tables[path[:-1]] += 1
            parsed = parsed[0]
        else:
            [(name, parsed)] = parsed.items()
            path = (*path, name)
            if isinstance(parsed, dict) and tables[path]:
                path = (*path, tables[path] - 1)
    return path


def _add(lines: dict[Path, int], value: Any, path: Path, line: int) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        lines.setdefault((*path, key), line)
        _add(lines, inner, (*path, key), line)

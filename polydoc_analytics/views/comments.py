"""The meaning of views and columns, as comments that a database keeps."""

from __future__ import annotations

from collections.abc import Mapping

from polydoc_analytics.model.sql_names import identifier, quoted


def comments(name: str, title: str, columns: Mapping[str, str], kind: str = "view") -> list[str]:
    """List the statements that give a view, or another ``kind`` of relation, and its columns their meaning."""
    return [
        f"comment on {kind} {name} is {quoted(title)};",
        *(f"comment on column {name}.{_name(column)} is {quoted(meaning)};" for column, meaning in columns.items()),
    ]


def _name(column: str) -> str:
    is_plain = column.isascii() and column.isidentifier() and column == column.lower()
    return column if is_plain else identifier(column)

"""The merge rule, as SQL and as a key: of the rows that were seen of one run, the first in this order holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WINNER_ORDER = """
    (status <> 'Running') desc,
    finished_at desc nulls last,
    (status = 'Succeeded') desc,
    created_at desc,
    credits desc nulls last,
    output_tokens desc nulls last,
    input_tokens desc nulls last,
    output_file_id desc nulls last,
    account_id desc,
    target_language desc,
    input_file_id desc
"""
"""SQL: finished over Running, then the later finish, then Succeeded over Failed, then the greater, null lowest."""


def winner_key(run: Mapping[str, Any]) -> tuple[tuple[bool, Any], ...]:
    """Build the key of which the greatest is the first in WINNER_ORDER, from the fields of a row."""
    values = (
        run["status"] != "Running",
        run["finished_at"],
        run["status"] == "Succeeded",
        run["created_at"],
        run["credits"],
        run["output_tokens"],
        run["input_tokens"],
        run["output_file_id"],
        run["account_id"],
        run["target_language"],
        run["input_file_id"],
    )
    return tuple((value is not None, value) for value in values)

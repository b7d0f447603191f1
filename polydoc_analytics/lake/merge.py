"""The statements of merge.sql, which both DuckDB and Spark execute, with the one merge rule in them."""

from __future__ import annotations

import re
from importlib.resources import files

from polydoc_analytics.ingest.merge_rule import WINNER_ORDER
from polydoc_analytics.lake.schemas import RUN_COLUMNS
from polydoc_analytics.model.schema import NAMES
from polydoc_analytics.model.sql_template import Value, fill

ORDER = "created_at, id"
"""How rows of runs and history lie in their files."""
_STATEMENT = re.compile(r"^create temporary view (\w+) as\n(.*?);$", re.MULTILINE | re.DOTALL)


def merge_sql(load: str, *, is_authority: bool) -> str:
    """Return merge.sql, filled for one load."""
    text = files(__package__).joinpath("merge.sql").read_text("utf-8")
    values: dict[str, Value] = {
        "columns": RUN_COLUMNS,
        "winner_order": " ".join(WINNER_ORDER.split()),
        "is_changed": " or ".join(f"staged.{name} is distinct from candidate_rows.{name}" for name in NAMES),
        "is_same": " and ".join(f"contest.{name} is not distinct from past.{name}" for name in NAMES),
        "load": load,
        "is_authority": "true" if is_authority else "false",
    }
    return fill(text, values)


def merge_queries(load: str, *, is_authority: bool) -> dict[str, str]:
    """Return the query of each view of merge.sql by the view's name, in their order."""
    return dict(_STATEMENT.findall(merge_sql(load, is_authority=is_authority)))

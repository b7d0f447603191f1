"""The statements of merge.sql, which both DuckDB and Spark execute, with the one merge rule in them."""

from __future__ import annotations

import re
from importlib.resources import files

from polydoc_analytics.ingest.dedup import WINNER_ORDER
from polydoc_analytics.lake.schemas import RUN_COLUMNS
from polydoc_analytics.model.schema import NAMES

ORDER = "created_at, id"
"""How rows of runs and history lie in their files."""
_STATEMENT = re.compile(r"^create temporary view (\w+) as\n(.*?);$", re.MULTILINE | re.DOTALL)


def merge_sql(load: str, *, is_authority: bool) -> str:
    """Return merge.sql with all that stands in braces put in."""
    text = files(__package__).joinpath("merge.sql").read_text("utf-8")
    values = {
        "columns": RUN_COLUMNS,
        "winner_order": " ".join(WINNER_ORDER.split()),
        "differ": " or ".join(f"staged.{name} is distinct from near.{name}" for name in NAMES),
        "same": " and ".join(f"contest.{name} is not distinct from past.{name}" for name in NAMES),
        "load": load,
        "is_authority": "true" if is_authority else "false",
    }
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], text)


def merge_queries(load: str, *, is_authority: bool) -> dict[str, str]:
    """Return the query of each view of merge.sql by the view's name, in their order."""
    return dict(_STATEMENT.findall(merge_sql(load, is_authority=is_authority)))

"""Usage figures you can trust from the run logs of a document translation service.

import polydoc_analytics as pda

loaded = pda.load("exports/*.ndjson.gz")         # .runs, .quarantine (Polars), .counts
db = pda.connect("exports/", timezone="Europe/Lisbon", since="2026-01-01")
db.view("usage_by_account")                      # a Polars frame
db.sql("select language, failure_rate from usage_by_language order by 2 desc")
lake = pda.Lake("lake")                          # every run for good: lake.ingest("exports/")
db = pda.connect(lake, as_of="2026-10-01")       # the figures as they were known that day
pda.report("exports/", period="last-month", formats=["html", "pdf"], out="reports/")
pda.build(db)                                    # the report, shown in a notebook
pda.charts.usage_over_time(db, every="week")     # an Altair chart
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from polydoc_analytics._version import __version__ as __version__
from polydoc_analytics.model.drawing import draws

if TYPE_CHECKING:
    from polydoc_analytics.errors import (
        LakeError,
        PolydocError,
        QueryError,
        RejectedRowsError,
        SourceError,
        SumError,
        UsageError,
    )
    from polydoc_analytics.ingest.results import Counts, Loaded, Staged
    from polydoc_analytics.lake.diff import LakeDiff
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.lake.load import LoadResult
    from polydoc_analytics.loaders.sample import write_sample
    from polydoc_analytics.model.languages import Language, language
    from polydoc_analytics.model.periods import Interval, interval
    from polydoc_analytics.model.schema import arrow_schema, pandera_schema, polars_schema
    from polydoc_analytics.query.connect import connect
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.explanation import Explanation
    from polydoc_analytics.query.export import export, load
    from polydoc_analytics.query.outlook import Outlook
    from polydoc_analytics.reports.charts import charts
    from polydoc_analytics.reports.model import Report
    from polydoc_analytics.reports.write import build, report

_HOMES = {
    "reports.model": ("Report",),
    "query.connect": ("connect",),
    "query.database": ("Database",),
    "errors": ("LakeError", "PolydocError", "QueryError", "RejectedRowsError", "SourceError", "SumError", "UsageError"),
    "lake.diff": ("LakeDiff",),
    "lake.lake": ("Lake",),
    "lake.load": ("LoadResult",),
    "model.languages": ("Language", "language"),
    "ingest.results": ("Counts", "Loaded", "Staged"),
    "query.explanation": ("Explanation",),
    "query.outlook": ("Outlook",),
    "query.export": ("export", "load"),
    "model.periods": ("Interval", "interval"),
    "reports.write": ("build", "report"),
    "loaders.sample": ("write_sample",),
    "model.schema": ("arrow_schema", "pandera_schema", "polars_schema"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Counts",
    "Database",
    "Explanation",
    "Interval",
    "Lake",
    "LakeDiff",
    "LakeError",
    "Language",
    "LoadResult",
    "Loaded",
    "Outlook",
    "PolydocError",
    "QueryError",
    "RejectedRowsError",
    "Report",
    "SourceError",
    "Staged",
    "SumError",
    "UsageError",
    "arrow_schema",
    "build",
    "charts",
    "connect",
    "export",
    "interval",
    "language",
    "load",
    "pandera_schema",
    "polars_schema",
    "report",
    "write_sample",
]


# Charts are a room above what they draw, and import Altair, so an explanation asks for its own by name.
draws("waterfall", lambda explanation: __getattr__("charts").waterfall(explanation))


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that ``--help`` costs nothing of it."""
    if name == "charts":
        return import_module(f"{__name__}.reports.charts.charts")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook %polydoc and %%polydoc: what ``%load_ext polydoc_analytics`` calls."""
    import_module(f"{__name__}.notebook").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again: what ``%unload_ext polydoc_analytics`` calls."""
    import_module(f"{__name__}.notebook").unload(shell)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)

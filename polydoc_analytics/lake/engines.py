"""The engines: DuckDB in this process, or a cluster over Spark Connect."""

from __future__ import annotations

from polydoc_analytics.config.choices import ENGINES
from polydoc_analytics.errors import UsageError, nearest


def is_spark(engine: str) -> bool:
    """Check whether an engine's name is that of the cluster; raises UsageError where it is none of ENGINES."""
    if engine not in ENGINES:
        raise UsageError(f"unknown engine '{engine}'{nearest(engine, ENGINES)}; expected {' or '.join(ENGINES)}")
    return engine == "spark"

"""Whether a source may be a lake, told without importing what a lake needs."""

from __future__ import annotations

import os
from typing import Any

from polydoc_analytics.loaders import is_table
from polydoc_analytics.loaders.sources import format_of

_SCHEMES = ("s3://", "gs://", "az://", "abfs://", "file://")


def may_be_lake(source: Any) -> bool:
    """Tell whether a source is no table and no list, and as a path has a lake's folder, or as a URI may have one."""
    if not isinstance(source, str | os.PathLike):
        return not isinstance(source, list | tuple) and not is_table(source)
    text = os.fspath(source)
    if text == "-":  # the standard input
        return False
    if "://" in text:
        return text.startswith(_SCHEMES) and not format_of(text) and "*" not in text
    return os.path.isdir(os.path.join(text, "loads", "_delta_log"))

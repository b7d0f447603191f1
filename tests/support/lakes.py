"""What a lake, or any folder, holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polydoc_analytics as pda


def credits_of(source: Any, **arguments: Any) -> dict[str, int | None]:
    """The credits of each run by its id."""
    runs = pda.load(source, **arguments).runs
    return dict(zip(runs["id"], runs["credits"], strict=True))


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

"""Where things are in this repository, and the folder beside it whose data only some machines have."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SAMPLE = ROOT / "data" / "sample_runs.ndjson"
REAL_RUNS = ROOT / "data" / "_real" / "llmperf_runs.ndjson.gz"
REAL_FIGURES = ROOT / "data" / "_real" / "llmperf_expected.json.gz"
SHARED = ROOT.parent / "shared"


def last_line_first(path: Path) -> bytes:
    """The lines of a file in another order, on which no figure and no shown order of rows may depend."""
    return b"".join(reversed(path.read_bytes().splitlines(keepends=True)))


def with_support(**variables: str) -> dict[str, str]:
    """The environment of a process of its own that imports `support`, with further variables."""
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path} | variables

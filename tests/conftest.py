from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from clusters import apache_spark as apache_spark  # fixtures for every test
from clusters import cluster as cluster
from clusters import sail as sail
from postgres_server import postgres as postgres

from polydoc_analytics.model.schema import pandera_schema

SHARED = Path(__file__).parents[2] / "shared"
SAMPLE = Path(__file__).parents[1] / "data" / "sample_runs.ndjson"


# Here once, under no test's filter of warnings: a thread whose import of it fails would leave half of it behind.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pandera_schema()

_WORKERS = 8
"""More processes gain little: the longest test takes as long as the rest then, and each has its own servers."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many processes as there are processors for this one, but none where single files are asked for."""
    if given := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(given)
    # xdist itself would count cores where psutil is installed, one for two processors.
    chosen = [Path(one.partition("::")[0]) for one in config.option.file_or_dir]
    if chosen and all(one.suffix == ".py" for one in chosen):
        return 0
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, _WORKERS) if processors > 1 else 0


def wire(id: str = "a", **changes: Any) -> dict[str, Any]:  # noqa: A002 - the column's name
    """A run in wire form: Succeeded, into German, ten seconds long, unless the test says otherwise."""
    run: dict[str, Any] = {
        "id": id,
        "account_id": "acme",
        "created_at": "2026-03-02T10:00:00Z",
        "finished_at": "2026-03-02T10:00:10Z",
        "status": "Succeeded",
        "target_language": "de",
        "credits": 3,
        "input_tokens": 1000,
        "output_tokens": 1200,
        "input_file_id": "in",
        "output_file_id": "out",
    }
    return {key: value for key, value in (run | changes).items() if value is not ...}


def ndjson(rows: Iterable[dict[str, Any] | str | bytes]) -> bytes:
    """Rows as lines; texts and bytes go in as they are."""

    def line(row: dict[str, Any] | str | bytes) -> bytes:
        if isinstance(row, bytes):
            return row
        return (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)).encode("utf-8", "surrogatepass")

    return b"".join(line(row) + b"\n" for row in rows)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write rows (or bytes) to a file of the test and return its path."""

    def write(content: bytes | Iterable[Any], name: str = "runs.ndjson") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else ndjson(content))
        return str(path)

    return write

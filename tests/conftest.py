from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.clusters import apache_spark as apache_spark  # fixtures for every test
from support.clusters import cluster as cluster
from support.clusters import sail as sail
from support.lake_loads import loaded as loaded
from support.object_store import s3 as s3
from support.object_store import s3_client as s3_client
from support.object_store import s3_lake as s3_lake
from support.object_store import s3_server as s3_server
from support.postgres_server import postgres as postgres
from support.repetitions import Soak
from support.runs import ndjson

from polydoc_analytics.cli import run
from polydoc_analytics.model.schema import pandera_schema

# Here once, under no test's filter of warnings: a thread whose import of it fails would leave half of it behind.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pandera_schema()

# pytest gives its processes the width of its own terminal; the tests are of output that has none, unless they say so.
os.environ.pop("COLUMNS", None)

_WORKERS = 8
"""More processes gain little: the longest test takes as long as the rest then, and each has its own servers."""


def pytest_configure(config: pytest.Config) -> None:
    """Note whether the long checks are asked for, before the tests are imported."""
    Soak.is_on = Soak.is_on or config.option.markexpr.startswith("slow")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the collector of garbage pass over what was imported and collected, which stays to the end.

    It looks through the rest less often than by default, which would take a twentieth of the tests' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are processors for this one, but none where single files are asked for.

    A third of its time a process waits for the disk, for servers or for another process.
    """
    if given := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(given)
    # xdist itself would count cores where psutil is installed, one for two processors.
    chosen = [Path(one.partition("::")[0]) for one in config.option.file_or_dir]
    if chosen and all(one.suffix == ".py" for one in chosen):
        return 0
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors + 1, _WORKERS) if processors > 1 else 0


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write rows (or bytes) to a file of the test and return its path."""

    def write(content: bytes | Iterable[Any], name: str = "runs.ndjson") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else ndjson(content))
        return str(path)

    return write


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in [name for name in os.environ if name.startswith("POLYDOC_ANALYTICS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: Any) -> Result:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call

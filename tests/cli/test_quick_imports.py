"""Commands import what they use and no more: each module that is named here would cost every such command its time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import SAMPLE

import polydoc_analytics as pda

_ARRAYS = {"numpy", "pandas", "polars", "pyarrow"}
_CHECKS = {"hypothesis", "pandera", "pydantic"}


def _imported(*arguments: str) -> set[str]:
    """Run a command as its entry point does, and return the modules that it has imported."""
    code = """if True:
        import atexit, sys
        atexit.register(lambda: print("modules", *sys.modules, file=sys.__stderr__))
        from polydoc_analytics.cli import main
        main()
    """
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("modules ")]
    return set(line.split())


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick") / "runs"
    pda.export(SAMPLE, folder)
    return folder


def test_loading_imports_neither_pandas_nor_what_pandera_brings_with_it() -> None:
    found = _imported("usage", str(SAMPLE), "--json")
    assert "pandera" in found, "it judges every run"
    assert not found & {"pandas", "pyspark", "hypothesis"}


def test_a_flag_that_takes_a_number_is_still_checked(export: Path) -> None:
    call = [sys.executable, "-m", "polydoc_analytics", "usage", str(export), "--top"]
    done = subprocess.run([*call, "0"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "greater than or equal to 1" in done.stderr
    done = subprocess.run([*call, "few"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "'--top'" in done.stderr


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick") / "lake"
    pda.Lake(folder).ingest(SAMPLE)
    return folder


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--by", "account", "--every", "month", "--top", "2")])
def test_usage_of_an_export_is_answered_by_duckdb_alone(export: Path, arguments: tuple[str, ...]) -> None:
    found = _imported("usage", str(export), *arguments)
    assert "duckdb" in found
    checks = _CHECKS if "--top" not in arguments else _CHECKS - {"pydantic"}  # which sees that it is a number
    assert not found & {*_ARRAYS, *checks, "deltalake", "langcodes", "sqlglot"}


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_usage_of_a_lake_is_answered_without_polars(lake: Path, arguments: tuple[str, ...]) -> None:
    assert not _imported("usage", str(lake), *arguments) & {*_CHECKS, "pandas", "polars", "langcodes", "sqlglot"}

"""Commands import what they use and no more: each module that is named here would cost every such command its time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import SAMPLE
from support.repetitions import slow

import polydoc_analytics as pda
from polydoc_analytics.cli import application
from polydoc_analytics.cli.listed import COMMANDS

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
    assert not found & {"pandas", "pyspark", "hypothesis", "numpy.ma"}


def test_an_export_is_written_without_pandas_and_masked_arrays(tmp_path: Path) -> None:
    assert not _imported("export", str(SAMPLE), str(tmp_path / "runs")) & {"pandas", "hypothesis", "numpy.ma"}


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


@pytest.mark.parametrize("arguments", [(), slow(("--json",)), ("--by", "account", "--every", "month", "--top", "2")])
def test_usage_of_an_export_is_answered_by_duckdb_alone(export: Path, arguments: tuple[str, ...]) -> None:
    found = _imported("usage", str(export), *arguments)
    assert "duckdb" in found
    checks = _CHECKS if "--top" not in arguments else _CHECKS - {"pydantic"}  # which sees that it is a number
    assert not found & {*_ARRAYS, *checks, "deltalake", "langcodes", "sqlglot"}


@pytest.mark.parametrize("arguments", [(), slow(("--json",))])
def test_usage_of_a_lake_is_answered_without_polars(lake: Path, arguments: tuple[str, ...]) -> None:
    assert not _imported("usage", str(lake), *arguments) & {*_CHECKS, "pandas", "polars", "langcodes", "sqlglot"}


def test_the_list_of_commands_imports_none_of_them() -> None:
    for arguments in (("--help",), ("--version",)):
        found = _imported(*arguments)
        own = [name.split(".")[1:] for name in found if name.startswith("polydoc_analytics.")]
        assert {name for room, *name in own if room == "cli" for name in name} == {
            *("flag_values", "listed", "quick_imports", "root", "signals", "terminal"),
        }
        assert {room for room, *_ in own} <= {"_version", "cli", "errors", "model", "safe_text"}
        assert not found & {*_ARRAYS, *_CHECKS, "duckdb", "rich"}


def test_commands_are_listed_as_they_describe_themselves() -> None:
    whole, listed = application(), application(["--help"])
    texts = [one.get_help(one.context_class(one, info_name="polydoc-analytics")) for one in (whole, listed)]
    assert texts[0] == texts[1]
    summaries = {name: command.get_short_help_str(1000) for name, command in whole.commands.items()}
    assert {name: summary for name, (_, summary) in COMMANDS.items()} == summaries
    assert list(listed.commands) == list(whole.commands)


@pytest.mark.parametrize("arguments", [["--", "views", "usage"], ["views", "usage"]])
def test_a_command_that_is_only_listed_is_imported_when_it_is_called(cli, arguments: list[str]) -> None:
    done = cli(*arguments)
    assert (done.code, done.err) == (0, "")
    assert "failure_rate" in done.out

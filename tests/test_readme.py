"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from conftest import SAMPLE

import polydoc_analytics as pda
from polydoc_analytics.cli import run

README = Path(__file__).parents[1] / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is not beside these tests")


def section(name: str) -> str:
    return README.read_text("utf-8").split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0].strip()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the README has it: the sample in data/, and exports of it."""
    for name in ("data/sample_runs.ndjson", "exports/october.ndjson"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_every_command_in_the_readme_does_its_work(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(commands) == 17
    settings = 'lake = "lake"\n[sources.exports]\nkind = "files"\npath = "exports/"\n'
    (folder / "polydoc-analytics.toml").write_text(settings)
    for command in commands:
        name, *arguments = shlex.split(command, comments=True)
        assert name == "polydoc-analytics"
        assert run(arguments) == 0, command
    assert (folder / "runs" / "_manifest.json").exists()


def test_the_readmes_table_is_what_its_command_prints(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    block = blocks("console")[0].splitlines()
    assert run(shlex.split(block[0])[2:]) == 0
    out, err = capfd.readouterr()
    assert err.splitlines() == block[1:]
    assert section("usage") == f"```\n{out.rstrip()}\n```"


def test_the_readmes_python_runs(folder: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)


def test_the_readmes_sql_runs_on_an_export(folder: Path) -> None:
    import duckdb

    pda.export("data/sample_runs.ndjson", "runs")
    [sql] = blocks("sql")
    assert sum(row[1] for row in duckdb.connect().execute(sql).fetchall()) == 2000


def test_the_readmes_dictionary_of_views_is_the_catalog(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["views", "--markdown"]) == 0
    assert section("views") == capfd.readouterr().out.strip()


def test_the_two_commands_stand_at_the_top() -> None:
    first, second = blocks("sh")
    assert first == "pip install . && polydoc-analytics usage data/sample_runs.ndjson\n"
    assert second == "pip install '.[test]' && pytest\n"


def test_the_readmes_settings_are_valid(folder: Path) -> None:
    from polydoc_analytics.config import settings
    from polydoc_analytics.configured import sources
    from polydoc_analytics.plan import plans

    texts = [block for block in blocks("toml") if block.startswith("lake")]
    (folder / "polydoc-analytics.toml").write_text(texts[0])
    (folder / "scheduled.toml").write_text(texts[1])
    assert list(sources(settings())) == ["api", "db", "exports"]
    planned = plans(settings("scheduled.toml"))
    assert (list(planned.reports), list(planned.alerts), list(planned.targets)) == (
        ["weekly"],
        ["failing-languages"],
        ["operations"],
    )


def test_the_readmes_schedule_is_set_up_and_run_as_it_says(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    commands = [line[2:] for block in blocks("shell-session") for line in block.splitlines()]
    assert len(commands) == 6
    for command in commands:
        assert run(shlex.split(command, comments=True)[1:]) == 0, command

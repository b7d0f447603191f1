"""Completion of values, as the scripts of bash, zsh and fish ask for it, and in the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.repetitions import Soak

from polydoc_analytics.cli import application, run
from polydoc_analytics.cli.root import MODULES

SETTINGS = """
[sources.exports]
kind = "files"
path = "exports/"
[[reports]]
name = "weekly"
"""


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("polydoc-analytics.toml").write_text(SETTINGS, "utf-8")

    def completed(line: str) -> list[str]:
        words = f"polydoc-analytics {line}"
        monkeypatch.setenv("_POLYDOC_ANALYTICS_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        with pytest.raises(SystemExit):
            run([])
        return capfd.readouterr().out.splitlines()

    return completed


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("usage --by a", ["account"]),
        ("usage --by account,", ["account,language"]),
        ("usage --every ", ["day", "week", "month"]),
        ("usage --period last-m", ["last-month"]),
        ("usage --order credits_on", ["credits_on_failed_runs"]),
        ("usage --by language --order lang", ["language", "language_name"]),
        ("usage --order credits:", ["credits:asc", "credits:desc"]),
        ("usage --columns runs,credits_on", ["runs,credits_on_failed_runs"]),
        ("usage --timezone Europe/Lis", ["Europe/Lisbon"]),
        ("usage --language Fren", ["French"]),
        ("usage --input-format nd", ["ndjson"]),
        ("report --kind st", ["statement"]),
        ("report --format html,p", ["html,pdf"]),
        ("views usage_weekly_by_account_", ["usage_weekly_by_account_language"]),
        ("sync ", ["exports"]),
        ("usage exp", ["exports"]),
        ("schedule show w", ["weekly"]),
        ("schedule history ", ["weekly"]),
        ("explain --measure t", ["total_tokens"]),
        ("usage --wi", ["--wide"]),
        ("sched", ["schedule"]),
    ],
)
def test_values_are_completed(complete: Any, line: str, expected: list[str]) -> None:
    assert complete(line) == expected


def test_wrong_settings_complete_nothing(complete: Any) -> None:
    Path("polydoc-analytics.toml").write_text("sources = [", "utf-8")
    assert not any(complete("sync "))


def test_every_command_is_in_the_module_that_it_is_looked_for_in() -> None:
    assert list(application().commands) == list(MODULES)
    for name, module in MODULES.items():
        code = (
            "from polydoc_analytics.cli import application, root\n"
            f"found = application(['{name}'])\n"
            f"assert '{name}' in found.commands, '{module}'"
        )
        if name in ("views", "sync", "alerts"):  # one of each kind: a module of two, and one that another imports
            subprocess.run([sys.executable, "-c", code], check=True)


def test_completion_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys\nfrom polydoc_analytics.cli import run\ntry: run([])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    shells = ("bash", "zsh", "fish")
    for at, line in enumerate(("usage --language Fr", "usage --order cr", "views us", "report --kind ")):
        words = f"polydoc-analytics {line}"
        for shell in shells if Soak.is_on else shells[at % 3 :][:1]:
            variables = {
                "_POLYDOC_ANALYTICS_COMPLETE": f"complete_{shell}",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split(" ")) - 1),
                "_TYPER_COMPLETE_ARGS": words,
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            }
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | variables
            )
            heavy = {"polars", "pyarrow", "duckdb", "pandera", "numpy", "rich", "jinja2", "babel"}
            assert not heavy & set(done.stderr.split()), (shell, line)
            assert done.stdout.strip(), (shell, line)


PROGRAM = f'{sys.executable} -m polydoc_analytics "$@"'


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_valid_in_it(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    program = tmp_path / "polydoc-analytics"
    program.write_text(f"#!/bin/sh\nexec {PROGRAM}\n", "utf-8")
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    source = environment | {"_POLYDOC_ANALYTICS_COMPLETE": f"source_{shell}"}
    script = subprocess.run([program], env=source, capture_output=True, text=True, check=True).stdout
    (tmp_path / "script").write_text(script, "utf-8")
    ask = {
        "bash": f"source {tmp_path}/script; COMP_WORDS=(polydoc-analytics usage --every we); COMP_CWORD=3; "
        "_polydoc_analytics_completion polydoc-analytics; echo ${COMPREPLY[@]}",
        "zsh": f"autoload -Uz compinit; compinit -D; source {tmp_path}/script; "
        "(( $+functions[_polydoc_analytics_completion] )) && "
        "env _TYPER_COMPLETE_ARGS='polydoc-analytics usage --every we' "
        "_POLYDOC_ANALYTICS_COMPLETE=complete_zsh polydoc-analytics",
        "fish": f"source {tmp_path}/script; complete -C 'polydoc-analytics usage --every we'",
    }[shell]
    done = subprocess.run([shell, "-c", ask], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert "week" in done.stdout, done.stderr

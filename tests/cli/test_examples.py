"""Every command's help has two examples, and each does what the command is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.documents import generator
from support.paths import SAMPLE
from support.repetitions import slow
from support.runs import ndjson, wire

import polydoc_analytics as pda

SETTINGS = """
lake = "lake"

[sources.api]
kind = "files"
path = "exports/"

[delivery.archive]
kind = "folder"
path = "archive"

[[reports]]
name = "weekly"
kind = "overview"
period = "last-week"
schedule = "weekly"
formats = ["md"]
deliver = ["archive"]

[[alerts]]
name = "running"
kind = "running"
longer_than = "12h"
"""
NOT_RUN = ("schedule run", "config init")
"""The one goes on until it is stopped, the other is refused where there are settings."""
GATES = ("alerts check",)
"""Commands that exit with 1 where what they look for is there."""


def examples() -> Iterator[tuple[str, str]]:
    for name, command in generator().all_commands():
        for example in re.findall(r"^Example: (.+(?:\n.+)*)", command.help or "", re.MULTILINE):
            yield name, " ".join(example.split())


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "exports").mkdir()
    (folder / "exports" / "runs.ndjson").write_bytes(SAMPLE.read_bytes())
    (folder / "corrections.ndjson").write_bytes(ndjson([wire("a", credits=5)]))
    (folder / "report.sql").write_text("select language, runs from usage_by_language\n", "utf-8")
    (folder / "budgets.csv").write_text("account_id,credits\nacme,1000\n", "utf-8")
    (folder / "polydoc-analytics.toml").write_text(SETTINGS, "utf-8")
    lake = pda.Lake(folder / "lake")
    lake.ingest(folder / "exports")
    lake.ingest(ndjson_frame())
    return folder


def ndjson_frame() -> Any:
    import polars as pl

    return pl.DataFrame([wire("a"), wire("b", account_id="globex")])


def test_every_command_has_two_examples() -> None:
    found = {name: 0 for name, _ in generator().all_commands()}
    for name, example in EXAMPLES:
        assert example.startswith(f"polydoc-analytics {name}"), example
        found[name] += 1
    assert set(found.values()) == {2}, found


@pytest.mark.parametrize(
    ("name", "example"),
    [
        # The first of each command, and both of them in `just soak`.
        one if at == 0 or EXAMPLES[at - 1][0] != one[0] else slow(*one)
        for at, one in enumerate(EXAMPLES)
        if one[0] not in NOT_RUN
    ],
)
def test_an_example_does_what_it_is_for(name: str, example: str, folder: Path, cli: Any, monkeypatch: Any) -> None:
    import shlex

    monkeypatch.chdir(folder)
    monkeypatch.setenv("POLYDOC_ANALYTICS_NOW", "2026-11-03T09:00:00Z")
    result = cli(*shlex.split(example)[1:])
    assert result.code in ((0, 1) if name in GATES else (0,)), result.err

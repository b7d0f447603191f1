"""``--config`` holds for one command, and leaves the process as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.runs import wire

from polydoc_analytics.config.settings import CONFIG_VARIABLE


@pytest.mark.parametrize("before", [None, "other.toml"])
def test_a_settings_file_of_a_command_holds_for_all_that_it_reads_and_for_no_other_command(
    cli, file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(CONFIG_VARIABLE, before)
    file([wire("a"), wire("b")], "runs.ndjson")
    Path("mine.toml").write_text('[sources.mine]\nkind = "files"\npath = "runs.ndjson"\n', "utf-8")
    done = cli("usage", "mine", "--config", "mine.toml", "--json")
    assert json.loads(done.out)["data"][0]["runs"] == 2
    assert os.environ.get(CONFIG_VARIABLE) == before
    assert cli("usage", "mine").code == 2

"""The small inputs of ``../shared/cases``, by command line and in Python; their README says what is right of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED

import polydoc_analytics as pda
from polydoc_analytics.cli import run

CASES = SHARED / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not on this machine")


@dataclass(frozen=True)
class Right:
    """What is right of a case: how many rows become runs or are quarantined, or what the one line of error says."""

    runs: int = 0
    quarantined: int = 0
    error: str = ""
    flags: dict[str, Any] = field(default_factory=dict)


RIGHT: dict[str, list[Right]] = {
    "single_run.json.gz": [Right(runs=1)],
    "errors_first.json": [Right(runs=4)],
    "nested.json": [Right(runs=4)],
    "has_more.json": [
        Right(error="is one page of several, for there stands 'has_more': true"),
        Right(runs=4, flags={"partial": True}),
    ],
    "json_seq.json": [Right(runs=4)],
    "utf16.ndjson": [Right(runs=4)],
    "gz_padded.ndjson.gz": [Right(runs=8)],
}
BOTH = [
    pytest.param(name, right, id=f"{name}-{number}")
    for name, rights in RIGHT.items()
    for number, right in enumerate(rights)
]


@pytest.mark.parametrize(("name", "right"), BOTH)
def test_a_case_answers_in_python_as_its_readme_says(name: str, right: Right) -> None:
    if right.error:
        with pytest.raises(pda.PolydocError) as caught:
            pda.load(CASES / name, **right.flags)
        assert right.error in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    loaded = pda.load(CASES / name, **right.flags)
    assert (loaded.counts.runs, loaded.counts.quarantined) == (right.runs, right.quarantined)
    with pda.connect(CASES / name, **right.flags) as db:
        assert db.view("usage")["runs"].item() == right.runs


@pytest.mark.parametrize(("name", "right"), BOTH)
def test_a_case_answers_on_the_command_line_as_its_readme_says(
    name: str, right: Right, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--{flag.replace('_', '-')}" for flag in right.flags]
    for command in (["usage"], ["ingest", "--lake", str(tmp_path / "lake")]):
        code = run([command[0], str(CASES / name), *command[1:], "--json", *flags])
        out, err = capsys.readouterr()
        if right.error:
            assert code == 2
            assert out == ""
            assert right.error in err
            assert len(err.splitlines()) == 1
        else:
            assert code == 0
            counts = json.loads(out)["counts"]
            assert counts["quarantined"] == right.quarantined
            assert counts.get("runs", counts.get("inserted")) == right.runs

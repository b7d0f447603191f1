"""Damaged Parquet and Arrow files: each is refused in one line or its rows are accounted for, and nothing crashes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.processes import finished
from support.repetitions import often


def fuzzed(seed: int, files: int, folder: Path) -> list[list[str]]:
    """The answers of ``load`` and ``connect`` for each damaged file; the one that ended the process is kept."""
    done = finished(f"from support.arrow_fuzzer import main; main({seed}, {files})", cwd=folder, timeout=3600)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{folder / lines[-1].get('file', '')}: exit {done.returncode}\n{done.stderr[-2000:]}"
    assert done.stderr == ""
    assert lines[-1]["most_memory_mb"] < 1_000
    return [line["answers"] for line in lines if "answers" in line]


def check(answers: list[list[str]], files: int) -> None:
    assert len(answers) == files
    kinds = [["rows" if answer.endswith(" rows") else "refused" for answer in one] for one in answers]
    # Both happen, and where both ways read a file they count the same rows.
    assert files / 10 < kinds.count(["rows", "rows"]) < files / 2
    assert kinds.count(["refused", "refused"]) > files / 3
    assert all(loaded == opened for (loaded, opened), kind in zip(answers, kinds, strict=True) if "refused" not in kind)


def test_damaged_parquet_and_arrow_files_never_crash(tmp_path: Path) -> None:
    files = often(80, 30)
    check(fuzzed(13, files, tmp_path), files)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_many_damaged_parquet_and_arrow_files_never_crash(seed: int, tmp_path: Path) -> None:
    check(fuzzed(seed, 1_000, tmp_path), 1_000)

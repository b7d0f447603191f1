"""Loads whose outcome is known by another route, children that bring them into a lake, and what must hold after."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes import Process, start
from support.repetitions import Soak
from support.runs import wire

from polydoc_analytics import Database, Lake, connect
from polydoc_analytics.lake.storage.interface import STAGING

IDS = 40


def rows_of_load(number: int) -> list[dict[str, Any] | str]:
    """Rows of load NUMBER (from 1): new runs, Running ones, some finished later than before, one that is rejected."""
    rows: list[dict[str, Any] | str] = [f'{{"id": "broken in load {number}"}}']
    for k in range(12):
        n = (number * 7 + k * 2) % IDS  # of the odd runs, or of the even ones
        created = f"2026-03-{1 + n % 28:02}T10:00:00Z"
        if (number + n) % 4 == 0:
            rows.append(
                wire(f"r{n}", created_at=created, status="Running", finished_at=None, credits=None, output_file_id=None)
            )
        else:
            minute, second = divmod(number, 60)
            finished = f"2026-05-01T00:{minute:02}:{second:02}Z"
            rows.append(wire(f"r{n}", created_at=created, finished_at=finished, credits=number))
    return rows


def write_load(folder: Path, number: int) -> str:
    path = folder / f"load-{number}.ndjson"
    if not path.exists():
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows_of_load(number)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


Loaded = Callable[..., Path]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Make a folder a lake of some loads, in order: a copy of one that is made once for all tests."""
    made: dict[tuple[int, ...], Path] = {}

    def copied(lake: Path, *numbers: int) -> Path:
        if numbers not in made:
            folder = tmp_path_factory.mktemp("loads")
            for number in numbers:
                Lake(folder / "lake").ingest(write_load(folder, number))
            made[numbers] = folder / "lake"
        return Path(shutil.copytree(made[numbers], lake))

    return copied


def expected(numbers: list[int]) -> dict[str, int | None]:
    """The credits of each run after some loads, in any order: those of the latest load that saw it finished."""
    state: dict[str, int | None] = {}
    for number in sorted(numbers):
        for row in rows_of_load(number):
            if isinstance(row, dict):
                state[row["id"]] = row["credits"] if row["status"] != "Running" else state.get(row["id"])
    return state


def observed(lake: Path | str) -> dict[str, int | None]:
    """The credits of each run of a lake, which must open without an error, hold no id twice, and be consistent."""
    with connect(str(lake)) as db:
        found = _credits(db)
        assert db.view("conservation")["holds"].all()
    return found


def glimpsed(lake: Path | str) -> dict[str, int | None]:
    """The same without asking, at length, whether all views agree; `just soak` asks that here too."""
    with connect(str(lake)) as db:
        assert not Soak.is_on or db.view("conservation")["holds"].all()
        return _credits(db)


def _credits(db: Database) -> dict[str, int | None]:
    rows = db.sql("select id, credits from runs order by id")
    assert rows["id"].is_unique().all()
    assert rows.height == db.counts.runs
    return dict(rows.iter_rows())


def left_overs(lake: Path) -> list[str]:
    """Files of loads that the ledger does not know, staged ones, and whatever is half written."""
    known = set(Lake(lake).loads()["load"])
    found = [str(path) for path in (lake / STAGING).iterdir()]
    for path in lake.rglob("*"):
        load = re.search(r"\d{8}-\d{6}-[0-9a-f]{6}", path.name)
        is_unknown = path.is_file() and load is not None and load.group() not in known and "_damaged" not in str(path)
        if is_unknown or re.search(r"#\d+$|\.tmp$|\.half$", path.name):
            found.append(str(path))
    return found


def child(script: str, *arguments: object) -> Process:
    """Start Python on a script, with the tests' folder on its path; its input, output and errors are pipes."""
    return start(script, *arguments, env={"POLARS_MAX_THREADS": "1"})

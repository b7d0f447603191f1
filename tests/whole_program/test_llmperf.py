"""Real calls to public services, with figures worked out elsewhere by integers and fractions."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.paths import REAL_FIGURES, REAL_RUNS
from support.repetitions import slow

import polydoc_analytics as pda

DATA = REAL_RUNS


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads(gzip.decompress(REAL_FIGURES.read_bytes()))


@pytest.fixture(
    scope="module",
    params=[
        # That all formats are read alike is held by the tests of loaders.
        *("csv", "camel-json", "shuffled", "twice", "export"),
        *map(slow, ("ndjson", "parquet", "gzip", "wrapped-json", "arrow", "frame")),
    ],
)
def db(request: pytest.FixtureRequest, rows: list[dict[str, Any]], tmp_path_factory: Any) -> Iterator[pda.Database]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    source: Any = folder
    text = gzip.decompress(DATA.read_bytes())
    kind = request.param
    if kind == "ndjson":
        (folder / "runs.ndjson").write_bytes(text)
    elif kind == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        (folder / "runs.csv").write_text(out.getvalue(), "utf-8")
    elif kind == "gzip":
        source = DATA
    elif kind == "camel-json":
        content = [{camel(key): value for key, value in row.items()} for row in rows]
        (folder / "runs.json").write_text(json.dumps(content), "utf-8")
    elif kind == "wrapped-json":
        (folder / "runs.json").write_text(json.dumps({"total": len(rows), "data": rows}, indent=2), "utf-8")
    elif kind == "shuffled":
        lines = text.splitlines(keepends=True)
        random.Random(1).shuffle(lines)
        for part in range(7):
            (folder / f"{part}.ndjson").write_bytes(b"".join(lines[part::7]))
    elif kind == "twice":
        source = [DATA, str(DATA)]
    elif kind == "export":
        pda.export(DATA, folder / "export")
        source = folder / "export"
    else:
        frame = pda.load(DATA).runs
        if kind == "parquet":
            frame.write_parquet(folder / "runs.parquet")
        elif kind == "arrow":
            frame.write_ipc(folder / "runs.arrow")
        else:
            source = frame
    with pda.connect(source) as connection:
        yield connection


def agrees(row: dict[str, Any], figures: dict[str, Any]) -> None:
    assert row["runs"] == figures["runs"]
    assert row["succeeded_runs"] == figures["succeeded"]
    assert row["failed_runs"] == figures["failed"]
    assert row["running_runs"] == figures["running"]
    assert row["input_tokens"] == figures["input_tokens"]["sum"]
    assert row["output_tokens"] == figures["output_tokens"]["sum"]
    assert row["credits"] is None
    assert row["runs_without_credits"] == figures["runs"]
    assert row["failure_rate"] == pytest.approx(figures["failed_over_finished"], abs=1e-15)
    durations = figures["duration_succeeded"]
    for ours, theirs in (
        ("mean_duration_s", "mean_s"),
        ("max_duration_s", "max_s"),
        *((f"p{p}_duration_s", f"p{p}_s") for p in (50, 90, 95, 99)),
    ):
        if durations["n"]:
            assert row[ours] == pytest.approx(durations[theirs], abs=1e-6), ours
        else:
            assert row[ours] is None


def test_the_total_equals_the_figures(db: pda.Database, expected: dict[str, Any]) -> None:
    agrees(db.view("usage").row(0, named=True), expected["overall"])
    assert db.counts.read == db.counts.runs + db.counts.duplicates


@pytest.mark.parametrize(
    ("view", "keys", "name"),
    [
        ("usage_by_account", ("account_id",), "by_account_top20"),
        ("usage_by_language", ("language",), "by_language"),
        ("usage_by_account_language", ("account_id", "language"), "by_account_language"),
        ("usage_daily", ("period",), "by_day"),
    ],
)
def test_each_group_equals_the_figures(
    db: pda.Database, expected: dict[str, Any], view: str, keys: tuple[str, ...], name: str
) -> None:
    groups = expected[name]
    frame = db.view(view)
    found = {}
    for row in frame.iter_rows(named=True):
        parts = [value.isoformat() if isinstance(value, date) else value for value in (row[key] for key in keys)]
        found[tuple(parts)] = row
    flat = {tuple(key.split("|")): figures for key, figures in groups.items()}
    assert set(found) == set(flat)
    for key, figures in flat.items():
        agrees(found[key], figures)


def test_failed_durations_equal_the_figures(db: pda.Database, expected: dict[str, Any]) -> None:
    [row] = db.view("durations").filter(pl.col("status") == "Failed").to_dicts()
    figures = expected["overall"]["duration_failed"]
    assert row["runs"] == figures["n"]
    assert row["min_duration_s"] == figures["min_s"]
    assert row["p95_duration_s"] == pytest.approx(figures["p95_s"], abs=1e-6)

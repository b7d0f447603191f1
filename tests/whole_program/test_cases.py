"""The small inputs of ``../shared/cases``, by command line and in Python; their README says what is right of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from support.paths import SHARED

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
    "bad_utf8_account.parquet": [Right(runs=4)],
    "bad_utf8_id.parquet": [Right(runs=2, quarantined=2)],
    "int96_far.parquet": [
        Right(runs=4, flags={"assume_utc": True}),
        Right(error="have no time zone; pass --assume-utc if they are UTC"),
    ],
    "decimal256.parquet": [Right(runs=4)],
    "raw_arrow_1_19.arrow": [Right(error="cannot be read as Arrow IPC")],
    "surr.ndjson": [Right(runs=1, quarantined=1)],
    "esc_status.ndjson": [Right(quarantined=1)],
}
ON_THE_COMMAND_LINE = (
    "has_more.json",
    "gz_padded.ndjson.gz",
    "bad_utf8_id.parquet",
    "int96_far.parquet",
    "surr.ndjson",
)
SLOW = pytest.mark.slow
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


@pytest.mark.parametrize(
    ("name", "right"),
    [
        # Each way of answering, of as many formats as there are.
        pytest.param(*one.values, id=one.id, marks=[] if str(one.id).split("-")[0] in ON_THE_COMMAND_LINE else SLOW)
        for one in BOTH
    ],
)
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


def test_accounts_that_are_no_utf8_are_marked_and_a_lake_of_them_goes_on(tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    lake.ingest(CASES / "bad_utf8_account.parquet")
    with pda.connect(lake) as db:
        accounts = db.view("usage_by_account")
        assert sum(accounts.filter(accounts["account_id"].str.contains("\ufffd"))["runs"]) == 2
        assert dict(db.sql("select rule, runs from data_quality").iter_rows())["replaced_characters"] == 2
    lake.compact()
    assert lake.ingest(CASES / "surr.ndjson").inserted == 1
    assert run(["doctor", "--lake", str(tmp_path / "lake")]) == 0


def test_far_int96_timestamps_are_the_same_instants_by_every_command(tmp_path: Path) -> None:
    source = CASES / "int96_far.parquet"
    # As DuckDB reads them, which has no nanoseconds between.
    truth = duckdb.sql(f"select created_at, finished_at from '{source}' order by 1").fetchall()
    assert {instant.year for row in truth for instant in row if instant} == {1, 1000, 2026, 2300, 9999}
    columns = ["created_at", "finished_at"]
    loaded = pda.load(source, assume_utc=True).runs.select(columns)
    assert loaded.select(pl.all().dt.replace_time_zone(None)).rows() == truth
    pda.export(source, tmp_path / "out", assume_utc=True)
    pda.Lake(tmp_path / "lake").ingest(source, assume_utc=True)
    for opened in (source, tmp_path / "out", tmp_path / "lake"):
        with pda.connect(opened, assume_utc=opened == source) as db:
            assert db.sql("select created_at, finished_at from runs order by 1").rows() == loaded.rows()

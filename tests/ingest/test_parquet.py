"""What a manifest says of rows and bounds, however often a file is flushed and in whatever order rows come."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polydoc_analytics.ingest import parquet
from polydoc_analytics.ingest.parquet import PartWriter
from polydoc_analytics.model.schema import arrow_schema

START = datetime(1970, 1, 1, tzinfo=UTC)


def runs(*created_us: int, finished: bool = True) -> pa.Table:
    """Runs created at instants (µs since 1970), each finished a second later."""

    def row(us: int) -> dict[str, Any]:
        created = START + timedelta(microseconds=us)
        return {
            "id": f"r{us}",
            "account_id": "acme",
            "created_at": created,
            "finished_at": created + timedelta(seconds=1) if finished else None,
            "status": "Succeeded",
            "target_language": f"l{us % 3}",
            "input_file_id": "in",
        }

    return pa.Table.from_pylist([row(us) for us in created_us], schema=arrow_schema())


DAY = 86_400_000_000


@pytest.mark.parametrize("load", [None, "20260101-000000-abcdef"])
@pytest.mark.parametrize("order", [(5, 1, 9), (9, 5, 1), (1, 5, 9), (5, 9, 1)])
def test_rows_and_bounds_hold_all_that_was_written(tmp_path: Path, load: str | None, order: tuple[int, ...]) -> None:
    parts = PartWriter(tmp_path, load=load)
    for month in order:
        parts.write(runs(month * 31 * DAY, month * 31 * DAY + 7))
        parts.flush()
    manifest = parts.manifest({})
    assert manifest.rows == parts.rows == 6
    assert manifest.created_us == (31 * DAY, 9 * 31 * DAY + 7)
    assert manifest.finished_us == (31 * DAY + 1_000_000, 9 * 31 * DAY + 1_000_007)
    assert {part.path: part.rows for part in manifest.parts} == {
        part.path: pq.read_metadata(tmp_path / part.path).num_rows for part in manifest.parts
    }


@pytest.mark.parametrize("load", [None, "20260101-000000-abcdef"])
def test_a_file_that_is_flushed_twice_counts_all_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str | None
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 4)
    chance = random.Random(31)
    left = [n * DAY // 40 + n for n in range(60)]
    chance.shuffle(left)
    parts, known = PartWriter(tmp_path, load=load), sorted(left)
    while left:
        parts.write(runs(*left[:3]))
        del left[:3]
    manifest = parts.manifest({})
    assert (manifest.rows, len(manifest.parts)) == (60, 1)
    assert pq.read_metadata(tmp_path / manifest.parts[0].path).num_row_groups > 2
    assert manifest.created_us == (known[0], known[-1])
    assert manifest.parts[0].bytes == (tmp_path / manifest.parts[0].path).stat().st_size
    assert manifest.languages == ("l0", "l1", "l2")


def test_a_month_whose_rows_are_over_is_written_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 8)
    monkeypatch.setattr(parquet, "_WORTH_WRITING", 2)
    parts = PartWriter(tmp_path)
    parts.write(runs(1, 2, 3, 40 * DAY, 41 * DAY, 75 * DAY))
    assert (parts.rows, parts.held_rows) == (0, 6)  # all are few: none of them is written yet
    parts.write(runs(*(75 * DAY + n for n in range(1, 8))))
    assert (parts.rows, parts.held_rows) == (13, 0)
    parts.write(runs(4, 42 * DAY, 43 * DAY))
    parts.write(runs(44 * DAY))
    assert (parts.rows, parts.held_rows) == (13, 4)  # one row is too few, and the other month has just come
    manifest = parts.manifest({})
    assert {part.path.split("/")[0]: part.rows for part in manifest.parts} == {
        "created_month=1970-01": 4,
        "created_month=1970-02": 5,
        "created_month=1970-03": 8,
    }
    groups = [pq.ParquetFile(tmp_path / part.path).metadata.num_row_groups for part in manifest.parts]
    assert groups == [2, 2, 1]


def test_rows_without_a_finish_leave_its_bounds(tmp_path: Path) -> None:
    parts = PartWriter(tmp_path)
    parts.write(runs(5, finished=False))
    assert parts.manifest({}).finished_us is None
    parts.write(runs(9))
    parts.write(runs(1, finished=False))
    manifest = parts.manifest({})
    assert (manifest.created_us, manifest.finished_us) == ((1, 9), (1_000_009, 1_000_009))


def test_few_runs_of_many_months_are_joined_and_more_than_a_row_group_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 6)
    parts = PartWriter(tmp_path, joins_few=True)
    for month in (1, 5, 9):
        parts.write(runs(month * 31 * DAY, month * 31 * DAY + 7))
    assert [Path(path).name for path in parts.flush()] == ["part-0.parquet"]
    parts.write(runs(DAY, DAY + 1, DAY + 2, 40 * DAY))
    parts.write(runs(41 * DAY, 75 * DAY, 76 * DAY))
    manifest = parts.manifest({})
    assert {part.path: part.rows for part in manifest.parts} == {
        "part-0.parquet": 6,
        "created_month=1970-01/part-1.parquet": 3,
        "created_month=1970-02/part-2.parquet": 2,
        "created_month=1970-03/part-3.parquet": 2,
    }
    assert (manifest.created_us, manifest.rows) == ((DAY, 9 * 31 * DAY + 7), 13)


def test_runs_divided_while_few_were_known_are_parted_when_they_are_written_among_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 3)
    parts = PartWriter(tmp_path, joins_few=True)
    first, second = (parts.divide(runs(month, 31 * DAY + month)) for month in (1, 2))
    parts.write(runs(3, 4, 5, 6))
    parts.write_divided(first)
    parts.write_divided(second)
    found = {part.path.split("/")[0]: part.rows for part in parts.manifest({}).parts}
    assert found == {"created_month=1970-01": 6, "created_month=1970-02": 2}


@pytest.mark.parametrize("joins_few", [False, True])
def test_runs_that_are_held_are_found_and_let_go_by_their_ids(tmp_path: Path, joins_few: bool) -> None:
    parts = PartWriter(tmp_path, joins_few=joins_few)
    parts.write(runs(1, 2, 40 * DAY))
    parts.write(runs(3))
    some = pa.array(["r1", "r3", f"r{40 * DAY}", "none"])
    assert sorted(parts.held_of(some)["id"].to_pylist()) == sorted(["r1", "r3", f"r{40 * DAY}"])
    parts.drop(some)
    assert (parts.are_all_held, parts.held_rows) == (True, 1)
    assert parts.manifest({}).rows == 1
    assert not parts.are_all_held

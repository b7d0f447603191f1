"""Many files in one load: each row keeps its file and line, whatever is read together."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from support.repetitions import often, slow
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.loaders.files import files_at
from polydoc_analytics.loaders.formats import small_files
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.read import _work_of_files
from polydoc_analytics.query import parquet_in_place

BAD = [b"not json\n", b'{"id": 1}\n', b'\xff{"id":"x"}\n', b'{"a":1}{"b":2}\n', b'{"id":"y"\n']


def content(number: int, draw: random.Random) -> tuple[str, bytes]:
    """Make a file's ending and content, of a form and with faults that the draw decides."""
    rows = [wire(f"{number}-{row}", credits=draw.randint(0, 9)) for row in range(draw.randint(1, 3))]
    lines = [ndjson([row]) for row in rows] + draw.sample(BAD, draw.randint(0, 2)) + [b"\n", b" \r\n"]
    draw.shuffle(lines)
    lines = lines[: draw.randint(1, len(lines))]
    text = b"".join(lines)
    form = draw.randint(0, 9)
    if form == 0:
        return "ndjson.gz", gzip.compress(text)
    if form == 1:
        return "json", ndjson(rows[:1])
    if form == 2:
        return "csv", csv(rows, draw)
    if form == 3:
        return "json", b"[" + b",".join(ndjson([row]) for row in rows) + b"]"
    if form == 4:
        return "ndjson", b"\xef\xbb\xbf" + text
    return "ndjson", text[:-1] if form == 5 else text


def csv(rows: list[dict], draw: random.Random) -> bytes:
    """Make a CSV file: fields that are quoted, go on to other lines, never close, or stand for null, and bad rows."""
    names = ["id", "account_id", "created_at", "status", "target_language", "input_file_id", "credits"]
    if draw.random() < 0.2:
        names.remove("credits")
    lines = []
    for row in rows:
        row["account_id"] = draw.choice(
            ["acc", '"a, ""b"""', '"two\nlines"', "NULL", "", '5" disk', '"never closed', "\xff"]
        )
        row["target_language"] = draw.choice(["de", "\\N", "", '""'])
        lines.append(",".join(str(row[name]) for name in names))
    lines += draw.sample(["short", "", '"', ",,,,,,", "x,y,2026-10-01T08:00:00,Done,de,f,1.5"], draw.randint(0, 3))
    draw.shuffle(lines)
    before = draw.choice(["", "", "\n", "\ufeff"])
    end = draw.choice(["\n", "\n", "\r\n"])
    text = before + ",".join(names) + end + end.join(lines) + end
    return text.encode().replace("\xff".encode(), b"\xff")


def table(rows: list[dict], draw: random.Random) -> pa.Table:
    """Make a table of which a value may be wrong, and a type another than usual."""
    for row in rows:
        row["status"] = draw.choice(["Succeeded", "Succeeded", "Done", None])
        row["account_id"] = draw.choice(["acc", "\xff"])
    texts = ("id", "created_at", "finished_at", "status", "target_language", "input_file_id", "output_file_id")
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in texts}
    columns["account_id"] = pa.array(
        [row["account_id"].encode().replace("\xff".encode(), b"\xff") for row in rows], pa.binary()
    ).view(pa.string())
    if draw.random() < 0.2:
        columns["status"] = columns["status"].dictionary_encode()
    kind = draw.choice([pa.int64(), pa.int64(), pa.float64()])
    return pa.table(columns | {"credits": pa.array([row["credits"] for row in rows], kind)})


def tables(kind: str, made: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == "parquet":
        pq.write_table(made, sink)
    else:
        with pyarrow.ipc.new_file(sink, made.schema) as writer:
            writer.write_table(made)
    return sink.getvalue().to_pybytes()


def document(rows: list[dict], draw: random.Random) -> bytes:
    """Make a JSON document: a run or an array of runs, in a line or over several, with elements that are none."""
    for row in rows:
        row["status"] = draw.choice(["Succeeded", "Succeeded", "Done", None])
        row["account_id"] = draw.choice(["acc", "ä\ud800", '],[{"}', 5])
        row["note"] = draw.choice(["", [1], {"runs": []}, "5 < 6"])
    rows = rows or [wire(f"x{draw.random()}")]
    elements = rows + draw.sample([5, None, {"id": 1}, ["x"]], draw.choice([0, 0, 0, 1]))
    draw.shuffle(elements)
    value = draw.choice([elements, elements, rows[0], {"data": rows}])
    text = json.dumps(value, indent=draw.choice([None, None, 1]), ensure_ascii=draw.random() < 0.5)
    text = draw.choice(["", "\ufeff", "\r\n"]) + text + draw.choice(["", "\n", " \r\n"])
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "arrow"])
@pytest.mark.parametrize("seed", [0, *map(slow, range(1, 12))])
def test_tables_read_together_give_what_each_gives_alone(
    kind: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    folder = tmp_path / "many"
    folder.mkdir()
    count = often(40, 18)
    for number in range(count):
        rows = [wire(f"{number}-{row}", credits=draw.randint(0, 9)) for row in range(draw.randint(0, 3))]
        made = {"csv": csv, "json": document}.get(kind, lambda rows, draw: tables(kind, table(rows, draw)))
        content = made(rows, draw)
        (folder / f"{number:03}.{kind}").write_bytes(content)
    pieces = len(list(_work_of_files(files_at([str(folder)]), assume_utc=False, partial=False)))
    assert pieces < count
    together = pda.load(folder)
    monkeypatch.setattr(small_files, "MAX_BYTES", -1)
    alone = [pda.load(file) for file in sorted(folder.iterdir())]
    assert together.counts.read == sum(one.counts.read for one in alone) > count
    assert_frame_equal(together.runs, pl.concat([one.runs for one in alone]).sort("created_at", "id"))
    assert_frame_equal(together.quarantine, pl.concat([one.quarantine for one in alone]))
    assert together.quarantine["source"].n_unique() > 5


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", slow("arrow")])
def test_a_thousand_tables_of_a_row_are_one_piece_of_work(kind: str, tmp_path: Path) -> None:
    names = ["id", "account_id", "created_at", "status", "target_language", "input_file_id"]
    for number in range(1000):
        row = {name: wire(str(number))[name] for name in names}
        if kind == "csv":
            content = (",".join(names) + "\n" + ",".join(row.values())).encode()
        elif kind == "json":
            content = json.dumps([row] if number % 2 else row, indent=1).encode()
        else:
            content = tables(kind, pa.table({name: [row[name]] for name in names}))
        (tmp_path / f"{number}.{kind}").write_bytes(content)
    assert len(list(_work_of_files(files_at([str(tmp_path)]), assume_utc=False, partial=False))) == 1
    assert pda.load(tmp_path).counts.runs == 1000


def test_many_small_parquet_files_are_read_once_and_not_scanned_by_every_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["id", "account_id", "created_at", "status", "target_language", "input_file_id"]
    for number in range(3):
        row = wire(str(number)) | {"created_at": datetime(2026, 3, 2, 10, tzinfo=UTC)}
        pq.write_table(pa.table({name: [row[name]] for name in names}), tmp_path / f"{number}.parquet")
    files, options = files_at([str(tmp_path)]), ReadOptions()
    assert parquet_in_place.proven(files, options) is not None
    monkeypatch.setattr(parquet_in_place, "_MANY_FILES", 2)
    assert parquet_in_place.proven(files, options) is None
    with pda.connect(tmp_path) as db:
        assert db.view("usage")["runs"].item() == 3
    monkeypatch.setattr(parquet_in_place, "_SMALL_BYTES", 100)
    assert parquet_in_place.proven(files, options) is not None


def test_a_damaged_table_among_many_is_named(tmp_path: Path) -> None:
    names = ["id", "account_id", "created_at", "status", "target_language", "input_file_id"]
    for number in range(9):
        made = pa.table({name: [wire(str(number))[name]] for name in names})
        content = tables("parquet", made)
        (tmp_path / f"{number}.parquet").write_bytes(content[:-9] if number in (4, 6) else content)
    with pytest.raises(pda.SourceError, match=r"4\.parquet: cannot be read as Parquet"):
        pda.load(tmp_path)


@pytest.mark.parametrize("seed", [0, *map(slow, range(1, 12))])
def test_files_read_together_give_what_each_gives_alone(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(often(60, 30)):
        ending, text = content(number, draw)
        (folder / f"{number:03}.{ending}").write_bytes(text or b"\n")
    together = pda.load(folder)
    monkeypatch.setattr(small_files, "MAX_BYTES", -1)
    alone = [pda.load(file) for file in sorted(folder.iterdir())]
    assert together.counts.read == sum(one.counts.read for one in alone)
    assert_frame_equal(together.runs, pl.concat([one.runs for one in alone]).sort("created_at", "id"))
    assert_frame_equal(together.quarantine, pl.concat([one.quarantine for one in alone]))
    assert together.quarantine["source"].n_unique() > 10


def test_a_thousand_files_of_a_row_are_a_few_pieces_of_work(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.ndjson").write_bytes(ndjson([wire(str(number))]))
    assert len(list(_work_of_files(files_at([str(tmp_path)]), assume_utc=False, partial=False))) == 1
    assert pda.load(tmp_path).counts.runs == 1000


def test_lines_are_counted_anew_in_each_large_file(tmp_path: Path) -> None:
    rows = ndjson([wire(f"{number}-{'x' * 1000}") for number in range(200)])
    for name in ("a", "b"):
        (tmp_path / f"{name}.ndjson").write_bytes(rows + b"broken\n")
    assert pda.load(tmp_path).quarantine["line"].to_list() == [201, 201]


def test_of_two_faulty_files_the_first_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"id": "1"} {"id": "2"}]')
    (tmp_path / "b.csv").write_bytes(b"no,run\n1,2\n")
    with pytest.raises(pda.SourceError, match=r"a\.json"):
        pda.load(tmp_path)

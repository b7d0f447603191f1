"""Every place and form in which runs are kept, and the one clear line where they cannot be read."""

from __future__ import annotations

import bz2
import errno
import functools
import gzip
import io
import json
import lzma
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.paths import SAMPLE
from support.processes import finished
from support.repetitions import slow
from support.runs import CSV_HEADER, ndjson, wire, zstd

import polydoc_analytics as pda
from polydoc_analytics.model.schema import NAMES, REQUIRED

ROWS = [wire("a"), wire("b", status="Failed", output_file_id=None), wire("c", status="Running", finished_at=None)]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", zstd)],
)
@pytest.mark.parametrize("named", [True, False])
def test_compressed_files_are_read_whatever_their_name(suffix: str, compress: Any, named: bool, file) -> None:
    path = file(compress(ndjson(ROWS)), "runs.ndjson" + (suffix if named else ""))
    assert pda.load(path).counts.runs == 3


def test_a_gzip_of_several_members_is_read_to_its_end(file) -> None:
    parts = [gzip.compress(ndjson([row])) for row in ROWS]
    assert pda.load(file(b"".join(parts), "runs.ndjson.gz")).counts.runs == 3
    assert pda.load(file(zstd(ndjson(ROWS[:1])) + zstd(ndjson(ROWS[1:])), "runs.ndjson.zst")).counts.runs == 3


def test_zstandard_data_may_begin_with_a_frame_to_be_passed_over(file) -> None:
    passed_over = b"\x5a\x2a\x4d\x18" + bytes((4, 0, 0, 0)) + b"four"
    content = passed_over + zstd(ndjson(ROWS[:1])) + passed_over + zstd(ndjson(ROWS[1:]))
    assert pda.load(file(content, "runs.ndjson.zst")).counts.runs == 3
    assert pda.load(file(content, "runs")).counts.runs == 3


@pytest.mark.parametrize("inner", [gzip.compress, bz2.compress, lzma.compress, zstd])
@pytest.mark.parametrize("outer", [gzip.compress, zstd])
def test_data_that_were_compressed_twice_are_read_and_those_packed_again_and_again_are_named(
    inner: Any, outer: Any, file
) -> None:
    twice = outer(inner(ndjson(ROWS)))
    assert pda.load(file(twice, "runs.ndjson.gz")).counts.runs == 3
    for name in ("runs.ndjson.gz", "runs.json", "runs.csv.gz"):
        with pytest.raises(pda.SourceError, match="is compressed more than 2 times; unpack it"):
            pda.load(file(outer(twice), name))
    with pytest.raises(pda.SourceError, match="is cut off"):
        pda.load(file(outer(inner(ndjson(ROWS))[:-5]), "runs.ndjson.gz"))


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", zstd)]
)
def test_a_file_that_is_cut_off_is_an_error_not_a_smaller_figure(suffix: str, compress: Any, file) -> None:
    import random

    rows = [wire(str(random.Random(n).random())) for n in range(3000)]
    whole = compress(ndjson(rows))
    with pytest.raises(pda.SourceError, match="is cut off"):
        pda.load(file(whole[: len(whole) * 2 // 3], f"runs.ndjson{suffix}"))


def test_paths_globs_folders_and_lists_name_the_same_runs(tmp_path: Path, file) -> None:
    for number, row in enumerate(ROWS):
        file([row], f"with space/day={number}/runs-{number}.ndjson")
    file(b"not runs", "with space/_notes.ndjson")
    file(b"not runs", "with space/.hidden/x.ndjson")
    file(b"not runs", "with space/readme.txt")
    folder = tmp_path / "with space"
    paths = sorted(folder.glob("day=*/*.ndjson"))
    for source in (
        folder,
        str(folder),
        f"{folder}/**/*.ndjson",
        f"{folder}/day=?/runs-*",
        paths,
        [str(folder / "day=0"), *paths[1:]],
    ):
        assert pda.load(source).runs["id"].to_list() == ["a", "b", "c"], source


def test_values_in_a_path_never_override_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "status=Failed" / "account_id=other"
    folder.mkdir(parents=True)
    pda.load(table()).runs.with_columns(
        pl.lit("Succeeded").alias("status"), pl.lit("acme").alias("account_id")
    ).write_parquet(folder / "runs.parquet")
    with pda.connect(tmp_path) as db:
        assert db.view("runs").select("status", "account_id").row(0) == ("Succeeded", "acme")


@functools.cache
def first_runs() -> pl.DataFrame:
    return pda.load(SAMPLE).runs.head(100)


def table(**changes: Any) -> pl.DataFrame:
    return first_runs().with_columns(**changes)


CHANGES: list[Callable[[pl.DataFrame], pl.DataFrame]] = [
    lambda f: f,
    lambda f: f.select(reversed(f.columns)),
    lambda f: f.with_columns(pl.col("status", "account_id").cast(pl.Categorical)),
    lambda f: f.with_columns(pl.col("created_at", "finished_at").dt.cast_time_unit("ns")),
    lambda f: f.with_columns(pl.col("created_at").dt.convert_time_zone("America/New_York")),
    lambda f: f.with_columns(pl.col("credits").cast(pl.Int32), pl.col("input_tokens").cast(pl.UInt32)),
    lambda f: f.with_columns(pl.col("credits").cast(pl.Float64), pl.col("output_tokens").cast(pl.Decimal(20, 2))),
    lambda f: f.with_columns(pl.col("created_at", "finished_at").dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00:00")),
    lambda f: f.rename({"account_id": "accountId", "created_at": "createdAt", "input_file_id": "inputFileId"}),
    lambda f: f.with_columns(extra=pl.lit(1)),
]
FORMS = ("parquet", "pandas", "arrow", "stream", "polars", "lazy")


@pytest.mark.parametrize(
    ("at", "form"),
    [
        # Each change in Parquet, and in every other form by turns.
        (at, form) if place == 0 or (at + place) % 4 == 0 else slow(at, form)
        for place, form in enumerate(FORMS)
        for at in range(len(CHANGES))
    ],
)
def test_tables_that_others_wrote_are_read_alike(at: int, form: str, tmp_path: Path) -> None:
    frame = CHANGES[at](table())
    source: Any = tmp_path / f"runs.{'arrow' if form == 'stream' else form}"
    if form == "parquet":
        frame.write_parquet(source)
    elif form == "arrow":
        frame.write_ipc(source, compat_level=pl.CompatLevel.oldest())
    elif form == "stream":
        frame.write_ipc_stream(source, compat_level=pl.CompatLevel.oldest())
    else:
        source = {"polars": frame, "pandas": frame.to_pandas() if form == "pandas" else None, "lazy": frame.lazy()}[
            form
        ]
    assert pda.load(source).runs.equals(table())
    with pda.connect(source) as db:
        assert db.view("runs").select(NAMES).sort("created_at", "id").equals(table())
        assert db.view("usage")["credits"].item() == table()["credits"].sum()


def test_optional_columns_may_be_missing_and_null_is_found_where_it_is(tmp_path: Path) -> None:
    frame = table().drop("credits", "finished_at", "output_file_id")
    frame.write_parquet(tmp_path / "a.parquet")
    with pda.connect(tmp_path / "a.parquet") as db:
        assert db.view("usage")["credits"].item() is None
        assert db.view("coverage")["known_runs"].to_list()[0] == 0
    # A column of one value and a null: DuckDB 2.0.0 misreads its statistics.
    one = pl.DataFrame({"output_file_id": ["same", None] * 50})
    table().drop("output_file_id").hstack(one).write_parquet(
        tmp_path / "b.parquet", compression="zstd", use_pyarrow=True, pyarrow_options={"use_dictionary": False}
    )
    with pda.connect(tmp_path / "b.parquet") as db:
        assert 'substr(cast("output_file_id"' in db._scope.runs.columns
        assert db.sql("select count(*) from runs where output_file_id is null").item() == 50


@pytest.mark.parametrize(
    ("texts", "is_guarded"),
    [
        (["same", None] * 50, True),
        (["same"] * 100, False),  # no null stands beside it
        ([None] * 100, False),
        (["a", "b", None, None] * 25, False),
        ([*["a", "b"] * 25, *["c", None] * 25], True),  # in the second row group
    ],
)
def test_a_text_is_kept_from_statistics_only_where_they_show_one_value(
    texts: list[str | None], is_guarded: bool, tmp_path: Path
) -> None:
    one = pl.DataFrame({"output_file_id": texts})
    table().drop("output_file_id").hstack(one).write_parquet(
        tmp_path / "a.parquet", use_pyarrow=True, row_group_size=50
    )
    with pda.connect(tmp_path / "a.parquet") as db:
        assert ("substr" in db._scope.runs.columns) == is_guarded
        assert db.sql("select count(*) from runs where output_file_id is null").item() == texts.count(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("id"), "has no column id"),
        (lambda f: f.with_columns(id=pl.lit(7)), "the column id holds int32, expected text"),
        (lambda f: f.with_columns(created_at=pl.lit(date(2026, 1, 1))), "the column created_at holds date32"),
        (lambda f: f.with_columns(credits=pl.lit([1])), "the column credits holds"),
        (
            lambda f: f.with_columns(pl.col("created_at").dt.replace_time_zone(None)),
            "have no time zone; pass --assume-utc",
        ),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "arrow", "polars"])
def test_a_table_that_cannot_hold_runs_is_refused_with_one_line(
    change: Any, message: str, form: str, tmp_path: Path
) -> None:
    frame = change(table())
    source: Any = frame
    if form != "polars":
        source = tmp_path / f"runs.{form}"
        (frame.write_parquet if form == "parquet" else frame.write_ipc)(source)
    with pytest.raises(pda.SourceError, match=message) as caught:
        pda.connect(source)
    assert "\n" not in str(caught.value)


def test_naive_times_are_utc_where_the_caller_says_so(tmp_path: Path) -> None:
    frame = table().with_columns(pl.col("created_at", "finished_at").dt.replace_time_zone(None))
    frame.write_parquet(tmp_path / "runs.parquet")
    assert pda.load(tmp_path / "runs.parquet", assume_utc=True).runs.equals(table())
    with pda.connect(tmp_path / "runs.parquet", assume_utc=True) as db:
        assert db.view("runs")["created_at"].min() == table()["created_at"].min()


def test_parquet_with_rows_that_are_no_runs_is_loaded_merged_and_accounted_for(tmp_path: Path) -> None:
    frame = table()
    bad = frame.head(2).with_columns(status=pl.lit("Done"), id=pl.Series(["x", "y"]))
    pl.concat([frame, frame.head(10), bad]).write_parquet(tmp_path / "runs.parquet")
    with pda.connect(tmp_path / "runs.parquet") as db:
        assert dict(db.counts) == {"read": 112, "runs": 100, "duplicates": 10, "quarantined": 2, "conflicts": 0}
        assert db.quarantine["line"].to_list() == [111, 112]
        assert "'Done' is not a run status" in db.rejection


def test_parquet_that_is_whole_is_scanned_where_it_is(tmp_path: Path) -> None:
    table().write_parquet(tmp_path / "runs.parquet")
    with pda.connect(tmp_path / "runs.parquet") as db:
        plan = db.duckdb.sql("explain select runs from usage").fetchall()[0][1]
        assert str(tmp_path) in "".join(str(db._runs.files))
        assert "input_file_id" not in plan


INFINITE = 2**63 - 1
"""As DuckDB writes an infinite timestamp, in the unit of its column; the negative of it is minus infinity."""


@pytest.mark.parametrize("column", ["created_at", "finished_at"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_that_are_infinite_for_an_engine_are_judged_alike_by_all(column: str, unit: str, tmp_path: Path) -> None:
    for at, infinite in enumerate((INFINITE, -INFINITE)):
        instants = pa.array([infinite, 0, 0], pa.timestamp(unit, "UTC"))
        rows = {name: ["Failed" if name == "status" else "x"] * 3 for name in REQUIRED}
        rows |= {"id": ["a", "b", "c"], "created_at": pa.array([0, 0, 0], pa.timestamp(unit, "UTC")), column: instants}
        pq.write_table(pa.table(rows), tmp_path / f"{at}.parquet")
        loaded = pda.load(tmp_path / f"{at}.parquet")
        with pda.connect(tmp_path / f"{at}.parquet") as db:
            assert dict(db.counts) == dict(loaded.counts)
            # Nanoseconds reach to the years 1677 and 2262, so that these are instants.
            expected = [(infinite // 1000,), (0,), (0,)] if unit == "ns" else [(0,), (0,)]
            assert db.sql(f"select epoch_us({column}) as us from runs order by id").rows() == expected


@pytest.mark.parametrize(
    ("name", "neighbour"),
    [("runs[1].parquet", "runs1.parquet"), ("r?n.parquet", "run.parquet"), ("d*[1]/x.parquet", "dd1/x.parquet")],
)
def test_a_name_is_no_pattern_that_names_its_neighbour(name: str, neighbour: str, tmp_path: Path) -> None:
    rows = table().with_columns(account_id=pl.lit("own"))
    for path in (tmp_path / name, tmp_path / neighbour):
        path.parent.mkdir(exist_ok=True)
    table().with_columns(id=pl.concat_str(pl.lit("other"), "id")).write_parquet(tmp_path / neighbour)
    pl.concat([rows, rows.head(5)]).write_parquet(tmp_path / name)
    with pda.connect(tmp_path / name) as db:
        assert dict(db.counts) == {"read": 105, "runs": 100, "duplicates": 5, "quarantined": 0, "conflicts": 0}
    rows.write_parquet(tmp_path / name)
    with pda.connect(tmp_path / name) as db:
        assert db.counts.read == db.view("usage")["runs"].item() == 100
        assert db.view("accounts")["account_id"].to_list() == ["own"]
        assert db.duckdb.sql("select distinct account_id from runs").fetchall() == [("own",)]


def test_a_lake_in_a_folder_whose_name_is_a_pattern_is_no_other_lake(file, tmp_path: Path) -> None:
    pda.Lake(tmp_path / "lake").ingest(file([wire("a"), wire("b")]))
    shutil.copytree(tmp_path / "lake", tmp_path / "lak?")
    later = wire("a", credits=9, finished_at="2026-03-03T00:00:00Z")
    result = pda.Lake(tmp_path / "lak?").ingest(file([later, wire("c")]))
    assert (result.inserted, result.updated, result.unchanged) == (1, 1, 0)
    for name, credits_of in (("lak?", {"a": 9, "b": 3, "c": 3}), ("lake", {"a": 3, "b": 3})):
        with pda.connect(tmp_path / name) as db:
            assert dict(db.sql("select id, credits from runs").rows()) == credits_of


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_page_that_its_checksum_refutes_is_damage_for_every_command(
    dictionary: bool, compression: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.parquet"
    options: dict[str, Any] = {"compression": compression, "use_dictionary": dictionary, "row_group_size": 30}
    pq.write_table(table().to_arrow(), path, write_page_checksum=True, **options)
    with pda.connect(path) as db:
        assert db.counts.read == 100
        assert db._runs.files == (str(path),)
    whole = path.read_bytes()
    for group, column in ((0, "id"), (3, "credits"), (2, "account_id")):
        chunk = pq.read_metadata(path).row_group(group).column(NAMES.index(column))
        last = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1
        path.write_bytes(whole[:last] + bytes([whole[last] ^ 1]) + whole[last + 1 :])
        for read in (pda.load, pda.connect):
            with pytest.raises(pda.SourceError, match=r"runs\.parquet: cannot be read as Parquet"):
                read(path)


def test_statistics_of_parquet_that_contradict_its_schema_do_not_end_the_process(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(table().select(*NAMES).to_arrow(), path)
    whole = path.read_bytes()
    # In Thrift's compact protocol, that the column may be null: not so, its statistics are of one level too many.
    at = whole.rindex(b"\x25\x02\x18\x0eoutput_file_id") + 1
    path.write_bytes(whole[:at] + b"\0" + whole[at + 1 :])
    done = finished("import sys, polydoc_analytics as pda; pda.connect(sys.argv[1])", path)
    assert done.returncode == 1
    assert "polydoc_analytics.errors.SourceError" in done.stderr
    assert "runs.parquet: cannot be read as Parquet" in done.stderr


def csv(*lines: str, header: str = CSV_HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def test_csv_keeps_unknown_and_empty_apart(file) -> None:
    content = csv(
        'a,acme,2026-03-01T10:00:00Z,,Running,"",,,,in,',
        "b,acme,2026-03-01 10:00:00+00,2026-03-01 10:00:05.5+00,Succeeded,de,1200.0,1e3,-0,in,out",
        "c,acme,2026-03-01 10:00:00.123456+00:00,,Failed,de,0,,,in,",
    )
    rows = {row["id"]: row for row in pda.load(file(content, "runs.csv")).runs.iter_rows(named=True)}
    assert rows["a"]["target_language"] == ""
    assert rows["a"]["credits"] is rows["a"]["output_file_id"] is None
    assert (rows["b"]["credits"], rows["b"]["input_tokens"], rows["b"]["output_tokens"]) == (1200, 1000, 0)
    assert rows["b"]["finished_at"] == datetime(2026, 3, 1, 10, 0, 5, 500_000, tzinfo=UTC)
    assert rows["c"]["created_at"].microsecond == 123456


def test_csv_rows_that_are_no_runs_are_quarantined_with_their_line(file) -> None:
    content = csv(
        'a,"ac\nme",2026-03-01T10:00:00Z,,Running,de,,,,in,',
        "b,acme,2026-03-01T10:00:00,,Running,de,,,,in,",
        "c,acme",
        "",
        "d,acme,2026-03-01T10:00:00Z,,Running,de,1.5,x,,in,",
        "e,,2026-03-01T10:00:00Z,,Running,de,,,,in,",
    )
    loaded = pda.load(file(content, "runs.csv"))
    assert loaded.counts.read == 5
    assert loaded.runs["account_id"].to_list() == ["ac\nme"]
    assert loaded.quarantine["line"].to_list() == [4, 5, 7, 8]
    reasons = loaded.quarantine["reason"].to_list()
    assert "has no offset" in reasons[0]
    assert reasons[1] == "has 2 fields where the header has 11"
    assert reasons[2] == "credits: '1.5' is not an integer; input_tokens: 'x' is not an integer"
    assert reasons[3] == "account_id: is required, but missing or null"
    assert pda.load(file(content, "runs.csv"), assume_utc=True).counts.quarantined == 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_headers_may_be_camel_case_in_any_order_with_any_delimiter(delimiter: str, file) -> None:
    header = ["status", "id", "accountId", "createdAt", "targetLanguage", "inputFileId", "note", "inputTokens"]
    line = ["Running", "a", "acme", "2026-03-01T10:00:00Z", "de", "in", "x", "5"]
    loaded = pda.load(file((delimiter.join(header) + "\r\n" + delimiter.join(line) + "\r\n").encode(), "runs.csv"))
    assert loaded.runs["input_tokens"].to_list() == [5]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"id,name\n1,2\n", "has no column account_id"), (csv(header=CSV_HEADER + ",id"), "names the column id twice")],
)
def test_a_csv_header_that_cannot_hold_runs_is_refused(content: bytes, message: str, file) -> None:
    with pytest.raises(pda.SourceError, match=message):
        pda.load(file(content, "runs.csv"))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "wrap", [lambda rows: rows, lambda rows: {"total": 3, "page": {"of": [1]}, "data": rows, "next": None}]
)
@pytest.mark.parametrize("block_bytes", [1 << 24, 1000, 300])
def test_json_arrays_are_read_in_pieces_of_any_size(indent: int | None, wrap: Any, block_bytes: int) -> None:
    import io

    from polydoc_analytics.loaders.formats import json as json_array

    rows = [
        *ROWS,
        wire("tricky", account_id='},{"', extra=[{}, {"a": [1, 2]}, "]}"]),
        wire("d", credits="1"),
        *ROWS,
    ] * 5
    text = json.dumps(wrap(rows), indent=indent).encode()
    batches = [b for work in json_array.read(io.BytesIO(text), "x", block_bytes=block_bytes) for b in work.run()]
    assert sum(batch.read for batch in batches) == len(rows)
    assert sorted(row.line for batch in batches for row in batch.rejected) == [
        n + 1 for n, row in enumerate(rows) if row["credits"] == "1"
    ]


def test_a_json_file_of_lines_or_of_one_run_is_read_as_such(file) -> None:
    assert pda.load(file(ROWS, "lines.json")).counts.runs == 3
    assert pda.load(file(json.dumps(ROWS[0], indent=1).encode(), "one.json")).counts.runs == 1
    assert pda.load(file(b"[]", "none.json")).counts.read == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"id":1}', "cut off"),
        (b'{"data": [{"id": 1}', "cut off"),
        (b'[{"id": "a" "b"}]', "record 1 is not JSON"),
        (b'[{"id":1},]', "not JSON"),
        (b"[] x", "more behind the end"),
        (b'{"a": [1], "b": [2]}', "more than one array"),
        (b"hello", "not JSON"),
    ],
)
def test_a_broken_json_document_is_refused_whole(content: bytes, message: str, file) -> None:
    with pytest.raises(pda.SourceError, match=message):
        pda.load(file(content, "runs.json"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing.ndjson", "no such file or folder"),
        (lambda folder: folder, "no runs in this folder"),
        (lambda folder: folder / "*.nothing", "no file matches"),
        (lambda folder: f"{folder}/empty.ndjson", "is empty"),
        (lambda folder: f"{folder}/empty.parquet", "is empty"),
        (lambda folder: f"{folder}/broken.parquet", "cannot be read as Parquet"),
        (lambda folder: f"{folder}/broken.arrow", "cannot be read as Arrow"),
        (lambda folder: "ftp://host/runs.ndjson", "unknown scheme ftp://"),
        (lambda folder: f"{folder}/odd", "unknown kind of file"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(make: Any, message: str, tmp_path: Path) -> None:
    source = make(tmp_path)
    if source != tmp_path:
        (tmp_path / "empty.ndjson").touch()
        (tmp_path / "empty.parquet").touch()
        (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
        (tmp_path / "broken.arrow").write_bytes(b"ARROW1 and nothing more")
        (tmp_path / "odd").write_bytes(b"\x00\x01\x02")
    for open_source in (pda.load, pda.connect):
        with pytest.raises(pda.SourceError, match=message) as caught:
            open_source(source)
        assert "\n" not in str(caught.value)


def test_a_delta_table_is_not_read_as_loose_parquet(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    table().write_parquet(tmp_path / "part.parquet")
    for source in (tmp_path, tmp_path / "*.parquet", tmp_path.parent / "*" / "*.parquet"):
        with pytest.raises(pda.SourceError, match="Delta table"):
            pda.connect(source)


EMPTY = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("packed", EMPTY)
def test_an_empty_file_among_others_is_a_quiet_day(packed: str, file, tmp_path: Path) -> None:
    for name in ("b.ndjson", "c.json", "d.csv"):
        file(EMPTY[packed](b""), name + packed)
        with pytest.raises(pda.SourceError, match="is empty"):
            pda.load(tmp_path / (name + packed))
    with pytest.raises(pda.SourceError, match=f"b.ndjson{packed}: is empty, and so are 2 more"):
        pda.load(tmp_path)
    file(ROWS, "a.ndjson")
    assert pda.load(tmp_path).counts.runs == 3
    with pda.connect([tmp_path / f"c.json{packed}", tmp_path / "a.ndjson"]) as db:
        assert db.counts.read == 3


def test_standard_input_needs_its_format() -> None:
    with pytest.raises(pda.UsageError, match="needs --input-format"):
        pda.load("-")
    with pytest.raises(pda.UsageError, match="unknown input format 'ndjsn'; did you mean ndjson"):
        pda.load("-", input_format="ndjsn")


def test_quarantined_rows_can_be_mended_and_loaded_again(file, tmp_path: Path) -> None:
    bad = [wire("a", credits="7"), "nope", ndjson([wire("b")])[:-1].replace(b'"b"', b'"\xffb"')]
    out = tmp_path / "rejected.ndjson"
    first = pda.load(file([*ROWS, *bad]), quarantine_to=out)
    assert first.counts.quarantined == 3
    again = pda.load(out)
    assert again.counts.quarantined == 3, "not mended, so refused again"
    assert again.quarantine["line"].to_list() == [1, 2, 3]
    mended = out.read_text("utf-8").replace('\\"credits\\": \\"7\\"', '\\"credits\\": 7').splitlines()
    mended[1] = json.dumps(wire("n"))
    out.write_text("\n".join(mended) + "\n", "utf-8")
    assert pda.load(out).runs["id"].to_list() == ["a", "n"]


@pytest.mark.parametrize(
    "saved",
    [
        lambda lines: b"\xef\xbb\xbf" + b"\r\n".join(lines),
        lambda lines: b"\n\n" + b"\n".join(lines),
        lambda lines: b"\n".join(json.dumps(json.loads(line), sort_keys=True).encode() for line in lines),
        lambda lines: b"\n".join([json.loads(lines[0])["raw"].encode(), *lines[1:]]),
        lambda lines: b"\n".join([b'{"id": "more"}', *lines]),
    ],
    ids=["with a BOM", "behind blank lines", "with its keys in order", "with a run for its first row", "behind a run"],
)
@pytest.mark.parametrize("name", ["mended.ndjson", "mended", "mended.ndjson.gz"])
def test_a_quarantine_file_is_one_however_it_was_saved(name: str, saved: Any, file, tmp_path: Path) -> None:
    bad = [wire("a", status="Done", source="api", line=1, reason="x", raw="y"), wire("b", credits=1.5), "nope"]
    pda.export(file(bad), tmp_path / "out", quarantine_to=tmp_path / "bad.ndjson")
    mended = (tmp_path / "bad.ndjson").read_bytes().replace(b"Done", b"Failed").replace(b"1.5", b"1")
    content = saved(mended.splitlines())
    path = file(gzip.compress(content) if name.endswith(".gz") else content, f"mended/{name}")
    loaded = pda.load(Path(path).parent)
    assert loaded.runs["id"].sort().to_list() == ["a", "b"]
    assert loaded.counts.quarantined == 1 + content.count(b"more")


def test_quarantined_csv_rows_can_be_mended_too(file, tmp_path: Path) -> None:
    content = csv("a,acme,2026-03-01T10:00:00Z,,Runing,de,,,,in,")
    out = tmp_path / "rejected.ndjson"
    pda.load(file(content, "runs.csv"), quarantine_to=out)
    out.write_text(out.read_text("utf-8").replace("Runing", "Running").replace("'Running'", "'Runing'"), "utf-8")
    assert pda.load(out).runs["id"].to_list() == ["a"]


@pytest.mark.parametrize("name", ["runs.ndjson", "link.ndjson"])
@pytest.mark.parametrize("source", ["runs.ndjson", ".", "*.ndjson", ["runs.ndjson"], "tables"])
def test_rejected_rows_never_replace_a_file_of_the_source(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    content = Path(file([*ROWS, "nope"], "runs.ndjson")).read_bytes()
    if name == "link.ndjson":
        Path(name).symlink_to("runs.ndjson")
    given = [pl.DataFrame([ROWS[0]]), "runs.ndjson"] if source == "tables" else source
    with pytest.raises(pda.UsageError, match=f"{name}: is a file of the source"):
        pda.load(given, quarantine_to=name)
    with (
        pytest.raises(pda.UsageError, match=f"{name}: is a file of the source"),
        pda.connect(given, quarantine_to=name),
    ):
        pass
    assert Path("runs.ndjson").read_bytes() == content


def test_strict_makes_any_rejected_row_an_error_and_keeps_the_rows(file, tmp_path: Path) -> None:
    with pytest.raises(pda.RejectedRowsError, match="1 of 4 rows was quarantined"):
        pda.load(file([*ROWS, "nope"]), strict=True, quarantine_to=tmp_path / "q.ndjson")
    assert json.loads((tmp_path / "q.ndjson").read_text("utf-8"))["raw"] == "nope"


def test_many_rejected_rows_wait_on_disk(file, monkeypatch: pytest.MonkeyPatch) -> None:
    from polydoc_analytics.ingest import quarantine

    monkeypatch.setattr(quarantine, "_SPILL_BYTES", 100)
    loaded = pda.load([file(["nope"] * 5, f"{n}.ndjson") for n in range(5)])
    assert loaded.quarantine.height == loaded.counts.quarantined == 25
    assert loaded.quarantine["line"].to_list() == [1, 2, 3, 4, 5] * 5


def test_an_export_is_replaced_where_a_link_leads_and_whatever_way_leads_there(file, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pda.export(file(ROWS), out)
    pda.export(out, tmp_path / "out" / ".." / "out", overwrite=True)
    (tmp_path / "link").symlink_to(out)
    pda.export(out, tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert pda.load(out).counts.runs == len(ROWS)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_an_export_that_cannot_be_put_in_its_place_leaves_the_one_before(file, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    pda.export(file(ROWS), out)
    replace = os.replace

    def fails_once(source: Any, destination: Any) -> None:
        if str(destination) == str(out) and Path(source).name != "old":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, destination)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(pda.UsageError, match="out: cannot be written: Invalid cross-device link"):
        pda.export(file(ROWS[:1]), out, overwrite=True)
    assert pda.load(out).counts.runs == len(ROWS)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_export_writes_months_in_utc_and_a_manifest_and_is_whole_or_absent(file, tmp_path: Path) -> None:
    rows = [wire("a", created_at="2026-01-31T23:59:59Z"), wire("b", created_at="2026-02-01T00:00:00Z"), *ROWS[1:]]
    out = tmp_path / "my export"
    staged = pda.export(file(rows), out)
    assert sorted(part.path.split("/")[0] for part in staged.manifest.parts) == [
        "created_month=2026-01",
        "created_month=2026-02",
        "created_month=2026-03",
    ]
    for part in staged.manifest.parts:
        assert pq.read_schema(out / part.path).names == list(NAMES)
    assert pda.load(out).counts.runs == 3
    with pytest.raises(pda.UsageError, match="is not empty"):
        pda.export(file(rows), out)
    with pytest.raises(pda.SourceError):
        pda.export([file(rows), file(b"\x1f\x8b half", "x.ndjson.gz")], out, overwrite=True)
    assert pda.load(out).counts.runs == 3, "a failed export leaves the last good one"
    pda.export(file(rows[:1]), out, overwrite=True)
    assert pda.load(out).counts.runs == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_export_that_was_tampered_with_is_refused(file, tmp_path: Path) -> None:
    pda.export(file(ROWS), tmp_path / "out")
    part = next((tmp_path / "out").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-10])
    for open_source in (pda.load, pda.connect):
        with pytest.raises(pda.SourceError, match="is missing or not as exported"):
            open_source(tmp_path / "out")


def test_a_later_row_replaces_one_that_was_written_already(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polydoc_analytics.ingest import parquet as store

    monkeypatch.setattr(store, "ROW_GROUP_ROWS", 2)
    rows = [wire(str(n)) for n in range(7)] + [
        wire("3", credits=99),
        wire("5", finished_at="2026-03-02T11:00:00Z", credits=1),
    ]
    staged = pda.export(file(rows), tmp_path / "out")
    assert dict(staged.counts) == {"read": 9, "runs": 7, "duplicates": 2, "quarantined": 0, "conflicts": 2}
    runs = pda.load(tmp_path / "out").runs
    assert dict(zip(runs["id"], runs["credits"], strict=True)) == {str(n): {3: 99, 5: 1}.get(n, 3) for n in range(7)}


def test_a_month_that_loses_its_last_run_to_a_later_row_takes_no_other_run_with_it(file, tmp_path: Path) -> None:
    january, february = "2026-01-10T10:00:00Z", "2026-02-10T10:00:00Z"
    rows = [
        wire("a", created_at=january, finished_at=None, status="Failed"),
        wire("b", created_at=february, finished_at=february),
        wire("a", created_at=february, finished_at=february),
    ]
    loaded = pda.load(file(rows))
    assert sorted(loaded.runs["id"]) == ["a", "b"]
    assert dict(loaded.counts) == {"read": 3, "runs": 2, "duplicates": 1, "quarantined": 0, "conflicts": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_a_pipe_is_read_though_it_has_no_size(form: str, file, tmp_path: Path) -> None:
    runs = pda.load(file(ROWS)).runs
    path, pipe = tmp_path / f"whole.{form}", tmp_path / "pipe"
    runs.write_parquet(path) if form == "parquet" else path.write_bytes(ndjson(ROWS))
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True)
    writer.start()
    assert pda.load(pipe).runs.equals(runs)
    writer.join()


def test_a_file_with_nothing_but_a_bom_holds_no_rows(file) -> None:
    assert pda.load(file(b"\xef\xbb\xbf")).counts.read == 0


def test_records_of_an_array_are_counted_though_a_text_looks_like_the_end_of_one() -> None:
    from polydoc_analytics.loaders.formats import json as json_array

    rows = [wire(str(n), input_file_id='},{ "' if n == 3 else "in") for n in range(9)] + [wire("9", status="Done")]
    document = json.dumps(rows, separators=(",", ":")).encode()
    work = json_array.read(io.BytesIO(document), "x", block_bytes=600)
    assert [rejected.line for piece in work for batch in piece.run() for rejected in batch.rejected] == [10]


@pytest.mark.parametrize("name", ["late.ndjson", "created_month=2026-03/late.ndjson"])
def test_a_file_put_into_an_export_is_read_with_it(name: str, file, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pda.export(file(ROWS), out)
    (out / name).write_bytes(ndjson([wire("late")]))
    assert pda.load(out).counts.runs == 4
    with pda.connect(out) as db:
        assert db.view("usage")["runs"].item() == 4


def test_rejected_text_is_kept_to_64_kib_whatever_its_bytes_and_never_loaded_as_whole(file, tmp_path: Path) -> None:
    rows = [b'{"id": "' + part * 70_000 for part in (b"x", "\u00e9".encode(), "\u65e5".encode(), b"\xff")]
    kept = tmp_path / "kept.ndjson"
    raw = pda.load(file(rows), quarantine_to=kept).quarantine["raw"]
    assert all(65_532 < len(text.encode()) <= 65_536 for text in raw)
    assert pda.load(kept).quarantine["reason"].str.contains("was cut at 64 KiB").all()


def test_xz_streams_one_behind_the_other_are_read_and_rubbish_behind_one_is_an_error(file) -> None:
    import lzma

    first, second = lzma.compress(ndjson([wire("a")])), lzma.compress(ndjson([wire("b")]))
    assert pda.load(file(first + bytes(8) + second, "two.ndjson.xz")).runs["id"].to_list() == ["a", "b"]
    with pytest.raises(pda.SourceError, match="cannot be read"):
        pda.load(file(first + b"rubbish behind the stream", "bad.ndjson.xz"))


NAMES_OF_FOLDERS = ["a b", "exp[1]", "100%", "x#1", "q?", "st*r", "ü日本", "quo'te", 'dq"q', "{a,b}"]


@pytest.mark.parametrize("name", [" ".join(NAMES_OF_FOLDERS), "a%20b", *map(slow, NAMES_OF_FOLDERS)])
def test_folders_of_any_name_are_read(name: str, tmp_path: Path, file) -> None:
    folder = tmp_path / name
    pda.export(file([wire("a"), wire("b")]), folder)
    assert pda.load(folder).runs.height == 2
    (folder / "_manifest.json").unlink()
    with pda.connect(folder) as db:
        assert db.view("usage")["runs"].item() == 2
    place = tmp_path / "lakes" / name / "lake"
    if name != "a%20b":
        pda.Lake(place).ingest(folder)
        assert pda.connect(place).view("usage")["runs"].item() == 2
    else:
        with pytest.raises(pda.LakeError, match="choose another folder"):
            pda.Lake(place)


def test_nanoseconds_are_cut_towards_the_past_on_both_sides_of_1970(tmp_path: Path) -> None:
    # By hand: -1 ns lies in the last microsecond of 1969, -1000 ns is its beginning, -1001 ns lies in the one before.
    nanoseconds = {-1: -1, -1_000: -1, -1_001: -2, 0: 0, 999: 0, 1_000: 1, -(10**18) - 1: -(10**15) - 1}
    table = pa.table(
        {
            "id": [str(n) for n in nanoseconds],
            "created_at": pa.array(list(nanoseconds), pa.timestamp("ns", "UTC")),
            **{
                name: ["Failed" if name == "status" else "x"] * len(nanoseconds)
                for name in REQUIRED
                if name not in ("id", "created_at")
            },
        }
    )
    pq.write_table(table, tmp_path / "runs.parquet")
    for source in (table, str(tmp_path / "runs.parquet")):
        runs = pda.load(source).runs
        found = dict(zip(runs["id"].to_list(), runs["created_at"].dt.epoch("us").to_list(), strict=True))
        assert found == {str(n): us for n, us in nanoseconds.items()}

"""Parquet, Arrow and tables in memory as others fill them: damaged memory, text that is not UTF-8, numbers too wide."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from support.damaged_arrow import columns
from support.processes import finished
from support.repetitions import Soak, slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.errors import InternalError
from polydoc_analytics.model.schema import NAMES

BAD = b"x\xffy\xed\xa0\x80"  # a byte that no text has, and a surrogate as CESU-8 has it
TEXT = BAD.decode("utf-8", "replace")
OCTETS = {
    "string": (pa.binary(), pa.string()),
    "large_string": (pa.large_binary(), pa.large_string()),
    "string_view": (pa.binary_view(), pa.string_view()),
}


def with_bad(name: str, kind: str = "string", rows: int = 4) -> pa.Table:
    """Runs r0, r1, …, of which the text of every second one is not UTF-8 in one column."""
    found = columns([wire(f"r{at}", account_id=f"acc{at}") for at in range(rows)])
    texts = [None if text is None else str(text).encode() for text in found[name].to_pylist()]
    binary, text_type = OCTETS["string" if kind == "dictionary" else kind]
    array = pa.array([BAD + str(at).encode() if at % 2 else text for at, text in enumerate(texts)], binary)
    if name == "created_at":
        times = found["created_at"].cast(pa.string()).to_pylist()
        array = pa.array(
            [BAD + b"1" if at % 2 else time.replace(" ", "T").encode() for at, time in enumerate(times)], binary
        )
    array = array.view(text_type)
    if kind == "dictionary":
        entries = pa.array([BAD, b"spare", *(texts[::2] if name != "created_at" else times_of(times))], binary)
        indices = pa.array([0 if at % 2 else 2 + at // 2 for at in range(rows)], pa.int8())
        array = pa.DictionaryArray.from_arrays(indices, entries.view(text_type), safe=False)
    return pa.table({**found, name: array})


def times_of(times: list[str]) -> list[bytes]:
    return [time.replace(" ", "T").encode() for time in times[::2]]


def as_form(table: pa.Table, form: str, folder: Path) -> Any:
    """A table as a source: in memory, as a Parquet file with or without dictionaries, as an Arrow file or stream."""
    if form == "table":
        return table
    path = folder / f"runs.{'parquet' if 'parquet' in form else 'arrows' if form == 'stream' else 'arrow'}"
    if "parquet" in form:
        pq.write_table(table, path, use_dictionary=form == "parquet", store_schema=form == "parquet")
    else:
        new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table)
    return str(path)


FORMS = ["table", "parquet", "parquet without dictionaries", "file", "stream"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        # Each type in every second form, and each form with every second type.
        (kind, form) if (at + place) % 2 == 0 else slow(kind, form)
        for at, kind in enumerate([*OCTETS, "dictionary"])
        for place, form in enumerate(FORMS)
    ],
)
def test_text_that_is_not_utf8_becomes_u_fffd_and_is_marked(kind: str, form: str, tmp_path: Path) -> None:
    expected = {"r0": "acc0", "r1": TEXT, "r2": "acc2", "r3": TEXT}
    if kind != "dictionary":
        expected |= {"r1": TEXT + "1", "r3": TEXT + "3"}
    source = as_form(with_bad("account_id", kind), form, tmp_path)
    loaded = pda.load(source)
    assert dict(loaded.runs.select("id", "account_id").iter_rows()) == expected
    with pda.connect(source) as db:
        assert dict(db.sql("select id, account_id from runs").iter_rows()) == expected
        if form == "parquet" or Soak.is_on:
            quality = dict(db.sql("select rule, runs from data_quality").iter_rows())
            assert quality["replaced_characters"] == 2
        assert db.view("usage_by_account")["runs"].sum() == 4


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form) if (at + place) % 2 == 0 else slow(name, form)
        for at, name in enumerate(["id", "status", "created_at"])
        for place, form in enumerate(FORMS)
    ],
)
def test_a_run_is_rejected_where_such_text_could_be_taken_for_another(name: str, form: str, tmp_path: Path) -> None:
    source = as_form(with_bad(name), form, tmp_path)
    reason = {
        "id": "id: holds bytes that are not UTF-8, so two ids could become one",
        "status": f"status: '{TEXT}1' is not a run status; expected Running, Succeeded or Failed",
        "created_at": f"created_at: '{TEXT}1' is not a datetime with seconds and an offset, "
        "such as 2026-10-31T12:00:00Z",
    }[name]
    loaded = pda.load(source)
    assert dict(loaded.counts) == {"read": 4, "runs": 2, "duplicates": 0, "quarantined": 2, "conflicts": 0}
    assert loaded.quarantine.select("line", "reason").row(0) == (2, reason)
    assert TEXT in json.loads(loaded.quarantine["raw"][0])[name]
    with pda.connect(source) as db:
        assert db.counts == loaded.counts
        assert db.view("usage")["runs"].item() == 2


@pytest.mark.parametrize("name", ["account_id", "target_language", "input_file_id", "output_file_id"])
def test_parquet_is_scanned_in_place_only_where_all_its_text_is_utf8(name: str, tmp_path: Path) -> None:
    source = as_form(with_bad(name, rows=2_000), "parquet", tmp_path)
    with pda.connect(source) as db:
        assert all(source not in file for file in db._runs.files)
        assert db.sql(f"select count(*) as n from runs where {name} like 'x�y%'")["n"].item() == 1_000
        assert db.view("usage_by_account_language")["runs"].sum() == 2_000


@pytest.mark.parametrize("name", ["account_id", slow("output_file_id")])
def test_a_lake_goes_on_after_text_that_was_not_utf8(name: str, tmp_path: Path, file) -> None:
    lake = pda.Lake(tmp_path / "lake")
    assert lake.ingest(with_bad(name)).inserted == 4
    source = as_form(with_bad(name), "parquet", tmp_path)
    assert run(["ingest", source, "--lake", str(tmp_path / "lake"), "--quiet"]) == 0
    assert lake.ingest(file([wire("r0", account_id="acc0"), wire("new")])).inserted == 1
    with pda.connect(lake) as db:
        assert db.view("usage_by_account")["runs"].sum() == 5
    lake.compact()
    lake.erase("acc0")
    with pda.connect(lake) as db:
        assert db.view("usage_by_account")["runs"].sum() == 4
    assert run(["doctor", "--lake", str(tmp_path / "lake")]) == 0


def test_damaged_arrow_memory_is_refused_before_anything_reads_it(tmp_path: Path) -> None:
    done = finished("from support.damaged_arrow import read_damaged; read_damaged()", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 3 * 6
    assert all("cannot be read as" in line for line in lines), lines


def test_int96_timestamps_of_any_year_are_the_true_instants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    years = [1, 1000, 1677, 1970, 2262, 2263, 9999]
    instants = [datetime(year, 12, 31, 23, 59, 59, 999_999) for year in years]
    rows = [wire(f"r{year:04}", finished_at=None, status="Running") for year in years]
    table = pa.table({**columns(rows), "created_at": pa.array(instants, pa.timestamp("us"))})
    source = str(tmp_path / "old.parquet")
    pq.write_table(table, source, use_deprecated_int96_timestamps=True)
    assert pq.read_metadata(source).schema.column(2).physical_type == "INT96"
    expected = [instant.replace(tzinfo=UTC) for instant in instants]

    assert pda.load(source, assume_utc=True).runs["created_at"].to_list() == expected
    with pda.connect(source, assume_utc=True) as db:
        assert db.sql("select created_at from runs order by 1")["created_at"].to_list() == expected
    pda.export(source, tmp_path / "out", assume_utc=True)
    with pda.connect(tmp_path / "out") as db:
        assert db.sql("select created_at from runs order by 1")["created_at"].to_list() == expected
    pda.Lake(tmp_path / "lake").ingest(source, assume_utc=True)
    assert pda.load(tmp_path / "lake").runs["created_at"].to_list() == expected
    assert run(["usage", source, "--assume-utc", "--every", "month", "--json", "--quiet"]) == 0
    periods = [row["period"] for row in json.loads(capsys.readouterr().out)["data"]]
    assert periods == [f"{year:04}-12-01" for year in years]
    with pytest.raises(pda.SourceError, match="no time zone; pass --assume-utc"):
        pda.load(source)


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (pa.decimal256(70, 5), Decimal(7), 7),
        (pa.decimal256(70, 5), Decimal("7.5"), None),
        (pa.decimal256(70, 5), Decimal(2**63), None),
        (pa.decimal128(38, 2), Decimal(-(2**63)), -(2**63)),
        (pa.decimal128(38, 2), Decimal(-(2**63) - 1), None),
        (pa.decimal32(5, 1), Decimal(7), 7),
        (pa.decimal64(9, 1), Decimal("7.5"), None),
        (pa.float16(), np.float16(7), 7),
        (pa.float64(), 7.5, None),
        (pa.float64(), 2.0**63, None),
        (pa.float64(), -(2.0**63), -(2**63)),
        (pa.float64(), 1.2345678901234567e18, 1_234_567_890_123_456_768),
        (pa.float64(), float("inf"), None),
        (pa.uint64(), 2**63 - 1, 2**63 - 1),
        (pa.uint64(), 2**63, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["table", "parquet"])
def test_numbers_of_any_width_are_whole_64_bit_integers_or_rejected(
    kind: pa.DataType, given: Any, kept: int | None, form: str, tmp_path: Path
) -> None:
    if form == "parquet" and kind == pa.decimal32(5, 1):
        kind = pa.decimal128(5, 1)
    table = pa.table({**columns([wire("a"), wire("b")]), "credits": pa.array([None, given], kind)})
    loaded = pda.load(as_form(table, form, tmp_path))
    if kept is None:
        assert loaded.counts["quarantined"] == 1
        assert loaded.quarantine["line"].item() == 2
        assert "is not a 64-bit integer" in loaded.quarantine["reason"].item()
    else:
        assert loaded.runs["credits"].to_list() == [None, kept]


@pytest.mark.parametrize("kind", [pl.Int128, pl.UInt128])
def test_integers_of_128_bits_are_read_where_they_fit_64(kind: Any) -> None:
    frame = pl.DataFrame(
        [
            wire("a", credits=7),
            wire("b", credits=2**100),
        ],
        schema_overrides={"credits": kind},
    ).with_columns(other=pl.lit(1, kind))
    loaded = pda.load(frame)
    assert loaded.runs["credits"].to_list() == [7]
    assert loaded.quarantine["reason"].to_list() == [f"credits: '{2**100}' does not fit a 64-bit integer"]


def test_columns_that_no_run_has_are_never_read() -> None:
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    day = pa.array([2**31 - 1], pa.date32())
    table = pa.table({**columns([wire("a", status="Done")]), "pair": twice, "day": day})
    table = table.append_column("more", pa.array([1])).append_column("more", pa.array([2]))
    loaded = pda.load(table)
    assert json.loads(loaded.quarantine["raw"].item()) == wire("a", status="Done") | {
        "created_at": "2026-03-02T10:00:00+00:00",
        "finished_at": "2026-03-02T10:00:10+00:00",
    }


def with_columns(**changes: Any) -> pa.Table:
    return pa.table({**columns([wire("a")]), **changes})


class Broken:
    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        raise ZeroDivisionError("no rows today")


def failing() -> Iterator[Any]:
    yield wire("a")
    raise ValueError("no rows\ntoday")


UNREADABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "a column twice": (
        lambda: pa.Table.from_arrays([*with_columns().columns, pa.array(["b"])], [*NAMES, "account_id"]),
        "table: names the column account_id twice",
    ),
    "a column twice in camelCase": (
        lambda: pa.Table.from_arrays([pa.array([1])] * 2, ["accountId", "accountId"]).append_column("id", [["a"]]),
        "table: names the column accountId twice",
    ),
    "a column of pandas twice": (lambda: pd.DataFrame([[1, 2]], columns=["id", "id"]), "Duplicate column names"),
    "days": (lambda: with_columns(created_at=pa.array([2**31 - 1], pa.date32())), "created_at holds date32"),
    "far days": (lambda: with_columns(created_at=pa.array([2**62]).view(pa.date64())), "created_at holds date64"),
    "a struct": (
        lambda: with_columns(status=pa.StructArray.from_arrays([pa.array(["Failed"])] * 2, names=["a", "a"])),
        "the column status holds struct",
    ),
    "objects": (lambda: pl.DataFrame({**wire("a"), "account_id": [object()]}), "the column account_id holds"),
    "several types": (lambda: pd.DataFrame([wire("a"), wire("b", account_id=5)]), "cannot be read as a table"),
    "a query that fails": (lambda: pl.LazyFrame([wire("a")]).select("nothing"), "cannot be read as a table: "),
    "a function that fails": (
        lambda: pl.LazyFrame([wire("a")]).with_columns(pl.col("id").map_batches(lambda _: 1 / 0)),
        "cannot be read as a table: ",
    ),
    "a stream that fails": (Broken, "cannot be read as a table: no rows today"),
    "a column alone": (lambda: pl.Series("id", ["a"]), "cannot be read as a table"),
    "a column of pandas": (lambda: pd.Series(["a"]), "cannot be read as a table"),
    "an array": (lambda: pa.array(["a"]), "cannot be read as a table"),
    "an open file": (lambda: io.BytesIO(b"{}"), "not an open file"),
    "a generator that fails": (failing, "rows: end with an error, ValueError: no rows"),
    "numbers": (lambda: [1, 2], "not a list of int"),
    "a number": (lambda: 5, "not int"),
    "nothing": (lambda: None, "not NoneType"),
    "bytes": (lambda: b"runs.ndjson", "not bytes"),
    "columns of lists": (lambda: {"id": ["a"]}, "not dict"),
    "rows and paths": (lambda: [wire("a"), "runs.ndjson"], "not a list of dict"),
}


@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_table_of_runs_is_said_in_one_line(name: str, tmp_path: Path) -> None:
    make, message = UNREADABLE[name]
    for do in (pda.load, pda.connect, pda.Lake(tmp_path / "lake").ingest):
        with pytest.raises(pda.PolydocError) as caught:
            do(make())
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2


def test_parquet_with_names_that_differ_in_case_alone_is_read_as_it_says(tmp_path: Path) -> None:
    table = with_columns().add_column(0, "ID", [["other"]])
    pq.write_table(table, tmp_path / "runs.parquet")
    with pda.connect(tmp_path / "runs.parquet") as db:
        assert db.view("runs")["id"].item() == "a"


@pytest.mark.parametrize("spelt_otherwise", [0, 1])
def test_parquet_files_whose_names_differ_in_case_are_read_as_each_says(spelt_otherwise: int, tmp_path: Path) -> None:
    for at, id_ in enumerate("ab"):
        table = with_columns(id=[id_], credits=[7])
        if at == spelt_otherwise:
            table = table.rename_columns(["Credits" if name == "credits" else name for name in table.column_names])
        pq.write_table(table, tmp_path / f"{at}.parquet")
    expected = {"ab"[at]: None if at == spelt_otherwise else 7 for at in (0, 1)}
    assert dict(pda.load(tmp_path).runs.select("id", "credits").rows()) == expected
    with pda.connect(tmp_path) as db:
        assert dict(db.sql("select id, credits from runs").rows()) == expected


def test_columns_of_tables_may_be_in_upper_case_and_the_other_spellings_win(tmp_path: Path) -> None:
    upper = with_columns().rename_columns([name.upper() for name in with_columns().column_names])
    table = upper.append_column("account_id", pa.array(["snake"])).append_column("inputFileId", pa.array(["camel"]))
    pq.write_table(upper, tmp_path / "upper.parquet")
    pq.write_table(table, tmp_path / "both.parquet")
    assert pda.load(tmp_path / "upper.parquet").runs.equals(pda.load(with_columns()).runs)
    for source in (table, tmp_path / "both.parquet"):
        assert pda.load(source).runs.select("id", "account_id", "input_file_id").row(0) == ("a", "snake", "camel")
    with pda.connect(tmp_path / "upper.parquet") as db:
        assert db.view("usage")["runs"].item() == 1


@pytest.mark.parametrize("form", ["table", "parquet"])
def test_rows_of_tables_whose_fault_is_mended_are_read_again_whatever_the_types(
    form: str, file, tmp_path: Path
) -> None:
    us = pa.array([1_772_445_600_000_001], pa.int64())
    columns_of_others = {
        "ID": pa.array(["a"]),
        "account_id": pa.array(["acme"]).dictionary_encode(),
        "createdAt": pa.array(["2026-03-02 10:00:00.000001+00"]),
        "FINISHED_AT": us.cast(pa.timestamp("us")),
        "status": pa.array(["Done"]),
        "target_language": pa.array(["de"]),
        "credits": pa.array([Decimal("5.00")], pa.decimal128(38, 2)),
        "input_tokens": pa.array(["1e3"]),
        "output_tokens": pa.array([7.0]),
        "input_file_id": pa.array([b"\1" * 16], pa.binary(16)).cast(pa.uuid()),
    }
    table = pa.table(columns_of_others)
    source: Any = table
    if form == "parquet":
        source = tmp_path / "runs.parquet"
        pq.write_table(table, source)
    quarantined = pda.load(source, assume_utc=True).quarantine
    assert quarantined["reason"].str.starts_with("status: 'Done'").all()
    mended = quarantined["raw"].item().replace("Done", "Succeeded")
    [run] = pda.load(file([mended])).runs.to_dicts()
    assert (run["id"], run["account_id"], run["input_file_id"]) == ("a", "acme", str(UUID(bytes=b"\1" * 16)))
    assert (run["credits"], run["input_tokens"], run["output_tokens"]) == (5, 1000, 7)
    instant = datetime(2026, 3, 2, 10, 0, 0, 1, UTC)
    assert (run["created_at"], run["finished_at"]) == (instant, instant)


def test_parquet_with_uuids_as_databases_write_them_is_queried_as_it_is_loaded(tmp_path: Path) -> None:
    import duckdb

    path = str(tmp_path / "runs.parquet")
    rows = [
        wire(str(UUID(int=at)), account_id=str(UUID(int=7)), input_file_id=str(UUID(int=1 << 127))) for at in range(3)
    ]
    frame = pl.DataFrame(rows)  # noqa: F841 - named in the query
    as_uuid = ", ".join(f"{name}::uuid as {name}" for name in ("id", "account_id", "input_file_id"))
    as_instant = ", ".join(f"{name}::timestamptz as {name}" for name in ("created_at", "finished_at"))
    duckdb.sql(f"copy (select * replace ({as_uuid}, {as_instant}) from frame) to '{path}' (format parquet)")
    loaded = pda.load(path)
    assert loaded.runs["id"].to_list() == [row["id"] for row in rows]
    with pda.connect(path) as db:
        assert db._runs.files == (path,)
        assert dict(db.counts) == dict(loaded.counts)
        names = "id, account_id, input_file_id"
        assert db.sql(f"select {names} from runs order by id").rows() == [
            (row["id"], row["account_id"], row["input_file_id"]) for row in rows
        ]


def test_an_array_of_structs_is_a_table() -> None:
    table = with_columns()
    loaded = pda.load(table.to_struct_array().combine_chunks())
    assert loaded.counts.runs == table.num_rows
    assert loaded.runs.equals(pda.load(table).runs)


def test_a_list_of_dicts_is_judged_as_lines_of_json_are(file, tmp_path: Path) -> None:
    rows = [
        wire("a"),
        wire("b", credits=1.5),
        wire("c", status="Done"),
        wire("d", account_id="\ud800"),
        wire("e\ud800"),
        {},
        wire("a", credits=8),
        {"accountId": "acme", **wire("f", more={"deep": [1]})},
    ]
    lines = pda.load(file("\n".join(json.dumps(row) for row in rows).encode()))
    for given in (rows, iter(rows), tuple(rows)):
        loaded = pda.load(given)
        assert loaded.runs.equals(lines.runs)
        assert loaded.counts == lines.counts
        assert loaded.quarantine.select("line", "reason").equals(lines.quarantine.select("line", "reason"))
    with pda.connect(iter(rows)) as db:
        assert db.counts == lines.counts
    assert pda.Lake(tmp_path / "lake").ingest(iter(rows)).quarantined == lines.counts.quarantined
    assert pda.report(iter([wire("a")]), kind="languages", formats="md", out=tmp_path)


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("created_at", datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC)),
        (
            "created_at",
            pd.Timestamp("2026-03-02T11:00:00.123456789+01:00"),
            datetime(2026, 3, 2, 10, 0, 0, 123456, UTC),
        ),
        ("created_at", datetime(2026, 3, 2, 10), "has no offset"),
        ("created_at", date(2026, 3, 2), "is not a datetime"),
        ("finished_at", pd.NaT, None),
        ("id", UUID(int=1), str(UUID(int=1))),
        ("id", b"a", "expected text"),
        ("id", 5, "expected text"),
        ("credits", np.int32(5), 5),
        ("credits", float("nan"), None),
        ("credits", pd.NA, None),
        ("credits", Decimal("5.00"), 5),
        ("credits", Decimal("5.5"), "expected an integer"),
        ("credits", Decimal("1e1000000"), "expected an integer"),
        ("credits", 2**63, "does not fit"),
        pytest.param("credits", 10**5000, "expected an integer", id="an integer of 5001 digits"),
        ("credits", True, "expected an integer"),
        ("credits", object(), "expected an integer"),
        ("credits", np.array([5, 6]), "expected an integer"),
        ("credits", np.array(5), 5),
        pytest.param("credits", pd.Series([5]), "expected an integer", id="a series"),
        ("credits", np.int64, "expected an integer"),
        ("credits", -(2.0**63), -(2**63)),
        ("credits", 1.2345678901234567e18, 1_234_567_890_123_456_768),  # whose shortest digits are those of …800
        ("credits", 1e300, "expected an integer"),
    ],
)
def test_values_of_a_dict_may_be_those_that_python_has(column: str, given: Any, expected: Any) -> None:
    loaded = pda.load([wire("a", finished_at=None) | {column: given}])
    if (isinstance(expected, str) and column != "id") or expected == "expected text":
        assert expected in loaded.quarantine["reason"].item()
    else:
        assert loaded.runs[column].item() == expected


def test_a_lone_surrogate_in_a_frame_of_pandas_becomes_u_fffd() -> None:
    frame = pd.DataFrame([wire("a", account_id="x\ud800"), wire("b"), wire("c\udc80")], dtype=object)
    loaded = pda.load(frame)
    assert loaded.runs["account_id"].to_list() == ["x\ufffd", "acme"]
    assert loaded.quarantine["line"].to_list() == [3]


@pytest.mark.parametrize(
    ("column", "form"),
    [
        # Each column as lines, and every second one as each of the others.
        (column, form) if place == 0 or (at + place) % 2 else slow(column, form)
        for at, column in enumerate(name for name in NAMES if name not in ("id", "account_id"))
        for place, form in enumerate(["ndjson", "json", "dicts"])
    ],
)
def test_an_escaped_lone_surrogate_is_quoted_in_a_reason_as_u_fffd(
    column: str, form: str, file, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [wire("a", **{column: "\ud800"}), wire("b")]
    source: Any = rows
    if form != "dicts":
        text = "\n".join(map(json.dumps, rows)) if form == "ndjson" else json.dumps(rows)
        source = file(text.encode(), f"runs.{form}")
    rejected = 0 if column in ("target_language", "input_file_id", "output_file_id") else 1
    loaded = pda.load(source, quarantine_to=tmp_path / "rejected.ndjson")
    assert (loaded.counts.runs, loaded.counts.quarantined) == (2 - rejected, rejected)
    assert all("\ufffd" in reason for reason in loaded.quarantine["reason"])
    if column in ("status", "input_file_id") or Soak.is_on:
        with pda.connect(source) as db:
            assert db.counts == loaded.counts
            assert ("\ufffd" in db.rejection) == bool(rejected)
    if form == "ndjson" and column == "status":
        assert run(["check", source]) == rejected
        assert run(["report", source, "--out", str(tmp_path), "--format", "md,json"]) == 0
        assert run(["ingest", source, "--lake", str(tmp_path / "other")]) == 0
        assert "internal error" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file names that are not text")
def test_rejected_rows_name_a_file_whose_name_is_not_text(tmp_path: Path) -> None:
    source = tmp_path / "runs-\udcff.ndjson"
    source.write_text(json.dumps(wire("a", status="Done")) + "\n")
    assert pda.load(source).quarantine["source"].item() == str(source).replace("\udcff", "\\udcff")
    lake = pda.Lake(tmp_path / "lake")
    assert lake.ingest(source).quarantined == 1
    assert lake.loads()["source"].item() == str(source).replace("\udcff", "\\udcff")


def panic() -> None:
    raise pl.exceptions.PanicException("index out of bounds")


def test_no_error_of_an_engine_leaves_the_package(monkeypatch: pytest.MonkeyPatch, file) -> None:
    import duckdb

    from polydoc_analytics.loaders import read
    from polydoc_analytics.query.engines.duckdb import DuckEngine

    source = file([wire("a")])
    with pda.connect(source) as db, monkeypatch.context() as patch:
        for error in (pl.exceptions.PanicException("x"), pa.ArrowInvalid("x\ny"), duckdb.IOException("x")):
            for name in ("fetch", "query"):
                patch.setattr(DuckEngine, name, lambda *_, error=error: (_ for _ in ()).throw(error))
            for ask in (lambda: db.sql("select 1"), lambda: db.view("usage")):
                with pytest.raises(InternalError, match=f"internal error: {type(error).__name__}: x;") as caught:
                    ask()
                assert caught.value.__cause__ is error
    monkeypatch.setattr(read, "read_batches", lambda *_, **__: panic())
    for do in (pda.load, pda.connect, pda.report):
        with pytest.raises(InternalError):
            do(source)


def test_a_panic_is_an_internal_error_of_the_command_line_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from polydoc_analytics.query import connect

    monkeypatch.setattr(connect, "connect", lambda *_, **__: panic())
    assert run(["usage", "runs.ndjson"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        "error: internal error: PanicException: index out of bounds; "
        "set POLYDOC_ANALYTICS_TRACEBACK=1 to see where, and please report it"
    ]


def test_an_export_whose_text_was_spoilt_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pda.export([wire("r0", account_id="spoilt"), wire("r1")], tmp_path / "out")
    part = next((tmp_path / "out").rglob("*.parquet"))
    table = pq.ParquetFile(part).read()
    octets = pa.array([value.encode().replace(b"spoilt", b"spoil\xff") for value in table["account_id"].to_pylist()])
    pq.write_table(table.set_column(1, "account_id", octets.view(pa.string())), part)
    manifest = tmp_path / "out" / "_manifest.json"
    content = json.loads(manifest.read_text())
    content["parts"][0]["bytes"] = part.stat().st_size
    manifest.write_text(json.dumps(content))
    assert run(["check", str(tmp_path / "out"), "--quiet"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(part) in line


def test_doctor_names_text_that_an_older_version_let_into_a_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from polydoc_analytics.loaders.formats import arrow

    lake = pda.Lake(tmp_path / "lake")
    with monkeypatch.context() as patch:
        patch.setattr(arrow, "validated", lambda values: (values, []))
        lake.ingest(with_bad("account_id"))
    assert run(["doctor", "--lake", str(tmp_path / "lake")]) == 1
    said = capsys.readouterr().out
    assert "the runs cannot be read: " in said
    assert "is not valid UTF8" in said


def stream_of(batches: int, *, legacy: bool = False) -> bytes:
    """An Arrow stream of as many batches, of two runs each."""
    table = pa.table(columns([wire(f"r{at}") for at in range(4)]))
    content = io.BytesIO()
    with pa.ipc.new_stream(content, table.schema, options=pa.ipc.IpcWriteOptions(use_legacy_format=legacy)) as writer:
        for at in range(batches):
            writer.write_table(table.slice(2 * at, 2))
    return content.getvalue()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_stream_without_its_end_mark_is_cut_off(batches: int, legacy: bool, tmp_path: Path) -> None:
    content = stream_of(batches, legacy=legacy)
    mark = 4 if legacy else 8
    path = tmp_path / "runs.arrow"
    for whole in (content, content + bytes(56)):
        path.write_bytes(whole)
        assert pda.load(path).runs.height == 2 * batches
    for cut in range(1, mark + 1):
        path.write_bytes(content[:-cut])
        with pytest.raises(pda.SourceError, match=r"runs\.arrow: cannot be read as Arrow IPC: "):
            pda.load(path)
    path.write_bytes(content[:-mark])
    with pytest.raises(pda.SourceError, match="the stream is cut off: its end mark is missing"):
        pda.load(path)
    (tmp_path / "runs2.arrow").write_bytes(content)  # small files of a folder are read together
    with pytest.raises(pda.SourceError, match=r"runs\.arrow: .* its end mark is missing"):
        pda.load(tmp_path)


def test_a_second_stream_behind_the_first_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "runs.arrow"
    path.write_bytes(stream_of(1) + stream_of(2))
    with pytest.raises(pda.SourceError, match="more stands behind the stream's end mark"):
        pda.load(path)


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def ipc_of(table: pa.Table, **_: Any) -> bytes:
    out = io.BytesIO()
    with pyarrow.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"write_page_index": True, "compression": "none"}], ids=["plain", "index"])
@pytest.mark.parametrize("first", [1, 50, 0])
@pytest.mark.parametrize("last", [1, 50, 0])
@pytest.mark.parametrize(("write", "name"), [(parquet_of, "runs.parquet"), (ipc_of, "runs.arrow")])
def test_files_that_were_put_together_are_not_read_as_the_last_of_them(
    write: Any, name: str, first: int, last: int, options: dict[str, Any], file, tmp_path: Path
) -> None:
    def rows(prefix: str, count: int) -> bytes:
        ids = [f"{prefix}{number}" for number in range(count)]
        table = pa.table(columns([wire(id_) for id_ in ids or ["none"]]))
        return bytes(write(table.slice(0, count), **options))

    content = rows("a", first) + rows("b", last)
    for more in (b"", rows("c", 2)):
        path = file(content + more, name)
        for read in (pda.load, pda.connect, pda.Lake(tmp_path / "lake").ingest):
            with pytest.raises(pda.SourceError, match=f"{name}: cannot be read as .*: several files were put together"):
                read(path)
        with pytest.raises(pda.SourceError, match="several files were put together"):
            pda.load(file(gzip.compress(content + more), f"{name}.gz"))


@pytest.mark.parametrize(("write", "name"), [(parquet_of, "runs.parquet"), (ipc_of, "runs.arrow")])
def test_texts_that_look_like_the_joint_of_two_files_are_texts(write: Any, name: str, file) -> None:
    joints = ["PAR1PAR1", "PAR1PAR1" * 40, "ARROW1ARROW1", "ARROW1ARROW1" * 40, "\x40\0\0\0PAR1PAR1"]
    table = pa.table(columns([wire(str(at), account_id=text) for at, text in enumerate(joints)]))
    path = file(write(table, compression="none", use_dictionary=False), name)
    assert pda.load(path).runs.sort("id")["account_id"].to_list() == joints
    with pda.connect(path) as db:
        assert db.counts.runs == len(joints)


@pytest.mark.parametrize("name", ["runs.feather", "runs.arrow", "runs.csv", "runs.ndjson", "runs.json", "runs.odd"])
def test_feather_version_1_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"FEA1" + bytes(60) + b"\x3c\0\0\0FEA1")
    with pytest.raises(pda.SourceError, match="is Feather version 1; write it anew as Feather version 2"):
        pda.load(path, input_format="arrow" if name == "runs.odd" else None)

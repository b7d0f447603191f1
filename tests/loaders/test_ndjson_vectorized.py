"""The fast readers of lines against the exact judge: they may leave a line to it, never read it otherwise."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import SHARED
from support.repetitions import examples, often
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.loaders import run_parser as judge
from polydoc_analytics.loaders.executor import run_ordered
from polydoc_analytics.loaders.formats import ndjson as reader
from polydoc_analytics.loaders.formats.ndjson_vectorized import fixed_width, layout
from polydoc_analytics.loaders.validation import validate_together
from polydoc_analytics.model.schema import COLUMNS, INSTANTS, NAMES

texts = st.one_of(
    st.sampled_from(["", "a", "de", "Succeeded", "Running", "pt-BR", '"', "\\", "null", "x" * 63, "x" * 64, "x" * 200]),
    st.text(max_size=40),
    st.uuids().map(str),
)
instants = st.one_of(
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.datetimes(timezones=st.just(UTC)).map(lambda d: d.isoformat()),
    st.sampled_from(["2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.123456789Z", "x", ""]),
)
integers = st.one_of(
    st.none(),
    st.integers(-5, 10**9),
    st.integers(10**7, 10**8 + 1),
    st.integers(-(2**65), 2**65),
    st.just(1.0),
    st.just("1"),
)


@st.composite
def lines(draw: Any) -> list[bytes]:
    """Lines of one program: the same keys in the same order, most values plain, a few strange."""
    spelling = draw(st.sampled_from(["name", "camel"]))
    keys = draw(st.permutations([getattr(c, spelling) for c in COLUMNS]))
    kinds = {getattr(c, spelling): c.kind for c in COLUMNS}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (", ", ":")]))
    left_out = draw(st.sets(st.sampled_from(["credits", "output_file_id", "finishedAt", "status"]), max_size=2))
    ascii_only = draw(st.booleans())
    made = []
    for _ in range(draw(st.integers(1, 12))):
        row = {}
        for key in keys:
            if key in left_out and draw(st.booleans()):
                continue
            kind = {"text": texts, "instant": instants, "integer": integers}[kinds[key]]
            row[key] = draw(st.one_of(kind, kind, kind, st.none()))
        if draw(st.booleans()):
            row |= {k: v for k, v in wire(draw(st.sampled_from("abc"))).items() if k in row}
        made.append(json.dumps(row, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "replace"))
    return made


def judged(line: bytes) -> dict[str, Any] | None:
    try:
        fields, refused = judge.run_fields(line)
    except judge.Refusal:
        return None
    return None if refused else fields


@examples(300, 15)
@given(lines(), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_a_block_is_read_as_the_judge_reads_its_lines(made: list[bytes], end: bytes, padded: bool) -> None:
    if padded:  # far enough from the block's end for the reader of one layout to look at every line
        made = made + [json.dumps(wire("pad")).encode()] * 3
    batches = reader.read_block(end.join(made) + end, "x", 1, False)
    got = pl.concat([pl.DataFrame(batch.runs) for batch in batches])
    got = got.with_columns(pl.col(name).dt.epoch("us") for name in INSTANTS)
    expected = [fields for line in made if (fields := judged(line)) is not None]
    assert sorted(map(str, got.rows())) == sorted(str(tuple(row[name] for name in NAMES)) for row in expected)
    rejected = sorted(row.line for batch in batches for row in batch.rejected)
    assert rejected == [number for number, line in enumerate(made, 1) if judged(line) is None]


@examples(200, 15)
@given(st.lists(st.integers(0, 10**15 - 1), min_size=1, max_size=30), st.sampled_from([": ", ":"]))
def test_the_layout_reader_reads_numbers_of_any_width(numbers: list[int], colon: str) -> None:
    rows = [json.dumps(wire(str(n), credits=n), separators=(",", colon)).encode() for n in numbers]
    rows += [json.dumps(wire("pad"), separators=(",", colon)).encode()] * 2
    block = b"\n".join(rows) + b"\n"
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    table, taken = layout.decode(block, starts, ends, np.ones(len(rows), bool))
    assert table is not None
    assert table["credits"].to_pylist()[: len(numbers)] == [
        numbers[line] for line in taken.tolist() if line < len(numbers)
    ]
    assert set(range(len(numbers))) <= set(taken.tolist())


def test_lines_of_one_layout_take_the_fast_way() -> None:
    rows = [
        wire(str(n), status="Running", finished_at=None, credits=None) if n % 7 == 0 else wire(str(n))
        for n in range(500)
    ]
    block = ndjson(rows)
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    _, taken = layout.decode(block, starts, ends, np.ones(len(rows), bool))
    assert len(taken) >= 498


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"a"b","account_id":"acme"}',
        json.dumps(wire()).encode().replace(b'"acme"', b'"ac"me"'),
        json.dumps(wire()).encode().replace(b'"acme"', b'"ac\x01me"'),
        json.dumps(wire()).encode().replace(b": 3,", b": 03,"),
        json.dumps(wire()).encode().replace(b": 3,", b": 3x,"),
        json.dumps(wire()).encode().replace(b": 3,", b": ,"),
        json.dumps(wire()).encode().replace(b'"out"', b"nulL"),
        json.dumps(wire()).encode().replace(b'"out"', b"nullnull"),
        json.dumps(wire()).encode() + b"}",
        json.dumps(wire()).encode()[:-1],
    ],
)
def test_a_line_that_is_nearly_plain_is_refused(line: bytes, file) -> None:
    plain = [json.dumps(wire(str(n))).encode() for n in range(40)]
    loaded = pda.load(file([*plain[:20], line, *plain[20:]]))
    assert loaded.quarantine["line"].to_list() == [21]
    assert loaded.counts.runs == 40


def test_lines_longer_than_a_block_and_blocks_of_any_size_give_the_same_rows(tmp_path) -> None:
    count = often(60, 20)
    rows = [wire(str(n), target_language="x" * (n * 37 % 500)) for n in range(count)]
    content = ndjson([*rows, '{"id": 5}', "nope"])
    wanted = None
    for size in (1, 7, 100, 1000, 1 << 20):
        import io

        found: list[Any] = []
        bad: list[tuple[int, str]] = []
        for batches, _ in run_ordered(reader.read(io.BytesIO(content), "x", block_bytes=size)):
            for batch in batches:
                found += batch.runs.to_pylist()
                bad += [(row.line, row.reason) for row in batch.rejected]
        outcome = (sorted(map(str, found)), sorted(bad))
        wanted = wanted or outcome
        assert outcome == wanted
    assert [line for line, _ in wanted[1]] == [count + 1, count + 2]


def test_rejected_text_is_kept_to_64_kib(file) -> None:
    loaded = pda.load(file([wire("a"), '{"id": "' + "é" * 70_000]))
    [raw] = loaded.quarantine["raw"]
    assert len(raw.encode()) <= 64 * 1024 + 3


def of_one_shape(count: int) -> list[bytes]:
    rows = []
    for n in range(count):
        known = {"credits": n * 7, "input_tokens": 10**6 - n, "output_tokens": n, "finished_at": "2026-03-01T10:00:30Z"}
        rows.append(wire(f"{n:036}", status="Succeeded", target_language=["de", "pt-BR", "Português"][n % 3], **known))
    return [json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() for row in rows]


def shaped(block: bytes) -> tuple[Any, list[int]]:
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
    usable = np.array([line[:1] + line[-1:] == b"{}" for line in block.split(b"\n")[:-1]])
    table, numbers = fixed_width.decode(block, np.concatenate(([0], ends[:-1] + 1)), ends, usable)
    return table, numbers.tolist()


def test_lines_of_one_shape_take_the_fastest_way() -> None:
    lines = of_one_shape(9_000)
    lines[8_000] = lines[8_000].replace(b'"Succeeded"', b'"Failed"')
    table, numbers = shaped(b"\n".join([*lines, b" " * 300, b""]))
    assert numbers == [n for n in range(9_000) if n != 8_000]
    rows = [dict(judged(line) or {}) for n, line in enumerate(lines) if n != 8_000]
    got = pl.DataFrame(table).with_columns(pl.col(name).dt.epoch("us") for name in INSTANTS)
    assert got.rows() == [tuple(row[name] for name in NAMES) for row in rows]


@examples(400, 30)
@given(st.integers(1, 19), st.floats(0, 1, exclude_max=True), st.one_of(st.integers(0, 255), st.sampled_from(b'"\\0')))
def test_one_byte_that_is_wrong_takes_a_line_out_of_the_shape_unless_it_is_right(
    number: int, where: float, byte: int
) -> None:
    lines = of_one_shape(20)
    at = int(where * len(lines[number]))
    lines[number] = lines[number][:at] + bytes([byte]) + lines[number][at + 1 :]
    block = b"\n".join([*lines, b" " * 300, b""])
    try:
        block.decode()
    except UnicodeDecodeError:
        return
    if byte == 10:
        return
    table, numbers = shaped(block)
    assert {line for line in range(20) if line != number} <= set(numbers)
    rows = pl.DataFrame(table).with_columns(pl.col(n).dt.epoch("us") for n in INSTANTS).rows()
    for row, line in zip(rows, numbers, strict=True):
        fields, refused = judge.run_fields(lines[line])
        assert set(refused) <= {"status"}  # which pandera sees to
        assert [value for value, name in zip(row, NAMES, strict=True) if name not in refused] == [
            fields[name] for name in NAMES if name not in refused
        ]


Outcome = tuple[list[str], dict[int, str]]


def outcome_of(made: list[bytes]) -> Outcome:
    """The runs that a block of lines gives, and by its number (from 0) why a line is rejected."""
    batches = reader.read_block(b"\n".join(made) + b"\n", "x", 0, False)
    validate_together(batches)
    runs: list[str] = []
    for batch in batches:
        frame = pl.DataFrame(batch.runs).with_columns(pl.col(name).dt.epoch("us") for name in INSTANTS)
        runs += map(str, frame.rows())
    return sorted(runs), {row.line: row.reason for batch in batches for row in batch.rejected}


def judged_alone(made: list[bytes]) -> Outcome:
    """The same, each line by the exact judge."""
    runs, reasons = [], {}
    for number, line in enumerate(made):
        if not line.strip(b" \t\r"):
            continue
        try:
            fields, refused = judge.run_fields(line)
        except judge.Refusal as refusal:
            reasons[number] = str(refusal)
            continue
        if refused:
            reasons[number] = "; ".join(f"{name}: {refused[name]}" for name in NAMES if name in refused)
        else:
            runs.append(str(tuple(fields[name] for name in NAMES)))
    return sorted(runs), reasons


def test_any_byte_that_is_changed_gives_what_the_judge_says() -> None:
    line = of_one_shape(3)[2]
    others = [bytes([byte]) for byte in b'"\\{}[],: \t\x00\x010159-+.eETZnx\xff'] + [
        b"",
        b'""',
        b'",',
        b"00",
        b"\xc3\xa9",
    ]
    changed = [line[:at] + other + line[at + 1 :] for at in range(len(line)) for other in others]
    assert outcome_of(of_one_shape(40) + changed) == judged_alone(of_one_shape(40) + changed)


def forms_of_the_oracle() -> tuple[list[bytes], list[bytes]]:
    """The lines of the oracle, and those of them that show a layout, one of each."""
    lines = (SHARED / "oracle" / "cases.ndjson").read_bytes().removesuffix(b"\n").split(b"\n")
    layouts: dict[object, bytes] = {}
    for line in lines:
        if fields := layout.learn(line):
            layouts.setdefault(tuple((f.literal, f.guess, f.form and f.form.length) for f in fields), line)
    return lines, list(layouts.values())


def check_each_as_the_form(step: int) -> None:
    lines, forms = forms_of_the_oracle()
    runs, reasons = judged_alone(lines)
    assert len(forms) > 20
    for line in forms[::step]:
        form_runs, form_reasons = judged_alone([line])
        got = outcome_of([line] * 40 + lines)
        assert got[0] == sorted(runs + form_runs * 40), line
        wanted = {n: form_reasons[0] for n in range(40) if form_reasons} | {n + 40: r for n, r in reasons.items()}
        assert got[1] == wanted, line


needs_oracle = pytest.mark.skipif(
    not (SHARED / "oracle").exists(), reason="the oracle of the service's SDK is not beside this checkout"
)


@needs_oracle
def test_whichever_line_of_the_oracle_shows_the_layout_all_are_read_the_same() -> None:
    check_each_as_the_form(step=10)


@needs_oracle
@pytest.mark.slow
def test_all_layouts_of_the_oracle_are_tried() -> None:
    check_each_as_the_form(step=1)


TIMES = (
    "2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123Z", "2026-03-01T10:00:00Z", "2026-12-31T23:59:59.5+00:00",
    "2024-02-29T00:00:00.123456+00:00", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z",
)  # fmt: skip


def mutated(rng: random.Random, text: str) -> str:
    characters = list(text)
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
        at, one = rng.randrange(len(characters)), rng.choice("0123456789-+:.TZtz 0123456789,/_eU\u0661é")
        step = rng.randrange(5)
        if step <= 2:
            characters[at] = one
        elif step == 3:
            del characters[at]
        else:
            characters.insert(at, one)
    return "".join(characters)


def check_mutated_times(count: int, seed: int = 5) -> None:
    rng = random.Random(seed)
    for text in TIMES:
        times = [text] * 40 + [mutated(rng, text) for _ in range(count)]
        rows = [wire(f"{n:06}", created_at=one, finished_at=text) for n, one in enumerate(times)]
        made = [json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() for row in rows]
        assert outcome_of(made) == judged_alone(made)


def test_times_that_are_slightly_wrong_are_judged_exactly() -> None:
    check_mutated_times(often(1_000, 400))


@pytest.mark.slow
def test_half_a_million_times_that_are_slightly_wrong_are_judged_exactly() -> None:
    for seed in range(8):
        check_mutated_times(9_000, seed)


def test_rows_are_judged_first_of_all_without_a_warning_of_what_pandera_imports(tmp_path) -> None:
    program = tmp_path / "judge.py"
    program.write_text(f"""
from polydoc_analytics.loaders.formats import ndjson
[batch] = ndjson.read_block({ndjson([wire("a")])!r}, "x", 1, False)
print(batch.runs.num_rows)
""")
    done = subprocess.run([sys.executable, "-W", "error::FutureWarning", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")

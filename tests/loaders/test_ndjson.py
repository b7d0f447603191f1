"""NDJSON against a slow reader of its own, written from the design's hard rules with Python's json alone."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from support.repetitions import often
from support.runs import ndjson as ndjson_lines
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.executor import run_ordered
from polydoc_analytics.loaders.formats import ndjson
from polydoc_analytics.loaders.formats.ndjson_vectorized import fixed_width, layout
from polydoc_analytics.loaders.validation import validate_together

TEXTS = ("id", "account_id", "status", "target_language", "input_file_id", "output_file_id")
INSTANTS = ("created_at", "finished_at")
INTEGERS = ("credits", "input_tokens", "output_tokens")
ORDER = (
    "id", "account_id", "created_at", "finished_at", "status", "target_language", "credits", "input_tokens",
    "output_tokens", "input_file_id", "output_file_id",
)  # fmt: skip
OPTIONAL = {"finished_at", "output_file_id", *INTEGERS}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Digits(str):
    """A JSON number as it is written."""


def instant(text: str) -> int:
    match = re.fullmatch(r"(....)-(..)-(..)T(..):(..):(..)(\.[0-9]+)?(Z|([+-])(..):?(..))", text)
    assert match is not None
    assert all(part.isascii() and part.isdigit() for part in match.group(1, 2, 3, 4, 5, 6))
    offset = timedelta()
    if match.group(8) != "Z":
        hours, minutes = match.group(10, 11)
        assert (hours + minutes).isascii()
        assert (hours + minutes).isdigit()
        assert int(hours) < 24
        assert int(minutes) < 60
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if match.group(9) == "+" else -1)
    assert int(match.group(4)) < 24
    micro = int(((match.group(7) or ".0")[1:] + "000000")[:6])
    local = datetime(*map(int, match.group(1, 2, 3, 4, 5, 6)), micro, tzinfo=timezone(offset))  # type: ignore[arg-type]
    return (local.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def run_of(line: bytes) -> tuple[Any, ...]:
    """The run of a line; any error says that there is none."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    found = json.loads(line.decode("utf-8", "replace"), parse_int=Digits, parse_float=Digits, parse_constant=refuse)
    assert isinstance(found, dict)
    exact = json.loads(line.decode("utf-8", "surrogateescape"), parse_int=Digits, parse_float=Digits)
    values = []
    for name in ORDER:
        camel = re.sub("_(.)", lambda match: match.group(1).upper(), name)
        key = name if name in found else camel
        value = found.get(key)
        if value is None:
            assert name in OPTIONAL
        elif name in INTEGERS:
            assert isinstance(value, Digits)
            number = Fraction(value)
            assert number.denominator == 1
            assert -(2**63) <= number < 2**63
            value = int(number)
        else:
            assert isinstance(value, str)
            assert not isinstance(value, Digits)
            if name in INSTANTS:
                value = instant(value)
            if name == "status":
                assert value in ("Running", "Succeeded", "Failed")
            if name == "id":
                assert not re.search("[\ud800-\udfff]", exact[key])
            if name in TEXTS:
                value = re.sub("[\ud800-\udfff]", "\ufffd", value)
        values.append(value)
    return tuple(values)


STRANGE: dict[str, list[str]] = {
    "text": ['""', "null", "5", "true", '["a"]', '"\\u0041"', '"\\ud800"', '"é"', '"a\\nb"', '"tab\t"', '"x', "{}",
             '"a"b"'],
    "instant": [
        f'"{text}"'
        for text in (
            "2026-03-01T10:00:00+02:00", "2026-03-01T10:00:00-0530", "2026-03-01T10:00:00.123456789Z",
            "1969-12-31T23:59:59.9999999Z", "2026-02-29T10:00:00Z", "2024-02-29T10:00:00Z", "2026-03-01T24:00:00Z",
            "2026-03-01T10:00:60Z", "2026-03-01t10:00:00Z", "2026-03-01T10:00:00", "2026-03-01T10:00:00+24:00",
            "2026-03-01 10:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
            "2026-03-01T10:00:00+02", "2026-03-01T10:00:00Z ", "",
        )
    ] + ["null", "7"],
    "integer": ["null", "0", "-0", "1.0", "1e3", "1.5", '"1"', "true", "01", "9223372036854775807",
                "9223372036854775808", "-9223372036854775808", "4503599627370497.5", "1e-400", "120e-1", "125e-1",
                "NaN", "1e30", "-", "12345678"],
}  # fmt: skip


def made(rng: random.Random) -> bytes:
    """Lines of one program, most of them plain."""
    colon, comma = rng.choice([(":", ","), (": ", ", "), (" : ", ",\t")])
    is_camel = rng.random() < 0.3
    strange = rng.choice([0, 0.01, 0.1])
    lines = []
    for number in range(rng.choice([3, 30, 120])):
        row = wire(f"run-{number:04}", credits=rng.randint(0, 10 ** rng.randint(1, 9)))
        pairs = []
        for key, value in row.items():
            text = json.dumps(value)
            if rng.random() < strange:
                kind = "integer" if key in INTEGERS else "instant" if key in INSTANTS else "text"
                text = rng.choice(STRANGE[kind])
            name = re.sub("_(.)", lambda match: match.group(1).upper(), key) if is_camel else key
            pairs.append(f'"{name}"{colon}{text}')
        if rng.random() < strange:
            pairs.append(
                rng.choice(
                    ['"x"' + colon + "[1,{}]", '"x"' + colon + "NaN", '"createdAt"' + colon + "3", pairs[0], "x"]
                )
            )
        if rng.random() < strange:
            rng.shuffle(pairs)
        line = ("{" + comma.join(pairs) + "}").encode("utf-8", "surrogatepass")
        if rng.random() < strange:
            at = rng.randrange(len(line))
            line = line[:at] + rng.choice([b"", b"\xff", b'"', b"}", b" ", b"\\", b"\n", b"\x00"]) + line[at + 1 :]
        lines.append(rng.choice([line, line + b" ", b" " + line, b"", b" \t"]) if rng.random() < strange else line)
    return rng.choice([b"", b"\xef\xbb\xbf"]) + rng.choice([b"\n", b"\r\n"]).join(lines)


def expected(content: bytes) -> tuple[list[tuple[Any, ...]], list[int]]:
    runs, bad = [], []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip(b" \t\r"):
            try:
                runs.append(run_of(line))
            except (AssertionError, ValueError, OverflowError):
                bad.append(number)
    return sorted(runs, key=repr), bad


def loaded(content: bytes, block_bytes: int) -> tuple[list[tuple[Any, ...]], list[int]]:
    work = ndjson.read(cast("BinaryIO", io.BytesIO(content)), "x", block_bytes=block_bytes)
    batches = [batch for many, _ in run_ordered(work) for batch in many]
    if batches:
        validate_together(batches)
    runs = []
    for batch in batches:
        for run in batch.runs.to_pylist():
            for name in INSTANTS:
                run[name] = run[name] and (run[name] - EPOCH) // timedelta(microseconds=1)
            runs.append(tuple(run[name] for name in ORDER))
    return sorted(runs, key=repr), sorted(row.line for batch in batches for row in batch.rejected)


def fuzzed(seed: int, files: int) -> None:
    rng = random.Random(seed)
    for _ in range(files):
        content = made(rng)
        assert loaded(content, rng.choice([100, 3000, 1 << 20])) == expected(content), content


def test_any_file_is_read_as_the_hard_rules_say() -> None:
    fuzzed(1, often(150, 40))


def test_any_file_is_read_the_same_without_the_decoders_by_array_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fixed_width, layout):
        monkeypatch.setattr(module, "decode", lambda *_: (None, np.empty(0, np.int64)))
    fuzzed(3, often(80, 25))


@pytest.mark.slow
def test_many_files_are_read_as_the_hard_rules_say() -> None:
    fuzzed(2, 10_000)


def test_a_byte_order_mark_before_a_later_line_is_named() -> None:
    with pytest.raises(run_parser.Refusal, match=r"^not JSON: Unexpected UTF-8 BOM .* at character 1$"):
        run_parser.parse(b"\xef\xbb\xbf{}")


LINES = [b'{"id":"%d"}' % number for number in range(6)]


def ids_and_bad(content: bytes, block_bytes: int) -> tuple[int, list[int]]:
    """The number of rows read, and the lines of those that are no objects; none of them is a whole run."""
    work = ndjson.read(cast("BinaryIO", io.BytesIO(content)), "x", block_bytes=block_bytes)
    rows = [row for many, _ in run_ordered(work) for batch in many for row in batch.rejected]
    return len(rows), sorted(row.line for row in rows if row.reason.startswith("not JSON"))


@pytest.mark.parametrize("block_bytes", [1, 13, 14, 1 << 20])
@pytest.mark.parametrize("end", [b"\r", b"\r\r", b" \r", b"\n\r", b"\r\r\n"])
def test_lines_may_end_at_cr_alone(end: bytes, block_bytes: int) -> None:
    lines = [LINES[0], b"nope", LINES[1], LINES[2][:6], LINES[3], LINES[4] + b"x"]
    step = 2 if end == b"\r\r" else 1
    expected = (6, [1 + at * step for at in (1, 3, 5)])
    for content in (end.join(lines), end.join(lines) + end, b"\xef\xbb\xbf" + end.join(lines)):
        assert ids_and_bad(content, block_bytes) == expected


@pytest.mark.parametrize("block_bytes", [1, 13, 1 << 20])
def test_lines_may_end_in_different_ways(block_bytes: int) -> None:
    ends = [b"\n", b"\r", b"\r\n", b"\r", b"\n", b""]
    assert ids_and_bad(b"".join(map(bytes.__add__, LINES, ends)), block_bytes) == (6, [])


def test_a_cr_within_a_run_is_white_space() -> None:
    for content in (b'{"id":1,\r"x":[{}\r,\r{}]}', b'{"id":1,\r"x":2}\n{"id":1\r}\n'):
        assert ids_and_bad(content, 1 << 20) == (content.count(b"\n") or 1, [])


@pytest.mark.parametrize("name", ["runs.ndjson", "runs.jsonl.gz", "runs", "runs.json"])
@pytest.mark.parametrize("size", [4, 40_000])
def test_a_file_whose_lines_end_at_cr_is_read_whole(size: int, name: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / name
    path.parent.mkdir()
    content = b"\r".join([ndjson_lines([wire(str(number))]).rstrip() for number in range(size)])
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    for source in (path, path.parent):
        assert dict(pda.load(source).counts) == {
            "read": size, "runs": size, "duplicates": 0, "quarantined": 0, "conflicts": 0,
        }  # fmt: skip

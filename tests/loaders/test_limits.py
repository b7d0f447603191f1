"""Rows longer than the longest that is read: quarantined with their beginning, and everything around them is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from support.paths import with_support
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.loaders.executor import run_ordered
from polydoc_analytics.loaders.formats import ndjson

KIB = 1024


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDOC_ANALYTICS_LONGEST_ROW", "128 KiB")


def of_length(id: str, length: int) -> bytes:  # noqa: A002 - the column's name
    """A run whose line has so many bytes."""
    bare = len(json.dumps(wire(id, output_file_id="")))
    line = json.dumps(wire(id, output_file_id="x" * (length - bare))).encode()
    assert len(line) == length
    return line


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_is_read_up_to_the_limit_and_quarantined_beyond_it(pack: Any, end: bytes, file) -> None:
    rows = [of_length("a", 128 * KIB), of_length("b", 128 * KIB + 1), of_length("c", 999), of_length("d", 700 * KIB)]
    loaded = pda.load(file(pack(end.join([*rows, b""])), "runs.ndjson"))
    assert loaded.runs["id"].to_list() == ["a", "c"]
    assert loaded.quarantine["line"].to_list() == [2, 4]
    assert loaded.quarantine["raw"].to_list() == [row[: 64 * KIB].decode() for row in (rows[1], rows[3])]
    assert set(loaded.quarantine["reason"]) == {
        "is longer than 131,072 bytes, the longest row that is read; see longest_row in the settings"
    }


class Stream:
    """A stream that gives out its content in pieces of some size."""

    def __init__(self, content: bytes, size: int) -> None:
        self.content = io.BytesIO(content)
        self.size = size

    def read(self, size: int) -> bytes:
        return self.content.read(min(size, self.size))


@pytest.mark.parametrize("block_bytes", [1000, 64 * KIB, 100_000, 1 << 20])
@pytest.mark.parametrize("pieces", [997, 64 * KIB, 1 << 20])
def test_long_lines_are_the_same_rows_whatever_the_size_of_blocks_and_pieces(block_bytes: int, pieces: int) -> None:
    lengths = [500, 131_071, 131_072, 131_073, 131_074, 500, 262_144, 262_145, 393_216, 500, 1_000_000, 500]
    content = b"\n".join(of_length(f"{n:02}", length) for n, length in enumerate(lengths))
    work = ndjson.read(cast("BinaryIO", Stream(content, pieces)), "x", block_bytes=block_bytes)
    batches = [batch for many, _ in run_ordered(work) for batch in many]
    ids = sorted(run["id"] for batch in batches for run in batch.runs.to_pylist())
    assert ids == [f"{n:02}" for n, length in enumerate(lengths) if length <= 131_072]
    rejected = sorted((row.line, len(row.raw)) for batch in batches for row in batch.rejected)
    assert rejected == [(n + 1, 65_536) for n, length in enumerate(lengths) if length > 131_072]


class Endless:
    """A stream of one line of some length, made as it is read."""

    def __init__(self, length: int) -> None:
        self.left = length

    def read(self, size: int) -> bytes:
        size = min(size, self.left, 100_000)
        self.left -= size
        return b"[" * size


def test_a_line_without_end_takes_no_more_memory_than_the_limit() -> None:
    tracemalloc.start()
    work = ndjson.read(cast("BinaryIO", Endless(50_000_000)), "x", block_bytes=100_000)
    [batch] = [batch for many, _ in run_ordered(work) for batch in many]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(row.line, len(row.raw)) for row in batch.rejected] == [(1, 65_536)]
    assert most < 3_000_000


def test_a_row_that_was_too_long_is_refused_again_when_its_quarantine_is_loaded(file, tmp_path) -> None:
    out = tmp_path / "bad.ndjson"
    pda.load(file([of_length("a", 200 * KIB), wire("b")]), quarantine_to=out)
    again = pda.load(str(out))
    assert (again.counts.read, again.counts.quarantined) == (1, 1)
    assert again.quarantine["reason"].to_list() == ["was cut at 64 KiB when it was quarantined; mend it in the source"]


def test_the_limit_is_a_setting(file, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("POLYDOC_ANALYTICS_LONGEST_ROW")
    path = file([of_length("a", 200 * KIB)])
    config = tmp_path / "settings.toml"
    config.write_text('longest_row = "100 KiB"')
    assert run(["check", path]) == 0
    assert run(["check", path, "--config", str(config)]) == 1
    assert "is longer than 102,400 bytes" in capsys.readouterr().out


def test_a_long_line_of_invalid_bytes_takes_a_few_times_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYDOC_ANALYTICS_LONGEST_ROW")
    ndjson.read_block(b'{"id":"\xff"}\n', "x", 1, assume_utc=False)  # what is compiled once
    size = 4_000_000
    line = b'{"id":"' + b"\xff" * size + b'"}\n'
    tracemalloc.start()
    [batch] = ndjson.read_block(line, "x", 1, assume_utc=False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * size
    [row] = batch.rejected
    assert row.reason.startswith("id: holds bytes that are not UTF-8, so two ids could become one; account_id: is")


_MEMORY_OF_INVALID_BYTES = """
import sys
path, key = sys.argv[1:]
from support.memory import peak_mb
from polydoc_analytics.cli import run
with open(path, "wb") as file:
    file.write(b'{"%s":"' % key.encode() + b"\\xff" * 60_000_000 + b'"}\\n')
assert run(["check", path]) == 1
print(peak_mb(), file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize("key", ["id", "account_id"])
def test_sixty_megabytes_of_invalid_bytes_are_one_rejected_row_in_less_than_a_gigabyte(key: str, tmp_path) -> None:
    script = [sys.executable, "-c", _MEMORY_OF_INVALID_BYTES, str(tmp_path / "runs.ndjson"), key]
    env = {name: value for name, value in with_support().items() if name != "POLYDOC_ANALYTICS_LONGEST_ROW"}
    done = subprocess.run(script, capture_output=True, text=True, check=True, env=env)
    assert int(done.stderr.split()[-1]) < 950


_MEMORY_OF_BAD_ELEMENTS = """
import sys
path = sys.argv[1]
from support.memory import peak_mb
from polydoc_analytics.cli import run
with open(path, "w") as file:
    file.write("[" + ",".join(map(str, range(1_000_000))) + "]")
assert run(["check", path]) == 1
print(peak_mb(), file=sys.stderr)
"""


@pytest.mark.slow
def test_a_million_bad_elements_are_quarantined_in_little_memory(tmp_path: Path) -> None:
    script = [sys.executable, "-c", _MEMORY_OF_BAD_ELEMENTS, str(tmp_path / "runs.json")]
    done = subprocess.run(script, capture_output=True, text=True, check=True, env=with_support())
    assert "1,000,000" in done.stdout
    assert int(done.stderr.split()[-1]) < 750


@pytest.mark.slow
def test_texts_too_long_to_be_merged_are_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYDOC_ANALYTICS_LONGEST_ROW")
    with open(tmp_path / "runs.ndjson", "w") as file:
        for number in range(5):
            run = {
                "id": f"r{number}",
                "account_id": "a",
                "created_at": "2026-10-01T08:00:00Z",
                "status": "Running",
                "target_language": "x" * 60_000_000,
                "input_file_id": "f",
            }
            file.write(json.dumps(run) + "\n")
    with pytest.raises(pda.SourceError, match="texts too long to be merged in memory; lower longest_row"):
        pda.load(tmp_path / "runs.ndjson")

"""Rejected rows that are too many for memory reach whoever asks for them, all and in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.repetitions import often
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.ingest import quarantine
from polydoc_analytics.ingest.quarantine import Quarantine
from polydoc_analytics.loaders.files import files_at
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.read import read_batches
from polydoc_analytics.loaders.validation import Rejected

ROWS = [Rejected("runs.ndjson", line, f"status: 'Done {line}'", f'{{"id": "r{line}"}}', None) for line in range(1, 6)]


@pytest.mark.parametrize("bytes_held", [0, 500, 10**9], ids=["all spilled", "some spilled", "none spilled"])
class TestSpilled:
    @pytest.fixture
    def rejected(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_held: int) -> Iterator[Quarantine]:
        monkeypatch.setattr(quarantine, "_SPILL_BYTES", bytes_held)
        found = Quarantine(tmp_path)
        for row in ROWS:
            found.add([row])
        yield found
        found.close()

    def test_the_file_that_is_asked_for_has_every_row(self, rejected: Quarantine, tmp_path: Path) -> None:
        rejected.write(str(tmp_path / "out.ndjson"))
        lines = (tmp_path / "out.ndjson").read_text("utf-8").splitlines()
        assert [json.loads(line)["line"] for line in lines] == [1, 2, 3, 4, 5]

    def test_the_frame_has_every_row(self, rejected: Quarantine) -> None:
        assert rejected.frame()["line"].to_list() == [1, 2, 3, 4, 5]

    def test_whoever_goes_through_it_meets_every_row(self, rejected: Quarantine) -> None:
        assert list(rejected) == ROWS
        rejected.close()
        assert list(rejected) == ROWS

    def test_a_load_writes_every_row_and_the_lake_keeps_every_row(
        self, file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_held: int
    ) -> None:
        monkeypatch.setattr(quarantine, "_SPILL_BYTES", bytes_held)
        path = file([wire("a"), *(wire(f"r{n}", status="Done") for n in range(5))])
        out = tmp_path / "rejected.ndjson"
        loaded = pda.load(path, quarantine_to=out)
        assert (loaded.quarantine.height, len(out.read_text("utf-8").splitlines())) == (5, 5)
        lake = pda.Lake(tmp_path / "lake")
        assert lake.ingest(path).quarantined == 5
        assert lake.quarantine()["line"].to_list() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["bad.json", "bad.ndjson"])
def test_very_many_bad_rows_are_checked_in_pieces_and_each_is_numbered(name: str, tmp_path) -> None:
    rows = often(100_011, 45_011)
    between, around = (b",", b"[%b]") if name == "bad.json" else (b"\n", b"%b\n")
    path = tmp_path / name
    path.write_bytes(around % between.join(b'{"id":%d}' % (n % 7) for n in range(rows)))
    batches = list(read_batches(files_at([str(path)]), ReadOptions(), tmp_path))
    assert max(batch.read for batch in batches) <= min(50_000, rows // 2)
    rejected = [row for batch in batches for row in batch.rejected]
    assert [row.line for row in rejected] == list(range(1, rows + 1))
    assert [row.raw for row in rejected] == [f'{{"id":{n % 7}}}' for n in range(rows)]
    assert {row.reason.partition(";")[0] for row in rejected} == {
        f"id: expected text, got the number '{n}'" for n in range(7)
    }


def test_the_frame_of_rows_that_were_spilled_in_pieces_is_whole(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polydoc_analytics.ingest.quarantine._SPILL_BYTES", 500)
    held = Quarantine(tmp_path)
    rows = [Rejected("a.ndjson", n, "is bad", f"é{n}") for n in range(1, 51)]
    for row in rows:
        held.add([row])
    assert held.frame().rows() == [(row.source, row.line, row.reason, row.raw) for row in rows]
    held.close()


def test_rows_are_counted_by_the_kinds_of_their_reasons() -> None:
    reasons = [
        "id: 'a' is bad",
        "id: 'é\n�' is bad",
        "not JSON: Extra data at character 12",
        "not JSON: Extra data",
        "",
    ]
    counted = quarantine.rows_by_reason(pl.DataFrame({"reason": [*reasons, "id: '' is bad", "a 'b' c 'd'"]}))
    assert counted.rows() == [
        ("id: '…' is bad", 3),
        ("not JSON: Extra data", 2),
        ("", 1),
        ("a '…' c '…'", 1),
    ]
    assert {quarantine.reason_kind(reason) for reason in reasons} <= set(counted["reason"])


@pytest.mark.parametrize("folder", [".", "/"])
def test_rejected_rows_are_not_written_over_a_folder(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(pda.UsageError, match="cannot be written: Is a directory"):
        pda.load([wire("a")], quarantine_to=folder)
    assert not [*tmp_path.iterdir()][1:]

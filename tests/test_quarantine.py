"""Rejected rows that are too many for memory reach whoever asks for them, all and in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import wire

import polydoc_analytics as pda
from polydoc_analytics.ingest import quarantine
from polydoc_analytics.ingest.quarantine import Quarantine
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

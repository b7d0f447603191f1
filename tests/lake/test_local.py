"""Where a lake may be made, and the id that it keeps; a place that is wrong is said in one line and left as it was."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from support.lakes import files_below
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.lake.storage.local import LocalStorage


@pytest.fixture
def lake(tmp_path: Path) -> pda.Lake:
    return pda.Lake(tmp_path / "lake")


def test_a_lakes_id_is_made_with_it_and_kept(lake, file, tmp_path: Path) -> None:
    lake.ingest(file([wire("a"), wire("b", account_id="zeta")]))
    made = lake.id
    assert uuid.UUID(made).version == 4
    lake.ingest(file([wire("a", credits=9)], "2.ndjson"))
    lake.compact()
    lake.erase("acme")
    max((tmp_path / "lake" / "runs").glob("*.parquet")).unlink()
    lake.repair()
    assert lake.id == pda.Lake(str(tmp_path / "lake")).id == made
    other = pda.Lake(tmp_path / "other")
    other.ingest(file([wire("a")]))
    assert other.id != made


def test_what_must_not_make_a_lake_says_that_there_is_none(lake, tmp_path: Path) -> None:
    for ask in (lake.raise_if_none, lambda: lake.id):
        with pytest.raises(pda.LakeError) as told:
            ask()
        assert str(told.value) == f"no lake at {tmp_path / 'lake'}; `polydoc-analytics ingest` or `sync` makes one"
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize("below", ["", "/deeper/lake"])
def test_a_lake_on_a_file_is_refused(file, tmp_path: Path, below: str) -> None:
    path = file([wire("a")])
    lake = pda.Lake(path + below)
    for ask in (lambda: lake.ingest(path), lake.snapshot, lake.raise_if_none):
        with pytest.raises(pda.LakeError) as told:
            ask()
        assert str(told.value) == f"{path}: is a file; a lake is a folder, choose another"
    assert files_below(tmp_path) == {"runs.ndjson"}


@pytest.mark.parametrize("below", ["", "lake", "created_month=2026-03/lake"])
def test_a_lake_in_an_export_is_refused(file, tmp_path: Path, below: str) -> None:
    path, export = file([wire("a")]), tmp_path / "export"
    pda.export(path, export)
    before = files_below(tmp_path)
    with pytest.raises(pda.LakeError, match=rf"lies in the export {export}; choose a folder outside of it"):
        pda.Lake(export / below).ingest(path)
    assert files_below(tmp_path) == before
    assert pda.load(export).counts.runs == 1


def test_a_lake_among_run_files_is_refused(file, tmp_path: Path) -> None:
    other = file([wire("b")], "elsewhere.ndjson")
    file([wire("a")], "exports/runs.ndjson")
    with pytest.raises(pda.LakeError, match=r"exports: holds run files such as runs\.ndjson; choose an empty or a new"):
        pda.Lake(tmp_path / "exports").ingest(other)


def test_a_lake_in_the_folder_that_is_loaded_is_refused(file, tmp_path: Path, monkeypatch, capfd) -> None:
    path = file([wire("a")], "exports/runs.ndjson")
    exports = tmp_path / "exports"
    lake = pda.Lake(exports / "deep" / "lake")
    before = files_below(tmp_path)
    for source in (exports, str(exports), [path, exports]):
        with pytest.raises(pda.LakeError, match=rf"lake: lies in {exports}, which is to be loaded"):
            lake.ingest(source)
    (tmp_path / "polydoc-analytics.toml").write_text(
        'lake = "exports/lake"\n[sources.files]\nkind = "files"\npath = "exports"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert run(["sync"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: files: exports/lake: lies in ")
    assert said.count("\n") == 1
    assert files_below(tmp_path) - before == {"polydoc-analytics.toml"}
    assert lake.ingest(path).inserted == 1


def test_a_lake_is_made_in_a_folder_that_is_there_and_empty(file, tmp_path: Path) -> None:
    path = file([wire("a")])
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / ".gitkeep").touch()
    assert pda.Lake(tmp_path / "lake").ingest(path).inserted == 1


def test_a_file_that_goes_while_a_folder_is_listed_is_not_there(tmp_path: Path) -> None:
    for name in ("00.json", "01.json#1"):
        (tmp_path / name).write_bytes(b"{}")
    files = LocalStorage(tmp_path).files(".")
    assert next(files).name == "00.json"
    (tmp_path / "01.json#1").unlink()
    assert list(files) == []

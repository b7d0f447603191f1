"""What a source is, is found out once."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.ingest.manifest import Export
from polydoc_analytics.lake.resolve import LakeRef, resolve
from polydoc_analytics.loaders.files import Files
from polydoc_analytics.loaders.options import ReadOptions
from polydoc_analytics.loaders.services import Service
from polydoc_analytics.loaders.tables import Table


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of runs, an export and a lake of it, and settings that name each kind of source."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "runs").mkdir()
    (folder / "runs" / "a.ndjson").write_bytes(ndjson([wire("a"), wire("b")]))
    pda.export(folder / "runs", folder / "export")
    pda.Lake(folder / "lake").ingest(folder / "runs")
    (folder / "polydoc-analytics.toml").write_text(
        """
        [sources.api]
        kind = "api"
        [sources.database]
        kind = "postgres"
        [sources.folder]
        kind = "files"
        path = "runs"
        assume_utc = true
        """,
        "utf-8",
    )
    return folder


@pytest.fixture
def folder(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, to work in."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sources, tmp_path, dirs_exist_ok=True)
    return tmp_path


FRAME = pl.DataFrame({"id": ["a"]})


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("runs/a.ndjson", Files, "runs/a.ndjson"),
        (Path("runs"), Files, "runs"),
        ("runs/*.ndjson", Files, "runs/*.ndjson"),
        (["runs/a.ndjson", Path("export")], Files, "runs/a.ndjson and 1 more"),
        (("runs/a.ndjson",), Files, "runs/a.ndjson"),
        ([], Files, "nothing"),
        ("export", Export, "export"),
        ("lake", LakeRef, "lake"),
        ("api", Service, "api"),
        ("database", Service, "database"),
        ("folder", Files, "folder"),
        (FRAME, Table, "table"),
        (FRAME.lazy(), Table, "table"),
        (FRAME.to_arrow(), Table, "table"),
        (pa.array([{"id": "a"}]), Table, "table"),
        ([{"id": "a"}], Table, "table"),
        (({"id": str(n)} for n in range(3)), Table, "table"),
        ([FRAME, "runs"], Table, "table and 1 more"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__),
)
def test_each_source_is_found_to_be_what_it_is(folder: Path, source: Any, kind: type, name: str) -> None:
    resolved = resolve(source)
    assert (type(resolved), resolved.name) == (kind, name)
    assert resolve(resolved) is resolved


def test_a_lake_and_standard_input_are_known_without_a_look_at_files(folder: Path) -> None:
    assert isinstance(resolve(pda.Lake("lake")), LakeRef)
    [stdin] = resolve("-", ReadOptions("csv"))
    assert (stdin.name, stdin.path, stdin.format) == ("standard input", "-", "csv")


@pytest.mark.parametrize("source", [5, b"runs", {"id": "a"}, io.BytesIO(), [1], [["runs"]], object()])
def test_anything_else_is_no_source(source: Any) -> None:
    with pytest.raises(pda.UsageError, match="a source is a path, a list of paths, a table or a list of dicts, not "):
        resolve(source)


def test_a_folder_to_which_something_was_added_is_no_export_any_more(folder: Path, file) -> None:
    file([wire("c")], "export/more.ndjson")
    resolved = resolve("export")
    assert isinstance(resolved, Files)
    assert sorted(Path(one.path).suffix for one in resolved) == [".ndjson", ".parquet"]


def test_times_of_files_that_the_settings_take_for_utc_are_utc_wherever_they_are_read(folder: Path, file) -> None:
    file([wire("c", created_at="2026-10-01T08:00:00")], "runs/b.ndjson")
    assert pda.load("runs").counts.quarantined == 1
    assert pda.load("folder").counts.quarantined == 0
    assert pda.connect("folder").counts.quarantined == 0
    assert pda.Lake("other").ingest("folder").quarantined == 0


def test_paths_are_checked_before_they_are_looked_into(folder: Path) -> None:
    seen: list[str] = []

    def check(paths: Any) -> None:
        seen.extend(paths)

    for source in ("runs", ["runs/a.ndjson", "export"], "folder"):
        resolve(source, check_paths=check)
    assert [Path(path).name for path in seen] == ["runs", "a.ndjson", "export", "runs"]


def test_the_process_is_left_as_it_is(folder: Path) -> None:
    code = """if True:
    import gc, sys
    before = gc.isenabled(), gc.get_threshold(), sys.getswitchinterval()
    import polydoc_analytics as pda
    pda.load("runs/a.ndjson")
    pda.connect("export").close()
    print(before == (gc.isenabled(), gc.get_threshold(), sys.getswitchinterval()))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")

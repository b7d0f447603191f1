"""Folders: every file is read, or named with the reason why it is not; links are followed once."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sqlite3
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.paths import SHARED
from support.repetitions import Soak
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.loaders.files import files_at, passed_over_text

HEADER = "id,account_id,created_at,status,target_language,input_file_id"
CSV = f"{HEADER}\nr,acme,2026-03-02T10:00:00Z,Failed,de,in\n".encode()


def row(name: str) -> bytes:
    return ndjson([wire(name)])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("runs.ndjson.1", row("r")),
        ("runs.ndjson-20261001", row("r")),
        ("runs.ndjson.2.gz", gzip.compress(row("r"))),
        ("runs.ndjson.gz.3", gzip.compress(row("r"))),
        ("polydoc-1-2026-10-01-08-00-00-0f3a", row("r")),  # an object of Firehose
        ("part-00000", row("r") * 40),
        ("lines.log", b'-10-01T00:00:00Z","status":"Failed"}\n' + row("r")),  # cut at the front
        ("pretty", b'{\n "data": [\n' + row("r") + b"]}"),
        ("array", b"[" + row("r") + b"]"),
        ("table", CSV),
        ("table.csv.bak", CSV.replace(b",", b"\t")),
    ],
)
def test_files_of_unknown_ending_are_read_where_they_hold_runs(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    loaded = pda.load(tmp_path)
    assert (loaded.runs["id"].unique().to_list(), loaded.passed_over) == (["r"], ())


def test_parquet_and_arrow_of_unknown_ending_are_read_where_they_have_the_columns_of_runs(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    table = pl.read_csv(io.BytesIO(CSV), try_parse_dates=True).with_columns(
        pl.col("created_at").cast(pl.Datetime("us", "UTC"))
    )
    table.write_parquet(runs / "a.snapshot")
    table.with_columns(id=pl.lit("s")).write_ipc(runs / "b", compat_level=pl.CompatLevel.oldest())
    pl.DataFrame({"x": [1]}).write_parquet(runs / "other.stats")
    loaded = pda.load(runs)
    assert sorted(loaded.runs["id"]) == ["r", "s"]
    assert [(os.path.basename(one.name), one.reason) for one in loaded.passed_over] == [
        ("other.stats", "has not the columns of runs")
    ]


def archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as made:
        made.writestr("runs.ndjson", row("hidden"))
    with tarfile.open(folder / "b.tar.gz", "w:gz") as made:
        made.add(folder / "runs.ndjson", "runs.ndjson")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "runs.ndjson").write_bytes(row("r"))
    archive(folder)
    with sqlite3.connect(folder / "c.db") as made:
        made.execute("create table run (id text)")
    made.close()
    (folder / "d.txt").write_bytes(b"About these files, with an account_id: see the wiki.\n")
    (folder / "e.bin").write_bytes(b"\0\1\2\3" * 100)
    (folder / "f").write_bytes(b"")
    (folder / "g.md").write_bytes(b"# Runs\n\nA line is\n\n" + row("example") + b"\nand so on.\n")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "h")
    return folder


REASONS = {
    "a.zip": "ZIP archive",
    "b.tar.gz": "tar archive",
    "c.db": "SQLite",
    "d.txt": "holds no runs",
    "e.bin": "binary",
    "f": "empty",
    "g.md": "holds no runs",
    **({"h": "pipe"} if hasattr(os, "mkfifo") else {}),
}


def check_named(files: Any) -> None:
    assert {os.path.basename(one.name) for one in files} == set(REASONS)
    assert all(REASONS[os.path.basename(one.name)] in one.reason for one in files)


def test_each_file_that_is_not_read_is_named_with_the_reason(folder: Path) -> None:
    loaded = pda.load(folder)
    assert loaded.runs["id"].to_list() == ["r"]
    check_named(loaded.passed_over)
    with pda.connect(folder) as db:
        check_named(db.passed_over)
    lake = pda.Lake(folder.parent / "lake")
    check_named(lake.ingest(folder).passed_over)
    check_named(lake.ingest(folder).passed_over)  # loaded before


@pytest.mark.parametrize("command", ["usage", "check", "export", "ingest", "report"])
def test_every_command_says_in_one_line_what_it_passed_over(command: str, folder: Path, cli: Any) -> None:
    more = {
        "export": ["dest"],
        "ingest": ["--lake", "lake"],
        "report": ["--format", "md", "--out", "-"],
    }
    result = cli(command, folder, *more.get(command, []))
    [line] = [line for line in result.err.splitlines() if "passed over" in line]
    assert line.startswith(f"{len(REASONS)} files were passed over: ")
    assert all(str(folder / name) in line and why in line for name, why in REASONS.items())
    if command == "usage" or Soak.is_on:
        assert "passed over" not in cli(command, folder, *more.get(command, []), "--quiet").err


def test_of_many_files_passed_over_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    (tmp_path / "runs.ndjson").write_bytes(row("r"))
    for number in range(100, 150):
        (tmp_path / f"{number}.txt").write_bytes(b"x")
    text = passed_over_text(pda.load(tmp_path).passed_over)
    assert text.startswith("50 files were passed over: ")
    assert text.endswith("119.txt (holds no runs), and 30 more")


def test_a_folder_of_nothing_but_other_files_names_them(folder: Path) -> None:
    (folder / "runs.ndjson").unlink()
    with pytest.raises(pda.SourceError, match=r"no runs in this folder.* passed over: .*a\.zip"):
        pda.load(folder)


def test_an_export_with_other_files_beside_it_is_still_one(folder: Path, tmp_path: Path) -> None:
    pda.export(folder / "runs.ndjson", tmp_path / "out")
    shutil.copy(folder / "d.txt", tmp_path / "out" / "d.txt")
    with pda.connect(tmp_path / "out") as db:
        assert [os.path.basename(one.name) for one in db.passed_over] == ["d.txt"]


def test_a_folder_that_matches_a_glob_is_named_where_nothing_in_it_does(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "more.ndjson").write_bytes(row("s"))
    for other in REASONS:
        (folder / other).unlink()
    loaded = pda.load(f"{folder}/*")
    assert (loaded.counts.runs, [one.name for one in loaded.passed_over]) == (1, [str(folder / "sub") + os.sep])
    loaded = pda.load(f"{folder}/**")
    assert (loaded.counts.runs, loaded.passed_over) == (2, ())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases are not here")
def test_rotated_files_are_all_read() -> None:
    loaded = pda.load(SHARED / "cases" / "rotated")
    assert (loaded.counts.runs, loaded.counts.quarantined, loaded.passed_over) == (8, 0, ())


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    folder = tmp_path / "linked"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "z").mkdir()
    (folder / "a" / "b" / "runs.ndjson").write_bytes(row("r") + b"broken\n")
    (folder / "z" / "runs.ndjson").write_bytes(row("s"))
    try:
        (folder / "a" / "b" / "up").symlink_to(folder, target_is_directory=True)
    except OSError:  # pragma: no cover - Windows asks for a privilege
        pytest.skip("this account may not make symbolic links")
    (folder / "a" / "b" / "self").symlink_to(folder / "a" / "b", target_is_directory=True)
    (folder / "a" / "0-to-z").symlink_to(folder / "z", target_is_directory=True)
    return folder


def test_links_to_ancestors_and_to_each_other_are_followed_once(linked: Path) -> None:
    other = linked.parent / "other"
    other.mkdir()
    (other / "runs.ndjson").write_bytes(row("t"))
    (linked / "there").symlink_to(other, target_is_directory=True)
    loaded = pda.load(linked)
    assert (loaded.counts.read, loaded.runs["id"].to_list()) == (4, ["r", "s", "t"])
    assert loaded.quarantine["source"].to_list() == [str(linked / "a" / "b" / "runs.ndjson")]
    assert pda.load(linked / "a" / "b" / "up").counts.read == 4


@pytest.mark.parametrize("pattern", ["**/*.ndjson", "**", "**/b/**/*.nd*", "a/**/runs.ndjson", "**/**/runs.ndjson"])
def test_a_glob_below_links_to_ancestors_ends_and_finds_each_file_once(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "runs.ndjson").write_bytes(row("r"))
    for at, link in enumerate(
        (tmp_path / "self", tmp_path / "a" / "up", tmp_path / "a" / "b" / "up", tmp_path / "there")
    ):
        link.symlink_to(tmp_path if at < 3 else tmp_path / "a", target_is_directory=True)
    assert [one.path for one in files_at([f"{tmp_path}/{pattern}"])] == [str(tmp_path / "a" / "b" / "runs.ndjson")]


@pytest.mark.parametrize("named", ["folder", "glob", "itself"])
@pytest.mark.parametrize("target", ["gone.ndjson", "dangling.ndjson"])
def test_a_dangling_link_is_named_itself(named: str, target: str, linked: Path) -> None:
    link = linked / "dangling.ndjson"
    link.symlink_to(linked / target)
    source = {"folder": linked, "glob": f"{linked}/*.ndjson", "itself": link}[named]
    with pytest.raises(pda.SourceError, match=rf"dangling\.ndjson: is a link to .*{target}, which cannot be read"):
        pda.load(source)


def test_a_dangling_link_of_another_ending_is_passed_over(linked: Path) -> None:
    (linked / "note").symlink_to("nowhere")
    assert [one.reason for one in pda.load(linked).passed_over] == ["is a link to what cannot be read"]


def test_a_folder_that_cannot_be_listed_is_an_error(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list_folder = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(pda.SourceError, match="b: cannot be listed: Permission denied"):
        pda.load(linked)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "a\0b"])
def test_a_name_that_no_file_can_have_is_an_error_of_one_line(name: str, tmp_path: Path) -> None:
    for do in (pda.load, pda.connect, pda.Lake(tmp_path / "lake").ingest):
        with pytest.raises(pda.SourceError, match=r"File name too long|no such file"):
            do(name)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_an_empty_text_names_no_folder(
    blank: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cli: Any,
) -> None:
    (tmp_path / "runs.ndjson").write_bytes(row("r"))
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: pda.load(blank),
        lambda: pda.connect(blank),
        lambda: pda.load(["runs.ndjson", blank]),
        lambda: pda.connect(["runs.ndjson", blank]),
        lambda: pda.Lake(blank),
        lambda: pda.export("runs.ndjson", blank, overwrite=True),
        lambda: pda.Lake("lake").ingest(blank),
    ):
        with pytest.raises(pda.UsageError, match="is an empty text"):
            call()
    assert pda.load(".").counts.runs == 1
    for arguments in (
        ("usage", blank),
        ("usage", "runs.ndjson", blank),
        ("ingest", "runs.ndjson", "--lake", blank),
        ("export", "runs.ndjson", blank),
        ("usage", "runs.ndjson", f"--account={blank}"),
        ("usage", "runs.ndjson", "--config", blank),
    ):
        result = cli(*arguments)
        assert (result.code, result.out) == (2, ""), arguments
        assert result.err.count("\n") == 1
        assert "is an empty text" in result.err


@pytest.mark.parametrize(
    "text",
    [
        'lake = ""',
        'accounts = " "',
        'views = ""',
        '[sources.x]\nkind = "files"\npath = ""',
        '[sources.x]\nkind = "files"\npath = ["a", ""]',
        '[sources.x]\nkind = "api"\nbase = ""',
    ],
)
def test_an_empty_text_in_the_settings_is_refused(text: str, tmp_path: Path, cli: Any) -> None:
    (tmp_path / "runs.ndjson").write_bytes(row("r"))
    (tmp_path / "polydoc-analytics.toml").write_text(text)
    result = cli("usage", "x")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "is an empty text" in result.err

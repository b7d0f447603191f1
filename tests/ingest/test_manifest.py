"""The manifest of an export vouches for its files only where it is as export wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.runs import ndjson, wire

import polydoc_analytics as pda

DAMAGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{
        f"no {key}": lambda content, key=key: content.pop(key) for key in ("parts", "counts", "created_us", "languages")
    },
    "no list of parts": lambda content: content.update(parts=None),
    "a part that is none": lambda content: content.update(parts=[1]),
    "a part without its size": lambda content: content["parts"][0].pop("bytes"),
    "a part without a name": lambda content: content["parts"][0].update(path=5),
    "a part elsewhere": lambda content: content["parts"][0].update(path="../runs.ndjson"),
    "a part at an absolute path": lambda content: content["parts"][0].update(path="/etc/hosts"),
    "a part twice": lambda content: content["parts"].append(content["parts"][0]),
    "counts that are none": lambda content: content.update(counts=[]),
    "a count that is no number": lambda content: content["counts"].update(read="3"),
    "a negative count": lambda content: content["counts"].update(read=-3),
    "one bound": lambda content: content.update(created_us=[1]),
    "bounds that are no numbers": lambda content: content.update(created_us=["a", "b"]),
    "bounds the other way round": lambda content: content.update(created_us=[2, 1]),
    "languages in one text": lambda content: content.update(languages="de"),
    "a language that is no text": lambda content: content.update(languages=[1]),
}


@pytest.fixture
def export(file, tmp_path: Path) -> Path:
    pda.export(file([wire("a"), wire("b")]), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_manifest_that_is_not_as_export_writes_it_is_one_line(damage: str, export: Path) -> None:
    path = export / "_manifest.json"
    content = json.loads(path.read_text("utf-8"))
    DAMAGED[damage](content)
    path.write_text(json.dumps(content), "utf-8")
    for read in (pda.load, pda.connect, pda.Lake(export.parent / "lake").ingest):
        with pytest.raises(pda.SourceError, match=r"_manifest\.json: is not as `export` writes it; export again, or"):
            read(export)


@pytest.mark.parametrize("content", ["[]", "null", "5", '"text"', "{}", '{"format": "dbt"}'])
def test_a_manifest_of_another_program_says_nothing_of_a_folder(content: str, export: Path) -> None:
    (export / "_manifest.json").write_text(content, "utf-8")
    with pda.connect(export) as db:
        assert db.view("usage")["runs"].item() == 2


def test_a_manifest_nested_too_deep_is_one_line(export: Path) -> None:
    (export / "_manifest.json").write_text("[" * 100_000, "utf-8")
    with pytest.raises(pda.SourceError, match=r"_manifest\.json: cannot be read"):
        pda.connect(export)


def test_a_file_put_into_an_export_of_no_runs_is_read(file, tmp_path: Path) -> None:
    pda.export(file(b"[]", "empty.json"), tmp_path / "out")
    with pda.connect(tmp_path / "out") as db:
        assert db.counts.read == 0
    (tmp_path / "out" / "more.ndjson").write_bytes(ndjson([wire("a")]))
    assert pda.load(tmp_path / "out").counts.runs == 1
    with pda.connect(tmp_path / "out") as db:
        assert db.view("usage")["runs"].item() == 1

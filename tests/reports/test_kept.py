"""Texts kept in the folder of caches: made once, made anew where the file is damaged, and never needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runs import wire

from polydoc_analytics.reports.renderers import fonts, html
from polydoc_analytics.reports.renderers.kept import kept


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "polydoc-analytics"


def test_a_text_is_made_once_for_a_recipe(folder: Path) -> None:
    made: list[str] = []

    def make(text: str) -> str:
        made.append(text)
        return text

    for recipe in ("ä\nb", "ä\nb", "other"):
        assert kept("name", ("babel",), recipe, lambda recipe=recipe: make(recipe)) == recipe
    assert made == ["ä\nb", "other"]
    assert len(list(folder.iterdir())) == 2


def test_a_damaged_file_is_made_anew(folder: Path) -> None:
    for damage in (b"", b"x", b"0" * 64 + b"\ntext", None):
        assert kept("name", (), "recipe", lambda: "text") == "text"
        [file] = folder.iterdir()
        file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert kept("name", (), "recipe", lambda: "text") == "text"


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder", "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept("name", (), "recipe", lambda: "text") == "text"


def test_a_page_is_the_same_with_and_without_what_is_kept(folder: Path, file) -> None:
    from support.reports import built

    report, pages = built(file([wire()])), []
    for _ in range(2):
        html._bundle.cache_clear()
        fonts.for_pages.cache_clear()
        pages.append(html.render(report))
    assert pages[0] == pages[1]
    assert sorted(one.name.split("-")[0] for one in folder.iterdir()) == ["font", "font", "vega"]

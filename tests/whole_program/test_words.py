"""Names and docstrings that a stranger understands at once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import polydoc_analytics

PACKAGE = Path(polydoc_analytics.__file__).parent
RIDDLES = ("Return what", "Tell whether", "What ")
ROOT_MODULES, ROOT_FOLDERS = 6, 12
RETIRED = {
    *("adopting", "bodies", "checking", "columnar", "configured", "content", "counting", "duck", "engine", "finding"),
    *("health", "keeping", "layers", "loading", "looks", "making", "mended", "merging", "moments", "opening", "own"),
    *("outputs", "parcels", "plans", "portable", "quiet", "repairing", "reporting", "sending", "shape", "shelf"),
    *("sources", "sourcing", "specs", "store", "taking", "wire", "wording", "working", "writing", "zones"),
}


def test_no_docstring_begins_with_a_riddle() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (ast.get_docstring(node) or "").startswith(RIDDLES):
                found.append(f"{path.relative_to(PACKAGE)}: {getattr(node, 'name', 'the module')}")
    assert found == []


def test_names_in_views_say_what_they_are() -> None:
    """No letter stands for a column or a table."""
    found = []
    for path in sorted(PACKAGE.rglob("*.sql")):
        code = re.sub(r"--[^\n]*|'[^']*'", "", path.read_text("utf-8"))
        found += [f"{path.name}: {name}" for name in re.findall(r"\bas\s+([a-z])\b|\b([a-z])\.\w", code) if any(name)]
    assert found == []


def test_the_root_is_small_and_no_retired_name_comes_back() -> None:
    modules = [path.stem for path in PACKAGE.glob("*.py")]
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert len(modules) <= ROOT_MODULES
    assert len(folders) <= ROOT_FOLDERS
    assert sorted(path.stem for path in PACKAGE.rglob("*.py") if path.stem in RETIRED) == []

"""No file of the package imports itself by way of others: at the top, in a function, or for types alone."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import polydoc_analytics

PACKAGE = Path(polydoc_analytics.__file__).parent


def imports(package: Path) -> dict[str, set[str]]:
    """Files of the package by the names that they are imported by, and what each imports of it anywhere in it."""
    files = {}
    for path in package.rglob("*.py"):
        *folders, name = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(folders if name == "__init__" else [*folders, name])] = path
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        names = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}:{node.lineno}: import by the whole name"
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in files else str(node.module) for name in inner}
        found[module] = {name for name in names if name in files and name != module}
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = imports(PACKAGE)
    assert len(graph) > 200
    assert circle(graph) == []


@pytest.mark.parametrize(
    "climb",
    [
        "import package.high",
        "from package import high",
        "from package.high import thing",
        "def late():\n    from package.high import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.high import thing",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(climb: str, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "high.py").write_text("from package.middle import other\n")
    (package / "middle.py").write_text("from package.low import thing\n")
    (package / "low.py").write_text("import os\n")
    assert circle(imports(package)) == []
    (package / "low.py").write_text(climb)
    assert set(circle(imports(package))) >= {"package.high", "package.middle", "package.low"}

"""Run the notebooks and write them back with outputs: python notebooks/execute.py [NAME …].

Tests use the same functions to hold the outputs that are checked in against those of a fresh run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PICTURES = ("image/svg+xml", "image/png")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


_AS_NEW = """%reset -f
get_ipython().extension_manager.loaded.clear()
get_ipython().execution_count = 1
"""


@contextmanager
def kernel(folder: Path) -> Iterator[Any]:
    """Start a kernel whose working folder is ``folder``, for notebooks one after the other."""
    from jupyter_client.manager import KernelManager

    with tempfile.TemporaryDirectory() as home:
        manager = KernelManager(kernel_name="python3")
        # Neither a profile nor the history of whoever runs this.
        manager.start_kernel(
            cwd=str(folder),
            env={**os.environ, "IPYTHONDIR": home},
            extra_arguments=["--HistoryManager.enabled=False"],
        )
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def executed(path: Path, manager: Any) -> dict[str, Any]:
    """Return a notebook with the outputs of a kernel that has forgotten those before."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    forget(manager)
    _execute(notebook, manager)
    return clean(json.loads(nbformat.writes(notebook)))


def forget(manager: Any, next_line: str = "") -> None:
    """Have a kernel forget the notebooks before, and run a line of Python."""
    import nbformat

    cell = nbformat.v4.new_code_cell(_AS_NEW + next_line)
    _execute(nbformat.v4.new_notebook(cells=[cell]), manager)


def _execute(notebook: Any, manager: Any) -> None:
    from nbclient import NotebookClient

    client = NotebookClient(notebook, km=manager, timeout=120, record_timing=False)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()


def clean(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without what differs from run to run or from editor to editor."""
    cells = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        cell = {**cell, "metadata": {"tags": tags} if tags else {}}
        if cell["cell_type"] == "code":
            cell["outputs"] = [_clean_output(output) for output in cell["outputs"]]
        cells.append(cell)
    return {**notebook, "cells": cells, "metadata": _METADATA}


def _clean_output(output: dict[str, Any]) -> dict[str, Any]:
    if len(output.get("data", ())) > 1:
        # The text of what is shown as a table or a picture is shown nowhere.
        output = {
            **output,
            "data": {kind: value for kind, value in output["data"].items() if kind != "text/plain"},
        }
    return output


def written(notebook: dict[str, Any]) -> str:
    """Return a notebook as the text of its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def comparable(notebook: dict[str, Any]) -> list[Any]:
    """Return the outputs by cell, without pictures, whose last digits are those of one machine."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = {
                kind: "a picture" if kind in PICTURES else _without_schema(value)
                for kind, value in output.get("data", {}).items()
            }
            found.append((cell["id"], {**output, "data": data} if data else output))
    return found


def _without_schema(value: Any) -> Any:
    return (
        {key: part for key, part in value.items() if key != "$schema"}
        if isinstance(value, dict)
        else value
    )


def main(names: list[str]) -> None:
    """Run the notebooks that are named, or all, and write them back."""
    paths = [
        path
        for path in sorted(HERE.glob("*.ipynb"))
        if not names or any(name in path.name for name in names)
    ]
    for path in paths:
        started = time.perf_counter()
        with kernel(HERE) as manager:
            text = written(executed(path, manager))
        path.write_text(text, "utf-8", newline="\n")
        print(f"{path.name}: {time.perf_counter() - started:.1f} s, {len(text) / 1024:.0f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])

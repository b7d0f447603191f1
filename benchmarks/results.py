"""results.json: the figures of each part, with the versions and the machine on which they were measured."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PACKAGES = ("polydoc-analytics", "duckdb", "polars", "pyarrow", "pandas", "pandera", "dlt", "pysail", "pyspark-client")


def measured(name: str, ours: float, floor: float | None, note: str = "") -> Row:
    """Print a comparison, and return it."""
    ratio = f"{ours / floor:6.2f}" if floor else "     –"
    other = f"{floor:9.3f}" if floor else "        –"
    print(f"{name:<58} {ours:9.3f} {other} {ratio}  {note}", flush=True)
    return {"name": name, "ours_s": round(ours, 4), "theirs_s": floor and round(floor, 4), "note": note}


def load(path: Path) -> dict[str, Any]:
    """The parts by name; empty where nothing was measured yet."""
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def save(path: Path, part: str, rows: list[Row], repeat: int, command: str) -> None:
    """Put a part in the place of what was measured of it before."""
    parts = load(path)
    parts[part] = {
        "measured": datetime.now(UTC).date().isoformat(),
        "command": command,
        "repeat": repeat,
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
    }
    half = path.with_suffix(".part")
    half.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    half.replace(path)


def machine() -> str:
    """The machine in general words: cores, memory, operating system, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{os.cpu_count()} processors ({platform.machine()})"
    return f"{cores}, {memory:.0f} GiB of memory, {platform.system()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""What has no contestant: broken lines against clean ones, connecting, and what a person waits for."""

from __future__ import annotations

import shutil
import statistics
from typing import Any

from measuring import HERE, WORK, cli, duel, in_process, seconds_of, watched
from sources import data, exported, foreign

IMPORTS = (
    "import polydoc_analytics as pda, polars, pandera.polars, deltalake, langcodes, polydoc_analytics.query.database"
)

Row = dict[str, Any]


def row(name: str, ours: float, floor: float | None, note: str = "") -> Row:
    """Print a comparison, and return it."""
    ratio = f"{ours / floor:6.2f}" if floor else "     –"
    other = f"{floor:9.3f}" if floor else "        –"
    print(f"{name:<58} {ours:9.3f} {other} {ratio}  {note}", flush=True)
    return {"name": name, "ours_s": round(ours, 4), "theirs_s": floor and round(floor, 4), "note": note}


def broken(runs: int, repeat: int) -> list[Row]:
    out = WORK / "export"

    def clean() -> None:
        shutil.rmtree(out, ignore_errors=True)

    bad, good = (cli("export", source, out, "-q") for source in (data(runs, 2000), data(runs)))
    ours, theirs = duel(bad, good, repeat, clean)
    clean()
    note = f"{ours.megabytes:.0f} MB"
    return [row(f"export {runs:,} runs, 2,000 bad lines / clean", ours.median, theirs.median, note)]


def connecting(runs: int, repeat: int) -> list[Row]:
    def least(source: object) -> float:
        return min(seconds_of(in_process(IMPORTS, f"pda.connect({str(source)!r}).close()")) for _ in range(repeat))

    named = (("foreign Parquet", foreign(runs)), ("our own export", exported(runs)))
    return [row(f"connect to {runs:,} runs in {name}", least(source), None, "after imports") for name, source in named]


def small(repeat: int) -> list[Row]:
    commands = {
        "polydoc-analytics --help": cli("--help"),
        "usage on the sample": cli("usage", HERE.parent / "data" / "sample_runs.ndjson", "-q"),
    }
    return [
        row(name, statistics.median(watched(command).seconds for _ in range(repeat + 2)), None)
        for name, command in commands.items()
    ]

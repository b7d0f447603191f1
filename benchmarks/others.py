"""Timings of this package alone: a file with broken lines against a clean one, and connecting to many runs."""

from __future__ import annotations

import shutil

from measuring import WORK, cli, duel, in_process, seconds_of
from results import Row, measured
from sources import data, exported, foreign

IMPORTS = "import polydoc_analytics as pda, polars, pandera.polars, deltalake, polydoc_analytics.query.connect"


def broken(runs: int, repeat: int) -> list[Row]:
    out = WORK / "export"

    def clear() -> None:
        shutil.rmtree(out, ignore_errors=True)

    bad, good = (cli("export", source, out, "-q") for source in (data(runs, 2000), data(runs)))
    ours, theirs = duel(bad, good, repeat, clear)
    clear()
    note = f"{ours.megabytes:.0f} MB"
    return [measured(f"export {runs:,} runs, 2,000 bad lines / clean", ours.median, theirs.median, note)]


def connecting(runs: int, repeat: int) -> list[Row]:
    def least(source: object) -> float:
        return min(seconds_of(in_process(IMPORTS, f"pda.connect({str(source)!r}).close()")) for _ in range(repeat))

    named = (("foreign Parquet", foreign(runs)), ("our own export", exported(runs)))
    return [
        measured(f"connect to {runs:,} runs in {name}", least(source), None, "after imports") for name, source in named
    ]

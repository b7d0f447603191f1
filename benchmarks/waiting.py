"""Small questions: what a person waits for, and the three questions that other tools do not answer."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from measuring import FOREIGN, HERE, PYTHON, WORK, cli, duel, hiding, in_process, seconds_of, watched
from results import Row, measured
from sources import exported

SAMPLE = HERE.parent / "data" / "sample_runs.ndjson"


def small(repeat: int) -> list[Row]:
    """Processor seconds of what a person waits for, in turn with the imports that nobody can avoid."""
    export, lake = _sample_export(), _sample_lake()
    commands = {"the sample": SAMPLE, "its export": export, "its lake": lake}
    imports = [PYTHON, "-c", hiding(*FOREIGN) + "import duckdb, polars, pyarrow"]
    rows = []
    for name, source in commands.items():
        ours, floor = duel(cli("usage", source, "--json", "-q"), imports, max(9, repeat))
        note = f"processor seconds; {ours.median:.2f} s to wait"
        what = f"usage of {name} / importing duckdb, polars, pyarrow"
        rows.append(measured(what, ours.median_processor, floor.median_processor, note))
    shown, _ = duel(cli("--help"), imports, max(9, repeat))
    return [*rows, measured("polydoc-analytics --help / limit", shown.median_processor, 0.1, "processor seconds")]


def answers(runs: int, repeat: int) -> list[Row]:
    """Seconds of the three questions over the sample's lake and over many runs, imports and connecting included."""
    questions = {
        "explain": "explain(period='last-month')",
        "outlook": "outlook()",
        "requests": "view('request_rates')",
    }
    rows = []
    for source, title, limit in ((_sample_lake(), "the sample's lake", 1.0), (exported(runs), f"{runs:,} runs", 6.0)):
        for name, question in questions.items():
            statement = f"pda.connect({str(source)!r}, now='2026-10-20T12:00Z').{question}"
            command = in_process("import polydoc_analytics as pda", statement, times=1)
            seconds = statistics.median(seconds_of(command) for _ in range(repeat))
            rows.append(measured(f"{name} of {title} / limit", seconds, limit))
    return rows


def _sample_export() -> Path:
    export = WORK / "sample-export"
    shutil.rmtree(export, ignore_errors=True)
    watched(cli("export", SAMPLE, export, "-q"))
    return export


def _sample_lake() -> Path:
    lake = WORK / "sample-lake"
    shutil.rmtree(lake, ignore_errors=True)
    watched(cli("ingest", SAMPLE, "--lake", lake, "-q"))
    return lake

"""This package against what people would use instead: the same file, the same questions, whole processes in turn."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import dataclass
from typing import Any

from agreement import differences
from measuring import FOREIGN, HERE, WORK, FailedError, script, watched
from results import Row, measured
from sources import data

PANDAS = tuple(package for package in FOREIGN if package != "pandas")
_PATIENCE_S = 240
"""Who takes longer than this is run once; a second turn would tell little."""


@dataclass(frozen=True)
class Contestant:
    """A script in against/: its name in tables, the runs beyond which it is not tried, what its installation lacks."""

    name: str
    title: str
    file: str
    most: int
    arguments: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()

    def command(self, *arguments: object) -> list[str]:
        return script(HERE / "against" / self.file, *arguments, *self.arguments, hide=self.hide)


CONTESTANTS = (
    Contestant("ours", "polydoc_analytics", "ours.py", 10**9, hide=FOREIGN),
    Contestant("floor", "DuckDB, nothing checked (the floor)", "duckdb_floor.py", 10**9, hide=FOREIGN),
    Contestant("duckdb", "DuckDB SQL with the rules", "duckdb_rules.py", 10**7, hide=FOREIGN),
    Contestant("polars", "Polars by hand", "polars_rules.py", 10**7, hide=FOREIGN),
    Contestant("pandas-arrow", "pandas + pandera, Arrow types", "pandas_pandera.py", 10**7, ("arrow",), PANDAS),
    Contestant("pandas", "pandas + pandera, its defaults", "pandas_pandera.py", 10**6, ("defaults",), PANDAS),
    Contestant("sail", "Sail (Spark Connect)", "sail.py", 10**7),
    Contestant("dlt-arrow", "dlt into DuckDB, Arrow tables", "dlt_duckdb.py", 10**7, ("arrow",)),
    Contestant("dlt-tuned", "dlt into DuckDB, rows, tuned", "dlt_duckdb.py", 10**6, ("tuned",)),
    Contestant("dlt", "dlt into DuckDB, rows, its defaults", "dlt_duckdb.py", 10**5, ("defaults",)),
)
CONTEST = WORK / "contest"
NAMES = tuple(contestant.name for contestant in CONTESTANTS)


def compare(runs: int, repeat: int, names: list[str]) -> list[dict[str, Any]]:
    """One row a contestant: seconds to stored and from there to the answers, peak memory, what differs."""
    source, destination = data(runs), CONTEST
    rows = {one.name: _row(one) for one in CONTESTANTS if one.name in names and one.most >= runs}
    order = [one for one in CONTESTANTS if one.name in rows]
    answers: dict[str, Any] = {}
    for turn in range(repeat):
        # Who goes first finds the file cold, so another one does in each turn.
        for one in (*order[turn % len(order) :], *order[: turn % len(order)]):
            row = rows[one.name]
            if row["failed"] or max(row["whole_s"], default=0) > _PATIENCE_S:
                continue
            clean()
            try:
                done = watched(one.command(source, destination))
            except FailedError as error:
                row["failed"] = str(error)
                print(f"  {one.title}: {error}", flush=True)
                continue
            row["stored_s"].append(round(done.stored, 3))
            row["whole_s"].append(round(done.seconds, 3))
            row["cpu_s"].append(round(done.processor, 3))
            row["peak_mib"] = max(row["peak_mib"], round(done.megabytes))
            row["stored_mb"] = round(sum(f.stat().st_size for f in destination.rglob("*") if f.is_file()) / 1e6)
            answers[one.name] = json.loads(done.answer)
            print(f"  {one.title}: {done.stored:.2f} + {done.seconds - done.stored:.2f} s", flush=True)
    clean()
    for name, answer in answers.items():
        if "ours" in answers:
            found = differences(answers["ours"], answer)
            rows[name]["differs"] = f"{len(found):,} figures, such as {found[0]}" if found else ""
    _print(list(rows.values()), runs)
    return list(rows.values())


def cores(runs: int, repeat: int) -> list[Row]:
    """Seconds until the runs are stored, on one core and on all, of this package and of the floor."""
    rows = []
    for name, pinned in (("one core", ["taskset", "--cpu-list", "0"]), ("all cores", [])):
        stored: dict[str, list[float]] = {"ours": [], "floor": []}
        for _ in range(repeat):
            for contestant in (contestant for contestant in CONTESTANTS if contestant.name in stored):
                clean()
                done = watched([*pinned, *contestant.command(data(runs), CONTEST)])
                stored[contestant.name].append(done.stored)
        clean()
        ours, floor = (statistics.median(seconds) for seconds in stored.values())
        rows.append(measured(f"{runs:,} runs to checked Parquet on {name} / the floor", ours, floor))
    return rows


def _row(one: Contestant) -> dict[str, Any]:
    row: dict[str, Any] = {"name": one.name, "title": one.title, "stored_s": [], "whole_s": [], "cpu_s": []}
    return row | {"peak_mib": 0, "stored_mb": 0, "failed": "", "differs": None}


def clean() -> None:
    for path in (CONTEST, CONTEST.with_suffix(".tmp")):
        shutil.rmtree(path, ignore_errors=True)


def _print(rows: list[dict[str, Any]], runs: int) -> None:
    keys = ("stored_s", "whole_s", "cpu_s")
    ours = next((row for row in rows if row["name"] == "ours" and row["whole_s"]), None)
    titles = [f"{title:>9} {'/ ours':>7}" for title in ("stored s", "whole s", "CPU s")]
    print(f"{f'{runs:,} runs':<40} {' '.join(titles)} {'peak MiB':>8}")
    for row in rows:
        if not row["whole_s"]:
            print(f"{row['title']:<40} {row['failed']}")
            continue
        medians = [statistics.median(row[key]) for key in keys]
        ratios = [m / statistics.median(ours[key]) if ours else 0 for m, key in zip(medians, keys, strict=True)]
        figures = " ".join(f"{m:9.2f} {ratio:7.2f}" for m, ratio in zip(medians, ratios, strict=True))
        print(f"{row['title']:<40} {figures} {row['peak_mib']:8,} {'differs' if row['differs'] else ''}", flush=True)

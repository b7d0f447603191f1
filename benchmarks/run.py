"""Measure speed as ratios in one run: this package against hand-written DuckDB SQL on the same file.

    python benchmarks/run.py [--runs 1000000 10000000] [--repeat 3]

Each figure is the median over whole processes that take turns, A B A B, so that a machine that drifts drifts for both.
Data are made once in benchmarks/work/. Peak memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE / "work"
PYTHON = sys.executable


@dataclass
class Timing:
    """Seconds and peak memory of some whole processes."""

    seconds: list[float]
    megabytes: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MB."""
    import time

    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode()}")
    return seconds, usage.ru_maxrss / 1024


def duel(a: list[str], b: list[str], repeat: int, clean: Callable[[], None] = lambda: None) -> tuple[Timing, Timing]:
    """Run two commands in turn, after one run of each that does not count."""
    first, second = Timing([]), Timing([])
    for turn in range(repeat + 1):
        for timing, command in ((first, a), (second, b)):
            clean()
            seconds, megabytes = timed(command)
            if turn:
                timing.seconds.append(seconds)
                timing.megabytes = max(timing.megabytes, megabytes)
    return first, second


def cli(*arguments: object) -> list[str]:
    return [PYTHON, "-m", "polydoc_analytics", *map(str, arguments)]


def in_process(setup: str, statement: str) -> list[str]:
    """A process that prints on standard error how long a statement took, the best of five."""
    code = (
        "import time\n"
        + setup
        + "\nbest = 1e9\nfor _ in range(5):\n    began = time.perf_counter()\n    "
        + statement
        + "\n    best = min(best, time.perf_counter() - began)\nprint(best)"
    )
    return [PYTHON, "-c", code]


def seconds_of(command: list[str]) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def row(name: str, ours: float, floor: float | None, note: str = "") -> None:
    ratio = f"{ours / floor:6.2f}" if floor else "     –"
    other = f"{floor:9.3f}" if floor else "        –"
    print(f"{name:<58} {ours:9.3f} {other} {ratio}  {note}", flush=True)


def data(runs: int, broken: int = 0) -> Path:
    path = WORK / f"runs-{runs}{f'-broken-{broken}' if broken else ''}.ndjson"
    if not path.exists():
        subprocess.run(cli("sample", path, "--runs", runs, "--seed", 1, "--broken", broken, "-q"), check=True)
    return path


def load(runs: int, repeat: int) -> None:
    """NDJSON to zstd Parquet: loaded, validated, merged and accounted for, against an unvalidated COPY."""
    source, out, floor = data(runs), WORK / "export", WORK / "floor.parquet"

    def clean() -> None:
        shutil.rmtree(out, ignore_errors=True)
        floor.unlink(missing_ok=True)

    theirs = [PYTHON, str(HERE / "floor.py"), str(source), str(floor)]
    ours, theirs_timing = duel(cli("export", source, out, "-q"), theirs, repeat, clean)
    row(
        f"load {runs:,} runs to Parquet / unvalidated COPY",
        ours.median,
        theirs_timing.median,
        f"{ours.megabytes:.0f} MB",
    )
    if runs <= 1_000_000:
        bad, clean_ = duel(cli("export", data(runs, 2000), out, "-q"), cli("export", source, out, "-q"), repeat, clean)
        row(f"load {runs:,} runs, 2,000 bad lines / clean", bad.median, clean_.median, f"{bad.megabytes:.0f} MB")


MEASURES = """count(*) as runs, count(*) filter (where status = 'Succeeded') as succeeded,
count(*) filter (where status = 'Failed') as failed, count(*) filter (where status = 'Running') as running,
sum(input_tokens) as i, sum(output_tokens) as o, sum(credits) as c,
sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as t,
count(*) filter (where status <> 'Running' and (input_tokens is null or output_tokens is null)) as wt,
count(*) filter (where status <> 'Running' and credits is null) as wc,
sum(credits) filter (where status = 'Failed') as cf"""
RATES = """, count(*) filter (where status = 'Failed') / nullif(count(*) filter (where status <> 'Running'), 0) as rate,
avg(epoch(finished_at - created_at)) filter (where status = 'Succeeded') as mean,
max(epoch(finished_at - created_at)) filter (where status = 'Succeeded') as longest""" + "".join(
    f",\nquantile_cont(epoch(finished_at - created_at), {p}) filter (where status = 'Succeeded') as p{n}"
    for n, p in enumerate((0.5, 0.9, 0.95, 0.99))
)
OUR_SUMS = (
    "runs, succeeded_runs, failed_runs, running_runs, input_tokens, output_tokens, credits, total_tokens, "
    "runs_without_tokens, runs_without_credits, credits_on_failed_runs"
)
LOCAL = "created_at at time zone 'Europe/Lisbon'"
PERIODS = {
    None: None,
    "daily": f"cast({LOCAL} as date)",
    "weekly": f"date_trunc('week', {LOCAL})",
    "monthly": f"date_trunc('month', {LOCAL})",
}


def views(runs: int) -> None:
    """Each usage view over foreign Parquet, all columns and sums alone, against the SQL that one would type first."""
    foreign = WORK / f"foreign-{runs}.parquet"
    if not foreign.exists():
        export = WORK / f"export-{runs}"
        if not export.exists():
            subprocess.run(cli("export", data(runs), export, "-q"), check=True)
        sql = (
            f"copy (select * from read_parquet('{export}/**/*.parquet', hive_partitioning = false) "
            f"order by created_at) to '{foreign}' (format parquet, compression zstd)"
        )
        subprocess.run([PYTHON, "-c", f'import duckdb; duckdb.sql("""{sql}""")'], check=True)
    connect = (
        f"import polydoc_analytics as pda\ndb = pda.connect('{foreign}', timezone='Europe/Lisbon')\ncon = db.duckdb"
    )
    by_hand = "import duckdb\ncon = duckdb.connect()\ncon.execute(\"set timezone = 'UTC'\")"
    for every, period in PERIODS.items():
        for by in ((), ("account_id",), ("language",), ("account_id", "language")):
            name = "usage" + (f"_{every}" if every else "")
            name += f"_by_{'_'.join(key.removesuffix('_id') for key in by)}" if by else ""
            keys = ["target_language" if key == "language" else key for key in by] + ([period] if period else [])
            group = f"group by {', '.join(keys)}" if keys else ""
            select = "".join(f"{key}, " for key in keys)
            for label, ours, measures in (("all", "*", MEASURES + RATES), ("sums", OUR_SUMS, MEASURES)):
                own_keys = "" if ours == "*" else "".join(f"{key}, " for key in [*by, *(["period"] if period else [])])
                theirs_sql = f"select {select}{measures} from '{foreign}' {group}"
                ours_sql = f"select {own_keys}{ours} from {name}"
                a = seconds_of(in_process(connect, f"con.sql('{ours_sql}').to_arrow_table()"))
                b = seconds_of(in_process(by_hand, f'con.sql("""{theirs_sql}""").to_arrow_table()'))
                row(f"{name}, {label}, {runs:,} runs / SQL typed first", a, b)


def connecting(runs: int) -> None:
    foreign, export = WORK / f"foreign-{runs}.parquet", WORK / f"export-{runs}"
    setup = "import polydoc_analytics as pda, polars, pandera.polars, polydoc_analytics.engine, langcodes"
    for name, source in (("foreign Parquet", foreign), ("our own export", export)):
        if source.exists():
            row(
                f"connect to {runs:,} runs in {name}",
                seconds_of(in_process(setup, f"pda.connect('{source}').close()")),
                None,
            )


def small(repeat: int) -> None:
    """What a person waits for."""
    for name, command in (
        ("polydoc-analytics --help", cli("--help")),
        ("usage on the sample", cli("usage", HERE.parent / "data" / "sample_runs.ndjson", "-q")),
    ):
        row(name, statistics.median(timed(command)[0] for _ in range(repeat + 2)), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    print(f"{'what':<58} {'ours s':>9} {'theirs s':>9} {'ratio':>6}")
    small(arguments.repeat)
    for runs in arguments.runs:
        load(runs, arguments.repeat)
    views(arguments.runs[-1])
    connecting(arguments.runs[-1])


if __name__ == "__main__":
    main()

"""Measure speed as ratios in one run: this package against hand-written DuckDB SQL on the same file.

    python benchmarks/run.py [--runs 1000000 10000000] [--repeat 3] [--only small load views connect lake reports]

Each figure is the median over whole processes that take turns, A B A B, so that a machine that drifts drifts for both.
Data are made once in benchmarks/work/. Peak memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess

import lake
import reports
from measuring import HERE, PYTHON, WORK, cli, data, duel, in_process, row, seconds_of, timed


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
    parser.add_argument("--only", nargs="+", choices=["small", "load", "views", "connect", "lake", "reports"])
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    print(f"{'what':<58} {'ours s':>9} {'theirs s':>9} {'ratio':>6}")
    most = arguments.runs[-1]
    parts = {
        "small": lambda: small(arguments.repeat),
        "load": lambda: [load(runs, arguments.repeat) for runs in arguments.runs],
        "views": lambda: views(most),
        "connect": lambda: connecting(most),
        "lake": lambda: lake.measure(arguments.runs, arguments.repeat),
        "reports": lambda: reports.measure(arguments.runs),
    }
    for name in arguments.only or parts:
        parts[name]()


if __name__ == "__main__":
    main()

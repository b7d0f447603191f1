"""The data: synthetic runs, made once in benchmarks/work/."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

from measuring import WORK, cli, once

PIECE_RUNS = 10_000_000


def data(runs: int, broken: int = 0) -> Path:
    """A file of runs, or above 10 M a glob of zstd pieces, each with 10 M runs of some days of its own."""
    if runs > PIECE_RUNS:
        return _pieces(runs)
    path = WORK / f"runs-{runs}{f'-broken-{broken}' if broken else ''}.ndjson"
    if not path.exists():
        subprocess.run(cli("sample", path, "--runs", runs, "--seed", 1, "--broken", broken, "-q"), check=True)
    return path


def _pieces(runs: int) -> Path:
    import pyarrow as pa

    from polydoc_analytics.loaders.sample import DAYS, UNTIL, write_sample

    count, rest = divmod(runs, PIECE_RUNS)
    if rest:
        raise SystemExit(f"above {PIECE_RUNS:,} runs, a whole number of {PIECE_RUNS:,}")
    folder = WORK / f"runs-{runs}"
    folder.mkdir(exist_ok=True)
    days = max(1, DAYS // count)
    for number in range(count):
        path = folder / f"{number:02}.ndjson.zst"
        if path.exists():
            continue
        half = path.with_suffix(".part")
        with pa.CompressedOutputStream(str(half), "zstd") as out:
            until = UNTIL - timedelta(days=days * (count - 1 - number))
            write_sample(out, runs=PIECE_RUNS, seed=number + 1, until=until, days=days)
        half.rename(path)
    return folder / "*.ndjson.zst"


def exported(runs: int) -> Path:
    """An export of the runs."""
    path = WORK / f"export-{runs}"
    if not path.exists():
        subprocess.run(cli("export", data(runs), path, "-q"), check=True)
    return path


def foreign(runs: int) -> Path:
    """Parquet that another tool could have written: a glob, one file a month, sorted by time."""
    folder = WORK / f"foreign-{runs}"
    if not folder.exists():
        half = folder.with_suffix(".part")
        half.mkdir(exist_ok=True)
        for month in sorted(exported(runs).glob("created_month=*")):
            sql = (
                f"set timezone = 'UTC'; copy (from read_parquet('{month}/*.parquet', hive_partitioning = false) "
                f"order by created_at) to '{half}/{month.name[14:]}.parquet' (format parquet, compression zstd)"
            )
            once(f'import duckdb; duckdb.execute("""{sql}""")')
        half.rename(folder)
    return folder / "*.parquet"

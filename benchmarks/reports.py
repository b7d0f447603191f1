"""Reports: an overview in all formats from the sample and from many runs, and a thousand statements as PDF."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from measuring import HERE, WORK, cli, once, watched
from results import Row, measured
from sources import exported

FORMATS = "html,pdf,xlsx,md,json"
NOW = ("--now", "2026-11-02T09:00Z", "-q")
ACCOUNTS = 1_000
MONTHS = {"2026-06": 87, "2026-10": 146}
"""Runs that a statement lists of a month, on average: those of the average month of the year, and of the last one."""


def measure(statement_runs: int, overview_runs: int, repeat: int) -> list[Row]:
    every_format = ["--format", FORMATS]
    sample = HERE.parent / "data" / "sample_runs.ndjson"
    statements = ["--kind", "statement", "--all-accounts", "--format", "pdf", "--period"]
    return [
        _reported("overview of the sample, all formats / limit", sample, every_format, 2.4, repeat),
        _reported(
            f"overview of {overview_runs:,} runs, five formats / limit", exported(overview_runs), every_format, 8, 1
        ),
        *(
            _reported(
                f"{ACCOUNTS:,} statements of {listed} runs as PDF / limit",
                _of_many_accounts(statement_runs),
                [*statements, month],
                40,
                1,
            )
            for month, listed in MONTHS.items()
        ),
    ]


def _reported(name: str, source: Path, arguments: list[str], limit: float, repeat: int) -> Row:
    out = WORK / "reports"
    seconds, megabytes, processor = [], 0.0, 0.0
    for _ in range(repeat):
        shutil.rmtree(out, ignore_errors=True)
        done = watched(cli("report", source, *arguments, "--out", out, *NOW))
        seconds.append(done.seconds)
        megabytes, processor = max(megabytes, done.megabytes), done.processor
        shutil.rmtree(out)
    note = f"{megabytes:.0f} MB, {processor:.1f} s of the processor"
    return measured(name, statistics.median(seconds), limit, note)


def _of_many_accounts(runs: int) -> Path:
    """As many runs an account, whose number rises from month to month."""
    made = WORK / f"runs-{runs}-accounts-{ACCOUNTS}.parquet"
    if not made.exists():
        sql = f"""copy (
            select * replace ('account-' || hash(id) % {ACCOUNTS} as account_id)
            from read_parquet('{exported(runs)}/**/*.parquet', hive_partitioning = false)
            order by created_at
        ) to '{made}' (format parquet, compression zstd)"""
        once(f"import duckdb\nduckdb.sql({sql!r})")
    return made

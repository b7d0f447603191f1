"""Reports: an overview in all formats from the sample and from many runs, and a thousand statements as PDF."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path

from measuring import HERE, WORK, cli, data, once, row, timed

FORMATS = "html,pdf,xlsx,md,json"
NOW = ("--now", "2026-11-02T09:00Z", "-q")
ACCOUNTS = 1_000


def measure(sizes: list[int]) -> None:
    overview("the sample", HERE.parent / "data" / "sample_runs.ndjson", limit=5)
    overview(f"{sizes[-1]:,} runs in Parquet", parquet(sizes[-1]), limit=20)
    statements(sizes[0])


def overview(name: str, source: Path, limit: float) -> None:
    told(f"overview of {name}, five formats / limit", ["report", source, "--format", FORMATS], limit)


def statements(runs: int) -> None:
    """As many runs an account, over the whole period of the sample: the tables of a statement are as long as can be."""
    source = parquet(runs, ACCOUNTS)
    arguments = ["report", source, "--kind", "statement", "--all-accounts", "--format", "pdf"]
    told(f"{ACCOUNTS:,} statements as PDF from {runs:,} runs / limit", arguments, 90 if runs <= 1_000_000 else None)


def told(name: str, arguments: list[object], limit: float | None) -> None:
    out = WORK / "reports"
    shutil.rmtree(out, ignore_errors=True)
    before = of_the_processor()
    seconds, megabytes = timed(cli(*arguments, "--out", out, *NOW))
    row(name, seconds, limit, f"{megabytes:.0f} MB, {of_the_processor() - before:.1f} s of the processor")
    shutil.rmtree(out)


def of_the_processor() -> float:
    """What children have used so far: on a machine with other work to do it says more than the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parquet(runs: int, accounts: int = 0) -> Path:
    """The sample's runs in one Parquet file, with the accounts that it has or with so many of about one size."""
    made = WORK / f"foreign-{runs}{f'-accounts-{accounts}' if accounts else ''}.parquet"
    if not made.exists():
        export = WORK / f"export-{runs}"
        if not export.exists():
            subprocess.run(cli("export", data(runs), export, "-q"), check=True)
        account = f"replace ('account-' || hash(id) % {accounts} as account_id)" if accounts else ""
        once(f"""import duckdb
duckdb.sql(\"\"\"copy (select * {account} from read_parquet('{export}/**/*.parquet', hive_partitioning = false)
order by created_at) to '{made}' (format parquet, compression zstd)\"\"\")""")
    return made

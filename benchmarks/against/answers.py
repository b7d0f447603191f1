"""What every contestant has to say, and in which form.

A contestant is called as ``python NAME.py SOURCE DESTINATION``. It reads the NDJSON files at SOURCE (a path or glob),
stores the runs at DESTINATION (a folder that does not exist yet), says so, reads back what it has stored, and prints
usage by account and by language.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

COLUMNS = ("runs", "failed_runs", "input_tokens", "output_tokens", "credits")
RATES = ("failure_rate", "p50_duration_s", "p95_duration_s")

DUCKDB_USAGE = """
    select
        {key},
        count(*) as runs,
        count(*) filter (where status = 'Failed') as failed_runs,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(output_tokens) as bigint) as output_tokens,
        cast(sum(credits) as bigint) as credits,
        failed_runs / nullif(count(*) filter (where status <> 'Running'), 0) as failure_rate,
        quantile_cont(epoch(finished_at - created_at), [0.5, 0.95]) filter (where status = 'Succeeded') as quantiles,
        quantiles[1] as p50_duration_s,
        quantiles[2] as p95_duration_s
    from {runs}
    group by {key}
"""


def called() -> tuple[str, Path]:
    """Source and destination of the command line."""
    source, destination = sys.argv[1:]
    return source, Path(destination)


def stored() -> None:
    """Print that the runs are stored: the time until here is that of loading, validating and storing."""
    print("stored", flush=True)


def answered(**tables: Iterable[Mapping[str, Any]]) -> None:
    """Print the answers, ``by_account`` and ``by_language``, each row with its key first."""
    print(json.dumps({name: [[*row.values()] for row in rows] for name, rows in tables.items()}), flush=True)

"""Each view against the SQL that one would type first, over the same Parquet, which another tool could have written."""

from __future__ import annotations

from typing import Any

from measuring import in_process, seconds_of
from results import Row, measured
from sources import PIECE_RUNS, exported, foreign

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


SECONDS = "epoch(finished_at - created_at)"
DURATIONS = f"""status, count(*) as runs, avg({SECONDS}) as mean, min({SECONDS}) as least,
quantile_cont({SECONDS}, 0.5) as p50, quantile_cont({SECONDS}, 0.9) as p90, quantile_cont({SECONDS}, 0.95) as p95,
quantile_cont({SECONDS}, 0.99) as p99, max({SECONDS}) as longest"""
FIELDS = ("finished_at", "credits", "input_tokens", "output_tokens", "output_file_id")


def views(runs: int, repeat: int) -> list[dict[str, Any]]:
    """One row a view and choice of columns: seconds in a connected process, ours and of SQL typed by hand."""
    source = foreign(runs)
    rows = []
    for name, columns, ours, theirs in pairs(str(source)):
        times = 3 if runs <= PIECE_RUNS else 1
        row = {"name": name, "columns": columns, **_timed(str(source), ours, theirs, repeat, times)}
        rows.append(row)
        print(f"{name:<36} {columns:<5} {row['ours_s']:8.3f} {row['theirs_s']:8.3f} {row['ratio']:6.2f}", flush=True)
    return rows


def pairs(source: str) -> list[tuple[str, str, str, str]]:
    """Each comparison: the view, which of its columns, our query, and the SQL by hand."""
    found = []
    for every, period in PERIODS.items():
        for by in ((), ("account_id",), ("language",), ("account_id", "language")):
            name = "usage" + (f"_{every}" if every else "")
            name += f"_by_{'_'.join(key.removesuffix('_id') for key in by)}" if by else ""
            keys = ["target_language" if key == "language" else key for key in by] + ([period] if period else [])
            group = f"group by {', '.join(keys)}" if keys else ""
            select = "".join(f"{key}, " for key in keys)
            own_keys = "".join(f"{key}, " for key in [*by, *(["period"] if period else [])])
            by_hand = f"from '{source}' {group}"
            found.append((name, "all", f"select * from {name}", f"select {select}{MEASURES}{RATES} {by_hand}"))
            found.append(
                (name, "sums", f"select {own_keys}{OUR_SUMS} from {name}", f"select {select}{MEASURES} {by_hand}")
            )
    for by, key in (("", ""), ("_by_language", "target_language, "), ("_by_account", "account_id, ")):
        finished = f"from '{source}' where status <> 'Running' group by {key}status"
        found.append((f"durations{by}", "all", f"select * from durations{by}", f"select {key}{DURATIONS} {finished}"))
    counts = ", ".join(f"count({field}) as known_{field}" for field in FIELDS)
    by_hand = f"select count(*) as runs, {counts} from '{source}' where status <> 'Running'"
    return [*found, ("coverage", "all", "select * from coverage", by_hand)]


def processor(runs: int) -> list[Row]:
    """Processor seconds of the two views that read everything, each connected anew, for they share what they keep."""
    connect = f"pda.connect({str(exported(runs))!r})"

    def of(name: str) -> float:
        asked = f"{connect}.view({name!r})"
        return seconds_of(in_process("import polydoc_analytics as pda", asked, times=2, clock="process_time"))

    quality, requests, usage = of("data_quality"), of("request_rates"), of("usage_by_account_language")
    return [
        measured(f"data_quality of {runs:,} runs / limit", quality, 2.0, "processor seconds"),
        measured(f"request_rates of {runs:,} runs / usage_by_account_language", requests, usage, "processor seconds"),
    ]


def _timed(source: str, ours: str, theirs: str, repeat: int, times: int) -> dict[str, float]:
    """Time both in turn: the least of some in each process, and the least of the processes."""
    connect = (
        f"import polydoc_analytics as pda\ndb = pda.connect({source!r}, timezone='Europe/Lisbon')\ncon = db.duckdb"
    )
    by_hand = "import duckdb\ncon = duckdb.connect()\ncon.execute(\"set timezone = 'UTC'\")"
    seconds: dict[str, list[float]] = {"ours_s": [], "theirs_s": []}
    for _ in range(repeat):
        for side, setup, sql in (("ours_s", connect, ours), ("theirs_s", by_hand, theirs)):
            command = in_process(setup, f"con.sql({sql!r}).to_arrow_table()", times)
            seconds[side].append(seconds_of(command))
    least = {side: round(min(all_of_it), 4) for side, all_of_it in seconds.items()}
    return least | {"ratio": round(least["ours_s"] / least["theirs_s"], 3)}

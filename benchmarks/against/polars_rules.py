"""Polars by hand: a strict schema, times with an offset, required fields, the status; it stops at a fault."""

import polars as pl
from answers import answered, called, stored

REQUIRED = ("id", "account_id", "created_at", "status", "target_language", "input_file_id")
SCHEMA = {
    **dict.fromkeys((*REQUIRED, "finished_at", "output_file_id"), pl.String),
    **dict.fromkeys(("credits", "input_tokens", "output_tokens"), pl.Int64),
}

source, destination = called()
destination.mkdir()
runs = (
    pl.scan_ndjson(source, schema=SCHEMA)
    .with_columns(pl.col("created_at", "finished_at").str.to_datetime("%+", time_unit="us", time_zone="UTC"))
    .collect(engine="streaming")
)
faults = runs.filter(
    pl.any_horizontal(pl.col(REQUIRED).is_null()) | ~pl.col("status").is_in(["Running", "Succeeded", "Failed"])
)
if len(faults):
    raise SystemExit(f"{len(faults)} rows are no runs, such as {faults.row(0)}")
# Few runs are seen twice: only their rows are sorted, so that the last one is the finished one, and the latest.
is_twice = runs["id"].is_duplicated()
twice = runs.filter(is_twice).sort(pl.col("status") != "Running", "finished_at", nulls_last=False)
runs = pl.concat([runs.filter(~is_twice), twice.unique("id", keep="last")])
runs.write_parquet(destination / "runs.parquet", compression="zstd")
stored()
del runs


def usage(key: str) -> list[dict[str, object]]:
    status, seconds = pl.col("status"), (pl.col("finished_at") - pl.col("created_at")).dt.total_microseconds() / 1e6
    failed, succeeded = (status == "Failed").sum(), seconds.filter(status == "Succeeded")
    return (
        pl.scan_parquet(destination / "runs.parquet")
        .group_by(key)
        .agg(
            pl.len().alias("runs"),
            failed.alias("failed_runs"),
            pl.col("input_tokens", "output_tokens", "credits").sum(),
            (failed / (status != "Running").sum()).alias("failure_rate"),
            succeeded.quantile(0.5, "linear").alias("p50_duration_s"),
            succeeded.quantile(0.95, "linear").alias("p95_duration_s"),
        )
        .collect(engine="streaming")
        .to_dicts()
    )


answered(by_account=usage("account_id"), by_language=usage("target_language"))

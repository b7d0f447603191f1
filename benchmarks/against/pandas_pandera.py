"""pandas with the rules as a pandera schema; it stops with a list of all faults of a kind. A third argument chooses.

``arrow`` reads and keeps columns as Arrow's types, which is the fastest of its ways. ``defaults`` is read_json as most
people write it: with pandas' own parser and types.
"""

import sys

import pandas as pd
import pandera.pandas as pa
import pyarrow
from answers import answered, called, stored

WAY = sys.argv.pop()
if WAY == "arrow":
    TEXT, INTEGER = pd.ArrowDtype(pyarrow.string()), pd.ArrowDtype(pyarrow.int64())
    INSTANT = pd.ArrowDtype(pyarrow.timestamp("us", "UTC"))  # made of a text, it must have an offset
else:
    TEXT, INTEGER, INSTANT = pd.StringDtype(na_value=float("nan")), pd.Int64Dtype(), pd.DatetimeTZDtype("us", "UTC")

SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(TEXT),
        "account_id": pa.Column(TEXT),
        "created_at": pa.Column(INSTANT, coerce=True),
        "finished_at": pa.Column(INSTANT, coerce=True, nullable=True),
        "status": pa.Column(TEXT, pa.Check.isin(["Running", "Succeeded", "Failed"])),
        "target_language": pa.Column(TEXT),
        # Where one is unknown, pandas' own parser gives floats.
        "credits": pa.Column(INTEGER, coerce=WAY == "defaults", nullable=True),
        "input_tokens": pa.Column(INTEGER, coerce=WAY == "defaults", nullable=True),
        "output_tokens": pa.Column(INTEGER, coerce=WAY == "defaults", nullable=True),
        "input_file_id": pa.Column(TEXT),
        "output_file_id": pa.Column(TEXT, nullable=True),
    }
)


def read(source: str) -> pd.DataFrame:
    if WAY == "arrow":
        return pd.read_json(source, lines=True, engine="pyarrow", dtype_backend="pyarrow")
    return pd.read_json(source, lines=True)


source, destination = called()
destination.mkdir()
runs = SCHEMA.validate(read(source), lazy=True)
# Few runs are seen twice: only their rows are sorted, so that the last one is the finished one, and the latest.
is_twice = runs["id"].duplicated(keep=False)
twice = runs[is_twice].assign(is_finished=lambda rows: rows["status"] != "Running")
twice = twice.sort_values(["is_finished", "finished_at"], na_position="first").drop_duplicates("id", keep="last")
runs = pd.concat([runs[~is_twice], twice.drop(columns="is_finished")])
runs.to_parquet(destination / "runs.parquet", compression="zstd", index=False)
stored()
del runs, twice

NEEDED = ["account_id", "target_language", "status", "created_at", "finished_at"]
BACKEND = {"dtype_backend": "pyarrow"} if WAY == "arrow" else {}
SUMS = ["input_tokens", "output_tokens", "credits"]
runs = pd.read_parquet(destination / "runs.parquet", columns=[*NEEDED, *SUMS], **BACKEND)
runs["is_failed"] = runs["status"] == "Failed"
runs["is_finished"] = runs["status"] != "Running"
seconds = (runs["finished_at"] - runs["created_at"]).dt.total_seconds()
runs["succeeded_s"] = seconds.where(runs["status"] == "Succeeded").astype("float64")


def usage(key: str) -> list[dict[str, object]]:
    groups = runs.groupby(key)
    table = groups.agg(
        runs=("status", "size"),
        failed_runs=("is_failed", "sum"),
        input_tokens=("input_tokens", "sum"),
        output_tokens=("output_tokens", "sum"),
        credits=("credits", "sum"),
        finished_runs=("is_finished", "sum"),
    )
    table["failure_rate"] = table["failed_runs"] / table["finished_runs"]
    quantiles = groups["succeeded_s"].quantile([0.5, 0.95]).unstack()
    table["p50_duration_s"], table["p95_duration_s"] = quantiles[0.5], quantiles[0.95]
    return table.drop(columns="finished_runs").reset_index().to_dict("records")


answered(by_account=usage("account_id"), by_language=usage("target_language"))

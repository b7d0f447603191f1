"""dlt into DuckDB, merged by id, with a typed schema; a third argument chooses one of three ways.

``defaults`` is what its documentation shows first: rows of read_jsonl, a schema that admits nothing else. ``tuned``
adds what its page on performance advises: Parquet between the steps and two processes that normalise. ``arrow`` gives
it Arrow tables, which it passes on as they are. It judges types (text that can be cast is) and required fields; it
knows no list of values, so a status passes unseen. It stops at a fault.
"""

import os
import sys
from collections.abc import Iterator
from glob import glob
from typing import Any

WAY = sys.argv.pop()
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
if WAY == "tuned":
    os.environ |= {"NORMALIZE__WORKERS": "2", "DATA_WRITER__FILE_MAX_ITEMS": "100000"}

import dlt  # noqa: E402
import duckdb  # noqa: E402
from answers import DUCKDB_USAGE, answered, called, stored  # noqa: E402
from dlt.sources.filesystem import filesystem, read_jsonl  # noqa: E402

TEXTS = ("id", "account_id", "status", "target_language", "input_file_id", "output_file_id")
INSTANTS = ("created_at", "finished_at")
INTEGERS = ("credits", "input_tokens", "output_tokens")
TYPES = dict.fromkeys(TEXTS, "text") | dict.fromkeys(INSTANTS, "timestamp") | dict.fromkeys(INTEGERS, "bigint")
OPTIONAL = {"finished_at", "output_file_id", *INTEGERS}
COLUMNS: Any = {name: {"data_type": kind, "nullable": name in OPTIONAL} for name, kind in TYPES.items()}
COLUMNS["finished_at"]["dedup_sort"] = "desc"  # of the rows of one run, the one that finished last


def arrow_tables(source: str) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import json

    types = {"text": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "bigint": pa.int64()}
    schema = pa.schema([(name, pa.string() if name in INSTANTS else types[kind]) for name, kind in TYPES.items()])
    typed = pa.schema([(name, types[kind]) for name, kind in TYPES.items()])
    options = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    for path in sorted(glob(source)):
        for batch in json.open_json(path, json.ReadOptions(block_size=16 << 20), options):
            yield pa.Table.from_batches([batch]).cast(typed)


def main() -> None:
    source, destination = called()
    destination.mkdir()
    path = os.path.abspath(source)
    if WAY == "arrow":
        runs = dlt.resource(arrow_tables(source), name="runs")
    else:
        files = filesystem(bucket_url=os.path.dirname(path), file_glob=os.path.basename(path))
        runs = (files | read_jsonl(chunksize=10_000)).with_name("runs")
    contract: Any = {"columns": "discard_value", "data_type": "freeze"}
    runs.apply_hints(columns=COLUMNS, primary_key="id", write_disposition="merge", schema_contract=contract)
    pipeline = dlt.pipeline(
        "runs",
        pipelines_dir=str(destination / "pipeline"),
        destination=dlt.destinations.duckdb(str(destination / "runs.duckdb")),
        dataset_name="polydoc",
    )
    pipeline.run(runs, loader_file_format="parquet" if WAY == "tuned" else None)
    stored()

    con = duckdb.connect(str(destination / "runs.duckdb"), read_only=True)

    def usage(key: str) -> list[dict[str, object]]:
        sql = DUCKDB_USAGE.format(key=key, runs="polydoc.runs")
        return con.sql(f"select * exclude quantiles from ({sql})").to_arrow_table().to_pylist()

    answered(by_account=usage("account_id"), by_language=usage("target_language"))


if __name__ == "__main__":
    main()

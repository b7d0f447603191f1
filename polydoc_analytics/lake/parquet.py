"""Rows of a query as Parquet files of a table of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from polydoc_analytics.ingest.manifest import FILE_ROWS, ROW_GROUP_ROWS
from polydoc_analytics.ingest.parquet import WRITE_OPTIONS
from polydoc_analytics.lake.schemas import table_schema

if TYPE_CHECKING:
    import duckdb


def write_table(rows: duckdb.DuckDBPyRelation, table: str, folder: Path, load: str) -> list[Path]:
    """Write a query's rows, in its order, as ``part-LOAD-N.parquet`` of a row group each and FILE_ROWS rows at most."""
    schema = table_schema(table)
    paths: list[Path] = []
    writer: pq.ParquetWriter | None = None
    written = 0
    try:
        for batch in rows.to_arrow_reader(ROW_GROUP_ROWS):
            if not batch.num_rows:
                continue
            if writer is None:
                paths.append(folder / f"part-{load}-{len(paths)}.parquet")
                writer = pq.ParquetWriter(paths[-1], schema, **WRITE_OPTIONS)
                written = 0
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            written += batch.num_rows
            if written + ROW_GROUP_ROWS > FILE_ROWS:
                writer.close()
                writer = None
    finally:
        if writer is not None:
            writer.close()
    return paths

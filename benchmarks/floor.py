"""The floor: what DuckDB needs to turn NDJSON into zstd Parquet without looking at it.

python benchmarks/floor.py SOURCE DEST
"""

import sys

import duckdb

source, destination = sys.argv[1:]
duckdb.sql(f"""
    copy (
        select * from read_json('{source}', format = 'newline_delimited', columns = {{
            account_id: 'VARCHAR', created_at: 'TIMESTAMPTZ', credits: 'BIGINT', finished_at: 'TIMESTAMPTZ',
            id: 'VARCHAR', input_file_id: 'VARCHAR', input_tokens: 'BIGINT', output_file_id: 'VARCHAR',
            output_tokens: 'BIGINT', status: 'VARCHAR', target_language: 'VARCHAR'
        }})
    ) to '{destination}' (format parquet, compression zstd)
""")

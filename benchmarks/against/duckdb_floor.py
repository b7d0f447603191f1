"""Hand-written DuckDB SQL that looks at nothing: the floor. Faults pass, and a run that was seen twice counts twice."""

import duckdb
from answers import DUCKDB_USAGE, answered, called, stored

source, destination = called()
destination.mkdir()
con = duckdb.connect()
con.execute("set timezone = 'UTC'")
con.execute(f"""
    copy (
        select * from read_json('{source}', format = 'newline_delimited', columns = {{
            account_id: 'VARCHAR', created_at: 'TIMESTAMPTZ', credits: 'BIGINT', finished_at: 'TIMESTAMPTZ',
            id: 'VARCHAR', input_file_id: 'VARCHAR', input_tokens: 'BIGINT', output_file_id: 'VARCHAR',
            output_tokens: 'BIGINT', status: 'VARCHAR', target_language: 'VARCHAR'
        }})
    ) to '{destination}/runs.parquet' (format parquet, compression zstd)
""")
stored()


def usage(key: str) -> list[dict[str, object]]:
    sql = DUCKDB_USAGE.format(key=key, runs=f"'{destination}/runs.parquet'")
    return con.sql(f"select * exclude quantiles from ({sql})").to_arrow_table().to_pylist()


answered(by_account=usage("account_id"), by_language=usage("target_language"))

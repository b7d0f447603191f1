"""Hand-written DuckDB SQL with the rules of a run: columns as JSON, so that nothing is cast before it is judged.

It stops at the first fault. Of a run that was seen twice it keeps the finished record.
"""

import duckdb
from answers import DUCKDB_USAGE, answered, called, stored

TEXTS = ("id", "account_id", "created_at", "status", "target_language", "input_file_id")
OPTIONAL_TEXTS = ("finished_at", "output_file_id")
INTEGERS = ("credits", "input_tokens", "output_tokens")
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)"

rules = [f"json_type({name}) = 'VARCHAR'" for name in TEXTS]
rules += [f"coalesce(json_type({name}), 'NULL') in ('VARCHAR', 'NULL')" for name in OPTIONAL_TEXTS]
rules += [f"coalesce(json_type({name}), 'NULL') in ('BIGINT', 'UBIGINT', 'NULL')" for name in INTEGERS]
rules += [
    "status ->> '$' in ('Running', 'Succeeded', 'Failed')",
    f"regexp_full_match(created_at ->> '$', '{INSTANT}')",
    f"coalesce(regexp_full_match(finished_at ->> '$', '{INSTANT}'), true)",
]
columns = ", ".join(f"{name}: 'JSON'" for name in (*TEXTS, *OPTIONAL_TEXTS, *INTEGERS))

source, destination = called()
destination.mkdir()
con = duckdb.connect()
con.execute("set timezone = 'UTC'")
con.execute("set preserve_insertion_order = false")
con.execute(f"set temp_directory = '{destination}.tmp'")
con.execute(f"""
    copy (
        select
            id ->> '$' as id,
            account_id ->> '$' as account_id,
            cast(created_at ->> '$' as timestamptz) as created_at,
            cast(finished_at ->> '$' as timestamptz) as finished_at,
            status ->> '$' as status,
            target_language ->> '$' as target_language,
            cast(credits as bigint) as credits,
            cast(input_tokens as bigint) as input_tokens,
            cast(output_tokens as bigint) as output_tokens,
            input_file_id ->> '$' as input_file_id,
            output_file_id ->> '$' as output_file_id
        from read_json('{source}', format = 'newline_delimited', columns = {{{columns}}})
        where case when {" and ".join(rules)} then true else error('no run: ' || coalesce(id ->> '$', 'without id')) end
        qualify row_number() over (
            partition by id order by status ->> '$' <> 'Running' desc, finished_at desc nulls last
        ) = 1
    ) to '{destination}/runs.parquet' (format parquet, compression zstd)
""")
stored()


def usage(key: str) -> list[dict[str, object]]:
    sql = DUCKDB_USAGE.format(key=key, runs=f"'{destination}/runs.parquet'")
    return con.sql(f"select * exclude quantiles from ({sql})").to_arrow_table().to_pylist()


answered(by_account=usage("account_id"), by_language=usage("target_language"))

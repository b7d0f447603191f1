"""Sail, an engine that speaks Spark Connect, started in this process and asked by Spark's own client.

Spark's reader takes what it can cast; required fields and the status are judged, and the job stops at a fault.
"""

from answers import answered, called, stored
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

SCHEMA = """id string, account_id string, created_at timestamp, finished_at timestamp, status string,
target_language string, credits bigint, input_tokens bigint, output_tokens bigint, input_file_id string,
output_file_id string"""

source, destination = called()
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
_, port = server.listening_address
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")

spark.read.schema(SCHEMA).json(source).createOrReplaceTempView("lines")
spark.sql("""
    select *, row_number() over (
        partition by id order by status <> 'Running' desc, finished_at desc nulls last
    ) as place
    from lines
    where case
        when id is not null and account_id is not null and created_at is not null and target_language is not null
            and input_file_id is not null and coalesce(status, '') in ('Running', 'Succeeded', 'Failed') then true
        else raise_error(concat('no run: ', coalesce(id, 'without id')))
    end
""").where("place = 1").drop("place").write.option("compression", "zstd").parquet(str(destination))
stored()

spark.read.parquet(str(destination)).createOrReplaceTempView("runs")


def usage(key: str) -> list[dict[str, object]]:
    return (
        spark.sql(f"""
            select
                {key}, runs, failed_runs, input_tokens, output_tokens, credits,
                failed_runs / finished_runs as failure_rate, p50_duration_s, p95_duration_s
            from (
                select
                    {key},
                    count(*) as runs,
                    count(*) filter (where status = 'Failed') as failed_runs,
                    count(*) filter (where status <> 'Running') as finished_runs,
                    sum(input_tokens) as input_tokens,
                    sum(output_tokens) as output_tokens,
                    sum(credits) as credits,
                    percentile(seconds, 0.5) filter (where status = 'Succeeded') as p50_duration_s,
                    percentile(seconds, 0.95) filter (where status = 'Succeeded') as p95_duration_s
                from (select *, (unix_micros(finished_at) - unix_micros(created_at)) / 1e6D as seconds from runs)
                group by {key}
            )
        """)
        .toArrow()
        .to_pylist()
    )


answered(by_account=usage("account_id"), by_language=usage("target_language"))
spark.stop()
server.stop()

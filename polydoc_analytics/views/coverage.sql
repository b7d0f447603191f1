-- How many finished runs know each field that may be unknown.
-- grain: one field
-- field: name of the column
-- known_runs: finished runs that know it
-- unknown_runs: finished runs that do not
-- known_share: known / (known + unknown), 0 to 1; null when no run is finished
with
counted as (
    select
        count(*) as finished_runs,
        count(finished_at) as finished_at_runs,
        count(credits) as credits_runs,
        count(input_tokens) as input_tokens_runs,
        count(output_tokens) as output_tokens_runs,
        count(output_file_id) as output_file_id_runs
    from {{facts}}
    where status <> 'Running'
),

fields as (
    select 1 as place, 'finished_at' as field, finished_at_runs as known_runs, finished_runs from counted
    union all
    select 2, 'credits', credits_runs, finished_runs from counted
    union all
    select 3, 'input_tokens', input_tokens_runs, finished_runs from counted
    union all
    select 4, 'output_tokens', output_tokens_runs, finished_runs from counted
    union all
    select 5, 'output_file_id', output_file_id_runs, finished_runs from counted
)

select
    field,
    known_runs,
    finished_runs - known_runs as unknown_runs,
    cast(known_runs as double) / nullif(finished_runs, 0) as known_share
from fields
order by place

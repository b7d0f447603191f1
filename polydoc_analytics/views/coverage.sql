-- How many finished runs know each field that may be unknown.
-- grain: one field
-- field: name of the column
-- known_runs: finished runs that know it
-- unknown_runs: finished runs that do not
-- known_share: known / (known + unknown), 0 to 1; null when no run is finished
with
counted as (
    select
        {{#fields}}
        count({{field}}) as {{field}}_runs,
        {{/fields}}
        count(*) as finished_runs
    from {{facts}}
    where status <> 'Running'
),

fields as (
    {{#fields}}
    {{union_all}}
    select {{place}} as place, '{{field}}' as field, {{field}}_runs as known_runs, finished_runs from counted
    {{/fields}}
)

select
    field,
    known_runs,
    finished_runs - known_runs as unknown_runs,
    cast(known_runs as double) / nullif(finished_runs, 0) as known_share
from fields
order by place

-- How long finished runs took{{title}}, Succeeded and Failed ones apart.
-- grain: {{grain}}
-- account_id: who is charged
-- language: BCP 47 tag of the target language; the text as sent where it is not recognised
-- status: Succeeded or Failed
-- account_name: name of the account; null where unknown
-- language_name: English name of the language; null where it is not recognised
-- runs: runs of this status whose finished_at is known
-- mean_duration_s: mean duration, seconds
-- min_duration_s: shortest duration, seconds
-- p50_duration_s: median duration, seconds, exact with linear interpolation at (n-1)p
-- p90_duration_s: 90th percentile, seconds
-- p95_duration_s: 95th percentile, seconds
-- p99_duration_s: 99th percentile, seconds
-- max_duration_s: longest duration, seconds
with
finished as (
    select
        {{#keys}}
        {{name}},
        {{/keys}}
        status,
        duration_us
    from {{facts}}
    where status <> 'Running' and duration_us is not null
),

measured as (
    select
        {{#keys}}
        {{name}},
        {{/keys}}
        status,
        count(*) as runs,
        sum(duration_us) as sum_us,
        min(duration_us) as min_us,
        max(duration_us) as max_us,
        quantile_cont(duration_us, [0.5, 0.9, 0.95, 0.99]) as quantiles_us
    from finished
    group by {{key_names}}
)

select
    {{#keys}}
    {{name}},
    {{/keys}}
    status,
    {{#names}}
    {{column}},
    {{/names}}
    runs,
    cast(sum_us as double) / runs / 1000000 as mean_duration_s,
    cast(min_us as double) / 1000000 as min_duration_s,
    quantiles_us[1] / 1000000 as p50_duration_s,
    quantiles_us[2] / 1000000 as p90_duration_s,
    quantiles_us[3] / 1000000 as p95_duration_s,
    quantiles_us[4] / 1000000 as p99_duration_s,
    cast(max_us as double) / 1000000 as max_duration_s
from measured
{{#names}}
left join {{table}} using ({{key}})
{{/names}}

-- Usage{{title}}: runs, failures, tokens, credits and durations.
-- grain: {{grain}}
-- account_id: who is charged
-- language: BCP 47 tag of the target language; the text as sent where it is not recognised
-- period: {{first_day}}
-- account_name: name of the account; null where unknown
-- language_name: English name of the language; null where it is not recognised
-- is_partial: whether the interval cuts the period, so that it cannot be compared with whole ones
-- runs: runs
-- succeeded_runs: runs that Succeeded
-- failed_runs: runs that Failed
-- running_runs: runs still Running
-- failure_rate: failed runs / (succeeded + failed runs), 0 to 1; null when neither
-- failure_rate_low: lower bound of its Wilson 95 % interval (Wilson 1927)
-- failure_rate_high: upper bound of its Wilson 95 % interval
-- input_tokens: sum of known input tokens; null when there are runs and none is known
-- output_tokens: sum of known output tokens; null when there are runs and none is known
-- total_tokens: sum of input and output tokens where either is known; any sum beyond 64 bits raises
-- runs_without_tokens: finished runs that lack either token count
-- credits: sum of known credits; null when there are runs and none is known
-- runs_without_credits: finished runs whose credits are unknown
-- credits_on_failed_runs: sum of known credits of Failed runs; null when there are such runs and none is known
-- credits_per_1k_tokens: credits per 1,000 tokens over runs that know credits and both token counts
-- mean_duration_s: mean duration of Succeeded runs, seconds
-- p50_duration_s: median duration of Succeeded runs, seconds, exact with linear interpolation at (n-1)p
-- p90_duration_s: 90th percentile of the duration of Succeeded runs, seconds
-- p95_duration_s: 95th percentile of the duration of Succeeded runs, seconds
-- p99_duration_s: 99th percentile of the duration of Succeeded runs, seconds
-- max_duration_s: longest duration of a Succeeded run, seconds
with
facts as (
    select
        {{#keys}}
        {{definition}},
        {{/keys}}
        status, credits, input_tokens, output_tokens, total_tokens,
        input_tokens is not null and output_tokens is not null as has_tokens,
        case when status = 'Succeeded' then duration_us end as succeeded_us
    from {{facts}}
),

-- What follows from other measures is left to the end: here, it would cost time for every run.
measured as (
    select
        {{#keys}}
        {{name}},
        {{/keys}}
        count(*) as runs,
        count(*) filter (where status = 'Succeeded') as succeeded_runs,
        count(*) filter (where status = 'Failed') as failed_runs,
        sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(credits) as credits,
        count(*) filter (where status <> 'Running' and not has_tokens) as runs_without_tokens,
        count(*) filter (where status <> 'Running' and credits is null) as runs_without_credits,
        sum(credits) filter (where status = 'Failed') as credits_on_failed_runs,
        sum(credits) filter (where has_tokens) as priced_credits,
        sum(total_tokens) filter (where has_tokens and credits is not null) as priced_tokens,
        count(succeeded_us) as timed_runs, sum(succeeded_us) as sum_us, max(succeeded_us) as max_us,
        quantile_cont(succeeded_us, [0.5, 0.9, 0.95, 0.99]) as quantiles_us
    from facts
    {{#is_grouped}}
    group by {{groups}}
    {{/is_grouped}}
),

rated as (
    select *,
        coalesce(input_tokens + output_tokens, input_tokens, output_tokens) as total_tokens,
        cast(failed_runs as double) as hits,
        cast(nullif(succeeded_runs + failed_runs, 0) as double) as tries
    from measured
),

{{>wilson_interval}}

select
    {{#keys}}
    {{name}},
    {{/keys}}
    {{#names}}
    {{column}},
    {{/names}}
    {{#is_by_period}}
    {{is_partial}} as is_partial,
    {{/is_by_period}}
    runs, succeeded_runs, failed_runs,
    runs - succeeded_runs - failed_runs as running_runs,
    rate as failure_rate, rate_low as failure_rate_low, rate_high as failure_rate_high,
    cast(case when runs = 0 then 0 else input_tokens end as bigint) as input_tokens,
    cast(case when runs = 0 then 0 else output_tokens end as bigint) as output_tokens,
    cast(case when runs = 0 then 0 else total_tokens end as bigint) as total_tokens,
    runs_without_tokens,
    cast(case when runs = 0 then 0 else credits end as bigint) as credits,
    runs_without_credits,
    cast(case when failed_runs = 0 then 0 else credits_on_failed_runs end as bigint) as credits_on_failed_runs,
    1000 * cast(priced_credits as double) / nullif(priced_tokens, 0) as credits_per_1k_tokens,
    cast(sum_us as double) / nullif(timed_runs, 0) / 1000000 as mean_duration_s,
    quantiles_us[1] / 1000000 as p50_duration_s, quantiles_us[2] / 1000000 as p90_duration_s,
    quantiles_us[3] / 1000000 as p95_duration_s, quantiles_us[4] / 1000000 as p99_duration_s,
    cast(max_us as double) / 1000000 as max_duration_s
from bounded
{{#names}}
left join {{table}} using ({{key}})
{{/names}}

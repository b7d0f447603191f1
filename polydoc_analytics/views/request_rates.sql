-- Requests{{title}}: how many succeeded, at which try, what failed attempts and extra successes cost, and the wait.
-- grain: {{grain}}
-- account_id: who is charged
-- language: BCP 47 tag of the target language; the text as sent where it is not recognised
-- period: {{first_day}} of the first run
-- account_name: name of the account; null where unknown
-- language_name: English name of the language; null where it is not recognised
-- is_partial: whether the interval cuts the period, so that it cannot be compared with whole ones
-- requests: requests whose first run was created in the interval, whatever the date basis
-- succeeded_requests: requests with a run that Succeeded
-- failed_requests: finished requests without one: given up
-- running_requests: requests without one, with a run still Running
-- repeat_requests: requests after one of the same account, language and file has succeeded
-- success_rate: succeeded / (succeeded + failed requests), 0 to 1; null when neither
-- success_rate_low: lower bound of its Wilson 95 % interval (Wilson 1927)
-- success_rate_high: upper bound of its Wilson 95 % interval
-- first_try_successes: requests whose first run Succeeded
-- first_try_rate: first_try_successes / (succeeded + failed requests), 0 to 1; null when neither
-- recovered_requests: requests whose first success stands behind a failure
-- recovery_rate: recovered / finished requests whose first finished run Failed, 0 to 1; null when there are none
-- attempts: runs of the requests
-- attempts_per_request: attempts / requests; null when there are none
-- credits: sum of known credits; null when there are requests and none is known
-- credits_on_failed_attempts: sum of known credits of Failed runs; null when there are such runs and none is known
-- extra_successes: Succeeded runs beyond the first of their request
-- credits_on_extra_successes: sum of their known credits; null when there are such runs and none is known
-- mean_wait_s: mean wait from the first creation to the earliest success of succeeded requests, seconds
-- p50_wait_s: median of that wait, seconds, exact with linear interpolation at (n-1)p
-- p95_wait_s: 95th percentile of that wait, seconds
with
measured as (
    select
        {{#keys}}
        {{definition}},
        {{/keys}}
        count(*) as requests,
        count(*) filter (where succeeded_runs > 0) as succeeded_requests,
        count(*) filter (where succeeded_runs = 0 and running_runs = 0) as failed_requests,
        count(*) filter (where request > 1) as repeat_requests,
        sum(first_try_successes) as first_try_successes,
        sum(recoveries) as recovered_requests,
        sum(attempts) as attempts,
        sum(failed_attempts) as failed_attempts,
        sum(credits) as credits,
        sum(failed_credits) as failed_credits,
        sum(case when succeeded_runs > 1 then succeeded_runs - 1 else 0 end) as extra_runs,
        sum(extra_credits) as extra_credits,
        count(wait_us) as timed_requests,
        sum(wait_us) as sum_us,
        quantile_cont(wait_us, [0.5, 0.95]) as quantiles_us
    from {{request_facts}}
    {{#is_grouped}}
    group by {{groups}}
    {{/is_grouped}}
),

rated as (
    select
        *,
        cast(succeeded_requests as double) as hits,
        cast(nullif(succeeded_requests + failed_requests, 0) as double) as tries
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
    requests,
    succeeded_requests,
    failed_requests,
    requests - succeeded_requests - failed_requests as running_requests,
    repeat_requests,
    rate as success_rate,
    rate_low as success_rate_low,
    rate_high as success_rate_high,
    cast(coalesce(first_try_successes, 0) as bigint) as first_try_successes,
    cast(first_try_successes as double) / tries as first_try_rate,
    cast(coalesce(recovered_requests, 0) as bigint) as recovered_requests,
    cast(recovered_requests as double) / nullif(recovered_requests + failed_requests, 0) as recovery_rate,
    cast(coalesce(attempts, 0) as bigint) as attempts,
    cast(attempts as double) / nullif(requests, 0) as attempts_per_request,
    cast(case when requests = 0 then 0 else credits end as bigint) as credits,
    cast(
        case when coalesce(failed_attempts, 0) = 0 then 0 else failed_credits end as bigint
    ) as credits_on_failed_attempts,
    cast(coalesce(extra_runs, 0) as bigint) as extra_successes,
    cast(case when coalesce(extra_runs, 0) = 0 then 0 else extra_credits end as bigint) as credits_on_extra_successes,
    cast(sum_us as double) / nullif(timed_requests, 0) / 1000000 as mean_wait_s,
    quantiles_us[1] / 1000000 as p50_wait_s,
    quantiles_us[2] / 1000000 as p95_wait_s
from bounded
{{#names}}
left join {{table}} using ({{key}})
{{/names}}

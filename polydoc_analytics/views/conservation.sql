-- Identities that must hold: the parts of a figure sum to the whole.
-- grain: one identity and measure
-- identity: which parts sum to which whole
-- measure: the column that is summed
-- parts: sum over the parts; null when no part knows it
-- whole: the whole; null when unknown
-- holds: whether both sides are equal
with
-- Each view is named once, and a total three times: some engines work a CTE out again wherever it is named.
total as (
    select
        runs,
        succeeded_runs + failed_runs + running_runs as runs_by_status,
        failed_runs,
        input_tokens,
        output_tokens,
        credits
    from usage
),

summed as (
    select
        3 as place,
        'accounts sum to total' as identity,
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_by_account
    union all
    select
        4,
        'languages sum to total',
        coalesce(sum(runs), 0),
        coalesce(sum(failed_runs), 0),
        case when count(*) = 0 then 0 else sum(input_tokens) end,
        case when count(*) = 0 then 0 else sum(output_tokens) end,
        case when count(*) = 0 then 0 else sum(credits) end
    from usage_by_language
    union all
    select
        5,
        'accounts and languages sum to total',
        coalesce(sum(runs), 0),
        coalesce(sum(failed_runs), 0),
        case when count(*) = 0 then 0 else sum(input_tokens) end,
        case when count(*) = 0 then 0 else sum(output_tokens) end,
        case when count(*) = 0 then 0 else sum(credits) end
    from usage_by_account_language
    union all
    select
        6,
        'days sum to total',
        coalesce(sum(runs), 0),
        coalesce(sum(failed_runs), 0),
        case when count(*) = 0 then 0 else sum(input_tokens) end,
        case when count(*) = 0 then 0 else sum(output_tokens) end,
        case when count(*) = 0 then 0 else sum(credits) end
    from usage_daily
    union all
    select
        7,
        'weeks sum to total',
        coalesce(sum(runs), 0),
        coalesce(sum(failed_runs), 0),
        case when count(*) = 0 then 0 else sum(input_tokens) end,
        case when count(*) = 0 then 0 else sum(output_tokens) end,
        case when count(*) = 0 then 0 else sum(credits) end
    from usage_weekly
    union all
    select
        8,
        'months sum to total',
        coalesce(sum(runs), 0),
        coalesce(sum(failed_runs), 0),
        case when count(*) = 0 then 0 else sum(input_tokens) end,
        case when count(*) = 0 then 0 else sum(output_tokens) end,
        case when count(*) = 0 then 0 else sum(credits) end
    from usage_monthly
),

measures as (
    select 1 as nth, 'runs' as measure
    union all
    select 2, 'failed_runs'
    union all
    select 3, 'input_tokens'
    union all
    select 4, 'output_tokens'
    union all
    select 5, 'credits'
),

identities as (
    select 1 as place, 1 as nth, 'statuses sum to runs' as identity, 'runs' as measure, runs_by_status as parts, runs as whole
    from total
    union all
    select 2, 1, 'rows read sum to runs', 'runs', (select count(*) from {{facts}}), runs from total
    union all
    select
        summed.place,
        measures.nth,
        summed.identity,
        measures.measure,
        case measures.nth
            when 1 then summed.runs
            when 2 then summed.failed_runs
            when 3 then summed.input_tokens
            when 4 then summed.output_tokens
            else summed.credits
        end,
        case measures.nth
            when 1 then total.runs
            when 2 then total.failed_runs
            when 3 then total.input_tokens
            when 4 then total.output_tokens
            else total.credits
        end
    from summed
    cross join measures
    cross join total
)

select
    identity,
    measure,
    cast(parts as bigint) as parts,
    cast(whole as bigint) as whole,
    parts is not distinct from whole as holds
from identities
order by place, nth

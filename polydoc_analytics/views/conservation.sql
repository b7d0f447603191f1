-- Identities that must hold: the parts of a figure sum to the whole.
-- grain: one identity and measure
-- identity: which parts sum to which whole
-- measure: the column that is summed
-- parts: sum over the parts; null when no part knows it
-- whole: the whole; null when unknown
-- holds: whether both sides are equal
with
total as (
    select
        runs,
        succeeded_runs,
        failed_runs,
        running_runs,
        input_tokens,
        output_tokens,
        credits
    from usage
),

by_account as (
    select
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_by_account
),

by_language as (
    select
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_by_language
),

by_account_language as (
    select
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_by_account_language
),

daily as (
    select
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_daily
),

weekly as (
    select
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_weekly
),

monthly as (
    select
        coalesce(sum(runs), 0) as runs,
        coalesce(sum(failed_runs), 0) as failed_runs,
        case when count(*) = 0 then 0 else sum(input_tokens) end as input_tokens,
        case when count(*) = 0 then 0 else sum(output_tokens) end as output_tokens,
        case when count(*) = 0 then 0 else sum(credits) end as credits
    from usage_monthly
),

identities as (
    select 1 as place, 'statuses sum to runs' as identity, 'runs' as measure,
        succeeded_runs + failed_runs + running_runs as parts, runs as whole
    from total
    union all
    select 2, 'rows read sum to runs', 'runs', (select count(*) from {{facts}}), runs from total
    union all
    select 3, 'accounts sum to total', 'runs', by_account.runs, total.runs from total cross join by_account
    union all
    select 4, 'accounts sum to total', 'failed_runs', by_account.failed_runs, total.failed_runs from total cross join by_account
    union all
    select 5, 'accounts sum to total', 'input_tokens', by_account.input_tokens, total.input_tokens from total cross join by_account
    union all
    select 6, 'accounts sum to total', 'output_tokens', by_account.output_tokens, total.output_tokens from total cross join by_account
    union all
    select 7, 'accounts sum to total', 'credits', by_account.credits, total.credits from total cross join by_account
    union all
    select 8, 'languages sum to total', 'runs', by_language.runs, total.runs from total cross join by_language
    union all
    select 9, 'languages sum to total', 'failed_runs', by_language.failed_runs, total.failed_runs from total cross join by_language
    union all
    select 10, 'languages sum to total', 'input_tokens', by_language.input_tokens, total.input_tokens from total cross join by_language
    union all
    select 11, 'languages sum to total', 'output_tokens', by_language.output_tokens, total.output_tokens from total cross join by_language
    union all
    select 12, 'languages sum to total', 'credits', by_language.credits, total.credits from total cross join by_language
    union all
    select 13, 'accounts and languages sum to total', 'runs', by_account_language.runs, total.runs from total cross join by_account_language
    union all
    select 14, 'accounts and languages sum to total', 'failed_runs', by_account_language.failed_runs, total.failed_runs from total cross join by_account_language
    union all
    select 15, 'accounts and languages sum to total', 'input_tokens', by_account_language.input_tokens, total.input_tokens from total cross join by_account_language
    union all
    select 16, 'accounts and languages sum to total', 'output_tokens', by_account_language.output_tokens, total.output_tokens from total cross join by_account_language
    union all
    select 17, 'accounts and languages sum to total', 'credits', by_account_language.credits, total.credits from total cross join by_account_language
    union all
    select 18, 'days sum to total', 'runs', daily.runs, total.runs from total cross join daily
    union all
    select 19, 'days sum to total', 'failed_runs', daily.failed_runs, total.failed_runs from total cross join daily
    union all
    select 20, 'days sum to total', 'input_tokens', daily.input_tokens, total.input_tokens from total cross join daily
    union all
    select 21, 'days sum to total', 'output_tokens', daily.output_tokens, total.output_tokens from total cross join daily
    union all
    select 22, 'days sum to total', 'credits', daily.credits, total.credits from total cross join daily
    union all
    select 23, 'weeks sum to total', 'runs', weekly.runs, total.runs from total cross join weekly
    union all
    select 24, 'weeks sum to total', 'failed_runs', weekly.failed_runs, total.failed_runs from total cross join weekly
    union all
    select 25, 'weeks sum to total', 'input_tokens', weekly.input_tokens, total.input_tokens from total cross join weekly
    union all
    select 26, 'weeks sum to total', 'output_tokens', weekly.output_tokens, total.output_tokens from total cross join weekly
    union all
    select 27, 'weeks sum to total', 'credits', weekly.credits, total.credits from total cross join weekly
    union all
    select 28, 'months sum to total', 'runs', monthly.runs, total.runs from total cross join monthly
    union all
    select 29, 'months sum to total', 'failed_runs', monthly.failed_runs, total.failed_runs from total cross join monthly
    union all
    select 30, 'months sum to total', 'input_tokens', monthly.input_tokens, total.input_tokens from total cross join monthly
    union all
    select 31, 'months sum to total', 'output_tokens', monthly.output_tokens, total.output_tokens from total cross join monthly
    union all
    select 32, 'months sum to total', 'credits', monthly.credits, total.credits from total cross join monthly
)

select
    identity,
    measure,
    cast(parts as bigint) as parts,
    cast(whole as bigint) as whole,
    parts is not distinct from whole as holds
from identities
order by place

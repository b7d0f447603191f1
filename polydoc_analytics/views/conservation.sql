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

parts as (
    {{#wholes}}
    {{union_all}}
    select {{place}} as place, runs, failed_runs, input_tokens, output_tokens, credits from {{view}}
    {{/wholes}}
),

summed as (
    select
        place,
        sum(runs) as runs,
        sum(failed_runs) as failed_runs,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(credits) as credits
    from parts
    group by place
),

named as (
    {{#wholes}}
    {{union_all}}
    select {{place}} as place, '{{parts}} sum to total' as identity
    {{/wholes}}
),

measures as (
    {{#measures}}
    {{union_all}}
    select {{place}} as place, '{{measure}}' as measure
    {{/measures}}
),

requests_of as (
    select 102 as place, 'accounts sum to requests' as identity, coalesce(sum(requests), 0) as requests
    from request_rates_by_account
    union all
    select 103, 'languages sum to requests', coalesce(sum(requests), 0)
    from request_rates_by_language
),

-- A view without rows has no sum, and its parts are 0; with rows of which none knows the measure they are unknown.
identities as (
    select 1 as place, 1 as measure_place, 'statuses sum to runs' as identity, 'runs' as measure,
        runs_by_status as parts, runs as whole
    from total
    union all
    select 2, 1, 'rows read sum to runs', 'runs', (select count(*) from {{facts}}), runs
    from total
    union all
    select named.place, measures.place, named.identity, measures.measure,
        case
            when summed.place is null then 0
            {{#measures}}
            when measures.measure = '{{measure}}' then summed.{{measure}}
            {{/measures}}
        end,
        case
            {{#measures}}
            when measures.measure = '{{measure}}' then total.{{measure}}
            {{/measures}}
        end
    from named
    cross join measures
    cross join total
    left join summed on named.place = summed.place
    union all
    select 101, 1, 'attempts sum to runs', 'attempts',
        (select coalesce(sum(attempts), 0) from {{all_request_facts}}),
        (select count(*) from {{all_runs}})
    union all
    select requests_of.place, 1, requests_of.identity, 'requests', requests_of.requests, request_rates.requests
    from requests_of
    cross join request_rates
)

select
    identity,
    measure,
    cast(parts as bigint) as parts,
    cast(whole as bigint) as whole,
    parts is not distinct from whole as holds
from identities
order by place, measure_place

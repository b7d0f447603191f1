with
repeated_places as (
{{repeated_places}}
),

chained as (
    select
        id,
        account_id,
        input_file_id,
        language,
        status,
        created_at,
        case when status = 'Succeeded' then greatest(created_at, coalesce(finished_at, created_at)) end as succeeded_at,
        credits,
        day,
        week,
        month
    from {{all_runs}}
    where hash(account_id, input_file_id, language) in (select place from repeated_places)
),

-- The id of the file comes first, since it tells kinds apart soonest.
neighbours as (
    select
        *,
        row_number() over (
            partition by input_file_id, language, account_id
            order by created_at, id
        ) as nth_run,
        count(succeeded_at) over (
            partition by input_file_id, language, account_id
            order by created_at, id
            rows between unbounded preceding and 1 preceding
        ) as earlier_successes,
        lag(succeeded_at) over (
            partition by input_file_id, language, account_id
            order by created_at, id
        ) as previous_succeeded_at,
        lead(created_at) over (
            partition by input_file_id, language, account_id
            order by created_at, id
        ) as next_created_at
    from chained
),

-- Few successes come after the next run of their kind was created. In all other kinds, the run after a success starts
-- a request, so that successes are counted and nothing more is put in order.
late as (
    select distinct hash(account_id, input_file_id, language) as place
    from neighbours
    where succeeded_at > next_created_at
),

late_neighbours as (
    select *
    from neighbours
    where hash(account_id, input_file_id, language) in (select place from late)
),

-- A success that comes late starts a request later: it stands between the runs, in the order of instants, and at one
-- instant before the runs that are created then.
events as (
    select
        created_at as happened_at,
        1 as is_creation,
        id,
        account_id,
        input_file_id,
        language,
        status,
        created_at,
        succeeded_at,
        case when previous_succeeded_at <= created_at then 1 else 0 end as is_after_success,
        credits,
        day,
        week,
        month
    from late_neighbours
    union all
    select
        succeeded_at,
        0,
        id,
        account_id,
        input_file_id,
        language,
        status,
        created_at,
        succeeded_at,
        0,
        credits,
        day,
        week,
        month
    from late_neighbours
    where succeeded_at > next_created_at
),

ordered as (
    select
        *,
        row_number() over (
            partition by input_file_id, language, account_id
            order by happened_at, is_creation, id
        ) as nth,
        lag(is_creation) over (
            partition by input_file_id, language, account_id
            order by happened_at, is_creation, id
        ) as is_after_creation
    from events
),

started as (
    select
        *,
        case when is_creation = 1 and (nth = 1 or is_after_success = 1 or is_after_creation = 0) then 1 else 0 end as is_start
    from ordered
),

numbered as (
    select
        *,
        sum(is_start) over (
            partition by input_file_id, language, account_id
            order by nth
            rows between unbounded preceding and current row
        ) as request,
        max(case when is_start = 1 then nth end) over (
            partition by input_file_id, language, account_id
            order by nth
            rows between unbounded preceding and current row
        ) as start_nth,
        max(case when is_creation = 1 and status = 'Succeeded' then nth end) over (
            partition by input_file_id, language, account_id
            order by nth
            rows between unbounded preceding and 1 preceding
        ) as earlier_success_nth
    from started
),

attempted as (
    select
        id,
        account_id,
        input_file_id,
        language,
        status,
        created_at,
        succeeded_at,
        credits,
        day,
        week,
        month,
        nth,
        request,
        is_start,
        case when status = 'Succeeded' and earlier_success_nth >= start_nth then 1 else 0 end as is_extra
    from numbered
    where is_creation = 1
    union all
    select
        id,
        account_id,
        input_file_id,
        language,
        status,
        created_at,
        succeeded_at,
        credits,
        day,
        week,
        month,
        nth_run,
        earlier_successes + 1,
        case when nth_run = 1 or previous_succeeded_at is not null then 1 else 0 end,
        0
    from neighbours
    where hash(account_id, input_file_id, language) not in (select place from late)
),

grouped as (
    select
        account_id,
        language,
        input_file_id,
        request,
        min(case when is_start = 1 then id end) as first_run_id,
        min(created_at) as first_created_at,
        min(day) as day,
        min(week) as week,
        min(month) as month,
        count(*) as attempts,
        count(*) filter (where status = 'Failed') as failed_attempts,
        count(*) filter (where status = 'Succeeded') as succeeded_runs,
        count(*) filter (where status = 'Running') as running_runs,
        max(case when is_start = 1 and status = 'Succeeded' then 1 else 0 end) as first_try_successes,
        min(case when status = 'Failed' then nth end) as failure_nth,
        min(case when status = 'Succeeded' then nth end) as success_nth,
        min(succeeded_at) as succeeded_at,
        sum(credits) as credits,
        sum(credits) filter (where status = 'Failed') as failed_credits,
        sum(credits) filter (where is_extra = 1) as extra_credits
    from attempted
    group by account_id, language, input_file_id, request
)

select
    account_id,
    language,
    input_file_id,
    cast(request as bigint) as request,
    first_run_id,
    first_created_at,
    day,
    week,
    month,
    attempts,
    failed_attempts,
    succeeded_runs,
    running_runs,
    first_try_successes,
    case when failure_nth < success_nth then 1 else 0 end as recoveries,
    succeeded_at,
    epoch_us(succeeded_at) - epoch_us(first_created_at) as wait_us,
    credits,
    failed_credits,
    extra_credits
from grouped
{{#is_bounded}}
where {{is_first_in_interval}}
{{/is_bounded}}
union all
select
    account_id,
    language,
    input_file_id,
    1,
    id,
    created_at,
    day,
    week,
    month,
    1,
    case when status = 'Failed' then 1 else 0 end,
    case when status = 'Succeeded' then 1 else 0 end,
    case when status = 'Running' then 1 else 0 end,
    case when status = 'Succeeded' then 1 else 0 end,
    0,
    case when status = 'Succeeded' then greatest(created_at, coalesce(finished_at, created_at)) end,
    case when status = 'Succeeded' then greatest(coalesce(epoch_us(finished_at) - epoch_us(created_at), 0), 0) end,
    credits,
    case when status = 'Failed' then credits end,
    null
from {{all_runs}}
where
    hash(account_id, input_file_id, language) not in (select place from repeated_places)
    {{#is_bounded}}
    and {{is_created_in_interval}}
    {{/is_bounded}}

-- Accounts with a run before the end of the interval: since when, until when, and how much in the interval.
-- grain: one account
-- account_id: who is charged
-- account_name: name of the account; null where unknown
-- first_run_at: instant of its first run, UTC, be it before the interval
-- last_run_at: instant of its last run before the end of the interval, UTC
-- runs: its runs in the interval
-- is_new: whether its first run is in the interval
-- days_since_last_run: whole days of 24 hours from its last run to now, or to the end of an interval that is over
with
spans as (
    select
        account_id,
        min(dated_at) as first_run_at,
        max(dated_at) as last_run_at,
        {{count_in_interval}} as runs
    from {{history}}
    group by account_id
)

select
    account_id,
    account_name,
    first_run_at,
    last_run_at,
    runs,
    {{is_new}} as is_new,
    cast(floor((epoch_us({{as_of}}) - epoch_us(last_run_at)) / 86400000000) as bigint) as days_since_last_run
from spans
left join account_names using (account_id)

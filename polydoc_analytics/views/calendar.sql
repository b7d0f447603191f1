-- Every day of the interval, for joining, so that a day, week or month without runs is a row too.
-- grain: one local day, from the first run's to the last run's where the interval has no bound
-- day: the local day
-- week: Monday of its week
-- month: first day of its month
-- weekday: 1 is Monday, 7 is Sunday
with
bounds as (
    {{bounds}}
),

digits as (
    select 0 as digit
    {{#digits}}
    union all select {{digit}}
    {{/digits}}
),

numbers as (
    select
        ones.digit
        {{#powers}}
        + {{value}} * {{power}}.digit
        {{/powers}}
        as number
    from digits as ones
    {{#powers}}
    cross join digits as {{power}}
    {{/powers}}
),

days as (
    select cast(first_day + cast(number as integer) as date) as day
    from bounds
    cross join numbers
    where number <= date_diff('day', first_day, last_day)
),

weeks as (
    select
        day,
        cast(date_trunc('week', day) as date) as week
    from days
)

select
    day,
    week,
    cast(date_trunc('month', day) as date) as month,
    date_diff('day', week, day) + 1 as weekday
from weeks

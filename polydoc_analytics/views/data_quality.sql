-- Runs that are valid but suspicious, by soft rule.
-- grain: one soft rule, with or without runs that it concerns
-- rule: name of the rule
-- meaning: what it says of a run
-- runs: runs that it concerns
-- example_id: the least id of such a run; null when there is none
with
charged as (
    select
        account_id,
        input_file_id,
        language
    from {{facts_with_language}}
    where status = 'Succeeded' and credits > 0
    group by account_id, input_file_id, language
    having count(*) > 1
),

charged_twice as (
    select facts.id
    from {{facts_with_language}} as facts
    inner join charged
        on facts.account_id = charged.account_id
        and facts.input_file_id = charged.input_file_id
        and facts.language = charged.language
    where facts.status = 'Succeeded' and facts.credits > 0
),

concerned as (
    select 'finished_before_created' as rule, id from {{facts}} where finished_at < created_at
    union all
    select 'running_with_finished_at', id from {{facts}} where status = 'Running' and finished_at is not null
    union all
    select 'succeeded_without_finished_at', id from {{facts}} where status = 'Succeeded' and finished_at is null
    union all
    select 'succeeded_without_output_file', id from {{facts}} where status = 'Succeeded' and output_file_id is null
    union all
    select 'succeeded_without_tokens', id from {{facts}}
    where status = 'Succeeded' and (input_tokens is null or output_tokens is null)
    union all
    select 'negative_number', id from {{facts}} where credits < 0 or input_tokens < 0 or output_tokens < 0
    union all
    select 'created_in_future', id from {{facts}} where created_at > {{now}}
    union all
    select 'empty_text', id from {{facts}}
    where
        trim(id) = ''
        or trim(account_id) = ''
        or trim(target_language) = ''
        or trim(input_file_id) = ''
        or trim(output_file_id) = ''
    union all
    select 'replaced_characters', id from {{facts}}
    where
        id like '%�%'
        or account_id like '%�%'
        or target_language like '%�%'
        or input_file_id like '%�%'
        or output_file_id like '%�%'
    union all
    select 'unknown_language', id from {{facts_with_language}} where not is_known_language
    union all
    select 'charged_twice', id from charged_twice
),

counted as (
    select
        rule,
        count(*) as runs,
        min(id) as example_id
    from concerned
    group by rule
)

select
    rules.rule,
    rules.meaning,
    coalesce(counted.runs, 0) as runs,
    counted.example_id
from ({{soft_rules}}) as rules
left join counted on rules.rule = counted.rule
order by rules.place

-- Runs that are valid but suspicious, by soft rule.
-- grain: one soft rule, with or without runs that it concerns
-- rule: name of the rule
-- meaning: what it says of a run
-- runs: runs that it concerns
-- example_id: the least id of such a run; null when there is none
with
-- Trimming is dear, and only a text that sorts before '!' can be blank.
flagged as (
    select
        id,
        finished_at < created_at as finished_before_created,
        status = 'Running' and finished_at is not null as running_with_finished_at,
        status = 'Succeeded' and finished_at is null as succeeded_without_finished_at,
        status = 'Succeeded' and output_file_id is null as succeeded_without_output_file,
        status = 'Succeeded' and (input_tokens is null or output_tokens is null) as succeeded_without_tokens,
        credits < 0 or input_tokens < 0 or output_tokens < 0 as negative_number,
        created_at > {{now}} as created_in_future,
        {{is_unlikely}} as unlikely_number,
        case
            when id < '!' or account_id < '!' or target_language < '!' or input_file_id < '!' or output_file_id < '!'
                then
                    trim(id) = ''
                    or trim(account_id) = ''
                    or trim(target_language) = ''
                    or trim(input_file_id) = ''
                    or trim(output_file_id) = ''
        end as empty_text,
        id like '%�%'
        or account_id like '%�%'
        or target_language like '%�%'
        or input_file_id like '%�%'
        or output_file_id like '%�%' as replaced_characters
    from {{facts}}
),

measured as (
    select
        count(*) filter (where finished_before_created) as finished_before_created_runs,
        min(id) filter (where finished_before_created) as finished_before_created_id,
        count(*) filter (where running_with_finished_at) as running_with_finished_at_runs,
        min(id) filter (where running_with_finished_at) as running_with_finished_at_id,
        count(*) filter (where succeeded_without_finished_at) as succeeded_without_finished_at_runs,
        min(id) filter (where succeeded_without_finished_at) as succeeded_without_finished_at_id,
        count(*) filter (where succeeded_without_output_file) as succeeded_without_output_file_runs,
        min(id) filter (where succeeded_without_output_file) as succeeded_without_output_file_id,
        count(*) filter (where succeeded_without_tokens) as succeeded_without_tokens_runs,
        min(id) filter (where succeeded_without_tokens) as succeeded_without_tokens_id,
        count(*) filter (where negative_number) as negative_number_runs,
        min(id) filter (where negative_number) as negative_number_id,
        count(*) filter (where created_in_future) as created_in_future_runs,
        min(id) filter (where created_in_future) as created_in_future_id,
        count(*) filter (where unlikely_number) as unlikely_number_runs,
        min(id) filter (where unlikely_number) as unlikely_number_id,
        count(*) filter (where empty_text) as empty_text_runs,
        min(id) filter (where empty_text) as empty_text_id,
        count(*) filter (where replaced_characters) as replaced_characters_runs,
        min(id) filter (where replaced_characters) as replaced_characters_id
    from flagged
),

unknown_language as (
    select
        count(*) as runs,
        min(id) as example_id
    from {{facts_with_language}}
    where not is_known_language
),

-- Numbers first: the texts of all runs at once would fill the memory.
candidates as (
    select hash(account_id, input_file_id, language) as place
    from {{facts_with_language}}
    where status = 'Succeeded' and credits > 0
    group by place
    having count(*) > 1
),

charged as (
    select
        id,
        count(*) over (partition by account_id, input_file_id, language) as times
    from {{facts_with_language}}
    where
        status = 'Succeeded'
        and credits > 0
        and hash(account_id, input_file_id, language) in (select place from candidates)
),

charged_twice as (
    select
        count(*) as runs,
        min(id) as example_id
    from charged
    where times > 1
),

counted as (
    select 'finished_before_created' as rule, finished_before_created_runs as runs, finished_before_created_id as example_id
    from measured
    union all
    select 'running_with_finished_at', running_with_finished_at_runs, running_with_finished_at_id from measured
    union all
    select 'succeeded_without_finished_at', succeeded_without_finished_at_runs, succeeded_without_finished_at_id
    from measured
    union all
    select 'succeeded_without_output_file', succeeded_without_output_file_runs, succeeded_without_output_file_id
    from measured
    union all
    select 'succeeded_without_tokens', succeeded_without_tokens_runs, succeeded_without_tokens_id from measured
    union all
    select 'negative_number', negative_number_runs, negative_number_id from measured
    union all
    select 'created_in_future', created_in_future_runs, created_in_future_id from measured
    union all
    select 'empty_text', empty_text_runs, empty_text_id from measured
    union all
    select 'replaced_characters', replaced_characters_runs, replaced_characters_id from measured
    union all
    select 'unknown_language', runs, example_id from unknown_language
    union all
    select 'charged_twice', runs, example_id from charged_twice
    union all
    select 'unlikely_number', unlikely_number_runs, unlikely_number_id from measured
)

select
    rules.rule,
    rules.meaning,
    counted.runs,
    counted.example_id
from ({{soft_rules}}) as rules
inner join counted on rules.rule = counted.rule
order by rules.place

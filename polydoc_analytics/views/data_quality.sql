-- Runs that are valid but suspicious, by soft rule.
-- grain: one soft rule, with or without runs that it concerns
-- rule: name of the rule
-- meaning: what it says of a run
-- runs: runs that it concerns
-- example_id: the least id of such a run; null when there is none
with
repeated_places as (
{{repeated_places}}
),

-- trim() is expensive, and only a text that sorts before '!' can be blank.
flagged as (
    select
        id,
        account_id,
        input_file_id,
        language,
        status = 'Succeeded' and credits > 0 and repeated_places.place is not null as is_perhaps_charged_twice,
        finished_at < created_at as finished_before_created,
        status = 'Running' and finished_at is not null as running_with_finished_at,
        status = 'Succeeded' and finished_at is null as succeeded_without_finished_at,
        status = 'Succeeded' and output_file_id is null as succeeded_without_output_file,
        status = 'Succeeded' and (input_tokens is null or output_tokens is null) as succeeded_without_tokens,
        credits < 0 or input_tokens < 0 or output_tokens < 0 as negative_number,
        created_at > {{now}} as created_in_future,
        false
        {{#integers}}
        or {{integer}} > {{most_likely_number}}
        or {{integer}} < -{{most_likely_number}}
        {{/integers}}
        as unlikely_number,
        case
            when
                false
                {{#texts}}
                or {{text}} < '!'
                {{/texts}}
                then
                    false
                    {{#texts}}
                    or trim({{text}}) = ''
                    {{/texts}}
        end as empty_text,
        false
        {{#texts}}
        or {{text}} like '%�%'
        {{/texts}}
        as replaced_characters,
        not is_known_language as unknown_language
    from {{facts_with_language}} as facts
    left join repeated_places on hash(account_id, input_file_id, language) = repeated_places.place
),

-- Few runs are suspicious, so that they alone are counted by each rule.
suspicious as (
    select *
    from flagged
    where
        is_perhaps_charged_twice
        {{#row_rules}}
        or {{rule}}
        {{/row_rules}}
),

measured as (
    select
        {{#row_rules}}
        count(*) filter (where {{rule}}) as {{rule}}_runs,
        min(id) filter (where {{rule}}) as {{rule}}_id,
        {{/row_rules}}
        count(*) as runs
    from suspicious
    where
        false
        {{#row_rules}}
        or {{rule}}
        {{/row_rules}}
),

charged as (
    select
        count(*) as times,
        min(id) as least_id
    from suspicious
    where is_perhaps_charged_twice
    group by account_id, input_file_id, language
    having count(*) > 1
),

charged_twice as (
    select
        cast(coalesce(sum(times), 0) as bigint) as runs,
        min(least_id) as example_id
    from charged
),

counted as (
    select 'charged_twice' as rule, runs, example_id from charged_twice
    {{#row_rules}}
    union all
    select '{{rule}}', {{rule}}_runs, {{rule}}_id
    from measured
    {{/row_rules}}
),

rules as (
    {{#rules}}
    {{union_all}}
    select
        {{place}} as place,
        '{{rule}}' as rule,
        {{meaning}} as meaning
    {{/rules}}
)

select
    rules.rule,
    rules.meaning,
    counted.runs,
    counted.example_id
from rules
inner join counted on rules.rule = counted.rule
order by rules.place

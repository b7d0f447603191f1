-- run_facts: the runs, each with its duration and its local day, week and month.
create view run_facts as
with
imported as (select {{imported}}, {{created_us}} as created_us from {{table}}),
numbered as (select *, {{day_number}} as day_number from imported),
dated as (
    select
        *,
        {{day}} as day,
        {{week}} as week
    from numbered
)
select
    {{columns}},
    coalesce(input_tokens + output_tokens, input_tokens, output_tokens) as total_tokens,
    {{finished_us}} - created_us as duration_us,
    day, week, {{month}} as month
from dated;

-- languages: the language of each text that was sent.
create view languages as
{{languages}};

-- language_names: the English name of each language.
create view language_names as
select distinct language, language_name
from languages
where is_known_language;

-- account_names: the name of each account.
create view account_names as
{{account_names}};

-- run_facts_with_language: the runs with their language, the text as sent where it is not recognised.
create view run_facts_with_language as
select
    run_facts.*,
    coalesce(languages.language, trim(run_facts.target_language)) as language,
    languages.language_name,
    coalesce(languages.is_known_language, false) as is_known_language
from run_facts
left join languages on run_facts.target_language = languages.target_language;

-- run_history: when each account had a run.
create view run_history as
select account_id, created_at as dated_at
from run_facts;

-- all_request_facts: every request with its attempts.
create view all_request_facts as
{{all_request_facts}};

-- request_facts: the requests of the interval, which is all of time.
create view request_facts as
select *
from all_request_facts;

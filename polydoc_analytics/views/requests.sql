-- Requests: runs of one account, file and language until one has succeeded, if the first of them is in the interval.
-- grain: one request
-- account_id: who is charged
-- account_name: name of the account; null where unknown
-- language: BCP 47 tag of the target language; the text as sent where it is not recognised
-- language_name: English name of the language; null where it is not recognised
-- input_file_id: id of the input file
-- request: 1, 2, … within account, language and file; a new one starts where a run has succeeded since the last attempt
-- first_run_id: id of its first run, by created_at and id
-- first_created_at: when that was created, UTC
-- day: local day of that
-- week: Monday of the local week of that
-- month: first day of the local month of that
-- outcome: succeeded if any run succeeded, else running if any runs, else failed
-- attempts: its runs, wherever they are
-- failed_attempts: its runs that Failed
-- succeeded_runs: its runs that Succeeded
-- running_runs: its runs still Running
-- is_recovered: whether its first success stands behind a failure, in the order of creation
-- is_repeat: whether an earlier request of the same kind has succeeded (request > 1)
-- succeeded_at: instant of the earliest success, UTC: the later of its run's finished_at and created_at; null without one
-- wait_s: from first_created_at to succeeded_at, seconds; null without a success
-- credits: sum of known credits of its runs; null when none is known
-- credits_on_failed_attempts: sum of known credits of its Failed runs; null when there are such runs and none is known
-- extra_successes: Succeeded runs beyond the first
-- credits_on_extra_successes: sum of their known credits; null when there are such runs and none is known
select
    account_id,
    account_name,
    language,
    language_name,
    input_file_id,
    request,
    first_run_id,
    first_created_at,
    day,
    week,
    month,
    case when succeeded_runs > 0 then 'succeeded' when running_runs > 0 then 'running' else 'failed' end as outcome,
    attempts,
    failed_attempts,
    succeeded_runs,
    running_runs,
    recoveries = 1 as is_recovered,
    request > 1 as is_repeat,
    succeeded_at,
    cast(wait_us as double) / 1000000 as wait_s,
    cast(credits as bigint) as credits,
    cast(case when failed_attempts = 0 then 0 else failed_credits end as bigint) as credits_on_failed_attempts,
    cast(case when succeeded_runs > 0 then succeeded_runs - 1 else 0 end as bigint) as extra_successes,
    cast(case when succeeded_runs > 1 then extra_credits else 0 end as bigint) as credits_on_extra_successes
from {{request_facts}}
{{#names}}
left join {{table}} using ({{key}})
{{/names}}

-- Every run in the interval, with its language and its place in the calendar.
-- grain: one run
-- id: unique id of the run
-- account_id: who is charged
-- created_at: when the run was created, UTC
-- finished_at: when it finished, UTC; null while Running
-- status: Running, Succeeded or Failed
-- target_language: target language, as the client sent it
-- credits: credits charged; null is unknown
-- input_tokens: tokens read; null is unknown
-- output_tokens: tokens written; null is unknown
-- input_file_id: id of the input file
-- output_file_id: id of the output file; null when there is none
-- language: BCP 47 tag of the target language; the text as sent where it is not recognised
-- language_name: English name of the language
-- total_tokens: input and output tokens where either is known
-- duration_s: finished_at less created_at, seconds; null where finished_at is unknown
-- day: local day of the run
-- week: Monday of the local week of the run
-- month: first day of the local month of the run
select
    id,
    account_id,
    created_at,
    finished_at,
    status,
    target_language,
    credits,
    input_tokens,
    output_tokens,
    input_file_id,
    output_file_id,
    language,
    language_name,
    total_tokens,
    cast(duration_us as double) / 1000000 as duration_s,
    day,
    week,
    month
from {{facts_with_language}}

-- What a load changes in a lake. One text for DuckDB and for Spark: each statement is a view over those above it.
--
-- Given are three views with the Run's columns:
--   incoming   the rows of the load
--   stored     the runs of the lake, with `load` (which brought the row) and `file` (the data file that holds it)
--   past       the rows of the history, with `load`, `superseded_by` and `is_corrected`
-- In double braces stand: the Run's columns; the order in which rows of one id win (WINNER_ORDER of ingest/dedup.py, which is
-- the merge rule and is written nowhere else); two comparisons of all columns in which null equals null; the load's
-- name; and whether its source is the authority on the present.
--
-- A lake is not changed by these statements: `new_rows` and `superseded` are what is to be written, and the commit
-- replaces the `touched` files by files of the `new_rows`.

-- staged: one row an id, the one of the incoming rows that holds.
create temporary view staged as
select {{columns}}
from (
    select {{columns}}, row_number() over (partition by id order by {{winner_order}}) as place
    from incoming
) as ranked
where place = 1;

-- split: an id that the incoming rows show finished in more than one way.
create temporary view split as
select id
from (select distinct {{columns}} from incoming where status <> 'Running') as finished
group by id
having count(*) > 1;

-- matched: a staged id that the lake holds, and the file that holds it.
create temporary view matched as
select id, file
from stored
semi join (select id from staged) as staged_ids using (id);

-- candidate_rows: the rows of the files that hold a matched run. An engine may name those files, to read no others.
create temporary view candidate_rows as
select {{columns}}, load
from stored
where file in (select file from matched);

-- changed: an id whose staged row is not the stored one.
create temporary view changed as
select staged.id
from candidate_rows
inner join staged on candidate_rows.id = staged.id
where {{is_changed}};

-- contest: the stored row of such an id, and the staged one as a challenger.
create temporary view contest as
select {{columns}}, load, false as is_staged
from candidate_rows
semi join changed using (id)
union all
select {{columns}}, '' as load, true as is_staged
from staged
semi join changed using (id);

-- updated: an id whose staged row replaces the stored one: it wins by the rule, or its source is the authority.
-- What an authority has corrected stays corrected when an old file is loaded once more.
create temporary view updated as
with
ranked as (
    select id, is_staged, row_number() over (partition by id order by {{winner_order}}, is_staged) as place
    from contest
),
corrected as (
    select contest.id
    from contest
    inner join past on contest.id = past.id
    where contest.is_staged and past.is_corrected and not {{is_authority}} and {{is_same}}
)
select id
from ranked
anti join corrected using (id)
where is_staged and (place = 1 or {{is_authority}});

-- conflicts: an id that was seen finished in more than one way, within the load or against the lake.
create temporary view conflicts as
select id from split
union
select id from contest group by id having bool_and(status <> 'Running');

-- touched: a file that holds an updated run, and how many of them; it is to be written again without them.
create temporary view touched as
select file, count(*) as runs
from matched
semi join updated using (id)
group by file;

-- touched_rows: the rows of those files. An engine may name them, to read no others.
create temporary view touched_rows as
select {{columns}}, load
from stored
where file in (select file from touched);

-- counts: one row. staged = inserted + matched, matched = updated + unchanged.
create temporary view counts as
select
    (select count(*) from staged) as staged,
    (select count(*) from matched) as matched,
    (select count(*) from updated) as updated,
    (select count(*) from conflicts) as conflicts;

-- superseded: a stored row that is replaced, as a row of the history.
create temporary view superseded as
select {{columns}}, load, '{{load}}' as superseded_by, {{is_authority}} as is_corrected
from contest
semi join updated using (id)
where not is_staged;

-- new_rows: a row to be written: a new or updated run, or one that stays of a touched file.
create temporary view new_rows as
select {{columns}}, '{{load}}' as load
from staged
anti join (select id from matched anti join updated using (id)) as stays using (id)
union all
select {{columns}}, load
from touched_rows
anti join updated using (id);

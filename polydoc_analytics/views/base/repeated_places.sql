-- Numbers first: the texts of all runs at once would fill the memory. A place that comes a second time is of several
-- runs; to count each would take longer.
select place
from (
    select
        place,
        row_number() over (partition by place order by place) as nth
    from (
        select hash(account_id, input_file_id, language) as place
        from {{runs}}
        {{#is_chosen}}
        where {{condition}}
        {{/is_chosen}}
    ) as hashed
) as numbered
where nth = 2

"""The SQL that engines share: what is taken means the same on them all, what is known to differ is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from support.paths import ROOT, SAMPLE

import polydoc_analytics as pda
from polydoc_analytics.views.dialects import portability

REFUSED = {
    "select * from runs qualify row_number() over (order by id) = 1 limit 1": "row_number() in a subquery",
    "select date_diff('second', created_at, finished_at) from runs": "epoch_us(b) - epoch_us(a)",
    "select epoch(created_at) from runs": "epoch_us(x) / 1000000",
    "select dayofweek(day) from runs": "date_diff('day', week, day)",
    "select isodow(day) from runs": "date_diff('day', week, day) + 1",
    "select log(credits) from runs": "log10() or ln()",
    "select sum(credits) over (order by day range between interval 3 day preceding and current row) from runs": "ROWS",
    "select runs from usage_daily group by all": "name the columns",
    "select * exclude (id) from runs": "name the columns",
    "select created_at at time zone 'Europe/Lisbon' from runs": "day, week and month are local",
    "select extract(epoch from created_at) from runs": "epoch_us(x)",
    "select strftime(day, '%Y') from runs": "cast(day as varchar)",
    "select cast(duration_s as bigint) from runs": "cast(floor(x) as bigint)",
    "select cast(credits / 3 as integer) from runs": "cast(floor(x) as bigint)",
    "select cast(created_at as varchar) from runs": "take the day",
    "select 'at ' || created_at from runs": "take the day",
    "select date_trunc('month', day) from runs": "cast(date_trunc",
    "select id from runs where id like 'a\\_%'": "strpos",
    "select any_value(id) from runs": "min() or arg_min()",
    "select hash(id) from runs": "compare the columns themselves",
    "select approx_quantile(credits, 0.5) from runs": "quantile_cont()",
    "select percentile_cont(0.5) within group (order by credits) from runs": "quantile_cont(x, 0.5)",
    "select current_date": "date '2026-10-31'",
    "select distinct on (account_id) id from runs": "row_number()",
    "select unnest([1, 2])": "not known to mean the same",
    "select id from runs using sample 3": "plain SELECTs",
    "select regexp_extract(id, 'a') from runs": "not known to mean the same",
    "select soundex(id) from runs": "not known to mean the same",
}
TAKEN = """
    count(*), count(credits), count(distinct language), sum(credits), sum(case when credits > 3 then 1 end)
    avg(credits), min(created_at), max(day), sum(duration_s), avg(duration_s)
    sum(credits) filter (where status = 'Failed'), median(credits), quantile_cont(duration_s, 0.9)
    stddev_samp(credits), stddev_pop(credits), stddev(credits), var_samp(credits), var_pop(credits)
    corr(input_tokens, output_tokens), regr_slope(output_tokens, input_tokens), arg_max(id, created_at)
    arg_min(id, created_at), bool_and(credits > 0), bool_or(credits > 5), count_if(credits > 5)
    sum(input_tokens) / sum(credits), sum(credits) / count(*), max(credits) // 2, min(credits) % 3, -sum(credits)
    sum(coalesce(credits, 0) * 2), sum(epoch_us(finished_at) - epoch_us(created_at))
    max(greatest(credits, input_tokens)), min(least(credits, output_tokens)), max(abs(credits)), max(sqrt(credits))
    max(ln(credits)), max(log10(credits)), max(exp(credits / 10)), max(pow(credits, 2)), max(floor(duration_s))
    max(ceil(duration_s)), max(round(duration_s, 1)), max(round(duration_s)), max(cast(floor(credits / 2) as bigint))
    max(lower(id)), max(upper(id)), max(length(id)), max(substr(id, 2, 3)), max(left(id, 2)), max(right(id, 2))
    max(replace(id, 'a', 'b')), max(trim(id || ' ')), max(concat(id, '-', null, account_id)), max(id || account_id)
    max(strpos(id, 'a')), sum(case when id like 'a%' then 1 end), sum(case when id ilike 'A%' then 1 end)
    sum(case when contains(id, 'a') then 1 end), max(nullif(credits, 3))
    sum(case when starts_with(id, 'a') then 1 else 0 end), max(if(credits > 3, 1, 0)), max(ifnull(credits, 0))
    max(year(day)), max(quarter(day)), max(month(day)), max(day(day)), max(hour(created_at))
    max(minute(created_at)), max(date_diff('day', week, day)), max(day + 1), max(make_date(2026, 1, 2))
    max(cast(day as varchar)), max(cast(date_trunc('month', day) as date))
    max(cast(date_trunc('week', day) as date)), max(cast(id as varchar)), max(try_cast('x' as bigint))
    max(try_cast('12' as bigint)), max(cast(credits as double)), max(cast(output_tokens as varchar))
    sum(case when credits between 2 and 4 then 1 end), sum(case when status in ('Failed', 'Running') then 1 end)
    sum(case when not status = 'Failed' then 1 end), max(it's), max('a\\nb'), max(cast(1.5 * credits as double))
    max(10 / 4), max(cast(credits * 1.25 as double)), cast(sum(credits * 0.5) as double), max(second(created_at))
    sum(case when credits > 1 and (credits < 4 or status = 'Failed') then 1 end), count(current_timestamp)
"""
WINDOWS = """
    row_number() over w, rank() over w, dense_rank() over w, ntile(4) over w, lag(credits) over w
    lead(credits, 2) over w, sum(credits) over w, avg(credits) over w, count(*) over w, percent_rank() over w
    cume_dist() over w, first_value(credits) over w, last_value(credits) over w, min(credits) over w
    sum(runs) over (order by id rows between 2 preceding and current row)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("portable") / "runs"
    pda.export(SAMPLE, folder)
    return str(folder)


def parts(text: str) -> list[str]:
    """Expressions parted by a comma and a space outside brackets."""
    found, depth, one = [], 0, ""
    for sign in text.replace("\n", ", "):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            found.append(one.strip())
            one = ""
        else:
            one += sign
    return [part.replace("it's", "'it''s'") for part in [*found, one.strip()] if part]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_known_to_differ_is_refused_with_what_to_write_instead(sql: str) -> None:
    with pytest.raises(pda.QueryError) as caught:
        portability.check(portability.parsed(sql))
    assert REFUSED[sql] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_query_is_still_one_for_duckdb(exported: str, sail: str) -> None:
    with pda.connect(exported) as here, pda.connect(exported, engine="spark", remote=sail) as there:
        for sql in REFUSED:
            if "sample" not in sql and "soundex" not in sql:
                here.sql(sql)
            with pytest.raises(pda.QueryError):
                there.sql(sql)


def test_what_is_taken_gives_the_same_names_types_and_values(exported: str, cluster: str) -> None:
    # Sail takes an aggregate of a cast, and one without, for two columns of one name: two queries.
    taken = [[one for one in parts(TAKEN) if ("cast(" in one) == is_cast] for is_cast in (False, True)]
    columns = [", ".join(f"{part} as c{n}" for n, part in enumerate(some)) for some in taken]
    windows = ", ".join(f"{part} as c{n}" for n, part in enumerate(parts(WINDOWS)))
    queries = [
        *(f"select account_id, {some} from runs group by account_id order by account_id" for some in columns),
        f"select id, {windows} from (select id, credits, 1 as runs from runs) as r"
        " window w as (order by id) order by id",
        "select language, runs from usage_by_language order by runs desc, language limit 3",
        "select credits, id from runs order by credits, id limit 5",
        "select credits, id from runs order by credits desc, id limit 5",
        "with f as (select * from runs where status = 'Failed') select f.language, count(*) as n, max(u.runs) as of_all"
        " from f left join usage_by_language as u on f.language = u.language group by f.language order by f.language",
        "select status, language, count(*) as n from runs group by grouping sets ((status), (language)) order by 1, 2",
        "select account_id from usage_by_account where exists (select 1 from runs where runs.account_id ="
        " usage_by_account.account_id and status = 'Failed') order by account_id",
        "select period, runs from usage_monthly union all select period, runs from usage_weekly order by period, runs",
        "from usage select runs, credits",
        "select account_id, string_agg(language, ', ' order by language) as languages from"
        " usage_by_account_language group by account_id order by account_id",
    ]
    with pda.connect(exported) as here, pda.connect(exported, engine="spark", remote=cluster) as there:
        for sql in queries:
            assert_frame_equal(here.sql(sql), there.sql(sql), rel_tol=1e-9)


def test_every_function_on_the_list_is_held_by_these_tests() -> None:
    from sqlglot import exp

    seen: set[str] = set()
    for part in (*parts(TAKEN), *parts(WINDOWS)):
        tree = portability.parsed(f"select {part} from runs window w as (order by id)")
        assert portability.differences(tree) == [], part
        seen |= {node.name.lower() if isinstance(node, exp.Anonymous) else node.key for node in tree.find_all(exp.Func)}
    seen |= {"exists", "groupconcat", "array"}  # in the queries above, and in the views
    assert portability._SAME - seen == set()


def test_the_documentation_lists_the_functions() -> None:
    page = ROOT / "docs" / "scaling-out.md"
    if not page.exists():
        pytest.skip("the documentation is not beside these tests")
    listed = page.read_text("utf-8").partition("<!-- functions -->")[2].partition("<!-- /functions -->")[0]
    assert set(re.findall(r"\w+", listed)) == set(re.findall(r"([a-z_0-9]+)\(", TAKEN + WINDOWS)) | {"string_agg"}


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_parquet('x.parquet')",
        "select * from 'x.parquet'",
        "select * from parquet.`/etc`",
        "select * from other.runs",
        "drop view usage",
        "select 1; select 2",
        "select",
        "insert into runs select * from runs",
        "select * from nothing",
    ],
)
def test_a_query_reads_the_views_and_nothing_else(sql: str, exported: str, sail: str) -> None:
    with (
        pda.connect(exported, engine="spark", remote=sail) as db,
        pytest.raises((pda.QueryError, pda.UsageError)) as caught,
    ):
        db.sql(sql)
    assert "\n" not in str(caught.value)


def test_a_text_with_any_signs_stays_itself(exported: str, cluster: str, tmp_path: Path) -> None:
    with pda.connect(exported) as here, pda.connect(exported, engine="spark", remote=cluster) as there:
        for text in ("it''s", "a\\nb", "back\\", "per%cent", "日本", '"', "${x}", "{{x}}", "--", "/* */"):
            sql = f"select '{text}' as x, strpos('{text}', '\\') as at from usage"
            assert here.sql(sql).equals(there.sql(sql)), text

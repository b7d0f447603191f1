"""The service's PostgreSQL: read from one moment, without a trace, and with one clear line where it cannot be read."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from support.postgres_server import PASSWORD, Postgres, uid
from support.repetitions import often, slow

import polydoc_analytics as pda
from polydoc_analytics.loaders.services import postgres as reader
from polydoc_analytics.loaders.services.postgres_dsn import parsed
from polydoc_analytics.loaders.validation import Rejected
from polydoc_analytics.model.schema import polars_schema

CANARIES = (PASSWORD, "canary", "p?ss-7c9e", "p%3Fss")


def taken(dsn: str, **how: Any) -> tuple[pl.DataFrame, list[Rejected]]:
    """All runs, by id, and all rejected rows."""
    batches = [batch for work in reader.read(dsn, source="db", **how) for batch in work.run()]
    frames = [pl.DataFrame(batch.runs) for batch in batches] or [polars_schema().to_frame()]
    return pl.concat(frames).sort("id"), [row for batch in batches for row in batch.rejected]


def refused(dsn: str, call: Any = taken, **how: Any) -> str:
    """The one line with which a reading fails, after a look for what must not be in it or behind it."""
    with pytest.raises(pda.PolydocError) as caught:
        call(dsn, **how)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not any(canary in shown for canary in CANARIES)
    return text


def rows(count: int, start: str = "2026-03-01 00:00:00+00", step: str = "1 hour") -> str:
    """Runs 1 to ``count``, an hour apart, each ten minutes long."""
    return f"""
        select
            lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 3), 32, '0')::uuid,
            timestamptz '{start}' + (n - 1) * interval '{step}',
            timestamptz '{start}' + (n - 1) * interval '{step}' + interval '10 minutes',
            'Succeeded', 'de', n, n * 10, n * 100, lpad(to_hex(n), 32, '0')::uuid, null
        from generate_series(1, {count}) as n
    """


def numbers(runs: pl.DataFrame) -> list[int]:
    return [int(text.replace("-", ""), 16) for text in runs["id"]]


def test_the_services_table_is_read_with_its_own_types(postgres: Postgres) -> None:
    postgres.table(
        rows=f"""values
        ('{uid(1)}', '{uid(7)}', '2026-03-01 12:00:00.123456+02', '2026-03-01 10:00:10+00', 'Succeeded', 'Deutsch "ü"',
         2147483647, 9223372036854775807, 12.00, '{uid(8)}', '{uid(9)}'),
        ('{uid(2)}', '{uid(7)}', '2026-03-01 10:00:00+00', null, 'Running', '', null, null, null, '{uid(8)}', null)"""
    )
    runs, rejected = taken(postgres.dsn())
    assert rejected == []
    assert runs.schema == polars_schema()
    first, second = runs.iter_rows(named=True)
    assert first == {
        "id": uid(1),
        "account_id": uid(7),
        "created_at": datetime(2026, 3, 1, 10, 0, 0, 123456, UTC),
        "finished_at": datetime(2026, 3, 1, 10, 0, 10, 0, UTC),
        "status": "Succeeded",
        "target_language": 'Deutsch "ü"',
        "credits": 2147483647,
        "input_tokens": 9223372036854775807,
        "output_tokens": 12,
        "input_file_id": uid(8),
        "output_file_id": uid(9),
    }
    assert (second["status"], second["target_language"]) == ("Running", "")
    assert [name for name, value in second.items() if value is None] == [
        "finished_at",
        "credits",
        "input_tokens",
        "output_tokens",
        "output_file_id",
    ]


def test_an_empty_table_has_no_runs(postgres: Postgres) -> None:
    postgres.table()
    runs, rejected = taken(postgres.dsn())
    assert (runs.height, rejected) == (0, [])


def test_any_table_or_query_of_the_same_columns_will_do(postgres: Postgres) -> None:
    postgres.table(rows=rows(3))
    postgres.do('create schema if not exists "Old Data"', 'grant usage on schema "Old Data" to reader')
    camel = """
        "createdAt" timestamptz, id text, "accountId" varchar(40), status text, "targetLanguage" char(2),
        "inputFileId" name, "inputTokens" int2, credits float8, extra jsonb
    """
    values = "values ('2026-03-01 10:00:00+00', 'x', 'acme', 'Failed', 'de', 'in', 7, 5, '{}')"
    postgres.table('"Old Data"."Runs.2025"', camel, values)
    for how in (
        {"table": '"Old Data"."Runs.2025"'},
        {"query": 'select * from "Old Data"."Runs.2025" ;\n'},
        {"query": 'select * from "Old Data"."Runs.2025" -- all of them'},
        {"query": 'with old as (select * from "Old Data"."Runs.2025")\nselect * from old'},
    ):
        runs, rejected = taken(postgres.dsn(), **how)
        assert rejected == []
        [run] = runs.iter_rows(named=True)
        assert (run["id"], run["account_id"], run["input_file_id"], run["target_language"]) == ("x", "acme", "in", "de")
        assert (run["credits"], run["input_tokens"], run["output_tokens"], run["finished_at"]) == (5, 7, None, None)
    for how in ({"table": "public.run"}, {"table": "run"}, {"table": "postgres.public.run"}):
        assert numbers(taken(postgres.dsn(), **how)[0]) == [1, 2, 3]


SINCE = datetime(2026, 3, 1, 5, tzinfo=UTC)


def test_what_is_new_is_what_was_created_or_finished_since_and_what_was_asked_for_each_once(postgres: Postgres) -> None:
    postgres.table(rows=rows(8))
    postgres.do(f"update run set finished_at = '2026-03-01 05:00:00+00' where id = '{uid(2)}'")
    assert numbers(taken(postgres.dsn(), since=SINCE)[0]) == [2, 6, 7, 8]
    asked = [uid(3), uid(6), uid(2), uid(3), uid(99), "no uuid", "", "x\"\\',{}", uid(10).upper(), "nul\0"]
    assert numbers(taken(postgres.dsn(), since=SINCE, ids=asked)[0]) == [2, 3, 6, 7, 8]
    assert numbers(taken(postgres.dsn(), since=SINCE, ids=iter(asked))[0]) == [2, 3, 6, 7, 8]
    assert numbers(taken(postgres.dsn(), ids=asked)[0]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_instant_is_the_same_whatever_its_zone_and_the_servers(postgres: Postgres) -> None:
    from zoneinfo import ZoneInfo

    postgres.table(rows=rows(8))
    postgres.do("alter role reader set timezone to 'America/Caracas'")
    try:
        assert numbers(taken(postgres.dsn(), since=SINCE.astimezone(ZoneInfo("Asia/Tokyo")))[0]) == [6, 7, 8]
        assert taken(postgres.dsn())[0]["created_at"].min() == datetime(2026, 3, 1, tzinfo=UTC)
    finally:
        postgres.do("alter role reader reset timezone")
    text = refused(postgres.dsn(), since=datetime(2026, 3, 1))
    assert text.startswith("since needs an instant with an offset")


def test_ids_of_any_text_are_asked_for_as_they_are(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_IDS_AT_ONCE", 3)
    odd = ["a", "B", "'", '"', "\\", "{}", "a,b", "null", "", " x ", "é\n", "$1"]
    columns = "id text, account_id text, created_at timestamptz, status text, target_language text, input_file_id text"
    postgres.table("public.odd", columns)
    for name in [*odd, "other"]:
        quoted = name.replace("'", "''")
        postgres.do(f"insert into odd values ('{quoted}', 'a', '2020-01-01 00:00:00+00', 'Running', 'de', 'in')")
    runs, _ = taken(postgres.dsn(), table="public.odd", since=SINCE, ids=odd)
    assert runs["id"].to_list() == sorted(odd)


def test_a_hundred_thousand_ids_may_be_asked_for(postgres: Postgres) -> None:
    postgres.table(rows=rows(5_000, step="1 second"))
    asked = [uid(n) for n in range(4_001, 104_001)]
    runs, _ = taken(postgres.dsn(), since=SINCE, ids=asked)
    assert numbers(runs) == list(range(4_001, 5_001))


NAIVE = "id text, account_id text, created_at timestamp, status text, target_language text, input_file_id text"


def test_times_without_a_zone_are_refused_unless_they_are_said_to_be_utc(postgres: Postgres) -> None:
    values = "n::text, 'a', timestamp '2026-03-01' + n * interval '1 hour', 'Running', 'de', 'in'"
    postgres.table("public.naive", NAIVE, f"select {values} from generate_series(3, 6) as n")
    text = refused(postgres.dsn(), table="public.naive")
    assert "the times in created_at have no time zone; pass --assume-utc if they are UTC" in text
    runs, _ = taken(postgres.dsn(), table="public.naive", assume_utc=True)
    assert runs["created_at"].min() == datetime(2026, 3, 1, 3, tzinfo=UTC)
    postgres.do("alter role reader set timezone to 'Asia/Tokyo'")
    try:
        runs, _ = taken(postgres.dsn(), table="public.naive", assume_utc=True, since=SINCE)
    finally:
        postgres.do("alter role reader reset timezone")
    assert runs["id"].to_list() == ["5", "6"]


def test_times_in_text_are_read_but_cannot_tell_what_is_new(postgres: Postgres) -> None:
    values = "values ('a', 'a', '2026-03-01T10:00:00+02:00', 'Running', 'de', 'in')"
    postgres.table("public.texts", NAIVE.replace("timestamp", "text"), values)
    runs, _ = taken(postgres.dsn(), table="public.texts")
    assert runs["created_at"].to_list() == [datetime(2026, 3, 1, 8, tzinfo=UTC)]
    text = refused(postgres.dsn(), table="public.texts", since=SINCE)
    assert "created_at is no timestamp, so what is new cannot be told; read a query that casts it, such as " in text
    hint = text.partition("such as ")[2].partition(",")[0]
    assert hint == '"created_at"::timestamptz as created_at'
    others = "id, account_id, status, target_language, input_file_id"
    query = f"select {others}, {hint} from public.texts"
    assert taken(postgres.dsn(), query=query, since=SINCE)[0]["id"].to_list() == ["a"]


def test_rows_that_are_no_runs_are_quarantined_and_the_rest_is_read(postgres: Postgres) -> None:
    columns = NAIVE.replace("timestamp", "timestamptz") + ", credits numeric"
    postgres.table(
        "public.loose",
        columns,
        """values
        ('a', 'x', '2026-03-01 10:00:00+00', 'Running', 'de', 'in', 1),
        ('b', 'x', '2026-03-01 10:00:00+00', 'Done', 'de', 'in', 1.5),
        ('c', null, '2026-03-01 10:00:00+00', 'Running', 'de', 'in', 'NaN'),
        ('d', 'x', 'infinity', 'Running', 'de', 'in', 99999999999999999999),
        ('e', 'x', '12026-03-01 10:00:00+00', 'Running', 'de', 'in', 0),
        ('f', 'x', '0044-03-15 10:00:00+00 BC', 'Failed', 'de', 'in', null),
        ('g', 'x', '-infinity', 'Failed', 'de', 'in', null)""",
    )
    runs, rejected = taken(postgres.dsn(), table="public.loose")
    assert runs["id"].to_list() == ["a"]
    outside = "created_at: lies outside the years 0001 to 9999 in UTC"
    assert [(row.line, row.reason.split("; credits: ")) for row in rejected] == [
        (2, ["status: 'Done' is not a run status; expected Running, Succeeded or Failed", "'1.5' is not an integer"]),
        (3, ["account_id: is required, but missing or null", "'NaN' is not an integer"]),
        (4, [outside, "'99999999999999999999' does not fit a 64-bit integer"]),
        (5, [outside]),
        (6, [outside]),
        (7, [outside]),
    ]
    assert {row.source for row in rejected} == {"db"}
    assert json.loads(rejected[0].raw)["status"] == "Done"
    assert json.loads(rejected[2].raw)["created_at"].endswith(" us since 1970")
    assert not any(canary in str(rejected) for canary in CANARIES)


@pytest.mark.parametrize(
    ("kind", "value", "cast", "expected"),
    [
        ("money", "'$1,234.00'", "numeric", 1234),
        ("price", "'5'", "numeric", 5),
        ("oid", "'3000000000'", "bigint", 3_000_000_000),
    ],
)
def test_a_type_whose_values_the_driver_changes_is_refused_with_the_cast_that_helps(
    kind: str, value: str, cast: str, expected: int, postgres: Postgres
) -> None:
    postgres.do("drop domain if exists price cascade", "create domain price as money")
    columns = NAIVE.replace("timestamp", "timestamptz") + f", credits {kind}"
    rows = f"values ('a', 'acme', '2026-03-01 10:00:00+00', 'Running', 'de', 'in', {value})"
    postgres.table("public.priced", columns, rows)
    text = refused(postgres.dsn(), table="public.priced")
    assert f"the column credits is of type {kind.replace('price', 'money')}, whose values would not arrive" in text
    hint = text.partition("such as ")[2]
    assert hint == f'"credits"::{cast} as credits'
    query = f"select id, account_id, created_at, status, target_language, input_file_id, {hint} from public.priced"
    assert taken(postgres.dsn(), query=query)[0]["credits"].to_list() == [expected]


@pytest.mark.parametrize("kind", ["json", "jsonb", "payload"])
def test_values_out_of_json_are_what_they_are_there(kind: str, postgres: Postgres) -> None:
    postgres.do("drop domain if exists payload cascade", "create domain payload as jsonb")
    texts = ("id", "account_id", "created_at", "status", "target_language", "input_file_id")
    columns = ", ".join(f"({kind}_of -> '{key}')::{kind} as {key}" for key in (*texts, "credits", "output_file_id"))
    values = [
        {"id": 'a"b', "account_id": "acme", "credits": 5, "output_file_id": None},
        {"id": "7", "account_id": "Ünal", "credits": None},
    ]
    usual = {"created_at": "2026-03-01T10:00:00Z", "status": "Running", "target_language": "de", "input_file_id": "in"}
    given = ", ".join(f"('{json.dumps(usual | value)}'::jsonb)" for value in values)
    query = f"select {columns} from (values {given}) as t ({kind}_of)"
    runs, rejected = taken(postgres.dsn(), query=query)
    assert rejected == []
    assert runs.select("id", "account_id", "status", "credits", "output_file_id").rows() == [
        ("7", "Ünal", "Running", None, None),
        ('a"b', "acme", "Running", 5, None),
    ]
    dated = f"select *, '2026-01-01'::timestamptz as \"createdAt\" from ({query}) as t".replace(
        "as created_at", "as at"
    )
    runs, _ = taken(postgres.dsn(), query=dated, since=SINCE, ids=['a"b', "b"])
    assert runs["id"].to_list() == ['a"b']
    names = f"select account_id, id as name from ({query}) as t union all select 'null'::{kind}, '1'::{kind}"
    assert reader.account_names(postgres.dsn(), names) == {"acme": 'a"b', "Ünal": "7"}


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        ("numeric", "12.5", "credits: '12.5' is not an integer"),
        ("numeric", "'NaN'", "is not an integer"),
        ("numeric", "1e19", "does not fit a 64-bit integer"),
        ("float8", "0.5", "is not a 64-bit integer"),
    ],
)
def test_a_number_that_is_no_integer_is_quarantined(kind: str, value: str, answer: str, postgres: Postgres) -> None:
    columns = NAIVE.replace("timestamp", "timestamptz") + f", credits {kind}"
    rows = f"values ('a', 'acme', '2026-03-01 10:00:00+00', 'Running', 'de', 'in', {value})"
    postgres.table("public.odd", columns, rows)
    runs, rejected = taken(postgres.dsn(), table="public.odd")
    assert runs.height == 0
    assert answer in rejected[0].reason


@pytest.mark.parametrize("value", ["infinity", "-infinity", "0044-03-15 10:00:00+00 BC", "12000-01-01 00:00:00+00"])
def test_an_instant_beyond_the_years_is_quarantined(value: str, postgres: Postgres) -> None:
    columns = NAIVE.replace("timestamp", "timestamptz")
    postgres.table("public.odd", columns, f"values ('a', 'acme', '{value}', 'Running', 'de', 'in')")
    runs, rejected = taken(postgres.dsn(), table="public.odd")
    assert runs.height == 0
    assert "lies outside the years 0001 to 9999" in rejected[0].reason


@pytest.mark.parametrize(
    ("column", "kind", "value", "message"),
    [
        ("status", "run_status[]", "'{Running}'", "the column status holds list<item: string>, expected text"),
        (
            "created_at",
            "interval",
            "'1 day'",
            "created_at holds month_day_nano_interval, expected timestamps",
        ),
        ("created_at", "date", "'2026-03-01'", "the column created_at holds date32[day], expected timestamps"),
        ("created_at", "time", "'10:00'", "the column created_at holds time64[us], expected timestamps"),
        ("created_at", "timestamp", "'2026-03-01 10:00:00'", "the times in created_at have no time zone"),
        ("id", "bigint", "7", "the column id holds int64, expected text"),
        ("account_id", "bytea", "'a'", "the column account_id holds binary, expected text"),
        ("status", "boolean", "true", "the column status holds bool, expected text"),
    ],
)
def test_a_type_that_cannot_hold_what_it_should_is_refused(
    column: str, kind: str, value: str, message: str, postgres: Postgres
) -> None:
    usual = {
        "id": ("text", "'a'"),
        "account_id": ("text", "'acme'"),
        "created_at": ("timestamptz", "'2026-03-01 10:00:00+00'"),
        "status": ("text", "'Running'"),
        "target_language": ("text", "'de'"),
        "input_file_id": ("text", "'in'"),
    }
    given = usual | {column: (kind, value)}
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in given.items())
    postgres.table("public.odd", columns, f"values ({', '.join(value for _, value in given.values())})")
    assert message in refused(postgres.dsn(), table="public.odd")


def test_all_rows_are_of_one_moment_however_long_the_reading_takes(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_BATCH_BYTES", 100_000)
    monkeypatch.setattr(reader, "_IDS_AT_ONCE", 4_000)
    many = often(40_000, 20_000)
    postgres.table(rows=rows(many, step="1 second"))
    asked = [uid(n) for n in range(1, 12_001)]
    since = datetime(2026, 3, 1, 3, 20, tzinfo=UTC)  # 12,000 seconds on: run 12,001, and runs 11,401 on finish later
    work = reader.read(postgres.dsn(), source="db", since=since, ids=asked)
    batches = next(work).run()
    postgres.do(
        "update run set status = 'Failed', credits = -1",
        f"delete from run where id < '{uid(6_000)}'",
        f"insert into run {rows(10).replace('(n)', '(n + 90000)')}",
    )
    batches += [batch for piece in work for batch in piece.run()]
    runs = pl.concat([pl.DataFrame(batch.runs) for batch in batches])
    assert len(batches) > 3
    assert sorted(numbers(runs)) == list(range(1, many + 1))
    assert runs["status"].unique().to_list() == ["Succeeded"]
    after, _ = taken(postgres.dsn())
    assert sorted(after["status"].unique()) == ["Failed", "Succeeded"]


def test_reading_can_change_nothing(postgres: Postgres) -> None:
    postgres.table(rows=rows(2))
    postgres.do(
        "create or replace function public.wipe() returns uuid language sql as 'delete from public.run returning id'"
    )
    query = "select wipe() as id, account_id, created_at, status, target_language, input_file_id from run"
    text = refused(postgres.dsn(user="postgres"), query=query)
    assert "cannot execute DELETE in a read-only transaction" in text
    text = refused(postgres.dsn(user="postgres"), query="delete from run returning *")
    assert "the query at " in text
    text = refused(postgres.dsn(user="postgres"), query="select * from run) as runs; drop table run; select (1")
    assert "the query at " in text
    assert numbers(taken(postgres.dsn())[0]) == [1, 2]


def test_a_reading_that_is_given_up_leaves_no_connection_behind(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_BATCH_BYTES", 100_000)
    postgres.table(rows=rows(40_000, step="1 second"))
    work = reader.read(postgres.dsn(), source="db")
    next(work)
    count = "select count(*) from pg_stat_activity where usename = 'reader'"
    assert postgres.do(count) == [(1,)]
    work.close()
    for _ in range(100):
        if postgres.do("select pg_sleep(0.02)", count) == [(0,)]:
            break
    else:
        raise AssertionError("the connection is still there")


@pytest.mark.parametrize("how", [slow("restart"), "terminate"])
def test_a_server_that_goes_away_in_mid_read_is_told_and_the_next_try_completes(
    how: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_BATCH_BYTES", 100_000)
    many = often(80_000, 30_000)
    postgres.table(rows=rows(many, step="1 second"))

    def interrupted(dsn: str) -> None:
        work = reader.read(dsn, source="db")
        next(work)
        if how == "restart":
            postgres.restart()
        else:
            postgres.do("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'")
        for piece in work:
            piece.run()

    assert refused(postgres.dsn(), interrupted) == (
        f"db: public.run at {postgres.socket}/postgres: the connection was lost in mid-read; nothing was taken over, "
        "try again"
    )
    assert taken(postgres.dsn())[0].height == many


def test_a_statement_that_takes_too_long_is_cancelled_and_told(postgres: Postgres) -> None:
    postgres.table(rows=rows(1))
    query = "select run.* from run, pg_sleep(20)"
    text = refused(postgres.dsn(), query=query, statement_timeout_s=0.2)
    assert "the statement was cancelled, by its time-out or by an administrator" in text
    assert taken(postgres.dsn(), statement_timeout_s=30)[0].height == 1


@pytest.fixture(scope="module")
def odd_tables(postgres: Postgres) -> None:
    """Tables that cannot be read as runs, or not by the reader."""
    postgres.table()
    postgres.table("public.secret")
    postgres.do("revoke select on secret from reader")
    postgres.table("public.short", NAIVE.replace(", input_file_id text", "").replace("timestamp", "timestamptz"))
    postgres.table("public.dates", NAIVE.replace("timestamp", "date"))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"table": "public.nothing"}, 'relation "public.nothing" does not exist; name a table that is there'),
        ({"table": "nowhere.run"}, 'relation "nowhere.run" does not exist; name a table that is there'),
        ({"table": "Run"}, 'relation "Run" does not exist; name a table that is there'),
        ({"table": "public.secret"}, "permission denied for table secret; grant SELECT on it to this user"),
        ({"table": "public.short"}, "has no column input_file_id; it has 'id, account_id, created_at, status, "),
        ({"table": "public.dates"}, "the column created_at holds date32[day], expected timestamps"),
        ({"query": "select 1 as id, 2 as id"}, "names the column id twice"),
        ({"query": "selekt * from run"}, 'syntax error at or near "from"; write one SELECT'),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    how: dict[str, str], message: str, postgres: Postgres, odd_tables: None
) -> None:
    name = how.get("table", "the query")
    text = refused(postgres.dsn(), **how)
    assert text.startswith(f"db: {name} at {postgres.socket}/postgres: ")
    assert message in text


@pytest.mark.parametrize("table", ["", ".", "a.", "a b", "a.b.c.d", '"a', "run; drop table run", "run\0"])
def test_a_name_that_is_none_of_a_table_is_refused(table: str) -> None:
    assert "is not the name of a table; expected one like public.run" in refused("postgresql://h/d", table=table)


def test_a_table_and_a_query_are_one_too_many() -> None:
    assert refused("postgresql://h/d", table="run", query="select 1") == "give a table or a query, not both"


def test_a_connection_that_is_refused_is_told_without_the_password(postgres: Postgres) -> None:
    place = f"{postgres.socket}/postgres"
    wrong = refused(postgres.dsn("wrong canary/@"))
    assert wrong == f'db: public.run at {place}: cannot connect: password authentication failed for user "reader"'
    pairs = f"host='{postgres.socket}' user=reader dbname=nodb password='{PASSWORD}'"
    assert 'cannot connect: database "nodb" does not exist' in refused(pairs)
    assert "cannot connect: a password is needed" in refused(f"host='{postgres.socket}' user=reader dbname=postgres")
    text = refused(f"postgresql://reader:{PASSWORD.replace('?', '%3F')}@127.0.0.1:1/runs")
    assert text.startswith("db: public.run at 127.0.0.1:1/runs: cannot connect: the connection is refused")
    text = refused(f"host=/no/such/folder password='{PASSWORD}'")
    assert "at /no/such/folder: cannot connect: there is no server at this socket" in text
    # Where the user's name is the password, the server's own words are not for showing.
    text = refused(f"host='{postgres.socket}' user=canary-user password=canary-user dbname=nodb")
    assert text.endswith("cannot connect: check the DSN")


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "canary",
        "canary of gold",
        "host=h password=canary p?ss-7c9e",
        "host=h password='canary",
        "postgresql://u:can@canary@h/d",
        "postgresql://u:can/canary@h/d",
        "postgresql://h:canary/d",
        "postgresql://u:canary@h/d?canary",
        "mysql://u:canary@h/d",
        "postgresql://[::canary/d",
    ],
)
def test_a_dsn_that_could_be_read_in_two_ways_is_refused_unseen(dsn: str) -> None:
    text = refused(dsn)
    assert text.startswith("the DSN of PostgreSQL is ")
    # Errors leave out what looks like a password, and the form that is expected must not be shortened by that.
    assert not dsn or "postgresql:// and behind it {user}:{password}@{host}:{port}/{database}, with @" in text


@pytest.mark.parametrize(
    ("dsn", "place", "secrets"),
    [
        ("postgresql://u:p%40ss@db.test:5433/runs", "db.test:5433/runs", {"p%40ss", "p@ss"}),
        ("postgres://db.test/runs?sslpassword=k7&sslmode=require", "db.test/runs", {"k7"}),
        ("postgresql://u:p:q?r#s@a:1,[::1]:2/d?connect_timeout=3", "a:1,[::1]:2/d", {"p:q?r#s"}),
        ("postgresql:///runs?host=%2Fvar%2Frun&port=5433", "/var/run:5433/runs", set()),
        ("postgresql://", "localhost", set()),
        (r"host = h dbname='a b' password='it\'s \\'", "its host", {"it's \\", r"it\'s \\"}),
        (r"dbname=d password=a\ b host=h", "h/d", {"a b", r"a\ b"}),
        ("service=reports", "reports", set()),
    ],
)
def test_a_dsn_shows_its_place_and_keeps_its_secrets(
    dsn: str, place: str, secrets: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    found = parsed(dsn)
    assert found.place == place
    assert set(found.secrets) - {dsn} == secrets
    assert all(found.safe(f"invalid value {secret.upper()}") == "" for secret in secrets)
    assert found.safe("fine") == "fine"
    assert not any(secret in repr(found) for secret in secrets)


@pytest.mark.parametrize("parameters", ["&", "&application_name=me@here", "&application_name=a%26b&", "&user=reader"])
def test_a_dsn_with_parameters_of_any_form_connects(parameters: str, postgres: Postgres) -> None:
    postgres.table(rows=rows(2))
    assert taken(postgres.dsn() + parameters)[0].height == 2


@pytest.mark.parametrize(
    ("dsn", "before"),
    [
        ("postgresql://h/d", "postgresql://h/d?"),
        ("postgresql://h/d?", "postgresql://h/d?"),
        ("postgresql://u:p?q@h/d", "postgresql://u:p?q@h/d?"),
        ("postgresql://h/d?user=me@server&sslmode=require&", "postgresql://h/d?user=me@server&sslmode=require&"),
    ],
)
def test_what_a_dsn_does_not_say_is_added_behind_it(dsn: str, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    added = "connect_timeout=10&keepalives_idle=60&fallback_application_name=polydoc-analytics"
    assert parsed(dsn).text == before + added


def test_passwords_in_the_environment_are_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary")
    assert parsed("postgresql://h/d").safe("it was canary") == ""


def test_a_database_in_another_encoding_is_read_as_what_it_says(postgres: Postgres) -> None:
    postgres.do(
        "drop database if exists latin", "create database latin encoding 'LATIN1' locale 'C' template template0"
    )
    query = """
        select 'a' as id, 'Café' as account_id, now() as created_at, 'Running' as status, 'de' as target_language,
            chr(233) as input_file_id
    """
    runs, _ = taken(postgres.dsn(database="latin"), query=query)
    assert runs.select("account_id", "input_file_id").row(0) == ("Café", "é")


def test_bytes_that_are_no_text_in_a_database_without_an_encoding_are_refused(postgres: Postgres) -> None:
    postgres.do("drop database if exists raw", "create database raw encoding 'SQL_ASCII' locale 'C' template template0")
    query = r"""
        select 'a' as id, E'Caf\351' as account_id, now() as created_at, 'Running' as status, 'de' as target_language,
            'in' as input_file_id
    """
    text = refused(postgres.dsn(database="raw"), query=query)
    assert "UTF" in text


def test_names_of_accounts_come_from_a_query(postgres: Postgres) -> None:
    query = f"""
        select * from (values ('{uid(1)}'::uuid, 'Acme'), ('{uid(1)}', 'Acme old'), ('{uid(2)}', null), (null, 'x'),
            ('{uid(3)}', 'Ünal & Co')) as t (account_id, name);
    """
    assert reader.account_names(postgres.dsn(), query) == {uid(1): "Acme old", uid(3): "Ünal & Co"}
    text = refused(postgres.dsn(), reader.account_names, query="select 1 as account_id, 2 as title")
    assert text == f"accounts: the query at {postgres.socket}/postgres: needs one column name; it has account_id, title"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    text = refused("postgresql://h/d")
    assert text == "db: PostgreSQL needs another package; pip install 'polydoc-analytics[postgres]'"


def test_nothing_is_logged(postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    postgres.table(rows=rows(3))
    taken(postgres.dsn())
    refused(postgres.dsn("wrong canary"))
    assert not any(canary in caplog.text for canary in CANARIES)

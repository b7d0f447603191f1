"""A user's own folder of views: one file a view, found, ordered, held against its header, and known everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from support.paths import SAMPLE
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.automation.alerts.evaluate import evaluate
from polydoc_analytics.cli import run
from polydoc_analytics.config.settings import settings
from polydoc_analytics.views import catalog
from polydoc_analytics.views.custom import BASE, catalog_with

BIG = """\
-- Accounts that used most credits.
-- grain: one account
-- account_id: who is charged
-- credits: sum of known credits
select account_id, credits
from usage_by_account
where credits > 4
"""
# big_share comes before big in the folder's order, and is built on it.
BIG_SHARE = """\
-- What part of all credits the big accounts used.
-- grain: the whole interval
-- share: from 0 to 1; null when no credits are known
with total as (select sum(credits) as credits from usage)
select cast(sum(big.credits) as double) / nullif(max(total.credits), 0) as share
from big cross join total
"""
ROWS = [wire("a"), wire("b"), wire("c", account_id="zeta", credits=4)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write views, by name, to the folder my_views/ of the working folder, and return its path."""
    monkeypatch.chdir(tmp_path)

    def write(**views: str) -> str:
        Path("my_views").mkdir(exist_ok=True)
        for name, text in views.items():
            Path("my_views", f"{name}.sql").write_text(text, "utf-8")
        return "my_views"

    return write


def test_a_view_takes_one_file_and_one_test(file, tmp_path: Path) -> None:
    """The one file, and below it the one test, which needs nothing but the package."""
    (tmp_path / "weekend.sql").write_text("""\
-- Runs on Saturdays and Sundays.
-- grain: one local day that has runs
-- day: the local day
-- runs: how many
select period as day, runs from usage_daily where dayofweek(period) in (0, 6)
""")
    runs = file([wire("a"), wire("b", created_at="2026-03-07T10:00:00Z"), wire("c", created_at="2026-03-07T11:00:00Z")])
    with pda.connect(runs, views=tmp_path) as db:
        assert db.view("weekend").rows() == [(date(2026, 3, 7), 2)]


def test_own_views_stand_beside_the_packages_in_every_way_of_asking(file, folder) -> None:
    with pda.connect(file(ROWS), views=folder(big=BIG, big_share=BIG_SHARE)) as db:
        assert db.view("big").rows() == [("acme", 6)]
        assert db.view("big_share").rows() == [(0.6,)]
        assert db.sql("select credits from big").item() == 6
        assert db.views()["view"].to_list() == [*catalog(), "big", "big_share"]
        assert db.views().row(-2) == ("big", "Accounts that used most credits.", "one account")
        assert db.describe("big").rows() == [
            ("account_id", "VARCHAR", "who is charged"),
            ("credits", "BIGINT", "sum of known credits"),
        ]
        comments = "select comment from duckdb_columns() where table_name = 'big' and column_name = 'credits'"
        assert db.duckdb.sql(comments).fetchall() == [("sum of known credits",)]
        with pytest.raises(pda.UsageError, match="unknown view 'bigg'; did you mean big"):
            db.view("bigg")
        with db.over(pda.interval(since="2027-01-01")) as later:
            assert later.view("big").height == 0


def test_without_a_folder_there_are_the_packages_views_alone(file) -> None:
    with pda.connect(file(ROWS)) as db:
        assert list(db.catalog) == list(catalog())


def test_an_own_view_is_ordered_by_its_keys_unless_it_says_how(file, folder) -> None:
    text = BIG.replace("where credits > 4\n", "")
    views = folder(keyed=text, ordered=text + "order by credits;  \n", commented=text + "; -- the end")
    with pda.connect(file([*ROWS, wire("d", account_id="beta", credits=9)]), views=views) as db:
        assert db.view("keyed")["account_id"].to_list() == ["acme", "beta", "zeta"]
        assert db.view("commented")["account_id"].to_list() == ["acme", "beta", "zeta"]
        assert db.view("ordered")["account_id"].to_list() == ["zeta", "acme", "beta"]


def test_an_own_views_sql_stays_as_it_is_written(file, folder) -> None:
    text = "-- T.\n-- grain: one\n-- text: as it stands\nselect '{{facts}}\n\n  x' as text\n"
    with pda.connect(file(ROWS), views=folder(plain=text)) as db:
        assert db.view("plain").item() == "{{facts}}\n\n  x"


HEADER = "-- T.\n-- grain: one account\n-- x: some\n"
WRONG = {
    "select 1": "my_views/big.sql:1: a view begins with a comment",
    "-- T.\n-- one row\nselect 1": "my_views/big.sql:2: expected `-- grain: …`",
    "-- T.\n-- grain: one\n-- X: some\nselect 1 as x": "my_views/big.sql:3: expected `-- column: meaning`",
    HEADER + "-- x: again\nselect 1 as x": "my_views/big.sql:4: column 'x' is described twice",
    HEADER: "my_views/big.sql:4: expected exactly one SELECT",
    HEADER + "select 1 as x; select 2 as x": "my_views/big.sql:4: expected exactly one SELECT",
    HEADER + "drop view usage": "my_views/big.sql:4: expected a SELECT",
    HEADER + "select\n    'é' as x\nfrom from": "my_views/big.sql:6: syntax error",
    HEADER + "\nselect runs as x\nfrom usge": "my_views/big.sql:6: Catalog Error: Table with name usge does not exist",
    HEADER + "select\n    nope as x from usage": 'my_views/big.sql:5: Binder Error: Referenced column "nope" not found',
    HEADER + "select ? as x": "my_views/big.sql:4: ",
    "-- T.\n-- grain: one\n-- y: some\n-- x: some\nselect runs as y from usage":
        "my_views/big.sql:4: column 'x' is described but not selected; the SELECT has y",
    HEADER + "select 1 as x, 2 as y": "my_views/big.sql:3: column 'y' is selected but not described; add a line `-- y:",
    HEADER + "select 1 as X": "my_views/big.sql:3: column 'x' is described but not selected; the SELECT has X",
    "-- T.\n-- grain: one\n-- y: some\n-- x: some\nselect 1 as x, 2 as y":
        "my_views/big.sql:3: column 'y' is described where 'x' is selected",
    HEADER + "select x\nfrom Big": "my_views/big.sql:5: views build on each other in a circle: big on big",
}  # fmt: skip


@pytest.mark.parametrize("text", list(WRONG))
def test_a_file_that_is_no_view_is_an_error_with_file_and_line(file, folder, text: str) -> None:
    with pytest.raises(pda.PolydocError) as caught:
        pda.connect(file(ROWS), views=folder(big=text))
    message = str(caught.value).replace("\\", "/")
    assert message.startswith(WRONG[text])
    assert "\n" not in message


def test_views_in_a_circle_are_named(folder) -> None:
    text = HEADER + "with recursive t as (select 1 as x)\nselect x from {}"
    views = folder(a=text.format("b"), b=text.format("c"), c=text.format("a"))
    with pytest.raises(pda.UsageError, match=r"c\.sql:5: views build on each other in a circle: a on b on c on a"):
        catalog_with(views)


def test_a_name_of_a_with_clause_is_no_view(file, folder) -> None:
    # first has a WITH clause called second, and second is built on first: no circle. And usage hides itself.
    first = HEADER + "with second as (select 1 as x), usage as (select runs from usage)\nselect x from second, usage"
    with pda.connect(file(ROWS), views=folder(first=first, second=HEADER + "select x from first")) as db:
        assert db.view("second").item() == 1


@pytest.mark.parametrize(
    "name", ["usage", "runs", "run_facts", "kept_places", "about", "select", "Big", "two words", "1st"]
)
def test_a_name_that_is_taken_or_no_name_is_refused(folder, name: str) -> None:
    with pytest.raises(pda.UsageError, match=r"my_views.*\.sql:1: .*rename the file"):
        catalog_with(folder(**{name: BIG}))


def test_the_names_of_base_tables_are_those_of_a_connection(file) -> None:
    with pda.connect(file(ROWS)) as db:
        names = (
            "select view_name from duckdb_views() where not internal union all select table_name from duckdb_tables()"
        )
        assert {name for (name,) in db.duckdb.sql(names).fetchall()} - catalog().keys() <= set(BASE)


def test_a_folder_without_views_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(pda.SourceError, match="no folder of views can be read"):
        catalog_with(tmp_path / "nowhere")
    with pytest.raises(pda.SourceError, match="holds no view"):
        catalog_with(tmp_path)
    (tmp_path / "latin.sql").write_bytes(BIG.replace("most", "m\xf6st").encode("latin-1"))
    with pytest.raises(pda.SourceError, match=r"latin\.sql: is not UTF-8"):
        catalog_with(tmp_path)


def test_a_view_that_fails_leaves_no_temporary_files(file, folder, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    with pytest.raises(pda.QueryError):
        pda.connect(file(ROWS), views=folder(big=HEADER + "select nope as x from usage"))
    assert not list((tmp_path / "scratch").iterdir())


def printed(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(list(arguments)) == 0
    return json.loads(capfd.readouterr().out)["data"]


def test_the_command_line_knows_them_by_flag_setting_and_environment(
    file, folder, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, views = file(ROWS), folder(big=BIG, big_share=BIG_SHARE)
    sql = "select * from big"
    assert printed(capfd, "query", runs, sql, "--views", views, "--json") == [{"account_id": "acme", "credits": 6}]
    assert printed(capfd, "views", "--views", views, "--json")[-2:] == [
        {"view": "big", "grain": "one account"},
        {"view": "big_share", "grain": "the whole interval"},
    ]
    assert printed(capfd, "views", "big", "--views", views, "--json")[1]["meaning"] == "sum of known credits"
    assert run(["views", "big", "--sql", "--views", views]) == 0
    statement = (
        f"create or replace view big as\n{BIG[BIG.index('select acc') :]};\n"
        "comment on view big is 'Accounts that used most credits. Grain: one account.';\n"
        "comment on column big.account_id is 'who is charged';\n"
        "comment on column big.credits is 'sum of known credits';\n"
    )
    assert capfd.readouterr().out.endswith(f";\n\n{statement}")
    assert run(["query", runs, sql]) == 2
    assert run(["views", "big"]) == 2
    capfd.readouterr()
    monkeypatch.setenv("POLYDOC_ANALYTICS_VIEWS", views)
    assert len(printed(capfd, "query", runs, sql, "--json")) == 1
    monkeypatch.delenv("POLYDOC_ANALYTICS_VIEWS")
    Path("settings").mkdir()
    Path("settings/a.toml").write_text('views = "../my_views"\n')
    assert len(printed(capfd, "query", runs, sql, "--json", "--config", "settings/a.toml")) == 1
    assert run(["report", runs, "--views", views, "--kind", "languages", "--format", "json", "--out", "out", "-q"]) == 0
    assert run(["report", runs, "--views", "nowhere"]) == 2
    assert run(["usage", runs, "--config", "settings/a.toml", "--quiet"]) == 0


ALERT = """
views = "my_views"
[[alerts]]
name = "dear"
view = "dear"
measure = "per_run"
above = 3
"""
DEAR = """\
-- Credits a run.
-- grain: one account
-- account_id: who is charged
-- runs: how many
-- per_run: credits a run
-- word: no number
select account_id, runs, credits / nullif(runs, 0) as per_run, 'x' as word from usage_by_account
"""


def test_an_alert_watches_an_own_view_over_its_window(folder, tmp_path: Path) -> None:
    folder(dear=DEAR)
    (tmp_path / "runs.ndjson").write_bytes(
        ndjson([*ROWS, wire("z", account_id="zeta", created_at="2026-02-01T10:00:00Z")])
    )
    lake = pda.Lake(tmp_path / "lake")
    lake.ingest(tmp_path / "runs.ndjson")
    now = datetime(2026, 3, 3, 7, tzinfo=UTC)

    def found(text: str) -> Any:
        (tmp_path / "a.toml").write_text(text)
        chosen = settings(str(tmp_path / "a.toml"), {})
        return evaluate(lake, chosen, plans(chosen), now)

    [finding] = found(ALERT)
    assert finding.what == "zeta: per_run 4 is above 3"
    for change, message in {
        ('"per_run"', '"word"'): "view dear: word is no number",
        ('"per_run"', '"failure_rate"'): "unknown measure 'failure_rate'",
        ("above = 3", 'kind = "change"\nrises = 0.5'): "expected a usage_daily view",
    }.items():
        with pytest.raises(pda.UsageError, match=message):
            found(ALERT.replace(*change))
    folder(dear=DEAR.replace("-- account_id: who is charged\n", "").replace("account_id, runs", "runs"))
    with pytest.raises(pda.UsageError, match="view dear: has several rows of one interval"):
        found(ALERT)
    folder(dear=DEAR.replace("runs: how many", "n: how many").replace("account_id, runs,", "account_id, runs as n,"))
    with pytest.raises(pda.UsageError, match="one of your own that has runs and no period"):
        found(ALERT)


def test_own_views_over_the_sample_hold_the_packages_figures(folder) -> None:
    same = "-- T.\n-- grain: one account\n-- account_id: who\n-- runs: how many\n"
    same += "select account_id, count(*) as runs from runs group by account_id"
    with pda.connect(SAMPLE, views=folder(counted=same)) as db:
        assert db.view("counted").equals(db.view("usage_by_account").select("account_id", "runs"))


@pytest.mark.parametrize(
    "statement",
    [
        "copy runs to 'written.csv'",
        "select 1 as x; copy runs to 'written.csv'",
        "explain analyze copy runs to 'written.csv'",
        "attach 'written.db'",
        "with gone as (delete from runs returning *) select count(*) as x from gone",
        "select x from query('copy (select 1) to ''written.csv''')",
        "select content as x from read_text('runs.ndjson')",
    ],
)
def test_a_view_only_reads_the_views(folder, statement: str) -> None:
    views = folder(big=HEADER + statement)
    with pytest.raises(pda.UsageError, match=r"big\.sql:\d+: expected (a|exactly one) SELECT"):
        catalog_with(views)
    assert not list(Path().rglob("written*"))

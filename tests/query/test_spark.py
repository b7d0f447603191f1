"""The same views, the same figures, on a cluster over Spark Connect: Sail here, Apache Spark too where it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.clusters import LONG_PLANNED, SLOW, Meter, few
from support.paths import REAL_RUNS, SAMPLE
from support.repetitions import Soak, slow
from support.runs import wire
from support.some_views import ONE_OF_EACH

import polydoc_analytics as pda
from polydoc_analytics import views
from polydoc_analytics.cli import run
from polydoc_analytics.query.engines.spark import SparkEngine

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FLOATS = 1e-9


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample as `export` writes it, in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("with space") / "runs"
    pda.export(SAMPLE, folder)
    return str(folder)


@pytest.fixture
def exporting(tmp_path: Path, file: Any) -> Any:
    def exporting(rows: list[dict[str, Any]]) -> str:
        pda.export(file(rows), tmp_path / "few", overwrite=True)
        return str(tmp_path / "few")

    return exporting


def same(here: pda.Database, there: pda.Database, name: str) -> None:
    """Hold that a view is the same on both: names, types, counts and sums exactly, doubles to 1e-9."""
    frames = [db.view(name) for db in (here, there)]
    if name == "runs":
        frames = [frame.sort("id") for frame in frames]
    assert_frame_equal(*frames, rel_tol=FLOATS, abs_tol=1e-12)


def both(source: str, remote: str, **choices: Any) -> Iterator[tuple[pda.Database, pda.Database]]:
    with (
        pda.connect(source, now=NOW, **choices) as here,
        pda.connect(source, now=NOW, **choices, engine="spark", remote=remote) as there,
    ):
        yield here, there


one_view_in = pytest.mark.parametrize("every", [3, slow(1)])
"""Every third view, or all: a cluster plans each of them at length."""


def test_every_view_of_the_sample_is_the_same(exported: str, cluster: str) -> None:
    for here, there in both(exported, cluster, timezone="Europe/Lisbon"):
        # Of Sail the tests below ask others of other runs, and `just soak` all of these.
        some = views.catalog() if cluster in SLOW or Soak.is_on else (*ONE_OF_EACH, "conservation")
        for name in some:
            if name not in LONG_PLANNED or cluster not in SLOW:
                same(here, there, name)


def test_apache_spark_has_the_views_that_it_plans_for_long(exported: str, apache_spark: str) -> None:
    """With the test before, all views."""
    for here, there in both(exported, apache_spark, timezone="Europe/Lisbon"):
        for name in LONG_PLANNED:
            same(here, there, name)


@one_view_in
def test_views_of_the_real_calls_are_the_same(every: int, cluster: str, tmp_path: Path) -> None:
    pda.export(REAL_RUNS, tmp_path / "runs")
    for here, there in both(str(tmp_path / "runs"), cluster, timezone="Asia/Kathmandu"):
        for name in list(views.catalog())[::every]:
            same(here, there, name)


ZONED = [name for name in views.catalog() if name.split("_")[1:2] in (["daily"], ["weekly"], ["monthly"])]
ZONES = ("Australia/Lord_Howe", "Europe/Lisbon", "America/Los_Angeles")


@pytest.mark.parametrize(("runs", "zones"), [(5_000, ZONES[:1]), slow(50_000, ZONES), slow(1_000_000, ZONES)])
def test_every_view_of_many_runs_is_the_same_wherever_the_reader_is(
    runs: int, zones: tuple[str, ...], cluster: str, tmp_path: Path
) -> None:
    """In one test, so that the runs are made once whatever number of processes share the tests.

    What has no days is the same in all zones but for the zone's offsets, which it does not look at: once is enough, and
    of few runs the sample is.
    """
    from polydoc_analytics.loaders.sample import write_sample

    write_sample(tmp_path / "runs.ndjson", runs=runs, seed=6)
    pda.export(tmp_path / "runs.ndjson", tmp_path / "runs")
    zoned = ZONED if cluster in SLOW or runs > 5_000 else ZONED[::2]
    for zone in zones:
        for here, there in both(str(tmp_path / "runs"), cluster, timezone=zone):
            for name in views.catalog():
                if name in zoned or (runs > 5_000 and (name == "conservation" or zone == ZONES[0])):
                    if name == "runs":
                        same_runs(here, there)
                    else:
                        same(here, there, name)


def same_runs(here: pda.Database, there: pda.Database) -> None:
    """Hold that many runs have the same days, languages, tokens and durations, without fetching them."""
    sql = """
        select day, week, month, language, language_name, count(*) as runs, sum(total_tokens) as tokens,
            min(id) as first_id, max(created_at) as last_created, sum(epoch_us(finished_at)) as finished_us,
            max(duration_s) as longest_s
        from runs group by day, week, month, language, language_name
        order by day, week, month, language, language_name"""
    assert_frame_equal(here.sql(sql), there.sql(sql), rel_tol=FLOATS)


# That all views agree holds whatever is chosen; of everything it is among the views of the sample.
@pytest.mark.slow
@pytest.mark.parametrize("choice", ["finished", "since", "last", "period", "language"])
def test_all_views_of_a_choice_agree(exported: str, cluster: str, choice: str) -> None:
    for here, there in both(exported, cluster, **CHOICES[choice]):
        same(here, there, "conservation")


CHOICES: dict[str, dict[str, Any]] = {
    "since": {"since": "2026-03-10", "until": "2026-04-02T12:00:00Z", "timezone": "America/New_York"},
    "last": {"last": "30d", "timezone": "Pacific/Auckland"},
    "period": {"period": "2026-W13", "timezone": "Europe/Lisbon"},
    "language": {"language": ["de", "pt-BR"]},
    "no language": {"language": "tlh"},
    "finished": {"date_basis": "finished", "since": "2026-03-01", "timezone": "Asia/Kathmandu"},
}


@pytest.mark.parametrize("choice", ["language", "finished", *map(slow, ("since", "last", "period", "no language"))])
def test_intervals_filters_and_date_bases_mean_the_same(exported: str, cluster: str, choice: str) -> None:
    for here, there in both(exported, cluster, **CHOICES[choice]):
        assert there.interval == here.interval
        assert there.runs_without_date == here.runs_without_date
        # By days where runs are dated by another instant, for few of them finish in another week.
        over_time = "usage_daily" if choice == "finished" else "usage_weekly_by_language"
        names = (over_time, "usage", "data_quality") if cluster in SLOW or Soak.is_on else (over_time, "data_quality")
        for name in few(cluster, names):
            same(here, there, name)


def test_an_account_whose_name_needs_quoting_is_itself_alone(exporting: Any, cluster: str) -> None:
    names = ["it's", "back\\slash", "per%cent", "new\nline", "日本", "a'; drop view usage; --"]
    source = exporting([wire(f"r{n}", account_id=name, credits=n) for n, name in enumerate(names)])
    for name in names if Soak.is_on else names[:4] if cluster in SLOW else [*names[:2], names[-1]]:
        for here, there in both(source, cluster, account=name):
            assert there.view("usage_by_account")["account_id"].to_list() == [name]
            same(here, there, "usage_by_account")


@pytest.mark.parametrize("every", [6, slow(1)])
def test_days_far_from_now_and_empty_sources_are_the_same(every: int, exporting: Any, cluster: str) -> None:
    at = ("1902-01-01T00:00:00Z", "9998-07-01T23:30:00Z", "9999-12-31T23:30:00Z")
    rows = [wire(str(number), created_at=one, finished_at=one) for number, one in enumerate(at)]
    for here, there in both(exporting(rows), cluster, timezone="Asia/Kathmandu"):
        same(here, there, "usage_daily")
        same(here, there, "runs")
    for here, there in both(exporting([wire("a")]), cluster, since="2030-01-01"):
        for name in few(cluster, list(views.catalog())[::every]):
            same(here, there, name)


def test_a_sum_that_does_not_fit_64_bits_is_an_error_and_no_wrong_number(exporting: Any, cluster: str) -> None:
    source = exporting([wire("a", credits=2**62), wire("b", credits=2**62)])
    with pda.connect(source, engine="spark", remote=cluster) as db:
        with pytest.raises(pda.QueryError, match=r"9223372036854775808|OVERFLOW|overflow"):
            db.view("usage")
        assert db.sql("select sum(credits) as credits from runs")["credits"].to_list() == [2**63]


def test_blank_texts_and_charges_made_twice_are_found_alike(exporting: Any, cluster: str) -> None:
    rows = [
        wire("a", input_file_id="  "),
        wire("b", account_id=" \u00a0 "),
        wire("c", account_id=" \t "),
        wire("d", target_language="German"),
        wire("e", target_language="de"),
        wire("f", output_file_id=" "),
        wire("g", output_file_id="caf\ufffd"),
    ]
    for here, there in both(exporting(rows), cluster):
        same(here, there, "data_quality")
        found = dict(there.view("data_quality").select("rule", "runs").rows())
        assert found["empty_text"] == 3
        assert found["charged_twice"] == 4


def test_a_lake_is_read_as_of_any_load(tmp_path: Path, file: Any, cluster: str) -> None:
    lake = pda.Lake(tmp_path / "a lake")
    running = wire("a", status="Running", finished_at=None, credits=None, output_file_id=None)
    lake.ingest(file([running, wire("b", account_id="zeta")], "1.ndjson"))
    lake.ingest(file([wire("a"), wire("c", target_language="fr"), "{"], "2.ndjson"))
    for as_of in (None, 1, 2) if cluster in SLOW or Soak.is_on else (None, 1):
        for here, there in both(str(tmp_path / "a lake"), cluster, as_of=as_of):
            assert (there.snapshot, there.counts) == (here.snapshot, here.counts)
            assert there.quarantine.equals(here.quarantine)
            assert there.loads is not None
            assert there.loads.height == (as_of or 2)
            names = ("runs", "usage_by_account", "usage_by_language")
            for name in few(cluster, names if as_of == 1 else names[:2]):
                same(here, there, name)


def test_the_rest_of_a_table_is_summed_from_the_runs(exported: str, cluster: str) -> None:
    from polydoc_analytics.query.usage import usage_table

    for here, there in both(exported, cluster):
        for choice in ({"by": ["account"]}, {"by": ["language"], "every": "month"}):
            tables = [usage_table(db, **choice, top=3, with_others=True) for db in (here, there)]
            assert tables[1].left_out == tables[0].left_out > 0
            assert tables[1].others == pytest.approx(tables[0].others, rel=FLOATS)


def test_a_view_with_its_total_comes_from_one_query(exported: str, cluster: str) -> None:
    for here, there in both(exported, cluster):
        (rows, total), (rows_there, total_there) = (db.with_total("request_rates_by_account") for db in (here, there))
        assert_frame_equal(rows, rows_there, rel_tol=FLOATS, abs_tol=1e-12)
        assert total_there == pytest.approx(total, rel=FLOATS)


def test_a_description_is_the_same_and_each_engine_has_its_own_connection(exported: str, sail: str) -> None:
    for here, there in both(exported, sail):
        for name in views.catalog() if Soak.is_on else ONE_OF_EACH:
            assert there.describe(name).equals(here.describe(name)), name
        assert there.views().equals(here.views())
        assert (here.engine, there.engine) == ("duckdb", "spark")
        assert there.spark.sql("select count(*) as n from usage_daily").toArrow()["n"].to_pylist() == [
            here.view("usage_daily").height
        ]
        with pytest.raises(pda.UsageError, match="there is no duckdb connection"):
            _ = there.duckdb
        with pytest.raises(pda.UsageError, match="there is no spark connection"):
            _ = here.spark


def test_another_interval_over_the_same_runs_leaves_the_first_as_it_was(exported: str, sail: str) -> None:
    march = pda.interval(period="2026-03")
    for here, there in both(exported, sail):
        with here.over(march) as a, there.over(march) as b:
            same(a, b, "usage_by_account")
        same(here, there, "usage_by_account")


def test_a_users_own_views_are_held_to_the_portable_subset(exported: str, sail: str, tmp_path: Path) -> None:
    (tmp_path / "busy.sql").write_text("-- Busy days.\n-- grain: a day\n-- day: the day\n-- runs: runs\n"
        "select period as day, runs from usage_daily where runs > 6\n")  # fmt: skip
    for here, there in both(exported, sail, views=tmp_path):
        assert there.view("busy").sort("day").equals(here.view("busy").sort("day"))
        assert there.view("busy").height > 0
    (tmp_path / "odd.sql").write_text("-- Odd.\n-- grain: a run\n-- x: x\nselect epoch(created_at) as x from runs\n")
    with pytest.raises(pda.QueryError, match=r"odd\.sql: epoch\(\) cuts fractions off elsewhere; write epoch_us"):
        pda.connect(exported, views=tmp_path, engine="spark", remote=sail)


@pytest.mark.parametrize("kind", ["languages", slow("overview"), slow("quality")])
def test_reports_have_the_same_figures(exported: str, sail: str, tmp_path: Path, kind: str) -> None:
    made = []
    for engine in ({}, {"engine": "spark", "remote": sail}):
        [path] = pda.report(
            exported, kind=kind, formats="json", out=tmp_path / str(len(made)), now=NOW, period="2026-09", **engine
        )
        made.append(json.loads(path.read_text("utf-8")))
    assert_alike(*(one["sections"] for one in made))
    assert {one["sha256"] for one in made[1]["files"]} == {None}, "the cluster reads them, not we"


def test_a_statement_is_made_of_what_the_cluster_answers(exported: str, sail: str, tmp_path: Path) -> None:
    there = {"engine": "spark", "remote": sail}
    [page] = pda.report(exported, kind="statement", account=_account(exported), out=tmp_path, now=NOW, **there)
    assert b"</html>" in page.read_bytes()


def _account(source: str) -> str:
    with pda.connect(source) as db:
        return str(db.view("usage_by_account")["account_id"][0])


def assert_alike(here: Any, there: Any) -> None:
    """Hold that two contents are the same, floats to 1e-9."""
    if isinstance(here, dict):
        assert here.keys() == there.keys()
        for key in here:
            assert_alike(here[key], there[key])
    elif isinstance(here, list):
        assert len(here) == len(there)
        for one, other in zip(here, there, strict=True):
            assert_alike(one, other)
    elif isinstance(here, float):
        assert there == pytest.approx(here, rel=FLOATS)
    else:
        assert here == there


def test_only_results_cross_the_network(tmp_path: Path, sail: str) -> None:
    from polydoc_analytics.loaders.sample import write_sample

    write_sample(tmp_path / "runs.ndjson", runs=200_000, seed=2)
    pda.export(tmp_path / "runs.ndjson", tmp_path / "runs")
    meter = Meter(sail)
    with pda.connect(tmp_path / "runs", engine="spark", remote=meter.address) as db:
        table = db.view("usage_by_account")
    meter.close()
    result = table.estimated_size()
    assert meter.down < 40_000 + 2 * result, (meter.down, result)
    assert meter.up < 60_000, meter.up
    assert meter.up + meter.down < 200_000, "a byte a run would be more"


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (
            lambda folder: str(SAMPLE),
            pda.UsageError,
            "engine spark reads a lake or an export .* `polydoc-analytics ingest` or `export`",
        ),
        (lambda folder: pl.DataFrame({"id": []}), pda.UsageError, "this table: engine spark reads a lake"),
        (lambda folder: str(folder / "nothing"), pda.SourceError, "nothing: no such file or folder"),
    ],
)
def test_a_source_that_would_have_to_be_loaded_here_is_refused(
    make: Any, kind: type[pda.PolydocError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        pda.connect(make(tmp_path), engine="spark", remote="sc://localhost:1")


def test_what_means_nothing_on_a_cluster_is_refused(exported: str) -> None:
    for arguments, said in (
        ({}, "needs a remote, such as sc://"),
        ({"remote": "http://localhost:1"}, "expected sc://HOST:PORT"),
        ({"remote": "sc://localhost:no"}, "expected sc://HOST:PORT"),
        ({"remote": "sc://localhost:1", "strict": True}, "strict applies to loading only"),
        ({"remote": "sc://localhost:1", "as_of": 3}, "as of needs a lake"),
    ):
        with pytest.raises(pda.UsageError, match=said):
            pda.connect(exported, engine="spark", **arguments)
    with pytest.raises(pda.UsageError, match="did you mean spark"):
        pda.connect(exported, engine="sparc")
    with pytest.raises(pda.UsageError, match="a remote goes with engine spark"):
        pda.connect(exported, remote="sc://localhost:1")


def test_a_query_that_takes_too_long_is_given_up(exported: str, sail: str) -> None:
    days = "usage_daily_by_account as a cross join usage_daily_by_account as b cross join usage_weekly as c"
    long = f"select sum(a.runs * b.runs * c.runs) as x from {days}"
    with pda.connect(exported, engine="spark", remote=sail) as db:
        with pytest.raises(pda.QueryError, match=r"took longer than 0\.1 s"):
            db.sql(long, timeout_s=0.1)
        assert db.sql("select runs from usage", timeout_s=30)["runs"].to_list() == [2000]


def test_the_commands_answer_alike_with_either_engine(
    exported: str, sail: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = (
        ["usage", exported, "--by", "account", "--every", "month"],
        ["usage", exported, "--by", "language", "--last", "4w", "--top", "3"],
        ["query", exported, "select language, runs from usage_by_language order by runs desc, language"],
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYDOC_ANALYTICS_NOW", "2026-09-01T00:00:00Z")
    for command in commands:
        said = []
        for flags in ([], ["--engine", "spark", "--remote", sail]):
            assert run([*command, "--json", *flags]) == 0
            said.append(json.loads(capfd.readouterr().out))
        assert_alike(*said)
    assert run(["usage", exported, "--json"]) == 0
    default = json.loads(capfd.readouterr().out)
    monkeypatch.setenv("POLYDOC_ANALYTICS_ENGINE", "spark")
    monkeypatch.setenv("POLYDOC_ANALYTICS_REMOTE", sail)
    assert run(["usage", exported, "--json"]) == 0
    assert_alike(json.loads(capfd.readouterr().out), default)
    assert run(["usage", str(SAMPLE), "--json"]) == 2
    assert "export` it first" in capfd.readouterr().err
    assert run(["usage", str(SAMPLE), "--json", "--engine", "duckdb"]) == 0
    assert capfd.readouterr().out != ""


def test_alerts_and_schedules_ask_the_cluster_of_the_settings(
    sail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pda.Lake(tmp_path / "lake").ingest(SAMPLE)
    (tmp_path / "polydoc-analytics.toml").write_text(
        f"""lake = "lake"
engine = "spark"
remote = "{sail}"

[[alerts]]
name = "failing"
kind = "limit"
view = "usage_by_language"
measure = "failure_rate"
above = 0.02
window = "400d"
min_runs = 5

[[reports]]
name = "monthly"
kind = "languages"
schedule = "0 6 1 * *"
period = "last-month"
formats = ["json"]
output = "out"
"""
    )
    monkeypatch.chdir(tmp_path)
    said = []
    for engine in (["--engine", "duckdb"], []):
        assert run(["alerts", "check", "--dry-run", "--json", "--now", "2026-11-01T06:00:00Z", *engine]) in (0, 1)
        said.append(json.loads(capfd.readouterr().out)["data"])
    assert said[0] == said[1]
    assert said[0]
    asked = []
    monkeypatch.setattr(SparkEngine, "fetch", lambda *a, f=SparkEngine.fetch, **k: asked.append(a[1]) or f(*a, **k))
    assert run(["report", "--rerun", "monthly", "2026-09", "--now", "2026-11-01T06:00:00Z"]) == 0
    assert len(asked) > 5


def test_a_cluster_that_is_not_there_is_one_clear_line(
    exported: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from polydoc_analytics.lake.spark import session

    monkeypatch.setattr(session, "_WAIT_S", 0.3)
    remote = "sc://localhost:1/;token=canary-7c9e;user_id=me"
    assert run(["usage", exported, "--engine", "spark", "--remote", remote]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: sc://localhost:1: no Spark Connect server answers")
    assert said.err.count("\n") == 1
    assert "canary" not in said.err


def test_a_token_is_never_shown(
    exported: str, sail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYDOC_ANALYTICS_ENGINE", "spark")
    monkeypatch.setenv("POLYDOC_ANALYTICS_REMOTE", f"{sail}/;x-note=canary-7c9e")
    assert run(["usage", exported, "--json"]) == 0
    assert run(["query", exported, "select canary from usage"]) == 2
    assert run(["query", exported, "select 'canary-7c9e' / 0 as x from usage"]) == 2
    assert run(["config", "show"]) == 0
    said = capfd.readouterr()
    assert "canary-7c9e" not in said.out + said.err
    assert "sc://" in said.out


def test_without_the_extra_it_is_said_which(exported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyspark.sql.connect.client", None)
    with pytest.raises(pda.UsageError, match=r"pip install 'polydoc-analytics\[spark\]'"):
        pda.connect(exported, engine="spark", remote="sc://localhost:1")


def test_dates_and_instants_come_back_as_they_do_from_duckdb(exported: str, cluster: str) -> None:
    for here, there in both(exported, cluster, timezone="Europe/Lisbon"):
        sql = "select created_at, day, duration_s, credits, status = 'Failed' as failed from runs order by id limit 5"
        assert_frame_equal(here.sql(sql), there.sql(sql))
        assert there.sql(sql).schema["created_at"] == pl.Datetime("us", "UTC")
        assert isinstance(there.sql("select min(day) as d from run_facts").item(), date)

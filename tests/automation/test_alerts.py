"""Alerts: each kind of rule, evidence that counts, once when it begins and once when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.paths import SAMPLE
from support.probability import exact
from support.receivers import mailbox
from support.repetitions import Soak
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.automation.alerts.evaluate import CheckResult, check, evaluate, evaluate_rules, firing
from polydoc_analytics.automation.alerts.evidence import percent
from polydoc_analytics.automation.alerts.rule_context import AlertContext
from polydoc_analytics.automation.alerts.rules import evaluate_rule
from polydoc_analytics.cli import run
from polydoc_analytics.config.settings import settings

FRENCH = """
[[alerts]]
name = "french"
view = "usage_weekly_by_language"
measure = "failure_rate"
above = 0.1
min_runs = 10
deliver = ["folder"]
"""
MAILED = (
    FRENCH.replace('"folder"', '"mail"')
    + """
[branding]
title = "Acme"
logo = "logo.png"
[delivery.mail]
kind = "email"
host = "127.0.0.1"
port = {port}
security = "none"
from = "reports@example.com"
to = ["operations@example.com"]
"""
)
FOLDER = """
[delivery.folder]
kind = "folder"
path = "notices"
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> pda.Lake:
    lake = pda.Lake(tmp_path_factory.mktemp("alerts") / "lake")
    lake.ingest(SAMPLE)
    return lake


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], tuple[Any, Any]]:
    def write(text: str) -> tuple[Any, Any]:
        path = tmp_path / "polydoc-analytics.toml"
        path.write_text(text)
        found = settings(str(path), {})
        return found, plans(found)

    return write


@pytest.fixture
def lake_of(tmp_path: Path) -> Callable[..., pda.Lake]:
    def make(*rows: dict[str, Any] | str) -> pda.Lake:
        lake = pda.Lake(tmp_path / "lake")
        (tmp_path / "runs.ndjson").write_bytes(ndjson(rows))
        lake.ingest(tmp_path / "runs.ndjson")
        return lake

    return make


def runs_of(day: str, succeeded: int, failed: int = 0, **more: Any) -> Iterator[dict[str, Any]]:
    for number in range(succeeded + failed):
        state = {"status": "Failed", "output_file_id": None} if number < failed else {}
        at = {"created_at": f"{day}T10:00:00Z", "finished_at": f"{day}T10:00:10Z"}
        yield wire(f"{day}-{number}-{more.get('account_id')}-{more.get('target_language')}", **at, **state, **more)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def whats(lake: pda.Lake, configuration: tuple[Any, Any], now: str) -> list[str]:
    return [one.what for one in evaluate(lake, *configuration, at(now))]


def spike_by_hand() -> set[tuple[date, str]]:
    """Of every week the languages with 10 finished runs or more of which a quarter failed, straight from the lines."""
    french = {"fr", "French", "fr_fr", "français", "Français", "FR", "fra"}
    runs: dict[str, dict[str, Any]] = {}
    for line in SAMPLE.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["id"] not in runs or runs[row["id"]]["status"] == "Running":
            runs[row["id"]] = row
    counts: dict[tuple[date, str], list[int]] = {}
    for row in runs.values():
        if row["status"] == "Running":
            continue
        day = date.fromisoformat(row["created_at"][:10])
        language = "fr" if row["target_language"] in french else row["target_language"]
        count = counts.setdefault((day - timedelta(days=day.weekday()), language), [0, 0])
        count[row["status"] == "Failed"] += 1
    return {key for key, (good, bad) in counts.items() if good + bad >= 10 and bad / (good + bad) >= 0.25}


def test_the_planted_spike_fires_after_its_week_and_in_no_other_week_of_the_year(sample, configured) -> None:
    _, wanted = configured(FRENCH + FOLDER)
    assert spike_by_hand() == {(date(2026, 10, 12), "fr")}
    fired = {}
    with pda.connect(sample) as db:
        # In soak each week; otherwise those around the spike, and each fifth.
        for week in (week for week in range(58) if Soak.is_on or week >= 52 or week % 5 == 0):
            now = datetime(2025, 9, 29, 12, tzinfo=UTC) + timedelta(weeks=week)
            context = AlertContext(sample, db, {}, (), now)
            fired |= {now.date(): one for one in evaluate_rule(wanted.alerts["french"], context).firing}
    assert list(fired) == [date(2026, 10, 19)]
    one = fired[date(2026, 10, 19)]
    assert one.what == "French (fr): failure_rate 0.4375 is above 0.1"
    assert one.headline == "French fails: 43.8 % in the week of 12 October, limit 10 %"
    assert one.figures == (
        ("failure_rate, 2026-10-12 to 2026-10-18", "7 of 16 failed: 43.8 %, 95 % interval 23.1 % to 66.8 %"),
    )
    frame = pda.load(SAMPLE).runs.filter(pl.col("id").is_in(one.examples))
    assert frame["status"].to_list() == ["Failed"] * 3


def test_the_planted_spike_is_told_once_and_its_end_once(sample, configured, tmp_path: Path) -> None:
    found, wanted = configured(FRENCH + FOLDER)
    events = {}
    for day in (12, 15, 18, 19, 20, 25, 26, 27):
        now = datetime(2026, 10, day, 8, tzinfo=UTC)
        result = check(sample, found, wanted, lambda now=now: now)
        events |= {day: (len(result.started), len(result.recovered))} if result.started or result.recovered else {}
        assert bool(result.firing) == (19 <= day <= 25)
        assert bool(firing(sample)) == bool(result.firing)
    assert events == {19: (1, 0), 26: (0, 1)}
    notices = sorted((tmp_path / "notices").iterdir())
    assert [one.name[7:15] for one in notices] == ["20261019", "20261026"]
    assert "7 of 16 failed" in notices[0].read_text("utf-8")
    assert notices[1].read_text("utf-8").startswith("Over: French fails: 43.8 % in the week of 12 October, limit 10 %")


def test_a_rolling_window_fires_on_the_days_that_hold_the_spike(sample, configured) -> None:
    text = FRENCH.replace("usage_weekly_by_language", "usage_by_language") + 'window = "7d"\nfor = 2\n' + FOLDER
    _, wanted = configured(text)
    with pda.connect(sample) as db:
        one = pda.load(SAMPLE).runs.filter(
            pl.col("target_language").str.to_lowercase().is_in(["fr", "french", "français"])
        )
        fired, expected = [], []
        for day in (11, 13, 14, 16, 18, 19, 21, 23, 24, 25, 27) if Soak.is_on else (13, 14, 18, 19, 24, 25, 27):
            now = datetime(2026, 10, day, 8, tzinfo=UTC)
            fired += [day for _ in evaluate_rule(wanted.alerts["french"], AlertContext(sample, db, {}, (), now)).firing]
            expected += (
                [day] if all(by_hand(one, date(2026, 10, day) - timedelta(days=back)) for back in (0, 1)) else []
            )
    assert fired == expected
    assert 19 in fired
    assert all(14 <= day <= 25 for day in fired)


def by_hand(runs: pl.DataFrame, end: date) -> bool:
    """The rule by other means: Wilson's bound from its formula, the tail by summing the probabilities of numpy."""
    day = pl.col("created_at").dt.date()
    window = runs.filter((day >= end - timedelta(days=7)) & (day < end) & (pl.col("status") != "Running"))
    n, k = window.height, window.filter(pl.col("status") == "Failed").height
    if n < 10:
        return False
    z, p = 1.959963984540054, k / n
    low = (p + z * z / (2 * n) - z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n)
    return low > 0.1 and exact(k, n, 0.1) < 0.025


def test_a_rate_of_too_few_runs_and_one_that_may_be_chance_say_nothing(lake_of, configured) -> None:
    rule = FRENCH.replace("weekly", "daily").replace("min_runs = 10", "min_runs = 30\nfor = 2") + FOLDER
    lake = lake_of(
        *runs_of("2026-03-02", 10, 19, target_language="fr"),  # 29 runs: too few, however many failed
        *runs_of("2026-03-03", 20, 20, target_language="de"),
        *runs_of("2026-03-04", 20, 20, target_language="de"),
        *runs_of("2026-03-03", 36, 4, target_language="es"),  # 10 %: the limit itself
        *runs_of("2026-03-04", 36, 4, target_language="es"),
    )
    configuration = configured(rule)
    assert whats(lake, configuration, "2026-03-03T09:00") == []
    assert whats(lake, configuration, "2026-03-04T09:00") == []  # one day is not two in a row
    assert whats(lake, configuration, "2026-03-05T09:00") == ["German (de): failure_rate 0.5 is above 0.1"]
    assert whats(lake, configuration, "2026-03-06T09:00") == []


def test_any_measure_can_be_held_against_a_limit(lake_of, configured) -> None:
    lake = lake_of(*runs_of("2026-03-02", 3, credits=5), *runs_of("2026-03-02", 3, account_id="b", credits=None))
    rule = '[[alerts]]\nname = "c"\nview = "usage_daily_by_account"\nmeasure = "credits"\nabove = 14\n'
    assert whats(lake, configured(rule), "2026-03-03T00:00") == ["acme: credits 15 is above 14"]
    assert whats(lake, configured(rule.replace("above = 14", "below = 16")), "2026-03-03T00:00") == [
        "acme: credits 15 is below 16"
    ]


def test_a_change_is_against_the_median_of_the_same_weekday(lake_of, configured) -> None:
    mondays = ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"]
    rows = [row for day, count in zip(mondays, (10, 10, 12, 100), strict=True) for row in runs_of(day, count)]
    busy = [row for day in ("2026-03-01", "2026-02-22") for row in runs_of(day, 500)]  # Sundays do not count
    lake = lake_of(*rows, *busy, *runs_of("2026-03-02", 2))
    rule = '[[alerts]]\nname = "drop"\nkind = "change"\nview = "usage_daily"\nmeasure = "runs"\nfalls = 0.5\n'
    rule += "min_runs = 5\n"
    # The median of 10, 10, 12 and 100 is 11, and 2 is 82 % below it.
    assert whats(lake, configured(rule), "2026-03-03T09:00") == ["all runs: runs fell by 82 % on 2026-03-02"]
    assert whats(lake, configured(rule.replace("falls", "rises")), "2026-03-03T09:00") == []
    # A day without any run is a day with none, not an unknown one: 0 against the median of 10, 12, 100 and 2.
    [nothing] = evaluate(lake, *configured(rule), at("2026-03-10T09:00"))
    assert nothing.figures == (("runs", "0"), ("median of 5 Mondays before", "10"))


def test_a_budget_fires_when_it_is_used_up_or_the_month_would_end_above_it(lake_of, configured) -> None:
    lake = lake_of(
        *runs_of("2026-04-02", 4, account_id="over", credits=30),
        *runs_of("2026-04-02", 1, account_id="fast", credits=60),
        *runs_of("2026-04-02", 1, account_id="slow", credits=20),
        *runs_of("2026-04-02", 1, account_id="more", credits=110),
    )
    rule = '[[alerts]]\nname = "b"\nkind = "budget"\ncredits = 100\naccounts = { more = 10000 }\n'
    over, fast = "over is above its budget of 2026-04", "fast would end 2026-04 above its budget"
    rule += "stages = []\n"
    assert whats(lake, configured(rule), "2026-04-03T00:00") == [over]  # two days say nothing of a month
    ends = "over would end 2026-04 above its budget"
    # 60 in 10 of 30 days: 180.
    assert sorted(whats(lake, configured(rule), "2026-04-11T00:00")) == [fast, over, ends]
    assert whats(lake, configured(rule + "projected = false\n"), "2026-04-11T00:00") == [over]
    assert whats(lake, configured(rule), "2026-05-05T00:00") == []


def test_runs_that_run_too_long_silent_sources_and_a_full_quarantine(lake_of, configured, tmp_path: Path) -> None:
    lake = lake_of(*runs_of("2026-03-02", 8), wire("stuck", status="Running", finished_at=None), "{}")
    rules = (
        '[[alerts]]\nname = "r"\nkind = "running"\nlonger_than = "12h"\n'
        '[[alerts]]\nname = "s"\nkind = "silent"\nlonger_than = "2d"\n'
        '[[alerts]]\nname = "q"\nkind = "quarantine"\nabove = 0.05\n'
        f'[sources.exports]\nkind = "files"\npath = "{tmp_path.as_posix()}"\n'
        f'[sources.new]\nkind = "files"\npath = "{tmp_path.as_posix()}"\n'
    )
    now = datetime.now(UTC)
    yesterday = (now - timedelta(days=1)).isoformat()
    lake.remember("exports", {"kind": "files", "newest_file_at": yesterday})
    lake.remember("new", {"kind": "files", "last_success_at": now.isoformat()})  # asked, and it brought nothing
    found = {one.alert: one for one in evaluate(lake, *configured(rules), now)}
    assert found["r"].examples == ("stuck",)
    assert found["s"].what == "the source new has brought nothing new for more than 2 days"
    assert found["q"].what == "10 % of the rows read were quarantined"
    later = {one.key for one in evaluate(lake, *configured(rules), now + timedelta(days=3))}
    assert later == {"running", "exports", "new"}  # the load is out of the quarantine's window


def test_alerts_that_begin_together_are_one_message_and_a_crash_before_it_loses_none(
    lake_of, configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_of(*runs_of("2026-03-02", 3, credits=5), *runs_of("2026-03-02", 3, account_id="b", credits=9))
    rule = (
        '[[alerts]]\nname = "c"\nview = "usage_daily_by_account"\nmeasure = "credits"\nabove = 14\n'
        'deliver = ["folder"]\n' + FOLDER
    )
    found, wanted = configured(rule)
    from polydoc_analytics.automation.alerts import evaluate as checking

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "enqueue", killed)
    with pytest.raises(KeyboardInterrupt):
        check(lake, found, wanted, lambda: at("2026-03-03T09:00"))
    monkeypatch.undo()
    again = check(lake, found, wanted, lambda: at("2026-03-03T10:00"))
    assert (len(again.firing), len(again.started)) == (2, 0)
    [notice] = (tmp_path / "notices").iterdir()
    assert notice.read_text("utf-8").splitlines()[0] == "acme: credits 15 on 2 March, limit 14, and 1 more"


def test_the_command_exits_1_when_any_fires_and_a_dry_run_remembers_nothing(
    sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lake = pda.Lake("lake")
    lake.ingest(SAMPLE)
    Path("polydoc-analytics.toml").write_text('lake = "lake"\n' + FRENCH + FOLDER)
    call = ["alerts", "check", "--now", "2026-10-20T08:00Z"]
    assert run([*call, "--dry-run"]) == 1
    assert not firing(lake)
    capsys.readouterr()
    assert run([*call, "--json"]) == 1
    [one] = json.loads(capsys.readouterr().out)["data"]
    assert (one["alert"], one["key"], one["is_new"], len(one["examples"])) == ("french", "fr", True, 3)
    assert run(["alerts", "list"]) == 0
    assert capsys.readouterr().out == "french (limit): fr since 2026-10-20T08:00:00+00:00\n"
    assert run(["alerts", "check", "--now", "2026-10-27T08:00Z"]) == 0


def told(folder: Path) -> list[str]:
    """The first line of each notice, the oldest first."""
    return [one.read_text("utf-8").splitlines()[0] for one in sorted((folder / "notices").iterdir())]


def checked(lake: pda.Lake, configuration: tuple[Any, Any], now: str) -> CheckResult:
    return check(lake, *configuration, lambda: at(now))


BUDGET = '[[alerts]]\nname = "b"\nkind = "budget"\ncredits = 100\ndeliver = ["folder"]\n'


def test_each_stage_of_a_budget_is_told_once_when_it_is_reached(lake_of, configured, tmp_path: Path) -> None:
    """30 credits by the 6th would be 150; the 80 are there on the 12th, the 100 on the 19th are not above 100."""
    configuration = configured(BUDGET + "stages = [0.5, 0.8]\n" + FOLDER)
    lake = lake_of(*runs_of("2026-04-02", 1, credits=30))
    begun = []
    for day, more in ((7, 0), (12, 50), (19, 20), (20, 1), (21, 0)):
        if more:
            lake_of(*runs_of(f"2026-04-{day - 1:02}", 1, credits=more))
        begun.append([one.key for one in checked(lake, configuration, f"2026-04-{day:02}T00:00").started])
    assert begun == [
        ["acme 2026-04 projected"],
        ["acme 2026-04 50%", "acme 2026-04 80%"],
        [],
        ["acme 2026-04 passed"],
        [],
    ]
    assert told(tmp_path) == [
        "acme would end 2026-04 above its budget",
        "acme has used at least 50 % of its budget of 2026-04, and 1 more",
        "acme is above its budget of 2026-04",
    ]
    # The month ends, and with it what was said of it: that is no recovery.
    after = checked(lake, configuration, "2026-05-01T00:00")
    assert (after.firing, after.recovered) == ((), ())
    assert len(told(tmp_path)) == 3


def test_a_budget_that_is_corrected_is_over_and_one_of_unknown_credits_stays_what_it_was(
    lake_of, configured, tmp_path: Path
) -> None:
    configuration = configured(BUDGET + "projected = false\nstages = []\n" + FOLDER)
    lake = lake_of(*runs_of("2026-04-02", 1, credits=130))
    assert len(checked(lake, configuration, "2026-04-05T00:00").started) == 1
    for charged, firing_now in ((None, 1), (90, 0)):
        (tmp_path / "runs.ndjson").write_bytes(ndjson(runs_of("2026-04-02", 1, credits=charged)))
        lake.ingest(tmp_path / "runs.ndjson", correct=True)
        found = checked(lake, configuration, "2026-04-06T00:00")
        assert (len(found.firing), len(found.recovered)) == (firing_now, 1 - firing_now)


def test_a_number_that_no_sum_holds_is_told_and_silences_no_alert_of_other_accounts(
    lake_of, configured, tmp_path: Path
) -> None:
    """Of the account that has it nothing is known: what fired for it is not over, either."""
    configuration = configured(BUDGET + "projected = false\nstages = []\n" + FOLDER)
    lake = lake_of(*runs_of("2026-04-02", 1, account_id="a", credits=130))
    assert len(checked(lake, configuration, "2026-04-05T00:00").started) == 1
    (tmp_path / "runs.ndjson").write_bytes(
        ndjson(
            [
                *runs_of("2026-04-03", 2, account_id="a", credits=2**63 - 1),
                *runs_of("2026-04-03", 1, account_id="b", credits=140),
            ]
        )
    )
    lake.ingest(tmp_path / "runs.ndjson")
    found = checked(lake, configuration, "2026-04-06T00:00")
    assert [one.what.split(":")[0] for one in found.started] == [
        "b is above its budget of 2026-04",
        "1 account is left out, for a sum does not fit into 64 bits",
    ]
    assert found.recovered == ()
    assert len(found.firing) == 3
    (tmp_path / "runs.ndjson").write_bytes(ndjson(runs_of("2026-04-03", 2, account_id="a", credits=1)))
    lake.ingest(tmp_path / "runs.ndjson", correct=True)
    assert checked(lake, configuration, "2026-04-07T00:00").recovered == ("b: sums",)


DAILY = FRENCH.replace("weekly", "daily") + FOLDER


def test_an_alert_of_an_erased_account_is_forgotten_and_others_fire_on(lake_of, configured, tmp_path: Path) -> None:
    rule = FRENCH.replace("usage_weekly_by_language", "usage_daily_by_account")
    configuration = configured(rule + FOLDER)
    lake = lake_of(*runs_of("2026-03-02", 0, 30), *runs_of("2026-03-02", 0, 30, account_id="b"))
    assert [one.key for one in checked(lake, configuration, "2026-03-03T09:00").started] == ["acme", "b"]
    lake.erase("acme")
    for day in (4, 20):  # there are no data of b either, so that it stays what it was
        found = checked(lake, configuration, f"2026-03-{day:02}T09:00")
        assert ([one.key for one in found.firing], found.started, found.recovered) == (["b"], (), ())
    assert not [path for path in (tmp_path / "notices").iterdir() if "erased" in path.read_text("utf-8")]


def test_a_day_without_runs_ends_nothing_and_is_told_after_a_time(lake_of, configured, tmp_path: Path) -> None:
    configuration = configured(DAILY.replace("min_runs = 10", 'min_runs = 10\nno_data_after = "2d"'))
    lake = lake_of(*runs_of("2026-03-02", 6, 14, target_language="fr"))
    assert len(checked(lake, configuration, "2026-03-03T09:00").started) == 1
    for day in (4, 5):  # nothing, and nothing again
        found = checked(lake, configuration, f"2026-03-{day:02}T09:00")
        assert [one.key for one in found.firing] == ["fr"]
        assert (found.started, found.recovered, found.without_data) == ((), (), ())
    lake_of(*runs_of("2026-03-05", 0, 3, target_language="fr"))  # three runs say nothing of a rate
    found = checked(lake, configuration, "2026-03-06T09:00")
    assert (found.recovered, found.without_data) == ((), ("french: fr",))
    checked(lake, configuration, "2026-03-07T09:00")
    lake_of(*runs_of("2026-03-07", 30, 10, target_language="fr"))
    assert checked(lake, configuration, "2026-03-08T09:00").started == ()  # it has been failing all along
    lake_of(*runs_of("2026-03-08", 40, 0, target_language="fr"))
    assert checked(lake, configuration, "2026-03-09T09:00").recovered == ("french: fr",)
    rate = "French fails: 70 % on 2 March, limit 10 %"
    assert told(tmp_path) == [rate, f"No data: {rate}", f"Over: {rate}"]
    notice = sorted((tmp_path / "notices").iterdir())[1].read_text("utf-8")
    assert f"french: no data since 2026-03-04 09:00 UTC; it stays as it was: {rate}." in notice


def test_an_alert_of_the_whole_says_that_it_has_no_data_though_nothing_fired(lake_of, configured, tmp_path) -> None:
    rule = DAILY.replace("usage_daily_by_language", "usage_daily").replace("min_runs = 10", 'no_data_after = "1d"')
    configuration = configured(rule)
    lake = lake_of(*runs_of("2026-03-02", 6))
    days = [checked(lake, configuration, f"2026-03-{day:02}T09:00").without_data for day in (3, 4, 5, 6)]
    assert days == [(), (), ("french: ",), ("french: ",)]
    assert told(tmp_path) == ["No data: french"]


@pytest.mark.parametrize("measure", ["runs", "credits"])
def test_a_count_of_zero_is_a_value(lake_of, configured, measure: str) -> None:
    rule = f'[[alerts]]\nname = "few"\nview = "usage_daily"\nmeasure = "{measure}"\nbelow = 10\n'
    lake = lake_of(*runs_of("2026-03-02", 10, credits=1), *runs_of("2026-03-05", 9, credits=1))
    days = [whats(lake, configured(rule), f"2026-03-{day:02}T09:00") for day in range(3, 7)]
    assert days == [[], *([f"all runs: {measure} {n} is below 10"] for n in (0, 0, 9))]
    by_account = rule.replace("usage_daily", "usage_daily_by_account")
    assert whats(lake, configured(by_account), "2026-03-04T09:00") == [f"acme: {measure} 0 is below 10"]
    # Who asks for a number of runs hears nothing of days with fewer.
    assert whats(lake, configured(rule + "min_runs = 1\n"), "2026-03-04T09:00") == []


def test_a_count_above_its_limit_is_over_on_a_day_with_none(lake_of, configured, tmp_path: Path) -> None:
    rule = '[[alerts]]\nname = "busy"\nview = "usage_daily_by_account"\nmeasure = "runs"\nabove = 5\n'
    lake, configuration = lake_of(*runs_of("2026-03-02", 6)), configured(rule)
    assert len(checked(lake, configuration, "2026-03-03T09:00").started) == 1
    assert checked(lake, configuration, "2026-03-04T09:00").recovered == ("busy: acme",)


@pytest.mark.parametrize(("side", "value"), [("above", 5), ("below", 5)])
def test_a_value_exactly_at_its_limit_does_not_fire(lake_of, configured, side: str, value: int) -> None:
    rule = f'[[alerts]]\nname = "n"\nview = "usage_daily"\nmeasure = "runs"\n{side} = {value}\n'
    lake = lake_of(*runs_of("2026-03-02", 4), *runs_of("2026-03-03", 5), *runs_of("2026-03-04", 6))
    fired = [bool(whats(lake, configured(rule), f"2026-03-{day:02}T09:00")) for day in (3, 4, 5)]
    assert fired == ([False, False, True] if side == "above" else [True, False, False])


def test_a_change_exactly_at_its_limit_and_a_budget_used_up_exactly_do_not_fire(lake_of, configured) -> None:
    mondays = [*runs_of("2026-02-02", 10), *runs_of("2026-02-09", 10), *runs_of("2026-02-16", 10)]
    lake = lake_of(*mondays, *runs_of("2026-02-23", 5, credits=20))
    for side, share, fires in (("falls", 0.5, False), ("falls", 0.49, True)):
        rule = f'[[alerts]]\nname = "c"\nkind = "change"\nview = "usage_daily"\nmeasure = "runs"\n{side} = {share}\n'
        assert bool(whats(lake, configured(rule), "2026-02-24T09:00")) is fires
    for budget, fires in ((190, False), (189, True)):
        rule = f'[[alerts]]\nname = "b"\nkind = "budget"\ncredits = {budget}\nprojected = false\nstages = []\n'
        assert bool(whats(lake, configured(rule), "2026-02-24T09:00")) is fires


def test_a_share_is_the_decimal_number_that_stands_in_the_settings(lake_of, configured) -> None:
    """10 to 7 is a fall of three tenths, 10 to 11 a rise of one, and 55 is 55 % of 100, which no float is."""
    before = [row for day in ("02", "09", "16") for row in runs_of(f"2026-02-{day}", 20, credits=0)]
    halves = [{**row, "account_id": ("less", "more")[index % 2]} for index, row in enumerate(before)]
    less = runs_of("2026-02-23", 7, account_id="less", credits=0)
    lake = lake_of(*halves, *less, *runs_of("2026-02-23", 11, account_id="more", credits=5))

    def found(kind: str, condition: str) -> list[str]:
        return whats(lake, configured(f'[[alerts]]\nname = "c"\nkind = "{kind}"\n{condition}\n'), "2026-02-24T09:00")

    runs = 'view = "usage_daily_by_account"\nmeasure = "runs"\n'
    assert found("change", f"{runs}falls = 0.3") == found("change", f"{runs}rises = 0.1") == []
    assert found("change", f"{runs}falls = 0.299") == ["less: runs fell by 30 % on 2026-02-23"]
    assert found("change", f"{runs}rises = 0.099") == ["more: runs rose by 10 % on 2026-02-23"]
    budget = "credits = 100\nprojected = false\nstages = [0.55, 0.5501]"
    assert found("budget", budget) == ["more has used at least 55 % of its budget of 2026-02"]


def test_a_percentage_is_100_where_it_is_all_alone() -> None:
    shares = {
        1.0: "100 %",
        0.9996: "99.96 %",
        0.99996: "99.996 %",
        0.9994: "99.9 %",
        1.004: "100.4 %",
        0.0004: "0.04 %",
    }
    assert {share: percent(share) for share in shares} == shares


def test_of_a_budget_of_nothing_nothing_is_not_a_share(lake_of, configured) -> None:
    lake = lake_of(*runs_of("2026-04-02", 1, credits=0), *runs_of("2026-04-02", 1, credits=1, account_id="b"))
    rule = BUDGET.replace("credits = 100", "credits = 0") + "projected = false\n" + FOLDER
    assert whats(lake, configured(rule), "2026-04-05T00:00") == [
        "b has used at least 80 % of its budget of 2026-04",
        "b is above its budget of 2026-04",
    ]


def test_limits_stand_in_a_notice_as_they_do_in_the_settings(lake_of, configured) -> None:
    """Never in powers of ten, and never rounded."""
    lake = lake_of(
        *runs_of("2026-03-02", 1, credits=1_234_568, account_id="a"), *runs_of("2026-03-02", 8, 1, credits=0)
    )
    rule = '[[alerts]]\nname = "c"\nview = "usage_daily"\nmeasure = "{}"\n{} = {}\n'

    def found(measure: str, side: str, limit: str) -> tuple[str, str]:
        [one] = evaluate(lake, *configured(rule.format(measure, side, limit)), at("2026-03-03T09:00"))
        return one.what, one.headline

    assert found("credits", "above", "1234567.5") == (
        "all runs: credits 1,234,568 is above 1,234,567.5",
        "All runs: credits 1,234,568 on 2 March, limit 1,234,567.5",
    )
    assert found("failure_rate", "above", "0.00125")[1] == "All runs fail: 10 % on 2 March, limit 0.125 %"
    slow = {"created_at": "2026-03-02T10:00:00Z", "finished_at": "2026-03-02T13:25:45.600Z"}
    lake = lake_of(wire("slow", **slow))
    assert found("max_duration_s", "above", "12345.5")[0] == "all runs: max_duration_s 12,345.6 is above 12,345.5"


def test_an_alert_that_fails_is_an_error_and_silences_no_other(
    lake_of, configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "views").mkdir()
    view = tmp_path / "views" / "own.sql"
    header = "-- Own.\n-- grain: all\n-- runs: runs\n-- share: a share\nselect count(*) as runs,"
    view.write_text(f"{header} 2.0::double as share from runs\n")
    rule = '[[alerts]]\nname = "{}"\nview = "{}"\nmeasure = "{}"\nabove = 1\ndeliver = ["folder"]\n'
    head = 'views = "views"\nlake = "lake"\n'
    configuration = configured(
        head + rule.format("own", "own", "share") + rule.format("runs", "usage", "runs") + FOLDER
    )
    lake = lake_of(*runs_of("2026-03-02", 1), *runs_of("2026-03-03", 3))
    assert [one.alert for one in checked(lake, configuration, "2026-03-03T09:00").started] == ["own"]
    view.write_text(f"{header} cast(min(id) as double) as share from runs\n")
    monkeypatch.chdir(tmp_path)
    assert run(["alerts", "check", "--quiet", "--now", "2026-03-04T09:00Z"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: [[alerts]] own: ")
    assert len(said.err.splitlines()) == 1
    # What fired before its view failed is not over.
    assert told(tmp_path) == ["All runs: share 2 on 2 March, limit 1", "All runs: runs 3 on 3 March, limit 1"]
    assert run(["alerts", "check", "--quiet", "--now", "2026-03-04T10:00Z"]) == 2
    assert len(told(tmp_path)) == 2
    with pytest.raises(pda.QueryError):
        evaluate(lake, *configuration, at("2026-03-04T09:00"))


def test_what_fired_is_forgotten_where_its_alert_watches_another_thing_and_kept_where_its_limit_changes(
    lake_of, configured, tmp_path: Path
) -> None:
    rule = FRENCH.replace("weekly", "daily") + FOLDER
    lake = lake_of(*runs_of("2026-03-02", 0, 30, target_language="fr"))
    assert len(checked(lake, configured(rule), "2026-03-03T09:00").started) == 1
    assert checked(lake, configured(rule.replace("0.1", "0.2")), "2026-03-03T09:30").started == ()
    found = checked(lake, configured(rule.replace("by_language", "by_account")), "2026-03-03T10:00")
    assert ([one.key for one in found.firing], found.recovered) == (["acme"], ())
    assert len(told(tmp_path)) == 2


def test_a_measure_that_is_no_number_is_unknown(lake_of, configured, tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    header = "-- Own.\n-- grain: all\n-- runs: runs\n-- share: a share\n"
    sql = "select count(*) as runs, cast('nan' as double) as share from runs"
    (tmp_path / "views" / "own.sql").write_text(f"{header}{sql}\n")
    rule = 'views = "views"\n[[alerts]]\nname = "c"\nview = "own"\nmeasure = "share"\n{} = 1\n'
    lake = lake_of(*runs_of("2026-03-02", 3))
    for side in ("above", "below"):
        [result] = evaluate_rules(lake, *configured(rule.format(side)), at("2026-03-03T09:00")).values()
        assert (result.firing, result.without_data) == ((), {""})


@pytest.mark.parametrize(("runs", "fires"), [(9, False), (10, True)])
def test_exactly_min_runs_is_enough(lake_of, configured, runs: int, fires: bool) -> None:
    lake = lake_of(*runs_of("2026-03-02", 0, runs, target_language="fr"))
    assert bool(whats(lake, configured(DAILY), "2026-03-03T09:00")) is fires
    many = '[[alerts]]\nname = "c"\nview = "usage_daily"\nmeasure = "credits"\nabove = 1\nmin_runs = 10\n'
    assert bool(whats(lake, configured(many), "2026-03-03T09:00")) is fires


def test_a_notice_says_whose_figures_it_holds_and_the_subject_what_is_wrong(lake_of, configured, tmp_path) -> None:
    configuration = configured(BUDGET + "projected = false\nstages = []\naccounts = { b = 50 }\n" + FOLDER)
    lake = lake_of(*runs_of("2026-04-02", 1, credits=130), *runs_of("2026-04-02", 1, credits=60, account_id="b"))
    checked(lake, configuration, "2026-04-05T00:00")
    [notice] = (tmp_path / "notices").iterdir()
    lines = notice.read_text("utf-8").splitlines()
    assert lines[0] == "acme is above its budget of 2026-04, and 1 more"
    assert "acme: credits so far: 130: b" in lines
    assert "b: credits so far: 60: b" in lines
    assert len(lines) == len(set(lines)) + lines.count("") - 1


@pytest.mark.parametrize("logo", [b"\x89PNG picture", None])
def test_the_mail_of_an_alert_has_the_logo_or_else_the_name_of_the_sender(
    lake_of, configured, logo: bytes | None
) -> None:
    lake = lake_of(*runs_of("2026-10-13", 9, 7, target_language="fr"))
    with mailbox() as box:
        found, wanted = configured(MAILED.format(port=box.controller.port))
        if logo is not None:
            (found.folder / "logo.png").write_bytes(logo)
        result = check(lake, found, wanted, lambda: datetime(2026, 10, 19, 8, tzinfo=UTC))
    assert len(result.started) == len(box.messages) == 1
    [message] = box.messages
    assert message["Subject"] == "French fails: 43.8 % in the week of 12 October, limit 10 %"
    page = message.get_body(("html",)).get_content()
    pictures = [part.get_content() for part in message.walk() if part["Content-ID"] == "<logo@polydoc-analytics>"]
    assert pictures == ([] if logo is None else [logo])
    assert ("<b>Acme</b>" in page) == (logo is None)
    # One line between the figures and the contact, and no second one below the last figure.
    assert page.count("border-bottom: 1px") == 0
    assert page.count("border-top: 1px") == 1


# Requests, and where the month will end


def steady(last: str, first: str = "2026-02-01", **more: Any) -> Iterator[dict[str, Any]]:
    """A run of 3 credits at ten o'clock each day."""
    days = (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
    for number in range(days):
        yield from runs_of(str(date.fromisoformat(first) + timedelta(days=number)), 1, **more)


def test_an_outlook_above_a_budget_fires_until_the_end_of_the_month(lake_of, configured) -> None:
    """April has 30 days of 3 credits: 90. A second account brings 6 on Thursday the 9th.

    So the mean of Thursdays is (7 · 3 + 9) / 8, and of the three that are ahead 2.25 more: 98.25.
    """
    rule = '[[alerts]]\nname = "o"\nview = "{}"\nmeasure = "credits"\nabove = {}\n'
    lake = lake_of(*steady("2026-04-10"), *runs_of("2026-04-09", 2, account_id="new"))
    whole = configured(rule.format("outlook", 95))
    [one] = evaluate(lake, *whole, at("2026-04-11T00:00"))
    assert one.what == "all runs: credits of 2026-04 are expected to end at 98, above 95"
    assert one.figures[:2] == (("credits so far", "36"), ("expected by its end", "98"))
    assert one.ends_at == "2026-05-01T00:00:00+00:00"
    assert whats(lake, configured(rule.format("outlook", 99)), "2026-04-11T00:00") == []
    by_account = configured(rule.format("outlook_by_account", 89))
    context = AlertContext(lake, pda.connect(lake, now="2026-04-11T00:00Z"), {}, (), at("2026-04-11T00:00"))
    found = evaluate_rule(by_account[1].alerts["o"], context)
    assert [one.key for one in found.firing] == ["acme 2026-04"]
    assert found.without_data == {"new 2026-04"}  # which has too little history
    context.db.close()
    with pytest.raises(pda.PolydocError, match="give above"):
        configured(rule.format("outlook", 5).replace("above", "below"))
    with pytest.raises(pda.PolydocError, match="did you mean credits"):
        configured(rule.format("outlook", 5).replace('"credits"', '"credit"'))


def test_a_budget_is_projected_as_the_outlook_expects_once_there_are_eight_weeks(lake_of, configured) -> None:
    """Until March 3 credits a day, none on 1 to 4 April, 12 on Sunday the 5th: at the same pace April would have 72.

    The 25 days ahead are 8 Mondays and Tuesdays of 3, 14 Wednesdays to Saturdays of 7 · 3 / 8 and 3 Sundays of
    (7 · 3 + 12) / 8: with the 12 credits so far 85.125.
    """
    lake = lake_of(*steady("2026-03-31"), *runs_of("2026-04-05", 4))
    budget = '[[alerts]]\nname = "b"\nkind = "budget"\ncredits = {}\nstages = []\n'
    [one] = evaluate(lake, *configured(budget.format(80)), at("2026-04-06T00:00"))
    assert one.key == "acme 2026-04 projected"
    assert one.figures[:3] == (("budget", "80"), ("credits so far", "12"), ("expected by its end", "85"))
    assert evaluate(lake, *configured(budget.format(86)), at("2026-04-06T00:00")) == []


def test_a_success_rate_of_requests_is_judged_as_a_failure_rate_is(lake_of, configured) -> None:
    """Of 60 requests, each of two runs, 12 were given up: 80 % succeeded, 68 % to 88 %."""
    rows = []
    for number in range(60):
        for attempt, status in enumerate(("Failed", "Failed" if number < 12 else "Succeeded")):
            instant = f"2026-04-0{1 + number % 7}T10:0{attempt}:00Z"
            rows.append(
                wire(
                    f"r{number}-{attempt}",
                    status=status,
                    input_file_id=f"in{number}",
                    created_at=instant,
                    finished_at=instant,
                )
            )
    lake = lake_of(*rows)
    rule = '[[alerts]]\nname = "r"\nview = "request_rates"\nwindow = "7d"\nmeasure = "{}"\n{}\n'
    [one] = evaluate(lake, *configured(rule.format("success_rate", "below = 0.9")), at("2026-04-08T00:00"))
    assert one.what == "all runs: success_rate 0.8 is below 0.9"
    assert one.figures[0][1].startswith("48 of 60 requests succeeded: 80 %, 95 % interval 68.2 % to 88.2 %")
    assert whats(lake, configured(rule.format("success_rate", "below = 0.87")), "2026-04-08T00:00") == []
    assert whats(lake, configured(rule.format("success_rate", "above = 0.5")), "2026-04-08T00:00") != []
    [given_up] = evaluate(lake, *configured(rule.format("failed_requests", "above = 11")), at("2026-04-08T00:00"))
    assert given_up.figures[0][1] == "12 over 60 requests"
    quiet = configured(rule.format("requests", "below = 1"))
    assert whats(lake, quiet, "2026-05-08T00:00") == ["all runs: requests 0 is below 1"]

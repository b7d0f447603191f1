"""The configuration as a whole: what it means, what it refuses and how, and the schema that says the same."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.cli import run
from polydoc_analytics.config.json_schema import FILE, shipped, text
from polydoc_analytics.config.settings import settings
from polydoc_analytics.errors import PolydocError, UsageError
from polydoc_analytics.model.cron import Cron, interval_named, period_of

DELIVERY = """
[delivery.ops]
kind = "email"
host = "smtp.example.com"
from = "reports@example.com"
to = ["ops@example.com"]
[delivery.hook]
kind = "webhook"
url_env = "HOOK_URL"
secret_env = "HOOK_SECRET"
"""
REPORT = """
[[reports]]
name = "weekly"
schedule = "0 7 * * 1"
timezone = "Europe/Lisbon"
period = "last-week"
deliver = ["ops"]
"""
ALERT = """
[[alerts]]
name = "failing"
view = "usage_daily_by_language"
measure = "failure_rate"
above = 0.2
min_runs = 30
for = 2
"""


def plans_of(tmp_path: Path, content: str) -> Any:
    path = tmp_path / "polydoc-analytics.toml"
    path.write_text(content)
    return plans(settings(str(path), {}))


def test_reports_alerts_and_deliveries_are_read_with_their_defaults(tmp_path: Path) -> None:
    found = plans_of(tmp_path, DELIVERY + REPORT + ALERT)
    weekly = found.report("weekly")
    assert (weekly.kind, weekly.formats, weekly.catch_up, weekly.timezone) == (
        "overview",
        ("html",),
        1,
        "Europe/Lisbon",
    )
    assert found.alerts["failing"].kind == "limit"
    assert found.targets["ops"].max_size == 10_000_000
    assert found.schedule.attempts == 5


WRONG = {
    'lakes = "x"': "unknown key 'lakes'; did you mean lake?",
    REPORT.replace("period =", "perod =") + DELIVERY: "[[reports]] weekly: unknown key 'perod'; did you mean period?",
    REPORT.replace("last-week", "last-weak") + DELIVERY: "unknown period 'last-weak'; did you mean last-week?",
    REPORT + DELIVERY.replace("delivery.ops", "delivery.op"): "unknown delivery 'ops'; did you mean op?",
    REPORT.replace("0 7 * * 1", "0 25 * * 1") + DELIVERY: "schedule '0 25 * * 1': bad hour",
    REPORT.replace("0 7 * * 1", "0 7 30 2 1-7/9") + DELIVERY: "",
    REPORT.replace("Europe/Lisbon", "Europe/Lissabon") + DELIVERY: "did you mean Europe/Lisbon?",
    REPORT + "kind = 'overvue'" + DELIVERY: "unknown kind of report 'overvue'",
    REPORT + "kind = 'statement'" + DELIVERY: "a statement is of one account",
    REPORT + "accounts = []" + DELIVERY: "accounts is an empty list, which chooses none; leave it out for all",
    REPORT + "per_account = true" + DELIVERY: 'give kind = "statement"',
    REPORT + "kind = 'statement'\nper_account = true" + DELIVERY: "[delivery.ops] has no contacts",
    REPORT + "start = 0001-01-01" + DELIVERY: "start '0001-01-01' is before 1970",
    REPORT + "catch_up = 0" + DELIVERY: "catch_up must be a whole number from 1",
    REPORT + "wait = '2 hours'" + DELIVERY: "expected one such as 30m, 12h, 3d or 2w",
    REPORT + "needs = ['api']" + DELIVERY: "unknown source 'api'",
    REPORT + "output = 'out/{perod}'" + DELIVERY: "unknown place '{perod}'; did you mean period?",
    REPORT + DELIVERY + REPORT: "the name 'weekly' stands there twice",
    REPORT + DELIVERY + REPORT.replace('"weekly"', '"Weekly"'): "'weekly' and 'Weekly' differ in case alone",
    REPORT.replace('deliver = ["ops"]', ""): "goes nowhere",
    DELIVERY.replace("webhook", "webhok"): "unknown kind 'webhok'; did you mean webhook?",
    DELIVERY.replace('url_env = "HOOK_URL"', 'url = "https://x/secret"'): "unknown key 'url'; did you mean url_env",
    DELIVERY.replace("HOOK_SECRET", "my secret!"): "the name of an environment variable",
    ALERT.replace("above", "abov"): "unknown key 'abov'; did you mean above?",
    ALERT.replace("above = 0.2", ""): "give above or below",
    ALERT.replace("failure_rate", "failure_rat"): "unknown measure 'failure_rat'; did you mean failure_rate?",
    ALERT.replace("usage_daily", "usage_dayly"): "unknown view 'usage_dayly_by_language'",
    "[schedule]\ntel = ['x']": "[schedule]: unknown key 'tel'; did you mean tell?",
    'longest_row = "64 MB"': "longest_row '64 MB' is no size from 64 KiB to 1 GiB; expected such as 64 MiB",
    'longest_row = "1 KiB"': "longest_row '1 KiB' is no size",
    "[reports]\nname = 'x'": "reports must be a list of tables, [[reports]]",
    DELIVERY.replace("[delivery.hook]", "port = 65536\n[delivery.hook]"): "port must be a whole number of at most 65",
    DELIVERY + "timeout = 100000": "timeout must be a whole number of at most 86400",
    ALERT.replace("for = 2", "for = 100000"): "for must be a whole number of at most 1000",
    ALERT.replace("0.2", "20"): "failure_rate is a share from 0 to 1, of which 0.2 is 20 %; it is never 20",
    "[[alerts]]\nname='a'\nkind='change'\nview='usage_daily'\nmeasure='runs'\nfalls=50": "falls must be a share from 0",
    "[[alerts]]\nname='a'\nkind='budget'\ncredits=-1": "credits must be a number from 0",
    "[[alerts]]\nname='a'\nkind='budget'\ncredits=1\naccounts={x=-1}": "accounts.x must be a number from 0",
    "[[alerts]]\nname='a'\nkind='quarantine'\nabove=1": "above must be a share from 0 to less than 1",
    REPORT.replace("ops", "output") + DELIVERY.replace("ops", "output") + "[[reports]]\nname='x'\nschedule='daily'\n"
    "period='yesterday'\noutput='out'\ndeliver=['output']": "[[reports]] x: deliver: 'output' is the report's own",
    DELIVERY.replace('"webhook"', '"web\\nhook"'): "unknown kind 'web\\nhook'",
    'lake = "a\\u0000b"': "lake has a character that no path has",
}  # fmt: skip


@pytest.mark.parametrize("content", [content for content, message in WRONG.items() if message])
def test_what_means_nothing_is_refused_with_what_would(tmp_path: Path, content: str) -> None:
    with pytest.raises(PolydocError) as caught:
        plans_of(tmp_path, content)
    assert WRONG[content] in str(caught.value)
    assert "\n" not in str(caught.value)


# Of these the schema cannot know: names that must be there, zones, hours of a clock, which keys go together.
BEYOND_A_SCHEMA = (
    "delivery 'ops'", "bad hour", "Lisbon?", "kind of report", "statement", "contacts", "source 'api'", "twice",
    "case alone",
    "goes nowhere", "last-weak", "above or below", "measure", "unknown view", "'1 KiB'",
    "is never 20", "before 1970", "'output' is", "no path",
)  # fmt: skip


def test_paths_are_relative_to_the_file_or_to_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    path = tmp_path / "polydoc-analytics.toml"
    path.write_text('lake = "~/lake"\naccounts = "names.csv"\n[delivery.f]\nkind = "folder"\npath = "~/{report}"\n')
    found = settings(str(path), {})
    assert (found.lake, found.accounts) == (str(tmp_path / "home" / "lake"), str(tmp_path / "names.csv"))
    assert found.delivery["f"].path == str(tmp_path / "home" / "{report}")


def test_the_schema_accepts_and_refuses_what_the_program_does(tmp_path: Path) -> None:
    validator = Draft202012Validator(json.loads(shipped()))
    validator.check_schema(validator.schema)
    assert not list(validator.iter_errors(tomllib.loads(DELIVERY + REPORT + ALERT)))
    for content, message in WRONG.items():
        if message and not any(part in message for part in BEYOND_A_SCHEMA):
            assert list(validator.iter_errors(tomllib.loads(content))), content


def test_the_shipped_schema_is_made_from_what_checks_the_file() -> None:
    assert shipped() == text(), f"write config.json_schema.text() to polydoc_analytics/{FILE}"


def test_a_started_configuration_is_valid_shown_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["config", "init"]) == 0
    assert run(["config", "init"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(["config", "check"]) == 0
    assert capsys.readouterr().err == (
        "1 source, 1 report, 1 alert, 0 of delivery\n"
        "polydoc-analytics.toml:15: [sources.exports]: exports: nothing is there yet\n"
    )
    content = tomllib.loads(Path("polydoc-analytics.toml").read_text())
    assert not list(Draft202012Validator(json.loads(Path(FILE).read_text())).iter_errors(content))
    assert run(["config", "show"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)
    assert shown["reports"] == content["reports"]
    assert shown["date_basis"] == "created"  # a default in force, which the file does not name


def test_what_is_shown_is_a_settings_file_that_means_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    more = 'start = 2026-11-01\n[branding]\ntitle = "A \\"b\\" \\\\ ü"\n'
    budget = '[[alerts]]\nname = "b"\nkind = "budget"\ncredits = 1e3\naccounts = { "a b" = 5, "x.y" = 6.5 }\n'
    Path("polydoc-analytics.toml").write_text(DELIVERY + REPORT + more + ALERT + budget, "utf-8")
    assert run(["config", "show"]) == 0
    Path("shown.toml").write_text(capsys.readouterr().out, "utf-8")
    first, second = (settings(name, {}) for name in ("polydoc-analytics.toml", "shown.toml"))
    for part in ("timezone", "branding", "delivery", "reports", "alerts"):
        assert getattr(first, part) == getattr(second, part)
    assert run(["config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["reports"][0]["start"] == "2026-11-01"


def test_check_names_the_variables_that_are_not_set_and_show_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("polydoc-analytics.toml").write_text('lake = "az://box/lake?sig=canary"\n' + DELIVERY)
    monkeypatch.setenv("HOOK_URL", "https://hooks.example/canary")
    assert run(["config", "check"]) == 1
    err = capsys.readouterr().err
    assert "HOOK_SECRET is not set" in err
    assert "HOOK_URL" not in err
    assert run(["config", "show", "--json"]) == 0
    assert "canary" not in capsys.readouterr().out


def test_check_says_all_that_is_wrong_and_not_only_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = (
        DELIVERY.replace("webhook", "webhok"),
        REPORT.replace("last-week", "last-weak"),
        ALERT.replace("above", "abov"),
    )
    Path("polydoc-analytics.toml").write_text("".join(wrong) + "[schedule]\nsync = ['x']\n[sources.y]\nkind = 'z'\n")
    assert run(["config", "check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for part in ("unknown kind 'webhok'", "last-weak", "unknown key 'abov'", "unknown source 'x'", "unknown kind 'z'"):
        assert sum(part in line for line in lines) == 1, (part, lines)
    assert len(lines) == 5


def test_check_holds_contacts_names_and_budgets_against_the_accounts_of_the_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = """
lake = "lake"
accounts = "names.csv"
[delivery.mail]
kind = "email"
host = "localhost"
from = "a@example.com"
contacts = "contacts.csv"
[[reports]]
name = "statements"
kind = "statement"
per_account = true
schedule = "monthly"
period = "last-month"
deliver = ["mail"]
[[alerts]]
name = "budgets"
kind = "budget"
credits = 5
accounts = { a = 1, y = 2 }
"""
    Path("polydoc-analytics.toml").write_text(text)
    Path("names.csv").write_text("account_id,name\na,A\na,B\nz,Z\n")
    Path("contacts.csv").write_text("account_id,email\na,a@x.org;nobody\nx,x@x.org\na,b@x.org\n")
    assert run(["config", "check"]) == 1
    err = capsys.readouterr().err
    assert "accounts are not held against the lake: no lake at lake" in err
    assert "contacts.csv:2: 'nobody' is no address" in err
    assert "polydoc-analytics.toml:3: names.csv:3: account a stands in names.csv:2 with something else" in err
    Path("names.csv").write_text("account_id,name\na,A\na,A\nz,Z\n")
    Path("rows.ndjson").write_bytes(ndjson([wire("1", account_id="a"), wire("2", account_id="b")]))
    pda.Lake("lake").ingest("rows.ndjson")
    assert run(["config", "check"]) == 1
    _, *said = capsys.readouterr().err.splitlines()
    assert said == [
        f"polydoc-analytics.toml:{text}"
        for text in (
            "8: [delivery.mail]: contacts.csv:2: 'nobody' is no address",
            "8: [delivery.mail]: contacts.csv:4: account a has a row already; all its addresses are taken",
            "3: names.csv: several rows of account a",
            "8: [delivery.mail]: contacts name accounts that the lake does not know: x",
            "8: [delivery.mail]: no contact for account b",
            "3: names.csv: names name accounts that the lake does not know: z",
            "20: [[alerts]] budgets: budgets name accounts that the lake does not know: y",
        )
    ]
    # What may be meant so is said, and is no fault.
    Path("names.csv").write_text("account_id,name\nz,Z\n")
    Path("contacts.csv").write_text("account_id,email\nx,x@x.org\n")
    assert run(["config", "check"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 5


def test_locale_is_that_of_reports_unless_branding_names_another(tmp_path: Path) -> None:
    path = tmp_path / "polydoc-analytics.toml"
    path.write_text('locale = "de"\n[branding]\ntitle = "T"')
    assert settings(str(path), {}).branding == {"locale": "de", "title": "T"}
    path.write_text('locale = "de"\n[branding]\nlocale = "fr"')
    assert settings(str(path), {}).branding == {"locale": "fr"}


def ticks(text: str, zone: str, after: str, until: str) -> list[str]:
    found = Cron.parsed(text, zone).between(datetime.fromisoformat(after), datetime.fromisoformat(until))
    return [f"{due:%d %H:%M}" for due in found]


def test_seven_in_the_morning_is_seven_on_the_wall_on_both_sides_of_the_clock_changes() -> None:
    spring = ticks("0 7 * * *", "Europe/Lisbon", "2026-03-28T00:00Z", "2026-03-30T12:00Z")
    autumn = ticks("0 7 * * *", "Europe/Lisbon", "2026-10-24T00:00Z", "2026-10-26T12:00Z")
    assert spring == ["28 07:00", "29 06:00", "30 06:00"]
    assert autumn == ["24 06:00", "25 07:00", "26 07:00"]


def test_a_time_that_is_skipped_is_due_after_the_gap_and_one_shown_twice_is_due_once() -> None:
    # Lisbon sets its clocks from 01:00 to 02:00 on 29 March, at 01:00 UTC; from 02:00 to 01:00 on 25 October.
    assert ticks("30 1 * * *", "Europe/Lisbon", "2026-03-28T12:00Z", "2026-03-30T12:00Z") == ["29 01:00", "30 00:30"]
    assert ticks("30 1 * * *", "Europe/Lisbon", "2026-10-24T12:00Z", "2026-10-26T12:00Z") == ["25 00:30", "26 01:30"]
    for minute in range(0, 60, 7):  # from any instant of the doubled hour, nothing comes twice or in the past
        assert ticks("30 1 * * *", "Europe/Lisbon", f"2026-10-25T01:{minute:02}Z", "2026-10-26T12:00Z") == ["26 01:30"]


def test_a_period_is_named_and_found_again_by_its_name() -> None:
    due = datetime(2026, 11, 2, 7, tzinfo=UTC)
    expected = {
        "yesterday": "2026-11-01",
        "last-week": "2026-W44",
        "last-month": "2026-10",
        "last-quarter": "2026-Q3",
        "last-year": "2025",
        "7d": "2026-10-26_2026-11-01",
    }
    for word, name in expected.items():
        found, interval = period_of(word, due, "Europe/Lisbon")
        assert found == name
        assert interval_named(name, "Europe/Lisbon") == interval
    assert period_of("last-week", due, "UTC")[1].first_whole_day == date(2026, 10, 26)


def test_a_cron_expression_that_never_comes_is_refused() -> None:
    with pytest.raises(UsageError):
        Cron.parsed("0 7 31 2 *", "UTC")


@pytest.mark.parametrize("start", ["2026-10-01", '"2026-10-01"'])
def test_a_day_is_taken_with_and_without_quotation_marks(tmp_path: Path, start: str) -> None:
    report = 'name = "monthly"\nkind = "overview"\nschedule = "monthly"\nperiod = "last-month"\nformats = ["html"]\n'
    path = tmp_path / "polydoc-analytics.toml"
    path.write_text(f'lake = "lake"\n[[reports]]\n{report}output = "out"\nstart = {start}\n')
    assert settings(str(path)).reports[0].start == date(2026, 10, 1)

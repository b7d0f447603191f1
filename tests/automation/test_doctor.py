"""What ``doctor`` and ``schedule history`` tell of a schedule: what reached nobody, what waits, what never ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.receivers import hook
from support.runs import ndjson, wire
from support.schedule_year import quick_or

import polydoc_analytics as pda
from polydoc_analytics.automation.delivery.messages import Attempt, Delivery
from polydoc_analytics.automation.delivery.outcome_groups import by_outcome
from polydoc_analytics.cli import run
from polydoc_analytics.reports.builders import builder

MONDAY = "2026-03-09T07:00+00:00"  # the week before is 2026-W10
SETTINGS = """
lake = "lake"
accounts = "names.csv"
[schedule]
attempts = 2
back_off = "5m"
[sources.exports]
kind = "files"
path = "nowhere"
[delivery.hook]
kind = "webhook"
url_env = "HOOK_URL"
[[reports]]
name = "weekly"
kind = "runs"
schedule = "weekly"
period = "last-week"
formats = ["json"]
deliver = ["hook"]
[[reports]]
name = "held"
kind = "runs"
schedule = "weekly"
period = "last-week"
formats = ["json"]
output = "out"
needs = ["exports"]
wait = "1m"
incomplete = "hold"
[[reports]]
name = "yearly"
kind = "runs"
schedule = "yearly"
period = "last-year"
output = "out"
"""


@pytest.fixture(autouse=True)
def quick_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be reports of a kind ``runs``."""
    monkeypatch.setattr("polydoc_analytics.reports.builders.builder", quick_or(builder))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("polydoc-analytics.toml").write_text(SETTINGS)
    Path("names.csv").write_text("account_id,name\na,Acme\n")
    Path("runs.ndjson").write_bytes(ndjson([wire("r", created_at="2026-03-04T10:00:00Z", account_id="a")]))
    pda.Lake("lake").ingest("runs.ndjson")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], now: str) -> dict[str, str]:
    capsys.readouterr()
    assert run(["doctor", "--json", "--now", now]) == 0
    sections = {section["name"]: section["data"] for section in json.loads(capsys.readouterr().out)["sections"]}
    return {
        finding["what"]: finding["do"]
        for finding in sections["findings"]
        if finding["what"].startswith(("report", "notice"))
    }


def test_the_doctor_names_what_was_not_delivered_is_held_or_never_ran_and_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = "let cron, systemd or another clock call `polydoc-analytics schedule due`"
    assert told(capsys, "2026-03-09T06:00+00:00") == {
        "report weekly has never run; it is next due 2026-03-09 07:00 UTC": clock,
        "report held has never run; it is next due 2026-03-09 07:00 UTC": clock,
        "report yearly has never run; it is next due 2027-01-01 07:00 UTC": clock,
    }
    with hook(500, 500) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        assert run(["schedule", "due", "--now", "2026-03-09T07:02+00:00"]) == 0
        first = told(capsys, "2026-03-09T07:03+00:00")
        [failed] = [what for what in first if what.startswith("report weekly")]
        assert failed.startswith("report weekly 2026-W10 was not delivered: hook to HOOK_URL: answered 500")
        assert first[failed] == "it is tried again 2026-03-09 07:07 UTC at the next `schedule due`"
        held = "report held 2026-W10 is held: exports brought nothing from past the end of the period"
        send = "`polydoc-analytics report --rerun held 2026-W10 --send --all`"
        assert first[held] == f"sync the source, or send it as it is: {send}"
        assert run(["schedule", "due", "--now", "2026-03-09T08:00+00:00"]) == 3
    last = told(capsys, "2026-03-10T07:00+00:00")
    assert last[failed] == "mend that, then `polydoc-analytics report --rerun weekly 2026-W10 --send --all`"
    late = told(capsys, "2026-03-16T09:00+00:00")
    assert late["report weekly 2026-W11 was due 2026-03-16 07:00 UTC and no scheduler has looked since"] == clock
    assert not any("2026-W10 was not delivered" in what for what in told(capsys, "2026-04-30T00:00+00:00"))


def delivery(receiver: str, state: str, answer: str, next_try_at: str | None = None) -> Delivery:
    tries = [Attempt("2026-03-09T07:00:00+00:00", state, answer)]
    return Delivery("mail", "email", receiver, receiver, "key", state, next_try_at, tries)


def test_one_error_that_hits_many_receivers_is_told_once_with_their_number() -> None:
    full = [delivery(f"a{n}@x.org", "failed", f"550 <a{n}@x.org>: mailbox full", f"2026-03-0{9 - n}") for n in range(3)]
    other = [delivery("b@x.org", "failed", "no route"), delivery("c@x.org", "uncertain", "no route")]
    groups = by_outcome([*full, *other])
    assert [group.sentence() for group in groups] == [
        "mail: failed: 550 <…>: mailbox full (3 receivers)",
        "mail: failed: no route",
        "mail: uncertain: no route",
    ]
    assert [group.next_try_at for group in groups] == ["2026-03-07", None, None]


def test_the_history_is_a_table_with_names_of_accounts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with hook() as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        monkeypatch.setenv("COLUMNS", "200")
        text = SETTINGS.replace('kind = "runs"', 'kind = "statement"\naccounts = ["a"]\nper_account = true', 1)
        Path("polydoc-analytics.toml").write_text(text.replace('deliver = ["hook"]', 'output = "out/{account}"'))
        assert run(["schedule", "due", "--now", MONDAY, "--quiet"]) == 0
    capsys.readouterr()
    assert run(["schedule", "history", "weekly"]) == 0
    out = capsys.readouterr().out
    titles = [block.splitlines()[0] for block in out.strip().split("\n\n")]
    assert [title.partition("  (")[0] for title in titles] == ["Jobs", "Deliveries", "Files"]
    rows = [line.split() for line in out.splitlines()]
    assert ["weekly", "2026-W10", "sent", "2026-03-09", "07:00:00Z"] in [row[:5] for row in rows]
    assert ["weekly", "2026-W10", "1", "Acme", "output", "out/{account}", "sent", "1"] in [row[:8] for row in rows]
    assert [row[:3] for row in rows if row and row[0].endswith(".json")] == [
        ["statement_2026-03-02_2026-03-08_acme_a.json", "1", "Acme"],
        ["weekly_2026-W10.json", "1", "all"],
    ]


def test_times_of_tables_are_local_to_the_zone_of_the_settings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("polydoc-analytics.toml").write_text('timezone = "America/New_York"\n' + SETTINGS.partition("[schedule]")[0])
    assert run(["doctor"]) == 0
    assert "created from       2026-03-04 05:00:00 -05:00" in capsys.readouterr().out
    assert run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sections"][0]["data"][0]["created_from"] == "2026-03-04T10:00:00Z"

"""The schedule: each period once, in order, whatever breaks in between, and a ledger that says what happened."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.processes import Process, start
from support.receivers import Hook, hook, mailbox
from support.runs import ndjson, wire
from support.schedule_year import quick_or

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.automation.schedule.jobs import Job
from polydoc_analytics.automation.schedule.scheduler import Scheduler
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.cli import run
from polydoc_analytics.config.settings import settings
from polydoc_analytics.errors import LakeError
from polydoc_analytics.reports.builders import builder

WEEKLY = """
lake = "lake"
timezone = "Europe/Lisbon"
[schedule]
attempts = 3
back_off = "5m"
tell = ["folder"]
[delivery.folder]
kind = "folder"
path = "told"
[delivery.hook]
kind = "webhook"
url_env = "HOOK_URL"
timeout = 2
[[reports]]
name = "weekly"
kind = "runs"
schedule = "0 7 * * 1"
period = "last-week"
formats = ["json", "md"]
output = "out/{period}"
deliver = ["hook"]
"""
LANGUAGES = WEEKLY.replace('kind = "runs"', 'kind = "languages"')
MONDAY = "2026-03-09T07:00+00:00"  # the week before is 2026-W10


def rows() -> Iterator[dict[str, Any]]:
    for number in range(28):
        at = f"2026-03-{number % 28 + 1:02}"
        yield wire(
            f"r{number}", created_at=f"{at}T10:00:00Z", finished_at=f"{at}T10:00:10Z", account_id=f"a{number % 2}"
        )


@pytest.fixture(autouse=True)
def quick_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be reports of a kind ``runs``; LANGUAGES is for those that a process of its own is to make."""
    monkeypatch.setattr("polydoc_analytics.reports.builders.builder", quick_or(builder))


@pytest.fixture(scope="module")
def first_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scheduler")
    (folder / "runs.ndjson").write_bytes(ndjson(rows()))
    pda.Lake(folder / "lake").ingest(folder / "runs.ndjson")
    return folder


@pytest.fixture
def folder(first_load: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of runs and a lake into which it was loaded."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(first_load, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with hook() as found:
        monkeypatch.setenv("HOOK_URL", found.url)
        yield found


def scheduler(text: str, at: str | datetime) -> Scheduler:
    Path("polydoc-analytics.toml").write_text(text)
    found = settings("polydoc-analytics.toml", {})
    now = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return Scheduler(pda.Lake("lake"), found, plans(found), lambda: now)


def pass_at(text: str, at: str | datetime) -> list[tuple[str, str]]:
    return [(job.period, job.state) for job in scheduler(text, at).due().jobs]


def job_of(text: str, period: str, name: str = "weekly") -> Job:
    found = scheduler(text, MONDAY).job_store.job(name, period)
    assert found is not None
    return found


def test_a_period_is_made_and_sent_once_and_the_ledger_says_from_what_and_to_whom(folder: Path, server: Hook) -> None:
    assert pass_at(LANGUAGES, "2026-03-09T06:59+00:00") == []
    assert pass_at(LANGUAGES, MONDAY) == [("2026-W10", "sent")]
    assert pass_at(LANGUAGES, MONDAY) == []
    assert pass_at(LANGUAGES, "2026-03-15T23:00+00:00") == []
    [content] = server.taken
    assert content["data"]["report"] == "weekly"
    job = job_of(LANGUAGES, "2026-W10")
    assert job.due_at == "2026-03-09T07:00:00+00:00"
    assert (job.since, job.until) == ("2026-03-02T00:00:00+00:00", "2026-03-09T00:00:00+00:00")
    [edition] = job.editions
    assert (edition.number, edition.load, edition.is_incomplete) == (1, 1, False)
    [document] = edition.documents
    for name, known in document.files.items():
        written = (folder / "out" / "2026-W10" / name).read_bytes()
        assert (sha256(written).hexdigest(), len(written)) == (known["sha256"], known["bytes"])
    assert {one["name"]: one["sha256"] for one in content["files"]} == {
        n: k["sha256"] for n, k in document.files.items()
    }
    [_, sent] = edition.deliveries
    assert (sent.target, sent.receiver, sent.state, sent.tries[0].answer) == ("hook", "HOOK_URL", "sent", "200 ok")
    report = json.loads((folder / "out" / "2026-W10" / "weekly_2026-W10.json").read_text())
    assert (report["since"], report["until"]) == ("2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z")


def test_of_what_was_missed_the_newest_are_made_up_for_in_order_and_the_rest_is_listed_as_skipped(
    folder, server
) -> None:
    text = WEEKLY.replace("[[reports]]", "[[reports]]\ncatch_up = 2")
    pass_at(text, "2026-03-02T07:00+00:00")
    assert pass_at(text, "2026-03-31T12:00+01:00") == [("2026-W12", "sent"), ("2026-W13", "sent")]
    states = {job.period: job.state for job in scheduler(text, MONDAY).job_store.jobs("weekly")}
    assert list(states) == ["2026-W09", "2026-W10", "2026-W11", "2026-W12", "2026-W13"]
    assert list(states.values()) == ["sent", "skipped", "skipped", "sent", "sent"]
    assert "--rerun" in job_of(text, "2026-W10").note
    assert [one["data"]["period"] for one in server.taken] == ["2026-W09", "2026-W12", "2026-W13"]


def test_a_clock_that_was_ahead_for_a_while_silences_no_report(folder: Path, server: Hook) -> None:
    assert pass_at(WEEKLY, MONDAY) == [("2026-W10", "sent")]
    assert pass_at(WEEKLY, "2026-12-07T07:00+00:00") == [("2026-W49", "sent")]
    for day, period in ((16, "2026-W11"), (23, "2026-W12")):
        assert pass_at(WEEKLY, f"2026-03-{day}T06:00+00:00") == []
        assert pass_at(WEEKLY, f"2026-03-{day}T07:00+00:00") == [(period, "sent")]
        assert pass_at(WEEKLY, f"2026-03-{day}T07:05+00:00") == []
        assert pass_at(WEEKLY, f"2026-03-{day}T06:59+00:00") == [], "nor one that goes back a little"
    # A clock that was behind, before the report was first seen, makes up for nothing.
    assert pass_at(WEEKLY, "2020-01-06T08:00+00:00") == []
    assert pass_at(WEEKLY, "2026-03-24T08:00+00:00") == []
    assert sorted(one["data"]["period"] for one in server.taken) == ["2026-W10", "2026-W11", "2026-W12", "2026-W49"]


def test_a_day_that_a_zone_skips_has_no_report_and_holds_up_no_other(folder: Path, server: Hook) -> None:
    """In Samoa no clock has shown 30 December 2011."""
    text = (
        WEEKLY.replace("Europe/Lisbon", "Pacific/Apia").replace("0 7 * * 1", "daily").replace("last-week", "yesterday")
    )
    text = text.replace("[[reports]]", "[[reports]]\ncatch_up = 2")
    assert pass_at(text, "2011-12-29T17:00+00:00") == [("2011-12-28", "sent")]
    assert pass_at(text, "2011-12-30T17:00+00:00") == []
    assert pass_at(text, "2012-01-03T17:00+00:00") == [("2012-01-02", "sent"), ("2012-01-03", "sent")]


def test_a_start_in_the_past_is_where_it_begins(folder: Path, server: Hook) -> None:
    text = WEEKLY.replace("[[reports]]", '[[reports]]\ncatch_up = 9\nstart = "2026-03-09"')
    assert [period for period, _ in pass_at(text, "2026-03-24T12:00+00:00")] == ["2026-W10", "2026-W11", "2026-W12"]


def test_a_start_that_is_set_moved_or_taken_away_later_sends_each_period_once(folder: Path, server: Hook) -> None:
    def starting(day: str) -> str:
        return WEEKLY.replace("[[reports]]", f'[[reports]]\ncatch_up = 9\nstart = "{day}"')

    assert [period for period, _ in pass_at(WEEKLY, MONDAY)] == ["2026-W10"]
    assert [period for period, _ in pass_at(starting("2026-02-23"), "2026-03-09T08:00+00:00")] == [
        "2026-W08",
        "2026-W09",
    ]
    assert pass_at(WEEKLY, "2026-03-09T09:00+00:00") == []
    assert pass_at(starting("2026-02-23"), "2026-03-09T10:00+00:00") == []
    assert pass_at(starting("2026-03-02"), "2026-03-09T11:00+00:00") == []
    assert [period for period, _ in pass_at(starting("2026-02-16"), "2026-03-09T12:00+00:00")] == ["2026-W07"]
    sent = [one["data"]["period"] for one in server.taken]
    assert sorted(sent) == sorted(set(sent)) == ["2026-W07", "2026-W08", "2026-W09", "2026-W10"]


def test_a_receiver_in_trouble_is_tried_again_and_later_periods_wait_for_it(folder, monkeypatch) -> None:
    with hook(500, 500, 200) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        assert pass_at(WEEKLY, MONDAY) == [("2026-W10", "sending")]
        assert pass_at(WEEKLY, "2026-03-09T07:04+00:00") == [("2026-W10", "sending")]
        assert len(server.requests) == 1
        assert pass_at(WEEKLY, "2026-03-09T07:05+00:00") == [("2026-W10", "sending")]
        later = WEEKLY.replace("[[reports]]", "[[reports]]\ncatch_up = 2")
        assert pass_at(later, "2026-03-09T07:06+00:00") == [("2026-W10", "sending")]
        assert pass_at(later, "2026-03-16T07:00+00:00") == [("2026-W10", "sent"), ("2026-W11", "sent")]
    assert [one["data"]["period"] for one in server.taken] == ["2026-W10", "2026-W11"]
    assert not (folder / "told").exists()


def test_after_the_last_try_the_job_has_failed_and_somebody_hears_of_it_once(folder: Path, monkeypatch) -> None:
    with hook(500) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        for minutes in (0, 5, 15, 60, 120):
            done = scheduler(WEEKLY, datetime.fromisoformat(MONDAY) + timedelta(minutes=minutes)).due()
            assert done.is_bad == (minutes == 15)
    job = job_of(WEEKLY, "2026-W10")
    assert (job.state, len(server.requests)) == ("failed", 3)
    [notice] = (folder / "told").iterdir()
    assert "weekly 2026-W10: was not delivered to all: hook: failed: answered 500" in notice.read_text()


def test_what_went_wrong_is_said_however_quiet_it_is_to_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cron sends what a command prints, and not how it exits."""
    text = WEEKLY.replace("attempts = 3", 'attempts = 1\nsync = ["gone"]')
    Path("polydoc-analytics.toml").write_text(f'{text}[sources.gone]\nkind = "files"\npath = "gone.ndjson"\n')
    with hook(500) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        assert run(["schedule", "due", "--quiet", "--now", MONDAY]) == 3
    synced, failed = capsys.readouterr().err.splitlines()
    assert synced.startswith("error: gone: ")
    assert failed.startswith("error: weekly 2026-W10: failed (hook: failed: answered 500")
    assert run(["schedule", "due", "--quiet", "--now", MONDAY]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_cannot_be_made_is_tried_again_and_then_said(folder: Path, server: Hook) -> None:
    broken = WEEKLY + '[branding]\nlogo = "missing.svg"\n'
    states = [pass_at(broken, datetime.fromisoformat(MONDAY) + timedelta(minutes=m)) for m in (0, 2, 5, 15, 60)]
    assert [state for done in states for _, state in done] == ["retrying", "retrying", "retrying", "failed"]
    assert [one.outcome for one in job_of(WEEKLY, "2026-W10").tries] == ["failed"] * 3
    assert "missing.svg" in next((folder / "told").iterdir()).read_text()
    assert pass_at(WEEKLY, "2026-03-16T07:00+00:00") == [("2026-W11", "sent")]


NEEDS = WEEKLY.replace(
    "[[reports]]", '[sources.exports]\nkind = "files"\npath = "runs.ndjson"\n[[reports]]\nneeds = ["exports"]'
)


def synced(at: str) -> None:
    """The newest file of the source was written then; that it was looked at since says nothing."""
    state = {"kind": "files", "newest_file_at": at, "last_success_at": "2026-12-01T00:00:00+00:00"}
    pda.Lake("lake").remember("exports", state)


def test_a_job_waits_for_its_sources_and_is_sent_when_they_have_come(folder: Path, server: Hook) -> None:
    synced("2026-03-08T23:59:59+00:00")
    assert pass_at(NEEDS, MONDAY) == [("2026-W10", "waiting")]
    assert job_of(NEEDS, "2026-W10").note == "waits for exports"
    synced("2026-03-09T00:00:00+00:00")
    assert pass_at(NEEDS, "2026-03-09T07:30+00:00") == [("2026-W10", "sent")]
    assert not job_of(NEEDS, "2026-W10").editions[0].is_incomplete


def test_after_its_wait_it_is_sent_marked_as_incomplete(folder: Path, server: Hook) -> None:
    assert pass_at(NEEDS, MONDAY) == [("2026-W10", "waiting")]
    assert pass_at(NEEDS, "2026-03-09T09:00+00:00") == [("2026-W10", "sent")]
    [content] = server.taken
    assert content["text"][0].startswith("Incomplete: exports had brought nothing from past the end of the period")
    assert "Incomplete: exports" in (folder / "out" / "2026-W10" / "weekly_2026-W10.md").read_text()


def test_or_it_is_held_and_later_periods_do_not_wait_for_it(folder: Path, server: Hook) -> None:
    text = NEEDS.replace("[[reports]]", '[[reports]]\nincomplete = "hold"')
    pass_at(text, MONDAY)
    assert pass_at(text, "2026-03-09T09:00+00:00") == [("2026-W10", "held")]
    assert pass_at(text, "2026-03-10T09:00+00:00") == [("2026-W10", "held")]
    assert len(list((folder / "told").iterdir())) == 1
    synced("2026-03-16T05:00:00+00:00")
    assert pass_at(text, "2026-03-16T07:00+00:00") == [("2026-W10", "sent"), ("2026-W11", "sent")]


def test_sources_are_synced_first_where_the_settings_say_so(folder: Path, server: Hook) -> None:
    text = NEEDS.replace("[schedule]", '[schedule]\nsync = ["exports"]')
    written = datetime.fromisoformat("2026-03-09T05:00+00:00").timestamp()
    os.utime("runs.ndjson", (written, written))
    assert pass_at(text, MONDAY) == [("2026-W10", "sent")]


def test_a_sync_that_reads_nothing_new_brings_no_data(folder: Path, server: Hook) -> None:
    """The last file is of 5 March and its last run of the day before: the week that ends on the 8th is not whole."""
    (folder / "old").mkdir()
    (folder / "old" / "runs.ndjson").write_bytes(ndjson(list(rows())[:4]))
    written = datetime.fromisoformat("2026-03-05T05:00+00:00").timestamp()
    os.utime("old/runs.ndjson", (written, written))
    text = NEEDS.replace("[schedule]", '[schedule]\nsync = ["exports"]').replace('"runs.ndjson"', '"old"')
    assert pass_at(text, MONDAY) == [("2026-W10", "waiting")]
    assert pass_at(text, "2026-03-09T09:00+00:00") == [("2026-W10", "sent")]
    assert job_of(text, "2026-W10").editions[0].is_incomplete


def test_a_run_from_past_the_end_of_the_period_completes_it_unless_rows_come_late(folder: Path, server: Hook) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "runs.ndjson").write_bytes(
        ndjson(
            [
                wire("n", created_at="2026-03-08T23:30:00Z", finished_at="2026-03-09T05:00:00Z"),
                # A clock that is wrong by years is no proof of anything.
                wire("m", created_at="2026-03-01T23:30:00Z", finished_at="2099-03-09T05:00:00Z"),
            ]
        )
    )
    written = datetime.fromisoformat("2026-03-05T05:00+00:00").timestamp()
    os.utime("new/runs.ndjson", (written, written))
    text = NEEDS.replace("[schedule]", '[schedule]\nsync = ["exports"]').replace('"runs.ndjson"', '"new"')
    late = text.replace('path = "new"', 'path = "new"\ncomplete_after = "6h"')
    assert pass_at(late, MONDAY) == [("2026-W10", "waiting")]
    assert pass_at(late.replace("6h", "5h"), MONDAY) == [("2026-W10", "sent")]


def test_a_rerun_that_is_sent_is_a_new_edition_that_says_what_changed(
    folder: Path, server: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    pass_at(WEEKLY, MONDAY)
    (folder / "late.ndjson").write_bytes(
        ndjson([wire("late", created_at="2026-03-04T10:00:00Z", account_id="a9", credits=40)])
    )
    pda.Lake("lake").ingest("late.ndjson")
    capsys.readouterr()
    assert run(["report", "--rerun", "weekly", "2026-W10", "--send", "--now", "2026-03-10T09:00Z"]) == 0
    said = capsys.readouterr()
    assert "weekly 2026-W10, edition 2: sent" in said.err
    assert "Credits: 61, before 21." in said.err
    assert "editions/weekly/2026-W10/2/weekly_2026-W10_edition-2.md" in said.out
    page = (folder / "out" / "2026-W10" / "weekly_2026-W10_edition-2.md").read_text()
    assert "Runs: 8, before 7." in page
    assert "Edition 2" in page
    assert [one["data"]["edition"] for one in server.taken] == [1, 2]
    assert server.keys[0] != server.keys[1]
    first, second = job_of(WEEKLY, "2026-W10").editions
    assert (first.load, second.load) == (1, 2)
    assert run(["report", "--rerun", "weekly", "2026-W99"]) == 2
    assert run(["report", "--rerun", "weakly", "2026-W10"]) == 2
    assert "did you mean weekly?" in capsys.readouterr().err


STATEMENTS = """
[delivery.mail]
kind = "email"
host = "127.0.0.1"
port = {port}
security = "none"
from = "billing@example.com"
contacts = "contacts.csv"
[[reports]]
name = "statements"
kind = "statement"
per_account = true
schedule = "monthly"
period = "last-month"
formats = ["json"]
output = "out/{{account}}"
deliver = ["mail", "hook"]
"""


def test_each_customer_gets_a_statement_of_its_own_and_of_nobody_else(folder: Path, server: Hook) -> None:
    with open("contacts.csv", "w", newline="") as file:
        csv.writer(file).writerows([("account_id", "email"), ("a0", "zero@example.com")])
    with mailbox() as box:
        text = WEEKLY.split("[[reports]]")[0] + STATEMENTS.format(port=box.controller.port)
        assert pass_at(text, "2026-04-01T06:00+00:00") == [("2026-03", "sent")]
    assert box.receivers == ["zero@example.com"]
    [message] = box.messages
    [attached] = message.iter_attachments()
    content = attached.get_content()
    content = content.decode() if isinstance(content, bytes) else content
    assert json.loads(content)["filters"]["account"] == ["a0"]
    other = re.compile("(?<![0-9a-f])a1(?![0-9a-f])")  # the name of a load or a hash may hold it
    texts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    assert not [text for text in (*texts, content) if other.search(text)]
    skipped = [one for one in job_of(text, "2026-03", "statements").editions[0].deliveries if one.state == "skipped"]
    assert [(one.account, one.target) for one in skipped] == [("a1", "mail")]
    assert job_of(text, "2026-03", "statements").note == "mail: no address for 1 account: a1"
    assert {path.name for path in (folder / "out").iterdir()} == {"a0", "a1", "all"}
    assert len(server.taken) == 1  # the index, not one call an account


def test_the_ledger_is_json_that_people_can_read(folder: Path, server: Hook) -> None:
    assert pass_at(WEEKLY, MONDAY) == [("2026-W10", "sent")]
    job = job_of(WEEKLY, "2026-W10")
    job.note = 'é "quoted" \\ \u2028 \n'
    scheduler(WEEKLY, MONDAY).job_store.save(job)
    written = (folder / "lake" / "_schedule" / "jobs" / "weekly" / "2026-W10.json").read_text("utf-8")
    assert written == json.dumps(asdict(job), ensure_ascii=False, indent=1)


def test_the_contacts_of_an_edition_are_read_once(folder: Path, server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    from polydoc_analytics.automation.delivery import contacts

    Path("contacts.csv").write_text("account_id,email\na0,zero@example.com\na1,one@example.com\n")
    read, times = contacts.csv_rows, 0

    def counted(path: str) -> Any:
        nonlocal times
        times += 1
        return read(path)

    monkeypatch.setattr(contacts, "csv_rows", counted)
    with mailbox() as box:
        text = WEEKLY.split("[[reports]]")[0] + STATEMENTS.format(port=box.controller.port)
        assert pass_at(text, "2026-04-01T06:00+00:00") == [("2026-03", "sent")]
    assert sorted(box.receivers) == ["one@example.com", "zero@example.com"]
    assert times == 1


def test_a_job_says_which_accounts_of_the_settings_have_no_statement(folder: Path, server: Hook) -> None:
    text = WEEKLY.split("[[reports]]")[0] + STATEMENTS.format(port=1).replace('"mail", ', "")
    chosen = text.replace("per_account = true", 'per_account = true\naccounts = ["a0", "A1", "nobody"]')
    assert pass_at(chosen, "2026-04-01T06:00+00:00") == [("2026-03", "sent")]
    assert job_of(chosen, "2026-03", "statements").note == "no runs of 2 accounts: A1, nobody"
    assert pass_at(text, "2026-06-01T06:00+00:00") == [("2026-05", "sent")]
    assert job_of(text, "2026-05", "statements").note == "no account has runs"


def test_a_dry_run_says_what_would_be_and_does_nothing(
    folder: Path, server: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduler(WEEKLY, MONDAY)
    assert run(["schedule", "due", "--dry-run", "--now", MONDAY]) == 0
    assert capsys.readouterr().out == "weekly 2026-W10: due, due 2026-03-09 07:00:00 +00:00\n"
    assert not (folder / "lake" / "_schedule").exists()
    assert run(["schedule", "due", "--now", MONDAY, "--json"]) == 0
    assert [job["state"] for job in json.loads(capsys.readouterr().out)["data"]] == ["sent"]


def test_list_show_and_history_say_when_what_and_to_whom(folder, server, capsys: pytest.CaptureFixture[str]) -> None:
    scheduler(WEEKLY, MONDAY)
    assert run(["schedule", "due", "--now", MONDAY, "--quiet"]) == 0
    capsys.readouterr()
    assert run(["schedule", "list", "--now", "2026-03-24T00:00Z", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["data"]
    assert (row["next_at"], row["last_period"], row["state"]) == ("2026-03-30T06:00:00+00:00", "2026-W10", "sent")
    for command in (["list"], ["show", "weekly"]):
        assert run(["schedule", *command]) == 0
        assert "2026-W10 sent" in capsys.readouterr().out
    assert run(["schedule", "show", "weekly", "--json", "--now", "2026-03-24T00:00Z"]) == 0
    assert json.loads(capsys.readouterr().out)["data"][0]["next"][0] == "2026-03-30T06:00:00+00:00"
    assert run(["schedule", "history"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"hook +HOOK_URL +sent +1 ", shown)
    assert "hook-canary" not in shown
    assert "weekly_2026-W10.json" in shown
    assert run(["schedule", "history", "weekly", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sections"][0]["data"][0]["period"] == "2026-W10"
    assert "hook-canary" not in "".join(path.read_text() for path in (folder / "lake" / "_schedule").rglob("*.json"))
    assert run(["schedule", "history", "weakly"]) == 2
    assert "unknown report 'weakly'; did you mean weekly?; expected weekly" in capsys.readouterr().err


@pytest.fixture
def started() -> Iterator[Callable[..., Process]]:
    """Start a command as a process of its own, which does not outlive the test."""
    processes: list[Process] = []

    def begin(*arguments: str, **environment: str) -> Process:
        processes.append(start("from polydoc_analytics.cli import main; main()", *arguments, env=environment))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_scheduler_killed_in_mid_send_is_taken_up_by_the_next_one_with_the_same_key(
    folder: Path, monkeypatch, started
) -> None:
    with hook("silent", 200) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        scheduler(LANGUAGES.replace("timeout = 2", "timeout = 30"), MONDAY)
        process = started("schedule", "due", "--now", MONDAY)
        until(lambda: len(server.requests) == 1)
        process.kill()
        process.communicate()
        assert pass_at(LANGUAGES, "2026-03-09T07:01+00:00") == [("2026-W10", "sent")]
    first, second = server.requests
    assert first["headers"]["Idempotency-Key"] == second["headers"]["Idempotency-Key"]
    assert first["body"] == second["body"]  # the edition that was made, not another one
    job = job_of(LANGUAGES, "2026-W10")
    assert [one.outcome for one in job.editions[0].deliveries[1].tries] == ["uncertain", "sent"]
    assert len(job.editions) == 1


def test_two_schedulers_at_once_do_a_job_once(folder: Path, server: Hook, started) -> None:
    scheduler(LANGUAGES, MONDAY)
    processes = [started("schedule", "due", "--now", MONDAY) for _ in range(2)]
    ended = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("2026-W10: sent" in err for _, err in ended) == 1
    assert len(server.requests) == 1


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
def test_run_does_what_is_due_and_ends_cleanly_on_sigterm(folder: Path, server: Hook, started) -> None:
    scheduler(LANGUAGES, MONDAY)
    process = started("schedule", "run", POLYDOC_ANALYTICS_NOW=MONDAY)
    until(lambda: len(server.requests) == 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO ended", err.splitlines()[-1])
    assert re.search(r"Z INFO weekly 2026-W10: sent$", err, re.MULTILINE)
    assert job_of(LANGUAGES, "2026-W10").state == "sent"


def test_run_goes_on_while_the_lake_is_out_of_reach(
    folder: Path, server: Hook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("polydoc-analytics.toml").write_text(WEEKLY)
    tries = 0

    def fails(_: Scheduler) -> None:
        nonlocal tries
        tries += 1
        if tries == 5:
            signal.raise_signal(signal.SIGTERM)
        raise LakeError("lake: cannot be reached")

    monkeypatch.setattr(Scheduler, "due", fails)
    monkeypatch.setattr(Scheduler, "wakes_at", fails)
    monkeypatch.setattr("polydoc_analytics.cli.schedule._MAX_SLEEP_S", 0.01)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert run(["schedule", "run", "--quiet"]) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["ERROR lake: cannot be reached"] * 3


def test_an_alert_is_checked_with_the_schedule_where_the_settings_say_so(folder: Path, server: Hook) -> None:
    alert = '[[alerts]]\nname = "busy"\nview = "usage_daily"\nmeasure = "runs"\nabove = 0\ndeliver = ["folder"]\n'
    text = WEEKLY.replace("[schedule]", "[schedule]\nalerts = true") + alert
    done = scheduler(text, MONDAY).due()
    assert done.alerts is not None
    assert [one.alert for one in done.alerts.firing] == ["busy"]
    assert len(list((folder / "told").iterdir())) == 1


def test_a_lake_in_an_object_store_has_the_same_ledger(folder: Path, server: Hook, s3_client: Any) -> None:
    pda.Lake("s3://bucket/lake").ingest("runs.ndjson")
    scheduler(WEEKLY.replace('"lake"', '"s3://bucket/lake"'), MONDAY)
    assert run(["schedule", "due", "--now", MONDAY]) == 0
    assert run(["schedule", "due", "--now", MONDAY]) == 0
    found = s3_client.get_object(Bucket="bucket", Key="lake/_schedule/jobs/weekly/2026-W10.json")["Body"].read()
    state = StateStore(pda.Lake("s3://bucket/lake"))
    with state.lock():
        state.write("alerts.json", {})
        state.place.write("owner", b"who took the lease over while this one slept")
        with pytest.raises(LakeError, match="has taken over"):
            state.write("alerts.json", {})
    assert json.loads(found)["state"] == "sent"
    assert len(server.requests) == 1


def test_an_erasure_names_the_documents_that_were_made_for_the_account(
    tmp_path: Path, file: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:

    monkeypatch.chdir(tmp_path)
    (tmp_path / "polydoc-analytics.toml").write_text(
        'lake = "lake"\n[[reports]]\nname = "statements"\nkind = "statement"\nper_account = true\n'
        'schedule = "monthly"\nperiod = "last-month"\nstart = "2026-10-01"\nformats = ["md"]\n'
        'output = "out/{report}/{period}/{account}"\n'
    )
    made = [
        wire("a", created_at="2026-09-02T10:00:00Z"),
        wire("b", created_at="2026-09-02T10:00:00Z", account_id="zeta"),
    ]
    assert run(["ingest", file(made), "-q"]) == 0
    assert run(["schedule", "due", "--now", "2026-10-02T09:00:00Z"]) == 0
    capfd.readouterr()
    assert run(["lake", "erase", "--account", "acme", "--run", "--keep-documents"]) == 0
    said = capfd.readouterr().err
    assert "1 document of this account is kept" in said
    assert "statements/2026-09/1/statement_2026-09_acme.md" in said


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
def test_run_logs_json_on_request(folder: Path, server: Hook, started) -> None:
    scheduler(LANGUAGES, MONDAY)
    process = started("schedule", "run", "--log-format", "json", POLYDOC_ANALYTICS_NOW=MONDAY)
    until(lambda: len(server.requests) == 1)
    process.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in process.communicate(timeout=30)[1].splitlines()]
    assert {tuple(line) for line in lines} == {("time", "level", "message")}
    assert lines[-1]["message"] == "ended"

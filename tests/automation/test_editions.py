"""Editions: a look is none, what is due stays due, and a new one goes to those whose figures have changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.receivers import Hook, hook, mailbox
from support.repetitions import Soak
from support.reports import pdf_text
from support.runs import ndjson, wire
from support.schedule_year import quick_or

import polydoc_analytics as pda
from polydoc_analytics.automation import plans
from polydoc_analytics.automation.schedule.scheduler import Scheduler
from polydoc_analytics.cli import run
from polydoc_analytics.config.settings import settings
from polydoc_analytics.reports.builders import builder, statement

WEEKLY = """
lake = "lake"
[delivery.hook]
kind = "webhook"
url_env = "HOOK_URL"
[[reports]]
name = "weekly"
kind = "runs"
schedule = "0 7 * * 1"
period = "last-week"
formats = ["json"]
deliver = ["hook"]
"""
OVERVIEW = WEEKLY.replace('"runs"', '"overview"')
STATEMENTS = """
lake = "lake"
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
deliver = ["mail"]
"""
MONDAY = "2026-03-09T07:00Z"  # the week before is 2026-W10
APRIL = "2026-04-01T07:00Z"

Put = Callable[..., None]


@pytest.fixture(autouse=True)
def quick_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be reports of a kind ``runs``, and no charts be drawn for mails."""
    monkeypatch.setattr("polydoc_analytics.reports.builders.builder", quick_or(builder))
    monkeypatch.setattr("polydoc_analytics.automation.delivery.pictures.pictures", lambda *_: {})


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Bring rows into the lake of this folder."""
    monkeypatch.chdir(tmp_path)

    def ingest(*rows: dict[str, Any]) -> None:
        Path("rows.ndjson").write_bytes(ndjson(rows))
        pda.Lake("lake").ingest("rows.ndjson")

    return ingest


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with hook() as found:
        monkeypatch.setenv("HOOK_URL", found.url)
        yield found


def configure(text: str) -> None:
    Path("polydoc-analytics.toml").write_text(text)


def due(at: str) -> int:
    return run(["schedule", "due", "--quiet", "--now", at])


def rerun(name: str, period: str, *more: str, at: str = "2026-05-02T09:00Z") -> int:
    return run(["report", "--rerun", name, period, "--now", at, *more])


def jobs(name: str = "weekly") -> dict[str, Any]:
    found = settings("polydoc-analytics.toml", {})
    job_store = Scheduler(pda.Lake("lake"), found, plans(found), lambda: None).job_store  # type: ignore[arg-type, return-value]
    return {job.period: job for job in job_store.jobs(name)}


def ledger() -> dict[str, bytes]:
    folder = Path("lake/_schedule")
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run_on(day: str, id: str, **more: Any) -> dict[str, Any]:  # noqa: A002 - the column's name
    return wire(id, created_at=f"{day}T10:00:00Z", finished_at=f"{day}T10:00:10Z", **more)


def change_after_the_first_edition(put: Put) -> None:
    """Send the statement of March to an account that reads German, and bring one more run of that month."""
    Path("contacts.csv").write_text("account_id,email\na,a@x.org\n")
    Path("accounts.csv").write_text("account_id,name,language\na,Adler AG,de\n")
    put(run_on("2026-03-04", "first", account_id="a"))
    assert due(APRIL) == 0
    put(run_on("2026-03-09", "late", account_id="a"))


def test_a_look_is_no_edition_and_what_is_due_is_made_and_sent(put: Put, server: Hook, capsys) -> None:
    configure(OVERVIEW)
    put(run_on("2026-03-04", "a"))
    assert due("2026-03-04T07:00Z") == 0
    before = ledger()
    assert rerun("weekly", "2026-W10", "--out", "look", at="2026-03-05T12:00Z") == 0
    said = capsys.readouterr()
    assert "a look, and no edition" in said.err
    assert said.out.splitlines() == [str(Path("look/weekly_2026-W10.json"))]
    assert ledger() == before
    put(run_on("2026-03-06", "b"))
    assert due(MONDAY) == 0
    [sent] = server.taken
    assert sent["data"]["edition"] == 1
    assert sent["figures"][0] == {"label": "Runs", "value": "2", "note": sent["figures"][0]["note"]}
    assert jobs()["2026-W10"].state == "sent"


@pytest.mark.parametrize("period", ["last-week", "Last-Week", "2026-w10"])
def test_a_period_has_one_name_in_the_ledger_however_it_is_called(put: Put, server: Hook, capsys, period: str) -> None:
    configure(WEEKLY)
    put(run_on("2026-03-04", "a"))
    assert due(MONDAY) == 0
    assert rerun("weekly", period, "--send", at="2026-03-11T12:00Z") == 0
    assert "weekly 2026-W10: nobody's figures have changed" in capsys.readouterr().err
    assert list(jobs()) == ["2026-W10"]
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    "flags",
    [
        ("--kind", "quality"), ("--format", "pdf"), ("--account", "a"), ("--since", "2026-03-01"),
        ("--as-of", "2026-03-01"), ("--strict",),
    ],
)  # fmt: skip
def test_a_flag_that_a_rerun_would_not_heed_is_refused(put: Put, server: Hook, capsys, flags: tuple[str, ...]) -> None:
    configure(WEEKLY)
    put(run_on("2026-03-04", "a"))
    assert rerun("weekly", "2026-W10", *flags) == 2
    assert capsys.readouterr().err == f"error: {flags[0]} says nothing beside --rerun; leave it out\n"


def test_a_look_beforehand_makes_no_ledger_at_all(put: Put, server: Hook) -> None:
    configure(WEEKLY)
    put(run_on("2026-03-04", "a"))
    assert rerun("weekly", "2026-W10", "--out", "look") == 0
    assert not Path("lake/_schedule").exists()


def test_a_look_at_a_job_that_waits_leaves_it_waiting(put: Put, server: Hook) -> None:
    text = WEEKLY + 'needs = ["x"]\nwait = "3d"\n[sources.x]\nkind = "files"\npath = "nowhere"\n'
    configure(text)
    put(run_on("2026-03-04", "a"))
    assert due(MONDAY) == 0
    assert rerun("weekly", "2026-W10", "--out", "look", at="2026-03-09T08:00Z") == 0
    assert (jobs()["2026-W10"].state, jobs()["2026-W10"].editions) == ("waiting", [])
    assert due("2026-03-12T07:00Z") == 0
    assert [one["data"]["edition"] for one in server.taken] == [1]


def test_what_was_sent_before_its_period_ended_is_due_all_the_same(put: Put, server: Hook) -> None:
    configure(WEEKLY)
    put(run_on("2026-03-04", "a"))
    assert due("2026-03-04T07:00Z") == 0
    assert rerun("weekly", "2026-W10", "--send", at="2026-03-05T12:00Z") == 0
    assert due(MONDAY) == 0
    assert [one["data"]["edition"] for one in server.taken] == [1, 2]
    assert due("2026-03-09T08:00Z") == 0
    assert len(server.taken) == 2


@pytest.mark.parametrize("send", [(), ("--send",)])
def test_the_start_of_the_settings_holds_whatever_was_rerun_before(put: Put, server: Hook, send) -> None:
    text = WEEKLY.replace("0 7 * * 1", "monthly").replace("last-week", "last-month")
    configure(text + 'start = "2026-09-01"\ncatch_up = 12\n')
    put(*(run_on(f"2026-{month:02}-03", str(month)) for month in range(8, 12)))
    assert rerun("weekly", "2026-09", *send, "--out", "look", at="2026-11-20T12:00Z") == 0
    assert due("2026-11-20T12:05Z") == 0
    assert list(jobs()) == ["2026-08", "2026-09", "2026-10"] or send
    assert sorted(jobs()) == ["2026-08", "2026-09", "2026-10"]
    assert {job.state for job in jobs().values()} == {"sent"}
    assert sorted(one["data"]["period"] for one in server.taken) == ["2026-08", "2026-09", "2026-10"]


def test_a_start_that_is_set_later_is_honoured_too(put: Put, server: Hook) -> None:
    configure(WEEKLY + "catch_up = 9\n")
    put(run_on("2026-03-04", "a"))
    assert due(MONDAY) == 0
    configure(WEEKLY + 'catch_up = 9\nstart = "2026-02-23"\n')
    assert due("2026-03-09T08:00Z") == 0
    assert sorted(jobs()) == ["2026-W08", "2026-W09", "2026-W10"]
    assert [one["data"]["period"] for one in server.taken] == ["2026-W10", "2026-W08", "2026-W09"]


def test_a_job_at_midnight_of_its_first_day_is_due(put: Put, server: Hook) -> None:
    configure(WEEKLY.replace("0 7 * * 1", "0 0 * * 1") + 'start = "2026-03-09"\ntimezone = "Europe/Lisbon"\n')
    put(run_on("2026-03-04", "a"))
    assert due("2026-03-08T23:59:59Z") == 0
    assert jobs() == {}
    assert due("2026-03-09T00:00:00Z") == 0
    assert jobs()["2026-W10"].state == "sent"


@pytest.mark.parametrize(
    "command",
    [
        ("schedule", "due"),
        ("schedule", "list"),
        ("schedule", "show", "weekly"),
        ("schedule", "history"),
        ("schedule", "run"),
        ("alerts", "check"),
        ("alerts", "check", "--dry-run"),
        ("alerts", "list"),
        ("report", "--rerun", "weekly", "2026-W10"),
        ("report", "--rerun", "weekly", "2026-W10", "--send"),
    ],
)
def test_a_lake_that_is_not_there_is_named_and_not_made(
    command: tuple[str, ...], put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = WEEKLY.replace('lake = "lake"', 'lake = "laek"') + '[schedule]\nsync = ["x"]\nalerts = true\n'
    configure(text + '[sources.x]\nkind = "files"\npath = "rows.ndjson"\n')
    Path("rows.ndjson").write_bytes(ndjson([wire()]))
    assert run(list(command)) == 2
    assert capsys.readouterr().err == "error: no lake at laek; `polydoc-analytics ingest` or `sync` makes one\n"
    assert not Path("laek").exists()


def test_two_lakes_and_two_kinds_of_one_name_have_keys_of_their_own(put: Put, server: Hook) -> None:
    configure(WEEKLY)
    for lake in ("lake", "other"):
        Path("rows.ndjson").write_bytes(ndjson([run_on("2026-03-04", "a")]))
        pda.Lake(lake).ingest("rows.ndjson")
        assert run(["schedule", "due", "--quiet", "--lake", lake, "--now", MONDAY]) == 0
    configure(WEEKLY.replace('"runs"', '"languages"'))
    assert rerun("weekly", "2026-W10", "--send", "--all") == 0
    assert len(set(server.keys)) == len(server.keys) == 3


def test_an_edition_names_what_has_changed_in_any_table(put: Put, server: Hook, capsys) -> None:
    """One run was German and is French now: no total differs, and the language table does."""
    configure(OVERVIEW)
    put(run_on("2026-03-04", "a"), run_on("2026-03-04", "b"))
    assert due(MONDAY) == 0
    Path("rows.ndjson").write_bytes(ndjson([run_on("2026-03-04", "b", target_language="fr")]))
    pda.Lake("lake").ingest("rows.ndjson", correct=True)
    capsys.readouterr()
    assert rerun("weekly", "2026-W10", "--send") == 0
    said = capsys.readouterr().err
    assert "no figure has changed" not in said
    assert "Languages, de: runs: 1, before 2." in said
    assert "Languages, fr: row: runs 1" in said
    assert len(server.taken) == 2


def test_an_edition_whose_figures_are_the_same_goes_to_nobody_unless_all_are_to_get_it(
    put: Put, server: Hook, capsys
) -> None:
    for kind in ("overview", *(("languages", "quality") if Soak.is_on else ())):
        configure(WEEKLY.replace('"runs"', f'"{kind}"').replace("weekly", kind))
        put(run_on("2026-03-04", kind), run_on("2026-03-04", f"{kind} b", status="Failed", account_id="b"))
        assert due(MONDAY) == 0
        sent = len(server.taken)
        assert rerun(kind, "2026-W10", "--send") == 0
        assert "nobody's figures have changed" in capsys.readouterr().err
        assert (len(server.taken), len(jobs(kind)["2026-W10"].editions)) == (sent, 1)
        assert rerun(kind, "2026-W10", "--send", "--all") == 0
        assert "no figure has changed" in capsys.readouterr().err
        assert (len(server.taken), len(jobs(kind)["2026-W10"].editions)) == (sent + 1, 2)


def test_a_statement_goes_again_to_the_accounts_whose_figures_changed(put: Put) -> None:
    with mailbox() as box:
        configure(STATEMENTS.format(port=box.controller.port))
        Path("contacts.csv").write_text("account_id,email\na,a@x.org\nb,b@x.org\nc,c@x.org\n")
        put(*(run_on("2026-03-04", one, account_id=one) for one in "abc"))
        assert due(APRIL) == 0
        assert sorted(box.receivers) == ["a@x.org", "b@x.org", "c@x.org"]
        put(run_on("2026-03-09", "late", account_id="b"), run_on("2026-03-09", "new", account_id="d"))
        Path("contacts.csv").write_text("account_id,email\na,a@x.org\nb,b@x.org\nc,new@x.org\nd,d@x.org\n")
        assert rerun("statements", "2026-03", "--send") == 0
        # b has changed, d is new, and nobody at c's new address has ever got one.
        assert sorted(box.receivers[3:]) == ["b@x.org", "d@x.org", "new@x.org"]
        first, second = jobs("statements")["2026-03"].editions
        assert [one.account for one in second.documents] == ["a", "b", "c", "d", ""]
        assert any(line.startswith("Statements, b: runs: 2, before 1.") for line in second.changes)
        assert rerun("statements", "2026-03", "--send") == 0
        assert len(box.receivers) == 6
        if Soak.is_on:  # as those of two accounts below
            assert rerun("statements", "2026-03", "--send", "--all") == 0
            assert len(box.receivers) == 10
        assert first.deliveries[0].key != second.deliveries[0].key


def test_a_statement_and_its_mail_are_in_the_language_of_the_account(put: Put) -> None:
    with mailbox() as box:
        head, reports = STATEMENTS.format(port=box.controller.port).split("[delivery.mail]")
        configure(f'{head}accounts = "accounts.csv"\n[delivery.mail]\nattach = false\n{reports}')
        change_after_the_first_edition(put)
        assert rerun("statements", "2026-03", "--send") == 0
        [edition] = jobs("statements")["2026-03"].editions[1:]
        [name] = edition.documents[0].files
        assert name == "statement_2026-03_adler-ag_a_edition-2.json"
        content = json.loads(Path("lake/_schedule", edition.folder, name).read_bytes())
        mail = box.messages[-1]
    assert mail["Subject"] == "Nutzungsnachweis für Adler AG 1. März 2026 bis 31. März 2026"
    text = mail.get_body(("plain",)).get_content()
    assert "Läufe: 2" in text
    assert f"{name}, " in text
    assert [w for w in ("Edition", "Incomplete", "What changed") if w not in text] == [
        "Edition",
        "Incomplete",
        "What changed",
    ]
    assert {"label": "Ausgabe", "text": "2, ersetzt Ausgabe 1"} in content["head"]["facts"]
    changes = content["sections"][0]
    assert changes["title"] == "Was sich seit der vorigen Ausgabe geändert hat"
    assert "Läufe: 2, vorher 1." in changes["text"]
    late = [row for row in changes["data"] if row["what"] == "late"]
    assert late == [
        {"table": "Läufe", "what": "late", "measure": "Zeile", "before": "nicht vorhanden", "now": "vorhanden"}
    ]


def test_the_pdf_of_an_edition_whose_letters_no_font_has_is_in_english(
    put: Put, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(statement, "can_draw", lambda language, _: language == "en")
    with mailbox() as box:
        wanted = STATEMENTS.format(port=box.controller.port).replace('["json"]', '["json", "pdf"]')
        configure(f'accounts = "accounts.csv"{wanted}')
        change_after_the_first_edition(put)
        for send in (*([()] if Soak.is_on else []), ("--send",)):  # a look at it says so too
            capsys.readouterr()
            assert rerun("statements", "2026-03", *send) == 0
            said = "PDFs that would be in German are in English, for no font has its letters"
            assert capsys.readouterr().err.count(said) == 1
    kept = Path("lake/_schedule", jobs("statements")["2026-03"].editions[1].folder)
    printed = pdf_text((kept / "statement_2026-03_adler-ag_a_edition-2.pdf").read_bytes())
    assert "Usage statement for Adler AG" in printed
    assert "2, replaces edition 1" in printed
    assert "What changed since the edition before" in printed
    assert "runs: 2, before 1." in printed
    content = json.loads((kept / "statement_2026-03_adler-ag_a_edition-2.json").read_bytes())
    assert content["title"] == "Nutzungsnachweis für Adler AG"


def test_an_account_that_has_no_statement_for_its_sum_does_not_fit_is_told_of_and_gets_it_later(
    put: Put, server: Hook
) -> None:
    with mailbox() as box:
        told = '[schedule]\ntell = ["hook"]\n[delivery.hook]\nkind = "webhook"\nurl_env = "HOOK_URL"\n'
        configure(STATEMENTS.format(port=box.controller.port) + told)
        Path("contacts.csv").write_text("account_id,email\na,a@x.org\nb,b@x.org\n")
        put(*(run_on("2026-03-04", f"a{n}", account_id="a", credits=2**63 - 1) for n in range(2)))
        put(run_on("2026-03-04", "b", account_id="b"))
        assert due(APRIL) == 0
        assert box.receivers == ["b@x.org"]
        assert jobs("statements")["2026-03"].note.startswith("no statement for 1 account: a sum does not fit")
        assert due("2026-04-01T07:10Z") == 0
        [notice] = server.taken
        assert notice["text"][0].startswith("statements 2026-03: no statement for 1 account: a sum does not fit")
        Path("rows.ndjson").write_bytes(ndjson([run_on("2026-03-04", f"a{n}", account_id="a") for n in range(2)]))
        pda.Lake("lake").ingest("rows.ndjson", correct=True)
        assert rerun("statements", "2026-03", "--send") == 0
        assert box.receivers == ["b@x.org", "a@x.org"]
        assert jobs("statements")["2026-03"].note == ""


def test_an_account_whose_runs_went_to_another_is_sent_that_nothing_is_left(put: Put, capsys) -> None:
    with mailbox() as box:
        configure(STATEMENTS.format(port=box.controller.port))
        Path("contacts.csv").write_text("account_id,email\na,a@x.org\nb,b@x.org\nc,c@x.org\n")
        put(*(run_on("2026-03-04", one, account_id=one) for one in "abc"))
        assert due(APRIL) == 0
        Path("rows.ndjson").write_bytes(ndjson([run_on("2026-03-04", "a", account_id="b")]))
        pda.Lake("lake").ingest("rows.ndjson", correct=True)
        assert rerun("statements", "2026-03", "--send") == 0
        assert sorted(box.receivers[3:]) == ["a@x.org", "b@x.org"]
        [(told, _)] = [(one, to) for one, to in zip(box.messages, box.receivers, strict=True) if to == "a@x.org"][1:]
        text = told.get_body(("plain",)).get_content()
        assert "Credits: 0" in text
        assert "By account, a: credits: 0, before 3." in " ".join(text.split())
        last = jobs("statements")["2026-03"].editions[-1]
        assert [one.account for one in last.documents] == ["a", "b", "c", ""]
        if Soak.is_on:
            assert rerun("statements", "2026-03", "--send") == 0
        assert len(box.receivers) == 5
        assert run(["lake", "erase", "--account", "a", "--run"]) == 0
        assert rerun("statements", "2026-03", "--send", "--all") == 0
        assert sorted(box.receivers[5:]) == ["b@x.org", "c@x.org"]


def test_after_an_erasure_the_figures_as_sent_are_what_is_compared_and_nothing_of_the_account_is_kept(
    put: Put, server: Hook, capsys
) -> None:
    configure(WEEKLY)
    put(run_on("2026-03-04", "a", credits=7), run_on("2026-03-04", "b", account_id="gone", credits=5))
    assert due(MONDAY) == 0
    assert run(["lake", "erase", "--account", "gone", "--run"]) == 0
    kept = b"".join(content for name, content in ledger().items() if name.endswith(".figures.json"))
    assert b"gone" not in kept
    assert b"acme" in kept
    capsys.readouterr()
    assert rerun("weekly", "2026-W10", "--out", "look") == 0
    said = capsys.readouterr().err
    assert "1 account was erased since edition 1" in said
    assert "Credits: 7, before 12." in said
    assert "gone" not in said


def test_no_statement_is_made_of_an_account_that_was_erased(put: Put) -> None:
    Path("contacts.csv").write_text("account_id,email\na,a@x.org\ngone,g@x.org\n")
    with mailbox() as box:
        configure(STATEMENTS.format(port=box.controller.port))
        put(run_on("2026-03-04", "1", account_id="a"), run_on("2026-03-04", "2", account_id="gone"))
        assert due(APRIL) == 0
        assert run(["lake", "erase", "--account", "gone", "--run"]) == 0
        assert rerun("statements", "2026-03", "--send", "--all") == 0
    assert sorted(box.receivers) == ["a@x.org", "a@x.org", "g@x.org"]
    edition = jobs("statements")["2026-03"].editions[-1]
    assert sorted(document.account for document in edition.documents) == ["", "a"]
    assert [one.account for one in edition.deliveries] == ["a"]


def test_an_account_erased_without_the_command_line_is_left_out_as_well(put: Put, server: Hook, capsys) -> None:
    configure(WEEKLY)
    put(run_on("2026-03-04", "a"), run_on("2026-03-04", "b", account_id="gone"))
    assert due(MONDAY) == 0
    pda.Lake("lake").erase("gone")
    assert rerun("weekly", "2026-W10", "--out", "look") == 0
    said = capsys.readouterr().err
    assert "erased" in said
    assert "gone" not in said


def test_a_rerun_takes_the_zone_of_the_edition_that_it_repeats(put: Put, server: Hook, capsys) -> None:
    """Of 1,010 credits 1,000 are of the first hours of October in Lisbon, before it is October in Los Angeles."""
    text = WEEKLY.replace("0 7 * * 1", "monthly").replace("last-week", "last-month").replace("weekly", "monthly", 1)
    configure(text + 'timezone = "Europe/Lisbon"\n')
    put(
        wire("a", created_at="2026-10-01T01:00:00Z", finished_at="2026-10-01T01:01:00Z", credits=1000),
        run_on("2026-10-15", "b", credits=10),
    )
    assert due("2026-11-01T07:00Z") == 0
    configure(text + 'timezone = "America/Los_Angeles"\n')
    assert rerun("monthly", "2026-10", "--out", "look", at="2026-11-02T09:00Z") == 0
    said = capsys.readouterr().err
    assert "days are those of Europe/Lisbon, as before, though the settings now say America/Los_Angeles" in said
    assert "no figure has changed" in said
    content = json.loads(Path("look/monthly_2026-10_edition-2.json").read_text())
    assert (content["since"], content["until"], content["timezone"]) == (
        "2026-09-30T23:00:00Z",
        "2026-11-01T00:00:00Z",
        "Europe/Lisbon",
    )
    at = "2026-11-02T09:00Z"
    assert rerun("monthly", "2026-10", "--timezone", "America/Los_Angeles", "--send", at=at) == 0
    said = capsys.readouterr().err
    assert "days are those of America/Los_Angeles, before of Europe/Lisbon" in said
    assert "The zone of days is America/Los_Angeles, before Europe/Lisbon." in said
    assert "Credits: 10, before 1,010." in said
    data = server.taken[-1]["data"]
    assert (data["since"], data["until"]) == ("2026-10-01T07:00:00+00:00", "2026-11-01T07:00:00+00:00")
    assert server.taken[-1]["period"] == "1 Oct 2026 to 31 Oct 2026"


def test_the_figures_that_are_kept_are_those_of_every_table_and_account(put: Put, server: Hook) -> None:
    configure(OVERVIEW)
    put(*(run_on("2026-03-04", f"r{n}", account_id=f"a{n}") for n in range(40)))
    assert due(MONDAY) == 0
    [document] = jobs()["2026-W10"].editions[0].documents
    content = Path("lake/_schedule", document.figures).read_bytes()
    assert hashlib.sha256(content).hexdigest() == document.digest
    rows = json.loads(content)
    assert {row[1][0] for row in rows if row[0] == "accounts"} >= {f"a{n}" for n in range(40)}
    assert {"languages", "usage over time", "durations"} <= {row[0] for row in rows}

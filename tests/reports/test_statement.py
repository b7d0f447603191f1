"""Statements: one account's usage, with nothing of any other in any byte of any format."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from support.paths import SAMPLE
from support.reports import NOW, as_json, built, figures, page_text, pdf_text, rows, section, sheets
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.renderers import FORMATS

ACCOUNTS = {f"account-{n:02}-{'xyzw'[n % 4]}": f"Customer No. {n:02} Ltd" for n in range(12)}


@pytest.fixture
def source(file) -> str:
    """Runs of twelve accounts; the file's name gives one of them away, and some rows are refused."""
    made = []
    for place, account in enumerate(ACCOUNTS):
        for n in range(place + 1):
            language = ("de", "fr", f"only-of-{account}")[n % 3]
            made.append(
                wire(
                    f"run-{account}-{n}",
                    account_id=account,
                    target_language=language,
                    credits=place + n,
                    input_file_id=f"in-{account}-{n}",
                    output_file_id=f"out-{account}-{n}",
                )
            )
    refused = wire("refused", account_id="account-05-y", status="Lost for account-05-y")
    return file([*made, refused], name="export-of-account-03-w.ndjson")


def text_of(path: Path) -> bytes:
    """Whatever can be found in a file: its bytes, those inside its archive, and the words of a PDF."""
    content = path.read_bytes()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return b"\n".join(archive.read(name) for name in archive.namelist())
    return content + (pdf_text(content).encode() if path.suffix == ".pdf" else b"")


@pytest.mark.parametrize("is_single", [True, False])
def test_a_statement_holds_nothing_of_any_other_account(source: str, tmp_path: Path, is_single: bool) -> None:
    choices = {"formats": FORMATS, "accounts": ACCOUNTS, "now": NOW, "kind": "statement"}
    if is_single:
        paths = [
            path
            for account in list(ACCOUNTS)[3:7]
            for path in pda.report(source, account=account, out=tmp_path, **choices)
        ]
    else:
        index = {f"statements_all.{form}" for form in FORMATS}
        paths = pda.report(source, all_accounts=True, out=tmp_path, **choices)
        assert {path.name for path in paths[:5]} == index
        paths = paths[5:]
        assert len(paths) == 12 * 5
    for path in paths:
        own = path.stem.removeprefix("statement_all_")
        found = text_of(path)
        assert own.encode() in found
        assert ACCOUNTS[own].encode() in found
        assert f"run-{own}-0".encode() in found
        for other, name in ACCOUNTS.items():
            if other != own:
                assert other.encode() not in found, (path.name, other)
                assert name.encode() not in found, (path.name, name)
        assert b"export-of" not in found
        assert b"Lost for" not in found


def test_a_statement_of_all_accounts_is_the_statement_of_the_one(source: str, tmp_path: Path) -> None:
    choices = {"formats": FORMATS, "accounts": ACCOUNTS, "now": NOW, "kind": "statement"}
    one = pda.report(source, account="account-07-w", out=tmp_path / "one", **choices)
    pda.report(source, all_accounts=True, out=tmp_path / "all", **choices)
    for path in one:
        assert path.read_bytes() == (tmp_path / "all" / path.name).read_bytes(), path.name


def test_the_index_names_every_account_its_file_and_sums_to_the_whole(source: str, tmp_path: Path) -> None:
    pda.report(source, kind="statement", all_accounts=True, formats="json", accounts=ACCOUNTS, out=tmp_path, now=NOW)
    [index] = as_json((tmp_path / "statements_all.json").read_bytes())["sections"]
    assert [row["account_id"] for row in index["data"]] == sorted(ACCOUNTS)
    assert [row["account_name"] for row in index["data"]] == [ACCOUNTS[one] for one in sorted(ACCOUNTS)]
    assert all((tmp_path / f"{row['file']}.json").exists() for row in index["data"])
    assert index["total"]["runs"] == sum(row["runs"] for row in index["data"]) == 78


def test_totals_days_languages_and_the_list_of_runs_agree_with_the_views() -> None:
    account = "6ee0e0f4-dde6-490a-a281-43896feb4891"
    choices = {"period": "2026-10", "account": account}
    report = built(SAMPLE, "statement", **choices)
    with pda.connect(SAMPLE, **choices) as db:
        usage = db.view("usage").row(0, named=True)
        listed = db.sql("select id, credits from runs order by created_at, id").rows()
    found = figures(report)
    assert (found["runs"], found["credits"]) == (usage["runs"], usage["credits"]) == (117, 1381)
    for name in ("days", "languages", "runs"):
        assert sum(row["credits"] or 0 for row in rows(report, name)) == usage["credits"]
    assert [(row["id"], row["credits"]) for row in rows(report, "runs")] == listed


def test_a_long_list_of_runs_is_capped_in_print_and_said_so_and_whole_in_the_workbook(file) -> None:
    from polydoc_analytics.reports.renderers import render

    report = built(file([wire(f"run-{n:04}") for n in range(240)]), "statement", account="acme")
    printed = pdf_text(render(report, "pdf"))
    assert "run-0059" in printed
    assert "run-0060" not in printed
    assert "The first 60 of 240 runs; all of them are in the XLSX and JSON forms of this report." in " ".join(
        printed.split()
    )
    assert len(sheets(render(report, "xlsx"))["Runs"]) == 241
    assert "run-0239" in page_text(render(report, "html"))


def test_a_statement_needs_one_account(tmp_path: Path) -> None:
    with pytest.raises(pda.UsageError, match="a statement is of one account, and 0 are chosen; give one --account"):
        pda.report(SAMPLE, kind="statement", out=tmp_path)
    with pytest.raises(pda.UsageError, match="all accounts get statements"):
        pda.report(SAMPLE, kind="overview", all_accounts=True, out=tmp_path)


def test_a_statement_of_an_account_without_runs_says_so() -> None:
    report = built(SAMPLE, "statement", account="nobody")
    assert figures(report)["runs"] == 0
    assert section(report, "days").text == ("There are no runs in the period.",)


def test_accounts_whose_ids_make_no_file_names_get_files_of_their_own(file, tmp_path: Path) -> None:
    ids = ["../../etc", "a/b", "a-b", "a b", "ä", "A" * 300, "CON"]
    source = file([wire(str(n), account_id=one) for n, one in enumerate(ids)])
    paths = pda.report(source, kind="statement", all_accounts=True, formats="json", out=tmp_path / "out", now=NOW)
    assert len({path.name.lower() for path in paths}) == len(ids) + 1
    assert all(path.parent == tmp_path / "out" and len(path.name) < 120 for path in paths)
    found = [json.loads(path.read_bytes())["filters"]["account"] for path in paths[1:]]
    assert sorted(one for [one] in found) == sorted(ids)


def test_credits_by_week_and_month_keep_unknown_apart_from_zero(file) -> None:
    days = [f"2026-{month:02}-{day:02}T10:00:00Z" for month in range(1, 7) for day in (3, 17)]
    made = [
        wire(day, created_at=day, finished_at=day, credits=None if "-02-" in day else n) for n, day in enumerate(days)
    ]
    report = built(file(made), "statement", account="acme")
    chart = section(report, "days").charts[0]
    values = {row["period"]: row["credits"] for row in chart.spec["data"]["values"]}
    assert values["2026-02-02"] is None
    assert values["2026-06-01"] == 10


def test_by_finishing_time_runs_without_one_are_left_out_and_it_is_said(file, tmp_path: Path) -> None:
    source = file([wire("a"), wire("b", status="Running", finished_at=None), wire("c", account_id="other")])
    report = built(source, "statement", account="acme", date_basis="finished")
    assert figures(report)["runs"] == 1
    assert ("Left out", "Runs that have no finishing time are in no figure.") in report.facts
    overview = built(source, date_basis="finished")
    assert ("Left out", "1 run without a finishing time") in overview.facts

"""Statements: one account's usage, with nothing of any other in any byte of any format."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.paths import SAMPLE
from support.repetitions import Soak, slow
from support.reports import NOW, as_json, built, everything, figures, page_text, pdf_text, rows, section, sheets
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.automation.delivery.channels.email_body import subject
from polydoc_analytics.automation.delivery.channels.slack import blocks_of
from polydoc_analytics.automation.delivery.messages import Delivery, Message, Package
from polydoc_analytics.config.tables import Email
from polydoc_analytics.reports.renderers import FORMATS, render

SAMPLE_ACCOUNT = "6ee0e0f4-dde6-490a-a281-43896feb4891"
ACCOUNTS = {f"account-{n:02}-{'xyzw'[n % 4]}": f"Customer No. {n:02} Ltd" for n in range(12)}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
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
    path = tmp_path_factory.mktemp("source") / "export-of-account-03-w.ndjson"
    path.write_bytes(ndjson([*made, refused]))
    return str(path)


CHOICES = {"formats": FORMATS, "accounts": ACCOUNTS, "now": NOW, "kind": "statement"}


@pytest.fixture(scope="module")
def statements(source: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The statements of all accounts in every format, their index first."""
    return pda.report(source, all_accounts=True, out=tmp_path_factory.mktemp("statements"), **CHOICES)


def text_of(path: Path) -> bytes:
    """Whatever can be found in a file: its bytes, those inside its archive, and the words of a PDF."""
    content = path.read_bytes()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return b"\n".join(archive.read(name) for name in archive.namelist())
    return content + (pdf_text(content).encode() if path.suffix == ".pdf" else b"")


# A single one is the same to the byte, by the test below.
@pytest.mark.parametrize("is_single", [slow(True), False])
def test_a_statement_holds_nothing_of_any_other_account(
    source: str, statements: list[Path], tmp_path: Path, is_single: bool
) -> None:
    if is_single:
        paths = [
            path
            for account in list(ACCOUNTS)[3:5]
            for path in pda.report(source, account=account, out=tmp_path, **CHOICES)
        ]
    else:
        index = {f"statements_all.{form}" for form in FORMATS}
        assert {path.name for path in statements[:5]} == index
        paths = statements[5:]
        assert len(paths) == 12 * 5
    for path in paths:
        own = next(account for account in ACCOUNTS if path.stem.endswith(f"_{account}"))
        assert path.stem == f"statement_all_customer-no-{own[8:10]}-ltd_{own}"
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


def test_a_statement_of_all_accounts_is_the_statement_of_the_one(
    source: str, statements: list[Path], tmp_path: Path
) -> None:
    of_all = statements[0].parent
    for path in pda.report(source, account="account-07-w", out=tmp_path, **CHOICES):
        assert path.read_bytes() == (of_all / path.name).read_bytes(), path.name


def test_the_index_names_every_account_its_file_and_sums_to_the_whole(statements: list[Path]) -> None:
    folder = statements[0].parent
    [index] = as_json((folder / "statements_all.json").read_bytes())["sections"]
    assert [row["account_id"] for row in index["data"]] == sorted(ACCOUNTS)
    assert [row["account_name"] for row in index["data"]] == [ACCOUNTS[one] for one in sorted(ACCOUNTS)]
    assert all((folder / f"{row['file']}.json").exists() for row in index["data"])
    assert index["total"]["runs"] == sum(row["runs"] for row in index["data"]) == 78


def test_totals_days_languages_and_the_list_of_runs_agree_with_the_views() -> None:
    account = "6ee0e0f4-dde6-490a-a281-43896feb4891"
    choices = {"period": "2026-10", "account": account}
    report = built(SAMPLE, "statement", **choices)
    with pda.connect(SAMPLE, **choices) as db:
        usage = db.view("usage").row(0, named=True)
        listed = db.sql("select id, credits from runs order by created_at, id").rows()
    found = figures(report)
    assert (found["runs"], found["credits"]) == (usage["runs"], usage["credits"]) == (98, 1290)
    for name in ("days", "languages", "runs"):
        assert sum(row["credits"] or 0 for row in rows(report, name)) == usage["credits"]
    assert [(row["id"], row["credits"]) for row in rows(report, "runs")] == listed


def test_all_runs_are_in_print_and_of_very_many_the_rest_in_a_workbook_that_comes_along(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polydoc_analytics.reports.builders import statement
    from polydoc_analytics.reports.renderers import render

    assert statement.LISTED == 5000
    source = file([wire(f"run-{n:04}") for n in range(120)])
    choices = {"kind": "statement", "account": "acme", "formats": "pdf", "now": NOW}
    [whole] = pda.report(source, out=tmp_path / "whole", **choices)
    printed_whole = pdf_text(whole.read_bytes())
    assert all(f"run-{n:04}" in printed_whole for n in range(120))

    monkeypatch.setattr(statement, "LISTED", 60)
    printed, book = pda.report(source, out=tmp_path / "cut", **choices)
    text = " ".join(pdf_text(printed.read_bytes()).split())
    assert "run-0059" in text
    assert "run-0060" not in text
    assert "The first 60 of 120 runs; all of them are in the workbook that comes with this statement." in text
    assert book.name == "statement_all_acme.xlsx"
    assert len(sheets(book.read_bytes())["Runs"]) == 121
    page = page_text(render(built(source, "statement", account="acme"), "html"))
    assert "run-0059" in page
    assert "run-0060" not in page


def test_the_head_says_who_issues_to_whom_for_when_and_under_which_number(file, tmp_path: Path) -> None:
    account = "6ee0e0f4-dde6-490a-a281-43896feb4891"
    (tmp_path / "accounts.csv").write_text(
        f"account_id,name,line_2,line_1\n{account},O'Brien Ltd,Dublin,12 Harbour Road\n", "utf-8"
    )
    table = {
        "name": "Example Ltd",
        "address": ["1 High Street", "London"],
        "contact": "billing@example.com",
        "tax": "VAT GB123",
    }
    choices = {"accounts": tmp_path / "accounts.csv", "period": "2026-10", "timezone": "Europe/Lisbon", "now": NOW}
    report = built(SAMPLE, "statement", account=account, branding=table, **choices)
    assert report.head is not None
    assert report.head.issuer == ("Example Ltd", "1 High Street", "London", "billing@example.com", "VAT GB123")
    assert report.head.facts == (
        ("Account", f"O'Brien Ltd\n{account}\n12 Harbour Road\nDublin"),
        ("Number", "2026-10-6ee0e0f4"),
        ("Issue date", "2 Nov 2026"),
        ("Period", "1 Oct 2026 to 31 Oct 2026"),
        ("Time zone", "Europe/Lisbon"),
    )
    assert report.head.notice == "This is not an invoice."
    said = (*report.head.issuer, "O'Brien Ltd", "12 Harbour Road", "2026-10-6ee0e0f4", report.head.notice)
    made = everything(report)
    book = " ".join(str(cell) for row in sheets(made["xlsx"])["Summary"] for cell in row if cell)
    markdown = made["md"].decode().replace("\\", "")
    for text in (page_text(made["html"]), pdf_text(made["pdf"]), markdown, book):
        assert [one for one in said if one not in " ".join(text.split())] == []
    assert as_json(made["json"])["head"]["issuer"] == list(report.head.issuer)
    assert next(iter(sheets(made["xlsx"]))) == "Summary"


def test_settings_choose_the_number_and_the_notice_of_a_statement(file) -> None:
    table = {"number": "PD/{period}/{account}-{edition}", "notice": "Tax invoice follows by post."}
    report = built(file([wire()]), "statement", account="acme", branding=table)
    assert report.head is not None
    assert ("Number", "PD/all/acme-1") in report.head.facts
    assert report.head.notice == "Tax invoice follows by post."
    with pytest.raises(pda.UsageError, match=r"unknown place '{acount}'; did you mean account\?"):
        built(file([wire()]), "statement", account="acme", branding={"number": "{acount}"})


def test_totals_stand_beside_the_previous_period_and_the_year_to_date(file) -> None:
    days = {"2026-01-05": 5, "2026-08-20": 7, "2026-09-10": 20, "2026-10-03": 30, "2026-10-04": None}
    made = [
        wire(day, created_at=f"{day}T10:00:00Z", finished_at=f"{day}T10:00:10Z", credits=credits_)
        for day, credits_ in days.items()
    ]
    made.append(wire("failed", created_at="2026-10-05T10:00:00Z", status="Failed", credits=2))
    report = built(file(made), "statement", account="acme", period="2026-10")
    lines = {figure.name: figure for figure in section(report, "key_figures").figures}

    def values(name: str) -> tuple:
        line = lines[name]
        return (line.value.number, line.before and line.before.number, line.year and line.year.number)

    assert values("runs") == (3, 1, 6)
    assert values("credits") == (32, 20, 64)
    assert values("credits_on_failed_runs") == (2, 0, 2)
    assert values("runs_without_credits") == (1, 0, 1)
    assert section(report, "key_figures").text == (
        "Previous period: 1 Sept 2026 to 30 Sept 2026.",
        "Year to date: 1 Jan 2026 to 31 Oct 2026.",
    )
    drawn = as_json(everything(report)["json"])["sections"][0]["figures"]
    assert [line["year_to_date"] for line in drawn if line["name"] == "credits"] == [64]


def test_every_day_of_the_period_is_there_up_to_now(file) -> None:
    source = file([wire(created_at="2026-10-03T10:00:00Z", finished_at="2026-10-03T10:00:10Z")])
    whole = rows(built(source, "statement", account="acme", period="2026-10"), "days")
    assert [row["period"].day for row in whole] == list(range(1, 32))
    assert [row["runs"] for row in whole] == [0, 0, 1, *[0] * 28]
    assert {row["credits"] for row in whole if not row["runs"]} == {0}
    now = datetime(2026, 10, 10, 9, tzinfo=UTC)
    begun = rows(built(source, "statement", account="acme", period="2026-10", now=now), "days")
    assert [row["period"].day for row in begun] == list(range(1, 11))


def test_languages_are_sorted_by_credits_and_no_column_is_all_dashes(file) -> None:
    made = [wire(str(n), target_language="de", credits=1, output_tokens=None) for n in range(3)]
    report = built(
        file([*made, wire("x", target_language="fr", credits=9, output_tokens=None)]), "statement", account="acme"
    )
    assert [row["language"] for row in rows(report, "languages")] == ["fr", "de"]
    drawn = everything(report)
    heads = [line for line in drawn["md"].decode().splitlines() if line.startswith(("| language", "| created"))]
    assert ["tokens in" in head and "tokens out" not in head for head in heads] == [True, True]
    assert "tokens out" not in sheets(drawn["xlsx"])["By language"][0]
    assert "output_tokens" in as_json(drawn["json"])["sections"][2]["data"][0]


def test_files_are_called_by_name_and_code_and_carry_the_issuer(file, tmp_path: Path) -> None:
    import pypdf

    ids = ["6ee0e0f4-dde6-490a-a281-43896feb4891", "6ee0e0f4-0000-490a-a281-43896feb4891", "acme", "ACME", "a_c", "c"]
    names = dict(zip(ids, ["Müller & Söhne", "Müller & Söhne", "O'Brien Ltd", "O'Brien Ltd", "", "a"], strict=True))
    source = file([wire(str(n), account_id=one, credits=n) for n, one in enumerate(ids)])
    choices = {"kind": "statement", "formats": ("pdf", "json"), "accounts": names, "period": "2026-03", "now": NOW}
    paths = pda.report(source, all_accounts=True, out=tmp_path, branding={"name": "Example Ltd"}, **choices)
    pdfs = sorted(path.name for path in paths if path.suffix == ".pdf")
    assert len({name.lower() for name in pdfs}) == 7
    assert "statement_2026-03_o-brien-ltd_acme.pdf" in pdfs
    assert "statement_2026-03_muller-sohne_6ee0e0f4-dde6-490a-a281-43896feb4891.pdf" in pdfs
    [one] = [path for path in paths if path.name == "statement_2026-03_o-brien-ltd_acme.pdf"]
    assert (pypdf.PdfReader(one).metadata or {}).get("/Author") == "Example Ltd"
    [index] = as_json((tmp_path / "statements_2026-03.json").read_bytes())["sections"]
    listed = [row["account_name"] for row in index["data"]]
    assert listed == sorted(listed, key=str.casefold)
    assert index["total"]["credits"] == sum(range(6))


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


def test_requests_that_succeeded_more_than_once_are_listed(file) -> None:
    """Of acme's two files one succeeded twice, for 4 credits more; of the other account nothing is said."""
    made = [
        wire("a", input_file_id="one", created_at="2026-10-05T09:00:00Z", finished_at="2026-10-05T09:30:00Z"),
        wire(
            "b", input_file_id="one", created_at="2026-10-05T09:05:00Z", finished_at="2026-10-05T09:10:00Z", credits=4
        ),
        wire("c", input_file_id="two", created_at="2026-10-05T09:00:00Z", finished_at="2026-10-05T09:30:00Z"),
        wire(
            "d",
            input_file_id="x",
            account_id="zeta",
            created_at="2026-10-05T09:00:00Z",
            finished_at="2026-10-05T09:30:00Z",
        ),
        wire(
            "e",
            input_file_id="x",
            account_id="zeta",
            created_at="2026-10-05T09:05:00Z",
            finished_at="2026-10-05T09:30:00Z",
        ),
    ]
    report = built(file(made), "statement", period="2026-10", account="acme", now=NOW)
    [row] = rows(report, "extra_successes")
    assert (row["language_name"], row["input_file_id"], row["extra_successes"], row["credits"]) == (
        "German",
        "one",
        1,
        4,
    )
    assert row["created_at"] == datetime(2026, 10, 5, 9, tzinfo=UTC)
    once = built(file(made[2:3]), "statement", period="2026-10", account="acme", now=NOW)
    assert "extra_successes" not in [one.name for one in once.sections]


def test_accounts_read_in_batches_have_the_data_of_each_alone_and_requests_are_followed_once(monkeypatch) -> None:
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.reports.builders import statement_data
    from polydoc_analytics.reports.write import context

    asked: list[str] = []
    fetch = Database.fetch
    with pda.connect(SAMPLE, period="2026-10", now=NOW) as db:
        chosen, ids = context(db), db.account_ids()
        ids = ids if Soak.is_on else [ids[0], ids[3], ids[-1]]
        alone = [one for account in ids for one in statement_data.account_data(chosen, [account])]
        assert sum(bool(one.extra) for one in alone) > 1
        monkeypatch.setattr(statement_data, "_BATCH_RUNS", 40)
        monkeypatch.setattr(Database, "fetch", lambda self, sql: asked.append(sql) or fetch(self, sql))
        assert list(statement_data.account_data(chosen, ids)) == alone
    assert sum("from requests" in text for text in asked) == 1 < sum("from runs" in text for text in asked)


def test_a_sum_has_nothing_where_no_text_or_day_can_be_summed(file) -> None:
    again = [
        wire(f"{n}", created_at=f"2026-10-05T09:0{n}:00Z", finished_at="2026-10-05T10:00:00Z", input_file_id="file")
        for n in range(2)
    ]
    report = built(file(again), "statement", now=NOW, period="2026-10", account=again[0]["account_id"])
    total = section(report, "extra_successes").table.total
    assert total is not None
    assert total[1] is None
    made = everything(report)
    [whole] = [line for line in made["md"].decode().splitlines() if line.startswith("| total") and "–" not in line][-1:]
    assert [cell.strip() for cell in whole.strip("|").split("|")][:3] == ["total", "", ""]
    assert sheets(made["xlsx"])["Extra successes"][-1][:3] == ["total", None, None]


def test_the_workbook_prints_large_enough_to_be_read() -> None:
    import openpyxl

    report = built(
        SAMPLE,
        "statement",
        period="2026-10",
        account=SAMPLE_ACCOUNT,
        branding={"currency": "EUR", "price_per_credit": "0.0125"},
    )
    book = openpyxl.load_workbook(io.BytesIO(everything(report)["xlsx"]))
    # The list of runs fills its pages; the table of days has room for its note and its chart beside it.
    assert book["Runs"].print_area == f"'Runs'!$A$1:$M${book['Runs'].max_row + 1}"
    assert not book["Credits by day"].print_area
    # A heading stands over its figures, as far from the right end as the button of the filter is wide.
    head = {cell.value: cell.alignment.horizontal for cell in book["By language"][1]}
    assert (head["credits"], head["language"]) == ("right", None)
    basis = book["Basis"]
    amounts = next(row for row in basis.iter_rows() if row[0].value == "Amounts")
    assert amounts[1].alignment.wrap_text
    lines = basis.row_dimensions[amounts[1].row].height / 15
    assert lines * 100 >= len(amounts[1].value) > (lines - 1) * 100


def test_a_page_says_a_heading_once_and_has_no_bar_of_sections_for_one() -> None:
    statement = render(built(SAMPLE, "statement", period="2026-10", account=SAMPLE_ACCOUNT), "html").decode()
    assert statement.count(">Credits by day</") == 2  # in the bar of sections, and above the chart and its table
    assert '<div class="bar">' in statement
    empty = render(built(SAMPLE, "statement", period="2020-10", account=SAMPLE_ACCOUNT), "html").decode()
    assert ('<div class="bar">' in empty) == ("<nav" in empty)


def test_a_period_behind_a_name_from_right_to_left_is_not_drawn_into_it(file) -> None:
    name = "חברת התרגום"
    report = built(file([wire()]), "statement", account="acme", accounts={"acme": name}, period="2026-03")
    titled = f"Usage statement for {name}\u200e, 1 Mar 2026 to 31 Mar 2026"
    made = everything(report)
    assert f"<title>{titled}</title>" in made["html"].decode()
    # A sentence that begins with the name is still one from left to right.
    assert f"<dd>{name}, id acme</dd>" in made["html"].decode()
    message = Message("report", report.title, report.period)
    expected = titled.replace(",", "")
    target = Email.model_validate({"kind": "email", "host": "localhost", "from": "a@example.com"})
    assert subject(target, message) == expected
    blocks = blocks_of(Delivery("to", "slack", "", "", "key"), Package(message, NOW))["blocks"]
    assert blocks[0]["text"]["text"] == expected


def test_the_workbook_says_whom_a_statement_is_made_for(file) -> None:
    brand = {"title": "Polydoc", "name": "Polydoc GmbH"}
    report = built(file([wire()]), "statement", account="acme", accounts={"acme": "O'Brien"}, branding=brand)
    assert ["Made for", "O'Brien"] in sheets(everything(report)["xlsx"])["Basis"]


def test_the_head_has_a_long_name_whole(file) -> None:
    name = "Gesellschaft zur Förderung der Übersetzung " + "technischer und rechtlicher Dokumente " * 5 + "mbH & Co. KG"
    report = built(file([wire()]), "statement", account="acme", accounts={"acme": name})
    assert report.title == f"Usage statement for {name[:119]}…"
    made = everything(report)
    for text in (page_text(made["html"]), pdf_text(made["pdf"]), str(sheets(made["xlsx"])["Summary"])):
        assert name in " ".join(text.split())

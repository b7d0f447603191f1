"""The command: what it writes, prints and refuses."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from support.paths import SAMPLE
from support.runs import ndjson, wire

from polydoc_analytics.cli import run


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in [name for name in os.environ if name.startswith("POLYDOC_ANALYTICS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: Any) -> tuple[int, bytes, str]:
        code = run(["report", *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return call


def test_it_writes_the_formats_asked_for_and_says_their_paths(cli, tmp_path: Path) -> None:
    code, out, err = cli(SAMPLE, "--period", "2026-10", "--format", "md,json,xlsx", "--out", "reports")
    assert (code, out) == (0, b"")
    names = {f"overview_2026-10.{form}" for form in ("md", "json", "xlsx")}
    assert {path.name for path in (tmp_path / "reports").iterdir()} == names
    assert all(f"reports{os.sep}{name}" in err for name in names)


def test_one_format_goes_to_standard_output_and_nothing_else_does(cli, tmp_path: Path) -> None:
    code, out, err = cli(SAMPLE, "--format", "json", "--out", "-", "--quiet", "--now", "2026-11-02T09:00Z")
    content = json.loads(out)
    assert (code, err, list(tmp_path.iterdir())) == (0, "", [])
    assert list(content)[:10] == [
        "schema_version",
        "report",
        "timezone",
        "since",
        "until",
        "date_basis",
        "snapshot",
        "filters",
        "counts",
        "truncated",
    ]
    assert [one["name"] for one in content["sections"]][:4] == [
        "key_figures",
        "requests",
        "usage_over_time",
        "accounts",
    ]
    code, out, _ = cli(SAMPLE, "--kind", "languages", "--format", "pdf", "--out", "-", "--quiet")
    assert out.startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "html,pdf", "--out", "-"], "--out - prints one format, and 2 are asked for"),
        (["--format", "word"], "unknown format 'word'"),
        (["--kind", "statment"], "unknown kind of report 'statment'; did you mean statement"),
        (["--kind", "statement"], "a statement is of one account, and 0 are chosen; give one --account"),
        (["--all-accounts"], "all accounts get statements"),
        (["--kind", "statement", "--all-accounts", "--out", "-"], "--all-accounts writes many files"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(cli, tmp_path: Path, arguments: list[str], message: str) -> None:
    code, out, err = cli(SAMPLE, *arguments)
    assert (code, out) == (2, b"")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_statements_for_all_accounts_come_with_an_index(cli, tmp_path: Path) -> None:
    arguments = ("--kind", "statement", "--all-accounts", "--period", "2026-10", "--format", "md", "--out", "out")
    code, _, err = cli(SAMPLE, *arguments)
    assert code == 0
    assert "13 files; the index:" in err
    index = (tmp_path / "out" / "statements_2026-10.md").read_text("utf-8")
    for path in (tmp_path / "out").glob("statement_*.md"):
        assert path.stem.replace("_", "\\_") in index


def test_branding_and_names_come_from_the_configuration(cli, tmp_path: Path) -> None:
    account = "6ee0e0f4-dde6-490a-a281-43896feb4891"
    (tmp_path / "names.csv").write_text(f"account_id,name\n{account},Acme Ltd\n", "utf-8")
    (tmp_path / "polydoc-analytics.toml").write_text(
        'accounts = "names.csv"\n[branding]\ntitle = "From Polydoc"\nlocale = "de"\n'
        'currency = "EUR"\nprice_per_credit = "0.02"\n',
        "utf-8",
    )
    code, out, _ = cli(
        SAMPLE, "--kind", "statement", "--account", account, "--period", "2026-10", "--format", "md", "--out", "-"
    )
    text = out.decode()
    assert code == 0
    for said in ("# Nutzungsnachweis für Acme Ltd", "From Polydoc", "1.290", "25,80"):
        assert said in text
    (tmp_path / "polydoc-analytics.toml").write_text('[branding]\ntitel = "x"\n', "utf-8")
    code, _, err = cli(SAMPLE, "--format", "md", "--out", "-")
    assert code == 2
    assert "unknown key 'titel'; did you mean title?" in err


def test_a_watched_report_is_written_anew_with_what_has_come_and_its_page_loads_itself_anew(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, opened, pages = tmp_path / "runs.ndjson", [], []
    source.write_bytes(ndjson([wire("a")]))

    def sleep(seconds: int) -> None:
        assert seconds == 60
        pages.append((tmp_path / "overview_2026-03.html").read_text("utf-8"))
        if len(pages) == 1:
            source.write_bytes(ndjson([wire("a"), wire("b")]))
        elif len(pages) == 2:
            source.write_bytes(b"{")  # the report stays as it was
            monkeypatch.setattr("polydoc_analytics.cli.report.sleep", interrupt)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("polydoc_analytics.cli.report.sleep", sleep)
    monkeypatch.setattr("polydoc_analytics.cli.report.webbrowser.open", opened.append)
    code, _, err = cli("runs.ndjson", "--period", "2026-03", "--open", "--watch", "60", "--strict")
    assert code == 0
    assert opened == [(tmp_path / "overview_2026-03.html").as_uri()]
    assert [re.findall('<span class="number">(.*?)</span>', page)[0] for page in pages] == ["1", "2"]
    assert '"reload_s":60' in pages[0]
    assert "the report stays as it was, and is tried again in 60 s" in err
    assert (tmp_path / "overview_2026-03.html").read_text("utf-8") == pages[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch", "60", "--out", "-"], "--open and --watch go with one report that is written to a folder"),
        (["--open", "--all-accounts", "--kind", "statement"], "--open and --watch go with one report"),
    ],
)
def test_what_cannot_be_watched_is_said(cli, arguments: list[str], message: str) -> None:
    code, _, err = cli(SAMPLE, *arguments)
    assert code == 2
    assert message in err


def test_characters_that_no_font_has_are_said_in_one_line_with_the_extra(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polydoc_analytics.reports.renderers import drawn, fonts, typesetting

    monkeypatch.setattr(fonts, "_of_the_extra", list)
    account = "6ee0e0f4-dde6-490a-a281-43896feb4891"
    (tmp_path / "names.csv").write_text(f"account_id,name\n{account},日本商会\n", "utf-8")
    (tmp_path / "polydoc-analytics.toml").write_text('accounts = "names.csv"\n', "utf-8")
    for cached in (fonts.families, typesetting._fonts, drawn._characters):
        cached.cache_clear()
    try:
        code, _, err = cli(
            SAMPLE, "--kind", "statement", "--account", account, "--period", "2026-01", "--format", "pdf"
        )
    finally:
        for cached in (fonts.families, typesetting._fonts, drawn._characters):
            cached.cache_clear()
    assert code == 0
    [line] = [line for line in err.splitlines() if "U+XXXX" in line]
    assert line.startswith("4 characters written as U+XXXX in PDF, for no font has 会 商 日 本;")
    assert "pip install 'polydoc-analytics[fonts]'" in line

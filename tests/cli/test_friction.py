"""What people type is taken or answered: sources left out, names in filters, flags of other tools, SQL from files."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from support.paths import SAMPLE
from support.runs import wire

import polydoc_analytics as pda


@pytest.fixture
def lake(cli, file) -> str:
    pda.Lake("lake").ingest(file([wire("a"), wire("b", account_id="globex", target_language="French")]))
    Path("polydoc-analytics.toml").write_text('lake = "lake"\naccounts = "names.csv"\n', "utf-8")
    Path("names.csv").write_text("account_id,name\nglobex,Globex Corporation\n", "utf-8")
    return "lake"


@pytest.mark.parametrize(
    "arguments",
    [
        ("usage", "--json"),
        ("query", "select count(*) as runs from runs", "--json"),
        ("check", "--json"),
        ("report", "--kind", "languages", "--format", "json", "--out", "-"),
        ("export", "out", "--json"),
    ],
)
def test_the_source_may_be_left_out_where_a_lake_is_configured(cli, lake: str, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments)
    assert result.code == 0, result.err
    assert json.loads(result.out)
    said = [line for line in result.err.splitlines() if line.startswith("source: ")]
    assert said == [f"source: {lake}, the lake of the settings"]


def test_alerts_check_names_the_lake_that_it_takes(cli, lake: str) -> None:
    result = cli("alerts", "check")
    assert result.code == 0
    assert result.err.splitlines()[0] == f"lake: {lake}, that of the settings"


def test_the_only_source_of_the_settings_is_taken_and_of_several_none(cli, file) -> None:
    path = file([wire("a")])
    one = f'[sources.exports]\nkind = "files"\npath = "{path}"\n'
    Path("polydoc-analytics.toml").write_text(one, "utf-8")
    result = cli("usage", "--json")
    assert json.loads(result.out)["data"][0]["runs"] == 1
    assert "source: exports, the only one of the settings" in result.err
    Path("polydoc-analytics.toml").write_text(one + one.replace("exports", "more"), "utf-8")
    result = cli("usage", "--json")
    assert result.code == 2
    assert "Missing argument 'SOURCE'; give one of exports, more" in result.err


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        (["--language", "French"], "language: fr"),
        (["--account", "glob"], "account: globex"),
        (["--account", "globex corporation"], "account: globex"),
        (["--account", "globex"], None),
    ],
)
def test_filters_take_names_and_say_what_they_were_taken_for(cli, lake: str, filters: list[str], taken: str) -> None:
    result = cli("usage", lake, "--json", *filters)
    assert json.loads(result.out)["data"][0]["runs"] == 1
    assert [line for line in result.err.splitlines() if line[:8] in ("account:", "language")] == (
        [taken] if taken else []
    )


def test_what_a_filter_was_taken_for_is_on_one_line(cli, file) -> None:
    path = file([wire("a", account_id="acme\r\nrows: 0\x1b[2J", target_language="de\nxx")])
    result = cli("usage", path, "--json", "--account", "acme")
    assert result.err.splitlines()[-1] == r"account: acme\r\nrows: 0\x1b[2J"


def test_a_filter_that_matches_nothing_is_an_error_unless_it_may_be_empty(cli, lake: str) -> None:
    result = cli("report", lake, "--kind", "statement", "--account", "nobody", "--format", "md", "--out", "-")
    assert (result.code, result.out) == (2, "")
    assert "account 'nobody': no run is of it" in result.err
    allowed = cli("usage", lake, "--account", "nobody", "--allow-empty", "--json")
    assert allowed.code == 0
    assert json.loads(allowed.out)["filters"]["account"] == ["nobody"]
    assert json.loads(allowed.out)["data"][0]["runs"] == 0


def test_usage_json_has_sections_as_the_terminal_has_tables(cli, file) -> None:
    source = file([wire("a"), wire("b", account_id="globex"), wire("c", account_id="globex", target_language="fr")])
    content = json.loads(cli("usage", source, "--json").out)
    assert [row["runs"] for row in content["data"]] == [3]
    sections = {section["name"]: section["data"] for section in content["sections"]}
    assert {row["account_id"]: row["runs"] for row in sections["accounts"]} == {"acme": 1, "globex": 2}
    assert {row["language"]: row["runs"] for row in sections["languages"]} == {"de": 2, "fr": 1}
    assert content["truncated"] is False
    shorter = json.loads(cli("usage", source, "--json", "--top", 1).out)
    assert [len(section["data"]) for section in shorter["sections"]] == [1, 1]
    assert shorter["truncated"] is True


def test_usage_csv_says_what_it_left_out(cli) -> None:
    assert "accounts and languages are left out of CSV" in cli("usage", SAMPLE, "--csv").err
    assert "left out" not in cli("usage", SAMPLE, "--csv", "--by", "account").err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["usage", SAMPLE, "--by", "month"], "--every month"),
        (["usage", SAMPLE, "--by", "account,days"], "--every day"),
        (["usage", SAMPLE, "--format", "csv"], "use --csv"),
        (["check", SAMPLE, "--format", "json"], "use --json"),
        (["schedule", "list", "--format", "table"], "use --json"),
        (["doctor", "--csv"], "use --json"),
        (["usage", SAMPLE, "--format=json"], "use --json"),
        (["usage", SAMPLE, "--out", "usage.csv"], "write them with --csv > usage.csv"),
        (["report", SAMPLE, "--json"], "use --format json"),
        (["report", SAMPLE, "--output", "x"], "use --out"),
        (["usage", SAMPLE, "--limit", "3"], "use --top"),
        (["usage", SAMPLE, "--from", "2026-10-01"], "use --since"),
        (["query", SAMPLE, "--tz", "UTC", "select 1"], "use --timezone"),
        (["lake", "compact", "--dry-run"], "without --run it is a dry run"),
        (["views", "--sql", "--json"], "--sql and --json contradict each other"),
        (["views", "--dialect", "spark"], "--dialect goes with --sql"),
        (["views", "--prefix", "p_"], "--prefix goes with --sql"),
        (["check", SAMPLE, "--quarantine", "-"], "rejected rows are written to a file"),
        (["check", SAMPLE, "--quarantine", "."], "cannot be written: Is a directory"),
        (["config", "init", "--out", "s3://bucket/x"], "is an address; give a path on this machine"),
    ],
)
def test_flags_that_people_try_are_answered_with_the_right_one(cli, arguments: list[str], answer: str) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert answer in result.err
    assert len(result.err.splitlines()) == 1


def test_sql_comes_from_a_file_or_standard_input(cli, monkeypatch) -> None:
    Path("report.sql").write_text("select count(*) as runs\nfrom runs\n", "utf-8")
    assert json.loads(cli("query", SAMPLE, "--file", "report.sql", "--json").out)["data"] == [{"runs": 2000}]
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1 as one"))
    assert json.loads(cli("query", SAMPLE, "-", "--json").out)["data"] == [{"one": 1}]
    assert "Missing argument 'SQL'" in cli("query", SAMPLE).err
    assert "none.sql: cannot be read: No such file" in cli("query", SAMPLE, "--file", "none.sql").err


def test_an_error_in_sql_shows_the_line_and_the_place(cli) -> None:
    Path("report.sql").write_text("select\n    language,\n    nope\nfrom usage_by_language\n", "utf-8")
    result = cli("query", SAMPLE, "--file", "report.sql", "-q")
    assert result.code == 2
    first, line, caret = result.err.splitlines()
    assert 'column "nope" not found' in first
    assert line == "line 3:     nope"
    assert caret.index("^") == line.index("nope")

"""The command line: data on standard output, talk on standard error, one clear line and the right exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.paths import SAMPLE
from support.repetitions import slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics import views
from polydoc_analytics.cli.tables import csv_text, markdown_table, terminal_table


def test_usage_json_holds_the_rows_of_the_view_and_nothing_else(cli) -> None:
    result = cli(
        "usage",
        SAMPLE,
        "--by",
        "account,language",
        "--every",
        "month",
        "--timezone",
        "Europe/Lisbon",
        "--since",
        "2026-10-25",
        "--json",
        "--quiet",
    )
    content = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert list(content) == [
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
        "data",
    ]
    assert content["report"] == "usage"
    assert content["since"] == "2026-10-24T23:00:00Z"
    assert content["until"] is None
    assert content["counts"]["read"] == content["counts"]["runs"] + content["counts"]["duplicates"]
    assert list(content["data"][0]) == list(views.view("usage_monthly_by_account_language").columns)
    with pda.connect(SAMPLE, timezone="Europe/Lisbon", since="2026-10-25") as db:
        frame = db.view("usage_monthly_by_account_language")
    assert len(content["data"]) == frame.height
    assert sum(row["runs"] for row in content["data"]) == frame["runs"].sum()
    assert content["data"][0]["period"] == "2026-10-01"


def test_usage_json_without_by_is_one_row_and_top_truncates(cli) -> None:
    assert len(json.loads(cli("usage", SAMPLE, "--json").out)["data"]) == 1
    content = json.loads(cli("usage", SAMPLE, "--by", "account", "--top", 2, "--order", "credits:asc", "--json").out)
    assert content["truncated"] is True
    credits = [row["credits"] for row in content["data"]]
    assert len(credits) == 2
    assert credits == sorted(credits)


def test_talk_goes_to_standard_error(cli) -> None:
    result = cli("usage", SAMPLE, "--csv")
    assert "2,000 runs" in result.err
    assert result.out.startswith("runs,succeeded_runs")
    assert len(result.out.splitlines()) == 2


def test_the_usage_table_shows_total_accounts_and_languages(cli, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    result = cli("usage", SAMPLE, "--quiet")
    titles = [line for line in result.out.splitlines() if line.startswith("Usage")]
    assert [title.split(",")[0] for title in titles] == ["Usage", "Usage by account", "Usage by language"]
    assert max(len(line) for line in result.out.splitlines()) <= 100
    accounts = result.out.split("Usage by language")[0].split("Usage by account")[1]
    numbers = [
        int(n.replace(",", ""))
        for n in re.findall(r"^(?:[0-9a-f-]+…?|others \(\d+\)) +([\d,]+) ", accounts, re.MULTILINE)
    ]
    assert len(numbers) == 11
    assert sum(numbers) == 2000, "the rows and the others are the total"


def test_others_are_computed_from_the_runs(cli, file) -> None:
    rows = [
        wire(
            f"{account}{n}",
            account_id=account,
            created_at="2026-03-02T10:00:00Z",
            finished_at=f"2026-03-02T10:00:{seconds}Z",
        )
        for account, seconds, count in (("big", "01", 9), ("mid", "10", 2), ("small", "40", 1))
        for n in range(count)
    ]
    result = cli("usage", file(rows), "--by", "account", "--top", 1, "--quiet")
    others = next(line for line in result.out.splitlines() if line.startswith("others (2)"))
    assert others.split()[2:4] == ["3", "9"]
    assert "10.00" in others, "the median of 10, 10 and 40, not the mean of medians"


def test_the_table_says_unknown_with_a_dash(cli, file) -> None:
    result = cli(
        "usage",
        file([wire("a", status="Running", finished_at=None, credits=None, input_tokens=None)]),
        "--by",
        "account",
    )
    row = next(line for line in result.out.splitlines() if line.startswith("acme"))
    assert row.split()[2] == "–"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["usage", "missing.ndjson"], 2, "missing.ndjson: no such file or folder"),
        (
            ["usage", SAMPLE, "--timezone", "Europe/Lisbonn"],
            2,
            "unknown time zone 'Europe/Lisbonn'; did you mean Europe/Lisbon?",
        ),
        (["usage", SAMPLE, "--since", "2026-10-10", "--until", "2026-10-01"], 2, "is not after since"),
        (
            ["usage", SAMPLE, "--by", "acount"],
            2,
            "unknown key 'acount'; did you mean account?; expected account, language",
        ),
        (["usage", SAMPLE, "--every", "dya"], 2, "expected day, week, month"),
        (["usage", SAMPLE, "--order", "credit"], 2, "unknown column 'credit' to order by; did you mean credits?"),
        (["usage", SAMPLE, "--order", "credits:up"], 2, "expected credits:asc or credits:desc"),
        (["usage", SAMPLE, "--date-basis", "create"], 2, "expected created or finished"),
        (["usage", SAMPLE, "--input-format", "jsn"], 2, "expected ndjson, json, csv, parquet, arrow"),
        (["usage", SAMPLE, "--period", "last-moth"], 2, "did you mean last-month?"),
        (["usage", SAMPLE, "--now", "soon"], 2, "now 'soon' is no instant"),
        (["usage", SAMPLE, "--json", "--csv"], 2, "contradict each other"),
        (["usage", SAMPLE, "--top", "x"], 2, "--top"),
        (["usage", SAMPLE, "--nope"], 2, "No such option: --nope"),
        (["usage", SAMPLE, "--config", "missing.toml"], 2, "missing.toml: No such file"),
        (["usage"], 2, "Missing argument"),
        (["usag", SAMPLE], 2, "No such command 'usag'"),
        (["views", "usage_by_acount"], 2, "unknown view 'usage_by_acount'; did you mean usage_by_account?"),
        (["views", "--sql", "--dialect", "oracle"], 2, "not written for dialect 'oracle'"),
        (["query", SAMPLE, "select nope from usage"], 2, "nope"),
        (["query", SAMPLE, "selec 1"], 2, "syntax error"),
        (["query", SAMPLE, "select 1; select 2"], 2, "expected exactly one SELECT statement"),
        (["query", SAMPLE, "select 1", "--timeout", "0"], 2, "expected seconds above 0"),
        (["query", SAMPLE, "select 1", "--timeout", "nan"], 2, "expected seconds above 0"),
        (["query", SAMPLE, "select 1 as a, 2 as a"], 2, "names must be unique"),
        (["query", SAMPLE, "copy (select 1) to 'x.csv'"], 2, "COPY is refused: a query only reads"),
        (["usage", SAMPLE, "--quarantine", "missing/x.ndjson"], 2, "missing/x.ndjson: cannot be written: No such file"),
        (["export", SAMPLE, "/dev/null/x"], 2, "/dev/null/x: cannot be written"),
        (["export", SAMPLE, SAMPLE], 2, "is a file; an export is a folder"),
        (["sample", "x.ndjson", "--runs", "0"], 2, "a sample"),
    ],
)
def test_a_mistake_is_answered_by_one_line_and_exit_code_2(cli, arguments: list[Any], code: int, message: str) -> None:
    result = cli(*arguments, *([] if arguments[0] in ("views",) else ["--quiet"]))
    assert result.code == code
    assert message in result.err
    assert result.out == ""
    lines = [line for line in result.err.splitlines() if not line.startswith("Try ")]
    assert len(lines) == 1 or (arguments[0] == "query" and lines[1].startswith("line ") and lines[2].strip() == "^")


def test_an_internal_error_is_exit_code_3_without_a_traceback(cli, monkeypatch) -> None:
    monkeypatch.setattr("polydoc_analytics.views.custom.catalog", lambda: 1 / 0)
    result = cli("views")
    assert result.code == 3
    assert "internal error: ZeroDivisionError" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("flags", [[], ["--json"], ["--markdown"]])
def test_an_overview_asks_for_its_total_once(cli, monkeypatch, flags: list[str]) -> None:
    asked: list[str] = []
    rows = pda.Database.rows
    monkeypatch.setattr(pda.Database, "rows", lambda db, name: asked.append(name) or rows(db, name))
    assert cli("usage", SAMPLE, *flags).code == 0
    assert asked == ["usage", "usage_by_account", "usage_by_language"]


def test_check_exits_with_1_when_a_row_was_quarantined(cli, file) -> None:
    assert cli("check", SAMPLE).code == 0
    bad = file([wire("a"), "nope"])
    result = cli("check", bad, "--quarantine", "q.ndjson")
    assert result.code == 1
    assert "not JSON" in result.out
    assert json.loads(Path("q.ndjson").read_text("utf-8"))["raw"] == "nope"
    content = json.loads(cli("check", bad, "--json").out)
    assert content["counts"]["quarantined"] == 1
    assert [section["name"] for section in content["sections"]] == [
        "quarantine_by_reason",
        "quarantine",
        "data_quality",
        "conservation",
    ]


def test_a_load_with_rejected_rows_goes_on_and_says_so_unless_strict(cli, file) -> None:
    bad = file([wire("a"), *['{"id": 1}'] * 9])
    result = cli("usage", bad, "--json")
    assert result.code == 0
    assert "9 of 10 rows were quarantined" in result.err
    assert json.loads(result.out)["data"][0]["runs"] == 1
    strict = cli("usage", bad, "--json", "--strict")
    assert (strict.code, strict.out) == (1, "")


def test_query_reads_the_sources_files_and_nothing_else(cli, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", "utf-8")
    pda.export(SAMPLE, tmp_path / "out")
    for sql in (
        f"select * from '{secret}'",
        f"select * from read_csv('{secret}')",
        f"copy (select 1) to '{tmp_path}/x.csv'",
        f"attach '{tmp_path}/x.db'",
        "set threads = 1",
        "install httpfs",
        "create table x as select 1",
        "pragma database_list",
    ):
        result = cli("query", tmp_path / "out", sql)
        assert result.code == 2, sql
        assert result.out == ""
    assert not (tmp_path / "x.csv").exists()
    content = json.loads(cli("query", tmp_path / "out", "select count(*) as n from runs", "--json", "-q").out)
    assert content["data"] == [{"n": 2000}]


def test_a_query_that_takes_too_long_is_stopped(cli) -> None:
    slow = "select sum(hash(a.id || b.id || c.id) % 7) from runs a, runs b, runs c"
    result = cli("query", SAMPLE, slow, "--timeout", "0.5", "-q")
    assert result.code == 2
    assert "took longer than 0.5 s" in result.err


def test_settings_come_from_flags_then_environment_then_file(cli, monkeypatch) -> None:
    def zone(*flags: str) -> str:
        return json.loads(cli("usage", SAMPLE, "--json", "-q", *flags).out)["timezone"]

    assert zone() == "UTC"
    Path("polydoc-analytics.toml").write_text('timezone = "Asia/Tokyo"\n', "utf-8")
    assert zone() == "Asia/Tokyo"
    monkeypatch.setenv("POLYDOC_ANALYTICS_TIMEZONE", "Europe/Paris")
    assert zone() == "Europe/Paris"
    assert zone("--timezone", "Europe/Lisbon") == "Europe/Lisbon"
    Path("polydoc-analytics.toml").write_text("timezon = 1\n", "utf-8")
    result = cli("usage", SAMPLE)
    assert result.code == 2
    assert "unknown key 'timezon'; did you mean timezone?" in result.err


def test_the_file_of_one_command_is_not_that_of_the_next(cli, file) -> None:
    source = file([wire("a")])
    settings = file(b'timezone = "Asia/Tokyo"', "other.toml")
    assert json.loads(cli("usage", source, "--json", "--config", settings).out)["timezone"] == "Asia/Tokyo"
    assert json.loads(cli("usage", source, "--json").out)["timezone"] == "UTC"


def test_names_of_accounts_stand_beside_their_ids(cli, file) -> None:
    Path("names.csv").write_text("account_id,name\nacme,Acme Corporation\n", "utf-8")
    Path("polydoc-analytics.toml").write_text('accounts = "names.csv"\n', "utf-8")
    assert "Acme Corporation" in cli("usage", file([wire("a")]), "--by", "account").out


def test_sample_export_and_views_do_what_they_say(cli) -> None:
    assert cli("sample", "s.ndjson", "--runs", 50, "--seed", 3, "-q").code == 0
    result = cli("export", "s.ndjson", "out", "--json", "-q")
    assert json.loads(result.out)["counts"]["runs"] == 50
    assert cli("export", "s.ndjson", "out").code == 2
    assert cli("export", "s.ndjson", "out", "--overwrite", "-q").code == 0
    assert json.loads(cli("usage", "out", "--json").out)["data"][0]["runs"] == 50
    assert "usage_daily_by_account" in cli("views").out
    assert "Wilson" in cli("views", "usage").out
    sql = cli("views", "--sql").out
    assert sql.count("create or replace view") == len(views.catalog()) + 8  # the base views


def test_sample_writes_to_standard_output(cli) -> None:
    result = cli("sample", "-", "--runs", 3)
    assert all(json.loads(line)["id"] for line in result.out.splitlines())


COMMANDS = [
    "usage",
    "explain",
    "outlook",
    "query",
    "views",
    "check",
    "export",
    "sample",
    "ingest",
    "doctor",
    "report",
    "sync",
]
COMMANDS += ["config", "lake", "alerts", "schedule"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_is_documented_where_it_lives(cli, command: str) -> None:
    text = cli(command, "--help").out
    assert len(text.split("Options:")[0].strip().splitlines()) >= 3, "a sentence says what it does"
    subcommands = re.findall(r"^  (\w[\w-]*)  +\w", text.partition("Commands:")[2], re.MULTILINE)
    texts = {command: text} | {f"{command} {one}": cli(command, one, "--help").out for one in subcommands}
    found = 0
    for path, page in texts.items():
        flags = re.findall(r"^  (?:-\w, )?(--[\w-]+)(?:[/,] ?--?[\w-]+)*(.*(?:\n {8,}.*)*)", page, re.MULTILINE)
        for name, described in flags:
            without_type = re.sub(r"<[^>]*>|\[[^\]]*\]", "", described)
            assert re.search(r"[A-Za-z]{3} ?[a-z]*", without_type), f"{path} {name} has no help"
        found += sum(name != "--help" for name, _ in flags)
    assert found >= 3, "the options of the page were found at all"


def test_all_commands_are_listed(cli) -> None:
    listed = re.findall(r"^  (\w+)  ", cli("--help").out.split("Commands:")[1], re.MULTILINE)
    assert listed == COMMANDS


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from polydoc_analytics.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"polars", "pyarrow", "duckdb", "pandera", "numpy", "pandas", "langcodes", "fsspec", "rich"}
    assert not heavy & set(done.stderr.split())


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of many accounts as an export, which a command reads with DuckDB alone."""
    path = tmp_path_factory.mktemp("exported") / "runs"
    names = ["日本", *map(str, range(2999))]
    pda.export(pl.DataFrame([wire(str(n), account_id=name, credits=n) for n, name in enumerate(names)]), path)
    return path


def test_a_closed_pipe_is_no_error(export: Path) -> None:
    command = (
        f"{sys.executable} -m polydoc_analytics usage {export} --by account --csv -q | head -1; echo ${{PIPESTATUS[0]}}"
    )
    # Buffered, as users have it: what is left in the buffer must not fail again when Python ends.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.splitlines()[1] == "0"
    assert done.stderr == ""


FRAME = pl.DataFrame(
    {"account_id": ["ascii", "日本語アカウント", "x" * 50], "runs": [1, 20_000, 3], "failure_rate": [0.5, None, 0.0]}
)


@pytest.mark.parametrize("width", [24, 40, 60, 200])
def test_a_terminal_table_fits_its_terminal(width: int) -> None:
    from rich.cells import cell_len

    text = terminal_table(
        FRAME, title="A title that is longer than a narrow terminal is wide", width=width, keys=["account_id"]
    )
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_query_shows_the_columns_that_it_names() -> None:
    frame = pl.DataFrame({"language": ["de"], "failure_rate_low": [0.25], "mine": [1], "failure_rate": [0.5]})
    head = terminal_table(frame, title="t", width=80).splitlines()[2]
    assert head.split("  ") == ["language", "low %", "mine", "fail %"]


def test_a_terminal_table_aligns_groups_and_hides_nothing_dangerous() -> None:
    frame = pl.DataFrame({"name": ["a\x1b[31m\n\u202eb"], "n": [1234567]})
    text = terminal_table(frame, title="t", width=80)
    assert "1,234,567" in text
    assert not {"\x1b", "\u202e"} & set(text)
    lines = terminal_table(FRAME, title="t", width=80).splitlines()[4:]
    assert (
        len(
            {
                line.index(number) + len(number)
                for line, number in zip(lines, ["50.0", "–", "0.0"], strict=True)
                if line.isascii()
            }
        )
        == 1
    )


def test_a_label_wider_than_the_terminal_is_cut() -> None:
    text = terminal_table(pl.DataFrame({"x" * 200: ["a"], "n": [1]}), title="t", width=40)
    assert max(map(len, text.splitlines())) <= 40


def test_csv_guards_texts_that_a_spreadsheet_would_run() -> None:
    frame = pl.DataFrame({"text": ["=cmd", "+1", "-1", "@x", "\tx", "ok"], "number": [-1] * 6})
    lines = csv_text(frame).splitlines()
    assert [line.strip('"').startswith("'") for line in lines[1:]] == [True] * 5 + [False]
    assert all(line.endswith(",-1") for line in lines[1:])


def test_markdown_escapes_what_would_break_the_table() -> None:
    text = markdown_table(pl.DataFrame({"a|b": ["x|y<z"], "n": [1000]}))
    assert text.splitlines()[2] == "| x\\|y&lt;z | 1,000 |"


def test_csv_keeps_rows_that_are_empty_and_writes_lists_as_json(cli) -> None:
    nulls = cli("query", SAMPLE, "select null as x from range(3)", "--csv", "--quiet")
    assert nulls.out == "x\n\n\n\n"
    nested = cli("query", SAMPLE, "select [1, 2] as x", "--csv", "--quiet")
    assert nested.out == 'x\n"[1, 2]"\n'


def test_a_time_out_of_any_length_may_be_given(cli) -> None:
    result = cli("query", SAMPLE, "select 1 as one", "--timeout", "inf", "--csv", "--quiet")
    assert (result.code, result.out, result.err) == (0, "one\n1\n", "")


def test_by_may_be_given_twice(cli) -> None:
    twice = cli("usage", SAMPLE, "--by", "account", "--by", "language", "--csv", "--quiet")
    assert twice.out == cli("usage", SAMPLE, "--by", "account,language", "--csv", "--quiet").out


def python_m(*arguments: str, redirect: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = " ".join([sys.executable, "-m", "polydoc_analytics", *arguments, redirect])
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | environment
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environ, encoding="utf-8")


def test_output_goes_out_in_an_encoding_that_lacks_its_signs(export: Path) -> None:
    only = ("--account", "日本")
    done = python_m("usage", str(export), "--by", "account", *only, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0
    assert "?" * 20 in done.stdout
    csv = python_m("usage", str(export), "--by", "account", "--csv", *only, PYTHONIOENCODING="cp1252")
    assert csv.stdout.splitlines()[1].startswith("日本,"), "data are UTF-8 wherever they go"
    old = python_m("usage", str(export), "--by", "account", LC_ALL="C", PYTHONUTF8="0")
    assert (old.returncode, "?" * 20 in old.stdout) == (0, True)


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&-"])
def test_a_closed_stream_is_no_internal_error(redirect: str, export: Path) -> None:
    assert python_m("usage", str(export), redirect=redirect).returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    ("form", "buffering"),
    [slow("", {}), ("--json", {}), slow("--csv", {}), ("", {"PYTHONUNBUFFERED": "1"})],
)
def test_a_full_device_is_said_without_blaming_the_program(export: Path, form: str, buffering: dict[str, str]) -> None:
    done = python_m("usage", str(export), "--quiet", form, redirect="> /dev/full", **buffering)
    assert done.returncode == 3
    assert done.stderr.startswith("error: cannot write: No space left on device")
    assert len(done.stderr.splitlines()) == 1

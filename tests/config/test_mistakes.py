"""The settings file: every mistake at once, each with its line, and nothing that a command without one pays for."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from polydoc_analytics.cli import run
from polydoc_analytics.config.settings import SettingsError, examined, settings
from polydoc_analytics.config.toml_lines import line_of
from polydoc_analytics.errors import SourceError

CONTENT = """\
# a comment, then a blank line

lakes = "x"
timezone = "Europe/Lissabon"
[schedule]
sync = [
  "a",  # [not a table]
]
tel = ["x"]
[sources.a]
kind = "api"
token = "x"
[sources]
b = { kind = "files" }
[[reports]]
name = "weekly"
perod = \"\"\"
[[reports]]
name = 'inside'
\"\"\"
schedule = "0 7 31 2 *"
[[reports]]
name = "monthly"
schedule = "monthly"
period = "last-weak"
output = "out"
deliver = ["nobody"]
[[alerts]]
name = "budget"
kind = "budget"
credits = 5
[alerts.accounts]
z = "many"
[branding]
title = 3
"""
EXPECTED = [
    "3: unknown key 'lakes'; did you mean lake?",
    "4: unknown time zone 'Europe/Lissabon'; did you mean Europe/Lisbon?",
    "9: [schedule]: unknown key 'tel'; did you mean tell?",
    "12: [sources.a]: unknown key 'token'; did you mean token_env?",
    "14: [sources.b]: needs path",
    "17: [[reports]] weekly: unknown key 'perod'; did you mean period?",
    "21: [[reports]] weekly: schedule '0 7 31 2 *'",
    "25: [[reports]] monthly: unknown period 'last-weak'; did you mean last-week?",
    "33: [[alerts]] budget: accounts.z must be a number",
    "35: branding: title must be a text in quotation marks",
]


def test_check_lists_every_mistake_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("polydoc-analytics.toml").write_text(CONTENT)
    assert run(["config", "check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(EXPECTED), lines
    for line, expected in zip(lines, EXPECTED, strict=True):
        assert line.startswith(f"error: polydoc-analytics.toml:{expected}")


def test_a_command_that_reads_the_settings_names_the_first_mistake_and_counts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('lakes = "x"\nlocale = 5\n[schedule]\nattempts = 0\n')
    with pytest.raises(SettingsError) as caught:
        settings(str(path), {})
    assert f"{path}:1: unknown key 'lakes'" in str(caught.value)
    assert "(and 2 more; `polydoc-analytics config check` lists all)" in str(caught.value)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[schedule]\nattempts = " + b"9" * 5000, "is not TOML: Exceeds the limit"),
        (b"x = " + b"[" * 5000, "is not TOML: maximum recursion depth"),
        ("timezone = 'UTC'".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_no_content_ends_in_a_traceback(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said):
        settings(str(path), {})


def test_a_byte_order_mark_is_passed_over_and_moves_no_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b'\xef\xbb\xbftimezone = "Europe/Lisbon"\r\nlakes = "x"\r\n')
    found, problems = examined(str(path), {})
    assert found.timezone == "Europe/Lisbon"
    assert [problem.partition(": ")[0] for problem in problems] == [f"{path}:2"]


def test_a_settings_file_that_the_environment_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.toml: No such file"):
        settings(None, {"POLYDOC_ANALYTICS_CONFIG": str(tmp_path / "nothing.toml")})


def test_check_names_mistakes_in_the_environment_by_their_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYDOC_ANALYTICS_TIMEZONE", "Europe/Lissabon")
    monkeypatch.setenv("POLYDOC_ANALYTICS_DATE_BASIS", "finish")
    assert run(["config", "check"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: POLYDOC_ANALYTICS_TIMEZONE: unknown time zone 'Europe/Lissabon'; did you mean Europe/Lisbon?",
        "error: POLYDOC_ANALYTICS_DATE_BASIS: unknown date_basis 'finish'; did you mean finished?; "
        "expected created, finished",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_is_found_by_what_stands_there_and_not_by_how_it_looks(end: str) -> None:
    text = CONTENT.replace("\n", end)
    where = {
        ("schedule", "sync"): 6,
        ("sources", "b", "kind"): 14,
        ("reports", 0): 15,
        ("reports", 1, "name"): 23,
        ("reports", 1, "nothing"): 22,
        ("alerts", 0, "accounts", "z"): 33,
        ("delivery", "x"): None,
    }
    assert {location: line_of(text, location) for location in where} == where


def test_a_list_of_thousands_of_lines_is_not_parsed_with_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "".join(f'    "account-{number}",  # [no, header\n' for number in range(2000))
    text = f'accounts = [\n{listed}]\nnote = """\n{listed}"""\nlast = 1\n'
    parsed = []
    loads = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", lambda given: parsed.append(len(given)) or loads(given))  # type: ignore[func-returns-value]
    assert line_of(text, ("accounts", 1999)) == 1
    assert line_of(text, ("last",)) == 4005
    # Each of 2,000 beginnings would be 75 MB.
    assert sum(parsed) < 10 * len(text)


def test_without_a_settings_file_nothing_of_pydantic_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from polydoc_analytics.config.settings import settings; settings();"
        "import polydoc_analytics.cli; print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_check_names_all_that_is_not_there_at_once_beside_the_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOOK_URL", raising=False)
    content = """\
accounts = "names.csv"
views = "views"
[sources.exports]
kind = "files"
path = ["exports/", "more/*.csv", "s3://bucket/runs"]
[delivery.mail]
kind = "email"
host = "localhost"
from = "a@example.com"
ca_file = "ca.pem"
contacts = "contacts.csv"
[delivery.hook]
kind = "webhook"
url_env = "HOOK_URL"
[schedule]
attempts = 0
"""
    Path("polydoc-analytics.toml").write_text(content)
    assert run(["config", "check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("polydoc-analytics.toml:")[2] for line in lines] == [
        "16: [schedule]: attempts must be a whole number from 1",
        "2: views: no folder of views can be read: No such file or directory",
        "14: [delivery.hook]: the environment variable HOOK_URL is not set here; it holds the secret",
        "10: [delivery.mail]: ca.pem: no such file",
        "11: [delivery.mail]: contacts.csv: No such file or directory",
        "1: names.csv: No such file or directory",
        "5: [sources.exports]: exports: nothing is there yet",
        "5: [sources.exports]: more/*.csv: nothing is there yet",
    ]
    Path("polydoc-analytics.toml").write_text(content.replace("attempts = 0", "").replace('views = "views"', ""))
    assert run(["config", "check"]) == 1

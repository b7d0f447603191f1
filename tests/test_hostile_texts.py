"""Hostile texts on their way to a terminal, a log, CSV, Markdown and JSON; ends that nobody asked for."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED, ndjson, wire
from test_cli import cli  # noqa: F401 - a fixture

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.cli.terminal import GuardedStream, print_bytes, print_exact

PIECES = [
    "\x1b]0;pwned\x07",
    "\x1b[2J",
    "\x9b31m",
    "\x00",
    "\x7f",
    "\r",
    "\n",
    "\t",
    "\u202e",
    "\u2066",
    "\u2028",
    "\x85",
    "\u200f",
    "\U000e0041",
    "|",
    "`",
    "<script>",
    "=cmd()",
    ",",
    '"',
    "'",
    "\\",
    "é日本",
    "%s{}",
]
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def hostile(draw: random.Random) -> str:
    return "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 6)))


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    draw = random.Random(request.node.name)
    rows: list[Any] = []
    for number in range(30):
        texts = {name: hostile(draw) for name in ("account_id", "target_language", "input_file_id")}
        rows.append(wire(f"{number}{hostile(draw)}", **texts, credits=number))
    rows += [wire(f"bad{number}", status=hostile(draw)) for number in range(5)]
    rows.append({hostile(draw): hostile(draw)})
    name = hostile(draw).replace("\x00", "").replace("/", "")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / f"runs{name}.ndjson").write_bytes(ndjson(rows))
    (folder / f"other{name}.txt").write_bytes(b"no runs")
    return folder


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such file names")
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_no_control_character_of_the_data_reaches_the_terminal(seed: int, source: Path, cli: Any) -> None:  # noqa: F811
    label = "".join(piece for piece in PIECES if piece not in ('"', "\x00"))
    for arguments in (
        ("usage", source),
        ("usage", source, "--by", "account,language", "--markdown"),
        ("usage", source, "--json"),
        ("check", source),
        ("check", source, "--json"),
        ("query", source, f'select account_id as "{label}", id from runs'),
        ("query", source, "select \x1b]0;x\x07"),
        ("query", source, f"select cast('{label.replace(chr(39), '')}' as int)"),
        ("ingest", source, "--lake", "lake"),
        ("lake", "quarantine", "--lake", "lake"),
        ("doctor", "--lake", "lake"),
        ("usage", f"no\x1b]0;such{label}"),
        ("no\x1bsuch command",),
        ("usage", source, "--no\x1bsuch"),
        ("usage", source, "--account", "\x1b]0;x\x07"),
    ):
        result = cli(*arguments)
        assert not FORBIDDEN.search(result.out + result.err), arguments
        assert "internal error" not in result.err, (arguments, result.err)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases are not here")
def test_a_status_that_would_rename_the_terminal_is_quarantined_and_shown(cli: Any) -> None:  # noqa: F811
    result = cli("check", SHARED / "cases" / "esc_status.ndjson")
    assert result.code == 1
    assert "\x1b" not in result.out + result.err
    assert re.search(r"\\u001b|\\x1b", result.out)


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such file names")
def test_data_in_a_file_or_a_pipe_stay_exact(source: Path, cli: Any) -> None:  # noqa: F811
    expected = pda.load(source).runs.sort("id")
    text = cli("query", source, "select id, account_id, target_language from runs order by id", "--csv").out
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    guarded = [("'" if value[0] in "=+-@\t\r" else "") + value for value in expected["account_id"]]
    assert [row["account_id"] for row in rows] == guarded
    data = json.loads(cli("query", source, "select id, account_id from runs order by id", "--json").out)["data"]
    assert [row["account_id"] for row in data] == expected["account_id"].to_list()


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_csv_and_reports_are_made_visible_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal, expected in ((True, b"a\\x1bb\\u202e,1\n"), (False, "a\x1bb\u202e,1\n".encode())):
        octets = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", (Terminal if is_terminal else io.TextIOWrapper)(octets))
        print_exact("a\x1bb\u202e,1\n")
        print_bytes("a\x1bb\u202e,1\n".encode())
        assert octets.getvalue() == 2 * expected


def test_all_that_is_written_as_text_goes_through_the_guard() -> None:
    out = io.StringIO()
    stream = GuardedStream(out)
    print("a\x1bb", "c\r\nd\re", file=stream)  # type: ignore[call-overload]
    stream.writelines(["\x9b", "x\n"])
    logger = logging.getLogger("hostile")
    handler = logging.StreamHandler(stream)  # type: ignore[type-var]
    logger.addHandler(handler)
    logger.warning("of %s", "\x1b]0;x\x07")
    logger.removeHandler(handler)
    assert out.getvalue() == "a\\x1bb c\r\nd\\re\n\\x9bx\nof \\x1b]0;x\\x07\n"


def test_the_guard_is_there_for_every_command_and_gone_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    run(["usage", "\x1b]0;x\x07"])
    assert (sys.stdout, sys.stderr) == before
    assert "\\x1b]0;x\\x07" in capsys.readouterr().err


def test_an_error_is_visible_where_python_prints_it() -> None:
    with pytest.raises(pda.SourceError) as caught:
        pda.load("no\x1b]0;such\x07\u202e")
    assert not FORBIDDEN.search(str(caught.value))


@pytest.mark.parametrize(
    "content", ["account_id,name\nacme,Müller\n".encode("latin-1"), "account_id,name\na,b\n".encode("utf-16")]
)
def test_a_text_file_that_is_not_utf8_is_said_in_one_line(content: bytes, tmp_path: Path, cli: Any, file: Any) -> None:  # noqa: F811
    runs = file([wire("a")])
    (tmp_path / "accounts.csv").write_bytes(content)
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "mine.sql").write_bytes(content)
    settings = tmp_path / "polydoc-analytics.toml"
    settings.write_text('accounts = "accounts.csv"\n')
    result = cli("usage", runs, "--by", "account", "--quiet")
    assert (result.code, result.err.count("\n")) == (2, 1), result.err
    assert re.search(r"accounts\.csv: is not UTF-8: .*; save it as UTF-8", result.err)
    settings.write_text("")
    assert "is not UTF-8" in cli("query", runs, "select 1", "--views", "v").err
    settings.write_bytes('lake = "Müller"'.encode("latin-1"))
    result = cli("usage", runs)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "is not UTF-8" in result.err


POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals and limits")


@POSIX
def test_a_terminated_program_leaves_no_scratch_files(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [
        sys.executable,
        "-m",
        "polydoc_analytics",
        "export",
        "-",
        str(tmp_path / "out"),
        "--input-format",
        "ndjson",
    ]
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(scratch)}, text=True
    )
    assert started.stdin is not None
    until = time.monotonic() + 60
    while not list(scratch.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)
    started.stdin.close()
    assert started.stderr is not None
    said = started.stderr.read()
    assert started.wait(60) == 128 + signal.SIGTERM
    started.stderr.close()
    assert (said, list(scratch.iterdir()), [one.name for one in tmp_path.iterdir()]) == ("", [], ["scratch"])


@POSIX
@pytest.mark.parametrize("command", ["export", "usage"])
def test_a_full_disk_is_named_and_nothing_else_is_printed(command: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    source = tmp_path / "runs.ndjson"
    draw = random.Random(1)
    source.write_bytes(ndjson([wire(f"{draw.random()}", input_file_id=f"{draw.random()}") for _ in range(3000)]))
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from polydoc_analytics.cli import main; main()"
    )
    arguments = [command, str(source), *([str(tmp_path / "out")] if command == "export" else [])]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    where = f"{tmp_path / 'out'}: cannot be written" if command == "export" else f"temporary files are in {scratch}"
    assert (done.returncode, done.stderr.count("\n"), list(scratch.iterdir())) == (3, 1, []), done.stderr
    assert where in done.stderr
    assert not (tmp_path / "out").exists()

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
from support.paths import SHARED
from support.plain_text import FORBIDDEN, assert_plain
from support.repetitions import Soak
from support.runs import ndjson, wire

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
def test_no_control_character_of_the_data_reaches_the_terminal(seed: int, source: Path, cli: Any) -> None:
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
def test_a_status_that_would_rename_the_terminal_is_quarantined_and_shown(cli: Any) -> None:
    result = cli("check", SHARED / "cases" / "esc_status.ndjson")
    assert result.code == 1
    assert "\x1b" not in result.out + result.err
    assert re.search(r"\\u001b|\\x1b", result.out)


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such file names")
def test_data_in_a_file_or_a_pipe_stay_exact(source: Path, cli: Any) -> None:
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
def test_a_text_file_that_is_not_utf8_is_said_in_one_line(content: bytes, tmp_path: Path, cli: Any, file: Any) -> None:
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
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_program_whatever_its_threads_wait_for(number: signal.Signals) -> None:
    """A signal in the middle of an import may leave a lock locked for which a thread that imports waits for ever."""
    program = (
        "import os, threading, time; from polydoc_analytics import cli\n"
        "def application(arguments):\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        f"    os.kill(os.getpid(), {number.value}); time.sleep(60)\n"
        "cli.application = application; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "usage", "x"], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (128 + number, b"")


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


MARKUP = [
    *PIECES,
    "</script>",
    "<!--",
    "<img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "{% raw %}",
    "#set page(width: 1pt)",
    "$x$",
    "@ref",
    "<label>",
    "[x](javascript:alert(1))",
    "=cmd|'/c calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "\ud800",
    "\uffff",
    "W" * 300,
    "&amp;",
    "<!channel>",
    "J\u030c",
    "\u1ecd\u0300",
    "e" + "\u0301" * 20,
    "עברית",
]
DAY = "2026-03-0{}T10:00:00Z"


def hostile_runs(seed: int) -> tuple[list[dict[str, Any]], list[str]]:
    draw = random.Random(seed)

    def text() -> str:
        return "".join(draw.choice(MARKUP) for _ in range(draw.randint(1, 5))) + "x"

    accounts = [text() for _ in range(4)]
    rows = [
        wire(
            f"{number}{text()}",
            account_id=draw.choice(accounts),
            target_language=text(),
            input_file_id=text(),
            status=draw.choice(["Succeeded", "Failed"]),
            credits=100,
            created_at=DAY.format(2 + number % 7),
            finished_at=None if number == 0 else DAY.format(2 + number % 7),
        )
        for number in range(24)
    ]
    return rows, [text() for _ in range(4)]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such file names")
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_hostile_texts_stand_as_texts_in_every_document(seed: int, file: Any) -> None:
    import openpyxl
    from support.reports import everything, page_text, pdf_text, squeezed

    from polydoc_analytics.reports.formatting import display_text

    rows, names = hostile_runs(seed)
    source = file(rows, "runs\x1b]0;x\x07\u202e=cmd.ndjson")
    with pda.connect(source, period="2026-03", now="2026-04-02T00:00Z") as db:
        accounts = [one for (one,) in db.sql("select distinct account_id from runs order by 1").rows()]
        called = dict(zip(accounts[1:], names, strict=False))
        # An overview of such texts is among the tests of reports.
        kinds = ("overview", "languages", "quality") if Soak.is_on else ()
        reports = [pda.build(db, kind, accounts=called) for kind in kinds]
    with pda.connect(source, period="2026-03", now="2026-04-02T00:00Z", account=accounts[0]) as db:
        reports.append(pda.build(db, "statement", accounts=called))
    for report in reports:
        found = everything(report)
        page = found["html"].decode("utf-8")
        body, data = page.split("<body>")[1].split('<script type="application/json" id="data">')
        assert_plain(body)
        own = r"<label>(Account|Language|From|To|Find) "
        assert not re.search(r"<(img|script|label|!--)", re.sub(own, "", body))
        assert "<" not in data.split("</script>", 1)[0]
        assert len(re.findall(r"<script\b", page)) <= 3
        words = found["md"].decode("utf-8")
        assert_plain(words)
        assert not re.search(r"<(?!sub|/)|(?<!\\)\]\(", words)
        printed = pdf_text(found["pdf"])
        assert_plain(printed)
        book = openpyxl.load_workbook(io.BytesIO(found["xlsx"]))
        for cell in (cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None):
            assert (cell.data_type in ("s", "n", "d"), cell.hyperlink) == (True, None)
            if isinstance(cell.value, str):
                assert_plain(cell.value)
        json.loads(found["json"])
        if report.kind == "statement":
            plain = " ".join(display_text(called.get(accounts[0], accounts[0])).split())
            assert plain in " ".join(page_text(found["html"]).split())
            before_marks = re.split(r"[^ -~]", plain)[0]  # letters that the font lacks stand as U+XXXX in print
            assert squeezed(before_marks) in squeezed(printed)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_hostile_texts_stand_as_texts_in_mails_and_slack(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from support.receivers import hook, mailbox

    monkeypatch.chdir(tmp_path)
    rows, names = hostile_runs(seed)
    Path("runs.ndjson").write_bytes(ndjson(rows))
    pda.Lake("lake").ingest("runs.ndjson")
    with pda.connect("runs.ndjson") as db:
        accounts = [one for (one,) in db.sql("select distinct account_id from runs order by 1").rows()]
    over_lines = re.compile("[\r\n]").search  # the settings' CSVs refuse such cells
    with open("names.csv", "w", encoding="utf-8", errors="replace", newline="") as out:
        named = [pair for pair in zip(accounts, names, strict=False) if not any(map(over_lines, pair))]
        csv.writer(out).writerows([("account_id", "name"), *named])
    with open("contacts.csv", "w", encoding="utf-8", newline="") as out:
        with_contact = [one for one in accounts if not over_lines(one)]
        csv.writer(out).writerows([("account_id", "email"), *((one, "a@example.com") for one in with_contact)])
    with mailbox() as box, hook() as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        Path("polydoc-analytics.toml").write_text(f"""
lake = "lake"
accounts = "names.csv"
[delivery.chat]
kind = "slack"
url_env = "HOOK_URL"
[delivery.mail]
kind = "email"
host = "127.0.0.1"
port = {box.controller.port}
security = "none"
from = "a@example.com"
to = ["b@example.com"]
contacts = "contacts.csv"
[[reports]]
name = "statements"
kind = "statement"
per_account = true
schedule = "monthly"
period = "last-month"
formats = ["md"]
deliver = ["mail"]
[[alerts]]
name = "budget"
kind = "budget"
credits = 1
deliver = ["mail", "chat"]
[[alerts]]
name = "failures"
view = "usage_by_account_language"
window = "10d"
measure = "failed_runs"
above = 0
deliver = ["mail", "chat"]
""")
        assert run(["alerts", "check", "--now", "2026-03-09T12:00Z"]) == 1
        assert run(["schedule", "due", "--now", "2026-04-01T07:00Z"]) == 0
    said = capsys.readouterr()
    assert_plain(said.out + said.err)
    # Blanks around an id in the file of contacts are none of it.
    assert len(box.messages) == 1 + sum(one == one.strip() for one in with_contact)
    for message in box.messages:
        assert {name.lower() for name in message} <= {
            "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type",
            "x-peer", "x-mailfrom", "x-rcptto",
        }  # fmt: skip
        assert_plain(str(message["Subject"]), allowed="")
        page = message.get_body(("html",)).get_content().replace("\r\n", "\n")
        assert_plain(message.get_body(("plain",)).get_content().replace("\r\n", "\n"))
        assert_plain(page)
        assert set(re.findall(r"<!?/?([a-z]\w*)", page)) <= {
            "doctype", "html", "head", "meta", "title", "style", "body", "div", "span", "h1", "h2", "p", "br", "table",
            "tr", "td", "b", "img", "a",
        }  # fmt: skip
        assert all(one.startswith("mailto:") for one in re.findall('href="([^"]*)', page))
        assert all(one.startswith("cid:") for one in re.findall(r'<img src="([^"]*)', page))
    [posted] = [json.loads(one["body"]) for one in server.requests]
    for block in posted["blocks"]:
        for text in [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]:
            assert_plain(text["text"] if text else "")
            assert not text or text["type"] == "plain_text" or not re.search("[<>]", text["text"])

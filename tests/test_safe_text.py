"""Nothing secret and nothing that a terminal would obey is in a text that is shown or kept."""

from __future__ import annotations

import base64
import html
import http.server
import json
import random
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from support.deliveries import HOOK
from support.deliveries import sending as sending  # a fixture
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.loaders.services import rest_api
from polydoc_analytics.safe_text import (
    display_address,
    json_escaped,
    on_one_line,
    scrubbed,
    visible,
    without_credentials,
)

HIDDEN = "t0ps3cret"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"http://user:{HIDDEN}@host/x", "http://host/x"),
        (f"https://{HIDDEN}@host:8443/a/b.csv", "https://host:8443/a/b.csv"),
        (f"s3://key:{HIDDEN}@bucket/runs.ndjson", "s3://bucket/runs.ndjson"),
        (f"https://host/x?sig={HIDDEN}&a=1#{HIDDEN}", "https://host/x"),
        (f"http://user:p@ss{HIDDEN}@host/x", "http://host/x"),
        (f"http://user:a/{HIDDEN}@host/x", "http://…"),
        (f"http://user:a#{HIDDEN}@host/x", "http://…"),
        (f"http://user:a?{HIDDEN}@host/x", "http://…"),
        (f"postgresql://me:{HIDDEN}@[::1]:5432/db?sslmode=require", "postgresql://[::1]:5432/db"),
        (f"sc://host:15002/;use_ssl=true;token={HIDDEN}", "sc://host:15002"),
        (f"sc://host:15002/;x-note={HIDDEN}", "sc://host:15002"),
        (f"http://user:{HIDDEN}@[::1/x", "http://[::1/x"),
        ("s3://bucket/a@b.ndjson", "s3://bucket/a@b.ndjson"),
        ("https://host/a\x1b]0;x\x07b\u202e", "https://host/a\\x1b]0;x\\x07b\\u202e"),
        ("exports/may.ndjson", "exports/may.ndjson"),
    ],
)
def test_an_address_is_shown_without_what_it_must_keep_to_itself(address: str, expected: str) -> None:
    assert display_address(address) == expected
    assert HIDDEN not in without_credentials(f"cannot open '{address}': refused ({address}), twice: {address}.")
    assert HIDDEN not in str(pda.SourceError(f"{address}: no answer"))


@pytest.mark.parametrize(
    "typed",
    [
        f"http:/user:{HIDDEN}@host/x",
        f"//user:{HIDDEN}@host/x",
        f"user:{HIDDEN}@host:/x",
        f"host=db user=me password={HIDDEN} dbname=runs",
        f"host=db password='{HIDDEN} {HIDDEN}'",
    ],
)
def test_what_is_nearly_an_address_keeps_its_password_to_itself(typed: str) -> None:
    with pytest.raises(pda.PolydocError) as caught:
        pda.load(typed)
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize(
    "address", [f"s3://key:{HIDDEN}@bucket/x", f"http://me:{HIDDEN}@127.0.0.1:9/x", f"az:/{HIDDEN}:{HIDDEN}@c/x"]
)
def test_an_address_is_no_place_to_write_to(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.ndjson").write_text(json.dumps(wire("a")) + "\n" + "{}\n")
    for write in (
        lambda: pda.export("runs.ndjson", address),
        lambda: pda.report("runs.ndjson", formats="md", out=address),
        lambda: pda.write_sample(address, runs=1),
        lambda: pda.load("runs.ndjson", quarantine_to=address),
    ):
        with pytest.raises(pda.UsageError, match="is an address; give a path on this machine") as caught:
            write()
        assert HIDDEN not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["runs.ndjson"]


def test_a_folder_may_have_a_colon_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.ndjson").write_text(json.dumps(wire("a")) + "\n")
    assert pda.export("runs.ndjson", "a:b/2026").counts.runs == 1
    assert pda.load("a:b/2026").counts.runs == 1
    assert pda.Lake("c:d").ingest("runs.ndjson").inserted == 1
    assert pda.connect("c:d").view("usage")["runs"].item() == 1


def test_addresses_without_secrets_stay_as_they_are_in_a_text() -> None:
    text = "expected sc://HOST:PORT, s3://bucket/x (or http://localhost:80/v1/runs); see https://host/a: it says so."
    assert without_credentials(text) == text


def ways(part: str) -> Iterator[str]:
    """Ways in which a server may repeat a text, worked out here once more."""
    yield from (part, quote(part, safe=""), quote_plus(part), quote(quote(part, safe=""), safe=""), html.escape(part))
    yield from (json.dumps(part)[1:-1], part.replace("/", "\\/"), quote(part, safe="").lower(), part.upper())
    yield from (base64.b64encode(part.encode()).decode(), base64.urlsafe_b64encode(part.encode()).decode())


def test_every_part_of_a_secret_is_scrubbed_however_it_is_encoded() -> None:
    secret = "https://us%40er:pa%2Fs%22wö@hooks.test/services/T00AA/B00BB+/tok=en~99?key=va lue&sig=Z%2BZ%3D#frag-ment"
    parts = (
        'us@er:pa/s"wö',
        "T00AA",
        "B00BB+",
        "tok=en~99",
        "services/T00AA/B00BB+/tok=en~99",
        "va lue",
        "Z+Z=",
        "frag-ment",
    )
    for part in parts:
        for way in ways(part):
            assert way not in scrubbed(f"no such hook: {way}.", [secret]), (part, way)
    assert scrubbed("hooks.test says no", [secret]) == "hooks.test says no"
    assert scrubbed("Bearer abcdef12 and abcdef12", ["Bearer abcdef12"]) == "*** and ***"
    assert scrubbed("nothing to hide", ["", "abc"]) == "nothing to hide"


@contextmanager
def answering(answer: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, text = answer(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("kind", ["webhook", "slack"])
@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize(
    "echo",
    [
        lambda path: f"no hook at {path}",
        lambda path: " ".join(reversed(path.split("/"))),
        lambda path: "x" * 190 + path,  # a cut at 200 would leave a part of it
        lambda path: " " * 4080 + path,
        lambda path: base64.b64encode(path.split("/")[2].encode()).decode(),
        lambda path: f"\x1b]0;{path}\x07\u202e",
    ],
)
def test_a_token_anywhere_in_a_webhook_never_comes_back_in_the_ledger(
    kind: str,
    status: int,
    echo: Callable[[str], str],
    sending: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(lambda path: (status, echo(path))) as server:
        monkeypatch.setenv("HOOK_URL", f"{server}/hooks/{HIDDEN}-canary/v1?key={HIDDEN}-query")
        sent = sending(HOOK.format(kind=kind))
        answer = sent.at(0).tries[0].answer
    assert str(status) in answer
    for secret in (HIDDEN, HIDDEN[:6], base64.b64encode(f"{HIDDEN}-canary".encode()).decode()):
        assert secret not in sent.stored
    assert not {"\x1b", "\u202e", "\x07"} & set(answer)


@pytest.mark.parametrize(
    "base", ["http://api.test", "http://10.0.0.1", "http://localhost.api.test", "http://127.0.0.1.api.test"]
)
def test_a_token_goes_unencrypted_to_this_machine_alone(base: str, tmp_path: Path) -> None:
    with pytest.raises(pda.SourceError, match="the token would be sent unencrypted; use https, or set allow_http"):
        rest_api.fetch_runs(base, HIDDEN, tmp_path)


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://no-such-host.invalid"]
)
def test_other_addresses_are_asked(base: str, tmp_path: Path) -> None:
    retry = rest_api.RetryPolicy(attempts=1)
    with pytest.raises(pda.SourceError, match=r"cannot connect|no host of that name"):
        rest_api.fetch_runs(base, HIDDEN, tmp_path, retry=retry)


def test_a_token_goes_unencrypted_where_it_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cli: Any,
) -> None:
    monkeypatch.setenv("POLYDOC_BEARER_AUTH", HIDDEN)
    text = '[sources.api]\nkind = "api"\nbase = "http://no-such-host.invalid"\n'
    (tmp_path / "polydoc-analytics.toml").write_text(text)
    assert "would be sent unencrypted" in cli("usage", "api").err
    (tmp_path / "polydoc-analytics.toml").write_text(text + "allow_http = true\n")
    assert "would be sent unencrypted" not in cli("usage", "api").err


@pytest.mark.parametrize("command", ["usage", "check", "sync", "ingest", "report"])
def test_no_command_prints_the_password_of_a_source(command: str, tmp_path: Path, cli: Any) -> None:
    source = f"http://user:{HIDDEN}@127.0.0.1:1/runs.ndjson?sig={HIDDEN}"
    (tmp_path / "polydoc-analytics.toml").write_text(f'[sources.x]\nkind = "files"\npath = "{source}"\n')
    arguments = {"sync": ["--lake", "lake"], "ingest": [source, "--lake", "lake"]}.get(command, [source])
    result = cli(command, *arguments)
    assert result.code == 2, result.err
    assert result.err.count("\n") == 1
    assert "127.0.0.1:1/runs.ndjson" in result.err
    assert HIDDEN not in result.err + result.out


def test_control_characters_become_visible_and_nothing_else_changes() -> None:
    assert visible("a\x1b[31mb\x00\x7f\x9b\u202e\u2066\u200f\u2028\r\U000e0041\ud800") == (
        "a\\x1b[31mb\\x00\\x7f\\x9b\\u202e\\u2066\\u200f\\u2028\\r\\U000e0041\\ud800"
    )
    plain = "Überblick – 日本語 العربية 👩‍💻 é\tx\n"
    assert visible(plain) == plain
    assert on_one_line("a\nb\tc\u00a0d") == "a\\nb\\tc\\xa0d"


def test_no_character_that_a_terminal_obeys_is_left() -> None:
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\n\t":
            assert visible(character).isprintable(), hex(code)
        if unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"):
            assert visible(character).isprintable(), hex(code)


def test_escaped_json_says_the_same_and_holds_no_control_character() -> None:
    draw = random.Random(5)
    for _ in range(200):
        codes = [draw.choice([draw.randrange(0x300), 0x202E, 0x9B, 0xE0041, 0x1F600]) for _ in range(9)]
        value = {"".join(map(chr, codes)): 1}
        text = json_escaped(json.dumps(value, ensure_ascii=False))
        assert json.loads(text) == value
        assert visible(text) == text

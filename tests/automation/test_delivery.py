"""Delivery: counted as sent only when the other side took it, repeatable by its key, and no secret in any record."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import html
import json
import logging
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.header import decode_header
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult
from support.deliveries import HOOK, NOW, PARCEL, PDF
from support.deliveries import sending as sending  # a fixture
from support.receivers import DROP, LATER, NO, OK, SILENT, hook, mailbox
from support.runs import wire

from polydoc_analytics.automation.delivery.messages import Delivery, Message, Package
from polydoc_analytics.automation.delivery.send import deliveries_to
from polydoc_analytics.config.tables import Email

MAIL = """
[schedule]
attempts = 4
back_off = "5m"
[delivery.to]
kind = "email"
host = "127.0.0.1"
port = {port}
security = "none"
from = "reports@example.com"
to = ["ops@example.com"]
timeout = 1
"""


def outcomes(one: Delivery) -> list[str]:
    return [each.outcome for each in one.tries]


def test_a_mail_has_figures_charts_and_files_and_its_date_and_id_are_fixed(sending) -> None:
    with mailbox() as box:
        one = sending(MAIL.format(port=box.controller.port)).at(0)
        sending(MAIL.format(port=box.controller.port)).at(90)
    assert (one.state, outcomes(one), one.tries[0].answer) == ("sent", ["sent"], "250 taken")
    message, again = box.messages
    assert box.ids[0] == box.ids[1] == f"<{one.key}@example.com>"
    assert message["Date"] == again["Date"] == "Mon, 02 Nov 2026 07:00:00 +0000"
    assert message["Subject"] == "Überblick <b> 26 Oct 2026 to 1 Nov 2026"
    plain = message.get_body(("plain",)).get_content()
    assert "Runs: 1,234 (+5% against 1,175)" in plain
    assert ".a line that begins with a dot" in plain.splitlines()
    page = message.get_body(("html",)).get_content()
    assert "Überblick &lt;b&gt;" in page
    assert 'src="cid:runs@polydoc-analytics"' in page
    [picture] = [part for part in message.walk() if part["Content-ID"] == "<runs@polydoc-analytics>"]
    assert picture.get_content() == b"\x89PNG picture"
    attached = {part.get_filename(): part for part in message.iter_attachments()}
    assert attached["weekly.pdf"].get_content() == PDF.content
    assert set(attached) == {"weekly.pdf", "weekly.html"}


def test_files_beyond_the_size_limit_are_named_with_their_hash_instead(sending) -> None:
    with mailbox() as box:
        sending(MAIL.format(port=box.controller.port) + 'max_size = "50KB"\n').at(0)
    [message] = box.messages
    assert [part.get_filename() for part in message.iter_attachments()] == ["weekly.pdf"]
    large = PARCEL.files[1]
    assert f"Too large to attach: weekly.html, 108,000 bytes, SHA-256 {large.sha256}" in message.as_string().replace(
        "=\n", ""
    )


def test_a_mail_that_is_refused_is_tried_again_after_a_growing_wait_and_not_before(sending) -> None:
    with mailbox(LATER, NO, OK) as box:
        mail = sending(MAIL.format(port=box.controller.port))
        assert mail.at(0).state == "failed"
        assert mail.at(4.9).tries[-1].answer.endswith("451 try later")
        assert box.tries == 1
        assert mail.at(5).tries[-1].answer.endswith("554 no")
        assert mail.at(14.9).state == "failed"  # the second wait is ten minutes
        one = mail.at(15)
        assert (one.state, outcomes(one), box.tries) == ("sent", ["failed", "failed", "sent"], 3)
        assert mail.at(99).state == "sent"
    assert len(box.messages) == 1
    # It was recorded as being sent before anything left, and as sent only at the end.
    assert mail.history == ["sending", "failed", "sending", "failed", "sending", "sent"]


@pytest.mark.parametrize("answer", [DROP, SILENT])
def test_a_line_that_breaks_after_the_data_is_uncertain_and_the_repeat_has_the_same_id(sending, answer: str) -> None:
    with mailbox(answer, OK) as box:
        mail = sending(MAIL.format(port=box.controller.port))
        one = mail.at(0)
        assert (one.state, outcomes(one)) == ("uncertain", ["uncertain"])
        assert mail.at(5).state == "sent"
        assert outcomes(mail.one) == ["uncertain", "sent"]
    assert set(box.ids) == {f"<{one.key}@example.com>"}
    assert len(box.ids) == (2 if answer == DROP else 1)


def test_after_the_last_try_it_stays_what_it_is_and_is_left_alone(sending) -> None:
    with mailbox(NO, DROP, NO) as box:
        mail = sending(MAIL.format(port=box.controller.port))
        for minutes in (0, 10, 30, 100, 200, 300):
            one = mail.at(minutes)
        assert box.tries == 4
    assert (one.state, one.is_open, outcomes(one)) == (
        "uncertain",
        False,
        ["failed", "uncertain", "failed", "failed"],
    )


def test_who_is_killed_while_sending_leaves_an_uncertain_try_and_the_next_one_repeats_it(sending) -> None:
    with mailbox() as box:
        mail = sending(MAIL.format(port=box.controller.port))
        stored = json.loads(mail.stored)
        stored |= {"state": "sending", "tries": [{"at": NOW.isoformat(), "outcome": "sending", "answer": ""}]}
        mail.stored = json.dumps(stored)
        one = mail.at(1)
    assert (one.state, outcomes(one)) == ("sent", ["uncertain", "sent"])
    assert len(box.messages) == 1


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("250 taken", "sent"), ("251 will forward", "sent"), ("421 closing", "failed"), ("552 too large", "failed"),
        ("354 go on", "uncertain"), ("what", "uncertain"), ("", "uncertain"),
    ],
)  # fmt: skip
def test_the_first_digit_of_the_last_answer_says_whether_a_mail_was_taken(sending, answer: str, state: str) -> None:
    """RFC 5321, 4.2.1: another 2yz than 250 means done as well, and what is no answer leaves it open."""
    with mailbox(answer) as box:
        assert sending(MAIL.format(port=box.controller.port)).at(0).state == state


def test_a_try_that_a_clock_which_was_ahead_has_put_off_is_made(sending) -> None:
    with mailbox(NO, OK) as box:
        one = sending(MAIL.format(port=box.controller.port))
        year = 365 * 24 * 60
        assert one.at(year).state == "failed"
        assert outcomes(one.at(0)) == ["failed", "sent"]


def test_a_server_that_is_not_there_is_a_failed_try(sending) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        one = sending(MAIL.format(port=taken.getsockname()[1])).at(0)
    assert (one.state, outcomes(one)) == ("failed", ["failed"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, path


def tls_of(ca: trustme.CA) -> Any:
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_login_goes_over_tls_alone_and_the_password_is_nowhere_else(
    sending, authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ca, path = authority
    monkeypatch.setenv("SMTP_PASSWORD", "canary-pass")
    seen: list[Any] = []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((session.ssl is not None, data.login, data.password))
        return AuthResult(success=data.password == b"canary-pass", handled=False)

    options = {"tls_context": tls_of(ca), "require_starttls": True, "authenticator": authenticate}
    secure = f'ca_file = "{path.as_posix()}"\nuser = "me"\npassword_env = "SMTP_PASSWORD"\n'
    caplog.set_level(logging.DEBUG)
    with mailbox(**options) as box:
        text = MAIL.format(port=box.controller.port).replace('"none"', '"starttls"')
        mail = sending(text + secure)
        assert mail.at(0).state == "sent"
        # A certificate that nobody vouches for, and a password that is wrong, are refusals.
        assert "CERTIFICATE_VERIFY_FAILED" in sending(text).at(0).tries[0].answer
        monkeypatch.setenv("SMTP_PASSWORD", "canary-wrong")
        wrong = sending(text + secure)
        assert "535" in wrong.at(0).tries[0].answer
        monkeypatch.delenv("SMTP_PASSWORD")
        assert "SMTP_PASSWORD is not set" in sending(text + secure).at(0).tries[0].answer
    assert set(seen) == {(True, b"me", b"canary-pass"), (True, b"me", b"canary-wrong")}
    assert len(box.messages) == 1
    ours = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert "canary" not in mail.stored + wrong.stored + "".join(ours)


def test_a_webhook_is_signed_and_keyed_and_says_what_was_made(sending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    with hook() as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        one = sending(HOOK.format(kind="webhook") + 'secret_env = "HOOK_SECRET"\n').at(0)
    assert (one.state, one.tries[0].answer) == ("sent", "200 ok")
    [request] = server.requests
    stamp = request["headers"]["X-Polydoc-Timestamp"]
    mac = hmac.new(b"s3cret", stamp.encode() + b"." + request["body"], hashlib.sha256).hexdigest()
    assert request["headers"]["X-Polydoc-Signature"] == f"sha256={mac}"
    assert request["headers"]["Idempotency-Key"] == one.key
    content = json.loads(request["body"])
    assert content["data"] == {"report": "weekly", "period": "2026-W44"}
    assert content["files"][0] == {"name": "weekly.pdf", "bytes": len(PDF.content), "sha256": PDF.sha256}


def test_a_server_that_speaks_tls_from_the_start(sending, authority) -> None:
    ca, path = authority
    with mailbox(ssl_context=tls_of(ca)) as box:
        text = MAIL.format(port=box.controller.port).replace('"none"', '"tls"')
        assert sending(text + f'ca_file = "{path.as_posix()}"\n').at(0).state == "sent"
        assert "CERTIFICATE_VERIFY_FAILED" in sending(text).at(0).tries[0].answer
    assert len(box.messages) == 1


def test_what_nobody_thought_of_is_uncertain_and_hides_no_secret(sending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", "http://127.0.0.1:1/hook-canary")
    monkeypatch.setattr("polydoc_analytics.automation.delivery.channels.webhook.post", lambda url, *_: {}[url])
    one = sending(HOOK.format(kind="webhook")).at(0)
    assert (one.state, outcomes(one)) == ("uncertain", ["uncertain"])
    assert "canary" not in one.tries[0].answer


def test_a_secret_from_a_file_ends_where_its_line_does_and_is_told_by_nobody(sending, monkeypatch) -> None:
    with hook(500, 200, body="you asked for /hook-canary") as server:
        monkeypatch.setenv("HOOK_URL", f"{server.url}\r\n")
        one = sending(HOOK.format(kind="webhook"))
        assert outcomes(one.at(0)) == ["failed"]
        assert one.at(60).state == "sent"
    assert "hook-canary" not in one.stored


def test_a_webhook_that_answers_500_and_then_200_is_sent_once_and_said_so_once(sending, monkeypatch) -> None:
    with hook(500, 302, 200) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        sent = sending(HOOK.format(kind="webhook"))
        assert [sent.at(minutes).state for minutes in (0, 5, 20, 60)] == ["failed", "failed", "sent", "sent"]
        assert outcomes(sent.one) == ["failed", "failed", "sent"]
        assert sent.history.count("sent") == 1
    assert len(server.taken) == 1


def test_retry_after_is_kept_to(sending, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook(429, 200, headers={"Retry-After": "3600"}) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        sent = sending(HOOK.format(kind="webhook"))
        sent.at(0)
        assert sent.at(59).state == "failed"
        assert sent.at(60).state == "sent"


@pytest.mark.parametrize("answer", ["drop", "silent"])
def test_a_webhook_that_says_nothing_is_uncertain_and_repeated_by_the_same_key(sending, monkeypatch, answer) -> None:
    with hook(answer, 200) as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        sent = sending(HOOK.format(kind="webhook"))
        assert sent.at(0).state == "uncertain"
        assert sent.at(5).state == "sent"
    assert [one["headers"]["Idempotency-Key"] for one in server.requests] == [sent.one.key] * 2


def test_slack_counts_as_sent_when_it_says_ok(sending, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook(body="invalid_blocks") as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        assert sending(HOOK.format(kind="slack")).at(0).state == "failed"
    with hook() as server:
        monkeypatch.setenv("HOOK_URL", server.url)
        one = sending(HOOK.format(kind="slack")).at(0)
    assert one.state == "sent"
    [content] = server.taken
    assert content["text"] == "Überblick &lt;b&gt; 26 Oct 2026 to 1 Nov 2026"
    assert content["blocks"][-1]["elements"][0]["text"] == f"ref {one.key}"


def test_a_webhook_that_answers_byte_by_byte_has_a_deadline_for_the_whole_answer(sending, monkeypatch) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"):
        with dripping(head) as port:
            monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{port}/hook-canary")
            began = time.monotonic()
            one = sending(HOOK.format(kind="webhook")).at(0)
            assert time.monotonic() - began < 10
            assert (one.state, one.tries[0].answer) == (
                "uncertain",
                "no whole answer within 1 s after the request was sent",
            )


@pytest.mark.parametrize("status", ["200 OK", "500 Down"])
def test_an_answer_without_end_is_cut_off_early_and_in_little_memory(sending, monkeypatch, status: str) -> None:
    import httpx  # noqa: F401 - its own memory is not the answer's

    patient = HOOK.format(kind="webhook").replace("timeout = 1", "timeout = 20")
    zeros = gzip.compress(bytes(50_000_000))
    bomb = f"Content-Encoding: gzip\r\nContent-Length: {len(zeros)}\r\n\r\n".encode() + zeros
    for rest in (b"Content-Length: 10000000\r\n\r\n", b"\r\n", bomb):
        with dripping(f"HTTP/1.1 {status}\r\n".encode() + rest, drop=b"x" * 100_000, every_s=0) as port:
            monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{port}/hook-canary")
            tracemalloc.start()
            try:
                one = sending(patient).at(0)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert one.state == ("sent" if status == "200 OK" else "failed")
        assert one.tries[0].answer.startswith("200" if status == "200 OK" else "answered 500")
        assert len(one.tries[0].answer) < 5000
        assert peak < 8_000_000


def test_a_mail_server_that_answers_byte_by_byte_has_one_too(sending) -> None:
    with dripping(b"") as port:
        began = time.monotonic()
        one = sending(MAIL.format(port=port)).at(0)
        assert time.monotonic() - began < 10
    assert (one.state, one.tries[0].answer) == ("failed", "127.0.0.1: no whole answer within 1 s")


@contextmanager
def dripping(head: bytes, drop: bytes = b"2", every_s: float = 0.1) -> Iterator[int]:
    """A server that takes whatever comes and answers, after ``head``, one ``drop`` every so often."""
    ended = threading.Event()

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            client, _ = listening.accept()
            with client:
                client.sendall(head)
                while not ended.wait(every_s):
                    client.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)  # where nobody comes, the test fails and does not wait for ever
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
    thread.join()


def test_an_address_beyond_ascii_goes_to_a_server_that_takes_it_and_to_no_other(sending) -> None:
    with mailbox(enable_SMTPUTF8=True) as box:
        text = MAIL.format(port=box.controller.port).replace("ops@example.com", "jürgen@exämple.com")
        assert sending(text).at(0).state == "sent"
        assert box.receivers == ["jürgen@exämple.com"]
        [message] = box.messages
        assert message["To"] == "jürgen@exämple.com"
    with mailbox(enable_SMTPUTF8=False) as box:
        one = sending(text.replace(text.split("port = ")[1].split()[0], str(box.controller.port))).at(0)
        assert (one.state, box.tries) == ("failed", 0)
        assert one.tries[0].answer.startswith("the server has no SMTPUTF8")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ops@example.com", True),
        ("o'hara+x@mail.example.co.uk", True),
        ("jürgen@exämple.com", True),
        ("用户@例子.广告", True),
        ("ops", False),
        ("@example.com", False),
        ("ops@", False),
        ("a@b@c.org", False),
        ("Ops <ops@example.com>", False),
        ("a@x.org,b@x.org", False),
        ("a b@x.org", False),
        (".a@x.org", False),
        ("a..b@x.org", False),
        ("a@x..org", False),
        ("a@-x.org", False),
        ("a@x.org\nBcc: b@x.org", False),
        (f"{'a' * 65}@x.org", False),
    ],
)
def test_what_is_one_address(text: str, is_one: bool) -> None:
    from polydoc_analytics.config.addresses import is_address

    assert is_address(text) is is_one


def test_a_cell_of_contacts_holds_several_addresses_and_what_is_none_is_said(tmp_path: Path) -> None:
    from polydoc_analytics.automation.delivery.contacts import contacts

    path = tmp_path / "contacts.csv"
    path.write_text(
        'account_id,email\na,"x@a.org, y@a.org;z@a.org"\nb,nobody\na,x@a.org;w@a.org\nc,\n,q@a.org\n', "utf-8"
    )
    found = contacts(str(path))
    assert found.addresses == {
        "a": ("x@a.org", "y@a.org", "z@a.org", "w@a.org"),
        "b": ("nobody",),
        "c": (),
    }
    assert [one.removeprefix(str(path)) for one in found.faults] == [
        ":3: 'nobody' is no address",
        ":4: account a has a row already; all its addresses are taken",
        ":6: has no account_id",
    ]


def test_a_comma_between_addresses_needs_no_quotation_marks_in_the_last_column(tmp_path: Path) -> None:
    from polydoc_analytics.automation.delivery.contacts import contacts

    path = tmp_path / "contacts.csv"
    path.write_text("account_id,email\na,x@a.org,y@a.org , z@a.org\n")
    found = contacts(str(path))
    assert (found.addresses, found.faults) == ({"a": ("x@a.org", "y@a.org", "z@a.org")}, ())
    path.write_text("account_id,email,note\na,x@a.org,y@a.org,z@a.org\n")
    found = contacts(str(path))
    assert found.addresses == {"a": ("x@a.org",)}
    assert found.faults == (f"{path}:2: has more cells than there are columns",)


def test_nobody_gets_a_mail_twice_because_an_address_or_a_target_stands_there_twice(sending) -> None:
    twice = '"ops@example.com", "ops@EXAMPLE.com", "ops@example.com"'
    assert sending(MAIL.replace('"ops@example.com"', twice).format(port=1)).one.receiver == "ops@example.com"
    target = sending(MAIL.format(port=1)).found.targets["to"]
    made = deliveries_to([target], ("k",), "a", lambda _: ("x@a.org", "y@a.org", "x@A.ORG"))
    assert [one.receiver for one in made] == ["x@a.org", "y@a.org"]
    told = MAIL.format(port=1).replace("[schedule]", '[schedule]\ntell = ["to", "to"]')
    assert sending(told).found.schedule.tell == ("to",)


def test_each_address_of_an_account_has_a_state_of_its_own(sending, tmp_path: Path) -> None:
    contacts = {"a": ("x@a.org", "nobody", "y@a.org"), "b": ()}
    target = sending(MAIL.format(port=1)).found.targets["to"]
    made = [d for one in "ab" for d in deliveries_to([target], ("k",), one, lambda _, one=one: contacts[one])]
    assert [(d.account, d.receiver, d.state) for d in made] == [
        ("a", "x@a.org", "due"),
        ("a", "nobody", "failed"),
        ("a", "y@a.org", "due"),
        ("b", "", "skipped"),
    ]
    assert len({d.key for d in made}) == 4


@pytest.mark.parametrize(
    "text", ["&" * 20_000, "a&<>" * 3000, "\U0001f600" * 5000, "x" * 200_000, "line & more\n" * 900]
)
def test_a_slack_message_is_within_its_limits_once_it_is_escaped_and_loses_nothing_unsaid(text: str) -> None:
    from html import unescape

    from polydoc_analytics.automation.delivery.channels.slack import blocks_of

    letter = Message("alert", text, "", tuple(text.splitlines()), tuple((text, "1", "") for _ in range(60)))
    content = blocks_of(Delivery("to", "slack", "", "", "key"), Package(letter, NOW))
    blocks = content["blocks"]
    assert len(blocks) <= 50
    sizes = {"header": 150, "section": 3000, "context": 3000}
    for block in blocks:
        parts = [block["text"]] if "text" in block else [*block.get("fields", ()), *block.get("elements", ())]
        assert len(parts) <= 10
        for part in parts:
            most = 2000 if "fields" in block else sizes[block["type"]]
            assert 1 <= len(part["text"].encode("utf-16-le")) // 2 <= most
            if part["type"] == "mrkdwn":
                assert not set(unescape(part["text"])) - set(text) - set("key refpartsdidnotfit; 0123456789:…\n")
                assert re.sub(r"&(amp|lt|gt);", "", part["text"]).count("&") == 0
    said = "".join(
        unescape(block["text"]["text"]) for block in blocks if block["type"] == "section" and "text" in block
    )
    if "did not fit" not in str(blocks[-1]):
        assert said.replace("\n", "") == text.replace("\n", "")


def test_no_url_reaches_the_record_or_the_log_whatever_goes_wrong(
    sending, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    stored = ""
    with hook(500, "drop", body="you asked for /hook-canary") as server:
        for url in (server.url, server.url, "http://127.0.0.1:1/hook-canary", "nonsense-hook-canary", "http://[canary"):
            monkeypatch.setenv("HOOK_URL", url)
            for kind in ("slack", "webhook"):
                sent = sending(HOOK.format(kind=kind))
                sent.at(0)
                stored += sent.stored
    said = capfd.readouterr()
    assert "canary" not in stored + caplog.text + said.out + said.err


def test_a_folder_gets_each_file_whole_and_a_repeat_changes_nothing(sending, tmp_path: Path) -> None:
    text = '[delivery.to]\nkind = "folder"\npath = "out/{report}/{period}/{edition}"\n'
    one = sending(text).at(0)
    folder = tmp_path / "out" / "weekly" / "2026-W44" / "1"
    assert (one.state, (folder / "weekly.pdf").read_bytes()) == ("sent", PDF.content)
    sending(text).at(0)
    assert sorted(path.name for path in folder.iterdir()) == ["weekly.html", "weekly.pdf"]


def test_no_account_leads_out_of_its_folder(sending, tmp_path: Path) -> None:
    from polydoc_analytics.automation.delivery.channels.storage import filled

    assert filled("out/{account}/x", {"account": "../../etc"}) == "out/-..-etc/x"
    assert filled("out/{account}", {"account": ".."}) == "out/-"


def test_a_folder_that_cannot_be_written_is_a_failed_try(sending, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file is in the way")
    one = sending('[delivery.to]\nkind = "folder"\npath = "out/{report}"\n').at(0)
    assert (one.state, outcomes(one)) == ("failed", ["failed"])


def test_an_object_store_gets_the_files(sending, s3_client: Any) -> None:
    s3_client.create_bucket(Bucket="reports")
    one = sending('[delivery.to]\nkind = "store"\nuri = "s3://reports/{report}/{period}"\n').at(0)
    assert one.state == "sent", one.tries
    found = s3_client.get_object(Bucket="reports", Key="weekly/2026-W44/weekly.pdf")["Body"].read()
    assert found == PDF.content


def test_the_settings_word_a_mail_and_say_who_else_gets_it(sending) -> None:
    more = """\
reply_to = "finance@example.com"
cc = ["books@example.com"]
bcc = ["archive@example.com"]
subject = "{issuer}: {report} for {account}, {period}"
introduction = "Please find your figures below."
"""
    brand = {"issuer": "Polydoc Ltd", "accent": "#aa3300", "account": "O'Brien & Sons"}
    logo = b"\xff\xd8\xff jpeg"
    package = replace(PARCEL, message=replace(PARCEL.message, brand=brand), charts={**PARCEL.charts, "logo": logo})
    with mailbox() as box:
        one = sending(MAIL.format(port=box.controller.port) + more, package).at(0)
    assert one.state == "sent"
    [message] = box.messages
    assert box.receivers == ["ops@example.com", "books@example.com", "archive@example.com"]
    assert (message["To"], message["Cc"], message["Reply-To"]) == (
        "ops@example.com",
        "books@example.com",
        "finance@example.com",
    )
    assert message["Subject"] == "Polydoc Ltd: weekly for O'Brien & Sons, 26 Oct 2026 to 1 Nov 2026"
    assert "archive@example.com" not in message.as_string()
    for body in (message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()):
        text = html.unescape(body)
        positions = [text.rindex(part) for part in ("Hello O'Brien & Sons,", "Please find your figures", "1,234")]
        assert positions == sorted(positions)
        assert "Questions? Write to" in text
        assert "finance@example.com" in text
    page = message.get_body(("html",)).get_content()
    assert "#aa3300" in page
    assert 'src="cid:logo@polydoc-analytics" alt="Polydoc Ltd"' in page
    [picture] = [part for part in message.walk() if part["Content-ID"] == "<logo@polydoc-analytics>"]
    assert (picture.get_content_type(), picture.get_content()) == ("image/jpeg", logo)


@pytest.mark.parametrize("receiver", ["ops@example.com", "ö@example.com"])
@pytest.mark.parametrize(
    "title",
    [
        "Großhändler 12. AG Übersetzungsbüro Söhne AG für",
        "2026 utilização março São utilização março",
        "Agricole Société Générale l’étranger –",
        "Ltd 利用明細書 O’Brien 御中 御中 翻訳 翻訳 株式会社オブライエン・リミテッド御中 ご利用料金のお知らせ",
        "word " * 40 + "é",
    ],
)
def test_a_subject_arrives_with_all_its_spaces(title: str, receiver: str) -> None:
    from polydoc_analytics.automation.delivery.channels.email_body import mail

    target = Email.model_validate({"kind": "email", "host": "h", "from": "reports@example.com", "to": [receiver]})
    content = mail(
        target, Delivery("to", "email", receiver, "", "key"), replace(PARCEL, message=Message("alert", title))
    )
    lines = re.search(rb"(?m)^Subject:(.*\r\n(?: .*\r\n)*)", content)
    assert lines
    # As RFC 2047 has it: line ends are no part of a header, and spaces between encoded words none of the text.
    unfolded = lines[1].decode("ascii").replace("\r\n", "").strip()
    words = re.sub(r"(\?=)\s+(?==\?)", r"\1", unfolded)
    decoded = "".join(
        part.decode(charset or "ascii") if isinstance(part, bytes) else part for part, charset in decode_header(words)
    )
    assert decoded == title.strip()
    assert max(map(len, lines[1].split(b"\r\n"))) <= 78


def test_a_copy_to_the_receiver_is_not_asked_for_twice(sending) -> None:
    with mailbox() as box:
        more = 'cc = ["ops@EXAMPLE.com", "books@example.com"]\nbcc = ["books@example.com"]\n'
        assert sending(MAIL.format(port=box.controller.port) + more).at(0).state == "sent"
    assert box.receivers == ["ops@example.com", "books@example.com"]


def test_slack_shows_figures_bold_a_link_to_the_report_and_hashes_last() -> None:
    from polydoc_analytics.automation.delivery.channels.slack import blocks_of

    link = "https://reports.example.com/{report}/{period}?from=a&to=b"
    blocks = blocks_of(Delivery("to", "slack", "", "", "key"), PARCEL, link)["blocks"]
    texts = [
        block["text"]["text"] if "text" in block else block.get("fields", block.get("elements")) for block in blocks
    ]
    assert texts[2] == [{"type": "mrkdwn", "text": "Runs: *1,234* +5% against 1,175", "verbatim": True}]
    assert texts[3] == "<https://reports.example.com/weekly/2026-W44?from=a&amp;to=b|Open the report>"
    assert texts[4].splitlines() == [f"{file.name} (SHA-256 {file.sha256})" for file in PARCEL.files]
    assert texts[5] == [{"type": "mrkdwn", "text": "ref key", "verbatim": True}]
    notice = replace(PARCEL, message=replace(PARCEL.message, event="alert"))
    assert "Open the report" not in json.dumps(blocks_of(Delivery("to", "slack", "", "", "key"), notice, link))


def test_a_long_title_in_slack_leaves_room_for_its_period() -> None:
    from polydoc_analytics.automation.delivery.channels.slack import blocks_of

    message = replace(PARCEL.message, title="Usage statement for " + "x" * 200, period="1 Oct 2026 to 31 Oct 2026")
    content = blocks_of(Delivery("to", "slack", "", "", "key"), replace(PARCEL, message=message))
    head = content["blocks"][0]["text"]["text"]
    assert head.startswith("Usage statement for xxx")
    assert head.endswith("x… 1 Oct 2026 to 31 Oct 2026")
    assert 148 <= len(head) <= 150


def test_a_name_in_a_slack_message_calls_nobody_and_is_no_link() -> None:
    from polydoc_analytics.automation.delivery.channels.slack import blocks_of

    message = replace(PARCEL.message, text=("@here has most runs, https://x.example next.",))
    blocks = blocks_of(Delivery("to", "slack", "", "", "key"), replace(PARCEL, message=message))["blocks"]
    parts = [
        part for one in blocks for part in (*one.get("fields", ()), *one.get("elements", ()), one.get("text")) if part
    ]
    assert all(part["verbatim"] for part in parts if part["type"] == "mrkdwn")
    assert parts[0]["type"] == "plain_text"


def test_a_copy_that_is_refused_holds_up_no_mail_and_is_recorded(sending) -> None:
    with mailbox(refuse={"gone@example.com"}) as box:
        one = sending(MAIL.format(port=box.controller.port) + 'cc = ["gone@example.com"]\n').at(0)
    assert (one.state, box.receivers) == ("sent", ["ops@example.com"])
    assert one.tries[0].answer == "250 taken; no copy to gone@example.com: 550"


def test_a_picture_of_a_mail_has_no_empty_boxes_for_characters_that_no_font_has(
    file, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.reports import built

    from polydoc_analytics.automation.delivery.pictures import pictures
    from polydoc_analytics.reports.charts import export
    from polydoc_analytics.reports.renderers import drawn, fonts

    monkeypatch.setattr(fonts, "_of_the_extra", list)
    monkeypatch.setattr(export, "as_png", lambda spec, *_: json.dumps(spec, ensure_ascii=False).encode())
    runs, one = file([wire("a"), wire("b", account_id="zeta")]), {"period": "2026-03", "account": "acme"}
    for cached in (drawn._characters, drawn.can_draw):
        cached.cache_clear()
    try:
        report = built(runs, accounts={"acme": "日本 Ωmega"})
        texts = b" ".join(pictures(report, None, 9).values()).decode()
        english = built(runs, "statement", **one)
        in_japanese = pictures(built(runs, "statement", branding={"locale": "ja"}, **one), english, 9)
        assert in_japanese == pictures(english, None, 9) != {}
    finally:
        for cached in (drawn._characters, drawn.can_draw):
            cached.cache_clear()
    assert "U+65E5U+672C Ωmega" in texts
    assert "日" not in texts

"""The service's API: fetched whole or not at all, through failures that pass, and never with the token let out."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import socket
import ssl
import subprocess
import sys
import traceback
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from support.http_service import Answer, Service, broken, chunked, hanging, sent, serving, to
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.loaders.formats import json_pages
from polydoc_analytics.loaders.services import rest_api

TOKEN = "canary-4f1c2d"
RUNS = [wire("a"), wire("b", status="Failed", output_file_id=None), wire("c", status="Running", finished_at=None)]
QUICK = rest_api.RetryPolicy(connect_s=2, read_s=2, attempts=3, first_wait_s=0.01, max_wait_s=0.3)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that this machine may use knows nothing of the servers of a test."""
    monkeypatch.setenv("NO_PROXY", "*")


def ids(path: Path) -> list[str]:
    return pda.load(path, input_format="json").runs["id"].to_list()


def chain(error: BaseException | None) -> list[BaseException]:
    """An error and everything that hangs on it, shown or not."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def refused(base: str, folder: Path, retry: rest_api.RetryPolicy = QUICK) -> str:
    """The one line with which a fetch fails, after a look for what must not be in it or behind it."""
    with pytest.raises(pda.SourceError) as caught:
        rest_api.fetch_runs(base, TOKEN, folder, retry=retry)
    assert len(chain(caught.value)) == 1
    text = str(caught.value)
    assert "\n" not in text
    assert TOKEN not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not list(folder.glob("*")), "nothing is left of a fetch that failed"
    return text


WAYS: dict[str, Answer] = {
    "plain": sent(RUNS),
    "with parameters": sent(RUNS, kind="Application/JSON; charset=utf-8"),
    "indented": sent(json.dumps(RUNS, indent=2).encode() + b"\n"),
    "with a byte order mark": sent(b"\xef\xbb\xbf" + json.dumps(RUNS).encode()),
    "gzip": sent(RUNS, packed=True),
    "gzip of two members": sent(
        gzip.compress(json.dumps(RUNS).encode()[:100]) + gzip.compress(json.dumps(RUNS).encode()[100:]),
        Content_Encoding="gzip",
    ),
    "chunked": chunked([json.dumps(RUNS).encode()[at : at + 7] for at in range(0, len(json.dumps(RUNS)), 7)]),
    "chunked gzip": chunked([gzip.compress(json.dumps(RUNS).encode())], Content_Encoding="gzip"),
    "slowly": chunked(
        [bytes([byte]) for byte in json.dumps(RUNS).encode()[:20]] + [json.dumps(RUNS).encode()[20:]], wait_s=0.02
    ),
    "in an object": sent({"data": {"items": RUNS, "next": None}}),
    "bracket by bracket": chunked([b"[", b" ", json.dumps(RUNS).encode()[1:-1], b"\n", b"]", b"\n"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_list_of_runs_is_fetched_however_it_is_sent(way: str, tmp_path: Path) -> None:
    with serving(WAYS[way]) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path / "new", retry=QUICK)
    assert ids(path) == ["a", "b", "c"]
    assert [file.name for file in path.parent.iterdir()] == ["runs.json"]


def test_a_service_without_runs_is_an_empty_list(tmp_path: Path) -> None:
    with serving(sent([])) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert pda.load(path, input_format="json").counts.read == 0


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/v1/runs"),
        ("/", "/v1/runs"),
        ("/eu/polydoc", "/eu/polydoc/v1/runs"),
        ("/eu/?key=q7", "/eu/v1/runs?key=q7"),
    ],
)
@pytest.mark.parametrize(
    ("token", "header"),
    [(TOKEN, f"Bearer {TOKEN}"), (f"bEarer {TOKEN}", f"bEarer {TOKEN}"), (f" {TOKEN}\n", f"Bearer {TOKEN}")],
)
def test_the_request_is_the_one_that_the_sdk_makes(
    base: str, path: str, token: str, header: str, tmp_path: Path
) -> None:
    with serving(sent(RUNS)) as service:
        rest_api.fetch_runs(service.url + base, token, tmp_path, retry=QUICK)
    assert service.paths == [path]
    [headers] = service.headers
    assert headers["Authorization"] == header
    assert headers["Accept"] == "application/json"


def test_quarantined_runs_carry_the_name_of_the_source(tmp_path: Path) -> None:
    with serving(sent([RUNS[0], wire("bad", status="Done")])) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    batches = [batch for work in rest_api.read(path, source="production") for batch in work.run()]
    assert [(row.source, row.line) for batch in batches for row in batch.rejected] == [("production", 2)]
    path.write_bytes(b'[{"id": 1 2}]')
    with pytest.raises(pda.SourceError, match=r"^production: record 1 is not JSON"):
        [work.run() for work in rest_api.read(path, source="production")]


def test_one_bad_run_is_quarantined_and_the_rest_loads(tmp_path: Path) -> None:
    with serving(sent([RUNS[0], wire("bad", credits="many"), *RUNS[1:]])) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    loaded = pda.load(path, input_format="json")
    assert loaded.runs["id"].to_list() == ["a", "b", "c"]
    assert loaded.quarantine["line"].to_list() == [2]
    assert TOKEN not in str(loaded.quarantine.to_dicts())


def page(runs: list[dict[str, Any]], **beside: Any) -> Answer:
    return sent({"data": runs, **beside})


FOLLOWED: dict[str, Callable[[str], tuple[Answer, Answer]]] = {
    "next": lambda url: (page(RUNS[:1], next=f"{url}/v1/runs?page=2"), page(RUNS[1:], next=None)),
    "a path": lambda url: (page(RUNS[:1], next="/v1/runs?page=2"), page(RUNS[1:], next="")),
    "a query": lambda url: (page(RUNS[:1], next_url="?page=2"), page(RUNS[1:])),
    "links.next": lambda url: (page(RUNS[:1], links={"next": f"{url}/v1/runs?page=2"}), page(RUNS[1:], links={})),
    "links.next.href": lambda url: (page(RUNS[:1], _links={"next": {"href": "/v1/runs?page=2"}}), page(RUNS[1:])),
    "@odata.nextLink": lambda url: (page(RUNS[:1], **{"@odata.nextLink": "/v1/runs?page=2"}), page(RUNS[1:])),
    "has_more too": lambda url: (
        page(RUNS[:1], has_more=True, next="/v1/runs?page=2"),
        page(RUNS[1:], has_more=False, next=None),
    ),
    "a total of all": lambda url: (page(RUNS[:1], next_url="?page=2", total=3), page(RUNS[1:], total=3)),
    "Link": lambda url: (
        sent(RUNS[:1], Link=f'<{url}/v1/runs?page=9>; rel="last", <{url}/v1/runs?page=2>; rel="next"'),
        sent(RUNS[1:], Link=f'<{url}/v1/runs>; rel="first"'),
    ),
    "Link in upper case": lambda url: (sent(RUNS[:1], Link="</v1/runs?page=2>; REL=NEXT"), sent(RUNS[1:])),
    "X-Next-Page": lambda url: (
        sent(RUNS[:1], X_Next_Page=f"{url}/v1/runs?page=2", X_Total_Count="3"),
        sent(RUNS[1:], X_Next_Page="", X_Total_Count="3"),
    ),
    "Link beside totals": lambda url: (
        sent(RUNS[:2], Link="</v1/runs?page=2>; rel=next", X_Total="3", X_Page="1", X_Total_Pages="2"),
        sent(RUNS[2:], X_Total="3", X_Page="2", X_Total_Pages="2", Content_Range="runs 2-2/3"),
    ),
    "Link, packed, indented": lambda url: (
        sent(json.dumps(RUNS[:1], indent=1).encode(), packed=True, Link="</v1/runs?page=2>; rel=next"),
        sent(RUNS[1:], packed=True),
    ),
}


@pytest.mark.parametrize("way", FOLLOWED)
def test_the_next_page_of_the_same_host_is_fetched_too(way: str, tmp_path: Path) -> None:
    with serving() as service:
        service.answers[:] = FOLLOWED[way](service.url)
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert service.paths == ["/v1/runs", "/v1/runs?page=2"]
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {TOKEN}"] * 2
    assert [file.name for file in tmp_path.iterdir()] == ["runs.json"]
    batches = [batch for work in rest_api.read(path, source="x") for batch in work.run()]
    assert [id for batch in batches for id in batch.runs["id"].to_pylist()] == ["a", "b", "c"]


def test_pages_that_end_before_the_total_they_say_are_refused(tmp_path: Path) -> None:
    answers = page(RUNS[:1], next_url="?page=2", total=9), page(RUNS[1:], total=9)
    with serving(*answers) as service, pytest.raises(pda.SourceError, match="'total': 9 beside 3 rows"):
        rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_fails_is_tried_again_and_the_pages_before_it_are_kept_once(tmp_path: Path) -> None:
    first, broken_off = page(RUNS[:2], next="?page=2"), sent(b'{"data": [{"id', length=5000)
    with serving(first, broken_off, sent(b"", status=503), page(RUNS[2:])) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert service.paths == ["/v1/runs", "/v1/runs?page=2", "/v1/runs?page=2", "/v1/runs?page=2"]
    assert ids(path) == ["a", "b", "c"]


NOT_FOLLOWED: dict[str, tuple[Answer, str]] = {
    "a token": (page(RUNS, next_cursor="abc"), "one page of several, for there stands 'next_cursor'; fetch the other"),
    "a total": (page(RUNS, meta={"total": 9}), "one page of several, for there stands 'meta.total': 9 beside 3 rows; "),
    "a flag": (page(RUNS, has_more=True), "one page of several, for there stands 'has_more': true"),
    "another host": (page(RUNS, next="http://127.0.0.2/v1/runs"), "its next page is on another host, port or scheme"),
    "another port": (page(RUNS, next="http://127.0.0.1:1/v1/runs"), "its next page is on another host, port or scheme"),
    "another scheme": (sent(RUNS, Link='<https://127.0.0.1/v1/runs>; rel="next"'), "its next page is on another host"),
    "no host": (sent(RUNS, Link='<http://[::1/v1>; rel="next"'), "its next page is on another host"),
    "itself": (page(RUNS, next="/v1/runs"), "its pages lead back to one that was fetched already"),
}


@pytest.mark.parametrize("way", NOT_FOLLOWED)
def test_a_page_whose_next_one_cannot_be_fetched_is_refused_or_taken_as_it_is(way: str, tmp_path: Path) -> None:
    answer, message = NOT_FOLLOWED[way]
    with serving(answer) as service:
        assert message in refused(service.url, tmp_path)
        assert len(service.paths) == 1
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, is_partial=True, retry=QUICK)
    batches = [batch for work in rest_api.read(path, source="x", is_partial=True) for batch in work.run()]
    assert sum(batch.runs.num_rows for batch in batches) == 3


HEADERS: dict[str, tuple[dict[str, str], str]] = {
    "total": ({"X_Total_Count": "4"}, "'X-Total-Count': 4 beside 3 rows"),
    "total of another name": ({"X_WP_Total": "4", "Pagination_Count": "3"}, "'X-WP-Total': 4 beside 3 rows"),
    "range": ({"Content_Range": "items 0-2/4"}, "'Content-Range': 4 beside 3 rows"),
    "number": ({"X_Next_Page": "2", "X_Page": "1"}, "'X-Next-Page'"),
    "pages": ({"X_Page": "1", "X_Total_Pages": "2"}, "'X-Page': 1 of 'X-Total-Pages': 2"),
    "cursor": ({"X_Next_Cursor": "abc"}, "'X-Next-Cursor'"),
    "continuation": ({"x_ms_continuation": "abc"}, "'x-ms-continuation'"),
    "flag": ({"X_Has_More": "true"}, "'X-Has-More': true"),
    "object": ({"X_Pagination": '{"TotalCount": 4, "HasNext": true}'}, "'X-Pagination.HasNext': true"),
    "array": ({"X_Total_Count": "4", "X_Note": "[1]"}, "'X-Total-Count': 4 beside 3 rows"),
}


@pytest.mark.parametrize("way", HEADERS)
def test_headers_that_tell_of_more_pages_are_signs_of_them(way: str, tmp_path: Path) -> None:
    headers, message = HEADERS[way]
    for answer in (sent(RUNS, **headers), sent({"data": RUNS}, **headers)):
        with serving(answer) as service:
            assert f"is one page of several, for there stands {message}" in refused(service.url, tmp_path / "refused")
            path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, is_partial=True, retry=QUICK)
        assert ids(path) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Total_Count": "3", "X_Page": "1", "X_Total_Pages": "1", "X_Next_Page": ""},
        {"X_Has_More": "false", "X_Pagination": '{"TotalCount": 3, "HasNext": false}'},
        {"Content_Range": "items 0-2/*", "X_RateLimit_Remaining": "17", "X_Total_Time": "12"},
        {"Content_Range": "bytes 0-99/12345", "X_Pagination": "{no json", "Accept_Ranges": "runs"},
        {"X_Request_Id": "next", "X_Cache_Hits": "9", "X_Total": "some", "X_Page": "7"},
    ],
)
def test_headers_of_all_runs_or_of_something_else_are_no_signs(headers: dict[str, str], tmp_path: Path) -> None:
    for answer in (sent(RUNS, **headers), sent({"data": RUNS}, **headers)):
        with serving(answer) as service:
            assert ids(rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)) == ["a", "b", "c"]


def test_runs_that_are_removed_while_pages_are_fetched_leave_none_out(tmp_path: Path) -> None:
    # Of four runs the first is removed behind the first page, so the third moves up to it and stands on no page.
    first, last = page(RUNS[:2], next="?offset=2", total=4), page(RUNS[2:], next=None, total=3)
    with serving(first, last) as service:
        text = refused(service.url, tmp_path)
    assert "'total' fell from 4 to 3 while the pages were fetched, so a run may have been left out" in text
    in_headers = sent(RUNS[:2], Link="<?p=2>; rel=next", X_Total="4"), sent(RUNS[2:], X_Total="3")
    with serving(*in_headers) as service:
        assert "'X-Total' fell from 4 to 3" in refused(service.url, tmp_path)


@pytest.mark.parametrize("totals", [(3, 4, 4), (2, 1, None), (3, 3, 3), (3, None, 3)])
def test_totals_that_grow_or_count_their_own_page_are_no_matter(totals: tuple[int | None, ...], tmp_path: Path) -> None:
    rows = [RUNS[:2], RUNS[1:2], RUNS[2:]]
    answers = [
        page(some, next=f"?p={at}" if at < 2 else None, **({} if total is None else {"total": total}))
        for at, (some, total) in enumerate(zip(rows, totals, strict=True))
    ]
    with serving(*answers) as service:
        assert sorted(set(ids(rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("asked", "link", "expected"),
    [
        ("https://api.test/v1/runs", "http://api.test/v1/runs?page=2", "https://api.test/v1/runs?page=2"),
        ("https://api.test:8443/v1/runs", "http://api.test/v1/runs?page=2", "https://api.test:8443/v1/runs?page=2"),
        ("https://api.test/v1/runs", "http://api.test:80/v1/runs?page=2", "https://api.test/v1/runs?page=2"),
        ("https://api.test:8443/v1/runs", "http://api.test:8443/runs?page=2", "https://api.test:8443/runs?page=2"),
        ("https://api.test/v1/runs", "http://api.test:8080/v1/runs?page=2", None),
        ("https://api.test/v1/runs", "http://other.test/v1/runs?page=2", None),
        ("http://api.test/v1/runs", "https://api.test/v1/runs?page=2", None),
    ],
)
def test_a_service_behind_a_proxy_that_links_to_plain_http_is_asked_by_https(
    asked: str, link: str, expected: str | None
) -> None:
    signs = [json_pages.More("'next'", link)]
    if expected is not None:
        assert json_pages.next_page("api", asked, asked, signs, {asked}) == expected
        return
    with pytest.raises(pda.SourceError, match="its next page is on another host, port or scheme"):
        json_pages.next_page("api", asked, asked, signs, {asked})


def test_pages_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    with serving(page(RUNS[:1], next="?p=2"), page(RUNS[1:2], next="?p=3"), page(RUNS[2:], next="?p=2")) as service:
        assert "its pages lead back to one that was fetched already" in refused(service.url, tmp_path)
        assert len(service.paths) == 3


def test_pages_without_an_end_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_pages, "_MAX_PAGES", 4)
    with serving(*(page([wire(str(n))], next=f"?p={n}") for n in range(9))) as service:
        assert "has more than 4 pages" in refused(service.url, tmp_path)
        assert len(service.paths) == 4


def test_after_a_redirect_to_another_host_its_next_page_is_not_asked_for_with_the_token(tmp_path: Path) -> None:
    with serving(page(RUNS, next="/v1/runs?page=2")) as other, serving(to(other.url + "/there")) as service:
        assert "its next page is on another host" in refused(service.url, tmp_path)
        assert len(other.paths) == 1


HALF = json.dumps(RUNS).encode()[:200]
TROUBLE: dict[str, Answer] = {
    "429": sent(b"", status=429, Retry_After="0"),
    "500": sent(b"oops", status=500, kind="text/plain"),
    "502": sent(b"", status=502),
    "503": sent(b"", status=503, Retry_After="in a while"),
    "504": sent(b"", status=504),
    "broken connection": broken,
    "less than Content-Length": sent(HALF, length=5000),
    "no last chunk": chunked([HALF], ends=False),
    "half an array": sent(HALF),
    "nothing": sent(b""),
    "half a gzip": sent(gzip.compress(HALF)[:-30], Content_Encoding="gzip"),
    "no gzip": sent(json.dumps(RUNS).encode(), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_that_passes_is_waited_out(trouble: str, tmp_path: Path) -> None:
    said: list[str] = []
    with serving(TROUBLE[trouble], sent(RUNS)) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK, notify=said.append)
    assert ids(path) == ["a", "b", "c"]
    assert len(service.paths) == 2
    assert len(said) == 1
    assert said[0].startswith(service.url)
    assert said[0].endswith("; trying again (2 of 3)")


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("429", "answered 429 Too Many Requests, 3 times; nothing was taken over, try again later"),
        ("503", "answered 503 Service Unavailable, 3 times"),
        ("broken connection", "the connection broke, 3 times"),
        ("less than Content-Length", "the body is cut off after 200 bytes, 3 times"),
        ("no last chunk", "the body is cut off after 200 bytes, 3 times"),
        ("half an array", "the body is cut off: its array of runs does not end, 3 times"),
        ("nothing", "the body is cut off: its array of runs does not end, 3 times"),
        ("half a gzip", "the body is cut off: the compressed data end too early, 3 times"),
        ("no gzip", "the body is damaged: it cannot be unpacked as gzip, 3 times"),
    ],
)
def test_trouble_that_stays_is_one_clear_line_and_leaves_the_earlier_file_alone(
    trouble: str, message: str, tmp_path: Path
) -> None:
    with serving(TROUBLE[trouble]) as service:
        assert f"{service.url}/v1/runs: {message}" in refused(service.url, tmp_path / "none")
        assert len(service.paths) == 3
        (tmp_path / "runs.json").write_text("the last good one")
        with pytest.raises(pda.SourceError):
            rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert [(file.name, file.read_text()) for file in tmp_path.glob("runs*")] == [("runs.json", "the last good one")]


def test_a_cut_off_body_is_not_added_to(tmp_path: Path) -> None:
    with serving(sent(HALF, length=5000), sent(RUNS[:1])) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert json.loads(path.read_bytes()) == RUNS[:1]


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [("1", 1.0), (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True), 1.0), ("3600", 1.2)],
)
def test_retry_after_is_honoured_in_seconds_and_as_a_date_up_to_a_bound(
    retry_after: Any, wait_s: float, tmp_path: Path
) -> None:
    retry = rest_api.RetryPolicy(attempts=2, first_wait_s=0.01, max_wait_s=1.2)

    def busy(handler: Any) -> None:
        sent(b"", status=429, Retry_After=retry_after if isinstance(retry_after, str) else retry_after())(handler)

    with serving(busy, sent(RUNS)) as service:
        rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=retry)
    waited = service.times[1] - service.times[0]
    assert wait_s * 0.95 <= waited < 2.5


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (sent(b"", status=401), "answered 401 Unauthorized; the token was not accepted; check POLYDOC_BEARER_AUTH"),
        (sent(b"", status=403), "answered 403 Forbidden; this token may not list runs"),
        (sent(b"", status=404), "answered 404 Not Found; check the base URL"),
        (sent(b"", status=418), "answered 418 I'm a Teapot; expected 200 OK"),
        (sent(b"", status=206), "answered 206 Partial Content; expected 200 OK"),
        (sent(b"", status=599), "answered 599; expected 200 OK"),
        (sent(b"<html>", kind="text/html; charset=utf-8"), "of type 'text/html', expected application/json"),
        (sent(RUNS, kind=""), "without a usable type, expected application/json"),
        (sent(RUNS, kind=TOKEN), "without a usable type, expected application/json"),
        (sent({"runs": 3}), "holds no array of runs; it has 'runs', expected an array of runs"),
        (sent({"error": {"code": 7, "message": "no such tenant"}}), "is an error, not runs: 'no such tenant'"),
        (sent({"error": f"who is {TOKEN}?"}), "answered an error, and in it the token; nothing was taken over"),
        (sent(b'"' + TOKEN.encode() + b'"'), "answered something else where a JSON array of runs was expected"),
        (sent(RUNS, Content_Encoding="br"), "in an encoding that was not asked for; expected gzip or none"),
        (sent(b"", status=302), "answered 302 Found; check the base URL"),
    ],
)
def test_an_answer_that_will_not_change_is_refused_at_once(answer: Answer, message: str, tmp_path: Path) -> None:
    with serving(answer) as service:
        text = refused(service.url, tmp_path)
        assert text.startswith(f"{service.url}/v1/runs: ")
        assert message in text
        assert len(service.paths) == 1


@pytest.mark.parametrize(
    "answer",
    [
        sent({"error": {"message": f"bad token {TOKEN}"}}),
        sent({"data": RUNS, "errors": [{"message": f"{TOKEN} expires"}]}),
        sent(RUNS, X_Pagination=json.dumps({TOKEN: {"next": 5}})),
    ],
)
def test_a_token_in_a_later_page_or_beside_runs_is_not_repeated(answer: Answer, tmp_path: Path) -> None:
    large = page([wire(str(number), note="n" * 2000) for number in range(700)], next="?page=2")
    for answers in ([answer], [large, answer]):
        with serving(*answers) as service:
            assert "answered an error, and in it the token" in refused(service.url, tmp_path)


def test_a_service_that_hangs_is_given_up(tmp_path: Path) -> None:
    retry = rest_api.RetryPolicy(read_s=0.2, attempts=2, first_wait_s=0.01)
    with serving(hanging) as service:
        assert "no answer within 0.2 s, 2 times" in refused(service.url, tmp_path, retry)

    def stalling(handler: BaseHTTPRequestHandler) -> None:
        chunked([HALF], ends=False)(handler)
        hanging(handler)

    # The beginning has to come in time on a busy machine too.
    retry = rest_api.RetryPolicy(read_s=0.8, attempts=2, first_wait_s=0.01)
    with serving(stalling) as service:
        assert "nothing more came within 0.8 s, 2 times" in refused(service.url, tmp_path, retry)


def test_a_body_that_drips_for_ever_is_given_up(tmp_path: Path) -> None:
    retry = rest_api.RetryPolicy(read_s=1, whole_s=0.3, attempts=2, first_wait_s=0.01)
    with serving(chunked([b"[", *[b" "] * 200], wait_s=0.02)) as service:
        assert "took longer than 0.3 s and was given up" in refused(service.url, tmp_path, retry)


def test_redirects_on_the_same_host_carry_the_token(tmp_path: Path) -> None:
    with serving(to("/moved?signature=q7"), to("/again", 308), sent(RUNS)) as service:
        path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert ids(path) == ["a", "b", "c"]
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {TOKEN}"] * 3


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_token_is_never_sent_to_another_host_or_port(name: str, tmp_path: Path) -> None:
    with serving(sent(RUNS)) as other:
        port = other.url.rpartition(":")[2]
        with serving(to(f"http://{name}:{port}/elsewhere")) as service:
            path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert ids(path) == ["a", "b", "c"]
    [headers] = other.headers
    assert "Authorization" not in headers
    assert TOKEN not in str(headers)


def test_a_redirect_to_a_host_that_asks_for_the_token_says_so(tmp_path: Path) -> None:
    with serving(sent(b"", status=401)) as other, serving(to(other.url + "/elsewhere?signature=q7")) as service:
        text = refused(service.url, tmp_path)
    assert text == (
        f"{other.url}/elsewhere: answered 401 Unauthorized; it was redirected to another host, where the token is not "
        "sent; set the base URL to that host"
    )


def test_a_redirect_back_does_not_bring_the_token_back(tmp_path: Path) -> None:
    with serving(sent(b"", status=404)) as other, serving(to(other.url), sent(RUNS)) as service:
        other.answers[:] = [to(service.url + "/back")]
        rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {TOKEN}", None]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/v1/runs", "redirects more than 10 times"),
        ("ftp://127.0.0.1/runs", "redirects to an address that is not http or https"),
    ],
)
def test_redirects_that_lead_nowhere_are_refused(location: str, message: str, tmp_path: Path) -> None:
    with serving(to(location)) as service:
        assert message in refused(service.url, tmp_path)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key, that nobody has a reason to trust."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the command openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    call = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    call += ["-keyout", f"{path}.key", "-out", f"{path}.crt", "-subj", "/CN=127.0.0.1"]
    call += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(call, check=True, capture_output=True)
    path.write_text(Path(f"{path}.key").read_text() + Path(f"{path}.crt").read_text())
    return path


def also_with_tls(service: Service, certificate: Path) -> str:
    """Let a server speak TLS to those who begin with it; return its https address, of the same host and port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def get_request() -> tuple[socket.socket, Any]:
        connection, address = service.server.socket.accept()
        is_tls = connection.recv(1, socket.MSG_PEEK) == b"\x16"
        return (context.wrap_socket(connection, server_side=True) if is_tls else connection), address

    service.server.get_request = get_request  # type: ignore[method-assign]
    return service.url.replace("http:", "https:")


def test_a_certificate_that_is_not_trusted_is_refused_before_the_token_is_sent(
    certificate: Path, tmp_path: Path
) -> None:
    with serving(sent(RUNS)) as service:
        text = refused(also_with_tls(service, certificate), tmp_path)
    assert "its TLS certificate is not trusted: self-signed certificate" in text
    assert service.headers == []


def test_the_token_does_not_follow_from_https_to_http(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(sent(RUNS)) as service:
        address = also_with_tls(service, certificate)
        service.answers[:] = [to("/still-safe"), to(service.url + "/in-the-clear"), sent(RUNS)]
        rest_api.fetch_runs(address, TOKEN, tmp_path, retry=QUICK)
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", None]


def test_tls_that_the_server_does_not_speak_is_refused(tmp_path: Path) -> None:
    with serving(sent(RUNS)) as service:
        assert "no TLS connection" in refused(service.url.replace("http:", "https:"), tmp_path)


def test_a_port_where_nobody_listens_is_tried_again_then_refused(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = refused(f"http://127.0.0.1:{port}", tmp_path)
    assert text.startswith(f"http://127.0.0.1:{port}/v1/runs: cannot connect: ")
    assert text.endswith(", 3 times; nothing was taken over, try again later")


def test_a_host_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "no host of that name; check the base URL" in refused("https://no-such-host.invalid", tmp_path)


@pytest.mark.parametrize(
    "base",
    [
        "",
        "api.polydoc.ai",
        "ftp://api.polydoc.ai",
        "http://",
        "http://[::1",
        "http://host:port",
        "http://ex ample",
        "http://☃☃.a..b",
        f"http://h:{TOKEN}/",
    ],
)
def test_a_base_that_is_no_url_is_refused(base: str, tmp_path: Path) -> None:
    assert "the base URL of the API is not usable" in refused(base, tmp_path)


def test_a_base_with_a_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    text = refused("https://me:secret-q7@api.test/eu?key=q8", tmp_path)
    assert text.startswith("https://api.test/eu: leave user name and password out")
    assert "q7" not in text
    assert "q8" not in text


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "needs a token; set the environment"),
        ("  ", "needs a token"),
        (f"{TOKEN}\r\nX: y", "cannot be sent"),
        (f"{TOKEN}é", "cannot be sent"),
    ],
)
def test_a_token_that_cannot_be_sent_is_refused_unseen(token: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(pda.SourceError, match=message) as caught:
        rest_api.fetch_runs("https://api.test", token, tmp_path)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_nothing_secret_reaches_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(sent(b"", status=500), to("/moved?signature=q7", 307), sent(RUNS, Set_Cookie="s=q8")) as service:
        rest_api.fetch_runs(service.url + "?key=q9", TOKEN, tmp_path, retry=QUICK)
        import httpx

        logged = "\n".join([caplog.text, *(str(vars(record)) for record in caplog.records)])
        assert "stamina.retry_scheduled" in logged
        assert not any(secret in logged for secret in (TOKEN, "q7", "q8", "q9"))
        httpx.get(service.url + "/others")
        assert "/others" in caplog.text, "what others ask is logged as ever"


def test_a_retry_leaves_stderr_to_the_caller(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from polydoc_analytics.loaders.services.rest_api import RetryPolicy, fetch_runs
        fetch_runs(sys.argv[1], "t", Path(sys.argv[2]), retry=RetryPolicy(first_wait_s=0.01))
    """
    with serving(sent(b"", status=500), sent(RUNS)) as service:
        done = subprocess.run([sys.executable, "-c", code, service.url, str(tmp_path)], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_progress_counts_what_is_received(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with serving(sent(RUNS, packed=True)) as service:
        rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK, progress=lambda *now: seen.append(now))
    size = len(gzip.compress(json.dumps(RUNS).encode()))
    assert seen[-1] == (size, size)


def test_a_body_that_unpacks_to_a_thousand_times_its_size_is_taken_in_bounded_memory(tmp_path: Path) -> None:
    body = gzip.compress(b"[" + b" " * 60_000_000 + b"]", 9)
    assert len(body) < 100_000
    with serving(sent(body, Content_Encoding="gzip")) as service:
        tracemalloc.start()
        try:
            path = rest_api.fetch_runs(service.url, TOKEN, tmp_path, retry=QUICK)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert path.stat().st_size == 60_000_002
    assert peak < 16_000_000


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving(sent(RUNS)) as service, pytest.raises(pda.SourceError, match="cannot be written: ") as caught:
        rest_api.fetch_runs(service.url, TOKEN, tmp_path / "file" / "folder", retry=QUICK)
    assert str(tmp_path) in str(caught.value)

"""JSON documents of any shape: the runs in them, found wherever they are, or one line that says why there are none."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.processes import finished
from support.repetitions import Soak, often, slow
from support.runs import CSV_HEADER, ndjson, wire, zstd

import polydoc_analytics as pda
from polydoc_analytics.loaders.formats import json as json_array
from polydoc_analytics.loaders.formats import ndjson as ndjson_reader

RUNS = [wire("a"), wire("b", status="Failed"), wire("c")]
IDS = ["a", "b", "c"]


def document(value: Any, **how: Any) -> bytes:
    return json.dumps(value, **how).encode()


FOUND: dict[str, bytes] = {
    "an array": document(RUNS),
    "an array, indented": document(RUNS, indent=2),
    "an array, a run a line": b"[\n" + b",\n".join(map(document, RUNS)) + b"\n]\n",
    "an object around it": document({"data": RUNS}),
    "deep in objects": document({"response": {"data": {"items": RUNS, "count": 3}}}),
    "an empty array before it": document({"errors": [], "data": RUNS}),
    "an empty array behind it": document({"data": RUNS, "errors": []}),
    "other arrays around it": document({"tags": ["x", 1], "links": [{"rel": "self"}], "data": RUNS, "accounts": [{}]}),
    "accounts with ids before it": document({"accounts": [{"id": "acme", "status": "on"}], "data": RUNS}),
    "arrays of arrays around it": document({"matrix": [[1, [2]], [[]]], "data": RUNS, "more": [["]", "[", {"a": []}]]}),
    "texts that look like JSON": document({"note": '"}],[{\\"', "data": [wire("a", note='}, {"\\'), *RUNS[1:]]}),
    "runs that hold arrays of objects": document([{**run, "steps": [{"id": "s"}, {}]} for run in RUNS]),
    "arrays one behind another": document(RUNS[:1]) + document([]) + b"\n" + document(RUNS[1:]),
    "an array a line": b"".join(document([run]) + b"\n" for run in RUNS),
    "objects one behind another": b"".join(map(document, RUNS)),
    "objects on lines": ndjson(RUNS),
    "objects over lines": b"\n".join(document(run, indent=2) for run in RUNS),
    "pages one behind another": document({"data": RUNS[:1], "next": "x"}) + b"\n" + document({"data": RUNS[1:]}),
    "pages over lines": document({"data": RUNS[:2], "has_more": True}, indent=1) + document({"data": RUNS[2:]}),
    "a sequence of texts": b"".join(b"\x1e" + document(run) + b"\n" for run in RUNS),
    "a sequence behind a blank line": b"\n \t" + b"".join(b"\x1e" + document(run) + b"\n" for run in RUNS),
    "a sequence of texts over lines": b"".join(b"\x1e" + document(run, indent=1) + b"\n" for run in RUNS),
    "a sequence without line ends": b"".join(b"\x1e" + document(run) for run in RUNS),
    "a sequence of an array": b"\x1e" + document(RUNS) + b"\n",
    "a byte order mark": b"\xef\xbb\xbf" + document({"data": RUNS}),
    "carriage returns": document(RUNS, indent=1).replace(b"\n", b"\r\n"),
    "camelCase": document(
        {"data": [{"accountId": run.pop("account_id"), **run} for run in json.loads(document(RUNS))]}
    ),
    "no more": document({"data": RUNS, "has_more": False, "next": None, "next_cursor": "", "page": 3, "pages": 3}),
    "the last page counted from 0": document({"data": RUNS, "page": {"number": 2, "totalPages": 3}}),
    "the last page counted from 0 beside a number of pages": document({"data": RUNS, "page": 2, "nbPages": 3}),
    "no list of next pages": document({"data": RUNS, "next": [], "_links": {"next": [{"href": None}]}, "done": True}),
    "a list of runs that are next": document({"nextRuns": RUNS}),
    "the place that was asked for": document({"data": RUNS, "cursor": "c", "offset": 100, "hasMore": False}),
    "done": document({"data": RUNS, "done": True, "complete": True, "metadata": {"continue": "", "remaining": 9}}),
    "a total of all": document({"total": 3, "data": RUNS, "meta": {"totalCount": "3", "pagination": {"total": 2}}}),
    "totals of something else": document({"credits": {"total": 69}, "data": RUNS, "tokens_total": 99, "count": 50}),
    "what was asked for": document(
        {"filter": {"completed": False, "partial": True}, "window": {"is_partial": True}, "data": RUNS}
    ),
    "pages of a file": document({"file": {"name": "a.pdf", "pages": 12}, "data": RUNS}),
    "pages with a total of all": document({"data": RUNS[:2], "total": 3}) + document({"data": RUNS[2:], "total": 3}),
    "a link to itself": document({"data": RUNS, "links": {"self": "/runs", "next": None, "last": "/runs"}}),
    "words with next in them": document(
        {"data": RUNS, "next_sync_at": "2026-01-01", "nextSteps": "none", "more_info": 1}
    ),
}


WAYS = ("in small pieces", "plain", "compressed", "standard input")


@pytest.mark.parametrize(
    ("way", "shape"),
    [
        # Each shape in small pieces, and in the other ways by turns.
        (way, shape) if place == 0 or (at + place) % 3 == 0 else slow(way, shape)
        for place, way in enumerate(WAYS)
        for at, shape in enumerate(FOUND)
    ],
)
def test_the_runs_are_found_wherever_a_document_holds_them(
    shape: str, way: str, file, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FOUND[shape]
    if way == "plain":
        loaded = pda.load(file(content, "runs.json"))
    elif way == "compressed":
        pack = {0: gzip.compress, 1: bz2.compress, 2: lzma.compress, 3: zstd}[len(content) % 4]
        loaded = pda.load(file(pack(content), "runs.json.z"), input_format="json")
    elif way == "standard input":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        loaded = pda.load("-", input_format="json")
    else:
        monkeypatch.setattr(json_array.ndjson, "BLOCK_BYTES", 97)
        monkeypatch.setattr(json_array.read, "__kwdefaults__", {**json_array.read.__kwdefaults__, "block_bytes": 97})
        loaded = pda.load(file(content, "runs.json"))
    assert sorted(loaded.runs["id"]) == IDS
    assert dict(loaded.counts) == {"read": 3, "runs": 3, "duplicates": 0, "quarantined": 0, "conflicts": 0}


@pytest.mark.parametrize("name", ["one.json", "one.json.gz", "one.json.bz2", "one.json.xz", "one.json.zst", "one"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_run_is_a_document_too(name: str, indent: int | None, file) -> None:
    run = wire("a", tags=[{"id": "t"}, {}], error={"code": 1}, next="x")
    pack: Any = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}.get(name[9:], bytes)
    loaded = pda.load(file(pack(document(run, indent=indent)), name))
    assert loaded.runs["id"].to_list() == ["a"]


@pytest.mark.parametrize("cut_off", [0, 1, 2])
@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("name", ["runs.json", "runs.ndjson", "runs.json-seq"])
def test_a_text_of_a_sequence_that_is_cut_off_costs_no_other(cut_off: int, end: bytes, name: str, file) -> None:
    texts = [document(run)[: 60 if at == cut_off else None] for at, run in enumerate(RUNS)]
    loaded = pda.load(Path(file(b"".join(b"\x1e" + text + end for text in texts), f"folder/{name}")).parent)
    assert sorted(loaded.runs["id"]) == IDS[:cut_off] + IDS[cut_off + 1 :]
    assert loaded.quarantine.select("line", "raw").rows() == [(cut_off + 1, texts[cut_off].decode())]


@pytest.mark.parametrize("character", ["\x1e", "\0", "\x1a", "\u2028", "\x0b"])
def test_a_reason_shows_a_control_character_that_stands_in_the_way(character: str, file) -> None:
    run = json.dumps(RUNS[0])
    loaded = pda.load(file([run, f"{character}{run}", f"{run}{character}"], "runs.ndjson"))
    assert loaded.counts.runs == 1
    shown = ascii(character)
    assert loaded.quarantine["reason"].to_list() == [
        f"not JSON: Expecting value at character 1, where {shown} stands",
        f"not JSON: Extra data at character {len(run) + 1}, where {shown} stands",
    ]


def test_lines_under_the_name_of_a_document_are_read_beyond_the_first_block(file) -> None:
    rows = [wire(str(n)) for n in range(30_000)] + ["nope"]
    content = ndjson(rows)
    assert len(content) > ndjson_reader.BLOCK_BYTES
    for name, packed in (("runs.json", content), ("runs.json.gz", gzip.compress(content, 1))):
        loaded = pda.load(file(packed, name))
        assert loaded.counts.runs == 30_000
        assert loaded.quarantine["line"].to_list() == [30_001]


def test_a_lone_array_of_rows_that_are_no_runs_is_quarantined_row_by_row(file) -> None:
    loaded = pda.load(file(document({"meta": [], "data": [{"id": "a"}, None, {"id": 1}]}), "runs.json"))
    assert loaded.counts.read == loaded.counts.quarantined == 3
    assert loaded.quarantine["line"].to_list() == [1, 2, 3]
    assert pda.load(file(document(wire("a", status="Done")), "runs.json")).counts.quarantined == 1


def test_a_run_behind_many_bad_elements_makes_the_array_that_of_the_runs(file) -> None:
    content = document({"users": [{"id": "u"}], "data": [*[{}] * 20, None, *RUNS], "groups": [{"id": "g"}]})
    loaded = pda.load(file(content, "runs.json"))
    assert (loaded.counts.read, loaded.counts.runs) == (24, 3)
    assert loaded.quarantine["line"].to_list() == list(range(1, 22))


@pytest.mark.parametrize(
    "content", [b"[]", b" [ ] \n", b'{"data": []}', b'{"runs": {"items": []}, "errors": []}', b"[][]"]
)
def test_an_empty_array_holds_no_runs_and_is_no_error(content: bytes, file) -> None:
    assert pda.load(file(content, "runs.json")).counts.read == 0


REFUSED: dict[bytes, str] = {
    b"  \n": "holds nothing but white space",
    b"null": "is nothing but null",
    b"17": "is nothing but the number '17'",
    b'"runs"': "is nothing but the text 'runs'",
    b"true": "is nothing but true or false",
    b"{}": "holds no array of runs; it has no keys at all",
    b'{"foo": 1, "bar": {}}': "holds no array of runs; it has 'foo, bar'",
    b'{"data": null}': "holds no array of runs; it has 'data'",
    b'{"data": [], "error": "quota exceeded"}': "is an error, not runs: 'quota exceeded'",
    b'{"error": {"code": 401, "message": "bad token"}}': "is an error, not runs: 'bad token'",
    b'{"errors": [{"message": "no field", "path": ["a"]}], "data": null}': "is an error, not runs: 'no field'",
    b'{"errors": [], "data": null}': "holds no array of runs",
    b'{"message": "Internal error", "status": 500}': "is an error, not runs: 'Internal error'",
    b'{"type": "about:blank", "title": "Gone", "status": 410, "detail": "moved"}': "is an error, not runs: 'moved'",
    b'{"success": false, "data": []}': "is an error, not runs",
    b'{"error": true}': "is an error, not runs",
    b'{"detail": "Not found", "places": [{"x": 1}]}': "the array 'places' holds no runs",
    document({"a": RUNS, "b": {"c": RUNS}}): "holds more than one array that may be that of the runs: 'a, b.c'",
    document({"a": [{"id": 1}], "b": [{"id": 2}]}): "more than one array that may be that of the runs: 'a, b'",
    document({"data": RUNS, "errors": [{"message": "shard 3 is down"}]}): "an error beside its runs: 'shard 3 is down'",
    document([{"data": RUNS}, {"data": []}]): "its array holds arrays of runs, or pages with some",
    document([RUNS[:1], RUNS[1:]]): "its array holds arrays of runs, or pages with some",
    b"\n\x1b\x07{}": r"not JSON: it begins with '\x1b\x07{}'",
    b"// runs\n[]": "not JSON: it begins with '// ru",
    document(RUNS)[:-1] + b"}": "not JSON: the array ends in } instead of ]",
    document({"data": RUNS})[:-2] + b"}}": "not JSON: the array ends in } instead of ]",
    b'{"data": [}}': "not JSON: the array ends in } instead of ]",
    b"[1] {}": "there is more behind the end of the array",
    b'{"data": []} []': "there is more behind the end of the object",
    b'{"data": [1,]}': "a comma in the array has nothing before or behind it",
    b'{"data": [,1]}': "a comma in the array has nothing before or behind it",
    b'{"data": [], }': "not JSON",
    b'{"data" []}': "not JSON",
    b'{"data": [] "x": 1}': "not JSON",
    b'{"a": nul, "data": []}': "not JSON",
    b'{"a": "x\ny", "data": []}': "not JSON",
    b'[{"id": "x\ny"}]': "record 1 is not JSON",
    b'{"data": [{"id": 1}]': "cut off",
    b'{"data": [{"id": 1}], "next': "cut off",
    document(RUNS[0])[:-1]: "cut off",
    document(RUNS[0]) + document(RUNS[1])[:-1]: "cut off",
    document(RUNS[0]) + b"}" + document(RUNS[1]): "not JSON",
    b'{"a":' * 200 + b"1" + b"}" * 200: "objects lie more than 100 deep",
}


@pytest.mark.parametrize("content", REFUSED)
@pytest.mark.parametrize("block_bytes", [5, 1 << 20])
def test_what_is_no_document_of_runs_is_refused_with_one_line(content: bytes, block_bytes: int) -> None:
    works = json_array.read(io.BytesIO(content), "runs.json", block_bytes=block_bytes)
    with pytest.raises(pda.SourceError) as caught:
        [work.run() for work in works]
    assert REFUSED[content] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b'{"error": "unauthorized"}\n', b'{"message": "down", "status": 503}', document({"data": RUNS, "next": 7})],
)
def test_an_answer_in_a_file_of_lines_is_refused_as_well(content: bytes, file) -> None:
    for name, packed in (("runs.ndjson", content), ("runs.jsonl.gz", gzip.compress(content))):
        with pytest.raises(pda.SourceError, match=r"is an error, not runs|is one page of several"):
            pda.load(file(packed, name))


MORE: dict[str, dict[str, Any]] = {
    "'has_more': true": {"has_more": True},
    "'hasMore': true": {"hasMore": True, "total": 9},
    "'pageInfo.hasNextPage': true": {"pageInfo": {"hasNextPage": True, "endCursor": "x"}},
    "'next'": {"next": "https://host/runs?page=2"},
    "'next_page'": {"next_page": 2},
    "'next_page_token'": {"next_page_token": "t"},
    "'nextPageToken'": {"nextPageToken": "t"},
    "'@odata.nextLink'": {"@odata.nextLink": "https://host/x"},
    "'links.next'": {"links": {"self": "/a", "next": "/b"}},
    "'_links.next.href'": {"_links": {"next": {"href": "/b"}}},
    "'paging.next'": {"paging": {"cursors": {"after": "x"}, "next": "https://host"}},
    "'meta.next_cursor'": {"meta": {"next_cursor": "c"}},
    "'meta.pagination.next_page'": {"meta": {"pagination": {"next_page": 3}}},
    "'response_metadata.next_cursor'": {"response_metadata": {"next_cursor": "c"}},
    "'NextToken'": {"NextToken": "t"},
    "'IsTruncated': true": {"IsTruncated": True},
    "'LastEvaluatedKey.id'": {"LastEvaluatedKey": {"id": "x"}},
    "'last': false": {"last": False, "number": 0},
    "'page': 1 of 'total_pages': 3": {"page": 1, "total_pages": 3},
    "'meta.current_page': 2 of 'meta.last_page': 4": {"meta": {"current_page": 2, "last_page": 4}},
    "'page.number': 0 of 'page.totalPages': 3": {"page": {"size": 2, "number": 0, "totalPages": 3}},
    "'number': 1 of 'totalPages': 3": {"totalPages": 3, "number": 1},
    "'total_pages': 3": {"total_pages": 3},
    "'total': 4 beside 3 rows": {"total": 4, "credits": {"total": 3}},
    "'metadata.total_count': 250 beside 3 rows": {"metadata": {"total_count": "250", "count": 3}},
    "'paging.totalElements': 1000 beside 3 rows": {"paging": {"size": 3, "totalElements": 1000}},
    "'hits.total.value': 4 beside 3 rows": {"hits": {"total": {"value": 4, "relation": "eq"}}},
    "'pagination.cursor'": {"pagination": {"cursor": "c"}},
    "'offset'": {"offset": "itrX"},
    "'partial': true": {"partial": True},
    "'metadata.continue'": {"metadata": {"continue": "c"}},
    "'metadata.remainingItemCount': 5": {"metadata": {"continue": "", "remainingItemCount": 5}},
    "'done': false": {"done": False},
    "'meta.completed': false": {"meta": {"completed": False}},
    "'meta.pages': 3": {"meta": {"pages": 3}},
    "'complete': false": {"complete": False},
    "'timed_out': true": {"timed_out": True},
    "'moreResult': true": {"moreResult": True},
    "'LastEvaluatedKey.id.S'": {"LastEvaluatedKey": {"id": {"S": "x"}, "created_at": {"N": "1"}}},
    "'_links.next.href' ": {"_links": {"self": {"href": "/a"}, "next": [{"href": "/b"}]}},
    "'next'  ": {"next": ["/b"]},
    "'link'": {"link": '</a>; rel="prev", </b>; rel="next"'},
    "'has_more': yes": {"has_more": "yes"},
    "'page': 1 of 'nbPages': 3": {"page": 1, "nbPages": 3, "hitsPerPage": 3},
    "'nbHits': 7 beside 3 rows": {"nbHits": 7},
    "'total': 9 beside 3 rows": {"total": 9.0},
    "'total_count': 9 beside 3 rows": {"total_count": 9, "incomplete_results": False},  # as GitHub says it on each page
    "'hits.total.value': 30 beside 3 rows": {"timed_out": False, "hits": {"total": {"value": 30}}},
    "'totalRows': 9 beside 3 rows": {"jobComplete": True, "totalRows": "9"},
    "a link 'next'": {"link": [{"relation": "self", "url": "/a"}, {"relation": "next", "url": "/b"}]},
}


@pytest.mark.parametrize(
    ("sign", "is_before"),
    [
        *((sign, True) for sign in MORE),
        # Behind the runs every third: texts, numbers of pages and links are among them.
        *((sign, False) if at % 3 == 0 or "link" in sign else slow(sign, False) for at, sign in enumerate(MORE)),
    ],
)
def test_a_page_of_several_is_refused_unless_it_is_asked_for(sign: str, is_before: bool, file) -> None:
    beside = MORE[sign]
    path = file(document({**beside, "data": RUNS} if is_before else {"data": RUNS, **beside}), "runs.json")
    both = is_before and (Soak.is_on or sign in ("'next_page_token'", "'page': 1 of 'total_pages': 3"))
    for refuse in (pda.load, pda.connect) if both else (pda.load,):
        with pytest.raises(pda.SourceError, match="is one page of several") as caught:
            refuse(path)
        assert re.sub(r"'(?:meta|page)\.(?=\w+': \d)", "'", sign.strip()) in str(caught.value)
    assert pda.load(path, partial=True).counts.runs == 3
    if both:
        with pda.connect(path, partial=True) as db:
            assert db.view("usage")["runs"].item() == 3


def test_the_last_of_some_pages_says_whether_there_is_more(file) -> None:
    pages = document({"data": RUNS[:1], "has_more": True}) + document({"data": RUNS[1:], "has_more": True})
    with pytest.raises(pda.SourceError, match="is one page of several"):
        pda.load(file(pages, "runs.json"))


def test_a_page_of_rows_that_are_no_whole_runs_is_refused_too(file) -> None:
    path = file(document({"data": [{"id": "a", "status": "Done"}], "has_more": True}), "runs.json")
    with pytest.raises(pda.SourceError, match="is one page of several"):
        pda.load(path)
    assert dict(pda.load(path, partial=True).counts) == {
        "read": 1, "runs": 0, "duplicates": 0, "quarantined": 1, "conflicts": 0,
    }  # fmt: skip


def test_a_page_goes_into_a_lake_and_an_export_only_where_it_is_asked_for(file, tmp_path: Path) -> None:
    path = file(document({"data": RUNS, "has_more": True}), "runs.json")
    lake = pda.Lake(tmp_path / "lake")
    with pytest.raises(pda.SourceError, match="--partial"):
        lake.ingest(path)
    assert lake.ingest(path, partial=True).inserted == 3
    pda.export(path, tmp_path / "out", partial=True)
    assert pda.load(tmp_path / "out").counts.runs == 3


@pytest.mark.parametrize(
    ("name", "has_mark", "encoding"),
    [
        (name, has_mark, encoding) if (at + place + has_mark) % 2 else slow(name, has_mark, encoding)
        for at, name in enumerate(["runs.ndjson", "runs.json", "runs.csv", "runs.json.gz", "runs"])
        for has_mark in (True, False)
        for place, encoding in enumerate(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
    ],
)
def test_other_encodings_of_unicode_are_read(encoding: str, has_mark: bool, name: str, file) -> None:
    rows = [wire(n, account_id="acmé 😀") for n in IDS]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in [*rows, {}])
    if ".json" in name:
        text = json.dumps({"data": [*rows, {}]}, ensure_ascii=False)
    elif name == "runs.csv":
        text = (
            CSV_HEADER + "\n" + "".join(f"{n},acmé 😀,2026-03-01T10:00:00Z,,Running,de,,,,in,\n" for n in IDS) + "x\n"
        )
    content = (("\ufeff" if has_mark and encoding[-1] == "e" else "") + text).encode(encoding)
    loaded = pda.load(file(gzip.compress(content) if name.endswith("gz") else content, name))
    assert (loaded.counts.runs, loaded.counts.quarantined) == (3, 1)
    assert loaded.runs["account_id"].unique().to_list() == ["acmé 😀"]


def test_utf_16_that_is_not_valid_is_judged_as_invalid_utf_8_is(file) -> None:
    rows = "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in [wire("a\ud800"), wire("b", account_id="\udc00")]
    )
    content = b"\xff\xfe" + rows.encode("utf-16-le", "surrogatepass")
    loaded = pda.load(file(content))
    assert loaded.runs["id"].to_list() == ["b"]
    assert set(loaded.runs["account_id"].item()) == {"\ufffd"}
    assert "not UTF-8" in loaded.quarantine["reason"].item()
    with pytest.raises(pda.SourceError, match="is cut off in the middle of a character of UTF-16-LE"):
        pda.load(file(content + b"{"))
    with pytest.raises(pda.SourceError, match="begins as UTF-32-LE, and goes on as something else"):
        pda.load(file(b"\xff\xfe\0\0\xff\xff\xff\xff"))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_zeros_behind_compressed_data_are_padding_and_anything_else_is_an_error(compress: Any, file) -> None:
    first, second = compress(ndjson(RUNS[:1])), compress(ndjson(RUNS[1:]))
    for content in (
        first + second + bytes(512),
        first + bytes(3_000_000) + second,
        first + bytes(4) + second + bytes(4),
    ):
        assert sorted(pda.load(file(content, "runs.ndjson.z"), input_format="ndjson").runs["id"]) == IDS
    for content in (first + second + b"rubbish", first + bytes(512) + b"rubbish", first + b"{}\n"):
        with pytest.raises(
            pda.SourceError, match=r"cannot be read: it has something else than \w+ behind its \w+ data"
        ):
            pda.load(file(content, "runs.ndjson.z"), input_format="ndjson")
    with pytest.raises(pda.SourceError, match="is cut off"):
        pda.load(file(first + second[:-5], "runs.ndjson.z"), input_format="ndjson")


@pytest.mark.parametrize("name", ["runs.zip", "runs.ndjson", "runs.json", "runs.csv", "runs.json.gz", "runs"])
def test_archives_are_named_whatever_their_name(name: str, file) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("runs.ndjson", ndjson(RUNS))
    content = zipped.getvalue()
    tar = bytes(257) + b"ustar\x0000" + bytes(248)
    for packed, what in (
        (content, "a ZIP archive"),
        (tar, "a tar archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(9), "a 7-Zip"),
    ):
        with pytest.raises(pda.SourceError, match=f"is {what}.*unpack it and give the files in it"):
            pda.load(file(gzip.compress(packed) if name.endswith("gz") else packed, name))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    with pytest.raises(pda.SourceError, match="is an Excel workbook"):
        pda.load(file(zipped.getvalue(), "runs.csv"))


def test_one_way_of_cutting_is_the_other_whatever_the_pieces(file) -> None:
    """Random documents against Python's own parser, which knows nothing of pieces."""
    chance = random.Random(13)
    texts = ["", '"', "\\", '\\"', "},{", '},{"', "}, {", "[", "]", "\n", "é", '{"id":', "\\\\", ' \\",']

    def value(depth: int) -> Any:
        kind = chance.randrange(8 if depth else 4)
        if kind < 3:
            return "".join(chance.choices(texts, k=chance.randrange(4)))
        if kind == 3:
            return chance.choice([None, True, 7, 1.5])
        parts = [value(depth - 1) for _ in range(chance.randrange(3))]
        return parts if kind < 6 else {chance.choice(texts): part for part in parts}

    for _ in range(often(100, 25)):
        rows = [
            wire(
                str(n),
                account_id="".join(chance.choices(texts, k=2)) or "x",
                **({"x": value(3)} if chance.random() < 0.4 else {}),
            )
            for n in range(chance.randrange(1, 9))
        ]
        rows += [{"id": value(2)}] * chance.randrange(2)
        how: dict[str, Any] = chance.choice([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])
        around = {"z": [value(3), "x"], "y": {"w": value(2)}, "data": rows, "v": [value(2)]}
        shape = chance.randrange(4)
        if shape == 0:
            content = json.dumps(rows, **how)
        elif shape == 1:
            content = json.dumps(dict(chance.sample(list(around.items()), 4)), **how)
        elif shape == 2:
            content = chance.choice(["", "\n", "  "]).join(json.dumps(row, **how) for row in rows)
        else:
            content = json.dumps(rows[:1], **how) + json.dumps(rows[1:], **how)
        works = json_array.read(io.BytesIO(content.encode()), "x", block_bytes=chance.choice([1, 7, 64, 500, 1 << 20]))
        batches = [batch for work in works for batch in work.run()]
        assert sum(batch.read for batch in batches) == len(rows), content
        found = [(row["id"], row["account_id"]) for batch in batches for row in batch.runs.to_pylist()]
        assert sorted(found) == sorted((row["id"], row["account_id"]) for row in rows if "status" in row), content


@pytest.mark.parametrize(
    ("content", "rejected"),
    [
        (b"[" + document(RUNS[0]) + b',{"id":"' + b"x" * 300_000 + b'"},' + document(RUNS[1]) + b"]", [2]),
        (b'[{"id":"' + b'\\"},{' * 60_000 + b'"}]', [1]),
        (b'{"data":[{"id":' + b"[" * 300_000 + b"]" * 300_000 + b"}, " + document(RUNS[0]) + b"]}", [1]),
        (b'{"id":"' + b"x" * 300_000 + b'"}\n\n' + document(RUNS[0], indent=1), [1]),
        (document(RUNS[0], indent=1) + b'{"id":"' + b"x" * 300_000 + b'"}' + document(RUNS[1]), [2]),
        (b'["' + b"x" * 300_000 + b'"]', [1]),
    ],
)
@pytest.mark.parametrize("block_bytes", [50_000, 1 << 20])
def test_an_element_longer_than_the_longest_row_is_quarantined_with_its_beginning(
    content: bytes, rejected: list[int], block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYDOC_ANALYTICS_LONGEST_ROW", "100 KiB")
    works = json_array.read(io.BytesIO(content), "x", block_bytes=block_bytes)
    batches = [batch for work in works for batch in work.run()]
    rows = sorted((row for batch in batches for row in batch.rejected), key=lambda row: row.line)
    assert [row.line for row in rows] == rejected
    assert all("is longer than 102,400 bytes" in row.reason for row in rows)
    assert all(len(row.raw) == 64 * 1024 and row.raw.strip()[:1] in '{"' for row in rows)
    assert sum(batch.runs.num_rows for batch in batches) == content.count(b'"account_id"')


@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource limits of Unix")
def test_bombs_are_read_in_bounded_memory(tmp_path: Path) -> None:
    bombs = [
        (b'["', 100, b"x" * 1_000_000, b'"]', "read 1 quarantined 1"),
        (b'[{"id":', 100, b"[" * 1_000_000, b"", "cut off"),
        (b"[", many := often(100, 20), b"{}," * 1_000, b"{}]", f"read {many}001 quarantined {many}001"),
        (b'{"note":"', 100, b"x" * 1_000_000, b'", "data": []}', "read 0 quarantined 0"),
    ]
    code = """if True:
        from support.memory import peak_mb
        import polydoc_analytics as pda
        for number in range(4):
            try:
                counts = pda.export(f"bomb-{number}.json", f"out-{number}").counts
                print("read", counts.read, "quarantined", counts.quarantined)
            except pda.SourceError as error:
                print(error)
        print(peak_mb())
    """
    for number, (before, count, piece, after, _) in enumerate(bombs):
        with open(tmp_path / f"bomb-{number}.json", "wb") as bomb:
            bomb.write(before)
            for _ in range(count):
                bomb.write(piece)
            bomb.write(after)
    done = finished(code, cwd=tmp_path)
    *said, peak = done.stdout.splitlines()
    assert len(said) == len(bombs), done.stderr
    for answer, (*_, wanted) in zip(said, bombs, strict=True):
        assert wanted in answer
    assert int(peak) < 950


SHAPES = (
    *("an array", "an array over lines", "an element a line", "arrays a line", "objects over lines"),
    *("a page over lines", "a page", "pages a line", "a page deep in objects"),
)


@pytest.mark.parametrize(
    ("is_small", "shape"),
    [
        *((at % 2 == 0, shape) for at, shape in enumerate(SHAPES)),
        *((at % 2 == 1, shape) if shape == "a page" else slow(at % 2 == 1, shape) for at, shape in enumerate(SHAPES)),
    ],
)
def test_a_document_under_the_name_of_lines_is_read_as_one(shape: str, is_small: bool, file) -> None:
    runs = (
        json.loads(document(RUNS))
        if is_small
        else [{**json.loads(document(RUNS))[0], "id": f"r{at}"} for at in range(900)]
    )
    content = {
        "an array": document(runs),
        "an array over lines": document(runs, indent=2),
        "an element a line": b"[\n" + b",\n".join(document(run) for run in runs) + b"\n]\n",
        "arrays a line": b"".join(b"[" + document(run) + b"]\n" for run in runs),
        "objects over lines": b"\n".join(document(run, indent=2) for run in runs),
        "a page over lines": document({"data": runs}, indent=2),
        "a page": document({"data": runs, "has_more": False}),
        "pages a line": document({"data": runs[:2], "total": len(runs)}) + b"\n" + document({"data": runs[2:]}) + b"\n",
        "a page deep in objects": document({"meta": {"tags": [{"id": 1}]}, "response": {"runs": runs}}),
    }[shape]
    loaded = pda.load(file(content, "runs.ndjson"))
    assert (loaded.counts.runs, loaded.counts.quarantined) == (len(runs), 0)


@pytest.mark.parametrize(
    "first", [b"[1, 2]", b"{", b"[", b'[{"id": "x"}]', b"[" + document(RUNS[0]) + b"]", document({"data": RUNS})]
)
def test_lines_stay_lines_whatever_the_first_of_them_is(first: bytes, file) -> None:
    lines = b"".join(document(run) + b"\n" for run in RUNS)
    loaded = pda.load(file(first + b"\n" + lines, "runs.ndjson"))
    assert (loaded.counts.runs, loaded.counts.quarantined) == (len(RUNS), 1)


@pytest.mark.parametrize("is_by_row", [True, False])
def test_columns_in_a_document_are_named_for_what_they_are(is_by_row: bool, file) -> None:
    runs = json.loads(document(RUNS))
    values = {key: [run.get(key) for run in runs] for key in runs[0]}
    columns = (
        {key: {str(at): one for at, one in enumerate(some)} for key, some in values.items()} if is_by_row else values
    )
    with pytest.raises(pda.SourceError, match=r'holds columns, one key each.*orient="records"'):
        pda.load(file(document(columns), "runs.json"))


@pytest.mark.parametrize("name", ["runs.ndjson", "runs.json", "runs.csv"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1\x15\x04\n", "is Parquet; name it .parquet"),
        (b"ARROW1\0\0\xff", "is an Arrow IPC file; name it .arrow"),
        (b"SQLite format 3\0\n", "is an SQLite database; export its table"),
        (b"Obj\x01\x04\x14", "is Avro, which is not read"),
    ],
)
def test_binary_files_under_the_name_of_text_are_named(name: str, content: bytes, said: str, file) -> None:
    with pytest.raises(pda.SourceError, match=said):
        pda.load(file(content, name))


@pytest.mark.parametrize("name", ["runs.ndjson", "runs.jsonl.gz", "runs.json", "runs"])
@pytest.mark.parametrize("between", [b"", b" ", b"\t "])
def test_objects_without_line_ends_are_read_whatever_their_name(between: bytes, name: str, file) -> None:
    rows = [wire(str(number), note="}{") for number in range(400)]
    content = between.join(map(document, rows))
    loaded = pda.load(file(gzip.compress(content) if name.endswith(".gz") else content, name))
    assert dict(loaded.counts) == {"read": 400, "runs": 400, "duplicates": 0, "quarantined": 0, "conflicts": 0}


def test_two_objects_on_a_line_that_ends_are_a_row_that_is_none(file) -> None:
    content = document(RUNS[0]) + document(RUNS[1]) + b"\n"
    assert pda.load(file(content, "runs.ndjson")).quarantine["line"].to_list() == [1]

"""Files in object stores and under https:// are read as those on this machine, by one client each."""

from __future__ import annotations

import gzip
import logging
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trustme
from obstore.store import S3Store
from support.file_server import FileServer, file_server
from support.http_service import Answer, broken, sent, serving
from support.object_store import CANARY
from support.paths import SAMPLE
from support.processes import finished
from support.repetitions import often
from support.runs import CSV_HEADER, ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.ingest.connectors import FilesSource
from polydoc_analytics.lake.sync import sync
from polydoc_analytics.loaders import https
from polydoc_analytics.loaders.object_store import objects_at

ROWS = [wire("a"), wire("b", status="Failed", output_file_id=None), wire("c", status="Running", finished_at=None)]
SIGNATURE = "X-Amz-Date=20261127T000000Z&X-Amz-Signature=a%2Bb%2Fc%3D%3D+d&response-content-type=text%2Fcsv%3B+a"


@pytest.fixture
def store(s3: dict[str, str]) -> S3Store:
    return S3Store("bucket", client_options={"allow_http": True})


@pytest.fixture
def web(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileServer]:
    """A server over HTTPS of the files in ``tmp_path``, whose certificate is trusted."""
    ca = trustme.CA()
    pem = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with file_server(tmp_path, context) as server:
        yield server


def files_source(path: str) -> FilesSource:
    return FilesSource("files", path, input_format=None, assume_utc=False, correct=False, complete_after=None)


def parquet(path: Path, rows: int = 100, groups: int = 10) -> Path:
    """A Parquet file of the sample's first runs, in row groups."""
    pda.load(SAMPLE).runs.head(rows).write_parquet(path, row_group_size=rows // groups)
    return path


class TestObjectStore:
    def test_objects_folders_and_globs_are_read(self, store: S3Store) -> None:
        for number, row in enumerate(ROWS):
            obstore.put(store, f"day={number}/runs.ndjson", ndjson([row]))
        for source in (
            "s3://bucket",
            "s3://bucket/",
            "s3://bucket/*/*.ndjson",
            "s3://bucket/**/runs.ndjson",
            "s3://bucket/day=[0-2]/**",
            ["s3://bucket/day=0/runs.ndjson", "s3://bucket/day=1", "s3://bucket/day=2/"],
        ):
            assert pda.load(source).counts.runs == 3
        assert pda.load("s3://bucket/day=?/runs.ndjson").counts.runs == 3
        for source in ("s3://bucket/none/*.ndjson", "s3://bucket/day", "s3://bucket/day=0/runs.csv"):
            with pytest.raises(pda.SourceError, match="nothing is there"):
                pda.load(source)

    def test_of_a_folder_the_files_of_runs_are_read_and_the_others_named(self, store: S3Store) -> None:
        for name, content in {
            "in/a b/ü%20.ndjson.gz": gzip.compress(ndjson(ROWS[:1])),
            "in/part-0": ndjson(ROWS[1:2]),
            "in/runs.csv": (CSV_HEADER + "\n").encode(),
            "in/note.txt": b"no runs here",
            "in/_SUCCESS": b"",
            "in/.hidden.ndjson": b"nope",
            "in/_temporary/x.ndjson": b"nope",
            "other/x.ndjson": b"nope",
        }.items():
            obstore.put(store, name, content)
        loaded = pda.load("s3://bucket/in")
        assert (loaded.counts.runs, loaded.counts.quarantined) == (2, 0)
        assert [tuple(one) for one in loaded.passed_over] == [("s3://bucket/in/note.txt", "holds no runs")]

    def test_a_glob_matches_what_it_would_on_a_disk(self, store: S3Store, tmp_path: Path) -> None:
        names = (
            "a.ndjson",
            ".b.ndjson",
            "in/c.ndjson",
            "in/.d.ndjson",
            ".in/e.ndjson",
            "in/.x/f.ndjson",
            "in/x/g.ndjson",
        )
        for name in names:
            obstore.put(store, name, ndjson([wire(name)]))
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(ndjson([wire(name)]))
        matched = {}
        for glob in (
            "*",
            "**",
            "*/*",
            "**/*",
            "in/*",
            "in/**",
            ".*",
            "**/.*",
            ".in/*",
            "in/.x/*",
            "**/*.ndjson",
            "[.a]*",
        ):
            for place in (tmp_path, "s3://bucket"):
                try:
                    matched[place] = sorted(pda.load(f"{place}/{glob}").runs["id"])
                except pda.SourceError:
                    matched[place] = []
            assert matched[tmp_path] == matched["s3://bucket"], glob

    def test_every_format_is_read(self, store: S3Store, tmp_path: Path) -> None:
        table = pda.load(SAMPLE).runs.head(50)
        table.write_ipc(tmp_path / "t.arrow")
        table.write_parquet(tmp_path / "t.parquet")
        frame = {"t.arrow": (tmp_path / "t.arrow"), "t.parquet": (tmp_path / "t.parquet")}
        for name, path in frame.items():
            obstore.put(store, name, path)
            assert pda.load(f"s3://bucket/{name}").runs.equals(table)
        obstore.put(store, "without a name", tmp_path / "t.parquet")
        assert pda.load("s3://bucket").counts.runs == 50

    def test_a_store_that_is_not_there_is_one_line_without_secrets(
        self, s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(pda.SourceError, match=r"^s3://nowhere/runs.ndjson: ") as caught:
            pda.load("s3://nowhere/runs.ndjson")
        assert "\n" not in str(caught.value)
        assert CANARY not in str(caught.value)

    def test_a_sync_reads_what_is_new_or_has_changed(self, store: S3Store, tmp_path: Path) -> None:
        lake = pda.Lake(tmp_path / "lake")
        source = files_source("s3://bucket/in")
        obstore.put(store, "in/a.ndjson", ndjson(ROWS[:1]))
        assert sync(lake, source).inserted == 1
        assert sync(lake, source).read == 0
        obstore.put(store, "in/b.ndjson", ndjson(ROWS[1:2]))
        assert sync(lake, source).read == 1
        obstore.put(store, "in/a.ndjson", ndjson([*ROWS[:1], *ROWS[2:]]))
        assert sync(lake, source).inserted == 1

    @pytest.mark.parametrize(
        "key", ["a#1.ndjson", "b?c.ndjson", "c;d=e.ndjson", "d[1].ndjson", "e*.ndjson", "f%2F ü.ndjson"]
    )
    def test_an_object_of_any_name_is_read_and_named_in_full(self, key: str, store: S3Store) -> None:
        obstore.put(store, f"in/{key}", ndjson([ROWS[0], "nope"]))
        for source in ("s3://bucket/in", f"s3://bucket/in/{key}", f"S3://bucket/in/{key}"):
            loaded = pda.load(source)
            assert loaded.counts.runs == 1
            assert loaded.quarantine["source"].to_list() == [f"s3://bucket/in/{key}"]

    def test_objects_whose_names_part_behind_a_mark_of_queries_are_synced_each_by_itself(
        self, store: S3Store, tmp_path: Path
    ) -> None:
        lake = pda.Lake(tmp_path / "lake")
        source = files_source("s3://bucket/in")
        for number in (1, 2):
            obstore.put(store, f"in/a#{number}.ndjson", ndjson([wire(f"a{number}")]))
        assert [sync(lake, source).inserted, sync(lake, source).read] == [2, 0]
        obstore.put(store, "in/a#1.ndjson", ndjson([wire("b")]))
        assert [sync(lake, source).inserted, sync(lake, source).read] == [1, 0]

    def test_empty_objects_and_marks_of_folders_are_no_files_of_runs(self, store: S3Store, s3_client) -> None:
        obstore.put(store, "in/day=1/runs.ndjson", ndjson(ROWS))
        obstore.put(store, "in/day=2.ndjson", b"")
        for folder in ("in/", "in/day=1/", "in/day=3/", "in/day=4_$folder$", "in/day=1/_SUCCESS"):
            s3_client.put_object(Bucket="bucket", Key=folder, Body=b"")
        for source in ("s3://bucket/in", "s3://bucket/in/**", "s3://bucket/**/*"):
            loaded = pda.load(source)
            assert (loaded.counts.runs, loaded.passed_over) == (3, ())
        with pytest.raises(pda.SourceError, match=r"^s3://bucket/in/day=2.ndjson: is empty$"):
            pda.load("s3://bucket/in/day=2.ndjson")
        with pytest.raises(pda.SourceError, match=r"^s3://bucket/in/day=3/: nothing is there$"):
            pda.load("s3://bucket/in/day=3/")

    def test_an_object_of_the_name_of_a_folder_does_not_stand_for_what_is_in_it(self, store: S3Store) -> None:
        obstore.put(store, "in", b"")
        obstore.put(store, "in/runs.ndjson", ndjson(ROWS))
        obstore.put(store, "both", ndjson(ROWS[:1]))
        obstore.put(store, "both/runs.ndjson", ndjson(ROWS[1:]))
        counts = {source: pda.load(f"s3://bucket/{source}").counts.runs for source in ("in", "in/", "both", "both/")}
        assert counts == {"in": 3, "in/": 3, "both": 1, "both/": 2}

    @pytest.mark.parametrize("source", ["", "/", "/table", "/table/*.parquet", "/**"])
    def test_the_files_of_a_delta_table_are_refused(self, source: str, store: S3Store, tmp_path: Path) -> None:
        obstore.put(store, "table/_delta_log/00000000000000000000.json", b"{}")
        obstore.put(store, "table/part-0.parquet", parquet(tmp_path / "t.parquet"))
        obstore.put(store, "runs.ndjson", ndjson(ROWS))
        with pytest.raises(pda.SourceError, match=r"^s3://bucket/table: is a Delta table; its Parquet files alone"):
            pda.load(f"s3://bucket{source}")
        assert pda.load("s3://bucket/*.ndjson").counts.runs == 3

    def test_an_object_that_is_replaced_while_its_ranges_are_read_is_an_error(self, store: S3Store) -> None:
        obstore.put(store, "x.bin", b"a" * 200_000)
        [found] = objects_at("s3://bucket/x.bin").objects
        with found.ranges() as file:
            assert file.read(4) == b"aaaa"
            obstore.put(store, "x.bin", b"b" * 200_000)
            file.seek(150_000)
            with pytest.raises(OSError, match=r"^the file has changed while it was read$"):
                file.read(4)

    def test_an_object_in_an_encoding_that_is_not_read_is_an_error(self, store: S3Store, s3_client) -> None:
        packed = gzip.compress(ndjson(ROWS))
        s3_client.put_object(Bucket="bucket", Key="a.ndjson", Body=packed, ContentEncoding="gzip")
        assert pda.load("s3://bucket/a.ndjson").counts.runs == 3
        s3_client.put_object(Bucket="bucket", Key="a.ndjson", Body=b"\x8b\x02\x80[]\x03", ContentEncoding="br")
        with pytest.raises(pda.SourceError, match=r"a.ndjson: cannot be read: is in the encoding br; expected gzip or"):
            pda.load("s3://bucket/a.ndjson")

    def test_an_error_has_the_words_of_the_store(self, s3: dict[str, str]) -> None:
        with pytest.raises(pda.SourceError) as caught:
            pda.load("s3://nowhere/runs.ndjson")
        assert str(caught.value) == (
            "s3://nowhere/runs.ndjson: 404 Not Found: NoSuchBucket: The specified bucket does not exist"
        )

    def test_an_endpoint_of_plain_http_says_what_allows_it(
        self, s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ALLOW_HTTP")
        with pytest.raises(pda.SourceError, match=r"; set AWS_ALLOW_HTTP=true for an endpoint of plain http$"):
            pda.load("s3://bucket/runs.ndjson")


PAGES = {
    "a page to log in": b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n",
    "a page behind white space": b"\xef\xbb\xbf\n <HTML>\n",
    "an error of a store": b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ExpiredToken</Code></Error>',
    "an error without a head": b"<Error><Code>AccessDenied</Code></Error>",
}


class TestAnswers:
    """Answers of a server in the place of a file of runs."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.setattr(https, "_WAITS_S", (0.01, 0.01))

    @pytest.mark.parametrize("trouble", ["429", "500", "502", "503", "504", "broken"])
    def test_trouble_that_passes_is_waited_out(self, trouble: str) -> None:
        answer = broken if trouble == "broken" else sent(b"", status=int(trouble), Retry_After="0")
        with serving(answer, answer, sent(ndjson(ROWS), kind="")) as service:
            assert pda.load(f"{service.url}/runs.ndjson").counts.runs == 3
        with serving(answer) as service, pytest.raises(pda.SourceError, match=r"runs.ndjson: cannot be read: "):
            pda.load(f"{service.url}/runs.ndjson")
        assert len(service.paths) == 3

    def test_a_server_that_asks_for_a_long_wait_is_given_up_at_once(self) -> None:
        answer = sent(b"", status=429, Retry_After="3600")
        with serving(answer) as service:
            with pytest.raises(pda.SourceError, match="cannot be read: answered 429 Too Many Requests"):
                pda.load(f"{service.url}/runs.ndjson")
            assert len(service.paths) == 1

    def test_a_refusal_is_told_at_once(self) -> None:
        with serving(sent(b"", status=403)) as service:
            with pytest.raises(pda.SourceError, match="cannot be read: answered 403 Forbidden"):
                pda.load(f"{service.url}/runs.ndjson?{SIGNATURE}")
            assert len(service.paths) == 1

    def test_a_signed_url_that_has_expired_is_told_in_the_words_of_the_store(self) -> None:
        error = b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        with (
            serving(sent(error, status=403, kind="application/xml")) as service,
            pytest.raises(
                pda.SourceError,
                match=r"/runs.ndjson: cannot be read: answered 403 Forbidden: AccessDenied: Request has expired$",
            ),
        ):
            pda.load(f"{service.url}/runs.ndjson?{SIGNATURE}")

    def test_a_part_of_a_file_that_nobody_asked_for_is_refused(self) -> None:
        part = sent(ndjson(ROWS[:2]), status=206, Content_Range="bytes 0-531/798")
        with serving(part) as service, pytest.raises(pda.SourceError, match="answered 206 Partial Content"):
            pda.load(f"{service.url}/runs.ndjson")

    @pytest.mark.parametrize("name", ["runs.ndjson", "runs.csv", "runs.json", "runs"])
    @pytest.mark.parametrize("page", PAGES)
    def test_a_page_or_an_error_in_the_place_of_runs_is_refused(self, page: str, name: str) -> None:
        answer = sent(PAGES[page], kind="text/html")
        with serving(answer) as service, pytest.raises(pda.SourceError, match=f"/{name}: is HTML or XML, perhaps"):
            pda.load(f"{service.url}/{name}")

    @pytest.mark.parametrize("encoding", ["br", "deflate", "compress", "gzip, br"])
    def test_an_encoding_that_is_not_read_is_refused(self, encoding: str) -> None:
        answer = sent(b"\x8b\x02\x80[]\x03", kind="", Content_Encoding=encoding)
        with serving(answer) as service, pytest.raises(pda.SourceError, match=f"in the encoding {encoding}; expected"):
            pda.load(f"{service.url}/runs.ndjson")

    def test_a_file_that_is_replaced_while_its_ranges_are_read_is_an_error(self) -> None:
        def part(start: int, tag: str) -> Answer:
            said = f"bytes {start}-{start + 65535}/300000"
            return sent(b"P" * 65536, kind="", status=206, Content_Range=said, ETag=tag)

        with serving(part(0, '"1"'), part(0, '"1"'), part(150_000, '"2"')) as service:
            file = https.HttpFile(f"{service.url}/runs.parquet").ranges()
            assert file.read(4) == b"PPPP"
            file.seek(150_000)
            with file, pytest.raises(OSError, match=r"^the file has changed while it was read$"):
                file.read(4)

    def test_ranges_that_a_server_sends_shorter_than_asked_for_are_put_together(self, tmp_path: Path) -> None:
        path = parquet(tmp_path / "t.parquet")
        content = path.read_bytes()

        def short(handler: Any) -> None:
            start, end = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
            part = content[start : min(end + 1, start + 1000)]
            said = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
            sent(part, kind="", status=206, Content_Range=said)(handler)

        with serving(short) as service:
            assert pda.load(f"{service.url}/t.parquet").runs.equals(pda.load(path).runs)

    @pytest.mark.parametrize(
        ("said", "content", "message"),
        [
            ("bytes 7-106/200", b"P" * 100, r"^the file has changed while it was read$"),
            ("bytes 0-0/200", b"", r"^is cut off: it has no byte 0, though it is said to have 200$"),
        ],
    )
    def test_another_range_than_the_one_asked_for_is_an_error(self, said: str, content: bytes, message: str) -> None:
        first = sent(b"P", kind="", status=206, Content_Range="bytes 0-0/200")
        with serving(first, sent(content, kind="", status=206, Content_Range=said)) as service:
            file = https.HttpFile(f"{service.url}/runs.parquet").ranges()
            with file, pytest.raises(OSError, match=message):
                file.read(100)

    def test_the_state_of_a_file_without_bytes_is_told(self) -> None:
        nothing = sent(b"", status=416, kind="", Content_Range="bytes */0")
        with serving(nothing, sent(b"", kind="", ETag='"0"')) as service:
            assert https.HttpFile(f"{service.url}/runs.ndjson").state() == ('"0"', None)

    @pytest.mark.parametrize("zone", [" GMT", "", " -0000"])
    def test_a_file_without_a_tag_is_known_by_its_time_and_size(self, zone: str, tmp_path: Path) -> None:
        lake = pda.Lake(tmp_path / "lake")
        rows = [ROWS[0]]

        def answer(handler: Any) -> None:
            sent(ndjson(rows), kind="", Last_Modified=f"Fri, 27 Nov 2026 00:00:00{zone}")(handler)

        with serving(answer) as service:
            source = files_source(f"{service.url}/runs.ndjson")
            assert [sync(lake, source).inserted, sync(lake, source).read] == [1, 0]
            rows.append(ROWS[1])
            assert [sync(lake, source).inserted, sync(lake, source).read] == [1, 0]
        state = lake.source_state("files")
        assert state["newest_file_at"] == "2026-11-27T00:00:00+00:00"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Link": '<?page=2>; rel="next"'},
            {"X_Total_Count": "4"},
            {"Content_Range": "items 0-2/4"},
            {"X_Has_More": "true"},
        ],
    )
    @pytest.mark.parametrize("body", [ROWS, {"data": ROWS}])
    def test_a_page_of_several_by_its_headers_is_refused_unless_it_is_asked_for(
        self, headers: dict[str, str], body: Any
    ) -> None:
        with serving(sent(body, **headers)) as service:
            url = f"{service.url}/v1/runs?key=canary"
            with pytest.raises(pda.SourceError, match="is one page of several") as caught:
                pda.load(url)
            assert "canary" not in str(caught.value)
            assert pda.load(url, partial=True).counts.runs == 3
        with serving(sent(body, X_Total_Count="3", Link="</v1/runs>; rel=first")) as service:
            assert pda.load(f"{service.url}/v1/runs").counts.runs == 3

    def test_a_scheme_may_be_in_upper_case(self) -> None:
        with serving(sent(ndjson(ROWS), kind="")) as service:
            assert pda.load(f"{service.url.replace('http', 'HTTP')}/runs.ndjson").counts.runs == 3


class TestHttps:
    def test_a_signed_url_is_asked_for_as_it_is_and_shown_without_its_query(
        self, web: FileServer, file, caplog: pytest.LogCaptureFixture
    ) -> None:
        file(gzip.compress(ndjson([*ROWS, "nope"])), "runs.ndjson.gz")
        caplog.set_level(logging.DEBUG)
        loaded = pda.load(f"{web.url}/runs.ndjson.gz?{SIGNATURE}")
        assert loaded.counts.runs == 3
        assert loaded.quarantine["source"].to_list() == [f"{web.url}/runs.ndjson.gz"]
        assert web.asked == [(f"/runs.ndjson.gz?{SIGNATURE}", None)]
        with pytest.raises(
            pda.SourceError, match=r"/missing.ndjson: cannot be read: answered 404 Not Found$"
        ) as caught:
            pda.load(f"{web.url}/missing.ndjson?{SIGNATURE}")
        assert "X-Amz" not in str(caught.value) + caplog.text

    def test_of_parquet_only_the_columns_of_runs_are_fetched(self, web: FileServer, tmp_path: Path) -> None:
        runs = pda.load(SAMPLE).runs
        wide = runs.with_columns(pl.Series("more", [str(n) * 500 for n in range(runs.height)]))
        wide.write_parquet(tmp_path / "t.parquet", compression="uncompressed", row_group_size=500)
        loaded = pda.load(f"{web.url}/t.parquet?{SIGNATURE}")
        assert loaded.runs.equals(runs)
        assert {asked for _, asked in web.asked} > {"bytes=0-0"}
        assert all(asked for _, asked in web.asked)
        assert web.sent < (tmp_path / "t.parquet").stat().st_size / 3

    def test_a_server_without_ranges_sends_the_whole_file(self, web: FileServer, tmp_path: Path) -> None:
        web.gives_ranges = False
        parquet(tmp_path / "t.parquet")
        with pda.connect(f"{web.url}/t.parquet") as db:
            assert db.view("usage")["runs"].item() == 100

    def test_parquet_with_dictionaries_is_read_by_ranges(self, web: FileServer, tmp_path: Path) -> None:
        runs = pda.load(SAMPLE).runs.head(50).to_arrow()
        at = runs.schema.get_field_index("target_language")
        coded = runs.set_column(at, "target_language", runs["target_language"].cast(pa.string()).dictionary_encode())
        pq.write_table(coded, tmp_path / "t.parquet")
        assert pda.load(f"{web.url}/t.parquet").runs.equals(pda.load(tmp_path / "t.parquet").runs)

    def test_a_body_that_is_cut_off_is_an_error(self, web: FileServer, file) -> None:
        file(ndjson(ROWS), "runs.ndjson")
        web.cut = 200
        with pytest.raises(pda.SourceError, match=r"/runs.ndjson: cannot be read: "):
            pda.load(f"{web.url}/runs.ndjson")

    def test_a_certificate_that_nobody_vouches_for_is_an_error(
        self, web: FileServer, file, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file(ndjson(ROWS), "runs.ndjson")
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(pda.SourceError, match=r"(?i)certificate"):
            pda.load(f"{web.url}/runs.ndjson")
        assert web.asked == []

    def test_a_sync_reads_a_file_again_when_its_tag_is_another(self, web: FileServer, file, tmp_path: Path) -> None:
        lake = pda.Lake(tmp_path / "lake")
        source = files_source(f"{web.url}/runs.ndjson?{SIGNATURE}")
        file(ndjson(ROWS[:1]), "runs.ndjson")
        assert sync(lake, source).inserted == 1
        assert sync(lake, source).read == 0
        file(ndjson(ROWS[:2]), "runs.ndjson")
        assert sync(lake, source).inserted == 1


@pytest.mark.parametrize("url", ["https://[::1/runs.ndjson", "https://", "https:///x", "https://.", "https://host:x/"])
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    with pytest.raises(pda.SourceError, match=": cannot be read: ") as caught:
        pda.load(url)
    assert "\n" not in str(caught.value)


def test_a_scheme_that_is_none_is_named(tmp_path: Path, file) -> None:
    with pytest.raises(pda.SourceError, match="unknown scheme ftp://; expected s3, gs, "):
        pda.load("ftp://example.org/runs.ndjson")
    assert pda.load(f"file://{file(ndjson(ROWS))}").counts.runs == 3


def test_a_file_uri_may_be_encoded_or_not(tmp_path: Path, file) -> None:
    odd = file(ndjson(ROWS), "a b/ü%20#1.ndjson")
    for uri in (Path(odd).as_uri(), f"file://{odd}", f"FILE://localhost{odd}"):
        assert pda.load(uri).counts.runs == 3
    lake = tmp_path / "my lake"
    assert pda.Lake(lake.as_uri()).ingest(odd).inserted == 3
    for uri in (lake.as_uri(), f"file://{lake}", str(lake)):
        with pda.connect(uri) as db:
            assert db.view("usage")["runs"].item() == 3


_PEAK = """if True:
    import sys
    from support.memory import peak_mb
    import polydoc_analytics as pda
    pda.export(sys.argv[1], sys.argv[2])
    print(peak_mb())
"""


def peak(address: str, out: Path) -> int:
    done = finished(_PEAK, address, out)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


READINGS = 3
"""A busy machine adds tens of MB to one peak or another, so the least of as many counts."""


@pytest.fixture(scope="module")
def lines_and_peak(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A large file of lines on this machine, and the least memory that reading it takes."""
    folder = tmp_path_factory.mktemp("large")
    path = folder / "runs.ndjson"
    with open(path, "wb") as lines:
        for number in range(101):
            lines.write(ndjson(wire(f"{number}-{row}", note="n" * 100_000) for row in range(10)))
    return path, min(peak(str(path), folder / f"local{turn}") for turn in range(often(READINGS, 1)))


@pytest.mark.skipif(sys.platform == "win32", reason="no peak of memory there")
@pytest.mark.parametrize("place", ["s3", "https"])
def test_a_large_file_takes_no_more_memory_than_one_on_this_machine(
    place: str, lines_and_peak: tuple[Path, int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path, here = lines_and_peak
    assert path.stat().st_size > 100_000_000
    if place == "s3":
        obstore.put(request.getfixturevalue("store"), path.name, path)
        address = f"s3://bucket/{path.name}"
    else:
        os.link(path, tmp_path / path.name)
        address = f"{request.getfixturevalue('web').url}/{path.name}"
    assert any(peak(address, tmp_path / f"remote{turn}") < here + 50 for turn in range(READINGS))


@pytest.mark.skipif(sys.platform == "win32", reason="no peak of memory there")
def test_a_large_table_takes_no_more_memory_than_one_on_this_machine(web: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    noise = os.urandom(1_000_000)
    filler = pl.Series("more", [noise[number:] + noise[:number] for number in range(120)], pl.Binary)
    runs = pda.load(SAMPLE).runs.head(120).with_columns(filler)
    runs.write_parquet(path, compression="uncompressed", row_group_size=10)
    assert path.stat().st_size > 100_000_000
    assert peak(f"{web.url}/{path.name}", tmp_path / "remote") < peak(str(path), tmp_path / "local") + 50

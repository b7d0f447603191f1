"""Erasure: no file of the lake holds the id in any spelling; the account's rows are refused until it is readmitted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from support.lakes import credits_of
from support.repetitions import Soak, slow
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.automation.state_store import StateStore
from polydoc_analytics.cli import run
from polydoc_analytics.ingest.connectors import sources
from polydoc_analytics.ingest.pipeline import stage
from polydoc_analytics.lake.doctor import examine
from polydoc_analytics.lake.erased_accounts import KEY
from polydoc_analytics.lake.id_spellings import Spelling
from polydoc_analytics.lake.sync import sync

ALICE = "3f6b1c7e-3a7f-4b8e-9d1c-1f2e3d4c5b6a"
BOB = "3f6b1c7e-3a7f-4b8e-9d1c-1f2e3d4c5b6b"
ESCAPED = "".join(f"\\u{ord(char):04X}" for char in ALICE)


@pytest.fixture
def lake(tmp_path: Path) -> pda.Lake:
    return pda.Lake(tmp_path / "lake")


def texts_below(folder: Path) -> str:
    """All names and contents of files, the values of Parquet files too, in lower case and with nothing escaped."""
    found = []
    for path in folder.rglob("*"):
        found.append(path.name)
        if path.is_file():
            found.append(path.read_bytes().decode("utf-8", "replace"))
            if path.suffix == ".parquet":
                found.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
    text = "\n".join(found).replace("\\\\", "\\")
    for char in "0123456789abcdef-":
        text = text.replace(f"\\u{ord(char):04X}", char).replace(f"\\u{ord(char):04x}", char)
    return text.lower().replace("-", "")


def holds(folder: Path, account: str) -> bool:
    return account.replace("-", "") in texts_below(folder)


def test_a_file_named_after_the_account_leaves_no_name(lake, file, tmp_path: Path) -> None:
    names = [f"runs-{ALICE}.ndjson", f"export_{ALICE}.ndjson", f"{ALICE}_2026-10.ndjson", f"{ALICE.upper()}.ndjson"]
    for at, name in enumerate(names):
        lake.ingest(file([wire(f"a{at}", account_id=ALICE), wire(f"b{at}", account_id=BOB)], name))
    assert holds(tmp_path / "lake", ALICE)
    assert lake.erase(ALICE) is not None
    assert not holds(tmp_path / "lake", ALICE)
    assert credits_of(lake) == {f"b{at}": 3 for at in range(4)}
    assert all("(erased)" in source for source in lake.loads()["source"][:4])


def test_quarantined_text_leaves_no_spelling(lake, file, tmp_path: Path) -> None:
    texts = [f'"{ALICE}_x"', f'"{ALICE.upper()}"', f'"{ESCAPED}"', f'"https://x/{ALICE}?y"', ALICE.replace("-", "")]
    kept = json.dumps(wire("z", account_id=BOB, status="Done"))
    bad = ['{"id": "x", "note": ' + text + "}" for text in texts]
    lake.ingest(file([*bad, kept, wire("b", account_id=BOB)]))
    row = lake.erase(ALICE)
    assert row is not None
    assert row.detail == "erased 0 runs, 0 superseded states, 5 quarantined rows"
    assert not holds(tmp_path / "lake", ALICE)
    assert lake.quarantine()["raw"].to_list() == [kept]


def test_an_id_in_upper_case_is_the_same_account_if_it_is_a_uuid(lake, file) -> None:
    spelled = (ALICE.upper(), f"{{{ALICE}}}", f"URN:UUID:{ALICE}")
    rows = [*(wire(f"a{n}", account_id=one) for n, one in enumerate(spelled)), wire("b", account_id=BOB)]
    lake.ingest(file(rows))
    lake.erase(ALICE)
    assert credits_of(lake) == {"b": 3}
    lake.ingest(file([wire("A", account_id="ABC"), wire("B", account_id="abc")], "2.ndjson"))
    lake.erase("abc")
    assert sorted(credits_of(lake)) == ["A", "b"]


def test_a_short_id_is_struck_from_names_and_its_neighbour_keeps_its_rows(lake, file) -> None:
    bad = [wire("x", account_id=account, status="Done") for account in ("acme", "acme_2")]
    lake.ingest(file([wire("a", account_id="acme"), wire("b", account_id="acme_2"), *bad], "runs_acme.ndjson"))
    lake.erase("acme")
    assert credits_of(lake) == {"b": 3}
    assert [json.loads(raw)["account_id"] for raw in lake.quarantine()["raw"]] == ["acme_2"]
    assert lake.quarantine()["source"][0].endswith("runs_(erased).ndjson")
    assert lake.loads()["source"][0].endswith("runs_(erased).ndjson")


def test_the_statistics_of_another_writer_leave_the_logs(lake, file, tmp_path: Path) -> None:
    from deltalake import DeltaTable

    for n in range(3):
        lake.ingest(file([wire(str(n), account_id=ALICE), wire(f"b{n}", account_id=BOB)], f"{n}.ndjson"))
    DeltaTable(str(tmp_path / "lake" / "runs")).optimize.compact()
    lake.ingest(file([wire("late", account_id=BOB)], "late.ndjson"))
    assert ALICE in "".join(path.read_text() for path in (tmp_path / "lake" / "runs" / "_delta_log").glob("*.json"))
    lake.erase(ALICE)
    assert not holds(tmp_path / "lake", ALICE)
    assert sorted(credits_of(lake)) == ["b0", "b1", "b2", "late"]
    assert credits_of(lake, as_of=1) == {"b0": 3}
    lake.ingest(file([wire("b0", account_id=BOB, credits=7)], "more.ndjson"))
    lake.compact()
    assert credits_of(lake)["b0"] == 7
    assert not lake.damage().is_needed
    max((tmp_path / "lake" / "runs").glob("*.parquet")).unlink()
    assert lake.repair().good is not None


def test_the_memory_of_a_source_and_of_schedules_is_struck(lake, file, tmp_path: Path) -> None:
    lake.ingest(file([wire("a", account_id=ALICE), wire("b", account_id=BOB)]))
    state = {"kind": "files", "last_error": f"in/{ALICE}_x.ndjson: is cut off", "cursor": {"files": {f"{ALICE}_x": 1}}}
    lake.remember("exports", state)
    shelf = StateStore(lake)
    delivery = {"target": "mail", "kind": "email", "receiver": "x@y", "key": "k", "state": "due", "next_try_at": None}
    documents = [
        {"account": one, "letter": f"editions/s/2026-03/1/{n}.letter.json", "files": {f"{n}.md": {}}, "charts": {}}
        for n, one in enumerate((ALICE, BOB))
    ]
    deliveries = [{**delivery, "account": one, "state": state} for one in (ALICE, BOB) for state in ("due", "sent")]
    edition = {"folder": "editions/s/2026-03/1", "documents": documents, "deliveries": deliveries}
    shelf.write("jobs/s/2026-03.json", {"report": "s", "editions": [edition]})
    shelf.write("alerts.json", {"firing": {f"silent:{ALICE.upper()}": {"what": f"account {ALICE}"}}, "pending": []})
    for n, one in enumerate((ALICE, BOB)):
        shelf.write_bytes(f"editions/s/2026-03/1/{n}.md", one.encode())
        shelf.write(f"editions/s/2026-03/1/{n}.letter.json", {"title": one})
    lake.erase(ALICE)
    assert not holds(tmp_path / "lake", ALICE)
    assert lake.source_state("exports")["last_error"] == "in/(erased)_x.ndjson: is cut off"
    [left] = (shelf.read("jobs/s/2026-03.json") or {})["editions"]
    assert [(one["account"], one["state"]) for one in left["deliveries"]] == [
        ("(erased)", "sent"), (BOB, "due"), (BOB, "sent"),
    ]  # fmt: skip
    assert left["documents"][1] == documents[1]
    assert sorted(shelf.place.walk())[:4] == [
        "_lock", "alerts.json", "editions/s/2026-03/1/1.letter.json", "editions/s/2026-03/1/1.md",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def without_alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake from which an account was erased, and the file that was loaded."""
    folder = tmp_path_factory.mktemp("without")
    rows = [wire("a", account_id=ALICE), wire("b", account_id=BOB), wire("c", account_id="zed")]
    (folder / "runs.ndjson").write_bytes(ndjson(rows))
    lake = pda.Lake(folder / "lake")
    lake.ingest(folder / "runs.ndjson")
    lake.erase(ALICE)
    return folder


class TestRefusal:
    def test_every_way_in_refuses_an_erased_account_and_counts_it(self, lake, file, tmp_path: Path) -> None:
        rows = [wire("a", account_id=ALICE), wire("a", account_id=ALICE, credits=9), wire("b", account_id=BOB)]
        bad = [wire("x", account_id=ALICE, status="Done"), wire("y", account_id=BOB, status="Done")]
        path = file([*rows, *bad])
        lake.ingest(path)
        lake.erase(ALICE)
        csv = pl.DataFrame(rows).write_csv()
        for source, how in (
            (path, {}),
            (path, {"correct": True}),
            (file([*rows, *bad], f"{ALICE}_2026-10.ndjson"), {}),
            (file([*rows, *bad], "upper.ndjson"), {"name": f"sync of {ALICE}"}),
        ):
            result = lake.ingest(source, **how)
            assert dict(result) == {
                "read": 5, "inserted": 0, "updated": 0, "unchanged": 1, "duplicates": 0, "quarantined": 1, "erased": 3,
                "conflicts": 0,
            }  # fmt: skip
            assert not holds(tmp_path / "lake", ALICE)
        more = [pl.DataFrame(rows)] if Soak.is_on else []
        for source in (file(csv.encode(), "r.csv"), file([*rows], "n.json"), *more):
            result = lake.ingest(source)
            assert (result.erased, result.inserted) == (2, 0)
        other = pda.Lake(tmp_path / "other")
        other.ingest(path)
        assert lake.ingest(other).erased == 1
        spelled = (ALICE.upper(), ALICE.replace("-", ""), f"{{{ALICE}}}", f"urn:uuid:{ALICE.upper()}", f" {ALICE} ")
        rows = [*(wire(f"c{n}", account_id=one) for n, one in enumerate(spelled)), wire("d", account_id=BOB)]
        again = lake.ingest(file(rows, "5.ndjson"))
        assert (again.erased, again.inserted) == (5, 1)
        assert lake.loads().select("read", "inserted", "erased").row(-1) == (6, 1, 5)
        assert not holds(tmp_path / "lake", ALICE)
        assert credits_of(lake) == {"b": 3, "d": 3}

    @pytest.mark.parametrize("raw", [f'{{"id": 5, "accountId": "{ESCAPED}"}}', f"broken {ALICE.upper()}_x", "{'acme'}"])
    def test_rejected_rows_of_an_erased_account_are_refused_too(self, lake, file, raw: str) -> None:
        lake.ingest(file([wire("a", account_id=ALICE), wire("b")]))
        lake.erase(ALICE)
        result = lake.ingest(file([raw, '{"account_id": "acme", "id": 5}'], "bad.ndjson"))
        assert (result.erased, result.quarantined) == ((0, 2) if "acme" in raw else (1, 1))

    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    def test_rejected_rows_of_an_erased_account_are_refused_however_they_are_written(self, lake, file, mark) -> None:
        rows = [wire("a", account_id="bob"), wire("b")]
        lake.ingest(file(rows))
        lake.erase("bob")
        bad = [wire(one, account_id="bob", credits="many") for one in "xyz"]
        lines = [mark.join(bad[0]), *(mark.join(map(str, run.values())) for run in bad)]
        lines[2] = lines[2].partition(mark)[2]  # a cell too few, so that each is under the name of another
        lines[3] += mark + "more"
        assert lake.ingest(file("\n".join(lines).encode(), "bad.csv")).erased == 3
        assert lake.ingest(file([{"run": bad[0]}, [bad[1]], wire("c", credits="many")], "bad.ndjson")).erased == 2
        assert lake.quarantine()["raw"].str.contains("bob").to_list() == [False]

    def test_a_sync_of_everything_and_of_a_file_that_has_grown_brings_nothing_back(
        self, lake, file, tmp_path: Path, monkeypatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "polydoc-analytics.toml").write_text('[sources.files]\nkind = "files"\npath = "in"\n')
        from polydoc_analytics.config.settings import settings

        source = sources(settings())["files"]
        name = f"in/export_{ALICE}.ndjson"
        file([wire("a", account_id=ALICE), wire("b", account_id=BOB)], name)
        sync(lake, source)
        lake.erase(ALICE)
        assert (sync(lake, source, full=True).erased, sync(lake, source).read) == (1, 0)
        file([wire("a", account_id=ALICE), wire("b", account_id=BOB), wire("c", account_id=ALICE)], name)
        result = sync(lake, source)
        assert (result.read, result.erased, result.unchanged) == (3, 2, 1)
        assert lake.source_state("files")["last_counts"]["erased"] == 2
        assert not holds(tmp_path / "lake", ALICE)
        lake.name_accounts({ALICE: "Alice", BOB: "Bob"})
        assert lake.account_names() == {BOB: "Bob"}

    def test_an_account_erased_while_a_load_was_staged_is_refused(self, lake, file, tmp_path, monkeypatch) -> None:
        lake.ingest(file([wire("a", account_id=ALICE), wire("b", account_id=BOB)]))
        from polydoc_analytics.lake import lake as module

        def staged(*args: Any, **kwargs: Any) -> Any:
            done = stage(*args, **kwargs)
            monkeypatch.setattr(module, "stage", stage)
            lake.erase(ALICE)
            return done

        monkeypatch.setattr(module, "stage", staged)
        bad = wire("x", account_id=ALICE, status="Done")
        result = lake.ingest(file([wire("c", account_id=ALICE), wire("d", account_id=BOB), bad], "2.ndjson"))
        assert (result.read, result.inserted, result.erased, result.quarantined) == (3, 1, 2, 0)
        assert credits_of(lake) == {"b": 3, "d": 3}
        assert not holds(tmp_path / "lake", ALICE)

    def test_readmit_lets_the_account_in_again(self, lake, file, tmp_path: Path, capfd) -> None:
        path = file([wire("a", account_id="acme"), wire("b", account_id=BOB)])
        lake.ingest(path)
        lake.erase("acme")
        assert lake.ingest(path).erased == 1
        place = ["--lake", str(tmp_path / "lake")]
        assert run(["lake", "readmit", "--account", "acme", *place]) == 0
        assert capfd.readouterr().out.startswith("load 3: rows of this account are let in again")
        assert run(["lake", "readmit", "--account", "acme", *place]) == 0
        assert capfd.readouterr().out == "this account is not refused\n"
        assert lake.ingest(path).inserted == 1
        lake.erase("acme")
        assert lake.ingest(path).erased == 1

    def test_doctor_lists_the_accounts_that_are_refused(self, lake, file) -> None:
        lake.ingest(file([wire("a", account_id=ALICE), wire("b", account_id=BOB)]))
        assert examine(lake).sections["erased_accounts"] == []
        row = lake.erase(ALICE)
        found = examine(lake)
        [listed] = found.sections["erased_accounts"]
        assert (listed["account"], listed["load"]) == (row.source, 2)
        assert "1 account erased, whose rows are refused" in [one.what for one in found.findings]
        lake.readmit(ALICE)
        assert examine(lake).sections["erased_accounts"] == []

    def test_the_hash_differs_by_lake_and_cannot_be_told_without_the_key(self, file, tmp_path: Path) -> None:
        hashes = []
        for name in ("one", "two"):
            lake = pda.Lake(tmp_path / name)
            lake.ingest(file([wire("a"), wire("b", account_id=BOB)]))
            hashes.append(lake.erase("acme").source)
        assert hashes[0] != hashes[1]
        (tmp_path / "one" / KEY).unlink()
        with pytest.raises(pda.LakeError, match="_erasure_key: is missing"):
            pda.Lake(tmp_path / "one").ingest(file([wire("a")], "2.ndjson"))

    @pytest.mark.parametrize(
        "fault", ["of another lake", "missing", *map(slow, ("flipped", "truncated", "emptied", "binary"))]
    )
    def test_a_damaged_key_is_an_error_on_every_way_in_and_a_finding(
        self, without_alice: Path, tmp_path, capfd, fault
    ) -> None:
        shutil.copytree(without_alice, tmp_path, dirs_exist_ok=True)
        path, lake = tmp_path / "runs.ndjson", pda.Lake(tmp_path / "lake")
        key_file = tmp_path / "lake" / KEY
        key = key_file.read_bytes()
        flipped = (b"1" if key[:1] == b"0" else b"0") + key[1:]
        damaged = {
            "flipped": flipped,
            "truncated": key[:-1],
            "emptied": b"",
            "of another lake": key[::-1],
            "binary": b"\xff\x00" * 32,
        }
        if fault == "missing":
            key_file.unlink()
        else:
            key_file.write_bytes(damaged[fault])
        word = "is missing" if fault == "missing" else "is damaged, or of another lake"
        for way_in in (
            lambda: lake.ingest(path),
            lambda: lake.erase(BOB),
            lambda: lake.readmit(ALICE),
            lambda: lake.name_accounts({ALICE: "Alice"}),
            lambda: lake.remember("s", {"kind": "folder"}),
        ):
            with pytest.raises(pda.LakeError, match=f"_erasure_key: {word}, so that .* bring it back from a backup$"):
                way_in()
        place = ["--lake", str(tmp_path / "lake")]
        capfd.readouterr()
        assert run(["ingest", str(path), *place]) == 2
        assert capfd.readouterr().err.count("\n") == 1
        assert run(["doctor", *place]) == 1
        assert f"_erasure_key: {word}" in capfd.readouterr().out
        key_file.write_bytes(key)
        assert run(["doctor", *place]) == 0
        result = lake.ingest(path)
        assert (result.inserted, result.erased) == (0, 1)

    def test_a_key_without_a_checksum_works_and_gets_one_with_the_next_erasure(
        self, lake, file, tmp_path, monkeypatch
    ) -> None:
        from polydoc_analytics.lake import erasure

        path = file([wire("a", account_id="acme"), wire("b", account_id=BOB), wire("c", account_id="zed")])
        lake.ingest(path)
        with monkeypatch.context() as patched:
            patched.setattr(erasure, "key_checksum", lambda place: None)
            assert lake.erase("acme").content_hash is None
        assert lake.ingest(path).erased == 1
        assert lake.erase(BOB).content_hash
        assert lake.ingest(path).erased == 2
        key_file = tmp_path / "lake" / KEY
        key = key_file.read_bytes()
        key_file.write_bytes(key[:-1] + (b"1" if key[-1:] == b"0" else b"0"))
        with pytest.raises(pda.LakeError, match="is damaged"):
            lake.ingest(path)

    def test_a_damaged_key_on_which_no_erasure_rests_is_made_anew(self, lake, file, tmp_path) -> None:
        path = file([wire("a", account_id="acme"), wire("b", account_id=BOB)])
        lake.ingest(path)
        lake.erase("acme")
        lake.readmit("acme")
        (tmp_path / "lake" / KEY).write_bytes(b"torn")
        assert lake.ingest(path).inserted == 1
        lake.erase("acme")
        assert lake.ingest(path).erased == 1
        assert examine(lake).is_whole

    def test_an_erasure_of_an_older_version_is_kept(self, lake, file, monkeypatch) -> None:
        import hashlib

        from polydoc_analytics.lake import erasure

        plain = "account with SHA-256 " + hashlib.sha256(b"acme").hexdigest()
        path = file([wire("a", account_id="acme"), wire("b", account_id=BOB)])
        lake.ingest(path)
        with monkeypatch.context() as patched:
            patched.setattr(erasure, "new_name", lambda place, account: plain)
            lake.erase("acme")
        assert lake.ingest(path).erased == 1
        assert lake.readmit("acme").source == plain
        assert lake.ingest(path).erased == 0


@pytest.mark.parametrize("account", ["Zoé", "a.b*c", 'qu"ote', "back\\slash", "a/b", "😀x", "line\nbreak", "tab\tx"])
def test_an_id_of_any_characters_is_found_as_json_csv_and_urls_write_it(account: str) -> None:
    from urllib.parse import quote

    spelling = Spelling(account)
    field = '"{}"'.format(account.replace('"', '""'))
    as_json = (json.dumps(account), json.dumps(json.dumps(account)))
    for text in (account, *as_json, field, quote(account), f"x-{account}_y"):
        assert spelling.is_in(text), text
        assert not spelling.is_in(spelling.strike(text))
    assert not spelling.is_in(f"z{account}z")

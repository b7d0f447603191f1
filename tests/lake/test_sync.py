"""Sources with memory: what they say of the present lands, what disappears there stays, and how far they were read."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.http_service import sent, serving
from support.postgres_server import PASSWORD, Postgres, uid
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.config.settings import settings
from polydoc_analytics.ingest.connectors import sources
from polydoc_analytics.lake.sync import sync

TOKEN = "canary-token-51f0"


@pytest.fixture
def lake(tmp_path: Path) -> pda.Lake:
    return pda.Lake(tmp_path / "lake")


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Write the settings of a folder, and return its sources."""

    def write(text: str) -> dict[str, Any]:
        path = tmp_path / "polydoc-analytics.toml"
        path.write_text(text)
        monkeypatch.setenv("POLYDOC_ANALYTICS_CONFIG", str(path))
        monkeypatch.setenv("POLYDOC_BEARER_AUTH", TOKEN)
        return dict(sources(settings()))

    return write


def state_of(lake: pda.Lake) -> dict[str, tuple[str, int | None]]:
    with pda.connect(lake) as db:
        return {row["id"]: (row["status"], row["credits"]) for row in db.view("runs").iter_rows(named=True)}


def test_the_api_is_the_authority_and_what_it_no_longer_lists_stays(lake: pda.Lake, configured) -> None:
    first = json.dumps([wire("a", credits=9), wire("b", status="Running", finished_at=None, credits=None)]).encode()
    second = json.dumps([wire("a", credits=2), wire("c"), {"id": "d"}]).encode()
    with serving(sent(first), sent(second)) as service:
        api = configured(f'[sources.api]\nkind = "api"\nbase = "{service.url}"')["api"]
        assert dict(sync(lake, api))["inserted"] == 2
        result = sync(lake, api)
    assert service.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    # Two credits replace nine, though by the merge rule nine would have won.
    assert state_of(lake) == {"a": ("Succeeded", 2), "b": ("Running", None), "c": ("Succeeded", 3)}
    assert (result.read, result.inserted, result.updated, result.quarantined) == (3, 1, 1, 1)
    [past] = lake.history().to_dicts()
    assert (past["id"], past["credits"], past["is_corrected"]) == ("a", 9, True)
    [rejected] = lake.quarantine().to_dicts()
    assert (rejected["source"], rejected["line"]) == ("api", 3)


def test_a_correction_is_not_undone_by_an_old_export(lake: pda.Lake, configured, file) -> None:
    with serving(sent(json.dumps([wire("a", credits=2)]).encode())) as service:
        api = configured(f'[sources.api]\nkind = "api"\nbase = "{service.url}"')["api"]
        lake.ingest(file([wire("a", credits=9)]))
        sync(lake, api)
    again = lake.ingest(file([wire("b"), wire("a", credits=9)], "again.ndjson"))
    assert (again.inserted, again.updated, again.unchanged) == (1, 0, 1)
    assert state_of(lake)["a"] == ("Succeeded", 2)


def test_a_failed_fetch_leaves_lake_and_memory_and_the_next_one_completes(lake: pda.Lake, configured) -> None:
    whole = sent(json.dumps([wire("a")]).encode())
    with serving(whole, sent(b"[]", status=401), whole) as service:
        api = configured(f'[sources.api]\nkind = "api"\nbase = "{service.url}"')["api"]
        sync(lake, api)
        before = lake.source_state("api")
        with pytest.raises(pda.SourceError, match="401"):
            sync(lake, api)
        failed = lake.source_state("api")
        assert failed["cursor"] == before["cursor"]
        assert "401" in failed["last_error"]
        assert sync(lake, api).unchanged == 1
    assert "last_error" not in lake.source_state("api")
    assert lake.loads().height == 1  # what changed nothing added no load


def row(number: int, created: datetime, *, status: str = "Succeeded", ends: bool = True) -> str:
    finished = f"'{(created + timedelta(seconds=10)).isoformat()}'" if ends else "null"
    return (
        f"('{uid(number)}', '{uid(7)}', '{created.isoformat()}', {finished}, '{status}', 'de', 3, 10, 12, "
        f"'{uid(8)}', null)"
    )


def test_postgres_is_read_since_the_last_sync_less_its_look_back_and_for_what_is_running(
    lake: pda.Lake, configured, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    old = now - timedelta(days=30)
    rows = [row(1, old), row(2, old, status="Running", ends=False), row(3, now - timedelta(days=1))]
    postgres.table(rows=f"values {', '.join(rows)}")
    monkeypatch.setenv("POLYDOC_DSN", postgres.dsn())
    db = configured('[sources.db]\nkind = "postgres"')["db"]
    assert sync(lake, db).inserted == 3

    # The old run ended, an old row came in late, a recent one was corrected, and one was deleted.
    ended = (old + timedelta(days=1)).isoformat()
    postgres.do(
        f"update public.run set status = 'Failed', finished_at = '{ended}' where id = '{uid(2)}'",
        f"update public.run set credits = 1 where id = '{uid(3)}'",
        f"delete from public.run where id = '{uid(1)}'",
        f"insert into public.run values {row(4, old)}, {row(5, now)}",
    )
    result = sync(lake, db)
    assert (result.read, result.inserted, result.updated) == (3, 1, 2)
    known = {uid(1): ("Succeeded", 3), uid(2): ("Failed", 3), uid(3): ("Succeeded", 1), uid(5): ("Succeeded", 3)}
    assert state_of(lake) == known
    # What came in later than the look-back is what --full is for.
    assert sync(lake, db, full=True).inserted == 1
    assert state_of(lake) == known | {uid(4): ("Succeeded", 3)}


def clock(days: int) -> type[datetime]:
    """A clock that is wrong by so many days."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=days)

    return Clock


@pytest.mark.parametrize("days", [40, -40])
def test_a_clock_that_is_wrong_here_leaves_out_no_run_of_the_database(
    days: int, lake: pda.Lake, configured, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    postgres.table(rows=f"values {row(1, now - timedelta(days=90))}")
    monkeypatch.setenv("POLYDOC_DSN", postgres.dsn())
    db = configured('[sources.db]\nkind = "postgres"')["db"]
    with monkeypatch.context() as wrong:
        wrong.setattr("polydoc_analytics.lake.sync.datetime", clock(days))
        assert sync(lake, db).inserted == 1
    postgres.do(f"insert into public.run values {row(2, now)}")
    assert sync(lake, db).inserted == 1
    # A memory of a time to come, as an older version may have left it, tells nothing.
    later = (now + timedelta(days=400)).isoformat()
    lake.remember("db", {**lake.source_state("db"), "cursor": {"synced_to": later}})
    postgres.do(f"insert into public.run values {row(3, now)}")
    assert sync(lake, db).inserted == 1


def test_another_table_or_query_under_the_same_name_is_read_from_its_beginning(
    lake: pda.Lake, configured, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = datetime.now(UTC) - timedelta(days=90)
    postgres.table(rows=f"values {row(1, old)}")
    postgres.table("public.other", rows=f"values {row(1, old)}, {row(2, old)}")
    monkeypatch.setenv("POLYDOC_DSN", postgres.dsn())
    settings = '[sources.db]\nkind = "postgres"'
    assert sync(lake, configured(settings)["db"]).read == 1
    assert sync(lake, configured(settings)["db"]).read == 0
    other = f'{settings}\ntable = "public.other"'
    assert (sync(lake, configured(other)["db"]).read, sync(lake, configured(other)["db"]).read) == (2, 0)
    query = f"{settings}\nquery = \"select * from public.other where id = '{uid(2)}'\""
    assert sync(lake, configured(query)["db"]).read == 1


def test_a_new_file_without_rows_beside_known_ones_is_a_quiet_day(lake: pda.Lake, configured, file) -> None:
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    empty = file(b"", "in/2.ndjson")
    with pytest.raises(pda.SourceError, match="is empty"):
        sync(lake, source)
    file([wire("a")], "in/1.ndjson")
    assert sync(lake, source).inserted == 1
    file(b"", "in/3.ndjson")
    result = sync(lake, source)
    assert (result.read, result.number) == (0, None)
    Path(empty).write_bytes(ndjson([wire("b")]))
    assert (sync(lake, source).inserted, sync(lake, source).read) == (1, 0)


def test_files_are_read_again_when_they_are_to_be_read_in_another_way(lake: pda.Lake, configured, file) -> None:
    lines = [wire("a"), wire("b", created_at="2026-03-01T10:00:00", finished_at=None)]
    file(lines, "in/1.ndjson")
    settings = '[sources.exports]\nkind = "files"\npath = "in"'
    first = sync(lake, configured(settings)["exports"])
    assert (first.inserted, first.quarantined) == (1, 1)
    assert sync(lake, configured(settings)["exports"]).read == 0
    assert sync(lake, configured(f"{settings}\nassume_utc = true")["exports"]).inserted == 1
    assert sync(lake, configured(f"{settings}\nassume_utc = true")["exports"]).read == 0


def test_addresses_that_differ_in_their_queries_alone_are_files_of_their_own(lake: pda.Lake, configured) -> None:
    months = {"1": [wire("a")], "2": [wire("b")]}

    def month(handler: Any) -> None:
        rows = months[handler.path[-1]]
        sent(ndjson(rows), kind="application/x-ndjson", ETag=f'"{len(rows)}-{rows[-1]["id"]}"')(handler)

    with serving(month) as service:
        paths = [f"{service.url}/runs.ndjson?key=k7canary&month={number}" for number in months]
        source = configured(f'[sources.exports]\nkind = "files"\npath = {json.dumps(paths)}')["exports"]
        assert [sync(lake, source).inserted, sync(lake, source).read] == [2, 0]
        months["1"].append(wire("c"))
        assert [sync(lake, source).inserted, sync(lake, source).read] == [1, 0]
        months["2"].append(wire("d"))
        assert [sync(lake, source).inserted, sync(lake, source).read] == [1, 0]
    assert "k7canary" not in json.dumps(lake.source_state("exports"))


def test_what_a_repair_has_lost_is_brought_back_by_the_next_sync(lake: pda.Lake, configured, file) -> None:
    file([wire("a")], "in/1.ndjson")
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    sync(lake, source)
    file([wire("b")], "in/2.ndjson")
    sync(lake, source)
    [newest] = sorted(Path(lake.place.shown, "runs", "_delta_log").glob("*2.json"))
    newest.write_bytes(b"")
    assert lake.repair().lost
    assert set(state_of(lake)) == {"a"}
    result = sync(lake, source)
    assert (result.inserted, result.unchanged) == (1, 1)
    assert set(state_of(lake)) == {"a", "b"}


def test_an_account_that_is_let_in_again_comes_back_with_the_next_sync(lake: pda.Lake, configured, file) -> None:
    file([wire("a"), wire("b", account_id="zeta")], "in/1.ndjson")
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    sync(lake, source)
    lake.erase("acme")
    assert sync(lake, source).read == 0
    lake.readmit("acme")
    assert sync(lake, source).inserted == 1
    assert set(state_of(lake)) == {"a", "b"}


def test_names_of_accounts_come_with_a_query(
    lake: pda.Lake, configured, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    postgres.table(rows=f"values {row(1, datetime(2026, 3, 1, tzinfo=UTC))}")
    monkeypatch.setenv("POLYDOC_DSN", postgres.dsn())
    query = f"select '{uid(7)}' as account_id, 'Acme & Söhne' as name"
    db = configured(f'[sources.db]\nkind = "postgres"\naccount_names = "{query}"')["db"]
    sync(lake, db)
    assert lake.account_names() == {uid(7): "Acme & Söhne"}
    assert run(["usage", lake.place.shown, "--by", "account"]) == 0
    assert "Acme & Söhne" in capfd.readouterr().out


def test_of_files_only_those_are_read_that_are_new_or_have_changed(lake: pda.Lake, configured, file, tmp_path) -> None:
    file([wire("a")], "in/1.ndjson")
    second = file([wire("b", status="Running", finished_at=None)], "in/2.ndjson")
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    assert sync(lake, source).read == 2
    assert sync(lake, source).read == 0
    file([wire("c")], "in/3.ndjson")
    assert (sync(lake, source).read, sync(lake, source).read) == (1, 0)
    Path(second).write_bytes(ndjson([wire("b"), wire("d")]))
    result = sync(lake, source)
    assert (result.read, result.inserted, result.updated) == (2, 1, 1)
    Path(second).unlink()
    assert sync(lake, source).read == 0
    assert set(state_of(lake)) == {"a", "b", "c", "d"}
    assert sync(lake, source, full=True).unchanged == 2


def test_an_erased_account_is_forgotten_in_names_and_in_the_memory_of_files(lake, configured, file) -> None:
    file([wire("a"), wire("b", account_id="zeta")], "in/acme.ndjson")
    file([wire("c", account_id="zeta")], "in/zeta.ndjson")
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    sync(lake, source)
    lake.name_accounts({"acme": "Acme & Söhne", "zeta": "Zeta"})
    assert lake.erase("acme") is not None
    assert lake.account_names() == {"zeta": "Zeta"}
    assert [Path(name).name for name in lake.source_state("exports")["cursor"]["files"]] == ["zeta.ndjson"]


def test_a_file_that_is_cut_off_moves_no_memory(lake: pda.Lake, configured, file, tmp_path: Path) -> None:
    import gzip

    whole = gzip.compress(ndjson([wire("a")]))
    path = Path(file(whole[:-9], "in/1.ndjson.gz"))
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    with pytest.raises(pda.SourceError, match="cut off"):
        sync(lake, source)
    path.write_bytes(whole)
    assert sync(lake, source).inserted == 1


def test_no_secret_is_found_anywhere(
    lake: pda.Lake,
    configured,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    signature = "canary-signature-77"
    content = ndjson([wire("a"), {"id": "x"}])
    with serving(sent(content, kind="application/x-ndjson")) as files, serving(sent(b"no", status=403)) as service:
        monkeypatch.setenv("POLYDOC_DSN", postgres.dsn(password="canary-wrong-13"))
        names = configured(
            f'[sources.api]\nkind = "api"\nbase = "{service.url}"\n'
            '[sources.db]\nkind = "postgres"\n'
            f'[sources.signed]\nkind = "files"\npath = "{files.url}/runs.ndjson?X-Amz-Signature={signature}"\n'
        )
        said = []
        for source in names.values():
            try:
                sync(lake, source)
            except pda.PolydocError as error:
                said.append("".join(traceback.format_exception(error)))
        monkeypatch.setenv("POLYDOC_ANALYTICS_LAKE", str(tmp_path / "lake"))
        assert run(["sync"]) == 2
        assert run(["doctor", "--json"]) == 0
        assert run(["lake", "history", "--json"]) == 0
    out, err = capfd.readouterr()
    said += [out, err, caplog.text]
    said += [path.read_bytes().decode("latin-1") for path in (tmp_path / "lake").rglob("*") if path.is_file()]
    assert lake.quarantine().height == 1
    everything = "\n".join(said)
    assert "403" in everything
    for canary in (TOKEN, PASSWORD, "canary-wrong-13", signature):
        assert canary not in everything


def test_a_source_may_be_used_by_its_name_without_a_lake(configured, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(sent(json.dumps([wire("a"), wire("b")]).encode())) as service:
        configured(f'[sources.api]\nkind = "api"\nbase = "{service.url}"')
        assert run(["usage", "api", "--json"]) == 0
        [total] = json.loads(capfd.readouterr().out)["data"]
        assert total["runs"] == pda.load("api").runs.height == 2


def test_one_source_that_fails_does_not_keep_the_others(configured, file, tmp_path, monkeypatch, capfd) -> None:
    file([wire("a")], "in/1.ndjson")
    configured('[sources.nothing]\nkind = "files"\npath = "nowhere"\n[sources.there]\nkind = "files"\npath = "in"')
    assert run(["sync", "--lake", str(tmp_path / "lake")]) == 2
    err = capfd.readouterr().err
    assert f"error: nothing: {tmp_path}/nowhere: no such file or folder" in err
    assert "1 inserted" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[sources.a]\nkind = "apy"', r"\[sources.a\]: unknown kind 'apy'; did you mean api\?"),
        ("[sources.a]", r"\[sources.a\]: needs kind; expected api, postgres, files"),
        ('[sources.a]\nkind = "api"\ntoken = "x"', "unknown key 'token'; did you mean token_env"),
        ('[sources.a]\nkind = "files"', r"\[sources.a\]: needs path: folder, file, glob or URI"),
        ('[sources.a]\nkind = "files"\npath = 5', "path must be a text"),
        ('[sources.a]\nkind = "postgres"\nassume_utc = "yes"', "assume_utc must be true or false"),
        ('[sources.a]\nkind = "postgres"\nlook_back = "soon"', "look_back 'soon' is no length of time"),
        ('[sources.a]\nkind = "postgres"\ntable = "t"\nquery = "select"', "a table or a query, not both"),
        ('[sources."a b"]\nkind = "api"', "letters, digits"),
        ("sources = 5", "sources must be a table"),
    ],
)
def test_a_source_that_means_nothing_is_an_error_that_says_what_would(configured, text: str, message: str) -> None:
    with pytest.raises(pda.UsageError, match=message):
        configured(text)


def test_a_secret_that_is_not_set_is_named_by_its_variable(lake, configured, monkeypatch) -> None:
    api = configured('[sources.api]\nkind = "api"\ntoken_env = "MY_TOKEN"')["api"]
    monkeypatch.delenv("MY_TOKEN", raising=False)
    with pytest.raises(pda.SourceError, match="the environment variable MY_TOKEN is not set"):
        sync(lake, api)
    monkeypatch.setenv("MY_TOKEN", " \n")
    with pytest.raises(pda.SourceError, match="the environment variable MY_TOKEN is not set"):
        sync(lake, api)


@pytest.mark.parametrize("content", ["", "null", "[]", "7", '"x"'])
def test_a_memory_that_is_none_is_named_and_does_not_keep_a_repair(
    content: str, lake: pda.Lake, configured, file
) -> None:
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    for name in ("1", "2"):
        file([wire(name)], f"in/{name}.ndjson")
        sync(lake, source)
    memory = Path(lake.place.shown, "_sources", "exports.json")
    memory.write_text(content)
    with pytest.raises(pda.LakeError, match=r"_sources/exports.json: is not JSON; remove it, and the source is read"):
        sync(lake, source)
    [newest] = sorted(Path(lake.place.shown, "runs", "_delta_log").glob("*2.json"))
    newest.write_bytes(b"")
    lake.repair()
    assert sync(lake, source).inserted == 1


@pytest.mark.parametrize("cursor", ['"x"', '{"files": []}', '{"synced_to": "soon"}', '{"synced_to": "2026-03-01"}'])
def test_a_memory_that_does_not_say_how_far_is_named(cursor: str, lake: pda.Lake, configured, file) -> None:
    file([wire("a")], "in/1.ndjson")
    source = configured('[sources.exports]\nkind = "files"\npath = "in"')["exports"]
    sync(lake, source)
    memory = Path(lake.place.shown, "_sources", "exports.json")
    memory.write_text(f'{{"kind": "files", "cursor": {cursor}}}')
    with pytest.raises(pda.LakeError, match=r"_sources/exports.json: does not say how far the source was read; remove"):
        sync(lake, source)
    memory.unlink()
    assert sync(lake, source).unchanged == 1


def test_a_token_that_is_not_accepted_is_named_by_its_own_variable(lake, configured, monkeypatch) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    with serving(sent(b"", status=401)) as service:
        api = configured(f'[sources.api]\nkind = "api"\nbase = "{service.url}"\ntoken_env = "MY_TOKEN"')["api"]
        with pytest.raises(pda.SourceError, match=r"the token was not accepted; check MY_TOKEN$"):
            sync(lake, api)


@pytest.mark.parametrize(
    "text",
    [
        'kind = "api"\ntoken_env = "canary-4f1c.2d"',
        'kind = "api"\ntoken_env = "canary_live_4f1c2d"',
        'kind = "postgres"\ndsn_env = "postgresql://u:canary@h/d"',
        'kind = "postgres"\ndsn_env = "host=h password=canary"',
    ],
)
def test_a_secret_in_the_place_of_its_variables_name_is_not_printed(
    text: str, configured, capfd: pytest.CaptureFixture[str]
) -> None:
    with suppress(pda.UsageError):
        configured(f"[sources.a]\n{text}")
    for command in (["config", "check"], ["sync", "--lake", "lake"], ["usage", "a"]):
        assert run(command) in (1, 2)
    out, err = capfd.readouterr()
    assert "canary" not in out + err
    assert "is the name of an environment variable" in err or "the environment variable *** is not set" in err


def test_the_newest_file_stays_known_when_it_is_cleared_away_and_a_time_to_come_is_none(
    lake: pda.Lake, configured, tmp_path: Path
) -> None:
    import os

    from polydoc_analytics.lake.freshness import brought

    files = configured(f'[sources.exports]\nkind = "files"\npath = "{(tmp_path / "in").as_posix()}"\n')["exports"]
    (tmp_path / "in").mkdir()
    now = datetime.now(UTC)
    times = {"old": now - timedelta(days=9), "new": now - timedelta(days=2), "wrong": now + timedelta(days=30)}
    for name, at in times.items():
        path = tmp_path / "in" / f"{name}.ndjson"
        path.write_bytes(ndjson([wire(name)]))
        os.utime(path, (at.timestamp(), at.timestamp()))
    sync(lake, files)
    for later in (now + timedelta(days=1), now + timedelta(days=60)):
        assert abs(brought(lake, "exports", later).file_at - times["new"]) < timedelta(seconds=1)
    (tmp_path / "in" / "new.ndjson").unlink()
    (tmp_path / "in" / "wrong.ndjson").unlink()
    sync(lake, files)
    assert abs(brought(lake, "exports", now).file_at - times["new"]) < timedelta(seconds=1)

"""The lake on the command line: ingest, lake, doctor, and figures as of a load."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.lakes import credits_of
from support.repetitions import slow
from support.runs import RUNNING, ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.lake.delta_table import LakeTable
from polydoc_analytics.lake.doctor import examine

LAKE_COMMANDS = ["history", "diff", "quarantine", "compact", "erase", "readmit", "repair"]


@pytest.fixture(scope="module")
def two_loads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files and a lake of them."""
    folder = tmp_path_factory.mktemp("loaded")
    for rows, name in (([wire("a", credits=1), "nope"], "1.ndjson"), ([wire("a", credits=2), wire("b")], "2.ndjson")):
        (folder / name).write_bytes(ndjson(rows))
        pda.Lake(folder / "lake").ingest(folder / name)
    return folder


@pytest.fixture
def loaded(cli: Any, two_loads: Path, tmp_path: Path) -> pda.Lake:
    """A lake in the working folder: two loads, one rejected row, one conflict."""
    shutil.copytree(two_loads, tmp_path, dirs_exist_ok=True)
    return pda.Lake("lake")


def test_ingest_says_what_became_of_the_rows_and_where_the_lake_is(cli, file) -> None:
    path = file([wire("a"), wire("a"), "nope"])
    result = cli("ingest", path, "--lake", "lake")
    assert (result.code, result.out) == (0, "")
    lines = result.err.splitlines()
    assert lines[0] == "3 rows read: 1 inserted, 0 updated, 0 unchanged, 1 duplicate, 1 quarantined"
    assert lines[1] == "1 of 3 rows was quarantined:"
    assert lines[-1] == "lake: load 1 is on the disk"
    again = cli("ingest", path, "--lake", "lake").err.splitlines()
    assert re.fullmatch(r"lake: nothing changed, the lake is at load 1 \(.*\), .*Z", again[-1])


def test_ingest_json_is_the_accounting_and_nothing_else(cli, file) -> None:
    result = cli("ingest", file([wire("a"), "nope"]), "--lake", "lake", "--json", "-q")
    content = json.loads(result.out)
    counts = dict.fromkeys(["updated", "unchanged", "duplicates", "erased", "conflicts"], 0)
    counts |= {"read": 2, "inserted": 1, "quarantined": 1}
    assert (result.code, result.err, content["report"], content["lake"]) == (0, "", "ingest", "lake")
    assert content["counts"] == counts
    assert content["data"] == [{"load": pda.Lake("lake").loads()["load"][0], "number": 1, **counts}]
    assert content["snapshot"].startswith("load 1 (")


def test_ingest_strict_exits_with_1_and_a_broken_source_with_2(cli, file) -> None:
    strict = cli("ingest", file([wire("a"), "nope"]), "--lake", "lake", "--strict", "-q")
    assert (strict.code, strict.out) == (1, "")
    assert cli("ingest", "missing.ndjson", "--lake", "lake", "-q").code == 2
    assert not Path("lake", "loads").exists()


def test_ingest_correct_lets_the_source_decide(cli, file) -> None:
    cli("ingest", file([wire("a", credits=7)]), "--lake", "lake")
    cli("ingest", file([wire("a", credits=2)], "right.ndjson"), "--lake", "lake", "--correct")
    assert credits_of("lake") == {"a": 2}


def test_json_says_the_snapshot_and_as_of_chooses_it(cli, loaded) -> None:
    first, second = (f"load {row[0]} ({row[1]})" for row in loaded.loads().select("number", "load").rows())
    for arguments, snapshot, credits in ((["--as-of", 1], first, 1), ([], second, 5)):
        content = json.loads(cli("usage", "lake", "--json", "-q", *arguments).out)
        assert content["snapshot"].startswith(snapshot)
        assert content["data"][0]["credits"] == credits
        content = json.loads(cli("query", "lake", "select sum(credits) as n from runs", "--json", "-q", *arguments).out)
        assert (content["snapshot"].startswith(snapshot), content["data"]) == (True, [{"n": credits}])
    assert json.loads(cli("check", "lake", "--json", "-q").out)["snapshot"].startswith(second)
    assert json.loads(cli("usage", "1.ndjson", "--json", "-q").out)["snapshot"] is None


def test_titles_say_the_load_where_the_source_is_a_lake(cli, loaded) -> None:
    result = cli("usage", "lake", "--as-of", 1)
    titles = [line for line in result.out.splitlines() if line.startswith("Usage")]
    assert len(titles) == 3
    assert all("all runs, days in UTC, as of load 1" in title for title in titles)
    assert re.fullmatch(r"1 run as of load 1 \(.*\), .*Z\n", result.err)
    assert cli("query", "lake", "select id from runs", "-q").out.startswith("2 rows, as of load 2\n")
    assert cli("check", "lake", "-q").out.startswith("Every row accounted for, as of load 2\n")
    assert "as of" not in cli("usage", "1.ndjson").out


def test_a_query_reads_no_file_of_the_lake_but_those_of_its_snapshot(cli, loaded) -> None:
    history = next(Path("lake/history").glob("*.parquet"))
    assert cli("query", "lake", f"select * from '{history}'", "-q").code == 2


@pytest.mark.parametrize("width", [80, slow(120)])
def test_history_lists_the_newest_load_first_in_lines_that_fit(cli, loaded, monkeypatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    loaded.erase("nobody")
    loaded.ingest([loaded.place.shown.replace("lake", "1.ndjson")], correct=True)
    loaded.erase("acme")
    lines = cli("lake", "history", "--lake", "lake").out.splitlines()
    assert lines[0].startswith("Loads of lake, times in UTC")
    assert lines[2].split()[:5] == ["load", "committed", "kind", "source", "runs"]
    assert [line.split()[0] for line in lines[4:]] == ["4", "3", "2", "1"]
    assert max(len(line) for line in lines) <= width
    assert "+00:00" not in "".join(lines)
    assert re.search(r"4  \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  erase +erased 2 ", lines[4])


def test_history_json_and_csv_hold_every_column(cli, loaded) -> None:
    content = json.loads(cli("lake", "history", "--lake", "lake", "--json", "--top", 1).out)
    [row] = content["data"]
    assert (content["report"], row["number"], row["updated"], row["conflicts"]) == ("lake history", 2, 1, 1)
    assert row["committed_at"].endswith("Z")
    [head, newest, _] = cli("lake", "history", "--lake", "lake", "--csv").out.splitlines()
    assert head.split(",") == list(row)
    assert newest.startswith("2,")
    lines = cli("lake", "history", "--lake", "lake", "--markdown").out.splitlines()
    assert len(lines) == 4
    assert "+00:00" not in lines[2]


def test_the_quarantine_is_shown_and_written_to_be_mended(cli, loaded) -> None:
    lines = cli("lake", "quarantine", "--lake", "lake").out.splitlines()
    assert lines[2].split() == ["source", "line", "reason", "load"]
    assert re.search(r" 2  not JSON: Expecting value at character 1 +1$", lines[4])
    content = json.loads(cli("lake", "quarantine", "--lake", "lake", "--json").out)
    assert [row["raw"] for row in content["data"]] == ["nope"]
    result = cli("lake", "quarantine", "--lake", "lake", "--out", "q.ndjson")
    assert (result.code, result.out, result.err) == (0, "", "q.ndjson: 1 row\n")
    assert json.loads(Path("q.ndjson").read_text("utf-8"))["raw"] == "nope"


def test_compact_says_what_it_would_do_and_does_it_when_told(cli, loaded, file) -> None:
    loaded.ingest(file([wire("c")], "3.ndjson"))
    dry = cli("lake", "compact", "--lake", "lake")
    assert dry.out == "runs: 2 small files would be put together\n"
    assert dry.err == "nothing was changed; add --run to do it\n"
    assert loaded.loads().height == 3
    assert cli("lake", "compact", "--lake", "lake", "--run").out == "runs: 2 small files put together\n"
    assert cli("lake", "compact", "--lake", "lake").out == "nothing to do\n"
    assert cli("lake", "compact", "--lake", "lake", "--retention", 6, "--run").code == 2


def test_erase_says_what_it_would_do_and_does_it_when_told(cli, loaded) -> None:
    dry = cli("lake", "erase", "--account", "acme", "--lake", "lake")
    assert dry.out == "runs of this account that would be erased, with their history and quarantined rows: 2\n"
    assert credits_of("lake") == {"a": 2, "b": 3}
    done = cli("lake", "erase", "--account", "acme", "--lake", "lake", "--run")
    assert done.out == "load 3: erased 2 runs, 1 superseded state, 0 quarantined rows\n"
    again = cli("lake", "erase", "--account", "acme", "--lake", "lake", "--run")
    assert (again.code, again.out) == (0, "the lake holds nothing of this account\n")


def test_export_of_a_lake_as_of_a_load(cli, loaded) -> None:
    result = cli("export", "lake", "out", "--as-of", 1, "--json")
    content = json.loads(result.out)
    assert content["snapshot"].startswith("load 1 (")
    assert content["counts"]["runs"] == 1
    assert credits_of("out") == {"a": 1}
    assert cli("export", "lake", "out", "-q").code == 2
    assert cli("export", "lake", "out", "--overwrite", "-q").code == 0
    assert credits_of("out") == {"a": 2, "b": 3}
    assert cli("export", "1.ndjson", "other", "--as-of", 1).code == 2


def test_repair_is_said_before_it_is_done(cli, loaded) -> None:
    assert cli("lake", "repair", "--lake", "lake").out == "nothing is damaged\n"
    newest = max(Path("lake/loads/_delta_log").glob("*.json"))
    newest.write_bytes(b"")
    refused = cli("usage", "lake", "-q")
    assert refused.code == 2
    assert "is damaged: empty or cut off; `polydoc-analytics lake repair --lake lake" in refused.err
    assert cli("ingest", "1.ndjson", "--lake", "lake", "-q").code == 2
    dry = cli("lake", "repair", "--lake", "lake")
    assert dry.out.splitlines()[0] == f"damaged: loads/_delta_log/{newest.name}"
    assert dry.out.splitlines()[1].startswith("would go back to load ")
    assert newest.read_bytes() == b""
    done = cli("lake", "repair", "--lake", "lake", "--run")
    assert done.out.replace("went back", "would go back").splitlines()[:2] == dry.out.splitlines()[:2]
    assert cli("ingest", "2.ndjson", "--lake", "lake", "-q").code == 0
    assert credits_of("lake") == {"a": 2, "b": 3}


def test_which_lake_comes_from_the_flag_then_the_environment_then_the_file(cli, file, monkeypatch) -> None:
    path = file([wire("a")])

    def loaded_into(*flags: str) -> str:
        lines = cli("ingest", path, *flags).err.splitlines()
        return lines[-1].split(":")[0]

    missing = cli("ingest", path)
    assert (missing.code, missing.err) == (
        2,
        "error: which lake? pass --lake LAKE, or set `lake` in polydoc-analytics.toml\n",
    )
    Path("polydoc-analytics.toml").write_text('lake = "of-the-file"\n', "utf-8")
    assert loaded_into() == "of-the-file"
    monkeypatch.setenv("POLYDOC_ANALYTICS_LAKE", "of-the-environment")
    assert loaded_into() == "of-the-environment"
    assert loaded_into("--lake", "of-the-flag") == "of-the-flag"
    Path("elsewhere").mkdir()
    Path("elsewhere/settings.toml").write_text('lake = "lake"\n', "utf-8")
    monkeypatch.delenv("POLYDOC_ANALYTICS_LAKE")
    assert loaded_into("--config", "elsewhere/settings.toml") == str(Path("elsewhere", "lake"))


@pytest.mark.parametrize(
    "command", [["lake", name] for name in LAKE_COMMANDS if name not in ("erase", "readmit")] + [["doctor"]]
)
def test_a_command_over_no_lake_says_so_in_one_line(cli, command: list[str]) -> None:
    result = cli(*command, *(["1"] if command[-1] == "diff" else []), "--lake", "nothing")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: no lake at nothing; `polydoc-analytics ingest` or `sync` makes one\n"
    assert not Path("nothing").exists()


@pytest.mark.parametrize("command", LAKE_COMMANDS)
def test_every_lake_command_and_flag_is_documented_where_it_lives(cli, command: str) -> None:
    text = cli("lake", command, "--help").out
    assert len(text.split("Options:")[0].strip().splitlines()) >= 3, "a sentence says what it does"
    for name, described in re.findall(r"^  (?:-\w, )?(--[\w-]+)(.*(?:\n {8,}.*)*)", text, re.MULTILINE):
        assert re.search(r"[A-Za-z]{3}", described), f"lake {command} {name} has no help"


def test_all_lake_commands_are_listed(cli) -> None:
    assert re.findall(r"^  (\w+)  ", cli("lake", "--help").out.split("Commands:")[1], re.MULTILINE) == LAKE_COMMANDS


def findings(*arguments: Any, **keywords: Any) -> dict[str, str]:
    return {finding.what: finding.level for finding in examine(*arguments, **keywords).findings}


def test_the_doctor_finds_nothing_in_a_healthy_lake(cli, file) -> None:
    lake = pda.Lake("lake")
    lake.ingest(file([wire("a")]))
    assert findings(lake) == {"every file that the newest load pins is there and whole, and as it was written": "good"}
    result = cli("doctor", "--lake", "lake")
    assert result.code == 0
    assert (
        result.out.splitlines()[-1]
        == "ok    every file that the newest load pins is there and whole, and as it was written"
    )


def test_the_doctor_finds_what_is_in_doubt_and_says_what_to_do(cli, file, monkeypatch) -> None:
    lake = pda.Lake("lake")
    lake.ingest(file([wire("a"), wire("r", **RUNNING), "nope", '{"id": 5}']))
    for n in range(3):
        lake.ingest(file([wire("a", credits=n + 4), wire(str(n))], f"{n}.ndjson"))
    lake.remember(
        "service",
        {
            "kind": "api",
            "last_success_at": "2026-03-01T00:00:00+00:00",
            "cursor": {"synced_to": "2026-02-28T23:59:59+00:00"},
        },
    )
    failed = {"kind": "files", "cursor": {"files": {"a.ndjson": "1"}}, "last_error": "out/: no such file or folder"}
    lake.remember("folder", {**failed, "last_success_at": "2026-03-03T00:00:00+00:00"})
    Path("polydoc-analytics.toml").write_text('lake = "lake"\n[sources.never]\nkind = "files"\npath = "x"\n', "utf-8")
    monkeypatch.setattr("polydoc_analytics.lake.doctor.MANY_FILES", 2)
    result = cli("doctor", "--now", "2026-03-03T10:00:01Z")
    assert (result.code, result.err) == (0, "")
    assert [line for line in result.out.splitlines() if line.startswith("look")] == [
        "look  history is in 3 small files",
        "look  1 run is Running for more than a day",
        "look  source folder could not be read the last time: out/: no such file or folder",
        "look  source never was never synced",
        "look  source service has been silent since 2026-03-01T00:00:00Z",
        "look  2 rows are in quarantine",
        "look  3 conflicts: runs seen finished in more than one way",
    ]
    assert result.out.count("→") == 7
    assert "+00:00" not in result.out
    content = json.loads(cli("doctor", "--now", "2026-03-03T10:00:01Z", "--json").out)
    sections = {section["name"]: section["data"] for section in content["sections"]}
    assert list(sections) == [
        "lake",
        "findings",
        "sources",
        "quarantine_by_reason",
        "running_too_long",
        "erased_accounts",
    ]
    assert (sections["lake"][0]["runs"], sections["lake"][0]["quarantined_rows"]) == (5, 2)
    assert sections["lake"][0]["superseded_states"] == 3
    assert [source["source"] for source in sections["sources"]] == ["folder", "never", "service"]
    assert sections["running_too_long"] == [{"id": "r", "account_id": "acme", "created_at": "2026-03-02T10:00:00Z"}]
    assert [source["cursor"] for source in sections["sources"]] == ["1 file", None, "2026-02-28T23:59:59Z"]
    assert sum(row["rows"] for row in sections["quarantine_by_reason"]) == 2
    levels = [finding["level"] for finding in sections["findings"]]
    assert levels == ["doubt"] * 7 + ["good"]
    younger = json.loads(cli("doctor", "--now", "2026-03-03T10:00:00Z", "--json").out)["sections"]
    assert {section["name"]: section["data"] for section in younger}["running_too_long"] == []


@pytest.mark.parametrize(
    ("table", "what"),
    [
        *(("runs", "log"), ("history", "data"), ("quarantine", "data")),
        *(slow("runs", "data"), slow("history", "log"), slow("quarantine", "log")),
    ],
)
def test_the_doctor_exits_with_1_on_damage_and_names_the_way_back(cli, loaded, table: str, what: str) -> None:
    if what == "log":
        hurt = max(Path("lake", table, "_delta_log").glob("*.json"))
        hurt.write_bytes(hurt.read_bytes()[:-20])
    else:
        [*_, name] = [file.name for file in LakeTable(loaded.place, table).open().files()]
        hurt = Path("lake", table, name)
        hurt.unlink()
    result = cli("doctor", "--lake", "lake")
    assert (result.code, result.err) == (1, "")
    assert f"BAD   {hurt}: is " in result.out
    assert "`polydoc-analytics lake repair --lake lake --run`" in result.out
    content = json.loads(cli("doctor", "--lake", "lake", "--json").out)
    sections = {section["name"]: section["data"] for section in content["sections"]}
    assert {"file": str(hurt.relative_to("lake"))} in sections["damaged"]
    assert [finding["level"] for finding in sections["findings"]] == ["bad"]
    if what == "data" and table != "runs":
        asked = ["usage", "lake", "--as-of", 1] if table == "history" else ["lake", "quarantine", "--lake", "lake"]
        assert (cli(*asked).code, cli("usage", "lake").code) == (2, 0), "what does not need the file goes on"


def test_the_doctor_does_not_take_another_format_for_damage(cli, loaded) -> None:
    log = Path("lake/runs/_delta_log") / f"{0:020}.json"
    log.write_text(log.read_text("utf-8").replace("lake, format 1", "lake, format 2"), "utf-8")
    result = cli("doctor", "--lake", "lake")
    assert (result.code, result.out) == (2, "")
    assert "is format 2, and this program knows format 1; update polydoc-analytics" in result.err


@pytest.mark.parametrize("width", [80, slow(120)])
def test_the_doctors_tables_fit(cli, loaded, monkeypatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    tables = cli("doctor", "--lake", "lake").out.split("\n\n")[:-1]
    assert max(len(line) for table in tables for line in table.splitlines()) <= width
    first = tables[0].splitlines()
    assert first[0] == "What the lake holds"
    assert first[2] == "lake               lake"
    assert first[4] == "runs               2"
    assert "+00:00" not in tables[0]


def test_diff_shows_accounts_by_name_or_the_beginning_of_their_ids(cli, file) -> None:
    ids = ["6ee0e0f4-dde6-490a-a281-43896feb4891", "6ee0e0f5-0000-490a-a281-43896feb4891"]
    for rows in ([wire("a")], [wire("b", account_id=ids[0]), wire("c", account_id=ids[1])]):
        pda.Lake("lake").ingest(file(rows))
    accounts = {line.split()[0] for line in cli("lake", "diff", "1", "2", "--lake", "lake").out.splitlines()[4:6]}
    assert accounts == {"6ee0e0f4…"}
    Path("accounts.csv").write_text(f"account_id,name\n{ids[0]},Twins\n{ids[1]},Twins\n")
    Path("polydoc-analytics.toml").write_text('lake = "lake"\naccounts = "accounts.csv"\n')
    named = cli("lake", "diff", "1", "2").out
    assert {"Twins (6ee0e0f4…)", "Twins (6ee0e0f5…)"} <= {line[:17] for line in named.splitlines()}
    runs = json.loads(cli("lake", "diff", "1", "2", "--json").out)["sections"][1]["data"]
    assert [run["account_id"] for run in runs] == ids
    assert ids[0] in cli("lake", "diff", "1", "2", "--markdown").out


def test_a_narrow_table_names_the_flags_that_show_the_rest(cli, file, monkeypatch) -> None:
    for rows in ([wire("a")], [wire("b")]):
        pda.Lake("lake").ingest(file(rows))
    monkeypatch.setenv("COLUMNS", "90")
    figures, runs = cli("lake", "diff", "1", "2", "--lake", "lake").out.split("\n\n")
    assert "more column" not in figures
    assert re.search(r"1 run behind them  \(\d more columns with --json\)", runs)
    assert "with --json or --csv)" in cli("lake", "history", "--lake", "lake").out

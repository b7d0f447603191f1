"""The page "In your BI tool": what it says of each tool that can be run here holds on a file that it has exported."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from support.documents import blocks
from support.paths import ROOT, SAMPLE

import polydoc_analytics as pda
from polydoc_analytics.cli import run

BLOCKS = {block.title or block.language: block.text for block in blocks("docs/bi-tools.md")}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "usage.duckdb"
    pda.export(SAMPLE, path, period="2026-10", timezone="Europe/Lisbon")
    return path


@pytest.fixture
def folder(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(exported, tmp_path)
    return tmp_path


def credits_of_october() -> int:
    with pda.connect(SAMPLE, period="2026-10", timezone="Europe/Lisbon") as db:
        return int(db.view("usage")["credits"].item())


def test_superset_opens_it_read_only_with_what_the_page_gives_it(folder: Path) -> None:
    path = BLOCKS["SQLAlchemy URI"].strip().removeprefix("duckdb:///").replace("/data/", f"{folder}/")
    arguments = json.loads(BLOCKS["engine parameters"])["connect_args"]
    with duckdb.connect(path, **arguments) as con:
        assert con.sql("select credits from usage").fetchall() == [(credits_of_october(),)]
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute("create table mine as select 1 as a")


def test_grafana_gets_a_time_series(folder: Path) -> None:
    sql = next(block.text for block in blocks("docs/bi-tools.md", "sql"))
    with duckdb.connect("usage.duckdb", read_only=True) as con:
        assert con.sql(sql).types[0] == "TIMESTAMP"


def test_dbt_reads_its_sources_where_the_profile_attaches_the_file(folder: Path) -> None:
    output = yaml.safe_load(BLOCKS["profiles.yml"])["usage"]["outputs"]["dev"]
    [attached] = output["attach"]
    [source] = yaml.safe_load(BLOCKS["models/sources.yml"])["sources"]
    assert source["database"] == attached["alias"]

    def relation(found: re.Match[str]) -> str:
        name, table = found[1], found[2]
        assert (name, {"name": table} in source["tables"]) == (source["name"], True)
        return f"{source['database']}.{source['schema']}.{table}"

    model = re.sub(r"\{\{ source\('(\w+)', '(\w+)'\) \}\}", relation, BLOCKS["models/credits_by_month.sql"])
    with duckdb.connect(output["path"]) as con:
        con.execute(f"attach '{attached['path']}' as {attached['alias']} (read_only)")
        for table in source["tables"]:
            con.sql(f"select * from {source['database']}.{source['schema']}.{table['name']} limit 1").fetchall()
        rows: list[Any] = con.sql(model).fetchall()
    assert [total for _, total in rows] == [credits_of_october()]


def test_the_statements_of_views_sql_run_as_dbt_runs_them_before_its_models(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    [command] = [block.text for block in blocks("docs/bi-tools.md", "console") if "> views.sql" in block.text]
    arguments = shlex.split(command.strip().removeprefix("$ polydoc-analytics ").removesuffix(" > views.sql"))
    assert run([str(ROOT / "data") if one == "data/" else one for one in arguments]) == 0
    text = capfd.readouterr().out
    runs = pda.load(SAMPLE).runs
    macro = BLOCKS["macros/polydoc_views.sql"].replace("… the text of views.sql", text)
    statements = re.sub(r"\{%.*?%\}", "", macro)
    with duckdb.connect("warehouse.duckdb") as con:
        con.execute("create schema raw")
        con.execute("create table raw.run as select * from runs")
        for _ in range(2):  # as each run of dbt does
            con.execute(statements)
        [(total, languages)] = con.sql(
            "select sum(runs), count(*) filter (where language_name is not null) from analytics.usage_by_language"
        ).fetchall()
    assert total == runs.height
    assert languages > 15
    assert "polydoc_views()" in yaml.safe_load(BLOCKS["dbt_project.yml"])["on-run-start"]

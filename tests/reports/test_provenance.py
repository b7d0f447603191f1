"""Reports over a lake: they name the snapshot, account for its loads, and can be had as of an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.reports import as_json, rows, section
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run


@pytest.fixture
def lake(tmp_path: Path, file) -> pda.Lake:
    made = pda.Lake(tmp_path / "lake")
    made.ingest(file([wire("a"), wire("b", account_id="zeta"), wire("a"), "nope"], "first.ndjson"))
    made.ingest(file([wire("a", credits=9), wire("c")], "second.ndjson"))
    return made


def test_the_quality_of_a_lake_accounts_for_every_load(lake: pda.Lake) -> None:
    with pda.connect(lake) as db:
        report = pda.build(db, "quality")
    loads = [(row["number"], row["read"], row["inserted"], row["updated"]) for row in rows(report, "accounting")]
    assert loads == [(2, 2, 1, 1), (1, 4, 2, 0)]
    assert "6 rows read = 3 inserted + 1 updated + 0 unchanged + 1 duplicate + 1 quarantined" in str(
        section(report, "accounting").text
    )
    assert [row["count"] for row in rows(report, "quarantine")] == [1]
    facts = dict(report.facts)
    assert facts["Rows"] == "3 runs, from 2 loads of 6 rows; 1 row is in quarantine"
    assert facts["Snapshot"].startswith("load 2 (")


def test_a_report_as_of_an_earlier_load_knows_that_load_alone(lake: pda.Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (
        run(["report", lake.place.shown, "--kind", "quality", "--as-of", "1", "--format", "json", "--out", str(out)])
        == 0
    )
    [path] = out.iterdir()
    content = as_json(path.read_bytes())
    assert content["snapshot"].startswith("load 1 (")
    [accounting] = [part for part in content["sections"] if part["name"] == "accounting"]
    assert [row["number"] for row in accounting["data"]] == [1]


def test_names_that_a_source_has_brought_stand_in_reports(lake: pda.Lake) -> None:
    lake.name_accounts({"acme": "Acme & Söhne"})
    with pda.connect(lake) as db:
        report = pda.build(db)
    assert "Acme & Söhne" in str(rows(report, "accounts"))

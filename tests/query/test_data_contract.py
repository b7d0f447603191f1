"""What columns mean goes with an export: in the Parquet files themselves, and as a data contract beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from support.paths import SAMPLE
from support.repetitions import Soak
from support.some_views import ONE_OF_EACH

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.model.schema import COLUMNS


def read(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text("utf-8"))
    # The standard's own package, where it is installed, takes it too.
    try:
        import json
        from importlib import resources

        import jsonschema
        from open_data_contract_standard.model import OpenDataContractStandard
    except ImportError:
        return dict(content)
    OpenDataContractStandard.from_string(path.read_text("utf-8"))
    schema = resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    jsonschema.validate(content, json.loads(schema))
    return dict(content)


def test_each_column_of_the_parquet_files_says_what_it_is(tmp_path: Path) -> None:
    pda.export(SAMPLE, tmp_path / "runs")
    for file in (tmp_path / "runs").rglob("*.parquet"):
        schema = pq.read_schema(file)
        assert {field.name: field.metadata[b"description"].decode() for field in schema} == {
            column.name: column.meaning for column in COLUMNS
        }
    assert pda.load(tmp_path / "runs").runs.equals(pda.load(SAMPLE).runs)


def test_the_contract_of_a_folder_has_the_hard_rules(tmp_path: Path) -> None:
    pda.export(SAMPLE, tmp_path / "runs", contract=True)
    contract = read(tmp_path / "runs.odcs.yaml")
    assert (contract["kind"], contract["apiVersion"], contract["id"]) == (
        "DataContract", "v3.1.0", "polydoc-analytics-runs",
    )  # fmt: skip
    [table] = contract["schema"]
    columns = {column["name"]: column for column in table["properties"]}
    assert {name for name, column in columns.items() if column["required"]} == {
        "id", "account_id", "created_at", "status", "target_language", "input_file_id",
    }  # fmt: skip
    assert columns["id"]["primaryKey"]
    assert columns["created_at"]["logicalType"] == "timestamp"
    assert columns["credits"] == {
        "name": "credits",
        "logicalType": "integer",
        "physicalType": "BIGINT",
        "description": "credits charged; null is unknown, not 0",
        "required": False,
    }
    assert contract["servers"] == [
        {"server": "export", "type": "local", "path": "runs/**/*.parquet", "format": "parquet"}
    ]
    assert pda.load(tmp_path / "runs").counts.quarantined == 0


def test_the_contract_of_a_database_file_has_every_view_with_its_grain(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "usage.duckdb"
    assert run(["export", str(SAMPLE), str(path), "--contract", "--timezone", "Europe/Lisbon", "--quiet"]) == 0
    contract = read(tmp_path / "usage.duckdb.odcs.yaml")
    with pda.connect(SAMPLE) as db:
        assert {table["name"]: table["dataGranularityDescription"] for table in contract["schema"]} == {
            view.name: view.grain for view in db.catalog.values()
        }
        for table in contract["schema"]:
            if table["name"] not in ONE_OF_EACH and not Soak.is_on:
                continue
            columns = [(one["name"], one["physicalType"], one["description"]) for one in table["properties"]]
            assert columns == db.describe(table["name"]).rows()
    assert "timezone: Europe/Lisbon." in contract["description"]["limitations"]
    assert contract["servers"][0] == {"server": "export", "type": "duckdb", "database": "usage.duckdb"}

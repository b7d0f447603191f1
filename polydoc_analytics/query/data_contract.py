"""A data contract in the Open Data Contract Standard (ODCS): what an export's tables and columns hold."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polydoc_analytics._version import __version__
from polydoc_analytics.loaders.atomic_write import atomic_write
from polydoc_analytics.model.schema import COLUMNS, STATUSES
from polydoc_analytics.model.sql_names import SQL_TYPES

_LOGICAL_TYPES = {"VARCHAR": "string", "BIGINT": "integer", "DOUBLE": "number", "BOOLEAN": "boolean", "DATE": "date"}


@dataclass(frozen=True, slots=True)
class ContractTable:
    """A table or view of a contract: its name, meaning, grain, and columns as properties of the standard."""

    name: str
    kind: str
    description: str
    grain: str
    properties: tuple[Mapping[str, Any], ...]


def run_table(kind: str = "table") -> ContractTable:
    """Return the Run as a table of a contract: hard rules are required columns, the id is the primary key."""
    properties = []
    for column in COLUMNS:
        found: dict[str, Any] = _property(column.name, SQL_TYPES["duckdb"][column.kind].upper(), column.meaning)
        found["required"] = column.required
        if column.name == "id":
            found |= {"primaryKey": True, "primaryKeyPosition": 1, "unique": True}
        if column.name == "status":
            found["logicalTypeOptions"] = {"pattern": f"^({'|'.join(STATUSES)})$"}
        properties.append(found)
    return ContractTable("runs", kind, "Checked, merged runs of the translation service.", "one run", tuple(properties))


def view_table(name: str, title: str, grain: str, columns: Iterable[tuple[str, str, str]]) -> ContractTable:
    """Return a view as a table of a contract; ``columns`` are names, types as DuckDB calls them, and meanings."""
    return ContractTable(name, "view", title, grain, tuple(_property(*column) for column in columns))


def _property(name: str, kind: str, meaning: str) -> dict[str, Any]:
    logical = "timestamp" if kind.startswith("TIMESTAMP") else _LOGICAL_TYPES.get(kind, "string")
    return {"name": name, "logicalType": logical, "physicalType": kind, "description": meaning}


def write_contract(
    destination: str | os.PathLike[str], tables: Iterable[ContractTable], about: Mapping[str, str]
) -> Path:
    """Write the contract of an export beside it, as ``DESTINATION.odcs.yaml``, and return its path.

    ``about`` says by name what the export is of, such as its zone.
    """
    target = Path(destination)
    path = target.with_name(f"{target.name}.odcs.yaml")
    with atomic_write(path) as file:
        file.write(("\n".join(_yaml(_contract(target, tables, about))) + "\n").encode())
    return path


def _contract(target: Path, tables: Iterable[ContractTable], about: Mapping[str, str]) -> dict[str, Any]:
    is_database = target.suffix == ".duckdb"
    server = {"server": "export", "type": "duckdb", "database": target.name} if is_database else {
        "server": "export", "type": "local", "path": f"{target.name}/**/*.parquet", "format": "parquet",
    }  # fmt: skip
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"polydoc-analytics-{target.stem}",
        "name": target.stem,
        "version": __version__,
        "status": "active",
        "description": {
            "purpose": "Usage of the translation service: who translated what, at which cost, and how long it took.",
            "limitations": "Unknown values are null, never 0. " + " ".join(f"{k}: {v}." for k, v in about.items()),
        },
        "servers": [server],
        "schema": [
            {
                "name": table.name,
                "logicalType": "object",
                "physicalType": table.kind,
                "description": table.description,
                "dataGranularityDescription": table.grain,
                "properties": list(table.properties),
            }
            for table in tables
        ],
    }


def _yaml(value: Mapping[str, Any] | list[Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a mapping or a list as YAML; texts are in JSON's quotation marks, which YAML shares."""
    for key, one in value.items() if isinstance(value, Mapping) else ((None, one) for one in value):
        head = f"{indent}- " if key is None else f"{indent}{key}:"
        if not isinstance(one, Mapping | list):
            yield f"{head.rstrip()} {json.dumps(one, ensure_ascii=False)}"
        elif key is None:
            first, *rest = _yaml(one, f"{indent}  ")
            yield head + first.lstrip()
            yield from rest
        else:
            yield head
            yield from _yaml(one, f"{indent}  ")

"""The JSON Schema of ``polydoc-analytics.toml``, made from what checks the file."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from importlib import resources
from typing import Any

from polydoc_analytics.automation.config_fields import ALERT, DELIVERY, REPORT, SCHEDULE
from polydoc_analytics.config import fields as keys
from polydoc_analytics.config.settings import TEXTS
from polydoc_analytics.ingest import connectors
from polydoc_analytics.reports.branding import KEYS as BRANDING

FILE = "polydoc-analytics.schema.json"
_MEANINGS = {
    "timezone": "IANA zone in which days, weeks and months begin",
    "date_basis": "whether a run belongs to when it was created or finished",
    "accounts": "CSV of account_id,name",
    "lake": "folder or URI of the lake",
    "locale": "language and country of reports, such as en_GB",
    "views": "folder of your own views, NAME.sql",
    "engine": "who answers: duckdb, in this process, or spark, a cluster",
    "remote": "address of the cluster, sc://HOST:PORT; one with a token belongs in the environment",
    "longest_row": "size beyond which a row of a text file is quarantined, from 64 KiB to 1 GiB; default: 64 MiB",
}
_BRANDING = {
    "title": "stands above every report's own title",
    "logo": "SVG, PNG or JPEG file of at most 500 KB",
    "accent": "colour of lines and bars, such as #1f5fa8; at least 3:1 on white",
    "warm": "colour of what failed, such as #c2410c; likewise",
    "currency": "ISO 4217 code of the price, such as EUR",
    "price_per_credit": 'exact price of a credit, such as "0.02"; puts money beside credits',
    "locale": "language and country of reports; default: the locale of the settings, else en_GB",
    "fonts": "folder of font files for the PDF, beside those that are built in",
}
_SOURCES = {
    "base": "URL of the service; runs are at {base}/v1/runs",
    "token_env": "environment variable that holds the bearer token",
    "allow_http": "send the token over plain http to another machine, where anyone on the way can read it",
    "dsn_env": "environment variable that holds the connection string",
    "table": "table or view of runs; default: public.run",
    "query": "a SELECT of the Run's columns, in the place of a table",
    "look_back": "how long before the last sync a run may have begun or ended that is read again, such as 12h, 3d, 2w",
    "account_names": "a SELECT of account_id and name",
    "path": "folder, file, glob or URI, or a list of them",
    "input_format": "ndjson, json, csv, parquet or arrow; by default found out",
    "assume_utc": "take times without an offset for UTC",
    "complete_after": "how late its rows come, such as 6h: so much past a period's end `needs` waits for",
    "correct": "take the files for the authority: what they say replaces what is stored",
}


def file_schema() -> dict[str, Any]:
    """Return the schema (2020-12)."""
    texts: dict[str, Any] = {name: {"type": "string", "description": _MEANINGS[name]} for name in TEXTS}
    texts["date_basis"] |= {"enum": ["created", "finished"]}
    texts["engine"] |= {"enum": ["duckdb", "spark"]}
    texts["longest_row"] |= {"pattern": "^[1-9][0-9]{0,9} ?(B|KiB|MiB|GiB)?$"}
    branding: dict[str, Any] = {name: {"type": "string", "description": _BRANDING[name]} for name in BRANDING}
    branding["price_per_credit"] |= {"type": ["string", "integer"]}
    tables = {
        "branding": {"type": "object", "additionalProperties": False, "properties": branding},
        "sources": _named({kind: _source(of) for kind, of in connectors.KINDS.items()}),
        "schedule": keys.schema(SCHEDULE),
        "delivery": _named({kind: keys.schema(of) for kind, of in DELIVERY.items()}),
        "reports": {"type": "array", "items": keys.schema(REPORT)},
        "alerts": {"type": "array", "items": _one_of({k: keys.schema(of) for k, of in ALERT.items()}, "limit")},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "polydoc-analytics.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": texts | tables,
    }


def shipped() -> str:
    """Return the schema's file, as it lies in the package."""
    return resources.files("polydoc_analytics").joinpath(FILE).read_text("utf-8")


def text() -> str:
    """Build the text of the schema file."""
    return json.dumps(file_schema(), indent=1, ensure_ascii=False) + "\n"


def _named(kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _one_of(kinds, None)}


def _one_of(kinds: dict[str, dict[str, Any]], default: str | None) -> dict[str, Any]:
    """Build an if/then schema discriminated by ``kind``."""
    chosen = []
    for kind, of in kinds.items():
        with_kind = {**of, "properties": {"kind": {"const": kind}, **of["properties"]}}
        is_it: dict[str, Any] = {"properties": {"kind": {"const": kind}}}
        if kind != default:
            is_it["required"] = ["kind"]
        chosen.append({"if": is_it, "then": with_kind})
    found: dict[str, Any] = {"type": "object", "properties": {"kind": {"enum": list(kinds)}}, "allOf": chosen}
    return found if default else found | {"required": ["kind"]}


def _source(kind: type[Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for field in fields(kind):
        if field.name == "name":
            continue
        text: dict[str, Any] = {"type": "string"}
        if field.type == "bool":
            text = {"type": "boolean"}
        elif "tuple" in str(field.type):
            text = {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}
        properties[field.name] = text | {"description": _SOURCES[field.name]}
        if field.default is MISSING:
            required.append(field.name)
        elif field.default is not None:
            properties[field.name]["default"] = field.default
    found: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return found | ({"required": required} if required else {})

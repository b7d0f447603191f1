"""The JSON Schema of ``polydoc-analytics.toml``, made from the models that check the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

FILE = "polydoc-analytics.schema.json"


class _Generator(GenerateJsonSchema):
    """Schemas without titles, without null (which TOML has not), and with one branch for each ``kind``."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        default = schema.get("default")
        inner = self.generate_inner(schema["schema"])
        if default is None or isinstance(default, BaseModel | dict):
            return inner
        return {**inner, "default": list(default) if isinstance(default, tuple) else default}

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Build an if/then schema discriminated by ``kind``, so that an editor speaks of the kind that is meant."""
        has_default = callable(schema["discriminator"])  # of alerts, whose first kind need not be named
        branches: list[dict[str, Any]] = []
        for kind, choice in schema["choices"].items():
            is_kind: dict[str, Any] = {"properties": {"kind": {"const": kind}}}
            if not has_default or branches:
                is_kind["required"] = ["kind"]
            branches.append({"if": is_kind, "then": self.generate_inner(choice)})
        union = {"type": "object", "properties": {"kind": {"enum": list(schema["choices"])}}, "allOf": branches}
        return union if has_default else union | {"required": ["kind"]}


def file_schema() -> dict[str, Any]:
    """Build the schema (2020-12)."""
    from polydoc_analytics.config.tables import Document

    schema = Document.model_json_schema(schema_generator=_Generator)
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs"))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "polydoc-analytics.toml"}
    return head | {name: value for name, value in inlined.items() if name not in ("title", "description")}


def shipped() -> str:
    """Read the schema's file, as it lies in the package."""
    return resources.files("polydoc_analytics").joinpath(FILE).read_text("utf-8")


def text() -> str:
    """Build the text of the schema file."""
    return json.dumps(file_schema(), indent=1, ensure_ascii=False) + "\n"


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Replace references by what they refer to, and leave out titles."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    return {
        name: _inlined(part, definitions)
        for name, part in schema.items()
        if name != "$ref" and not (name == "title" and isinstance(part, str))
    }

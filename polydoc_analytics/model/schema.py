"""The Run: one definition, available as Arrow, Polars and pandera schemas.

Hard rules decide what a Run is; a row that breaks one goes to quarantine. Soft rules mark runs that are valid but
suspicious; they are counted in the view ``data_quality`` and nothing is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from polydoc_analytics.model.pyspark_notice import suppress_pyspark_notice

if TYPE_CHECKING:
    import pandera.polars
    import polars as pl
    import pyarrow as pa

Kind = Literal["text", "instant", "integer"]

STATUSES = ("Running", "Succeeded", "Failed")

MIN_INSTANT_US = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z in µs since 1970."""
MAX_INSTANT_US = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z in µs since 1970."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the Run: its name, kind, whether a row must have it, and what it means."""

    name: str
    kind: Kind
    required: bool
    meaning: str

    @property
    def camel(self) -> str:
        """The name that the TypeScript SDK's objects use, such as ``accountId``."""
        return _camel(self.name)


@cache  # asked for with each row that is judged alone
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


COLUMNS = (
    Column("id", "text", True, "unique id of the run"),
    Column("account_id", "text", True, "who is charged"),
    Column("created_at", "instant", True, "when the run was created, UTC"),
    Column("finished_at", "instant", False, "when it finished, UTC; null while Running"),
    Column("status", "text", True, "Running, Succeeded or Failed; finished means not Running"),
    Column("target_language", "text", True, "target language, as the client sent it"),
    Column("credits", "integer", False, "credits charged; null is unknown, not 0"),
    Column("input_tokens", "integer", False, "tokens read; null is unknown"),
    Column("output_tokens", "integer", False, "tokens written; null is unknown"),
    Column("input_file_id", "text", True, "id of the input file"),
    Column("output_file_id", "text", False, "id of the output file; null when there is none"),
)

NAMES = tuple(column.name for column in COLUMNS)
REQUIRED = tuple(column.name for column in COLUMNS if column.required)
TEXTS = tuple(column.name for column in COLUMNS if column.kind == "text")
INSTANTS = tuple(column.name for column in COLUMNS if column.kind == "instant")
INTEGERS = tuple(column.name for column in COLUMNS if column.kind == "integer")

BY_KEY = {key: column for column in COLUMNS for key in (column.camel, column.name)}
"""Every accepted key, snake_case or camelCase, and the column it fills."""

SOFT_RULES = {
    "finished_before_created": "finished_at is before created_at",
    "running_with_finished_at": "Running, yet it has a finished_at",
    "succeeded_without_finished_at": "Succeeded, yet finished_at is unknown",
    "succeeded_without_output_file": "Succeeded, yet there is no output file",
    "succeeded_without_tokens": "Succeeded, yet a token count is unknown",
    "negative_number": "credits or a token count is below 0",
    "created_in_future": "created_at is after now",
    "empty_text": "an id, account, language or file id is empty or blank",
    "replaced_characters": "a text holds U+FFFD, the sign for bytes that were not valid text",
    "unknown_language": "target_language is no language that can be recognised",
    "charged_twice": "two Succeeded runs with credits for one account, input file and language",
    "unlikely_number": "credits or a token count is beyond 10^15, above or below 0",
}

MOST_LIKELY_NUMBER = 10**15
"""The greatest number of credits or tokens, above or below 0, that a run is likely to have."""


@cache
def arrow_schema() -> pa.Schema:
    """Return the Run as an Arrow schema: string, timestamp[us, UTC] and int64 columns."""
    import pyarrow as pa

    types = {"text": pa.string(), "instant": pa.timestamp("us", "UTC"), "integer": pa.int64()}
    return pa.schema([pa.field(c.name, types[c.kind], nullable=not c.required) for c in COLUMNS])


@cache
def described_schema() -> pa.Schema:
    """Return the Arrow schema of the Run, with the meaning of each column in its field's metadata as description."""
    import pyarrow as pa

    fields = zip(arrow_schema(), COLUMNS, strict=True)
    return pa.schema([field.with_metadata({"description": column.meaning}) for field, column in fields])


@cache
def polars_schema() -> pl.Schema:
    """Return the Run as a Polars schema: String, Datetime("us", "UTC") and Int64 columns."""
    import polars as pl

    types: dict[Kind, pl.DataType] = {
        "text": pl.String(),
        "instant": pl.Datetime("us", "UTC"),
        "integer": pl.Int64(),
    }
    return pl.Schema({c.name: types[c.kind] for c in COLUMNS})


@cache
def pandera_schema() -> pandera.polars.DataFrameSchema:
    """Return the Run as a pandera schema for collected Polars frames.

    Validate with ``lazy=True`` and read ``SchemaErrors.failure_cases``: a LazyFrame would have its types checked alone.
    """
    suppress_pyspark_notice()
    import pandera.polars as pandera

    is_status = pandera.Check.isin(STATUSES, error="is_status")
    return pandera.DataFrameSchema(
        {
            c.name: pandera.Column(
                polars_schema()[c.name],
                checks=[is_status] if c.name == "status" else None,
                nullable=not c.required,
            )
            for c in COLUMNS
        },
        strict=True,
        ordered=True,
        name="Run",
    )

"""Names that settings, flags and functions choose from."""

from typing import Literal, get_args

Engine = Literal["duckdb", "spark"]
DateBasis = Literal["created", "finished"]
Format = Literal["html", "pdf", "xlsx", "md", "json"]
ENGINES: tuple[str, ...] = get_args(Engine)
DATE_BASES: tuple[str, ...] = get_args(DateBasis)
FORMATS: tuple[str, ...] = get_args(Format)
REPORT_PERIODS = ("yesterday", "last-week", "last-month", "last-quarter", "last-year")
OUTPUT = "output"
"""The name of the delivery to the place that a report's ``output`` names."""
PLACEHOLDERS = ("report", "period", "edition", "account")
"""Placeholders in braces that a path in the settings may hold."""
SUBJECT_PLACEHOLDERS = ("title", "period", "report", "account", "issuer")
NUMBER_PLACEHOLDERS = ("period", "account", "edition")
"""Placeholders in braces that the pattern of a statement's number may hold."""

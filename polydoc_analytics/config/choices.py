"""Names that settings, flags and functions choose from."""

ENGINES = ("duckdb", "spark")
DATE_BASES = ("created", "finished")
FORMATS = ("html", "pdf", "xlsx", "md", "json")
REPORT_PERIODS = ("yesterday", "last-week", "last-month", "last-quarter", "last-year")
PLACEHOLDERS = ("report", "period", "edition", "account")
"""What a path of the settings may hold in braces."""

"""The one check that a text of SQL is a single statement that reads and does nothing else, anywhere in it.

It looks at the statement as DuckDB itself has parsed it and will run it, so that no second parser can see it in
another way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polydoc_analytics.errors import QueryError

if TYPE_CHECKING:
    import duckdb

EXPECTED = "expected exactly one SELECT statement"
_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        "generate_series histogram histogram_values icu_calendar_names json_each json_tree pg_timezone_names "
        "pragma_show pragma_table_info pragma_version range repeat repeat_row summary unnest duckdb_columns "
        "duckdb_constraints duckdb_databases duckdb_functions duckdb_keywords duckdb_schemas duckdb_settings "
        "duckdb_tables duckdb_types duckdb_views",
    )
)
"""Functions in a FROM that read the views or nothing; others open files, run SQL from a text or change a setting."""
_REFUSED_FUNCTIONS = frozenset(
    {"copy_database", "disable_profile", "enable_profile", "getenv", "nextval", "setval", "write_log"}
)
# A quotation mark inside a JSON string is escaped, so these match keys and values of the serialised tree alone. They do
# not recurse, as a parser of JSON would: a chain of a thousand ORs is nested four thousand deep.
_STRING = r'"((?:[^"\\]|\\.)*)"'
_NODE = re.compile(r'(?<!\\)"type":"(\w+_NODE)"')
_INFO = re.compile(r'(?<!\\)"info_type":"(\w+?)(?:_INFO)?"')
_FUNCTION = re.compile(r'(?<!\\)"function_name":' + _STRING)
_IS_TABLE_FUNCTION = re.compile(r'(?<!\\)"type":"TABLE_FUNCTION"')
_TABLE_FUNCTION = re.compile(
    r'(?<!\\)"function":\{"class":"FUNCTION","type":"FUNCTION","alias":'
    + _STRING
    + r',"query_location":\d+,"query_location_length":\d+,"function_name":'
    + _STRING
)


def serialised(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return DuckDB's JSON of a text's statements; of an error where the text is no SQL or not made of SELECTs."""
    [(text,)] = con.execute("select json_serialize_sql(?)", [sql]).fetchall()
    return str(text)


def check_reads_only(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError unless a text is one statement that only reads, and duckdb.Error where it is no SQL."""
    statements = con.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"{EXPECTED}, not {len(statements) or 'nothing'}")
    text = serialised(con, sql)
    if text.startswith('{"error":true'):
        raise QueryError(f"{EXPECTED}; {_named(statements[0])}")
    if why := refusal(text):
        raise QueryError(f"{EXPECTED}; {why}")


def refusal(text: str) -> str | None:
    """Return the reason why a serialised statement does more than read; None where it only reads."""
    for node in _NODE.findall(text):
        if node not in _READING_NODES:
            return _refused(node.removesuffix("_NODE").removesuffix("_QUERY"))
    if info := _INFO.search(text):
        return _refused(info[1])
    in_from = [name.lower() for _, name in _TABLE_FUNCTION.findall(text)]
    if len(in_from) != len(_IS_TABLE_FUNCTION.findall(text)):  # another version of DuckDB writes its tree otherwise
        return "a function in FROM is refused, for its name is not to be read"
    called = [name.lower() for name in _FUNCTION.findall(text)]
    refused = [name for name in in_from if name not in _TABLE_FUNCTIONS]
    refused += [name for name in called if name in _REFUSED_FUNCTIONS]
    return f"{refused[0]}() is refused: a query reads the views and nothing else" if refused else None


def _named(statement: duckdb.Statement) -> str:
    try:
        kind = statement.type.name.replace("_", " ")
    except ValueError:  # a kind that the Python package has no name for
        return "a query only reads"
    if kind == "MULTI":
        return "PIVOT is several statements unless its columns are named, as in PIVOT … ON x IN ('a', 'b')"
    return _refused(kind)


def _refused(kind: str) -> str:
    return f"{kind} is refused: a query only reads"

"""The service's PostgreSQL: its runs, streamed as Arrow out of one read-only transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from polydoc_analytics.errors import SourceError, UsageError, require_extra
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import arrow
from polydoc_analytics.loaders.formats.arrow_columns import columns_of
from polydoc_analytics.loaders.services.postgres_dsn import parsed
from polydoc_analytics.loaders.services.postgres_errors import explained
from polydoc_analytics.model.schema import BY_KEY
from polydoc_analytics.model.sql_names import identifier

DEFAULT_TABLE = "public.run"

_BATCH_BYTES = 8 * 1024 * 1024
_IDS_AT_ONCE = 100_000
_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\s]+)')
_NAME = re.compile(rf"(?:{_PART.pattern})(?:\.(?:{_PART.pattern})){{0,2}}")
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# The driver gives money in cents, and an oid beyond 2^31 as a negative number.
_CHANGED = {"money": "numeric", "oid": "bigint"}
_TYPE = b"POSTGRESQL:type"

T = TypeVar("T")


def read(
    dsn: str,
    *,
    source: str,
    table: str | None = None,
    query: str | None = None,
    since: datetime | None = None,
    ids: Iterable[str] = (),
    assume_utc: bool = False,
    statement_timeout_s: float | None = None,
) -> Iterator[Work]:
    """Yield the work of checking each batch of runs of a table (``public.run`` unless named) or of a query.

    With ``since``, only the runs created or finished at that instant or later, and those whose id is among ``ids``,
    each once. Without it, all of them. Everything comes from one read-only, repeatable-read transaction, that is, from
    one moment, however long the reading takes. A table is named ``schema.name``, in the case it has in the database; a
    query is one SELECT with the Run's columns, snake_case or camelCase. A row's line is its number in this reading.

    ``statement_timeout_s`` bounds each statement, the time in which its rows are taken included.
    Raises SourceError, in one line, without a word of the password, where the database cannot be reached or read, lacks
    a column, or goes away in mid-read; work already yielded is then not to be kept.
    """
    relation, what = _relation(table, query)
    if since is not None and since.tzinfo is None:
        raise UsageError("since needs an instant with an offset, such as 2026-10-31T00:00:00Z")
    with _Session(dsn, source, what, statement_timeout_s) as session:
        schema = session.schema(f"select * from {relation}")
        plain = pa.schema([field.with_type(pa.string()) if _needs_cast(field) else field for field in schema])
        names = columns_of(plain, session.name, assume_utc=assume_utc)
        _refuse_changed(schema, names, session.name)
        selection = ", ".join(_selected(plain.field(name), schema.field(name), key) for key, name in names.items())
        statements = [f"select {selection} from {relation}"]
        if since is not None:
            recent = _recent(plain, names, since, session.name)
            statements = _incremental(statements[0], recent, schema.field(names["id"]), ids)
        first = session.schema(statements[0])
        batches = (batch for statement in statements for batch in session.batches(statement))
        yield from arrow.read_record_batches(batches, first, source, assume_utc=assume_utc)


def now(dsn: str, *, source: str, table: str | None = None, query: str | None = None) -> datetime:
    """Ask the server of a table or a query for its time. Raises SourceError as :func:`read` does."""
    _, what = _relation(table, query)
    with _Session(dsn, source, what, None) as session:
        [batch] = session.batches("select now() as now")
        at: datetime = batch.column(0).cast(pa.timestamp("us", "UTC"))[0].as_py()
        return at


def account_names(dsn: str, query: str, *, source: str = "accounts") -> dict[str, str]:
    """Return names by account id, from a query with the columns ``account_id`` and ``name``; nulls are left out.

    Of several names for one account the last in alphabetical order is taken. Raises SourceError as :func:`read` does.
    """
    relation, what = _relation(None, query)
    with _Session(dsn, source, what, None) as session:
        schema = session.schema(f"select * from {relation}")
        for column in ("account_id", "name"):
            if schema.names.count(column) != 1:
                raise SourceError(f"{session.name}: needs one column {column}; it has {', '.join(schema.names)}")
        account, name = (_as_text(schema.field(column)) for column in ("account_id", "name"))
        names: dict[str, str] = {}
        for batch in session.batches(
            f"select {account}, {name} from {relation} where {account} is not null and {name} is not null order by 1, 2"
        ):
            names.update(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
        return names


def _relation(table: str | None, query: str | None) -> tuple[str, str]:
    """Build the FROM clause, and its name for messages."""
    if query is not None:
        if table is not None:
            raise UsageError("give a table or a query, not both")
        # The line break keeps a comment at the query's end from swallowing the bracket.
        return f"({query.strip().rstrip(';').rstrip()}\n) as runs", "the query"
    table = DEFAULT_TABLE if table is None else table
    if not _NAME.fullmatch(table) or "\0" in table:
        raise UsageError(f"'{table}' is not the name of a table; expected one like {DEFAULT_TABLE}")
    parts = [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(table)]
    return ".".join(map(identifier, parts)), table


def _needs_cast(field: pa.Field) -> bool:
    """Check whether Arrow has no plain type for a column: uuid, numeric, enum and types of extensions."""
    return isinstance(field.type, pa.BaseExtensionType)


def _refuse_changed(schema: pa.Schema, names: dict[str, str], source: str) -> None:
    """Raise SourceError for a column of a type whose values the driver changes, domains over such a type included."""
    for key, name in names.items():
        kind = ((schema.field(name).metadata or {}).get(_TYPE) or b"").decode("utf-8", "replace")
        if cast := _CHANGED.get(kind):
            column = identifier(name)
            raise SourceError(
                f"{source}: the column {key} is of type {kind}, whose values would not arrive as they are; "
                f"read a query that casts it, such as {column}::{cast} as {key}"
            )


def _selected(plain: pa.Field, field: pa.Field, key: str) -> str:
    is_text = BY_KEY[key].kind == "text" and pa.types.is_string(plain.type)
    return (_as_text(field) if is_text or _needs_cast(field) else identifier(field.name)) + f" as {key}"


def _as_text(field: pa.Field) -> str:
    """Write a column's value as text; of JSON, as a query takes with ``->``, the value without quotation marks."""
    is_json = getattr(field.type, "extension_name", "") == "arrow.json"
    return identifier(field.name) + (" #>> '{}'" if is_json else "::text")


def _recent(schema: pa.Schema, names: dict[str, str], since: datetime, source: str) -> str:
    """Return the condition that a run was created or finished at an instant or later."""
    at = since.astimezone(UTC)
    conditions = []
    for key in ("created_at", "finished_at"):
        if key not in names:
            continue
        kind = schema.field(names[key]).type
        if not pa.types.is_timestamp(kind):
            raise SourceError(
                f"{source}: {key} is no timestamp, so what is new cannot be told; read a query that casts it, such as "
                f"{identifier(names[key])}::timestamptz as {key}, or all of it each time, with sync --full"
            )
        text = at.isoformat()
        literal = f"timestamp '{text.removesuffix('+00:00')}'" if kind.tz is None else f"timestamptz '{text}'"
        conditions.append(f"{identifier(names[key])} >= {literal}")
    return " or ".join(conditions)


def _incremental(selected: str, recent: str, id_field: pa.Field, ids: Iterable[str]) -> list[str]:
    """Return the statement for what is new, and those for the ids that it leaves out, many ids at a time."""
    statements = [f"{selected} where {recent}"]
    if isinstance(id_field.type, pa.UuidType):
        # Compared as uuids, or no index would serve; a text that is none in canonical form names no row.
        rest = iter({one for one in ids if _UUID.fullmatch(one)})
        column, kind = identifier(id_field.name), "uuid"
    else:
        rest = iter({one for one in ids if "\0" not in one})
        column, kind = _as_text(id_field), "text"
    while some := list(islice(rest, _IDS_AT_ONCE)):
        elements = ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in some)
        literal = "E'{" + elements.replace("\\", "\\\\").replace("'", "''") + "}'"
        statements.append(f"{selected} where {column} = any({literal}::{kind}[]) and ({recent}) is not true")
    return statements


class _Session:
    """One connection with one read-only, repeatable-read transaction; what goes wrong in it is a SourceError."""

    def __init__(self, dsn: str, source: str, what: str, statement_timeout_s: float | None) -> None:
        self._dsn = parsed(dsn)
        self.name = f"{source}: {what} at {self._dsn.place}"
        self._is_open = False
        self._readers: list[Any] = []
        require_extra("postgres", f"{source}: PostgreSQL", SourceError)
        from adbc_driver_postgresql import dbapi

        self._connection = self._told(lambda: dbapi.connect(self._dsn.text), is_connecting=True)
        self._is_open = True
        try:
            self._do("set transaction isolation level repeatable read, read only")
            # A database in another encoding would send its own bytes where Arrow expects UTF-8.
            self._do("set local client_encoding to 'UTF8'")
            if statement_timeout_s is not None:
                self._do(f"set local statement_timeout to {max(1, round(statement_timeout_s * 1000))}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the transaction and the connection, whatever state they are in."""
        from adbc_driver_manager import Error

        for one in (*reversed(self._readers), self._connection):
            # What cannot be closed in good order is gone already, or goes with the connection.
            with suppress(Error, OSError, pa.ArrowException):
                one.close()
        self._readers.clear()

    def _do(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            self._told(lambda: cursor.execute(statement))

    def schema(self, statement: str) -> pa.Schema:
        """Return the columns of a statement and their Arrow types."""
        with self._connection.cursor() as cursor:
            return self._told(lambda: cursor.adbc_execute_schema(statement))

    def batches(self, statement: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a statement as they come from the server."""
        from adbc_driver_postgresql import StatementOptions

        cursor = self._connection.cursor()
        self._readers.append(cursor)
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)})
        self._told(lambda: cursor.execute(statement))
        reader = self._told(cursor.fetch_record_batch)
        self._readers.append(reader)
        rows = iter(reader)
        while (batch := self._told(lambda: next(rows, None))) is not None:
            try:
                batch.validate(full=True)
                is_valid = True
            except pa.ArrowInvalid:
                is_valid = False
            if not is_valid:
                raise SourceError(f"{self.name}: holds text that is not UTF-8; check the encoding of the database")
            yield batch
        for one in (reader, cursor):
            one.close()
            self._readers.remove(one)

    def _told(self, call: Callable[[], T], *, is_connecting: bool = False) -> T:
        from adbc_driver_manager import Error

        try:
            return call()
        except (Error, OSError, pa.ArrowException) as error:
            told = explained(error, self._dsn, self.name, is_connecting=is_connecting)
        # Raised out here, so that no context keeps the driver's own message.
        raise told

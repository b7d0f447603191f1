"""A session of Spark Connect, which Apache Spark, Databricks, EMR and Sail speak."""

from __future__ import annotations

import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polydoc_analytics.errors import LakeError, UsageError

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_PORT = 15002
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # By default Spark writes instants as INT96, which no statistics go with.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # Databricks refuses files of a Delta table that are named one by one, unless it is told that this is meant.
    "spark.databricks.delta.formatCheck.enabled": "false",
}


@contextmanager
def spark_session(remote: str) -> Iterator[SparkSession]:
    """Yield a session of its own with a server, named as ``sc://host:port/;token=…``, in UTC.

    What the server refuses is a LakeError of one line, without the token. Raises UsageError where the package is
    missing or the name is no such name.
    """
    shown = without_token(remote)
    parts = urlsplit(shown)
    if parts.scheme != "sc" or not parts.hostname:
        raise UsageError(f"'{shown}' is no Spark Connect server; expected sc://host:port")
    try:
        with warnings.catch_warnings(), _main_of_a_file():
            warnings.simplefilter("ignore")
            import grpc
            from pyspark.errors import PySparkException
            from pyspark.sql.connect.session import SparkSession
    except ImportError:
        raise UsageError("engine spark needs another package; pip install 'polydoc-analytics[spark]'") from None
    try:  # its own client would go on trying for minutes
        socket.create_connection((parts.hostname, parts.port or _PORT), timeout=10).close()
    except OSError as error:
        raise LakeError(f"{shown}: cannot be reached: {error.strerror or error}") from None
    session: SparkSession | None = None
    try:
        session = SparkSession.builder.remote(remote).create()
        for name, value in _SETTINGS.items():
            with suppress(PySparkException):  # some clusters have them fixed; what is written is looked at
                session.conf.set(name, value)
        yield session
    except (PySparkException, grpc.RpcError) as error:
        raise LakeError(f"{shown}: {_first_line(error)}") from None
    except BaseException:
        with suppress(Exception):
            if session is not None:
                session.interruptAll()
        raise
    finally:
        with suppress(Exception):
            if session is not None:
                session.stop()


@contextmanager
def _main_of_a_file() -> Iterator[None]:
    """Let the program seem to come from a file: PySpark takes `python -c` for its own tests, and exits."""
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = "-c"
    try:
        yield
    finally:
        del main.__file__


def without_token(remote: str) -> str:
    """Return the name of a server without the parameters, of which one is a token."""
    return remote.split(";", 1)[0].rstrip("/")


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:300] if lines else type(error).__name__

"""The session in which a Spark Connect server merges and writes: with instants as Delta Lake wants them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.spark.session import Session

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_SETTINGS = {
    # By default Spark writes instants as INT96, which no statistics go with.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # Databricks refuses files of a Delta table that are named one by one, unless it is told that this is meant.
    "spark.databricks.delta.formatCheck.enabled": "false",
}


@contextmanager
def spark_session(remote: str) -> Iterator[SparkSession]:
    """Yield a session of its own with a server, named as ``sc://host:port/;token=…``.

    What the server refuses is a LakeError of one line, without the token. Raises UsageError where the package is
    missing or the name is no such name, SourceError where no server answers.
    """
    session = Session(remote)
    try:
        for name, value in _SETTINGS.items():
            with suppress(Exception):  # some clusters have them fixed; what is written is looked at
                session.spark.conf.set(name, value)
        with session.asking(LakeError) as spark:
            yield spark
    except LakeError:
        raise
    except BaseException:
        with suppress(Exception):
            session.spark.interruptAll()
        raise
    finally:
        session.close()

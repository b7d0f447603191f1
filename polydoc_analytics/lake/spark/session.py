"""A session with a cluster over Spark Connect, and errors in one line that never show a token."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polydoc_analytics.errors import PolydocError, SourceError, UsageError, first_line, missing_extra
from polydoc_analytics.model.pyspark_notice import suppress_pyspark_notice
from polydoc_analytics.safe_text import display_address

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_WAIT_S = 20
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # else an overflow is a null, or wraps
    "spark.sql.variable.substitute": "false",  # else ${x} in a text is taken for a variable
}


def checked(remote: str | None) -> str:
    """Return a remote that can be one; raises UsageError where it is none."""
    if not remote:
        raise UsageError("engine spark needs a remote, such as sc://localhost:15002; say which with remote")
    parts = urlsplit(remote.split(";", 1)[0].rstrip("/"))
    try:
        is_sound = parts.scheme == "sc" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or parts.path:
        raise UsageError(
            "the remote is no address of Spark Connect; expected sc://HOST:PORT, with /;token=… where needed"
        )
    return remote


class Session:
    """A session of one's own with a cluster: its views and settings are seen by nobody else."""

    def __init__(self, remote: str) -> None:
        self._shown = display_address(checked(remote)).rstrip("/")
        self._secrets = re.findall(r";[^;=]+=([^;]+)", remote)
        suppress_pyspark_notice()
        try:
            with _no_doctest():
                import grpc  # noqa: F401 - of the extra too
                import pyspark.sql.connect.catalog
                import pyspark.sql.connect.dataframe
                import pyspark.sql.connect.readwriter  # noqa: F401 - as above, they would be imported later
                from pyspark.sql.connect.client import DefaultChannelBuilder
                from pyspark.sql.connect.session import SparkSession
        except ImportError:
            raise missing_extra("spark", "engine spark") from None
        try:
            builder = DefaultChannelBuilder(remote)
        except Exception as error:
            raise UsageError(f"{self._shown}: {self._told(error)}") from None
        self._reach(builder)
        with self._errors(SourceError):
            self.spark: SparkSession = SparkSession.builder.channelBuilder(builder).create()
            for key, value in _SETTINGS.items():
                self.spark.conf.set(key, value)

    def close(self) -> None:
        """End the session, and with it its views."""
        with suppress(Exception):  # the cluster may be gone; then there is nothing left to end
            self.spark.stop()

    @contextmanager
    def asking(self, kind: type[PolydocError]) -> Iterator[SparkSession]:
        """Yield the session; what fails is raised as an error of that kind, in one line."""
        with self._errors(kind):
            yield self.spark

    def _reach(self, builder: Any) -> None:
        """Wait until the cluster answers, for a while: the client would try for ten minutes."""
        import grpc

        channel = builder.toChannel()
        try:
            grpc.channel_ready_future(channel).result(timeout=_WAIT_S)
        except grpc.FutureTimeoutError:
            raise SourceError(
                f"{self._shown}: no Spark Connect server answers within {_WAIT_S} s; is it started, on this port?"
            ) from None
        finally:
            channel.close()

    @contextmanager
    def _errors(self, kind: type[PolydocError]) -> Iterator[None]:
        import grpc
        from pyspark.errors import PySparkException

        try:
            yield
        except (PySparkException, grpc.RpcError) as error:
            raise kind(f"{self._shown}: {self._told(error)}") from None

    def _told(self, error: BaseException) -> str:
        details = getattr(error, "details", None)
        text = details() if callable(details) else None
        line = str(text).strip().splitlines()[0] if text else first_line(error, 400)
        for secret in self._secrets:
            line = line.replace(secret, "…")
        return line


@contextmanager
def _no_doctest() -> Iterator[None]:
    """Let pyspark be imported under ``python -c`` too, which it takes for its own doctests, and ends."""
    if hasattr(sys, "ps1") or hasattr(sys.modules["__main__"], "__file__"):
        yield
        return
    sys.ps1 = ""
    try:
        yield
    finally:
        del sys.ps1

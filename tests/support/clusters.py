"""Clusters that tests ask: Sail, or the server that SPARK_CONNECT_FOR_TESTS names, and Apache Spark's own server.

The latter is started where POLYDOC_TEST_SPARK_HOME says.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

SPARK_HOME = "POLYDOC_TEST_SPARK_HOME"
"""The folder of a full pyspark (site-packages/pyspark) or of a Spark distribution; it needs Java 17 or later."""


SLOW: set[str] = set()
"""The addresses of clusters of which each query takes seconds."""


LONG_PLANNED = (
    *("request_rates", "request_rates_by_account", "request_rates_by_language", "request_rates_by_account_language"),
    *("request_rates_monthly", "conservation"),
)
"""Views that Apache Spark plans for ten seconds or a minute; request_rates_weekly stands for their file."""


def few(address: str, things: Sequence[str]) -> Sequence[str]:
    """Return all things, or every fourth for a slow cluster."""
    return things[::4] if address in SLOW else things


@pytest.fixture(scope="session")
def sail() -> Iterator[str]:
    """The address of a Sail server in this process, or of a server that sees its files."""
    if named := os.environ.get("SPARK_CONNECT_FOR_TESTS"):
        yield named
        return
    os.environ.setdefault("RUST_LOG", "off")
    os.environ.setdefault("SAIL_EXECUTION__DEFAULT_PARALLELISM", "1")  # of a few rows, more parts cost more to plan
    pysail = pytest.importorskip("pysail.spark", reason="Sail has no wheel for this platform")
    server = pysail.SparkConnectServer()
    server.start()
    host, port = server.listening_address
    yield f"sc://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def apache_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Apache Spark server, started for these tests."""
    home = os.environ.get(SPARK_HOME)
    if not home:
        pytest.skip(f"{SPARK_HOME} names no Apache Spark here; .ci/run does")
    if not shutil.which("java"):
        pytest.skip("there is no Java here, which Apache Spark needs")
    folder = tmp_path_factory.mktemp("spark")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    conf = {
        "spark.connect.grpc.binding.port": port,
        "spark.ui.enabled": "false",
        # Little data: what Java and Spark gain over minutes would cost more than it saves.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": 1,
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.warehouse.dir": folder / "warehouse",
    }
    command = [str(Path(home) / "bin" / "spark-submit"), "--master", "local[2]", "--driver-memory", "3g"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    command += [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    environment = os.environ | {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1"}
    log = folder / "server.log"
    with open(log, "wb") as out:
        server = subprocess.Popen([*command, "spark-internal"], cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        until = time.monotonic() + 120
        while "Spark Connect server started at" not in log.read_text("utf-8", "replace"):
            assert server.poll() is None, log.read_text("utf-8", "replace")[-3000:]
            assert time.monotonic() < until, "Apache Spark did not start within two minutes"
            time.sleep(0.2)
        SLOW.add(f"sc://127.0.0.1:{port}")
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="session", params=["sail", "apache_spark"])
def cluster(request: pytest.FixtureRequest) -> str:
    """The address of each cluster in turn."""
    address: str = request.getfixturevalue(request.param)
    return address


class Meter:
    """A TCP proxy before a cluster, which counts the bytes that go up and come down."""

    def __init__(self, address: str) -> None:
        import threading

        host, port = address.removeprefix("sc://").rsplit(":", 1)
        self.up = self.down = 0
        self._there = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"sc://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        import threading

        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            there = socket.create_connection(self._there)
            for source, target, way in ((here, there, "up"), (there, here, "down")):
                threading.Thread(target=self._carry, args=(source, target, way), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, way: str) -> None:
        try:
            while content := source.recv(65_536):
                setattr(self, way, getattr(self, way) + len(content))
                target.sendall(content)
        except OSError:
            pass
        finally:
            for one in (source, target):
                one.close()

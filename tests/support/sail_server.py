"""A Spark Connect server for tests: Sail, which needs no Java, or the one that SPARK_CONNECT_FOR_TESTS names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def sail() -> Iterator[str]:
    """The address of a server that runs in this process, or sees its files."""
    if named := os.environ.get("SPARK_CONNECT_FOR_TESTS"):
        yield named
        return
    os.environ.setdefault("RUST_LOG", "off")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    host, port = server.listening_address
    try:
        yield f"sc://{host}:{port}"
    finally:
        server.stop()

"""An S3-compatible server on this machine, over HTTP, and what a client must know of it."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.lake_loads import Loaded

from polydoc_analytics import Lake

CANARY = "canary-secret-key-5f3a"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3-compatible server."""
    from moto import backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request, which pytest would keep
    services = list(backends.list_of_moto_modules())
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(backends, "list_of_moto_modules", lambda: services)  # it reads its folder for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        monkeypatch.undo()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment in which an empty bucket, ``bucket``, can be reached; it is set for this process, too."""
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/moto-api/reset", method="POST")).close()
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/bucket", method="PUT")).close()
    environment = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def s3_client(s3: dict[str, str]) -> Iterator[Any]:
    """Another client of the server, boto3's."""
    import boto3

    client = boto3.client("s3", endpoint_url=s3["AWS_ENDPOINT_URL"], region_name=s3["AWS_REGION"])
    yield client
    client.close()


@pytest.fixture
def s3_lake(s3: dict[str, str], loaded: Loaded, tmp_path: Path) -> Callable[..., Lake]:
    """Make a place in the bucket a lake of some loads: the files of one on this machine."""

    def made(uri: str, *numbers: int) -> Lake:
        lake = Lake(uri)
        upload(loaded(tmp_path / "to be uploaded", *numbers), lake)
        return lake

    return made


def upload(folder: Path, lake: Any) -> None:
    """Put the files of a lake on this machine where another one is to be."""
    import obstore

    for file in folder.rglob("*"):
        if file.is_file() and file.stat().st_size:
            obstore.put(lake.place._store, file.relative_to(folder).as_posix(), file)

"""A proxy or certificates of the environment that cannot be used are one line, wherever HTTP is spoken."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

import polydoc_analytics as pda
from polydoc_analytics.automation.delivery.http import post
from polydoc_analytics.automation.delivery.outcomes import RefusedError
from polydoc_analytics.loaders.services import rest_api

UNUSABLE = {
    "a scheme that is none": ("HTTPS_PROXY", "foo://user:canary@proxy", "the proxy cannot be used; check HTTPS_PROXY"),
    "a SOCKS proxy": ("ALL_PROXY", "socks5://user:canary@proxy", r"a SOCKS proxy, .*; pip install 'httpx\[socks\]'"),
    "no file": (
        "SSL_CERT_FILE",
        "/no/such/file.pem",
        "that SSL_CERT_FILE or SSL_CERT_DIR names cannot be used: No such",
    ),
    "no certificate": ("SSL_CERT_FILE", __file__, "that SSL_CERT_FILE or SSL_CERT_DIR names cannot be used: "),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_the_environment_names_is_named_by_its_variables(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, value, message = UNUSABLE[kind]
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    if kind == "a SOCKS proxy":
        monkeypatch.setitem(sys.modules, "socksio", None)
    url = "https://runs.invalid"
    with pytest.raises(pda.SourceError, match=f"^{url}/v1/runs: .*{message}") as fetched:
        rest_api.fetch_runs(url, "token", tmp_path)
    with pytest.raises(pda.SourceError, match=f"^{url}/a.ndjson: cannot be read: .*{message}") as loaded:
        pda.load(f"{url}/a.ndjson")
    with pytest.raises(RefusedError, match=message) as posted:
        post(url, b"{}", {}, 5)
    for caught in (fetched, loaded, posted):
        assert "canary" not in "".join(traceback.format_exception(caught.value))

"""Keys of an AWS profile open object stores, where the environment has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.object_store import CANARY
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.errors import LakeError, SourceError
from polydoc_analytics.loaders.aws_profile import profile_options

Profiles = Callable[..., None]
KNOWN = [f"AWS_{name}" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION", "DEFAULT_REGION", "PROFILE")]
KEYS = f"aws_access_key_id = key\naws_secret_access_key = {CANARY}\n"


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profiles:
    """Write the two files of profiles, which are used in place of those of this machine."""

    def write(credentials: str = "", config: str = "") -> None:
        for name in KNOWN:
            monkeypatch.delenv(name, raising=False)
        for variable, text in (("AWS_SHARED_CREDENTIALS_FILE", credentials), ("AWS_CONFIG_FILE", config)):
            file = tmp_path / variable.lower()
            file.write_text(text)
            monkeypatch.setenv(variable, str(file))

    return write


def test_a_source_and_a_lake_are_opened_by_the_default_profile(s3_client: Any, profiles: Profiles, cli) -> None:
    s3_client.put_object(Bucket="bucket", Key="runs.ndjson", Body=ndjson([wire("a"), wire("b")]))
    profiles(f"[default]\n{KEYS}", "[default]\nregion = us-east-1\n")
    assert pda.load("s3://bucket/runs.ndjson").runs["id"].to_list() == ["a", "b"]
    done = cli("ingest", "s3://bucket/runs.ndjson", "--lake", "s3://bucket/lake")
    assert done.code == 0, done.err
    with pda.connect("s3://bucket/lake") as db:
        assert db.sql("select count(*) from runs").rows() == [(2,)]


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
@pytest.mark.parametrize(
    ("credentials", "config"),
    [
        (f"[default]\naws_access_key_id = other\n[work]\n{KEYS}", "[profile work]\nregion = eu-west-1\n"),
        ("", f"[profile work]\n{KEYS}region = eu-west-1\n"),
        (
            f"[work]\n{KEYS}",
            "[profile work]\naws_access_key_id = older\nregion = eu-west-1\n[profile other]\nregion = x\n",
        ),
    ],
)
def test_the_profile_that_is_named_is_taken_from_both_files(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch, variable: str, credentials: str, config: str
) -> None:
    profiles(credentials, config)
    monkeypatch.setenv(variable, "work")
    expected = {"aws_access_key_id": "key", "aws_secret_access_key": CANARY, "aws_region": "eu-west-1"}
    assert profile_options("s3://bucket/x") == expected
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert "aws_region" not in profile_options("s3://bucket/x")


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_what_the_environment_says_comes_first(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    profiles(f"[default]\n{KEYS}")
    monkeypatch.setenv(variable, "true")
    assert profile_options("s3://bucket/x") == {}


@pytest.mark.parametrize("uri", ["gs://bucket/x", "az://container/x", "/s3/x"])
def test_other_stores_have_no_profile(profiles: Profiles, uri: str) -> None:
    profiles(f"[default]\n{KEYS}")
    assert profile_options(uri) == {}


def test_there_may_be_no_profiles(profiles: Profiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profiles()
    for variable in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / "missing"))
    assert profile_options("s3://bucket/x") == {}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[profile other]\nregion = x\n", "AWS_PROFILE: no profile 'work' in "),
        (
            "[profile work]\nsso_session = office\n",
            r"no access key of its own; run eval \"\$\(aws configure export-credentials --profile work --format env",
        ),
        ("region = x\n", "aws_config_file: cannot be read as AWS profiles: "),
    ],
)
def test_a_profile_that_cannot_be_used_is_told_in_one_line(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch, config: str, message: str
) -> None:
    profiles(f"[default]\n{KEYS}", config)
    monkeypatch.setenv("AWS_PROFILE", "work")
    for error, opened in ((SourceError, pda.load), (LakeError, pda.Lake)):
        with pytest.raises(error, match=message) as told:
            opened("s3://bucket/runs.ndjson")
        assert "\n" not in str(told.value)
        assert CANARY not in str(told.value)

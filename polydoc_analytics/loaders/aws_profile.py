"""Keys of the AWS profile on this machine, ``~/.aws``, which neither obstore nor deltalake reads."""

from __future__ import annotations

import os
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path

from polydoc_analytics.errors import SourceError

_ELSEWHERE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables of which each says where keys come from, before any profile."""
_KEYS = {
    "aws_access_key_id": "aws_access_key_id",
    "aws_secret_access_key": "aws_secret_access_key",
    "aws_session_token": "aws_session_token",
    "region": "aws_region",
    "endpoint_url": "aws_endpoint_url",
}
"""Options of a store by their names in a profile."""
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def profile_options(uri: str) -> dict[str, str]:
    """Options of a store at an ``s3://`` URI, from the profile ``AWS_PROFILE``, or else ``default``.

    Empty for other URIs, and where the environment says itself where keys come from. What it says of the region and the
    endpoint stands. Raises SourceError where the profile that is named is missing or has no keys of its own, such as
    one of a single sign-on.
    """
    if not uri.startswith("s3://") or any(name in os.environ for name in _ELSEWHERE):
        return {}
    named = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    name = named or "default"
    files = [_file("AWS_CONFIG_FILE", "config"), _file("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
    in_config, in_credentials = map(_read, files)
    sections = [(in_config, f"profile {name}"), (in_config, name), (in_credentials, name)]
    found = [dict(config[section]) for config, section in sections if config.has_section(section)]
    profile = {key: value for section in found for key, value in section.items()}
    if named and not found:
        raise SourceError(f"AWS_PROFILE: no profile '{named}' in {files[0]} or {files[1]}")
    if named and "aws_access_key_id" not in profile:
        raise SourceError(
            f"AWS_PROFILE: profile '{named}' has no access key of its own; "
            f'run eval "$(aws configure export-credentials --profile {named} --format env)" first'
        )
    options = {option: profile[key] for key, option in _KEYS.items() if key in profile}
    if any(variable in os.environ for variable in _REGIONS):
        options.pop("aws_region", None)
    if "AWS_ENDPOINT_URL" in os.environ:
        options.pop("aws_endpoint_url", None)
    return options


def _file(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or Path("~/.aws") / name).expanduser()


def _read(file: Path) -> ConfigParser:
    config = ConfigParser(interpolation=None, default_section="")
    try:
        config.read(file, encoding="utf-8")
    except (OSError, UnicodeError, ConfigError) as error:
        raise SourceError(f"{file}: cannot be read as AWS profiles: {str(error).splitlines()[0]}") from None
    return config

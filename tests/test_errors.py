"""Errors: what an extra brings, and the line that says that it is missing."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Any

import pytest
from support.paths import ROOT
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.errors import EXTRAS, SourceError, UsageError, require_extra

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _brought(extra: str) -> set[str]:
    """The distributions of an extra, with those of the extras that it names."""
    found: set[str] = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        name, extras = re.fullmatch(r"([\w-]+)(?:\[([\w,-]+)\])?.*", requirement).groups()  # type: ignore[union-attr]
        found |= set().union(*map(_brought, extras.split(","))) if extras else {name}
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_looked_for_is_what_the_extra_brings(extra: str) -> None:
    distributions = packages_distributions()
    homes = {module: {name.lower() for name in distributions[module]} for module in EXTRAS[extra]}
    brought = _brought(extra) | ({"grpcio", "pandas"} if extra == "spark" else set())  # what pyspark-client brings
    assert [module for module, names in homes.items() if not names & brought] == []
    plain = {re.match(r"[\w-]+", requirement)[0] for requirement in PROJECT["dependencies"]}  # type: ignore[index]
    assert not plain & brought


def test_all_is_every_part_but_spark_and_jupyter() -> None:
    parts = ("lake", "reports", "schedule", "api", "postgres")
    assert _brought("all") == set().union(*map(_brought, parts))


@pytest.mark.parametrize(
    ("extra", "module", "arguments"),
    [
        ("lake", "deltalake", ["ingest", "{sample}", "--lake", "lake"]),
        ("lake", "filelock", ["doctor", "--lake", "lake"]),
        ("reports", "typst", ["report", "{sample}"]),
        ("reports", "babel", ["report", "{sample}", "--format", "md"]),
        ("schedule", "cronsim", ["schedule", "due", "--lake", "lake"]),
        ("schedule", "jinja2", ["alerts", "check", "--lake", "lake"]),
        ("spark", "grpc", ["usage", "runs", "--engine", "spark", "--remote", "sc://127.0.0.1:1"]),
    ],
)
def test_a_command_whose_packages_are_missing_says_how_to_install_them(
    extra: str, module: str, arguments: list[str], cli: Any, file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = file([wire()])
    assert cli("export", sample, "runs").code == 0
    monkeypatch.setitem(sys.modules, module, None)
    done = cli(*(argument.replace("{sample}", sample) for argument in arguments))
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert re.fullmatch(rf"error: \S.* needs another package; pip install 'polydoc-analytics\[{extra}\]'", line)


def test_in_python_too(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pda.connect(file([wire()])) as db:
        for extra, module, call in (
            ("reports", "jinja2", lambda: pda.build(db)),
            ("notebook", "altair", lambda: pda.charts.usage_over_time(db)),
            ("lake", "deltalake", lambda: pda.Lake("lake")),
        ):
            monkeypatch.setitem(sys.modules, module, None)
            with pytest.raises(UsageError, match=rf"; pip install 'polydoc-analytics\[{extra}\]'$"):
                call()


def test_the_kind_of_the_error_is_that_of_what_needs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extra("postgres", "db: PostgreSQL")
    monkeypatch.setitem(sys.modules, "adbc_driver_manager", None)
    with pytest.raises(SourceError, match=r"^db: PostgreSQL needs another package; "):
        require_extra("postgres", "db: PostgreSQL", SourceError)


def test_settings_of_a_part_that_is_not_installed_do_not_stop_the_others(
    cli: Any, file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = file([wire()])
    settings = '[[reports]]\nname = "w"\nkind = "overview"\nschedule = "weekly"\nperiod = "last-week"\noutput = "out"\n'
    file(settings.encode(), "polydoc-analytics.toml")
    for module in ("cronsim", "babel", "deltalake"):
        monkeypatch.setitem(sys.modules, module, None)
    assert cli("usage", sample, "--json").code == 0
    assert cli("config", "check").code == 0
    file(settings.replace("weekly", "0 7 * *").encode(), "polydoc-analytics.toml")
    assert cli("config", "check").code == 2

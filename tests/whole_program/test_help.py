"""``help()`` on every public name says what it is, what it takes and what comes back."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.model.schema import NAMES


def public() -> Iterator[tuple[str, Any]]:
    """Every public name, with the functions of public modules and the members of public classes."""
    for name in pda.__all__:
        value = getattr(pda, name)
        yield name, value
        if inspect.ismodule(value):
            functions = inspect.getmembers(value, inspect.isfunction)
            own = {each: function for each, function in functions if function.__module__ == value.__name__}
        elif inspect.isclass(value):
            bases = [
                base for base in reversed(value.__mro__) if base is value or base.__module__.endswith("lake.reader")
            ]
            members = {each: member for base in bases for each, member in vars(base).items()}
            own = {each: member for each, member in members.items() if hasattr(member, "__doc__")}
            own = {each: member for each, member in own.items() if inspect.getdoc(member) and not is_plain(member)}
        else:
            own = {}
        yield from ((f"{name}.{each}", member) for each, member in own.items() if not each.startswith("_"))


def is_plain(member: Any) -> bool:
    return isinstance(member, str | int | tuple | type) or type(member).__name__ == "member_descriptor"


def function_of(value: Any) -> Any:
    """The function behind a property or a cached one."""
    for attribute in ("fget", "func", "__wrapped__"):
        value = getattr(value, attribute, None) or value
    return value


PUBLIC = dict(public())
FUNCTIONS = {name: function_of(value) for name, value in PUBLIC.items() if inspect.isfunction(function_of(value))}
each = pytest.mark.parametrize("name", PUBLIC)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def words(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split())


@each
def test_a_public_name_has_a_docstring_of_its_own(name: str) -> None:
    text = words(PUBLIC[name])
    assert len(text) > 20
    assert text.endswith(".")
    assert not text.startswith(f"{name.rpartition('.')[2]}(")  # what dataclasses write by themselves


@each_function
def test_a_function_says_what_comes_back(name: str) -> None:
    function, text = FUNCTIONS[name], words(FUNCTIONS[name])
    returns = function.__annotations__["return"]
    if returns in ("None", "bool") or isinstance(PUBLIC[name], property) or PUBLIC[name] is not function:
        return
    assert re.search(r"\b(Return|return|Returns|The result)\b", text)


@each_function
def test_a_function_names_its_parameters_or_says_where_they_are_explained(name: str) -> None:
    text = explained(FUNCTIONS[name])
    parameters = set(inspect.signature(FUNCTIONS[name]).parameters) - {"self", "source", "db", "frame"}
    unnamed = parameters - set(re.findall(r"\w+", text))
    # What there is to say of the only parameter, the name of the function says.
    assert not unnamed or len(parameters) == 1, unnamed


def explained(function: Any) -> str:
    """A docstring and those that it refers to."""
    text = words(function)
    referred = re.findall(r":(?:func|meth):`(?:polydoc_analytics\.)?([\w.]+)`", text)
    return " ".join([text, *(words(FUNCTIONS[name]) for name in referred if name in FUNCTIONS)])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> pda.Lake:
    lake = pda.Lake(tmp_path_factory.mktemp("lake"))
    lake.ingest(pl.DataFrame([wire(), wire("b")]))
    return lake


def test_what_returns_a_frame_names_its_columns(lake: pda.Lake) -> None:
    with pda.connect(lake) as db:
        loads, explanation = db.loads, db.explain(period="2026-03")
        outlook = db.outlook(by="account")
        assert loads is not None
        frames = {
            "Database.views": db.views(),
            "Database.describe": db.describe("usage"),
            "Database.quarantine": db.quarantine,
            "Database.loads": loads,
            "Outlook.frame": outlook.frame,
            **{
                f"Explanation.{name}": getattr(explanation, name)
                for name in ("effects", "by_account", "by_language", "cells")
            },
            "Lake.loads": lake.loads(),
            "Lake.history": lake.history(),
            "Lake.quarantine": lake.quarantine(),
        }
    for name, frame in frames.items():
        text = explained(FUNCTIONS[name])
        named = {*re.findall(r"\w+", text), *(NAMES if "the Run's columns" in text else ())}
        assert set(frame.columns) <= named, name
    others = {name for name, function in FUNCTIONS.items() if "pl.DataFrame" in str(function.__annotations__["return"])}
    assert others == {*frames, "Database.view", "Database.sql", "Database.fetch", "Database.with_total"}
    assert ":meth:`describe`" in words(pda.Database.view)  # whose columns are those of the view


def test_every_view_and_column_explains_itself(lake: pda.Lake) -> None:
    with pda.connect(lake) as db:
        for view, title, grain in db.views().rows():
            assert title.endswith(".")
            assert len(grain) > 5
            described = db.describe(view)
            assert described["column"].to_list() == db.view(view).columns
            assert all(len(meaning) >= len("runs") for meaning in described["meaning"])


def test_help_on_the_package_lists_the_public_names(capsys: pytest.CaptureFixture[str]) -> None:
    import pydoc

    text = pydoc.render_doc(pda, renderer=pydoc.plaintext)
    assert all(name in text for name in pda.__all__)
    assert Path(pda.__file__).name in text

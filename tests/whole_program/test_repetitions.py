"""`just soak` runs every test that tries more there, also where only a function that it calls does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.repetitions import Soak, often, tries_more


def seldom() -> int:
    return often(5, 2)


def in_a_fixture() -> bool:
    return Soak.is_on


def plain() -> list[int]:
    return [len(str(Any)) for _ in range(2)]


@pytest.mark.parametrize(
    ("test", "fixture", "expected"),
    [
        (seldom, plain, True),
        (lambda: [seldom() for _ in range(2)], plain, True),
        (plain, in_a_fixture, True),
        (plain, plain, False),
    ],
)
def test_what_tries_more_is_among_the_long_checks(test: Any, fixture: Any, expected: bool) -> None:
    fixtures = {"made": [SimpleNamespace(func=fixture)]}
    item: Any = SimpleNamespace(function=test, _fixtureinfo=SimpleNamespace(name2fixturedefs=fixtures))
    assert tries_more(item) is expected

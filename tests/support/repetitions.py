"""How often a law is tried: seldom in `just test`, often in `just soak`."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings


class Soak:
    """``is_on`` before the tests are imported, where `just soak` runs them."""

    is_on = False


def slow(*values: Any) -> Any:
    """Values of a parametrised test that are tried by `just soak` alone."""
    return pytest.param(*values, marks=pytest.mark.slow)


def often(many: int, few: int) -> int:
    """Return how often to try: so many times in `just soak`, and so few otherwise."""
    return many if Soak.is_on else few


def tries_more(item: pytest.Item) -> bool:
    """Check whether a test, its fixtures or the functions that these call try more in `just soak`."""
    waiting: list[Any] = [getattr(item, "function", None)]
    waiting += [one[-1].func for one in item._fixtureinfo.name2fixturedefs.values()]  # type: ignore[attr-defined]
    seen: set[FunctionType] = set()
    while waiting:
        function = waiting.pop()
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        called = [function.__globals__.get(name) for name in _names(function.__code__)]
        if any(one is Soak or one is often for one in called):
            return True
        waiting += called
    return False


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)


def examples(many: int, few: int) -> settings:
    """Settings of a law: so many examples in `just soak`, and so few otherwise. They may take long."""
    return settings(max_examples=often(many, few), deadline=None, suppress_health_check=list(HealthCheck))

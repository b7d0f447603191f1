"""How often a law is tried: seldom in `just test`, often in `just soak`."""

from __future__ import annotations

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


def examples(many: int, few: int) -> settings:
    """Settings of a law: so many examples in `just soak`, and so few otherwise. They may take long."""
    return settings(max_examples=often(many, few), deadline=None, suppress_health_check=list(HealthCheck))

"""How often a law is tried: seldom in `just test`, often in `just soak`."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """Values of a parametrised test that are tried by `just soak` alone."""
    return pytest.param(*values, marks=pytest.mark.slow)

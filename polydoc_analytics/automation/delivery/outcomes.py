"""How a try can fail: nobody took it, or nobody knows."""

from __future__ import annotations


class RefusedError(Exception):
    """The other side did not take it; ``wait_s`` is how long it asked to be left alone, or 0."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class UncertainError(Exception):
    """Everything was handed over and no answer came: the other side may have taken it."""

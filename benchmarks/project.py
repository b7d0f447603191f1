"""The project itself: what an install weighs and how long the tests take."""

from __future__ import annotations

import subprocess

from measuring import HERE, PYTHON, watched
from results import Row, measured


def installs() -> list[Row]:
    """Megabytes and seconds of a fresh install, plain and with each extra, against its budget."""
    done = subprocess.run([PYTHON, HERE.parent / ".ci" / "installs.py"], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    return [
        {"name": part, "megabytes": float(size), "budget": float(budget), "seconds": float(seconds)}
        for part, size, budget, seconds in lines
    ]


def tests() -> list[Row]:
    """Seconds of the tests, as the README runs them, without their installation."""
    done = watched([PYTHON, "-m", "pytest", "-q", str(HERE.parent / "tests")])
    return [
        measured(
            "the tests, as the README runs them / limit", done.seconds, 240, f"{done.processor:.0f} processor seconds"
        )
    ]

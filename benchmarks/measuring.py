"""Whole processes, timed in turn, and one line of the table for each comparison."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE / "work"
PYTHON = sys.executable


@dataclass
class Timing:
    """Seconds and peak memory of some whole processes."""

    seconds: list[float]
    megabytes: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MB."""
    import time

    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode()}")
    return seconds, usage.ru_maxrss / 1024


def duel(a: list[str], b: list[str], repeat: int, clean: Callable[[], None] = lambda: None) -> tuple[Timing, Timing]:
    """Run two commands in turn, after one run of each that does not count."""
    first, second = Timing([]), Timing([])
    for turn in range(repeat + 1):
        for timing, command in ((first, a), (second, b)):
            clean()
            seconds, megabytes = timed(command)
            if turn:
                timing.seconds.append(seconds)
                timing.megabytes = max(timing.megabytes, megabytes)
    return first, second


def cli(*arguments: object) -> list[str]:
    return [PYTHON, "-m", "polydoc_analytics", *map(str, arguments)]


def in_process(setup: str, statement: str, times: int = 5) -> list[str]:
    """A process that prints how long a statement took, the best of some times."""
    code = (
        "import time\n"
        + setup
        + f"\nbest = 1e9\nfor _ in range({times}):\n    began = time.perf_counter()\n    "
        + statement
        + "\n    best = min(best, time.perf_counter() - began)\nprint(best)"
    )
    return [PYTHON, "-c", code]


def seconds_of(command: list[str], *, check_only: bool = False) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return 0.0 if check_only else float(done.stdout.split()[-1])


def once(code: str) -> None:
    subprocess.run([PYTHON, "-c", code], check=True)


def row(name: str, ours: float, floor: float | None, note: str = "") -> None:
    ratio = f"{ours / floor:6.2f}" if floor else "     –"
    other = f"{floor:9.3f}" if floor else "        –"
    print(f"{name:<58} {ours:9.3f} {other} {ratio}  {note}", flush=True)


def data(runs: int, broken: int = 0) -> Path:
    path = WORK / f"runs-{runs}{f'-broken-{broken}' if broken else ''}.ndjson"
    if not path.exists():
        subprocess.run(cli("sample", path, "--runs", runs, "--seed", 1, "--broken", broken, "-q"), check=True)
    return path

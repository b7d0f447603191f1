"""Whole processes, timed in turn, with the peak memory of all that they start."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE / "work"
PYTHON = sys.executable
FOREIGN = ("dlt", "hypothesis", "pandas", "pysail", "pyspark")
"""Packages of other contestants and of the tests, which a plain install lacks; pandera imports three where they are."""

_LOOK_EVERY_S = 0.05
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
_MOST_MB = 0.8 * _PAGE_MB * os.sysconf("SC_PHYS_PAGES")
_MOST_SECONDS = 3_600


class FailedError(Exception):
    """A process that did not do its work: why, in one line."""


@dataclass
class Finished:
    """A process that has ended: seconds, those until it said "stored", those of processors, peak memory, last line."""

    seconds: float
    stored: float
    processor: float
    megabytes: float
    answer: str


@dataclass
class Timing:
    """Seconds, processor seconds and peak memory of some whole processes."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def median_processor(self) -> float:
        return statistics.median(self.processor)


def watched(command: list[str]) -> Finished:
    """Run a command to its end. Memory is the resident memory of the process and all below it, added up.

    It is looked at every 50 ms, where there is a /proc; a peak of the process alone is never missed. A process that is
    about to take the whole machine's memory, or takes more than an hour, is stopped. Raises FailedError.
    """
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, start_new_session=True)
        assert process.stdout is not None
        watcher = _Watcher(process.pid)
        stored, answer = 0.0, ""
        try:
            for line in process.stdout:
                if line == b"stored\n":
                    stored = time.perf_counter() - began
                else:
                    answer = line.decode()
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C does not reach it by itself, for it has a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.end()
        process.stdout.close()
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no word"]
            raise FailedError(watcher.stopped_for or f"exit {process.returncode}: {lines[-1]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    processor = usage.ru_utime + usage.ru_stime
    return Finished(seconds, stored, processor, max(watcher.megabytes, usage.ru_maxrss / unit), answer)


class _Watcher:
    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self.stopped_for = ""
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        last = time.perf_counter() + _MOST_SECONDS
        while not self._ended.wait(_LOOK_EVERY_S):
            now = sum(_resident(pid) for pid in _family(self._pid))
            self.megabytes = max(self.megabytes, now)
            if now > _MOST_MB:
                self.stopped_for = f"stopped at {now / 1024:.0f} GiB of memory"
            elif time.perf_counter() > last:
                self.stopped_for = f"stopped after {_MOST_SECONDS:,} s"
            if self.stopped_for:
                os.killpg(self._pid, signal.SIGKILL)
                return


def _family(pid: int) -> list[int]:
    """A process and those below it; on Linux alone it has any."""
    family = [pid]
    for member in family:
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                family += map(int, children.read_text().split())
            except OSError:  # it has just ended
                continue
    return family


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
    except OSError:
        return 0.0


def duel(a: list[str], b: list[str], repeat: int, clean: Callable[[], None] = lambda: None) -> tuple[Timing, Timing]:
    """Run two commands in turn, after one run of each that does not count."""
    first, second = Timing(), Timing()
    for turn in range(repeat + 1):
        for timing, command in ((first, a), (second, b)):
            clean()
            done = watched(command)
            if turn:
                timing.seconds.append(done.seconds)
                timing.processor.append(done.processor)
                timing.megabytes = max(timing.megabytes, done.megabytes)
    return first, second


def hiding(*packages: str) -> str:
    """Python code that makes packages look as if they were not installed."""
    return f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom plain import hide\nhide(*{packages!r})\n"


def cli(*arguments: object) -> list[str]:
    """Build a call of the command line as a plain installation has it."""
    call = "from polydoc_analytics.cli import main\nsys.exit(main())"
    return [PYTHON, "-c", hiding(*FOREIGN) + call, *map(str, arguments)]


def script(path: Path, *arguments: object, hide: tuple[str, ...] = ()) -> list[str]:
    """Build a call of a script in an environment without some packages."""
    if not hide:
        return [PYTHON, str(path), *map(str, arguments)]
    call = f"import runpy\nsys.argv[0] = {str(path)!r}\nsys.path[0] = {str(path.parent)!r}\n"
    return [
        PYTHON,
        "-c",
        f"{hiding(*hide)}{call}runpy.run_path(sys.argv[0], run_name='__main__')",
        *map(str, arguments),
    ]


def in_process(setup: str, statement: str, times: int = 5, clock: str = "perf_counter") -> list[str]:
    """Build a process that prints how long a statement took, the best of some times, by a clock of `time`."""
    code = (
        f"{hiding(*FOREIGN)}import time\n{setup}\nbest = 1e9\nfor _ in range({times}):\n    began = time.{clock}()\n"
        f"    {statement}\n    best = min(best, time.{clock}() - began)\nprint(best)"
    )
    return [PYTHON, "-c", code]


def seconds_of(command: list[str]) -> float:
    """Run a process and read the seconds that it printed."""
    return float(watched(command).answer)


def once(code: str) -> None:
    subprocess.run([PYTHON, "-c", code], check=True)

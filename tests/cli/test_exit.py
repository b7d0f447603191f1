"""A command ends at once, and nothing that was to happen at the end is lost by it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def _printed(before: str) -> list[str]:
    """Run ``--version`` as the entry point does, after some code, and return the lines of its output."""
    code = f"{before}\nfrom polydoc_analytics.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_is_registered_for_the_end_is_done_and_its_output_printed() -> None:
    version, *others = _printed("import atexit\natexit.register(print, 'last')\natexit.register(print, 'first')")
    assert version.startswith("polydoc-analytics ")
    assert others == ["first", "last"]


def test_a_thread_at_work_is_waited_for() -> None:
    work = "import threading, time\nthreading.Thread(target=lambda: (time.sleep(1), print('done'))).start()"
    assert _printed(work)[1:] == ["done"]


@pytest.mark.parametrize(
    ("watcher", "finding"),
    [("cProfile -m", "function calls"), ("trace --listfuncs --module", "functions called")],
)
def test_a_profiler_and_a_tracer_print_what_they_found(watcher: str, finding: str) -> None:
    call = [sys.executable, "-m", *watcher.split(), "polydoc_analytics", "--version"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert finding in done.stdout


def test_a_mistake_ends_with_its_code_and_its_message() -> None:
    call = [sys.executable, "-m", "polydoc_analytics", "usage", "no-such-file"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("no such file or folder\n")

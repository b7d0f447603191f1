"""A command ends at once, and nothing that was to happen at the end is lost by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_AT_ONCE = """
def at_once(*arguments):
    begin(*arguments)
    if arguments[0] == alarm and next(late, False):
        os.kill(os.getpid(), signal.SIGALRM)
"""
_LOOKING = """
os.kill(os.getpid(), signal.SIGTERM)
print("found")
"""


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


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
@pytest.mark.parametrize(("call", "alarm"), [("setitimer", "ITIMER_REAL"), ("signal", "SIGALRM")])
def test_an_alarm_while_the_handler_is_at_work_ends_nothing_that_it_waits_for(call: str, alarm: str) -> None:
    """Some of what a handler calls is Python's own, in frames of the standard library."""
    program = (
        "import os, signal, time; from polydoc_analytics.cli import signals; signals.end_in_order();"
        f"begin, alarm, late = signal.{call}, signal.{alarm}, iter([True]);"
        f"exec({_AT_ONCE!r}); signal.{call} = at_once;"
        f"exec(compile({_LOOKING!r}, '<frozen importlib._bootstrap>', 'exec')); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-u", "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.returncode) == ("found\n", 143)


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
@pytest.mark.parametrize(
    ("name", "before", "code"),
    [("SIGTERM", "SIG_DFL", 143), ("SIGHUP", "SIG_DFL", 129), ("SIGINT", "default_int_handler", -signal.SIGINT)],
)
def test_a_signal_waits_while_python_looks_for_a_module(name: str, before: str, code: int) -> None:
    """Broken off in there, an import can keep Python's lock, for which other threads would wait for ever."""
    looking = "print('begun', flush=True); time.sleep(0.5); [len(str(number)) for number in range(9)]; print('found')"
    program = (
        f"import signal, time; signal.signal(signal.{name}, signal.{before});"  # nohup ignores one
        "from polydoc_analytics.cli.signals import end_in_order; end_in_order();"
        f'exec(compile("{looking}", "<frozen importlib._bootstrap>", "exec")); time.sleep(60)'
    )
    command = [sys.executable, "-u", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "begun\n"
        started.send_signal(getattr(signal, name))
        said, _ = started.communicate(timeout=30)
    assert (said, started.returncode) == ("found\n", code)

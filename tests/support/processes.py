"""Processes of Python that begin with the package imported: forks of one process that has done nothing else.

The imports are most of what a short process costs. Outside Linux each process is a new one.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from typing import IO, Any

from support.paths import with_support

_IMPORTED = (
    *("polydoc_analytics.cli", "polydoc_analytics.ingest.pipeline", "polydoc_analytics.lake.lake", "pandera.polars"),
    *("deltalake", "duckdb", "numpy", "obstore", "polars", "pyarrow.ipc", "pyarrow.parquet"),
)

_FORKING = """
import gc, json, os, signal, socket, sys

def forked(requests):
    # None where no more is asked for; in a new process, the script that it is to run.
    while True:
        content, pipes, *_ = socket.recv_fds(requests, 1 << 20, 4)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if not content:
            return None
        if not os.fork():  # a process that waits for the one that is asked for, and tells how it ended
            requests.close()
            *streams, told = pipes
            process = os.fork()
            if not process:
                os.close(told)
                for number, pipe in enumerate(streams):
                    os.dup2(pipe, number)
                    os.close(pipe)
                asked = json.loads(content)
                os.environ.clear()
                os.environ.update(asked["env"])
                os.chdir(asked["cwd"])
                sys.argv = ["-c", *asked["arguments"]]
                signal.signal(signal.SIGINT, signal.default_int_handler)
                return asked["script"]
            for pipe in streams:
                os.close(pipe)
            os.write(told, b"%d\\n" % process)
            os.write(told, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
            os._exit(0)
        for pipe in pipes:
            os.close(pipe)

signal.signal(signal.SIGINT, signal.SIG_IGN)
for name in sys.argv[2:]:
    __import__(name)
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)
script = forked(socket.socket(fileno=int(sys.argv[1])))
if script is None:
    try:
        while True:
            os.wait()
    except ChildProcessError:
        sys.exit()
exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)  # what was imported need not be taken to pieces
"""


class Forked:
    """A forked process, with that part of `subprocess.Popen` that tests use."""

    def __init__(self, requests: socket.socket, asked: dict[str, Any]) -> None:
        (stdin, self_in), (self_out, stdout), (self_err, stderr), (self_told, told) = (os.pipe() for _ in range(4))
        pipes = (stdin, stdout, stderr, told)
        socket.send_fds(requests, [json.dumps(asked).encode()], pipes)
        for pipe in pipes:
            os.close(pipe)
        self.stdin: IO[str] | None = os.fdopen(self_in, "w", encoding="utf-8")
        self.stdout: IO[str] | None = os.fdopen(self_out, encoding="utf-8")
        self.stderr: IO[str] | None = os.fdopen(self_err, encoding="utf-8")
        self._told = os.fdopen(self_told, encoding="ascii")
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Close its input, wait for its end, and return what is left of its output and errors."""
        found = ["", ""]

        def read(at: int, stream: IO[str]) -> None:
            with stream:
                found[at] = stream.read()

        assert self.stdin
        assert self.stdout
        assert self.stderr
        self.stdin.close()
        streams = [stream for stream in (self.stdout, self.stderr) if not stream.closed]
        readers = [threading.Thread(target=read, args=one, daemon=True) for one in enumerate(streams)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout)
        self.wait(timeout)
        return found[0], found[1]


Process = Forked | subprocess.Popen[str]


@functools.cache
def _requests() -> socket.socket:
    """Start the process that forks; what it is asked for goes through this socket."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _FORKING, str(there.fileno()), *_IMPORTED],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            env=with_support(POLARS_MAX_THREADS="1"),
        )

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here


def start(script: str, *arguments: object, env: dict[str, str] | None = None, cwd: object = None) -> Process:
    """Start Python on a script, with the tests' folder on its path; its input, output and errors are pipes."""
    environment, given = with_support(**(env or {})), [str(argument) for argument in arguments]
    if sys.platform == "linux":
        asked = {"script": script, "arguments": given, "env": environment, "cwd": str(cwd or os.getcwd())}
        return Forked(_requests(), asked)
    return subprocess.Popen(
        [sys.executable, "-c", script, *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=str(cwd) if cwd else None,
    )


def finished(
    script: str, *arguments: object, env: dict[str, str] | None = None, cwd: object = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run Python on a script to its end."""
    process = start(script, *arguments, env=env, cwd=cwd)
    out, err = process.communicate(timeout=timeout)
    assert process.returncode is not None
    return subprocess.CompletedProcess([script], process.returncode, out, err)

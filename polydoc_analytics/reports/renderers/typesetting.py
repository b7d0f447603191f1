"""Setting of PDFs by Typst: in this process or, for many documents, in several.

Threads of one process wait for each other whenever Typst takes memory and gives it back, for a quarter of their time.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from queue import SimpleQueue
from typing import Any

from polydoc_analytics.errors import PolydocError

Typesetter = Callable[[tuple[str, ...], int, Mapping[str, str]], bytes]
"""Sets one document: see :func:`typeset`."""

_MAIN = "main.typ"
_PPI = 288


def typeset(fonts: tuple[str, ...], timestamp: int, inputs: Mapping[str, str]) -> bytes:
    """Return the template as PDF, with ``inputs``, fonts of some folders beside our own, and a time of creation in s.

    The template reads the inputs as files, by their names. Raises PolydocError in Typst's words where it cannot be set.
    """
    import typst

    # Typst reads every file as if it were a template: a comment is read fastest.
    files = {name: f"//{text}".encode() for name, text in inputs.items()}
    try:
        with _compiler(fonts) as compiler:
            made = compiler.compile(
                {_MAIN: _template(), **files},
                format="pdf",
                timestamp=timestamp,
                # An archival standard with tags; it also makes a character that no font has an error, not a blank box.
                pdf_standards="a-2a",
            )
    except typst.TypstError as error:
        raise PolydocError(error.message) from None
    assert isinstance(made, bytes)
    return made


def drawn(fonts: tuple[str, ...], files: Mapping[str, bytes], form: str) -> bytes:
    """Return a page of one's own as ``form``, png or svg; its ``main.typ`` is among the files."""
    with _compiler(fonts) as compiler:
        made = compiler.compile(dict(files), format=form, ppi=_PPI)
    assert isinstance(made, bytes)
    return made


@contextmanager
def _compiler(folders: tuple[str, ...]) -> Iterator[Any]:
    """Yield what compiles with the fonts of some folders, for one thread at a time.

    It is used again: what does not differ between documents, Typst then sets once.
    """
    import typst

    fonts = _fonts(folders)
    idle = _idle(fonts)
    try:
        compiler = idle.pop()
    except IndexError:
        compiler = typst.Compiler(font_paths=fonts, ignore_system_fonts=True)
    try:
        yield compiler
    finally:
        idle.append(compiler)


@cache
def _idle(_fonts: Any) -> list[Any]:
    return []


@contextmanager
def typesetters(count: int) -> Iterator[Typesetter]:
    """Yield a function like :func:`typeset` for some threads, which works in ``count`` processes of their own.

    Where one cannot be started, or has ended, this process does its work.
    """
    free: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
    started = [_started() for _ in range(count)]
    for process in started:
        free.put(process)

    def elsewhere(*task: Any) -> bytes:
        process = free.get()
        try:
            if process is not None:
                try:
                    return _asked(process, task)
                except (OSError, EOFError, pickle.UnpicklingError):
                    process.kill()
                    process = None
            return typeset(*task)
        finally:
            free.put(process)

    try:
        yield elsewhere
    finally:
        for process in filter(None, started):
            process.kill()  # each is waiting for work, which there is none of
            process.communicate()


def serve() -> None:
    """Set type for the process that has started this one, until that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for that one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(EOFError, BrokenPipeError):
        while True:
            task = pickle.load(sys.stdin.buffer)
            try:
                answer = typeset(*task), ""
            except PolydocError as error:
                answer = b"", str(error)
            pickle.dump(answer, answers)
            answers.flush()


def _started() -> subprocess.Popen[bytes] | None:
    program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    try:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _asked(process: subprocess.Popen[bytes], task: tuple[Any, ...]) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    pickle.dump(task, process.stdin)
    process.stdin.flush()
    made, message = pickle.load(process.stdout)
    if message:
        raise PolydocError(message)
    return bytes(made)


@cache
def _template() -> bytes:
    return resources.files(__package__).joinpath("report.typ").read_bytes()


@cache
def _fonts(folders: tuple[str, ...]) -> Any:
    import typst

    from polydoc_analytics.reports.renderers import fonts

    # Typst looks into folders, and says nothing where it finds no font: then it sets no text at all.
    paths = list(dict.fromkeys(str(file.parent) for file in fonts.print_files(folders)))
    known = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=paths)
    assert fonts.FAMILY in known.families()
    return known

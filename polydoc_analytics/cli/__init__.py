"""The command line: prints, and exits with 0 done, 1 a gate failed, 2 a mistake, 3 an internal error, 130 Ctrl-C."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
import threading
from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from importlib import import_module
from typing import Any

from polydoc_analytics.cli.signals import SIGNALS, end_in_order

_NAME = "polydoc-analytics"
_COMPLETION = "_POLYDOC_ANALYTICS_COMPLETE"
_CONFIG = "POLYDOC_ANALYTICS_CONFIG"
_TRACEBACK = "POLYDOC_ANALYTICS_TRACEBACK"


def main() -> None:
    """Run ``polydoc-analytics`` and exit."""
    # Garbage collection over all that is imported takes a tenth of a second; arrays of runs are freed without it.
    gc.set_threshold(200_000, 20, 100)
    # Threads that work on small arrays hand Python's lock to each other often; at the default of 5 ms they wait for
    # it more than they work (measured: a third longer for 10 M runs).
    sys.setswitchinterval(0.0005)
    from polydoc_analytics.cli.quick_imports import leave_out_unused

    leave_out_unused()
    _ready_streams()
    end_in_order()
    try:
        exit_code = run(sys.argv[1:])
    except SystemExit as ended:  # by a signal
        exit_code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    _exit_at_once(exit_code)
    gc.freeze()
    sys.exit(exit_code)


def _exit_at_once(exit_code: int) -> None:
    """Exit without taking apart what was imported, which takes 20 ms, unless something is left that Python ends.

    That is a thread at work, and what traces or profiles the program and prints its findings afterwards. After a
    signal no thread is waited for, such as one that imports what is not needed any more.
    """
    is_cut_short = exit_code > SIGNALS
    if (
        (threading.active_count() > 1 and not is_cut_short)
        or sys.gettrace() is not None
        or sys.getprofile() is not None
    ):
        return
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)


def _ready_streams() -> None:
    """Replace closed streams by the null device, and characters that an old encoding lacks by a question mark."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it is open until the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (stream.errors == "strict" or not _is_utf8(stream)):
            stream.reconfigure(errors="replace")


def _is_utf8(stream: io.TextIOWrapper) -> bool:
    return stream.encoding.lower().replace("-", "") == "utf8"


def run(arguments: list[str]) -> int:
    """Run the command line on some arguments and return its exit code."""
    from polydoc_analytics.cli.terminal import guarded

    with guarded():
        return _run(arguments)


def application(arguments: Sequence[str] | None = None) -> Any:
    """Build the application, as click has it: of all commands, or for some arguments.

    Then it has the command that these begin with; where that is none, all of them are listed and none is imported.
    """
    from polydoc_analytics.cli.listed import listed
    from polydoc_analytics.cli.root import MODULES

    first = None if arguments is None else "".join(arguments[:1])
    for name in dict.fromkeys(module for command, module in MODULES.items() if first in (None, command)):
        import_module(f"{__name__}.{name}")  # each puts its commands on the app
    made = _built(sum(f"{__name__}.{name}" in sys.modules for name in set(MODULES.values())))
    if first is not None and first not in MODULES:
        made = copy(made)
        made.commands = listed(lambda name: application([name]).commands[name])
    return made


@lru_cache(maxsize=1)
def _built(modules: int) -> Any:
    """Build the application of as many modules of commands as are imported; a notebook runs many commands."""
    import typer

    from polydoc_analytics.cli.root import app

    return typer.main.get_command(app)


def _words_to_complete() -> list[str]:
    """Read the words that a shell wants to have completed, but for the program's name."""
    words = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return words.split()[1:]


def _run(arguments: list[str]) -> int:
    from polydoc_analytics.errors import InternalError, PolydocError, is_foreign

    config_file = os.environ.get(_CONFIG)
    try:
        _refuse_empty(arguments)
        command = application(_words_to_complete() if _COMPLETION in os.environ else arguments)
        if _COMPLETION in os.environ:
            from polydoc_analytics.cli.completion import without_markup

            without_markup()
            command.main(arguments, prog_name=_NAME)
        # Its own main() would answer a closed pipe with exit code 1.
        with command.make_context(_NAME, arguments) as context:
            result = command.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except PolydocError as error:
        if isinstance(error, InternalError) and os.environ.get(_TRACEBACK):
            raise
        return _print_error(str(error), error.exit_code)
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough
        return 0
    except KeyboardInterrupt:
        return 130
    except MemoryError:
        return _print_error("out of memory", 3)
    except Exception as error:
        return _exit_code_of(error)
    except BaseException as error:
        if not is_foreign(error):
            raise
        return _exit_code_of(error)  # a panic of Rust code
    finally:
        # A command with --config has named its file there; a notebook runs commands in its own process.
        if config_file is None:
            os.environ.pop(_CONFIG, None)
        else:
            os.environ[_CONFIG] = config_file


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse empty arguments: a variable that is not set in a shell would name the working folder, or no filter."""
    from polydoc_analytics.errors import UsageError

    for at, argument in enumerate(arguments):
        name, is_flag, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if value.strip() or (name and not is_flag):
            continue
        before = arguments[at - 1] if at else ""
        what = name or (before if before.startswith("-") and len(before) > 1 else f"argument {at + 1}")
        raise UsageError(f"{what} is an empty text; give it a value or leave it out")


def _exit_code_of(error: BaseException) -> int:
    import tempfile

    import typer

    from polydoc_analytics.errors import FULL_OR_FAILED, internal, unwritable

    # typer has its own copy of click, whose exceptions carry their message and exit code.
    if isinstance(error, typer.Exit) or type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", 0))
    if type(error).__name__ == "Abort":
        return 130
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return int(error.exit_code)
        context = getattr(error, "ctx", None)
        hint = f"\nTry '{context.command_path} --help' for help." if context is not None else ""
        return _print_error(str(error.format_message()) + hint, int(error.exit_code))
    if isinstance(error, OSError) and error.errno in FULL_OR_FAILED:
        _discard_output()
        if isinstance(error.filename, str) and not error.filename.startswith(tempfile.gettempdir()):
            return _print_error(str(unwritable(error.filename, error)), 3)
        where = f"temporary files are in {tempfile.gettempdir()}, TMPDIR names another folder"
        return _print_error(f"cannot write: {os.strerror(error.errno)}; {where}", 3)
    if os.environ.get(_TRACEBACK):
        import traceback

        traceback.print_exception(error)
        return 3
    return _print_error(internal(error), 3)


def _discard_output() -> None:
    """Discard the buffered output, so that flushing it does not raise again when Python ends."""
    with contextlib.suppress(OSError, ValueError):  # a stand-in for standard output may have no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(text: str, exit_code: int) -> int:
    from polydoc_analytics.cli.terminal import write_styled
    from polydoc_analytics.safe_text import without_credentials

    with contextlib.suppress(OSError):
        write_styled(sys.stderr, "error:", "error" if "--no-color" not in sys.argv else "")
        print(f" {without_credentials(text)}", file=sys.stderr)
    return exit_code

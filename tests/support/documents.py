"""The examples of the README and the documentation as data: fenced blocks, and how each language is run."""

from __future__ import annotations

import atexit
import contextlib
import doctest
import gc
import io
import json
import os
import re
import shlex
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from support.paths import ROOT

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.config.json_schema import shipped

_FENCE = re.compile(
    r"^(?P<norun><!-- norun -->\n)?```(?P<language>[\w-]*)(?P<info>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_TITLE = re.compile(r'title="([^"]+)"')
SETTINGS = "polydoc-analytics.toml"


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, what else its fence says, and its text."""

    page: str
    line: int
    language: str
    info: str
    text: str
    is_run: bool

    @property
    def title(self) -> str:
        """The file that the block is, where its fence names one."""
        match = _TITLE.search(self.info)
        return match[1] if match else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: a block of {self.language or 'no language'}"


def pages() -> list[str]:
    """Return the pages that people write; those of docs/reference are generated."""
    written = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in written if path.exists()]


def blocks(page: str, language: str | None = None) -> list[Block]:
    text = (ROOT / page).read_text("utf-8") if (ROOT / page).exists() else ""
    found = [
        Block(page, text.count("\n", 0, one.start()) + 1, one["language"], one["info"], one["text"], not one["norun"])
        for one in _FENCE.finditer(text)
    ]
    return [one for one in found if language in (None, one.language)]


@dataclass
class Session:
    """What a reader has in front of them who follows a page: a folder, an environment, names in Python."""

    names: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0

    def close(self) -> None:
        """Close the databases that the page has left open."""
        for value in self.names.values():
            if isinstance(value, pda.Database):
                value.close()
        if (ipython := sys.modules.get("IPython")) and ipython.InteractiveShell.initialized():
            shell = ipython.InteractiveShell.instance()
            ipython.InteractiveShell.clear_instance()
            atexit.unregister(shell.atexit_operations)
        # What a page has bound anew or left to a shell is cleaned up here, and not in the middle of another test.
        self.names.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def do(self, block: Block) -> None:
        """Run a block; raises AssertionError, naming page and line, where it does not do what it says."""
        try:
            RUNNERS[block.language](self, block)
        except Exception as error:
            raise AssertionError(f"{block}: {error}") from error

    def console(self, block: Block) -> None:
        steps = list(_steps(block.text))
        for at, (command, shown) in enumerate(steps):
            is_asked = command == "echo $?" or (at + 1 < len(steps) and steps[at + 1][0] == "echo $?")
            said = self._command(command)
            assert is_asked or self.exit_code == 0, f"{command!r} exits with {self.exit_code}:\n{said}"
            assert not shown or _matches(shown, said), f"{command!r} prints\n{said}\nwhere the page has\n{shown}"

    def _command(self, command: str) -> str:
        if command == "echo $?":
            return f"{self.exit_code}\n"
        name, *arguments = shlex.split(command, comments=True)
        self.exit_code = 0
        if name == "export":
            os.environ.update(one.split("=", 1) for one in arguments)
            return ""
        if name == "cat":
            return Path(arguments[0]).read_text("utf-8")
        assert name == "polydoc-analytics", f"{name!r} is no command that the documentation's tests run"
        both = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True)
        with contextlib.redirect_stdout(both), contextlib.redirect_stderr(both):
            self.exit_code = run(arguments)
            both.flush()
        return bytes(both.buffer.getbuffer()).decode("utf-8")

    def python(self, block: Block) -> None:
        if block.title:
            Path(block.title).write_text(block.text, "utf-8")
        exec(compile(block.text, f"{block.page}:{block.line}", "exec"), self.names)

    def pycon(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.text, self.names, block.page, block.page, block.line)
        said = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
        runner.run(test, out=said.write, clear_globs=False)
        self.names.update(test.globs)
        assert not runner.failures, said.getvalue()

    def ipython(self, block: Block) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        os.environ["IPYTHONDIR"] = str(Path("ipython").absolute())
        shell = InteractiveShell.instance()
        shell.user_ns.update(self.names)
        shell.run_line_magic("load_ext", "polydoc_analytics")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            done = shell.run_cell(block.text).success
        self.names.update(shell.user_ns)
        assert done, said.getvalue()

    def toml(self, block: Block) -> None:
        content = tomllib.loads(block.text)
        assert block.title, 'its fence names no file, such as title="polydoc-analytics.toml"'
        Path(block.title).write_text(block.text, "utf-8")
        if block.title == SETTINGS:
            assert not list(Draft202012Validator(json.loads(shipped())).iter_errors(content))
            _write_named_files(content)
            said = self._command("polydoc-analytics config check")
            assert self.exit_code == 0, said

    def sql(self, block: Block) -> None:
        if "read_parquet(" in block.text:
            import duckdb

            rows = duckdb.connect().execute(block.text).fetchall()
        else:
            with pda.connect("data/sample_runs.ndjson") as db:
                rows = db.sql(block.text).rows()
        assert rows, "no rows"

    def json(self, block: Block) -> None:
        json.loads(block.text)


def _write_named_files(content: dict[str, Any]) -> None:
    """Write the files that the settings of a page name, where they are not there; `config check` asks for them."""
    named = {content.get("accounts"): "account_id,name\n"}
    named |= {target.get("contacts"): "account_id,email\n" for target in content.get("delivery", {}).values()}
    for name, text in named.items():
        if name and not Path(name).exists():
            Path(name).write_text(text, "utf-8")


RUNNERS: dict[str, Callable[[Session, Block], None]] = {
    name: getattr(Session, name) for name in ("console", "python", "pycon", "ipython", "toml", "sql", "json")
}


def _steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console with what is shown of its output."""
    command, shown = "", []
    for line in text.replace("\\\n", "").splitlines():
        if not line.startswith("$ "):
            shown.append(line)
            continue
        if command:
            yield command, "\n".join(shown).rstrip()
        command, shown = line[2:].strip(), []
    yield command, "\n".join(shown).rstrip()


def _matches(shown: str, said: str) -> bool:
    """Tell whether what is shown is what was said; … stands for any text in a line, and alone for any lines."""
    lines = [re.escape(line.rstrip()).replace("…", "[^\n]*") for line in shown.splitlines()]
    pattern = "\n".join(r"[^\n]*(?:\n[^\n]*)*?" if line == "[^\n]*" else line for line in lines)
    plain = "\n".join(line.rstrip() for line in said.rstrip().splitlines())
    return re.fullmatch(pattern, plain) is not None


def generator() -> Any:
    """Return the module that writes the generated pages."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

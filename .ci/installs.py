"""Install the package plain and with each extra, each in a fresh environment, and do that part's main job.

Prints the size and the seconds of each, and fails where a job does or an install is larger than its budget:
`python .ci/installs.py`, or `python .ci/installs.py lake api` for some of them. By uv where it is installed, in a
third of pip's time; else by pip.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample_runs.ndjson"
BUDGETS_MB = {
    "plain": 560,
    "lake": 700,
    "reports": 790,
    "schedule": 930,
    "api": 562,
    "postgres": 590,
    "all": 960,
    "spark": 720,
    "notebook": 860,
}
"""Megabytes (of 1,048,576 bytes) of all files that an install adds, bytecode included."""
UV = shutil.which("uv")


class Installed:
    """A fresh environment with the package in it, and a folder to work in."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self.environment, self.folder = folder / "environment", folder / "work"
        self.folder.mkdir(parents=True)
        what, python = str(wheel) if extra == "plain" else f"{wheel}[{extra}]", str(self._bin("python"))
        if UV:
            make = [UV, "venv", "--quiet", "--python", sys.executable, str(self.environment)]
            install = [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, what]
        else:
            make = [sys.executable, "-m", "venv", str(self.environment)]
            install = [python, "-m", "pip", "install", "--quiet", what]
        _run(make)
        before, started = self._bytes(), time.monotonic()
        _run(install)
        self.seconds = time.monotonic() - started
        self.megabytes = (self._bytes() - before) / 2**20

    def command(self, *arguments: object, code: int = 0, says: str = "", **variables: str) -> None:
        """Run a command of the package; it must exit with ``code`` and say a text."""
        self._expect([self._bin("polydoc-analytics"), *arguments], code, says, variables)

    def python(self, script: str, says: str = "") -> None:
        """Run Python; it must end well and say a text."""
        self._expect([self._bin("python"), "-c", script], 0, says, {})

    def lacks(self, extra: str, *arguments: object, **variables: str) -> None:
        """Run a command whose packages are not there; it must say in one line how to install them, and exit with 2."""
        done = self._done([self._bin("polydoc-analytics"), *arguments], variables)
        line = done.stderr.strip().splitlines()[-1:]
        hint = f"needs another package; pip install 'polydoc-analytics[{extra}]'"
        if done.returncode != 2 or not line or not line[0].endswith(hint) or "Traceback" in done.stderr:
            raise SystemExit(f"{arguments}: exit {done.returncode}, expected 2 and {hint!r}\n{done.stderr}")

    def _expect(self, command: list[object], code: int, says: str, variables: dict[str, str]) -> None:
        done = self._done(command, variables)
        if done.returncode != code or says not in done.stdout + done.stderr:
            raise SystemExit(
                f"{command[1:]}: exit {done.returncode}, expected {code} and {says!r}\n{done.stdout}{done.stderr}"
            )

    def _done(self, command: list[object], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "POLYDOC_"))}
        words = [str(word) for word in command]
        return subprocess.run(words, cwd=self.folder, env=kept | variables, capture_output=True, text=True, check=False)

    def _bin(self, name: str) -> Path:
        return self.environment / ("Scripts" if os.name == "nt" else "bin") / name

    def _bytes(self) -> int:
        return sum(
            path.stat().st_size for path in self.environment.rglob("*") if path.is_file() and not path.is_symlink()
        )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def plain(own: Installed) -> None:
    """Load, check, count, query, export and sample; and say of everything else how it is installed."""
    own.command("check", SAMPLE)
    own.command("usage", SAMPLE, "--json", says='"runs": 2000')
    own.command("views", says="usage_by_account")
    own.command("export", SAMPLE, "runs", says="2,000 runs")
    own.command("query", "runs", "select count(*) as runs from runs", says="2,000")
    own.command("sample", "more.ndjson", "--runs", 10)
    own.python(
        "import polydoc_analytics as pda\nwith pda.connect('runs') as db: print(db.view('usage')['runs'].item())",
        "2000",
    )
    (own.folder / "polydoc-analytics.toml").write_text(
        '[sources.api]\nkind = "api"\nbase = "http://127.0.0.1:1"\ntoken_env = "TOKEN"\n'
        '[sources.db]\nkind = "postgres"\ndsn_env = "DSN"\nquery = "select 1"\n',
        "utf-8",
    )
    own.lacks("api", "usage", "api", TOKEN="token")
    own.lacks("postgres", "usage", "db", DSN="postgresql://127.0.0.1:1/runs")
    own.lacks("lake", "ingest", SAMPLE, "--lake", "lake")
    own.lacks("reports", "report", SAMPLE)
    own.lacks("schedule", "schedule", "due", "--lake", "lake")
    own.lacks("schedule", "alerts", "check", "--lake", "lake")
    own.lacks("spark", "usage", "runs", "--engine", "spark", "--remote", "sc://127.0.0.1:1")


def lake(own: Installed) -> None:
    """Ingest, count as of a load, examine."""
    own.command("ingest", SAMPLE, "--lake", "lake")
    own.command("usage", "lake", "--as-of", 1, "--json", says='"runs": 2000')
    own.command("doctor", "--lake", "lake")


def reports(own: Installed) -> None:
    """Write a report in every format."""
    own.command("report", SAMPLE, "--format", "html,pdf,xlsx,md,json", "--out", "out", "--quiet")
    written = sorted(path.suffix for path in (own.folder / "out").iterdir())
    if written != [".html", ".json", ".md", ".pdf", ".xlsx"]:
        raise SystemExit(f"reports: wrote {written}")


def schedule(own: Installed) -> None:
    """Deliver what is due to a folder, and check an alert."""
    settings = f"""
        lake = "lake"
        [delivery.files]
        kind = "store"
        uri = "file://{own.folder}/sent/{{report}}/{{period}}"
        [[reports]]
        name = "monthly"
        kind = "overview"
        schedule = "monthly"
        period = "last-month"
        start = "2026-10-15"
        formats = ["md"]
        deliver = ["files"]
    """
    (own.folder / "polydoc-analytics.toml").write_text(settings, "utf-8")
    own.command("ingest", SAMPLE)
    own.command("schedule", "due", "--now", "2026-11-02T09:00:00Z")
    if not list((own.folder / "sent").rglob("*.md")):
        raise SystemExit("schedule: sent nothing")
    own.command("alerts", "check")


@contextmanager
def _service() -> Iterator[str]:
    """Yield the address of a service on this machine that answers with one run."""
    run = json.loads(SAMPLE.read_text("utf-8").splitlines()[0])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps([run]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def api(own: Installed) -> None:
    """Count what the service answers."""
    with _service() as url:
        settings = f'[sources.api]\nkind = "api"\nbase = "{url}"\ntoken_env = "TOKEN"\n'
        (own.folder / "polydoc-analytics.toml").write_text(settings, "utf-8")
        own.command("usage", "api", "--json", says='"runs": 1', TOKEN="token")


def postgres(own: Installed) -> None:
    """Come as far as the connection; the tests have a server."""
    settings = '[sources.db]\nkind = "postgres"\ndsn_env = "DSN"\nquery = "select 1"\n'
    (own.folder / "polydoc-analytics.toml").write_text(settings, "utf-8")
    own.command("usage", "db", code=2, says="127.0.0.1", DSN="postgresql://127.0.0.1:1/runs")


def everything(own: Installed) -> None:
    """Do what each of its parts does."""
    reports(own)
    schedule(own)
    api(own)
    postgres(own)


def spark(own: Installed) -> None:
    """Come as far as the connection; the tests have a cluster."""
    own.command("export", SAMPLE, "runs")
    own.command("usage", "runs", "--engine", "spark", "--remote", "sc://127.0.0.1:1", code=2, says="127.0.0.1:1")


def notebook(own: Installed) -> None:
    """Draw a chart and run the magic in IPython."""
    own.python(
        "import polydoc_analytics as pda\n"
        f"with pda.connect({str(SAMPLE)!r}) as db: print(type(pda.charts.usage_over_time(db)).__module__)",
        "altair",
    )
    own.python(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell()\n"
        "shell.run_line_magic('load_ext', 'polydoc_analytics')\n"
        f"shell.run_line_magic('polydoc', 'connect {SAMPLE}')\n"
        "print(shell.run_cell_magic('polydoc', '', 'select count(*) as runs from runs'))",
        "2000",
    )


JOBS: dict[str, Callable[[Installed], None]] = {
    "plain": plain,
    "lake": lake,
    "reports": reports,
    "schedule": schedule,
    "api": api,
    "postgres": postgres,
    "all": everything,
    "spark": spark,
    "notebook": notebook,
}


def main(chosen: list[str]) -> int:
    """Install and try each part, or those that are named."""
    too_large = []
    with tempfile.TemporaryDirectory() as folder:
        _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)])
        [wheel] = Path(folder).glob("*.whl")

        def tried(part: str) -> Installed:
            own = Installed(Path(folder) / part, wheel, part)
            JOBS[part](own)
            return own

        parts = chosen or list(JOBS)
        with ThreadPoolExecutor(2) as pool:
            print(f"{'install':10} {'MB':>5} {'budget':>7} {'s':>6}")
            for part, own in zip(parts, pool.map(tried, parts), strict=True):
                print(f"{part:10} {own.megabytes:5.0f} {BUDGETS_MB[part]:7} {own.seconds:6.1f}", flush=True)
                too_large += [part] if own.megabytes > BUDGETS_MB[part] else []
    if too_large:
        print(f"larger than the budget: {', '.join(too_large)}", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

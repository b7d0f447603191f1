"""PDFs that several processes set are those of one, and none is lost with a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.reports import NOW, built
from support.runs import ndjson, wire

import polydoc_analytics as pda
from polydoc_analytics.errors import PolydocError
from polydoc_analytics.reports import write
from polydoc_analytics.reports.renderers import render, typesetting
from polydoc_analytics.reports.renderers.typesetting import typeset, typesetters

Task = tuple[tuple[str, ...], int, dict[str, str]]
FAULTY: Task = ((), 0, {"data": "{}", "charts": "{}", "footer": "", "logo": ""})
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0,0h9v9h-9Z"/></svg>'


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[Task]:
    """The arguments of Typst for three reports of the kind quality, on one run, two and three."""
    asked: list[Task] = []

    def noted(*task: Any) -> bytes:
        asked.append(task)
        return b""

    path = tmp_path_factory.mktemp("tasks") / "runs.ndjson"
    for count in (1, 2, 3):
        path.write_bytes(ndjson([wire(f"run-{at}") for at in range(count)]))
        render(built(str(path), "quality"), "pdf", None, noted)
    return asked


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started for typesetting."""
    processes: list[subprocess.Popen[bytes]] = []
    start = typesetting._started

    def noted() -> subprocess.Popen[bytes] | None:
        process = start()
        if process is not None:
            processes.append(process)
        return process

    monkeypatch.setattr(typesetting, "_started", noted)
    return processes


def test_documents_of_several_processes_are_those_of_one(
    tasks: list[Task], started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [typeset(*task) for task in tasks]
    assert len(set(expected)) == 3
    with typesetters(2) as elsewhere, ThreadPoolExecutor(3) as pool:
        monkeypatch.setattr(typesetting, "typeset", None)  # not here
        assert list(pool.map(lambda task: elsewhere(*task), tasks)) == expected
        assert [process.poll() for process in started] == [None, None]
    assert len(started) == 2
    assert None not in [process.poll() for process in started]


def test_what_cannot_be_set_is_told_alike_and_the_process_goes_on(tasks: list[Task]) -> None:
    with pytest.raises(PolydocError) as here:
        typeset(*FAULTY)
    with typesetters(1) as elsewhere:
        with pytest.raises(PolydocError) as there:
            elsewhere(*FAULTY)
        assert elsewhere(*tasks[0]) == typeset(*tasks[0])
    assert str(there.value) == str(here.value) != ""


def test_a_document_is_the_same_whatever_was_set_before_it(tasks: list[Task]) -> None:
    fonts, timestamp, inputs = tasks[1]
    with_logo = (fonts, timestamp, {**inputs, "logo": str(list(PICTURE))})
    alone = []
    for task in (tasks[0], with_logo, tasks[1]):
        typesetting._idle.cache_clear()
        alone.append(typeset(*task))
    assert len(set(alone)) == 3
    assert [typeset(*task) for task in (tasks[0], with_logo, tasks[1], tasks[0])] == [*alone, alone[0]]


def test_documents_set_at_the_same_time_are_those_of_one_after_the_other(tasks: list[Task]) -> None:
    expected = [typeset(*task) for task in tasks]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda task: typeset(*task), tasks * 3)) == expected * 3


def test_documents_of_a_process_that_ends_are_set_here(
    tasks: list[Task], started: list[subprocess.Popen[bytes]]
) -> None:
    with typesetters(1) as elsewhere:
        started[0].kill()
        started[0].wait()
        assert [elsewhere(*task) for task in tasks] == [typeset(*task) for task in tasks]


@pytest.mark.parametrize("executable", ["", "no-such-program", "/bin/false"])
def test_documents_are_set_here_where_no_process_can_be_started(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with typesetters(2) as elsewhere:
        assert elsewhere(*tasks[0]) == typeset(*tasks[0])


def test_a_process_ends_with_the_one_that_started_it() -> None:
    program = f"from {typesetting.__name__} import serve; serve()"
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_many_statements_are_set_in_processes(
    file: Callable[..., str], tmp_path: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = file([wire(f"run-{at}", account_id=f"account-{at}") for at in range(4)])

    def made(folder: str) -> dict[str, bytes]:
        paths = pda.report(
            source, kind="statement", all_accounts=True, formats="pdf", out=tmp_path / folder, period="2026-03", now=NOW
        )
        return {path.name: path.read_bytes() for path in paths}

    few = made("few")
    assert not started
    monkeypatch.setattr(write, "_MANY", 4)
    assert made("many") == few
    assert started
    assert len(few) == 5

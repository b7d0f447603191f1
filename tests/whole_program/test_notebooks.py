"""The notebooks run as they stand, show what is checked in, and say what is so."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT, SAMPLE, last_line_first
from support.repetitions import slow

import polydoc_analytics as pda

FOLDER = ROOT / "notebooks"
NAMES = [
    "01_first_look",
    "02_sql_on_parquet",
    "03_failures_and_durations",
    "04_credits_by_account",
    "05_lake_and_time_travel",
    "06_report_template",
    "07_three_questions",
]
MOST_BYTES = 150 * 1024
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the notebooks are not beside these tests")
every_notebook = pytest.mark.parametrize("name", NAMES)


def tool() -> Any:
    """notebooks/execute.py as a module."""
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))
    return notebook


def sources(notebook: dict[str, Any], kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def outputs(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook["cells"]:
        yield from cell.get("outputs", ())


def test_the_notebooks_are_those_that_are_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside which the notebooks find their data."""
    root = tmp_path_factory.mktemp("clone")
    for folder in (FOLDER.name, SAMPLE.parent.name):
        (root / folder).mkdir()
    return root


def as_new(kernel: Any, folder: Path) -> Any:
    """A kernel that has forgotten what it was asked before, in a folder."""
    tool().forget(kernel, f"import os; os.chdir({str(folder)!r})")
    return kernel


@pytest.fixture(scope="module")
def kernel(clone: Path) -> Iterator[Any]:
    with tool().kernel(clone / FOLDER.name) as manager:
        yield manager


ALWAYS_RUN = ("02_sql_on_parquet", "05_lake_and_time_travel")
"""Notebooks that share no more than they must; the template is run in two ways below, and `just soak` runs all."""


@pytest.mark.parametrize("name", [name if name in ALWAYS_RUN else slow(name) for name in NAMES])
def test_a_fresh_run_shows_what_is_checked_in(name: str, clone: Path, kernel: Any) -> None:
    execute = tool()
    # The fifth loads the first lines of the file before the whole.
    in_order = name == "05_lake_and_time_travel"
    lines = SAMPLE.read_bytes() if in_order else last_line_first(SAMPLE)
    (clone / SAMPLE.parent.name / SAMPLE.name).write_bytes(lines)
    fresh = execute.executed(FOLDER / f"{name}.ipynb", as_new(kernel, clone / FOLDER.name))
    assert execute.comparable(fresh) == execute.comparable(read(name)), "run: python notebooks/execute.py"


@every_notebook
def test_a_notebook_is_small_and_clean(name: str) -> None:
    execute, notebook = tool(), read(name)
    text = (FOLDER / f"{name}.ipynb").read_text("utf-8")
    assert text == execute.written(execute.clean(notebook))
    assert len(text.encode()) <= MOST_BYTES
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(output["output_type"] != "error" for output in outputs(notebook))
    assert "/tmp/" not in text


@every_notebook
def test_a_notebook_has_a_question_an_answer_and_pictures(name: str) -> None:
    notebook = read(name)
    prose = "\n".join(sources(notebook, "markdown"))
    assert "**Question:**" in prose
    assert "**Answer:**" in prose or name == "06_report_template"  # whose answers are computed
    kinds = [kind for output in outputs(notebook) for kind in output.get("data", ())]
    assert kinds.count("image/svg+xml") >= 1
    assert kinds.count("image/svg+xml") + kinds.count("text/html") >= 3


@every_notebook
def test_every_figure_in_bold_is_checked_or_shown(name: str) -> None:
    """The last cell, which a fresh run has passed, holds the figures of the text against the data."""
    notebook = read(name)
    known = sources(notebook, "code")[-1] + json.dumps(
        [output for output in outputs(notebook) if "image/svg+xml" not in output.get("data", {})], ensure_ascii=False
    )
    numbers = set(re.findall(r"\d(?:[\d,.]*\d)?%?", known))
    bold = re.findall(r"\*\*(\d[\d,.]*%?)\*\*", "\n".join(sources(notebook, "markdown")))
    missing = [figure for figure in bold if not {figure, figure.replace(",", "")} & numbers]
    assert not missing


@pytest.mark.parametrize("folder", [ROOT, FOLDER], ids=["from the root", "from notebooks/"])
def test_the_sample_is_found_from_both_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in NAMES:
        if name == "06_report_template":  # which is told its source
            continue
        [setup] = [source for source in sources(read(name), "code") if source.startswith("%load_ext")]
        found = re.search(r"SAMPLE = .*?\n    SAMPLE = .*?\n", setup + "\n", re.DOTALL)
        assert found
        scope: dict[str, Any] = {"Path": Path}
        exec(found.group(), scope)
        assert scope["SAMPLE"].exists()


@pytest.fixture
def papermill(kernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Papermill in the test's folder, with the kernel of the other notebooks."""
    import papermill
    from papermill.clientwrap import PapermillNotebookClient as Client

    monkeypatch.chdir(tmp_path)
    run_all = Client.execute

    def run_and_close(client: Client) -> Any:
        try:
            return run_all(client)
        finally:
            client.kc.stop_channels()  # which it does by itself for a kernel of its own alone

    monkeypatch.setattr(Client, "execute", run_and_close)

    def execute(template: str, made: str, parameters: dict[str, Any]) -> None:
        papermill.execute_notebook(
            template, made, parameters, kernel_name="python3", progress_bar=False, km=as_new(kernel, tmp_path)
        )

    return execute


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_template_reports_on_another_source_and_period_from_another_folder(papermill: Any) -> None:
    pda.Lake("lake").ingest(str(SAMPLE))
    shutil.copy(FOLDER / "06_report_template.ipynb", "template.ipynb")
    with pda.connect("lake", period="2026-Q3", timezone="Asia/Tokyo") as db:
        account = db.sql("select account_id from usage_by_account order by runs limit 1").item()
    parameters = {"source": "lake", "period": "2026-Q3", "timezone": "Asia/Tokyo", "account": account, "out": "reports"}
    papermill("template.ipynb", "made.ipynb", parameters)
    shown = json.dumps(list(outputs(json.loads(Path("made.ipynb").read_text("utf-8")))), ensure_ascii=False)
    with pda.connect("lake", period="2026-Q3", timezone="Asia/Tokyo", account=account) as db:
        runs = db.view("usage")["runs"].item()
    assert "1 Jul 2026 to 30 Sept 2026, Asia/Tokyo" in shown
    assert re.search(rf">Runs</td><td[^>]*>{runs:,}<", shown.replace("\\", ""))
    assert sorted(path.suffix for path in Path("reports").iterdir()) == [".html", ".xlsx"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_period_without_runs_is_no_error_and_a_wrong_one_is_one_line(papermill: Any) -> None:
    from papermill import PapermillExecutionError

    template = str(FOLDER / "06_report_template.ipynb")
    choices = {"source": str(SAMPLE), "period": "2024"}
    papermill(template, "empty.ipynb", choices)
    assert "There are no runs in this period." in Path("empty.ipynb").read_text("utf-8")
    with pytest.raises(PapermillExecutionError, match="unknown period 'last-moon'; did you mean"):
        papermill(template, "wrong.ipynb", choices | {"period": "last-moon"})
    errors = [output for output in outputs(json.loads(Path("wrong.ipynb").read_text("utf-8"))) if "ename" in output]
    assert [len(error["traceback"]) for error in errors] == [1]

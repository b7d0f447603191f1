"""What the README and the documentation show is what happens."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest
from support.documents import ROOT, RUNNERS, Session, blocks, generator, pages
from support.paths import REAL_RUNS, SAMPLE, last_line_first

from polydoc_analytics.cli import run

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the README is not beside these tests")
A_TUESDAY = "2026-11-03T09:00:00Z"
"""Nothing of the examples is due then, so that no mail is sent; what is sent is in test_scheduling_docs."""
SECRETS = ("POLYDOC_BEARER_AUTH", "POLYDOC_DSN", "SMTP_PASSWORD", "SLACK_URL", "BOOKS_URL", "BOOKS_SECRET")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a fresh copy of the repository: the sample, its last line first, and the real calls."""
    (tmp_path / "data" / REAL_RUNS.parent.name).mkdir(parents=True)
    for path in REAL_RUNS.parent.iterdir():
        (tmp_path / "data" / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "data" / SAMPLE.name).write_bytes(last_line_first(SAMPLE))
    monkeypatch.chdir(tmp_path)
    for name in SECRETS:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("POLYDOC_ANALYTICS_NOW", A_TUESDAY)
    return tmp_path


@pytest.mark.parametrize("page", pages())
def test_every_example_of_a_page_does_what_it_shows(page: str, clone: Path) -> None:
    with closing(Session()) as session:
        for block in blocks(page):
            if block.is_run:
                assert block.language in RUNNERS, (
                    f"{block}: nothing runs it; put <!-- norun --> above it, or teach documents.py to"
                )
                session.do(block)


def test_few_examples_are_not_run_and_it_is_known_which() -> None:
    left_out = {page: [one.language for one in blocks(page) if not one.is_run] for page in pages()}
    assert {page: languages for page, languages in left_out.items() if languages} == {
        "README.md": ["sh", "sh"],  # the second runs these tests; .ci/run runs both
        "CONTRIBUTING.md": ["sh"],
        # Run in test_bi_tools, but for the first, which is DuckDB's own program.
        "docs/bi-tools.md": ["sh", "text", "yaml", "yaml", "text", "console", "text", "yaml"],
        "docs/cluster-writing.md": ["console", "console"],  # run in test_cluster
        "docs/index.md": ["sh"],
        "docs/installing.md": ["sh"],  # .ci/installs does the same for each extra
        "docs/scheduling.md": ["crontab", "ini", "ini", "yaml", "python"],  # run in test_scheduling_docs
    }


def test_the_two_commands_stand_at_the_top() -> None:
    first, second = (block.text for block in blocks("README.md", "sh"))
    assert first == "pip install '.[all]' && polydoc-analytics usage data/sample_runs.ndjson\n"
    assert second == "pip install '.[test]' && pytest\n"


def test_the_generated_pages_are_what_the_program_says() -> None:
    for path, text in generator().pages().items():
        assert (ROOT / path).read_text("utf-8") == text, f"{path} is behind; run `python docs/generate.py`"


def test_the_dictionary_has_every_column_of_every_view_with_its_meaning() -> None:
    from polydoc_analytics.views import catalog

    page = (ROOT / "docs" / "reference" / "views.md").read_text("utf-8")
    for view in catalog().values():
        assert re.search(rf"`{view.name}`", page)
        assert view.grain in page
        for column, meaning in view.columns.items():
            found = re.findall(rf"\| `{column}` \| [A-Z ]+ \| (.+) \|", page)
            assert meaning in found or column == "period", (view.name, column)


def test_every_measure_of_usage_is_defined() -> None:
    from polydoc_analytics.views import catalog

    page = (ROOT / "docs" / "figures.md").read_text("utf-8").partition("## Measures")[2].partition("\n## ")[0]
    defined = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in page.splitlines() if line[:1] == "|"))
    assert sorted(defined) == sorted(catalog()["usage"].columns)


def test_the_commands_help_says_what_their_page_says(capfd: pytest.CaptureFixture[str]) -> None:
    commands = list(generator().all_commands())
    assert len(commands) > 20
    for name, command in commands:
        assert run([*name.split(), "--help"]) == 0
        said = "".join(capfd.readouterr().out.split())
        texts = [command.help, *(one.help for one in command.params)]
        for text in filter(None, texts):
            assert "".join(text.split()) in said, (name, text)
        assert all(one.help for one in command.params), f"{name}: an argument or option without help"


def test_the_map_has_the_rooms_of_the_import_contract_from_the_ground_up() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("| room | holds |")[2].partition("\n\n")[0]
    drawn = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    contract = (ROOT / "pyproject.toml").read_text("utf-8").partition("layers = [")[2].partition("\n]")[0]
    layers = [re.findall(r"polydoc_analytics\.(\w+)", line) for line in contract.splitlines() if line.strip()]
    assert drawn == layers[::-1]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files_that_are_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (ROOT / target).exists(), target


def test_the_recipes_of_the_justfile_name_what_is_there() -> None:
    recipes = re.findall(r"^    @?([^\n]+)$", (ROOT / "justfile").read_text("utf-8"), re.MULTILINE)
    assert len(recipes) >= 8
    tools = (ROOT / "pyproject.toml").read_text("utf-8") + "just pytest python bash lint-imports polydoc-analytics"
    for recipe in recipes:
        tool, *arguments = recipe.split()
        assert re.search(rf"\b{tool}\b", tools), recipe
        files = [one for one in arguments if one.endswith((".py", ".ndjson"))]
        assert all((ROOT / one).exists() for one in files), recipe
        if tool == "polydoc-analytics":
            assert run([arguments[0], "--help"]) == 0, recipe

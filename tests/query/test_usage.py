"""Numbers that no run is likely to have: sums that do not fit name the run, and other accounts' figures go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.clusters import SLOW
from support.repetitions import Soak, slow
from support.reports import NOW, as_json, built, page_text, section
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.reports.renderers import render

MOST = 2**63 - 1


def runs(**absurd: Any) -> list[dict[str, Any]]:
    return [
        wire("fine", account_id="acme"),
        wire("absurd", account_id="acme", **(absurd or {"input_tokens": MOST})),
        wire("b", account_id="globex", target_language="fr"),
        wire("c", account_id="globex", target_language="ja", status="Failed", credits=5),
        wire("d", account_id="initech", credits=7),
    ]


ABSURD = [{"input_tokens": MOST}, {"output_tokens": MOST}, {"credits": MOST}, {"credits": -MOST - 1}]
ABSURD_IDS = ["tokens in", "tokens out", "credits", "credits below 0"]


def raised(db: pda.Database, view: str) -> pda.QueryError:
    with pytest.raises(pda.QueryError) as found:
        db.view(view)
    return found.value


@pytest.mark.parametrize("absurd", [slow(ABSURD[0]), ABSURD[1], slow(ABSURD[2]), ABSURD[3]], ids=ABSURD_IDS)
def test_a_sum_that_does_not_fit_names_the_run_and_what_to_do(file, absurd: dict[str, int]) -> None:
    rows = runs(**absurd)
    rows[0].update({name: 1 if value > 0 else -1000 for name, value in absurd.items()})
    [(name, value)] = absurd.items()
    with pda.connect(file(rows), now=NOW) as db:
        for view in ("usage", "usage_by_account", "usage_daily_by_language", "conservation"):
            said = str(raised(db, view))
            assert f"run 'absurd' of account 'acme' has {value:,} {name}" in said
            assert "load it again with the right number" in said
            assert "\n" not in said


def test_a_sum_of_a_request_names_its_run_outside_of_the_interval_too(file) -> None:
    times = {"created_at": "2026-10-05T10:00:00Z", "finished_at": "2026-10-05T10:00:05Z"}
    kind = {"status": "Failed", "account_id": "acme", "input_file_id": "f", "output_file_id": None}
    rows = [
        wire("first", **kind, created_at="2026-09-30T10:00:00Z", finished_at="2026-09-30T10:00:05Z", credits=1),
        wire("next", **kind, **times, credits=MOST),
    ]
    with pda.connect(file(rows), period="2026-09", now=NOW) as db:
        assert db.view("usage")["credits"].to_list() == [1]
        found = raised(db, "request_rates")
        assert isinstance(found, pda.SumError)
        assert found.accounts == ("acme",)
        assert "run 'next' of account 'acme' has 9,223,372,036,854,775,807 credits" in str(found)


def test_ids_in_messages_stay_on_one_line(file) -> None:
    rows = [wire("a\nb", account_id="ac\nme", credits=MOST), wire(account_id="ac\nme2", credits=MOST)]
    with pda.connect(file(rows), now=NOW) as db:
        assert "run 'a\\nb' of account 'ac\\nme' has" in str(raised(db, "usage"))
    with pytest.raises(pda.UsageError, match=r"is the beginning of several: ac\\nme, ac\\nme2; give"):
        pda.connect(file(rows), account="ac", match="typed")
    with pytest.raises(pda.UsageError, match=r"did you mean ac\\nme2\?"):
        pda.connect(file(rows), account="xc\nme2", match="typed")


def test_the_figures_of_other_accounts_go_on(file) -> None:
    with pda.connect(file(runs()), now=NOW) as db:
        frame = db.sql("select account_id, credits, input_tokens from usage_by_account where account_id <> 'acme'")
        assert sorted(frame.rows()) == [("globex", 8, 2000), ("initech", 7, 1000)]
        with db.without(["acme"]) as rest:
            assert rest.view("usage").select("runs", "credits", "input_tokens").rows() == [(3, 15, 3000)]
            assert rest.view("conservation")["holds"].all()
    with pda.connect(file(runs()), now=NOW, account="globex") as db:
        assert db.view("usage").select("runs", "credits").rows() == [(2, 8)]


NUMBERS = (10**15, 10**15 + 1, -(10**15) - 1, MOST, -MOST - 1)


@pytest.mark.parametrize(
    ("column", "number"),
    [
        # Each number of credits, and those around the bound of one count of tokens each.
        (column, number) if at in ((0, 1, 2, 3, 4), (0, 1), (2,))[place] else slow(column, number)
        for place, column in enumerate(("credits", "input_tokens", "output_tokens"))
        for at, number in enumerate(NUMBERS)
    ],
)
def test_a_number_beyond_ten_to_the_fifteenth_is_unlikely(file, column: str, number: int) -> None:
    with pda.connect(file([wire("a", **{column: number}), wire("b", credits=None)]), now=NOW) as db:
        rules = {row["rule"]: (row["runs"], row["example_id"]) for row in db.view("data_quality").iter_rows(named=True)}
    assert rules["unlikely_number"] == ((0, None) if number == 10**15 else (1, "a"))
    assert list(rules)[-1] == "unlikely_number"


def test_usage_prints_the_other_accounts_and_says_which_run_is_absurd(file, capsysbinary) -> None:
    source = str(file(runs()))
    assert run(["usage", source, "--by", "account", "--json"]) == 2
    said = capsysbinary.readouterr()
    found = json.loads(said.out)
    assert {row["account_id"]: row["credits"] for row in found["data"]} == {"globex": 8, "initech": 7}
    assert found["filters"]["without_account"] == ["acme"]
    assert b"run 'absurd' of account 'acme' has 9,223,372,036,854,775,807 input_tokens" in said.err
    assert run(["usage", source]) == 2
    assert b"without 1 account" in capsysbinary.readouterr().out
    assert run(["usage", source, "--account", "globex", "--json"]) == 0
    assert "without_account" not in json.loads(capsysbinary.readouterr().out)["filters"]


def test_check_names_the_run_and_goes_on(file, capsysbinary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    source = str(file(runs()))
    assert run(["check", source]) == 0
    said = " ".join(capsysbinary.readouterr().out.decode().split())
    assert "unlikely_number credits or a token count is beyond 10^15, above or below 0 1 absurd" in said
    assert "No identity is worked out: a sum does not fit into 64 bits: run 'absurd'" in said
    assert run(["check", source, "--json"]) == 0
    sections = {one["name"]: one["data"] for one in json.loads(capsysbinary.readouterr().out)["sections"]}
    assert sections["conservation"] == []
    assert [row["example_id"] for row in sections["data_quality"] if row["rule"] == "unlikely_number"] == ["absurd"]


@pytest.mark.parametrize("absurd", [slow(ABSURD[0]), slow(ABSURD[1]), ABSURD[2]], ids=ABSURD_IDS[:3])
def test_statements_of_other_accounts_and_an_index_of_them_are_written(
    file, tmp_path: Path, absurd: dict[str, int]
) -> None:
    source, out = file(runs(**absurd)), tmp_path / "out"
    with pytest.raises(pda.QueryError, match=r"1 account has no statement, 2 statements are written in .*run 'absurd'"):
        pda.report(source, kind="statement", all_accounts=True, formats="json", out=out, now=NOW)
    assert sorted(path.name for path in out.iterdir()) == [
        "statement_all_globex.json",
        "statement_all_initech.json",
        "statements_all.json",
    ]
    pda.report(source, kind="statement", account="globex", formats="json", out=tmp_path / "one", now=NOW)
    one, other = (path / "statement_all_globex.json" for path in (out, tmp_path / "one"))
    assert one.read_bytes() == other.read_bytes()
    [index] = as_json((out / "statements_all.json").read_bytes())["sections"]
    assert [(row["account_id"], row["credits"]) for row in index["data"]] == [("globex", 8), ("initech", 7)]
    assert (index["total"]["runs"], index["total"]["credits"]) == (3, 15)
    assert index["text"][1].startswith("1 account has no statement and is left out here: a sum does not fit")


def test_the_report_on_quality_is_made_all_the_same(file) -> None:
    report = built(file(runs()), "quality")
    assert section(report, "conservation").table is None
    assert "No identity is worked out: a sum does not fit into 64 bits: run 'absurd'" in page_text(
        render(report, "html")
    )


def test_an_error_that_is_no_sum_keeps_the_engines_words(file) -> None:
    with pda.connect(file(runs()), now=NOW) as db, pytest.raises(pda.QueryError) as found:
        db.sql("select nothing from usage")
    assert "absurd" not in str(found.value)


def test_on_a_cluster_too_a_sum_that_does_not_fit_names_the_run(file, tmp_path: Path, cluster: str) -> None:
    pda.export(file(runs()), tmp_path / "export")
    with pda.connect(str(tmp_path / "export"), now=NOW, engine="spark", remote=cluster) as db:
        for view in ("usage_by_account", "conservation") if cluster in SLOW or Soak.is_on else ("usage_by_account",):
            assert "run 'absurd' of account 'acme'" in str(raised(db, view))
        rules = {row["rule"]: row["example_id"] for row in db.view("data_quality").iter_rows(named=True)}
        assert rules["unlikely_number"] == "absurd"
        with db.without(["acme"]) as rest:
            assert rest.view("usage").select("runs", "credits").rows() == [(3, 15)]

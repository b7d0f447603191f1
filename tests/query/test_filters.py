"""Filters as people type them: names for ids and tags, unique beginnings, and an error where nothing matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import wire

import polydoc_analytics as pda

RUNS = [
    wire("1", account_id="0198-aaaa", target_language="French"),
    wire("2", account_id="0198-aabb", target_language="fr"),
    wire("3", account_id="0777-cccc", target_language="pt-BR"),
    wire("4", account_id="0777-cccc", target_language="klingonish"),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> pda.Lake:
    lake = pda.Lake(tmp_path_factory.mktemp("lake"))
    lake.ingest(pl.DataFrame(RUNS))
    return lake


def ids(lake: pda.Lake, **filters: object) -> list[str]:
    with pda.connect(lake, **filters) as db:  # type: ignore[arg-type]
        return sorted(db.view("runs")["id"].to_list())


@pytest.mark.parametrize(
    ("language", "found"),
    [("French", ["1", "2"]), ("FR", ["1", "2"]), ("français", ["1", "2"]), ("pt_br", ["3"]), ("klingonish", ["4"])],
)
def test_a_language_is_taken_by_tag_or_name(lake: pda.Lake, language: str, found: list[str]) -> None:
    assert ids(lake, language=language, match="typed") == found
    assert ids(lake, language=language, match="named") == found


def test_an_account_is_taken_by_id_or_unique_beginning(lake: pda.Lake) -> None:
    assert ids(lake, account="0777", match="typed") == ["3", "4"]
    assert ids(lake, account="0198-aabb", match="typed") == ["2"]
    assert ids(lake, account=["0777", "0198-aaaa"], match="typed") == ["1", "3", "4"]


@pytest.mark.parametrize("match", ["exact", "named"])
def test_a_script_never_gets_another_account_whose_id_begins_alike(lake: pda.Lake, match: str) -> None:
    assert ids(lake, account="0777", match=match) == []
    assert ids(lake, language="de", match=match) == []


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"account": "0198-aa"}, "account '0198-aa' is the beginning of several: 0198-aaaa, 0198-aabb"),
        ({"account": "0777-cccd"}, "account '0777-cccd': no run is of it; did you mean 0777-cccc?"),
        ({"language": "Frensh"}, "language 'Frensh': no run is in it; did you mean French?"),
        ({"language": "pt"}, "language 'pt': no run is in pt itself; did you mean pt-BR?"),
        ({"language": ["fr", "de"]}, "language 'de': no run is in it"),
    ],
)
def test_what_matches_no_run_is_an_error_with_the_nearest(
    lake: pda.Lake, filters: dict[str, object], message: str
) -> None:
    with pytest.raises(pda.UsageError) as caught:
        ids(lake, **filters, match="typed")
    assert message in str(caught.value)


def test_an_account_without_runs_in_the_interval_is_no_error(lake: pda.Lake) -> None:
    with pda.connect(lake, account="0777", match="typed", since="2027-01-01") as db:
        assert db.view("usage")["runs"].item() == 0


def test_an_unknown_match_is_an_error(lake: pda.Lake, tmp_path: Path) -> None:
    with pytest.raises(pda.UsageError, match="unknown match 'tiped'; did you mean typed"):
        pda.connect(lake, match="tiped")  # type: ignore[arg-type]


@pytest.mark.parametrize("filters", ["account", "language"])
@pytest.mark.parametrize("none", [[], (), iter(())], ids=["list", "tuple", "iterator"])
def test_an_empty_list_is_an_error_and_never_all_accounts(lake: pda.Lake, filters: str, none: Any) -> None:
    with pytest.raises(
        pda.UsageError, match=rf"^{filters}: an empty list chooses none; leave it out for all {filters}s$"
    ):
        pda.connect(lake, **{filters: none})


@pytest.mark.parametrize("name", [5, None, b"acme", True], ids=str)
def test_what_is_no_text_is_no_account_and_no_language(lake: pda.Lake, name: Any) -> None:
    for filters in ("account", "language"):
        with pytest.raises(
            pda.UsageError, match=rf"^{filters}: expected a text, or several, not {type(name).__name__}$"
        ):
            pda.connect(lake, **{filters: [name]})


def test_one_account_may_be_left_out_as_a_text(lake: pda.Lake) -> None:
    with pda.connect(lake) as db:
        account, *others = db.account_ids()
        with db.without(account) as rest, db.without([account]) as same:
            assert rest.view("usage_by_account")["account_id"].to_list() == sorted(others)
            assert same.view("usage").equals(rest.view("usage"))
        with pytest.raises(pda.UsageError, match=r"^accounts: expected a text, or several, not NoneType$"):
            db.without(None)  # type: ignore[arg-type]

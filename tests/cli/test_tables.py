"""Tables as people read them: accounts in short, columns on request, costs that add up, whole texts, local times."""

from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from support.paths import SAMPLE
from support.runs import wire

IDS = ("11111111-aaaa-4000", "11111111-aabb-4000", "22222222-cccc-4000")
PRICED = '[branding]\ncurrency = "EUR"\nprice_per_credit = "0.005"\n'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output as a terminal; within a test, because pytest sets its own before each."""
    found = Terminal()
    monkeypatch.setattr(sys, "stdout", found)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return found


def first_words(text: str) -> list[str]:
    rules = [at for at, line in enumerate(text.splitlines()) if line.startswith("─")]
    return [line.split("  ")[0] for line in text.splitlines()[rules[1] + 1 : rules[2]]]


def test_accounts_are_names_or_the_shortest_unique_beginnings_of_ids(cli, file) -> None:
    source = file([wire(str(at), account_id=account) for at, account in enumerate(IDS)])
    assert first_words(cli("usage", source, "--by", "account").out) == ["11111111-aaa…", "11111111-aab…", "22222222…"]
    assert first_words(cli("usage", source, "--by", "account", "--wide").out) == list(IDS)
    Path("names.csv").write_text(f"account_id,name\n{IDS[0]},Acme\n{IDS[1]},Acme\n{IDS[2]},Globex\n", "utf-8")
    Path("polydoc-analytics.toml").write_text('accounts = "names.csv"\n', "utf-8")
    shown = first_words(cli("usage", source, "--by", "account").out)
    assert shown == ["Acme (11111111-aaa…)", "Acme (11111111-aab…)", "Globex"]


def test_what_a_table_shows_of_an_id_can_be_typed_back(cli, file) -> None:
    source = file([wire(str(at), account_id=account) for at, account in enumerate(IDS)])
    for shown, account in zip(first_words(cli("usage", source, "--by", "account").out), IDS, strict=True):
        content = json.loads(cli("usage", source, "--account", shown.rstrip("…"), "--json").out)
        assert content["filters"]["account"] == [account]


def test_columns_are_chosen_in_every_format(cli) -> None:
    call = ["usage", SAMPLE, "--by", "language", "--top", 1, "--columns", "p95_duration_s,runs", "-q"]
    assert cli(*call).out.splitlines()[2].split() == ["language", "name", "p95", "s", "runs"]
    assert cli(*call, "--csv").out.splitlines()[0] == "language,p95_duration_s,runs"
    assert list(json.loads(cli(*call, "--json").out)["data"][0]) == ["language", "p95_duration_s", "runs"]
    wrong = cli("usage", SAMPLE, "--columns", "p95_duration")
    assert wrong.code == 2
    assert "unknown column 'p95_duration'; did you mean p95_duration_s?" in wrong.err


def test_usage_has_the_cost_where_a_price_is_configured(cli, file) -> None:
    rows = [wire(f"{account}{n}", account_id=account, credits=1) for account in "abc" for n in range(3)]
    source = file([*rows, wire("d", account_id="d", credits=None)])
    assert "cost" not in cli("usage", source).out
    Path("polydoc-analytics.toml").write_text(PRICED, "utf-8")
    content = json.loads(cli("usage", source, "--by", "account", "--json").out)
    assert [row["cost"] for row in content["data"]] == ["0.015", "0.015", "0.015", None]
    lines = cli("usage", source, "--by", "account", "--columns", "cost").out.splitlines()
    shown = {line.split()[0]: line.split()[-1] for line in lines[4:] if not line.startswith("─")}
    # 9 credits at 0.005 are 0.045, to the even cent 0.04; the rows add up to what the total shows.
    assert shown["total"] == "0.04"
    assert sum(Decimal(shown[account]) for account in "abc") == Decimal("0.04")
    assert shown["d"] == "–"
    assert cli("usage", source, "--csv").out.splitlines()[1].split(",")[12:14].count("0.045") <= 1
    assert "0.045" in cli("usage", source, "--csv").out


def test_a_cost_of_many_digits_keeps_them_all(cli, file) -> None:
    rows = [wire("a", account_id="a", credits=9_223_372_036_854_774_808), wire("b", account_id="b", credits=7)]
    Path("polydoc-analytics.toml").write_text(
        '[branding]\ncurrency = "EUR"\nprice_per_credit = "0.01234567891"\n', "utf-8"
    )
    usage = ["usage", file(rows), "--by", "account"]
    # 9223372036854774808 × 1234567891 = 11386878963448173607992489928, eleven of whose digits are decimals.
    costs = ["113868789634481736.07992489928", "0.08641975237"]
    assert [row["cost"] for row in json.loads(cli(*usage, "--json").out)["data"]] == costs
    written = cli(*usage, "--csv", "--columns", "cost").out.split()
    assert written == ["account_id,cost", f"a,{costs[0]}", f"b,{costs[1]}"]
    lines = cli(*usage, "--columns", "cost").out.splitlines()
    assert [line.split()[-1] for line in lines if line[:2] in ("a ", "b ", "to")] == [
        "113,868,789,634,481,736.08",
        "0.09",
        "113,868,789,634,481,736.17",
    ]


def test_piped_output_is_not_cut_and_a_view_is_described_in_whole_sentences(cli, monkeypatch, file) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    long = "x" * 300
    source = file([wire(long)])
    assert long in cli("query", source, "select id from runs").out
    monkeypatch.setenv("COLUMNS", "70")
    text = cli("views", "usage").out
    assert max(map(len, text.splitlines())) <= 70
    assert "…" not in text
    words = " ".join(" ".join(line[24:].split()) for line in text.splitlines() if not line.startswith("─"))
    assert "sum of known credits of Failed runs; null when there are such runs and none is known" in words


def test_a_terminal_shows_200_rows_of_a_query_and_says_how_many_more(cli, monkeypatch) -> None:
    screen = terminal(monkeypatch)
    result = cli("query", SAMPLE, "select id from runs", "-q")
    assert result.code == 0
    assert len(screen.getvalue().splitlines()) == 204
    assert "1,800 more rows" in cli("query", SAMPLE, "select id from runs").err


def test_times_in_tables_are_local_to_the_second(cli, file) -> None:
    source = file([wire("a", created_at="2026-07-02T10:00:00.123456Z")])
    query = ["query", source, "select created_at from runs"]
    assert "2026-07-02 10:00:00Z" in cli(*query).out
    assert "2026-07-02 11:00:00 +01:00" in cli(*query, "--timezone", "Europe/Lisbon").out
    assert "2026-07-02T10:00:00.123456Z" in cli(*query, "--timezone", "Europe/Lisbon", "--json").out


def test_a_terminal_has_colours_unless_they_are_refused(cli, monkeypatch, file) -> None:
    source = file([wire("a"), wire("b", status="Failed", output_file_id=None)])
    screen = terminal(monkeypatch)
    cli("usage", source, "-q", "--by", "account")
    assert "\x1b[1mUsage by account" in screen.getvalue()
    assert "\x1b[31m50.0\x1b[0m" in screen.getvalue()
    screen.truncate(0)
    cli("usage", source, "-q", "--by", "account", "--no-color")
    monkeypatch.setenv("NO_COLOR", "1")
    cli("usage", source, "-q", "--by", "account")
    assert "\x1b" not in screen.getvalue()

"""The page in a real browser, with the network off: it loads, filters, sorts, adapts, and can be read by everyone."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.paths import SAMPLE
from support.repetitions import slow
from support.reports import HOSTILE, NOW, built, everything, many_accounts, squeezed
from support.runs import wire

import polydoc_analytics as pda

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine; install the package chromium")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
LISBON = {"period": "2026-10", "timezone": "Europe/Lisbon"}
ACCOUNT = "6ee0e0f4-dde6-490a-a281-43896feb4891"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield found
        found.close()


@contextmanager
def pages(browser: Any, folder: Path) -> Iterator[Any]:
    """Open a report's page from file:// with the network off; at the end nothing may stand in the console."""
    contexts, said = [], []

    def open_(report: Any, *, width: int = 1280, scheme: str = "light") -> Any:
        path = folder / "report.html"
        path.write_bytes(everything(report)["html"])
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, locale="en-GB"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri())
        charts = page.locator(".vega").count()
        page.wait_for_function(f"document.querySelectorAll('.vega[data-drawn]').length === {charts}")
        return page

    yield open_
    assert said == []
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A page of the test's own."""
    with pages(browser, tmp_path) as open_:
        yield open_


@pytest.fixture(scope="module")
def pages_of_the_sample(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The overview of the sample, opened once of each kind: without prices, with them, and as on a phone."""
    prices = {PRICE: {"branding": dict(PRICE)}}
    with pages(browser, tmp_path_factory.mktemp("page")) as open_:
        yield cache(
            lambda kind: open_(built(SAMPLE, **prices.get(kind, {}), **LISBON), width=390 if kind == PHONE else 1280)
        )


PRICE = (("currency", "EUR"), ("price_per_credit", "0.0125"))
PHONE = "phone"


@pytest.fixture
def overview(request: pytest.FixtureRequest, pages_of_the_sample: Any) -> Iterator[Any]:
    """A page that tests share, which leave nothing changed but what is chosen; each finds everything chosen."""
    page = pages_of_the_sample(getattr(request, "param", ()))
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    yield page
    page.click("#reset")
    settled(page)
    assert page.locator("#status").inner_text() == ""


def tiles(page: Any) -> dict[str, str]:
    return {
        tile.locator(".label").inner_text(): tile.locator(".number").inner_text()
        for tile in page.locator(".tile").all()
    }


def expected(**choices: Any) -> dict[str, str]:
    """The key figures as the views have them for a filter."""
    with pda.connect(SAMPLE, **(LISBON | choices)) as db:
        usage = db.view("usage").row(0, named=True)
    return {
        "Runs": f"{usage['runs']:,}",
        "Failure rate": f"{100 * usage['failure_rate']:.1f}%",
        "Credits": f"{usage['credits']:,}",
        "Tokens in": f"{usage['input_tokens']:,}",
        "Tokens out": f"{usage['output_tokens']:,}",
    }


def settled(page: Any) -> None:
    """Wait for two frames, at most as long as for anything of a page."""
    page.wait_for_function("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")


def test_filters_change_the_key_figures_to_those_of_the_views(overview) -> None:
    page = overview
    whole, changes = tiles(page), page.locator(".tile .change")
    assert {name: whole[name] for name in expected()} == expected()
    assert changes.count() > 2
    assert all(change.is_visible() for change in changes.all())

    page.select_option("#account", label=ACCOUNT[:8])
    settled(page)
    found = tiles(page)
    assert {name: found[name] for name in expected()} == expected(account=ACCOUNT)
    assert not any(change.is_visible() for change in changes.all())
    assert found["Median duration"] == whole["Median duration"]
    assert page.locator(".tile", has_text="Median duration").locator(".note").inner_text() == "whole period"
    assert page.locator("#durations .badge").last.is_visible()

    page.select_option("#language", label="French")
    page.fill("#from", "2026-10-05")
    page.fill("#to", "2026-10-20")
    settled(page)
    choices = {"account": ACCOUNT, "language": "fr", "period": None, "since": "2026-10-05", "until": "2026-10-20"}
    found = tiles(page)
    assert {name: found[name] for name in expected()} == expected(**choices)
    assert page.locator("#status").inner_text() == f"{expected(**choices)['Runs']} runs chosen"

    page.click("#reset")
    settled(page)
    assert tiles(page) == whole


def table(page: Any, section: str) -> list[dict[str, str]]:
    """The rows of a table that a reader sees, or would see after "Show all", by the columns' names, as raw values."""
    return page.evaluate(
        """(section) => {
          const box = document.querySelector(`#${section} .table`);
          const names = [...box.querySelectorAll("th")].map((head) => head.dataset.name);
          return [...box.querySelectorAll("tbody tr")].filter((row) => !row.hidden).map((row) =>
            Object.fromEntries([...row.cells].map((cell, at) => [names[at], cell.dataset.v])));
        }""",
        section,
    )


def downloaded(page: Any, section: str) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.locator(f"#{section} .csv").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


ADDITIVE = ("runs", "failed_runs", "credits", "input_tokens", "output_tokens")


def additive(row: dict[str, Any]) -> tuple[str, ...]:
    """The additive measures of a view's row as a page holds them: unknown is empty."""
    return tuple("" if row[name] is None else str(row[name]) for name in ADDITIVE)


@pytest.mark.parametrize("overview", [PRICE], indirect=True)
@pytest.mark.parametrize("seed", [1, 2, *(slow(seed) for seed in (0, *range(3, 100)))])
def test_any_choice_gives_the_tiles_tables_and_csv_of_the_views(overview, seed: int) -> None:
    random, page = Random(seed), overview
    choices: dict[str, Any] = {"period": None, "since": "2026-10-01", "until": "2026-10-31"}
    accounts = page.locator("#account option").all_inner_texts()[1:]
    if random.random() < 0.6:
        chosen = random.choice(accounts)
        page.select_option("#account", label=chosen)
        with pda.connect(SAMPLE) as db:
            [choices["account"]] = [one for one in db.view("accounts")["account_id"] if one.startswith(chosen)]
    if random.random() < 0.6:
        tongue = random.choice(["German", "French", "Japanese", "Spanish", "Korean"])
        choices["language"] = {"German": "de", "French": "fr", "Japanese": "ja", "Spanish": "es", "Korean": "ko"}[
            tongue
        ]
        page.select_option("#language", label=tongue)
    for key, place in (("since", "#from"), ("until", "#to")):
        if random.random() < 0.6:
            choices[key] = f"2026-10-{random.randint(1, 31):02}"
            page.fill(place, choices[key])
            page.locator(place).dispatch_event("change")
    choices["since"], choices["until"] = sorted((choices["since"], choices["until"]))
    settled(page)
    with pda.connect(SAMPLE, **(LISBON | choices)) as db:
        usage = db.view("usage").row(0, named=True)
        found = {name: db.view(name) for name in ("usage_by_account", "usage_by_language", "usage_daily")}
    shown = tiles(page)
    rate = "–" if usage["failure_rate"] is None else f"{100 * usage['failure_rate']:.1f}%"
    assert (shown["Runs"], shown["Failure rate"]) == (f"{usage['runs']:,}", rate)
    assert shown["Credits"] == ("–" if usage["credits"] is None else f"{usage['credits']:,}")
    cents = (
        None if usage["credits"] is None else (Decimal(usage["credits"]) * Decimal("0.0125")).quantize(Decimal("0.01"))
    )
    assert shown["Cost"] == ("–" if cents is None else f"€{cents:,}")
    expected_accounts = {row["account_id"]: additive(row) for row in found["usage_by_account"].iter_rows(named=True)}
    expected_days = {str(row["period"]): additive(row) for row in found["usage_daily"].iter_rows(named=True)}
    for section, key, rows in (
        ("accounts", "account_id", expected_accounts),
        ("usage_over_time", "period", expected_days),
    ):
        assert {row[key]: additive(row) for row in table(page, section)} == rows
        csv_rows = downloaded(page, section)
        assert {row[key]: additive(row) for row in csv_rows} == rows
        costs = [Decimal(row["cost"]) for row in csv_rows if row["cost"]]
        assert sum(costs) == (cents or 0)
    by_tag = {row["language"]: additive(row) for row in found["usage_by_language"].iter_rows(named=True)}
    by_page = {row["language"]: additive(row) for row in downloaded(page, "languages")}
    assert {tag: by_tag[tag] for tag in by_page} == by_page
    if "language" in choices:
        assert by_page == by_tag
    with pda.connect(SAMPLE) as db:
        names = db.language_names
    failed = {
        names[row["language"]]: (row["failed_runs"], row["succeeded_runs"] + row["failed_runs"], row["failure_rate"])
        for row in found["usage_by_language"].iter_rows(named=True)
        if row["failed_runs"]
    }
    assert failed == {
        row["language"]: (int(row["failed_runs"]), int(row["finished_runs"]), pytest.approx(float(row["failure_rate"])))
        for row in table(page, "failures")
    }


def test_an_address_brings_a_choice_back_and_dates_out_of_order_are_put_in_order(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    assert (page.locator("#from").input_value(), page.locator("#to").input_value()) == ("2026-10-01", "2026-10-31")
    page.select_option("#language", label="French")
    page.fill("#from", "2026-10-20")
    page.locator("#from").dispatch_event("change")
    page.fill("#to", "2026-10-05")
    page.locator("#to").dispatch_event("change")
    settled(page)
    assert (page.locator("#from").input_value(), page.locator("#to").input_value()) == ("2026-10-05", "2026-10-20")
    chosen = tiles(page)
    assert page.evaluate("location.hash") == "#language=French&from=2026-10-05&to=2026-10-20"
    page.reload()
    page.wait_for_function("document.querySelector('#status').textContent !== ''")
    assert tiles(page) == chosen
    page.get_by_role("link", name="Failures", exact=True).click()
    assert page.evaluate("location.hash") == "#language=French&from=2026-10-05&to=2026-10-20"
    assert page.evaluate("document.activeElement.textContent") == "Failures"
    page.focus("#language")
    page.keyboard.press("Escape")
    settled(page)
    assert page.evaluate("location.hash") == ""
    assert page.locator("#status").inner_text() == ""


def test_an_address_says_what_of_it_is_not_here(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    page.evaluate("location.hash = '#account=Ghost&language=French&from=2026-02-31&to=2026-10-05T12:00'")
    page.wait_for_function("document.querySelector('#status').textContent !== ''")
    # Neither is a day, and the account has no runs: what is left is the language.
    assert page.evaluate("location.hash") == "#language=French"
    assert (page.locator("#from").input_value(), page.locator("#to").input_value()) == ("2026-10-01", "2026-10-31")
    runs = expected(language="fr")["Runs"]
    assert tiles(page)["Runs"] == runs
    assert page.locator("#status").inner_text() == f"{runs} runs chosen; not here: Ghost"
    page.select_option("#language", label="all")
    settled(page)
    assert page.locator("#status").inner_text() == ""


def test_accounts_and_languages_called_as_what_scripts_have_are_drawn_and_chosen(opened, file) -> None:
    names = ("constructor", "__proto__", "toString", "all others", "undefined")
    page = opened(built(file([wire(name, account_id=name, target_language=name) for name in names]), now=NOW))
    # The charts are drawn, and nothing stands in the console.
    for key in ("account", "language"):
        for name in page.locator(f"#{key} option").all_inner_texts()[1:]:
            page.select_option(f"#{key}", label=name)
            settled(page)
            assert tiles(page)["Runs"] == "1"
        page.select_option(f"#{key}", label="all")


def test_names_sort_as_texts_also_where_some_are_numbers(opened, file) -> None:
    names = ["10", "9", "1a", "0x7", "Infinity", "-3", "b"]
    page = opened(built(file([wire(f"{at}", account_id=name) for at, name in enumerate(names)]), now=NOW))
    page.locator("#accounts .table").get_by_role("button", name="account").click()
    order = [row.locator("td").first.inner_text() for row in page.locator("#accounts tbody tr").all()]
    # One order for all pairs of them, whatever the browser makes of signs.
    assert [name for name in order if name[0].isalnum()] == ["0x7", "1a", "9", "10", "b", "Infinity"]


def test_what_cannot_follow_the_filters_says_so(overview) -> None:
    page = overview
    assert page.locator(".badge:visible").count() == 0
    page.select_option("#language", label="French")
    settled(page)
    assert page.locator("#durations .badge").first.is_visible()
    assert "whole period" in page.locator("#accounts th", has_text="median s").evaluate(
        "head => getComputedStyle(head.querySelector('button'), '::after').content"
    )
    assert "chosen" in page.locator("#accounts .sentence").first.inner_text()


def test_all_rows_are_shown_on_request_and_others_only_beside_the_first(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    with pda.connect(SAMPLE, **LISBON) as db:
        languages = db.view("usage_by_language").height
    assert languages > 15
    assert len(table(page, "languages")) == 15
    assert page.locator("#languages tr.others").is_visible()
    page.get_by_role("button", name=f"Show all {languages} rows").click()
    assert len(table(page, "languages")) == languages
    assert not page.locator("#languages tr.others").is_visible()
    assert page.locator("#languages tr.total").is_visible()
    assert len(downloaded(page, "languages")) == languages


def test_a_click_on_a_bar_chooses_and_a_second_one_lets_go(overview) -> None:
    page = overview
    whole = tiles(page)
    bar = page.locator("#chart-runs_by_language path[aria-roledescription='bar'][aria-label*='German']").first
    bar.click()
    settled(page)
    assert {name: tiles(page)[name] for name in expected()} == expected(language="de")
    assert page.locator("#language option:checked").inner_text() == "German"
    page.locator("#chart-runs_by_language path[aria-roledescription='bar'][aria-label*='German']").first.click()
    settled(page)
    assert tiles(page) == whole


def test_a_brush_over_the_days_chooses_them(overview) -> None:
    page = overview
    page.locator("#chart-runs_over_time").scroll_into_view_if_needed()
    bars = page.locator("#chart-runs_over_time .mark-rect path[aria-roledescription]").all()
    first, last = bars[4].bounding_box(), bars[10].bounding_box()
    height = last["y"] + last["height"] / 2
    page.mouse.move(first["x"] + 8, height)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 8, height, steps=8)
    page.mouse.up()
    settled(page)
    since, until = (page.locator(place).input_value() for place in ("#from", "#to"))
    assert (since, until) == ("2026-10-05", "2026-10-11")
    assert {name: tiles(page)[name] for name in expected()} == expected(period=None, since=since, until=until)


def test_tooltips_say_what_a_mark_stands_for(overview) -> None:
    page = overview
    page.locator("#chart-runs_by_account").scroll_into_view_if_needed()
    page.locator(f"#chart-runs_by_account path[aria-label*='{ACCOUNT[:8]}']").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert page.locator("#vg-tooltip-element").inner_text().split() == ["account", ACCOUNT[:8], "runs", "98"]


def test_tables_sort_by_number_and_find_by_text(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    table = page.locator("#languages .table")
    with pda.connect(SAMPLE, **LISBON) as db:
        shown = db.view("usage_by_language").sort("runs", "language", descending=[True, False])
    names = {row["language"]: db.language_names[row["language"]] for row in shown.iter_rows(named=True)}

    def order() -> list[str]:
        return [row.locator("td").first.inner_text() for row in table.locator("tbody tr").all() if row.is_visible()]

    table.get_by_role("button", name="credits").click()
    by_credits = shown.sort("credits", descending=True, maintain_order=True)["language"]
    assert order() == [names[tag] for tag in by_credits][:15]
    assert table.locator("th[aria-sort='descending']").inner_text().strip() == "credits"
    table.get_by_role("button", name="language").click()
    assert order() == sorted(names.values())[:15]
    table.locator(".find").fill("chin")
    assert order() == sorted(name for name in names.values() if "chin" in name.lower()) != []
    assert table.locator("tfoot tr.total").inner_text().startswith("total")
    assert not table.locator("tfoot tr.others").is_visible()  # it is of the rows beyond the first of all


@pytest.mark.parametrize(
    ("kind", "width", "scheme"),
    [
        *(("overview", 390, "light"), ("statement", 390, "light"), ("languages", 1280, "dark")),
        *(slow("overview", 1280, "dark"), slow("quality", 390, "light")),
        *(slow("statement", 1280, "dark"), slow("languages", 390, "light"), slow("quality", 1280, "dark")),
    ],
)
def test_no_horizontal_scroll_and_no_violation_of_accessibility(
    opened, pages_of_the_sample, kind: str, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    choices = {"account": ACCOUNT} if kind == "statement" else {}
    if (kind, width, scheme) == ("overview", 390, "light"):
        page = pages_of_the_sample(PHONE)
    else:
        page = opened(built(SAMPLE, kind, **LISBON, **choices), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(18, 24, 31)" if scheme == "dark" else "rgb(255, 255, 255)"
    )
    found = Axe().run(page)
    assert [one["id"] for one in found.response["violations"]] == [], found.generate_report()


@pytest.mark.parametrize("overview", [PHONE], indirect=True)
def test_on_a_phone_no_word_of_a_first_column_is_broken(overview) -> None:
    page = overview
    cells = page.locator("#changes tbody td:first-child bdi")
    assert {"account", "language"} == set(cells.all_inner_texts())
    lines = "cell => cell.offsetHeight / parseFloat(getComputedStyle(cell).lineHeight)"
    assert all(cell.evaluate(lines) < 1.5 for cell in cells.all())


def test_hostile_text_runs_nothing_and_the_layout_holds(opened, file) -> None:
    made = [
        wire(f"{name}-{n}", account_id=text, target_language=text) for name, text in HOSTILE.items() for n in range(2)
    ]
    names = {HOSTILE["plus"]: HOSTILE["script"]}
    source = file(b"".join(json.dumps(row).encode() + b"\n" for row in made))
    page = opened(built(source, accounts=names), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("img").count() == 0
    assert HOSTILE["script"] in page.locator("#accounts table").inner_text()
    # The name of one account is the id of another: each has the beginning of its own id behind it.
    alike = [text for text in page.locator("#account option").all_inner_texts() if text.startswith("</script>")]
    assert len(alike) == len(set(alike)) == 2
    page.select_option("#account", label=alike[0])
    settled(page)
    assert tiles(page)["Runs"] == "2"


@pytest.mark.parametrize("made", [[], slow([wire()]), [wire(status="Running", finished_at=None, credits=None)]])
def test_a_page_of_little_or_nothing_loads(opened, file, made: list[dict[str, Any]]) -> None:
    source = file(made or [wire(created_at="2020-01-01T00:00:00Z")])
    page = opened(built(source, period="2026"))
    if made:
        assert tiles(page)["Runs"] == str(len(made))
    else:
        said = "There are no runs in the period; those of the source are of 1 Jan 2020."
        assert page.locator("main section:not(#basis)").inner_text().splitlines() == ["Key figures", "", said]
    if made and made[0]["credits"] is None:
        page.select_option("#language", label="German")
        settled(page)
        assert tiles(page)["Credits"] == "–"


@pytest.mark.parametrize("accounts", [2_000, slow(50_000)])
def test_many_accounts_are_filtered_with_the_others_taken_together(opened, accounts: int) -> None:
    page = opened(built(many_accounts(accounts), now=NOW))
    options = page.locator("#account option").all_inner_texts()
    assert options[0] == "all"
    assert options[-1] == f"others ({accounts - (len(options) - 2):,})"
    assert options[-1].startswith(f"others ({accounts // 1000 - 1},9")
    page.select_option("#account", index=len(options) - 1)
    settled(page)
    assert tiles(page)["Runs"] == f"{2 * accounts - 2 * (len(options) - 2):,}"


def test_a_figure_of_a_page_stands_beside_what_it_is_of(overview) -> None:
    page = overview
    widths = page.evaluate(
        "[...document.querySelectorAll('.table table')].map((one) => [one.offsetWidth, one.parentNode.offsetWidth])"
    )
    assert min(width for width, _ in widths) < 500
    assert all(width <= room for width, room in widths)
    # The days, whose figures are short, take far less than the page.
    assert page.locator("#usage_over_time table").bounding_box()["width"] < 650


def test_a_first_column_of_a_phone_is_not_as_narrow_as_a_letter(opened, file) -> None:
    names = {"acme": "株式会社山田製作所", "zeta": "Zeta"}
    made = [wire(f"{n}", account_id=one) for n, one in enumerate(names)]
    page = opened(built(file(made), accounts=names, now=NOW), width=390)
    name = page.locator("#accounts tbody td bdi", has_text="山田").first.bounding_box()
    assert name["height"] < 30
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_phone_has_room_for_what_a_filter_adds(opened) -> None:
    page = opened(built(SAMPLE, **LISBON), width=390)
    broken = """() => [...document.querySelectorAll(".csv, .badge:not([hidden]), .tools label")].filter((one) =>
      one.getClientRects().length > 1 || one.offsetHeight > 40).map((one) => one.textContent)"""
    page.select_option("#language", label="German")
    settled(page)
    assert page.locator(".badge:visible").count() > 5
    assert page.evaluate(broken) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_most_of_one_day_is_one_run(opened, file) -> None:
    made = [wire(f"{n}", target_language="de" if n else "fr", account_id="a") for n in range(3)]
    page = opened(built(file(made), now=NOW))
    page.select_option("#language", label="French")
    settled(page)
    assert page.locator("#usage_over_time .sentence").first.inner_text() == "The most in one day: 1 run, 2 Mar 2026."


def test_figures_behind_a_waterfall_are_whole_on_a_phone(opened, file) -> None:
    before = [wire(f"b{n}", created_at="2026-02-02T10:00:00Z", credits=1750) for n in range(2)]
    more = [wire(f"n{n}", target_language="fr", credits=128_712_345) for n in range(2)]
    report = built(file([wire("0", created_at="2026-01-31T00:00:00Z"), *before, *more]), period="2026-03", now=NOW)
    page = opened(report, width=390)
    edge, ends = page.evaluate(
        """() => {
          const chart = document.querySelector("#chart-causes"), right = (one) => one.getBoundingClientRect().right;
          return [right(chart), [...chart.querySelectorAll("text")].map(right)];
        }"""
    )
    assert len(ends) > 5
    assert max(ends) <= edge + 0.5


def test_the_chart_of_failures_is_of_the_chosen_language(overview) -> None:
    page = overview
    page.select_option("#language", label="French")
    settled(page)
    page.wait_for_function("document.querySelectorAll('#chart-failure_rates .role-axis-label text').length < 12")
    labels = page.locator("#chart-failure_rates .role-axis-label text").all_text_contents()
    assert "French" in labels
    assert "German" not in labels


def test_a_page_rounds_as_the_other_formats_do(opened, file) -> None:
    made = [wire(f"{n}", status="Failed" if n == 0 else "Succeeded", target_language="de") for n in range(16)]
    page = opened(built(file([*made, wire("other", target_language="fr")]), now=NOW))
    page.select_option("#language", label="German")
    settled(page)
    assert tiles(page)["Failure rate"] == built(file(made), now=NOW).sections[0].figures[1].value.text == "6.2%"


@pytest.mark.parametrize("locale", ["es", "de_CH", slow("en_IN"), "ar_EG", slow("tr"), slow("nl")])
def test_a_page_writes_numbers_as_the_other_formats_do(opened, file, locale: str) -> None:
    brand = {"locale": locale, "currency": "EUR", "price_per_credit": "0.5"}
    made = [wire("a", credits=2469, input_tokens=9_876_543_210), wire("b", credits=-400_000_000, status="Failed")]
    page = opened(built(file([*made, wire("other", target_language="fr")]), now=NOW, branding=brand))
    page.select_option("#language", label="German")
    settled(page)
    expected = {
        figure.label: figure.value.text for figure in built(file(made), now=NOW, branding=brand).sections[0].figures
    }
    found = tiles(page)
    for label in ("Failure rate", "Credits", "Cost", "Tokens in"):
        assert found[label] == expected[label]
    assert re.search("3.?9.?9.?9.?9.?7.?5.?3.?1", found["Credits"])


@pytest.mark.parametrize(
    ("kind", "paper"),
    [
        ("statement", "Letter"),
        *(slow(*one) for one in (("overview", "A4"), ("overview", "Letter"), ("statement", "A4"))),
    ],
)
def test_printing_cuts_nothing(opened, tmp_path: Path, kind: str, paper: str) -> None:
    import pypdf

    from polydoc_analytics.reports.renderers.pdf_columns import points

    page = opened(built(SAMPLE, kind, **LISBON, **({"account": ACCOUNT} if kind == "statement" else {})))
    page.emulate_media(media="print")
    texts = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, p, td, th, figcaption, dt, dd")]
          .filter((one) => one.checkVisibility()).map((one) => one.innerText)"""
    )
    page.pdf(path=tmp_path / "printed.pdf", format=paper)
    letters, edges = [], []
    for sheet in pypdf.PdfReader(tmp_path / "printed.pdf").pages:

        def take(text: str, cm: Any, tm: Any, _: Any, size: float) -> None:
            if text.strip():
                scale = abs(tm[0] * cm[0]) or abs(tm[1] * cm[1])
                edges.append(tm[4] * cm[0] + tm[5] * cm[2] + cm[4] + points(text.strip(), size * scale, False))

        letters.append(sheet.extract_text(visitor_text=take))
        assert max(edges) < float(sheet.mediabox.width) - 25
    printed = squeezed("".join(letters))
    missing = [text for text in texts if text.strip() and squeezed(text) not in printed]
    assert len(texts) > 200
    assert not missing
    if kind == "statement":  # all runs, not only those that are seen before "Show all" is pressed
        with pda.connect(SAMPLE, **LISBON, account=ACCOUNT) as db:
            ids = db.sql("select id from runs")["id"].to_list()
        assert len(ids) > 90
        assert all(squeezed(one) in printed for one in ids)
        pages = [squeezed(sheet) for sheet in letters]
        listed = [sheet for sheet in pages if any(squeezed(one) in sheet for one in ids)]
        assert len(listed) > 2
        assert all("createdrunlanguagestatus" in sheet for sheet in listed)  # the head of their columns on each


def test_on_paper_rows_that_nothing_sums_up_are_not_left_out(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    page.emulate_media(media="print")
    with pda.connect(SAMPLE, **LISBON) as db:
        languages = db.view("usage_by_language").height
    shown = page.locator("#languages tbody tr").filter(visible=True)
    assert shown.count() == 15  # and the others in one line
    page.emulate_media(media="screen")
    page.locator("#languages th button").first.click()
    page.emulate_media(media="print")
    assert shown.count() == languages > 15


def test_the_filters_work_by_the_keyboard_alone(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    whole = tiles(page)
    page.focus("#account")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "language"
    page.keyboard.press("G")
    page.keyboard.press("Enter")
    settled(page)
    assert page.locator("#language option:checked").inner_text() == "German"
    assert {name: tiles(page)[name] for name in expected()} == expected(language="de")
    page.focus("#from")
    page.keyboard.press("Enter")  # no form is sent, nothing is loaded anew
    assert page.locator("#language option:checked").inner_text() == "German"
    page.focus("#reset")
    page.keyboard.press("Enter")
    settled(page)
    assert tiles(page) == whole
    page.locator("#languages .find").fill("ger")
    assert len(table(page, "languages")) == 1
    page.keyboard.press("Escape")
    assert len(table(page, "languages")) == 15
    page.locator("#languages tr.more button").focus()
    page.keyboard.press("Enter")
    assert len(table(page, "languages")) > 15

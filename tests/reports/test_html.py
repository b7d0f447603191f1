"""The page in a real browser, with the network off: it loads, filters, sorts, adapts, and can be read by everyone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.paths import SAMPLE
from support.reports import HOSTILE, NOW, built, many_accounts
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.renderers import render

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


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open a report's page from file:// with the network off; at the end nothing may stand in the console."""
    contexts, said = [], []

    def open_(report: Any, *, width: int = 1280, scheme: str = "light") -> Any:
        path = tmp_path / "report.html"
        path.write_bytes(render(report, "html"))
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
    for context in contexts:
        context.close()
    assert said == []


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
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_filters_change_the_key_figures_to_those_of_the_views(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    whole = tiles(page)
    assert {name: whole[name] for name in expected()} == expected()

    page.select_option("#account", label=ACCOUNT)
    settled(page)
    found = tiles(page)
    assert {name: found[name] for name in expected()} == expected(account=ACCOUNT)
    assert found["Median duration"] == whole["Median duration"]
    assert page.locator(".tile", has_text="Median duration").locator(".note").inner_text() == "whole period"
    assert page.locator("#accounts .badge").last.is_visible()

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


def test_a_click_on_a_bar_chooses_and_a_second_one_lets_go(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    whole = tiles(page)
    bar = page.locator("#chart-runs_by_language path[aria-roledescription='bar'][aria-label*='German']").first
    bar.click()
    settled(page)
    assert {name: tiles(page)[name] for name in expected()} == expected(language="de")
    assert page.locator("#language option:checked").inner_text() == "German"
    page.locator("#chart-runs_by_language path[aria-roledescription='bar'][aria-label*='German']").first.click()
    settled(page)
    assert tiles(page) == whole


def test_a_brush_over_the_days_chooses_them(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
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


def test_tooltips_say_what_a_mark_stands_for(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    page.locator("#chart-runs_by_account").scroll_into_view_if_needed()
    page.locator(f"#chart-runs_by_account path[aria-label*='{ACCOUNT}']").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert page.locator("#vg-tooltip-element").inner_text().split() == ["account", ACCOUNT, "runs", "117"]


def test_tables_sort_by_number_and_find_by_text(opened) -> None:
    page = opened(built(SAMPLE, **LISBON))
    table = page.locator("#languages .table")
    with pda.connect(SAMPLE, **LISBON) as db:
        shown = db.view("usage_by_language").sort("runs", "language", descending=[True, False]).head(15)
    names = {row["language"]: db.language_names[row["language"]] for row in shown.iter_rows(named=True)}

    def order() -> list[str]:
        return [row.locator("td").first.inner_text() for row in table.locator("tbody tr").all() if row.is_visible()]

    table.get_by_role("button", name="credits").click()
    by_credits = shown.sort("credits", descending=True, maintain_order=True)["language"]
    assert order() == [names[tag] for tag in by_credits]
    assert table.locator("th[aria-sort='descending']").inner_text().strip() == "credits"
    table.get_by_role("button", name="language").click()
    assert order() == sorted(names.values())
    table.locator(".find").fill("chin")
    assert order() == ["Chinese (China)"]
    assert table.locator("tfoot tr").count() == 2


@pytest.mark.parametrize("kind", ["overview", "statement", "languages", "quality"])
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_no_horizontal_scroll_and_no_violation_of_accessibility(opened, kind: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    choices = {"account": ACCOUNT} if kind == "statement" else {}
    page = opened(built(SAMPLE, kind, **LISBON, **choices), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(18, 24, 31)" if scheme == "dark" else "rgb(255, 255, 255)"
    )
    found = Axe().run(page)
    assert [one["id"] for one in found.response["violations"]] == [], found.generate_report()


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


@pytest.mark.parametrize("made", [[], [wire()], [wire(status="Running", finished_at=None, credits=None)]])
def test_a_page_of_little_or_nothing_loads(opened, file, made: list[dict[str, Any]]) -> None:
    source = file(made or [wire(created_at="2020-01-01T00:00:00Z")])
    page = opened(built(source, period="2026"))
    assert tiles(page)["Runs"] == str(len(made))
    if made and made[0]["credits"] is None:
        page.select_option("#language", label="German")
        settled(page)
        assert tiles(page)["Credits"] == "–"


def test_fifty_thousand_accounts_are_filtered_with_the_others_taken_together(opened) -> None:
    page = opened(built(many_accounts(50_000), now=NOW))
    options = page.locator("#account option").all_inner_texts()
    assert options[0] == "all"
    assert options[-1].startswith("others (49,9")
    page.select_option("#account", index=len(options) - 1)
    settled(page)
    assert tiles(page)["Runs"] == f"{100_000 - 2 * (len(options) - 2):,}"

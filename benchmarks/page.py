"""The page: the parts of README.md that results.json decides, and the chart."""

from __future__ import annotations

import json
import re
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

import results

Parts = dict[str, Any]
Row = dict[str, Any]

_ONE, _TEN, _HUNDRED = 10**6, 10**7, 10**8


def write(folder: Path) -> None:
    """Write the blocks of README.md anew, and chart.svg, from results.json beside them."""
    parts = results.load(folder / "results.json")
    readme = folder / "README.md"
    readme.write_text(filled(readme.read_text("utf-8"), parts), "utf-8")
    (folder / "chart.svg").write_text(chart(parts), "utf-8")


def filled(text: str, parts: Parts) -> str:
    """Return the README's text with its blocks written anew."""
    blocks = {"machine": _machine, "targets": _targets, "compare": _compared, "growth": _growth, "views": _views}
    blocks["others"] = _others
    for name, block in blocks.items():
        content = block(parts) or "Not measured yet."
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(marks, lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text, flags=re.DOTALL)
    return text


def _sizes(parts: Parts, kind: str = "compare") -> dict[int, Parts]:
    """Return the parts of a kind by their number of runs."""
    found = {int(name.split("-")[1]): part for name, part in parts.items() if name.startswith(f"{kind}-")}
    return dict(sorted(found.items()))


def _row(parts: Parts, runs: int, name: str) -> Row | None:
    rows = _sizes(parts).get(runs, {"rows": []})["rows"]
    return next((row for row in rows if row["name"] == name and row["whole_s"]), None)


def _median(row: Row, key: str) -> float:
    return statistics.median(row[key])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float) -> str:
    """Return three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _short(runs: int) -> str:
    return f"{runs // _ONE} M" if runs >= _ONE else f"{runs // 1000} k"


def _machine(parts: Parts) -> str:
    """List each set of circumstances once, with the parts that were measured under it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, part in parts.items():
        packages = ", ".join(f"{package} {version}" for package, version in part["versions"].items())
        key = (part["machine"], packages, part["measured"], part["command"])
        found.setdefault(key, []).append(name)
    return "\n".join(
        f"- {', '.join(names)}: on {day} by `{command}`, on {machine}, with {packages}."
        for (machine, packages, day, command), names in found.items()
    )


def _compared(parts: Parts) -> str:
    head = [
        "",
        "stored s",
        "usage s",
        "stored / ours",
        "whole / ours",
        "CPU / ours",
        "µs a run",
        "peak MiB",
        "on disk MB",
        "answers",
    ]
    blocks = []
    for runs, part in reversed(_sizes(parts).items()):
        ours = _row(parts, runs, "ours")
        rows = [_compared_row(row, ours, runs) for row in part["rows"]]
        blocks.append(
            f"**{runs:,} runs**, median of {part['repeat']} turns, in brackets the least\n\n{_table(head, rows)}\n"
        )
    return "\n".join(blocks)


def _compared_row(row: Row, ours: Row | None, runs: int) -> list[str]:
    if row["failed"] or not row["whole_s"]:
        return [row["title"], row["failed"] or "not run", *[""] * 8]
    stored, whole = _median(row, "stored_s"), _median(row, "whole_s")
    ratios = [
        f"{_figure(_median(row, key) / _median(ours, key))} ×" if ours else "–"
        for key in ("stored_s", "whole_s", "cpu_s")
    ]
    differs = {None: "–", "": "the same"}.get(row["differs"], "others")
    return [
        row["title"],
        f"{_figure(stored)} ({_figure(min(row['stored_s'])) if len(row['stored_s']) > 1 else 'once'})",
        _figure(whole - stored),
        *ratios,
        _figure(whole / runs * 1e6),
        f"{row['peak_mib']:,}",
        f"{row['stored_mb']:,}",
        differs,
    ]


def _targets(parts: Parts) -> str:
    ours, floor = _row(parts, _TEN, "ours"), _row(parts, _TEN, "floor")
    rows = []

    def add(what: str, limit: str, value: float | None, holds: bool) -> None:
        rows.append(
            [what, limit, "–" if value is None else _figure(value), "" if value is None else "yes" if holds else "no"]
        )

    value = _median(ours, "stored_s") / _median(floor, "stored_s") if ours and floor else None
    add("10 M runs to checked Parquet, over the floor", "at most 1.4 ×", value, (value or 0) <= 1.4)
    ours = _row(parts, _ONE, "ours")
    for names, least in ((("pandas", "pandas-arrow"), 6), (("dlt", "dlt-tuned", "dlt-arrow"), 100)):
        for name in names:
            runs = max((runs for runs in _sizes(parts) if runs <= _ONE and _row(parts, runs, name)), default=None)
            theirs = runs and _row(parts, runs, name)
            if not ours or not theirs or not runs:
                continue
            value = _median(theirs, "stored_s") / runs / (_median(ours, "stored_s") / _ONE)
            of_fewer = f", of {_short(runs)}" if runs < _ONE else ""
            what = f"a run of 1 M stored, faster than {theirs['title']}{of_fewer}"
            add(what, f"at least {least} ×", value, value >= least)
    value = growth(parts, _ONE, _HUNDRED, "ours")
    add("memory from 1 M to 100 M, bytes a run", "at most 16", value, (value or 0) <= 16)
    for runs, part in _sizes(parts, "views").items():
        worst = max(row["ratio"] for row in part["rows"] if row["columns"] == "all" and row["name"].startswith("usage"))
        add(f"the slowest usage view, all columns, {_short(runs)} runs, over SQL", "at most 0.7 ×", worst, worst <= 0.7)
        if runs == _TEN:
            worst = max(row["ratio"] for row in part["rows"] if row["columns"] == "sums")
            what = f"the slowest usage view, counts and sums, {_short(runs)} runs, over SQL"
            add(what, "at most 1.15 ×", worst, worst <= 1.15)
    return _table(["target", "limit", "measured", "holds"], rows)


def growth(parts: Parts, least: int, most: int, name: str) -> float | None:
    """Return by how many bytes a run a contestant's peak memory grows between two sizes; None where one is unknown."""
    small, large = _row(parts, least, name), _row(parts, most, name)
    if not small or not large:
        return None
    return float(large["peak_mib"] - small["peak_mib"]) * 2**20 / (most - least)


def _growth(parts: Parts) -> str:
    sizes = [runs for runs in _sizes(parts) if runs >= _ONE]
    if len(sizes) < 2:
        return ""
    rows = []
    for name in dict.fromkeys(row["name"] for runs in sizes for row in _sizes(parts)[runs]["rows"]):
        for least, most in pairwise(sizes):
            small, large = _row(parts, least, name), _row(parts, most, name)
            if small and large:
                times = [_figure(_median(large, k) / _median(small, k)) for k in ("stored_s", "whole_s")]
                memory = f"{growth(parts, least, most, name) or 0:.1f}"
                rows.append([large["title"], f"{_short(least)} to {_short(most)}", *times, memory])
    return _table(["", "runs", "stored ×", "whole ×", "peak memory, bytes a run more"], rows)


def _views(parts: Parts) -> str:
    head = ["view", "all columns s", "/ by hand", "counts and sums s", "/ by hand"]
    blocks = []
    for runs, part in reversed(_sizes(parts, "views").items()):
        by_name: dict[str, dict[str, list[str]]] = {}
        for row in part["rows"]:
            texts = [f"{row['ours_s']:.3f}", f"{row['ratio']:.2f}"]
            by_name.setdefault(row["name"], {})[row["columns"]] = texts
        rows = [[f"`{name}`", *found["all"], *found.get("sums", ["", ""])] for name, found in by_name.items()]
        blocks.append(f"**{runs:,} runs**\n\n{_table(head, rows)}\n")
    return "\n".join(blocks)


def _others(parts: Parts) -> str:
    rows = [
        [
            row["name"],
            f"{row['ours_s']:.3f}",
            f"{row['theirs_s']:.3f}" if row["theirs_s"] else "",
            f"{row['ours_s'] / row['theirs_s']:.2f}" if row["theirs_s"] else "",
            row["note"],
        ]
        for part in ("broken", "connect", "lake", "reports", "small")
        for row in parts.get(part, {"rows": []})["rows"]
    ]
    return _table(["what / against what", "s", "against s", "ratio", ""], rows) if rows else ""


def chart(parts: Parts) -> str:
    """Return the comparison as SVG: time a run and peak memory of each contestant, a dot for each size."""
    import vl_convert

    values = [
        {
            "contestant": row["title"],
            "runs": f"{_short(runs)} runs",
            "µs a run": round(_median(row, "whole_s") / runs * 1e6, 3),
            "peak MiB": row["peak_mib"],
        }
        for runs, part in _sizes(parts).items()
        for row in part["rows"]
        if row["whole_s"] and not row["failed"]
    ]
    names = list(dict.fromkeys(value["contestant"] for value in sorted(values, key=lambda value: value["µs a run"])))
    sizes = [f"{_short(runs)} runs" for runs in _sizes(parts)]

    steps = [step * 10**power for power in range(6) for step in (1, 3)]

    def panel(field: str, title: str, *, is_first: bool) -> dict[str, Any]:
        bold = {"expr": "datum.value === 'polydoc_analytics' ? 'bold' : 'normal'"}
        axis = {"title": None, "labelLimit": 260, "labels": is_first, "labelFontWeight": bold, "grid": True}
        axis |= {"ticks": False, "domain": False}
        return {
            "width": 300,
            "height": {"step": 30},
            "title": {"text": title, "anchor": "start", "fontWeight": "normal", "fontSize": 13},
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 0.9},
            "encoding": {
                "y": {"field": "contestant", "type": "nominal", "sort": names, "axis": axis},
                "x": {
                    "field": field,
                    "type": "quantitative",
                    "scale": {"type": "log", "nice": True},
                    "axis": {"title": None, "format": ",~r", "values": steps, "gridOpacity": 0.5},
                },
                "color": {
                    "field": "runs",
                    "type": "ordinal",
                    "sort": sizes,
                    "scale": {"range": ["#9ecae1", "#4a90c4", "#1f5fa8", "#0b2f5c"][-len(sizes) :]},
                    "legend": {"title": None, "orient": "bottom", "direction": "horizontal"},
                },
            },
        }

    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "white",
        "padding": 12,
        "data": {"values": values},
        "hconcat": [
            panel("µs a run", "Load, check, store, ask twice: µs a run (log scale)", is_first=True),
            panel("peak MiB", "Peak memory of all processes: MiB (log scale)", is_first=False),
        ],
        "config": {"view": {"stroke": None}, "font": "Source Sans Pro, Helvetica, Arial, sans-serif"},
    }
    return str(vl_convert.vegalite_to_svg(json.dumps(spec), vl_version="6.4"))

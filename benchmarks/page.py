"""The page: the parts of README.md that results.json decides, and the chart."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import results
import targets
from figures import Parts, Row, figure, growth, median, named, of_size, short, sizes, table


def write(folder: Path) -> None:
    """Write the blocks of README.md anew, and chart.svg, from results.json beside them."""
    parts = results.load(folder / "results.json")
    readme = folder / "README.md"
    readme.write_text(filled(readme.read_text("utf-8"), parts), "utf-8")
    (folder / "chart.svg").write_text(chart(parts), "utf-8")


def filled(text: str, parts: Parts) -> str:
    """The README's text with its blocks written anew."""
    blocks = {"machine": _machine, "targets": targets.lines, "compare": _compared, "growth": _growth, "views": _views}
    blocks |= {"others": _others, "installs": _installs, "cores": _cores, "summary": _summary}
    for name, block in blocks.items():
        content = block(parts) or "Not measured yet."
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(marks, lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text, flags=re.DOTALL)
    return text


def _summary(parts: Parts) -> str:
    """Five sentences: what a reader wants first."""
    ours, floor, arrow = (of_size(parts, 10**7, name) for name in ("ours", "floor", "pandas-arrow"))
    million, defaults, dlt = (of_size(parts, 10**6, name) for name in ("ours", "pandas", "dlt-tuned"))
    views = sizes(parts, "views").get(10**7, {"rows": []})["rows"]
    ratios = [row["ratio"] for row in views if row["columns"] == "all" and row["name"].startswith("usage")]
    sample, export = (named(parts, "small", f"usage of {what} /") for what in ("the sample", "its export"))
    quality = named(parts, "processor", "data_quality")
    if not (ours and floor and arrow and million and defaults and dlt and ratios and sample and export and quality):
        return ""

    def times(of: Row, base: Row) -> str:
        return figure(median(of, "stored_s") / median(base, "stored_s"))

    of_sample, of_export = (figure(row["ours_s"] / row["theirs_s"]) for row in (sample, export))

    return "\n".join(
        [
            f"1. Reading, checking, merging and storing 10 M runs takes {figure(median(ours, 'stored_s'))} s and "
            f"{ours['peak_mib']:,} MiB: {times(ours, floor)} times DuckDB's own reader, which checks nothing and "
            "counts runs twice.",
            f"2. pandas with pandera takes {times(arrow, ours)} times as long with Arrow types, at 1 M runs "
            f"{times(defaults, million)} times with its defaults; dlt takes {times(dlt, million)} times.",
            f"3. A usage view of 10 M runs takes {min(ratios):.2f} to {max(ratios):.2f} of the time of the SQL that "
            "one would type first, with languages recognised and intervals around the rates.",
            f"4. `usage` of a small file costs {of_sample} times the processor time of importing DuckDB, Polars and "
            f"PyArrow; of an export, {of_export} times.",
            f"5. Judging the quality of 10 M runs takes {figure(quality['ours_s'])} processor seconds.",
        ]
    )


def _cores(parts: Parts) -> str:
    """Speed-up from one core to two, and what Amdahl's law makes of it with eight."""
    one, two = (named(parts, "cores", f"1,000,000 runs to checked Parquet on {on}") for on in ("one", "all"))
    if not one or not two:
        return ""
    rows, eight = [], []
    for title, key in (("polydoc_analytics", "ours_s"), ("DuckDB, nothing checked (the floor)", "theirs_s")):
        speed_up = one[key] / two[key]
        serial = max(0.0, 2 / speed_up - 1)
        eight.append(1 / (serial + (1 - serial) / 8))
        rows.append([title, figure(one[key]), figure(two[key]), f"{figure(speed_up)} ×", f"{figure(eight[-1])} ×"])
    head = ["1 M runs to Parquet", "one core s", "two cores s", "faster", "with eight, by Amdahl's law"]
    return (
        f"{table(head, rows)}\n\nThe last column takes what did not become faster with the second core for serial: "
        f"the distance to the floor is {figure(one['ours_s'] / one['theirs_s'])} × on one core, "
        f"{figure(two['ours_s'] / two['theirs_s'])} × on two, and would be "
        f"{figure(one['ours_s'] / eight[0] / (one['theirs_s'] / eight[1]))} × on eight."
    )


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
    for runs, part in reversed(sizes(parts).items()):
        ours = of_size(parts, runs, "ours")
        rows = [_compared_row(row, ours, runs) for row in part["rows"]]
        blocks.append(
            f"**{runs:,} runs**, median of {part['repeat']} turns, in brackets the least\n\n{table(head, rows)}\n"
        )
    return "\n".join(blocks)


def _compared_row(row: Row, ours: Row | None, runs: int) -> list[str]:
    if row["failed"] or not row["whole_s"]:
        return [row["title"], row["failed"] or "not run", *[""] * 8]
    stored, whole = median(row, "stored_s"), median(row, "whole_s")
    ratios = [
        f"{figure(median(row, key) / median(ours, key))} ×" if ours else "–" for key in ("stored_s", "whole_s", "cpu_s")
    ]
    differs = {None: "–", "": "the same"}.get(row["differs"], "others")
    return [
        row["title"],
        f"{figure(stored)} ({figure(min(row['stored_s'])) if len(row['stored_s']) > 1 else 'once'})",
        figure(whole - stored),
        *ratios,
        figure(whole / runs * 1e6),
        f"{row['peak_mib']:,}",
        f"{row['stored_mb']:,}",
        differs,
    ]


def _growth(parts: Parts) -> str:
    large_sizes = [runs for runs in sizes(parts) if runs >= 10**6]
    if len(large_sizes) < 2:
        return ""
    rows = []
    for name in dict.fromkeys(row["name"] for runs in large_sizes for row in sizes(parts)[runs]["rows"]):
        for least, most in pairwise(large_sizes):
            small, large = of_size(parts, least, name), of_size(parts, most, name)
            if small and large:
                times = [figure(median(large, k) / median(small, k)) for k in ("stored_s", "whole_s")]
                memory = f"{growth(parts, least, most, name) or 0:.1f}"
                rows.append([large["title"], f"{short(least)} to {short(most)}", *times, memory])
    return table(["", "runs", "stored ×", "whole ×", "peak memory, bytes a run more"], rows)


def _views(parts: Parts) -> str:
    head = ["view", "all columns s", "/ by hand", "counts and sums s", "/ by hand"]
    blocks = []
    for runs, part in reversed(sizes(parts, "views").items()):
        by_name: dict[str, dict[str, list[str]]] = {}
        for row in part["rows"]:
            texts = [f"{row['ours_s']:.3f}", f"{row['ratio']:.2f}"]
            by_name.setdefault(row["name"], {})[row["columns"]] = texts
        rows = [[f"`{name}`", *found["all"], *found.get("sums", ["", ""])] for name, found in by_name.items()]
        blocks.append(f"**{runs:,} runs**\n\n{table(head, rows)}\n")
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
        for part in ("cores", "processor", "broken", "connect", "lake", "reports", "small", "answers", "tests")
        for row in parts.get(part, {"rows": []})["rows"]
    ]
    return table(["what / against what", "s", "against s", "ratio", ""], rows) if rows else ""


def _installs(parts: Parts) -> str:
    rows = parts.get("installs", {"rows": []})["rows"]
    lines = [[row["name"], *(f"{row[key]:,.0f}" for key in ("megabytes", "budget", "seconds"))] for row in rows]
    return table(["install", "MiB", "budget", "seconds"], lines) if rows else ""


def chart(parts: Parts) -> str:
    """The comparison as SVG: time a run and peak memory of each contestant, a dot for each size."""
    import vl_convert

    values = [
        {
            "contestant": row["title"],
            "runs": f"{short(runs)} runs",
            "µs a run": round(median(row, "whole_s") / runs * 1e6, 3),
            "peak MiB": row["peak_mib"],
        }
        for runs, part in sizes(parts).items()
        for row in part["rows"]
        if row["whole_s"] and not row["failed"]
    ]
    names = list(dict.fromkeys(value["contestant"] for value in sorted(values, key=lambda value: value["µs a run"])))
    size_names = [f"{short(runs)} runs" for runs in sizes(parts)]

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
                    "sort": size_names,
                    "scale": {"range": ["#9ecae1", "#4a90c4", "#1f5fa8", "#0b2f5c"][-len(size_names) :]},
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

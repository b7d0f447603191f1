"""Measure this package against what people would use instead; save the figures, and write the page and its chart anew.

    python benchmarks/run.py [--runs 100000 1000000 10000000] [--repeat 3] [--only compare] [--against ours floor]

Every figure is of whole processes that take turns, A B C A B C, so that a machine that drifts drifts for all. Data are
made once in benchmarks/work/. A part that is measured replaces its figures in results.json; the others stay.
``--only page`` measures nothing and writes benchmarks/README.md and the chart from results.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import lake
import others
import page
import project
import reports
import results
import waiting
from compare import NAMES, compare, cores
from measuring import HERE, WORK, FailedError
from views import processor, views

PARTS = ("compare", "cores", "views", "processor", "broken", "connect", "lake", "reports")
PARTS += ("small", "answers", "installs", "tests", "page")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--against", nargs="+", choices=NAMES, default=NAMES, help="some contestants alone: printed, not saved"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    sizes, repeat, most = sorted(given.runs), given.repeat, max(given.runs)
    measures: dict[str, Callable[[], list[results.Row]]] = {
        **{f"compare-{runs}": lambda runs=runs: compare(runs, repeat, given.against) for runs in sizes},
        "cores": lambda: cores(min(most, 1_000_000), repeat),
        f"views-{most}": lambda: views(most, repeat),
        "processor": lambda: processor(min(most, 10_000_000)),
        "broken": lambda: others.broken(min(most, 1_000_000), repeat),
        "connect": lambda: others.connecting(most, repeat),
        "lake": lambda: lake.measure(min(most, 10_000_000), repeat),
        "reports": lambda: reports.measure(min(most, 1_000_000), min(most, 10_000_000), repeat),
        "small": lambda: waiting.small(repeat),
        "answers": lambda: waiting.answers(min(most, 10_000_000), repeat),
        "installs": project.installs,
        "tests": project.tests,
    }
    words = [f"--runs {' '.join(map(str, sizes))}", f"--repeat {repeat}"]
    words += [f"--only {' '.join(given.only)}"] if given.only is not PARTS else []
    for part, measure in measures.items():
        if part.split("-")[0] in given.only:
            print(f"\n{part}")
            try:
                rows = measure()
            except FailedError as error:
                print(f"{part} is left as it was: {error}", flush=True)
                continue
            if part.startswith("compare") and given.against is not NAMES:
                continue
            results.save(given.results, part, rows, repeat, "python benchmarks/run.py " + " ".join(words))
    if given.results == HERE / "results.json":
        page.write(HERE)


if __name__ == "__main__":
    main()

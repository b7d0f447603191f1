#!/usr/bin/env python3
"""Load raw files on many machines, and merge what they loaded into one lake.

Raw files lie in folders, one a day (or a shard). Each machine takes its share of them and makes an export of each, that
appears under its name when it is whole:

    spread.py export RAW EXPORTS --share 1/8      on the first of eight machines; by default all of it
    spread.py ingest EXPORTS LAKE                 once, on one machine, when they are done

Both may be called again at any time: exports that are there are left alone, and loading one twice changes nothing.
With `--engine spark --remote sc://HOST:PORT` a cluster merges. Where rows were rejected, their export has a file
NAME.rejected.ndjson beside it, to be mended and ingested.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polydoc_analytics as pda


def share_of(folders: list[Path], share: str) -> list[Path]:
    """Return each N-th folder, from the K-th on, for a share K/N."""
    number, of = map(int, share.split("/"))
    return folders[number - 1 :: of]


def export(folder: Path, exports: Path) -> str:
    """Check and merge the rows of one folder into an export; return a line that says what became of them."""
    made = exports / folder.name
    if made.exists():
        return f"{folder.name}: is there"
    rejected = exports / f"{folder.name}.rejected.ndjson"
    counts = pda.export(folder, made, quarantine_to=rejected).counts
    if not counts.quarantined:
        rejected.unlink()
    return f"{folder.name}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items())


def main() -> int:
    """Do what the command line says; 1 where a folder cannot be loaded; the others are all the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("export")
    one.add_argument("raw", type=Path)
    one.add_argument("exports", type=Path)
    one.add_argument("--share", default="1/1", metavar="K/N")
    one.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    many = commands.add_parser("ingest")
    many.add_argument("exports", type=Path)
    many.add_argument("lake")
    many.add_argument("--engine", default="duckdb")
    many.add_argument("--remote")
    given = parser.parse_args()

    if given.command == "ingest":
        exports = sorted(path.parent for path in given.exports.glob("*/_manifest.json"))
        result = pda.Lake(given.lake, talk=print).ingest(exports, engine=given.engine, remote=given.remote)
        print(f"{len(exports)} exports: " + ", ".join(f"{count:,} {name}" for name, count in result.items()))
        return 0
    folders = sorted(path for path in given.raw.iterdir() if path.is_dir())
    given.exports.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ProcessPoolExecutor(given.processes) as pool:
        jobs = [pool.submit(export, folder, given.exports) for folder in share_of(folders, given.share)]
        for job in jobs:
            try:
                print(job.result())
            except pda.PolydocError as error:
                print(error, file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())

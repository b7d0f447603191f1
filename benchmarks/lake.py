"""The lake: a first load against an export of the same file, recent rows into many, nothing new, reading."""

from __future__ import annotations

import shutil
from pathlib import Path

from measuring import WORK, cli, duel, in_process, once, seconds_of, watched
from others import IMPORTS
from results import Row, measured
from sources import data


def measure(runs: int, repeat: int) -> list[Row]:
    return [first_load(runs, repeat), *nothing_new(min(runs, 1_000_000), repeat), recent_rows(runs), reading(runs)]


def first_load(runs: int, repeat: int) -> Row:
    lake, export, source = WORK / "lake", WORK / "export", data(runs)

    def clean() -> None:
        shutil.rmtree(lake, ignore_errors=True)
        shutil.rmtree(export, ignore_errors=True)

    ours, theirs = duel(ingest(source, lake), cli("export", source, export, "-q"), repeat, clean)
    clean()
    return measured(
        f"first load of {runs:,} runs / export of them", ours.median, theirs.median, f"{ours.megabytes:.0f} MB"
    )


def nothing_new(runs: int, repeat: int) -> list[Row]:
    """The same file again, and the same rows in a file with other bytes, against reading and checking the file."""
    lake, source, other = WORK / "lake", data(runs), WORK / "other-bytes.ndjson"
    shutil.rmtree(lake, ignore_errors=True)
    other.write_bytes(b"\n" + source.read_bytes())
    watched([*ingest(source, lake), "--json"])
    read = in_process("import polydoc_analytics as pda", f"pda.load('{source}')", times=1)
    rows = []
    for name, again in (("the same file", source), ("the same rows, other bytes", other)):
        ours, theirs = duel(ingest(again, lake), read, repeat)
        note = f"{ours.megabytes:.0f} MB"
        rows.append(measured(f"load {runs:,} runs again, {name} / read them", ours.median, theirs.median, note))
    other.unlink()
    shutil.rmtree(lake)
    return rows


def kept_lake(runs: int) -> Path:
    lake = WORK / f"lake-{runs}"
    if not lake.exists():
        watched([*ingest(data(runs), lake), "--json"])
    return lake


def recent_rows(runs: int) -> Row:
    """10,000 of the newest runs: a fifth new, three tenths changed, the rest as they are."""
    lake, source, copy = kept_lake(runs), WORK / f"recent-{runs}.parquet", WORK / "lake-copy"
    make = f"""import duckdb
duckdb.sql(\"\"\"set timezone = 'UTC'; copy (
    select * exclude (place, load) replace (
        case when place % 3 = 0 and status <> 'Running' then coalesce(credits, 0) + 1 else credits end as credits,
        case when place % 5 = 0 then 'new-' || place else id end as id)
    from (select *, row_number() over (order by created_at desc) as place
          from '{lake}/runs/*.parquet' order by created_at desc limit 10000)
) to '{source}'\"\"\")
print(0)"""
    if not source.exists():
        once(make.replace('\\"', '"'))
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(lake, copy)
    setup = f"{IMPORTS}\nlake = pda.Lake('{copy}')"
    command = in_process(setup, f"lake.ingest('{source}')", times=1)
    seconds = seconds_of(command)
    shutil.rmtree(copy)
    return measured(f"10,000 recent rows into {runs:,}", seconds, None, "after imports")


def reading(runs: int) -> Row:
    lake = kept_lake(runs)
    command = in_process(IMPORTS, f"pda.connect('{lake}').sql('select runs, credits from usage')")
    return measured(f"connect to a lake of {runs:,} runs, and a total", seconds_of(command), None, "after imports")


def ingest(source: Path, lake: Path) -> list[str]:
    return cli("ingest", source, "--lake", lake, "-q")

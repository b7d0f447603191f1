"""Samples: the same for the same seed, right in their numbers, and holding what is said to be planted in them."""

from __future__ import annotations

import io
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.paths import SAMPLE

import polydoc_analytics.loaders.sample as sample
from polydoc_analytics.errors import UsageError
from polydoc_analytics.loaders import sample_attempts
from polydoc_analytics.loaders.sample import write_sample
from polydoc_analytics.model.languages import language

COMMITTED = SAMPLE
KEYS = "account_id created_at credits finished_at id input_file_id input_tokens output_file_id output_tokens status"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
SPIKE = (datetime(2026, 10, 12, tzinfo=UTC), datetime(2026, 10, 19, tzinfo=UTC))

Run = dict[str, Any]


def written(**arguments: Any) -> bytes:
    file = io.BytesIO()
    write_sample(file, **arguments)
    return file.getvalue()


def parsed(content: bytes) -> list[Run]:
    return [json.loads(line) for line in content.splitlines()]


def is_run(line: bytes) -> bool:
    """Judge a line by the hard rules, without the package."""
    try:
        run = json.loads(line.decode("utf-8"))
    except ValueError:
        return False
    texts = [run.get(key) for key in ("id", "account_id", "created_at", "status", "target_language", "input_file_id")]
    instants = [run.get("created_at"), run.get("finished_at") or run.get("created_at")]
    numbers = [run.get(key) for key in ("credits", "input_tokens", "output_tokens")]
    try:
        is_dated = all(INSTANT.fullmatch(text) and datetime.fromisoformat(text) for text in instants)
    except (TypeError, ValueError):
        return False
    is_known = run.get("status") in ("Running", "Succeeded", "Failed")
    return all(isinstance(text, str) for text in texts) and is_dated and is_known and _are_integers(numbers)


def _are_integers(numbers: list[object]) -> bool:
    return all(number is None or type(number) is int for number in numbers)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def is_in_spike(run: Run) -> bool:
    return language(run["target_language"]).tag == "fr" and SPIKE[0] <= instant(run["created_at"]) < SPIKE[1]


def charges(runs: list[Run]) -> Counter[tuple[str, str, str]]:
    """Count how often each account was charged for a file and language."""
    return Counter(
        (run["account_id"], run["input_file_id"], language(run["target_language"]).tag)
        for run in runs
        if run["status"] == "Succeeded" and (run["credits"] or 0) > 0
    )


def attempts(runs: list[Run]) -> list[list[Run]]:
    """The runs of each account, file and language, in the order of creation."""
    chains = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run["created_at"], run["id"])):
        chains[run["account_id"], run["input_file_id"], language(run["target_language"]).tag].append(run)
    return list(chains.values())


def retries(runs: list[Run]) -> list[tuple[Run, Run]]:
    """Each Failed run with the next one of its file, if that was created within ten minutes of the failure."""
    return [
        (run, again)
        for chain in attempts(runs)
        for run, again in pairwise(chain)
        if run["status"] == "Failed" and 0 < seconds(run["finished_at"], again["created_at"]) <= 600
    ]


def doubles(runs: list[Run]) -> list[tuple[Run, Run]]:
    """Runs of one file that were created within half a minute of one that did not fail."""
    return [
        (run, again)
        for chain in attempts(runs)
        for run, again in pairwise(chain)
        if run["status"] != "Failed" and seconds(run["created_at"], again["created_at"]) <= 30
    ]


def repeats(runs: list[Run]) -> list[tuple[Run, Run]]:
    """Runs of one file that were created later than half a minute after one that succeeded."""
    return [
        (run, again)
        for chain in attempts(runs)
        for run, again in pairwise(chain)
        if run["status"] == "Succeeded" and seconds(run["created_at"], again["created_at"]) > 30
    ]


def seconds(start: str, end: str) -> float:
    return (instant(end) - instant(start)).total_seconds()


@pytest.fixture(scope="module")
def lines() -> list[Run]:
    return parsed(written(runs=20_000, seed=3))


@pytest.fixture(scope="module")
def runs(lines: list[Run]) -> list[Run]:
    """Return each run as it was seen last."""
    return list({run["id"]: run for run in lines}.values())


def test_the_committed_sample_is_what_the_generator_writes() -> None:
    """Read as bytes: a checkout that changes line ends shows here too."""
    assert COMMITTED.read_bytes() == written(runs=2_000, seed=7)


def test_the_readme_counts_what_is_in_the_committed_sample() -> None:
    """Counted here from the lines, whatever the tests below say of larger samples."""
    lines = parsed(COMMITTED.read_bytes())
    seen = defaultdict(list)
    for run in lines:
        seen[run["id"]].append(run)
    runs = [sightings[-1] for sightings in seen.values()]
    status = Counter(run["status"] for run in runs)
    first_running = sum(sightings[0]["status"] == "Running" != sightings[-1]["status"] for sightings in seen.values())
    sent_twice = sum(len(sightings) > len({str(run) for run in sightings}) for sightings in seen.values())
    finished = [run for run in runs if run["finished_at"]]
    french = [run["status"] for run in finished if is_in_spike(run)]
    no_credits, no_tokens = (sum(run[key] is None for run in finished) for key in ("credits", "input_tokens"))
    failed_and_charged = sum(run["status"] == "Failed" and (run["credits"] or 0) > 0 for run in runs)
    readme = (COMMITTED.parent / "README.md").read_text("utf-8")
    for text in (
        f"{len(seen):,} runs in {len(lines):,} lines",
        f"| accounts | {len({run['account_id'] for run in runs})}, ",
        f"; {sum(not language(run['target_language']).known for run in runs)} runs in no known language |",
        f"{french.count('Failed')} of {len(french)} finished runs failed",
        f"| seen first Running, later finished | {first_running} runs |",
        f"| the same line twice | {sent_twice} runs |",
        f"| still Running | {status['Running']} runs: ",
        f"without credits: {no_credits}; without input tokens: {no_tokens} |",
        f"| Failed runs that were charged | {failed_and_charged} of {status['Failed']} |",
        f"| charged more than once | {sum(times > 1 for times in charges(runs).values())} files",
        f"| tried again within ten minutes | {len(retries(runs))} of {status['Failed']} Failed runs",
        f"| submitted twice within half a minute | {len(doubles(runs))} files",
        f"| sent again later | {len(repeats(runs))} files",
    ):
        assert text in readme


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.ndjson", runs=300, seed=5, broken=7)
    assert (tmp_path / "a.ndjson").read_bytes() == written(runs=300, seed=5, broken=7)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    write_sample(tmp_path / "new" / "runs.ndjson", runs=5)
    assert len((tmp_path / "new" / "runs.ndjson").read_bytes().splitlines()) >= 5


@pytest.mark.parametrize("other", [{"seed": 6}, {"days": 90}, {"until": date(2025, 3, 30)}, {"broken": 1}])
def test_other_arguments_give_other_bytes(other: dict[str, Any]) -> None:
    first, second = written(runs=300, seed=5), written(**{"runs": 300, "seed": 5, **other})
    assert first != second


def test_every_line_is_in_wire_form() -> None:
    """Keys in one order, nulls written out, no spaces, letters as UTF-8: what json itself would write so."""
    for line in written(runs=2_000, seed=7).decode().splitlines():
        run = json.loads(line)
        assert json.dumps(run, ensure_ascii=False, separators=(",", ":")) == line
        assert list(run) == [*KEYS.split(), "target_language"]
        assert all(UUID.fullmatch(run[key]) for key in ("id", "account_id", "input_file_id"))
        assert run["output_file_id"] is None or UUID.fullmatch(run["output_file_id"])
        assert is_run(line.encode())


def test_lines_are_about_as_long_as_real_ones() -> None:
    content = written(runs=2_000)
    assert 380 < len(content) / content.count(b"\n") < 400


@pytest.mark.parametrize("count", [1, 2, 617, 618, 1_000, 2_500, 20_000])
def test_as_many_runs_as_asked_for(count: int) -> None:
    lines = parsed(written(runs=count))
    assert len({run["id"] for run in lines}) == count
    assert count <= len(lines) <= count * 1.03


def test_chunks_join_without_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """No id comes twice, time goes on, and the caller hears how far it is."""
    monkeypatch.setattr(sample, "_CHUNK_RUNS", 1_000)
    heard: list[int] = []
    lines = parsed(written(runs=3_500, progress=heard.append))
    assert heard == [1_000, 2_000, 3_000, 3_500]
    assert len({run["id"] for run in lines}) == 3_500
    first_seen = list({run["id"]: run["created_at"] for run in reversed(lines)}.values())[::-1]
    out_of_order = sum(a > b for a, b in pairwise(first_seen))
    assert out_of_order < 80


def test_runs_lie_in_the_days_asked_for() -> None:
    lines = parsed(written(runs=3_000, until=date(2024, 2, 29), days=2))
    assert {run["created_at"][:10] for run in lines} == {"2024-02-28", "2024-02-29"}
    assert max(run["finished_at"] or "" for run in lines) < "2024-03-01"


def test_the_calendar_has_no_gap_at_its_ends() -> None:
    for until in (date.max, date(1969, 12, 31), date(1, 1, 1)):
        first, *_ = lines = parsed(written(runs=50, until=until, days=1))
        assert {run["created_at"][:10] for run in lines} == {until.isoformat()}
        assert is_run(json.dumps(first).encode())


def test_accounts_differ_in_size(runs: list[Run]) -> None:
    sizes = sorted(Counter(run["account_id"] for run in runs).values())
    assert 40 < len(sizes) < 60
    assert sizes[-1] > 20 * sizes[0]
    assert len({run["account_id"] for run in parsed(written(runs=2_000))}) == 12


def test_weekends_and_nights_are_quiet_and_use_grows(runs: list[Run]) -> None:
    created = [instant(run["created_at"]) for run in runs]
    weekdays, hours = (Counter(at.weekday() for at in created), Counter(at.hour for at in created))
    assert weekdays[5] + weekdays[6] < 0.5 * weekdays[0]
    assert hours[2] < 0.3 * hours[10]
    months = Counter(at.strftime("%Y-%m") for at in created)
    assert months["2026-10"] > 1.8 * months["2025-10"]


def test_languages_are_written_in_several_ways(runs: list[Run]) -> None:
    ways = defaultdict(set)
    for text in {run["target_language"] for run in runs}:
        ways[language(text).tag].add(text)
    assert 19 <= len(ways) <= 24
    assert ways["fr"] == {"fr", "FR", "French", "français"}
    assert ways["pt-BR"] >= {"pt-BR", "pt_br", "Portuguese (Brazil)"}
    assert "日本語" in ways["ja"]
    assert {text for text in ways if not language(text).known} <= {"Klingonish", "house style 7"}
    plain = sum(language(run["target_language"]).tag == run["target_language"] for run in runs) / len(runs)
    assert 0.88 < plain < 0.92
    assert 0 < sum(not language(run["target_language"]).known for run in runs) < 0.005 * len(runs)


def test_every_spelling_means_its_tag() -> None:
    for tag, others, *_ in sample._LANGUAGES:
        assert {language(text).tag for text in (tag, *others)} == {tag}


def test_french_fails_often_in_one_week(runs: list[Run]) -> None:
    failures, finished = Counter[tuple[bool, bool]](), Counter[tuple[bool, bool]]()
    for run in runs:
        place = (language(run["target_language"]).tag == "fr", SPIKE[0] <= instant(run["created_at"]) < SPIKE[1])
        finished[place] += run["status"] != "Running"
        failures[place] += run["status"] == "Failed"
    rates = {place: failures[place] / finished[place] for place in finished}
    assert finished[True, True] > 80
    assert 0.25 < rates.pop((True, True)) < 0.45
    assert all(0.01 < rate < 0.06 for rate in rates.values())
    days = (sample_attempts.SPIKE_FIRST_DAY, sample_attempts.SPIKE_LAST_DAY)
    assert (sample_attempts.SPIKE_LANGUAGE, *map(str, days)) == ("fr", "2026-10-12", "2026-10-18")


def test_failed_runs_finish_mostly_free_and_without_a_file(runs: list[Run]) -> None:
    failed = [run for run in runs if run["status"] == "Failed"]
    assert all(run["finished_at"] for run in failed)
    assert 0.1 < sum(bool(run["credits"]) for run in failed) / len(failed) < 0.3
    assert 0 < sum(run["output_file_id"] is not None for run in failed) < 0.12 * len(failed)
    assert 0.2 < sum(run["output_tokens"] is None for run in failed) / len(failed) < 0.6


def test_some_runs_are_running_still(runs: list[Run]) -> None:
    running = [run for run in runs if run["status"] == "Running"]
    assert 0.002 < len(running) / len(runs) < 0.008
    empty = ("finished_at", "output_file_id", "output_tokens", "credits")
    assert all(run[key] is None for run in running for key in empty)
    created = sorted(run["created_at"] for run in running)
    assert created[0] < "2026-09"
    assert created[-1] == max(run["created_at"] for run in runs)


def test_some_figures_of_finished_runs_are_unknown(runs: list[Run]) -> None:
    succeeded = [run for run in runs if run["status"] == "Succeeded"]
    for key in ("credits", "input_tokens", "output_tokens"):
        assert 0.003 < sum(run[key] is None for run in succeeded) / len(succeeded) < 0.012
    assert all(run["output_file_id"] for run in succeeded)


def test_time_text_and_credits_follow_the_tokens(runs: list[Run]) -> None:
    known = [run for run in runs if run["status"] == "Succeeded" and run["credits"] and run["input_tokens"]]
    for run in known:
        assert run["credits"] == max(1, -(-(run["input_tokens"] + run["output_tokens"]) // 1_000))
        assert run["created_at"] < run["finished_at"]
    expansion = defaultdict(list)
    for run in known:
        expansion[run["target_language"]].append(run["output_tokens"] / run["input_tokens"])
    mean = {tag: sum(values) / len(values) for tag, values in expansion.items()}
    assert mean["de"] > 1.15 > 0.85 > mean["zh-CN"]
    known.sort(key=lambda run: int(run["input_tokens"]))
    seconds = [(instant(run["finished_at"]) - instant(run["created_at"])).total_seconds() for run in known]
    third = len(known) // 3
    assert sum(seconds[-third:]) > 1.8 * sum(seconds[:third])


def test_some_runs_are_seen_twice(lines: list[Run]) -> None:
    """First Running and then finished, or the same line again; never two states that disagree."""
    sightings = defaultdict(list)
    for at, run in enumerate(lines):
        sightings[run["id"]].append((at, run))
    is_news = [sightings[run["id"]][0][0] == at for at, run in enumerate(lines)]
    finished_later = sent_twice = 0
    for seen in (seen for seen in sightings.values() if len(seen) > 1):
        (at, first), *_, (later, last) = seen
        for key in ("account_id", "created_at", "input_file_id", "input_tokens", "target_language"):
            assert len({run[key] for _, run in seen}) == 1
        assert len({json.dumps(run) for _, run in seen if run["status"] != "Running"}) <= 1
        if first["status"] == "Running" != last["status"]:
            finished_later += 1
            assert 1 <= later - at < 100
            news = (run["created_at"] for number, run in enumerate(lines[later:], later) if is_news[number])
            assert next(news, last["finished_at"]) >= last["finished_at"]
        else:
            sent_twice += 1
            assert first == last
    assert 0.007 < finished_later / len(sightings) < 0.013
    assert 0.001 < sent_twice / len(sightings) < 0.005


def test_clients_try_again_after_two_in_three_failures(runs: list[Run]) -> None:
    failed = [run for run in runs if run["status"] == "Failed"]
    again = retries(runs)
    assert 0.6 < len(again) / len(failed) < 0.72
    pauses = [seconds(run["finished_at"], later["created_at"]) for run, later in again]
    assert 10 <= min(pauses) < 30
    assert 570 < max(pauses) <= 600
    assert 0.22 < sum(later["status"] == "Failed" for _, later in again) / len(again) < 0.4


def test_clients_give_up_after_three_retries() -> None:
    """Chains of two, three and four runs come, each rarer than the one before, and none of five."""
    lengths: Counter[int] = Counter()
    for seed in range(4):
        lines = parsed(written(runs=20_000, seed=seed))
        again = {run["id"]: later for run, later in retries(list({run["id"]: run for run in lines}.values()))}
        for first in again.keys() - {run["id"] for run in again.values()}:
            length, run = 1, first
            while run in again:
                length, run = length + 1, again[run]["id"]
            lengths[length] += 1
    assert sorted(lengths) == [2, 3, 4]
    assert lengths[2] > lengths[3] > lengths[4] > 20


def test_some_files_are_submitted_twice(runs: list[Run]) -> None:
    twice = doubles(runs)
    assert 0.007 < len(twice) / len(runs) < 0.013
    assert min(seconds(run["created_at"], again["created_at"]) for run, again in twice) >= 1
    both = [(run, again) for run, again in twice if run["status"] == again["status"] == "Succeeded"]
    assert len(both) > 0.9 * len(twice)
    assert sum(run["finished_at"] > again["created_at"] for run, again in both) > 0.5 * len(both)


def test_some_files_are_sent_again_days_later(runs: list[Run]) -> None:
    days = sorted(seconds(run["created_at"], again["created_at"]) / 86_400 for run, again in repeats(runs))
    assert 0.01 < len(days) / len(runs) < 0.02
    assert 10 < days[len(days) // 2] < 20
    assert 25 < days[-1] <= 30


def test_every_run_of_a_file_has_its_tokens_and_account(runs: list[Run]) -> None:
    chains = [chain for chain in attempts(runs) if len(chain) > 1]
    assert len(chains) > 0.04 * len(runs)
    for chain in chains:
        assert len({run["input_tokens"] for run in chain} - {None}) <= 1
    files = defaultdict(set)
    for run in runs:
        files[run["input_file_id"]].add(run["account_id"])
    assert max(map(len, files.values())) == 1


def test_no_run_finishes_before_it_was_created(runs: list[Run]) -> None:
    assert all(run["finished_at"] is None or run["created_at"] < run["finished_at"] for run in runs)
    assert all((run[key] or 0) >= 0 for run in runs for key in ("credits", "input_tokens", "output_tokens"))


def test_some_files_are_charged_more_than_once(runs: list[Run]) -> None:
    times = Counter(charges(runs).values())
    assert 0.015 < times[2] / len(runs) < 0.03
    assert max(times) <= 4


@pytest.mark.parametrize("sunday", ["2025-10-26", "2026-03-29", "2026-10-25"])
def test_runs_were_created_in_the_nights_of_clock_changes(sunday: str) -> None:
    hours = Counter(run["created_at"][:13] for run in parsed(written(runs=2_000, seed=7)))
    assert hours[f"{sunday}T00"] + hours[f"{sunday}T01"] > 0


@pytest.mark.parametrize(("runs", "broken"), [(1, 1), (100, 8), (2_000, 21), (50, 200), (1_500, 1_500)])
def test_broken_lines_break_a_hard_rule_and_come_on_top(
    runs: int, broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "_CHUNK_RUNS", 1_000)
    whole = written(runs=runs, seed=1).splitlines()
    mixed = written(runs=runs, seed=1, broken=broken).splitlines()
    assert [line for line in mixed if is_run(line)] == whole
    assert len(mixed) == len(whole) + broken


def test_broken_lines_are_of_every_kind_and_spread_evenly() -> None:
    lines = written(runs=4_000, broken=16).splitlines()
    broken = [at for at, line in enumerate(lines) if not is_run(line)]
    gaps = [b - a for a, b in pairwise(broken)]
    assert 200 < min(gaps) <= max(gaps) < 300
    kinds = (
        rb'\{"account_id":.{1,400}[^}]',
        rb'.*"status":"Done".*',
        rb'((?!"id":).)*\}',
        rb'.*"credits":19\.5,.*',
        rb'.*"created_at":"[-0-9]{10}T[:.0-9]{15}",.*',
        rb'.*"created_at":"\d{4}-02-30T.*',
        rb"[^{]*",
        rb'.*"id":"\xff\xfe.*',
    )
    for at, kind in zip(broken, kinds * 2, strict=True):
        assert re.fullmatch(kind, lines[at])


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    """An error on the way leaves what was there, and nothing beside it."""
    path = tmp_path / "runs.ndjson"
    path.write_text("as it was")

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    for out in (path, tmp_path / "new.ndjson"):
        with pytest.raises(KeyboardInterrupt):
            write_sample(out, runs=10, progress=stop)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("runs.ndjson", "as it was")]
    write_sample(str(path), runs=10)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("runs.ndjson", written(runs=10))]


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "runs.ndjson"):
        with pytest.raises(UsageError, match="cannot be written") as caught:
            write_sample(out, runs=1)
        assert str(out) in str(caught.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize(
    "wrong", [{"runs": 0}, {"runs": 10**10}, {"seed": -1}, {"broken": -1}, {"days": 0}, {"until": date(1, 1, 2)}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        written(**{"runs": 5, **wrong})
